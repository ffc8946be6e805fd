//! A project: its configuration, its catalogs and its stores. What an application embeds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::config::{Config, Flags, Origin, Secret, StoreConfig};
use crate::discover;
use crate::domain::ledger::fold;
use crate::domain::plan_down::{DownTarget, plan_down};
use crate::domain::plan_up::{UpRequest, plan_up, requirement_findings};
use crate::domain::{Catalog, Failure, FailureKind, Finding, Plan, StoreState};
use crate::execute::{self, Event, Records, Report, RunOptions};
use crate::process::identity;
use crate::stores::host::{Host, WeakHost};
use crate::stores::{self, Card, Ledger, Stop, Store};

/// What the files of each store say, by its name. They are read while others connect; whoever looks into them first waits.
pub type Catalogs = LazyLock<BTreeMap<String, Catalog>, Box<dyn FnOnce() -> BTreeMap<String, Catalog> + Send>>;

/// Configuration and catalogs; nothing is connected yet.
pub struct Project {
    /// Where everything is.
    pub config: Arc<Config>,
    /// What the files of each store say.
    pub catalogs: Catalogs,
    /// The stores in use that keep others' ledgers: each is opened once for all.
    hosts: Mutex<BTreeMap<String, WeakHost>>,
}

/// A store that is open, with what the engine needs to know of it.
pub struct Opened {
    /// The kind's card.
    pub kind: &'static crate::stores::Kind,
    /// The store.
    pub store: Box<dyn Store>,
    /// How long a lease lasts.
    pub lease: Duration,
    /// How long scripts may run unless they say otherwise.
    pub timeout: Option<Duration>,
}

impl Opened {
    /// The kind's card.
    pub fn card(&self) -> &'static Card {
        &self.kind.card
    }
}

/// The stores of a request.
#[derive(Default)]
pub struct Fleet {
    /// Open stores, by name: the chosen ones and those that their migrations require.
    pub stores: BTreeMap<String, Opened>,
    /// The chosen ones.
    pub chosen: BTreeSet<String>,
    /// Optional stores without a connection, with the variable that would give them one.
    pub skipped: Vec<(String, String)>,
}

/// Asked for a connection that is missing; `None` means that nobody can be asked.
pub type Ask<'a> = &'a dyn Fn(&StoreConfig) -> Result<Option<Secret>, Failure>;

/// Nobody is asked.
///
/// # Errors
/// Never.
pub fn ask_nobody(_: &StoreConfig) -> Result<Option<Secret>, Failure> {
    Ok(None)
}

impl Project {
    /// Reads the configuration, and begins to read all catalogs. Connects to nothing.
    ///
    /// # Errors
    /// A configuration that cannot be understood. What is wrong with migrations is in the catalogs.
    pub fn load(flags: &Flags) -> Result<Self, Failure> {
        let config = Arc::new(Config::load(flags)?);
        let of = Arc::clone(&config);
        let all = move || of.stores.values().map(|store| (store.name.clone(), discover::catalog(&of, store))).collect();
        let reading = thread::spawn(all);
        let read = move || reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok(Self { config, catalogs: LazyLock::new(Box::new(read)), hosts: Mutex::default() })
    }

