//! The one executing loop: leases, ledgers, plan, steps, release. It emits events; whoever shows progress
//! listens to them and never changes the outcome.

pub(crate) mod clients;
mod heartbeat;
mod leases;
mod material;
pub mod seed;
mod workers;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

pub(crate) use material::read_down;
pub use material::{materialise, seed_step};

use crate::domain::ledger::fold;
use crate::domain::{Entry, Failure, FailureKind, Plan, Record, Version, guest};
use crate::project::Opened;
use crate::stores::{Holder, Locked, Owner, Step, StepEvent, StepFailure, Stop};

/// What happens during a run, as it happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// A lease is held by somebody else and is waited for.
    Waiting {
        /// The store's name.
        store: String,
        /// Who holds it.
        holder: Holder,
    },
    /// A stale lease was taken over.
    TookOver {
        /// The store's name.
        store: String,
        /// Who had held it.
        holder: Holder,
    },
    /// All leases are held and this is what will run.
    Planned(Plan),
    /// Something happened to the step with this index of the plan.
    Step(usize, StepEvent),
    /// A step failed.
    Failed(StepFailure),
    /// A store was emptied by `fresh`.
    Wiped(String),
    /// Something a person should know that changes nothing.
    Warning(String),
}

/// How a run is to be carried out.
pub struct RunOptions {
    /// The run's id, new for each run: [`crate::process::identity::run_id`].
    pub run: String,
    /// How long a lease that somebody holds is waited for.
    pub wait_lock: Duration,
    /// Raised by signals.
    pub stop: Stop,
    /// Empty the stores first (`fresh`).
    pub wipe: bool,
    /// The project's folder, where programs are started.
    pub root: std::path::PathBuf,
}

/// A step that was carried out.
#[derive(Clone, Debug)]
pub struct Done {
    /// Its index in the plan.
    pub index: usize,
    /// How long it took by the store's clock, in milliseconds.
    pub duration_ms: i64,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Report {
    /// The run's id.
    pub run: String,
    /// What was to be done, as planned under the leases.
    pub plan: Plan,
    /// What was done, in the order of completion.
    pub done: Vec<Done>,
    /// The steps that failed: one, unless stores failed side by side.
    pub failures: Vec<(Step, StepFailure)>,
    /// Why the run stopped, apart from failed steps: a lost lease, an interrupt, a store that went away.
    pub stopped: Option<Failure>,
    /// From the first lease to the last release.
    pub elapsed: Duration,
}

impl Report {
    /// Whether everything that was planned was done.
    pub fn is_success(&self) -> bool {
        self.failures.is_empty() && self.stopped.is_none()
    }
}

/// What the ledgers add up to, by store.
pub type Records = BTreeMap<String, BTreeMap<Version, Record>>;

/// A locked store at work.
pub(crate) struct Held {
    name: String,
    card: &'static crate::stores::Card,
    lease: Duration,
    timeout: Option<Duration>,
    environment: Vec<(String, crate::config::Secret)>,
    locked: Box<dyn Locked>,
}

/// Takes the leases of `names`, plans again under them and carries the plan out.
///
/// `planner` gets the records as they are under the leases; what it refuses is refused before anything ran.
///
/// # Errors
/// A lease that is held, a store that cannot be reached, a refused plan. What goes wrong after the first step
/// began is in the [`Report`].
pub fn run(
    stores: &mut BTreeMap<String, Opened>,
    names: &[String],
    owner: &Owner,
    planner: &dyn Fn(&Records) -> Result<Plan, Failure>,
    options: &RunOptions,
    listen: &(dyn Fn(&Event) + Sync),
) -> Result<Report, Failure> {
    let started = Instant::now();
    let mut records = outside_records(stores, names)?;
    let mut held = leases::take(stores, names, owner, options, listen)?;
    let hearts = heartbeat::start(&mut held, &options.stop);
    let outcome = hearts.and_then(|hearts| {
        let outcome = under_leases(&mut held, &mut records, owner, planner, options, listen);
        drop(hearts);
        outcome
    });
    let released = leases::release(held);
    let (plan, carried) = outcome?;
    if let Err(error) = released {
        listen(&Event::Warning(format!("a lease could not be given back, it will expire: {error}")));
    }
    Ok(Report {
        run: owner.run.clone(),
        plan,
        done: carried.done,
        failures: carried.failures,
        stopped: carried.stopped.or_else(|| stop_failure(&options.stop)),
        elapsed: started.elapsed(),
    })
}

/// The ledgers of stores that are looked at but not locked, for `requires`.
fn outside_records(stores: &mut BTreeMap<String, Opened>, names: &[String]) -> Result<Records, Failure> {
    let outside = stores.iter_mut().filter(|(name, _)| !names.contains(name));
    outside.map(|(name, o)| Ok((name.clone(), fold(&o.store.look()?.entries)))).collect()
}

fn under_leases(
    held: &mut [Held],
    records: &mut Records,
    owner: &Owner,
    planner: &dyn Fn(&Records) -> Result<Plan, Failure>,
    options: &RunOptions,
    listen: &(dyn Fn(&Event) + Sync),
) -> Result<(Plan, workers::Carried), Failure> {
    for one in held.iter() {
        if let Some(holder) = one.locked.took_over() {
            listen(&Event::TookOver { store: one.name.clone(), holder: holder.clone() });
        }
    }
    if options.wipe {
        wipe(held, listen)?;
    }
    for one in held.iter_mut() {
        records.insert(one.name.clone(), fold(&one.locked.look()?.entries));
    }
    let plan = planner(records)?;
    if let Some(other) = plan.stores().iter().find(|s| !held.iter().any(|h| h.name == **s)) {
        // Files or ledgers changed between the first look and the lease.
        return Err(Failure::failed(format!("{other} has work now that it had not a moment ago; nothing was run"))
            .hint("run the command again"));
    }
    listen(&Event::Planned(plan.clone()));
    let carried = workers::carry_out(&plan, held, owner, options, listen);
    Ok((plan, carried))
}

/// Empties the stores: guests first, since their hosts' ledgers say what there is to take back.
fn wipe(held: &mut [Held], listen: &(dyn Fn(&Event) + Sync)) -> Result<(), Failure> {
    let names: BTreeSet<String> = held.iter().map(|one| one.name.clone()).collect();
    let looked = held.iter_mut().map(|one| Ok((one.name.clone(), one.locked.look()?.entries)));
    let ledgers: BTreeMap<String, Vec<Entry>> = looked.collect::<Result<_, Failure>>()?;
    guest::refuse_loss(ledgers.iter().map(|(name, entries)| (name.as_str(), entries.as_slice())), &names)?;
    let guests = guest::among(ledgers.values().flatten(), &names);
    let (first, rest): (Vec<&mut Held>, Vec<&mut Held>) = held.iter_mut().partition(|one| guests.contains(&one.name));
    for one in first.into_iter().chain(rest) {
        one.locked.wipe()?;
        listen(&Event::Wiped(one.name.clone()));
    }
    Ok(())
}

/// The failure that a raised stop flag stands for.
pub fn stop_failure(stop: &Stop) -> Option<Failure> {
    use crate::stores::StopReason;
    match stop.asked()? {
        StopReason::Sibling => None,
        StopReason::LeaseLost => {
            Some(Failure::failed("the lease was lost, so nothing more was run").hint(
                "somebody released it or the store was not answering; `stepladder status` shows where things stand",
            ))
        }
        StopReason::Interrupted => Some(Failure::new(FailureKind::Interrupted, "interrupted")),
    }
}

/// Takes the lease of one store, does something under it, and gives it back. For `repair`, `baseline`, `seed`.
///
/// # Errors
/// As [`run`]; what `work` answers.
pub fn under_lease<T>(
    stores: &mut BTreeMap<String, Opened>,
    name: &str,
    owner: &Owner,
    options: &RunOptions,
    listen: &(dyn Fn(&Event) + Sync),
    work: impl FnOnce(&mut dyn Locked) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut held = leases::take(stores, &[name.to_owned()], owner, options, listen)?;
    let hearts = heartbeat::start(&mut held, &options.stop);
    let outcome = hearts.and_then(|hearts| {
        let outcome = match held.first_mut() {
            Some(one) => work(one.locked.as_mut()),
            None => Err(Failure::failed(format!("no lease of {name}"))),
        };
        drop(hearts);
        outcome
    });
    let released = leases::release(held);
    let value = outcome?;
    released?;
    Ok(value)
}