    /// Everything that is wrong with the files, without any server: for `validate`.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = self.strays();
        findings.extend(self.catalogs.values().flat_map(|c| c.findings.iter().cloned()));
        let none = BTreeMap::new();
        let states: Vec<StoreState<'_>> =
            self.catalogs.values().map(|catalog| StoreState { catalog, records: &none, chosen: true }).collect();
        findings.extend(requirement_findings(&states));
        findings
    }

    /// Folders beside the stores' that are no store's.
    fn strays(&self) -> Vec<Finding> {
        let stray = |path: &std::path::PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let kinds: Vec<&str> = crate::stores::KINDS.iter().map(|k| k.card.name).collect();
            Finding::error("unknown-store", self.config.shown(path), "is no store's folder").hint(format!(
                "name it after a kind ({}), or say its kind: `[stores.{name}]` with `kind = \"...\"` in stepladder.toml",
                kinds.join(", ")
            ))
        };
        self.config.strays.iter().map(stray).collect()
    }

    /// Opens the chosen stores (all, when `names` is empty) and those that their migrations require. Does not
    /// connect.
    ///
    /// # Errors
    /// An unknown store, or one without a connection that is not optional.
    pub fn open(&self, names: &[String], ask: Ask<'_>) -> Result<Fleet, Failure> {
        let mut fleet = Fleet::default();
        for config in self.config.choose(names)? {
            if self.open_one(config, &mut fleet, ask, names.is_empty())? {
                fleet.chosen.insert(config.name.clone());
            }
        }
        if names.is_empty() {
            return Ok(fleet);
        }
        let required: BTreeSet<String> = fleet
            .chosen
            .iter()
            .filter_map(|name| self.catalogs.get(name))
            .flat_map(|c| c.migrations.values())
            .flat_map(|m| m.up.directives.requires.iter().map(|r| r.store.clone()))
            .collect();
        for name in required {
            if let Some(config) = self.config.stores.get(&name)
                && !fleet.stores.contains_key(&name)
            {
                self.open_one(config, &mut fleet, ask, true)?;
            }
        }
        Ok(fleet)
    }

    /// Opens the stores whose migrations require the chosen ones too: what they stand on must not be taken away.
    /// Optional ones without a connection hold nothing.
    ///
    /// # Errors
    /// As [`Project::open`].
    pub fn open_dependents(&self, fleet: &mut Fleet, ask: Ask<'_>) -> Result<(), Failure> {
        let requires = |c: &Catalog| {
            let all = c.migrations.values().flat_map(|m| &m.up.directives.requires);
            all.into_iter().any(|r| fleet.chosen.contains(&r.store))
        };
        let dependents: Vec<&StoreConfig> = self
            .config
            .stores
            .values()
            .filter(|s| !fleet.stores.contains_key(&s.name) && (s.url.is_some() || !s.optional))
            .filter(|s| self.catalogs.get(&s.name).is_some_and(requires))
            .collect();
        for config in dependents {
            self.open_one(config, fleet, ask, true)?;
        }
        Ok(())
    }

    fn open_one(&self, config: &StoreConfig, fleet: &mut Fleet, ask: Ask<'_>, may_skip: bool) -> Result<bool, Failure> {
        if config.url.is_none() && config.optional && may_skip {
            fleet.skipped.push((config.name.clone(), config.variable()));
            return Ok(false);
        }
        fleet.stores.insert(config.name.clone(), self.open_store(config, ask)?);
        Ok(true)
    }

    /// Opens one store. Does not connect.
    ///
    /// # Errors
    /// A connection that is missing or cannot be understood.
    pub fn open_store(&self, config: &StoreConfig, ask: Ask<'_>) -> Result<Opened, Failure> {
        let (store, lease) = match &config.keeper {
            _ if self.config.is_host(&config.name) => {
                (Box::new(self.host(config, ask)?) as Box<dyn Store>, config.lease)
            }
            None => (self.connect(config, None, ask)?, config.lease),
            Some(keeper) => {
                let keeper = self.config.named(keeper)?;
                (self.connect(config, Some(self.host(keeper, ask)?), ask)?, keeper.lease)
            }
        };
        Ok(Opened { kind: config.kind, store, lease, timeout: config.timeout })
    }

    fn connect(&self, config: &StoreConfig, host: Option<Host>, ask: Ask<'_>) -> Result<Box<dyn Store>, Failure> {
        let url = match &config.url {
            Some((url, _)) => Some(url.clone()),
            None => ask(config)?,
        };
        let url = url.ok_or_else(|| config.no_connection())?;
        let origin = config.url.as_ref().map_or(Origin::Answer, |(_, origin)| origin.clone());
        stores::open(config.kind, &config.settings(&self.config, url), host).map_err(|mut failure| {
            failure.details.push(format!("the connection of {} comes from {origin}", config.name));
            failure
        })
    }

    /// A store that keeps others' ledgers.
    fn host(&self, config: &StoreConfig, ask: Ask<'_>) -> Result<Host, Failure> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(&config.name).and_then(WeakHost::upgrade) {
            return Ok(host);
        }
        let host = Host::new(&config.name, self.connect(config, None, ask)?);
        hosts.insert(config.name.clone(), host.downgrade());
        Ok(host)
    }

    /// What planning needs to know, from records.
    pub fn states<'a>(&'a self, fleet_chosen: &BTreeSet<String>, records: &'a Records) -> Vec<StoreState<'a>> {
        let state = |(name, records): (&'a String, &'a _)| {
            let catalog = self.catalogs.get(name)?;
            Some(StoreState { catalog, records, chosen: fleet_chosen.contains(name) })
        };
        records.iter().filter_map(state).collect()
    }

    /// The plan of an `up`, from records.
    ///
    /// # Errors
    /// As [`plan_up`]; a folder that is no store's, when every store is meant.
    pub fn plan_up(&self, chosen: &BTreeSet<String>, records: &Records, request: &UpRequest) -> Result<Plan, Failure> {
        if let Some(stray) = self.strays().into_iter().next().filter(|_| chosen.len() == self.catalogs.len()) {
            let failure = Failure::usage(format!("{} {}", stray.place, stray.message));
            return Err(stray.hint.into_iter().fold(failure, Failure::hint));
        }
        plan_up(&self.states(chosen, records), request)
    }

    /// The plan of a `down`, from records.
    ///
    /// # Errors
    /// As [`plan_down`].
    pub fn plan_down(
        &self,
        chosen: &BTreeSet<String>,
        records: &Records,
        target: &DownTarget,
    ) -> Result<Plan, Failure> {
        plan_down(&self.states(chosen, records), target)
    }

    /// Looks, plans, and carries the plan out if there is something to do: the whole of `up` and `down`.
    ///
    /// # Errors
    /// As [`execute::run`].
    pub fn run(
        &self,
        fleet: &mut Fleet,
        planner: &dyn Fn(&Records) -> Result<Plan, Failure>,
        options: &RunOptions,
        listen: &(dyn Fn(&Event) + Sync),
    ) -> Result<Report, Failure> {
        let mut records = fleet.look()?.1;
        fleet.cautions().into_iter().for_each(|caution| listen(&Event::Warning(caution)));
        if options.wipe {
            // What is not wiped stays as it is: others may require it.
            records.extend(fleet.chosen.iter().map(|name| (name.clone(), BTreeMap::new())));
        }
        let owner = identity::owner(&options.run);
        let plan = match planner(&records) {
            // The half may be a script that somebody runs just now: under the leases it is seen what it is.
            Err(half) if half.kind == FailureKind::HalfApplied && fleet.is_leased() => {
                let names: Vec<String> = fleet.chosen.iter().cloned().collect();
                return execute::run(&mut fleet.stores, &names, &owner, planner, options, listen);
            }
            // Or it ended between the look at the ledger and the look at the lease.
            Err(half) if half.kind == FailureKind::HalfApplied && !options.wipe => planner(&fleet.look()?.1)?,
            plan => plan?,
        };
        if plan.is_empty() && !options.wipe {
            listen(&Event::Planned(plan.clone()));
            return Ok(Report {
                run: owner.run,
                plan,
                done: Vec::new(),
                failures: Vec::new(),
                stopped: None,
                elapsed: Duration::ZERO,
            });
        }
        execute::clients::find(&fleet.stores, &plan)?;
        let names: Vec<String> = match options.wipe {
            true => fleet.chosen.iter().cloned().collect(),
            false => plan.stores().iter().map(|s| (*s).to_owned()).collect(),
        };
        execute::run(&mut fleet.stores, &names, &owner, planner, options, listen)
    }

    /// Options of a run in this project, with a fresh stop flag.
    pub fn run_options(&self, wait_lock: Duration) -> RunOptions {
        RunOptions {
            run: identity::run_id(),
            wait_lock,
            stop: Stop::default(),
            wipe: false,
            root: self.config.root.clone(),
        }
    }
}

/// Nothing is applied anywhere: for `--offline`.
pub fn empty_records(fleet: &Fleet) -> Records {
    fleet.stores.keys().map(|name| (name.clone(), BTreeMap::new())).collect()
}

impl Fleet {
    /// Whether somebody has the lease of a chosen store. Also one that has expired: where the script itself keeps
    /// everybody out of the store, its lease cannot be renewed either, and taking it is what shows.
    fn is_leased(&mut self) -> bool {
        let chosen = &self.chosen;
        let mut held = self.stores.iter_mut().filter(|(name, _)| chosen.contains(*name));
        held.any(|(_, opened)| matches!(opened.store.holder(), Ok(Some(_))))
    }

    /// Looks into the ledgers of all stores, side by side.
    ///
    /// # Errors
    /// The first store, by name, that cannot be looked into.
    pub fn look(&mut self) -> Result<(BTreeMap<String, Ledger>, Records), Failure> {
        let looked = self.each(|_, opened| opened.store.look());
        let ledgers: BTreeMap<String, Ledger> =
            looked.into_iter().map(|(name, ledger)| Ok((name, ledger?))).collect::<Result<_, Failure>>()?;
        let records = ledgers.iter().map(|(name, ledger)| (name.clone(), fold(&ledger.entries))).collect();
        Ok((ledgers, records))
    }

    /// What the last look found that endangers a ledger, a sentence each.
    pub fn cautions(&self) -> Vec<String> {
        let of = |(name, opened): (&String, &Opened)| -> Vec<String> {
            opened.store.cautions().into_iter().map(|caution| format!("{name}: {caution}")).collect()
        };
        self.stores.iter().flat_map(of).collect()
    }

    /// Does something with every store, side by side; answers are in order of name.
    pub fn each<T: Send>(&mut self, work: impl Fn(&str, &mut Opened) -> T + Sync) -> Vec<(String, T)> {
        let work = &work;
        if self.stores.len() == 1 {
            return self.stores.iter_mut().map(|(name, opened)| (name.clone(), work(name, opened))).collect();
        }
        thread::scope(|scope| {
            let threads: Vec<_> = self
                .stores
                .iter_mut()
                .map(|(name, opened)| (name.clone(), scope.spawn(move || work(name, opened))))
                .collect();
            let join = |(name, thread): (String, thread::ScopedJoinHandle<'_, T>)| Some((name, thread.join().ok()?));
            threads.into_iter().filter_map(join).collect()
        })
    }
}
