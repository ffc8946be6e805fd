//! Apache Kafka: scripts are lines of Kafka's own tools; ledger and lease are records of one topic.
//!
//! [`crate::domain::lines`] reads the lines, [`tools`] makes command lines of them and [`action`] says what they do; [`run`] carries
//! them out, through the tools or [`builtin`], and waits for their effects ([`settle`]). The ledger ([`log`]) is spoken
//! to over Kafka's protocol ([`wire`]); what its records add up to is decided by [`book`], in the log's order.

mod acls;
mod action;
mod book;
mod broker;
mod builtin;
mod endpoint;
mod job;
mod locked;
mod log;
mod murmur;
mod options;
mod probe;
mod properties;
mod record;
mod records;
mod rules;
mod run;
mod settle;
mod tools;
mod wipe;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::endpoint::{Client as Through, Endpoint, OPTIONS};
use self::job::{Place, Unfit};
use self::locked::{Held, millis};
use self::log::Log;
use self::record::{Claimant, Record, Row, Says};
use self::wire::Cluster;
use super::{
    Atomicity, Card, Client, Holder, Kind, Ledger, Needed, Owner, Preview, Probe, Settings, Step, Store, StoredScript,
    Taken,
};
use crate::config::Secret;
use crate::domain::{Failure, FailureKind, Script, Version};

/// The kind.
pub static KIND: Kind = Kind {
    card: Card {
        name: "kafka",
        aliases: &[],
        title: "Kafka",
        extensions: &["kafka"],
        client: Some(Client { programs: &["kafka-topics", "kafka-topics.sh"], install: tools::INSTALL }),
        atomic: Atomicity::None,
        journals: true,
        dialect: None,
        variables: &["KAFKA_BROKERS", "KAFKA_URL"],
        ambient: &[],
        default_url: None,
        schemes: &["kafka", "kafka+ssl", "kafkas"],
        default_port: Some(9092),
        options: OPTIONS,
        example_url: "kafka://app:secret@broker-1:9092,broker-2:9092",
        not_promised: &[],
    },
    open,
};

fn open(settings: &Settings) -> Result<Box<dyn Store>, Failure> {
    let endpoint = Arc::new(Endpoint::resolve(settings)?);
    let log = Log::new(Cluster::new(endpoint));
    Ok(Box::new(Kafka { settings: settings.clone(), log, sign_of_life: None }))
}

/// A cluster, seen from outside.
struct Kafka {
    settings: Settings,
    log: Log,
    /// The holder's last sign of life that was seen, and when.
    sign_of_life: Option<(Option<(String, i64)>, Instant)>,
}

/// Our own clock, which tells how late it is since the broker's last record.
fn our_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn look(log: &mut Log) -> Result<Ledger, Failure> {
    let exists = log.catch_up()?;
    Ok(Ledger { exists, entries: log.book.entries()? })
}

impl Kafka {
    fn endpoint(&self) -> &Endpoint {
        &self.log.cluster.endpoint
    }

    /// The line of a script whose tool is not there. What else is wrong with it is told when it is its turn.
    fn missing_tool(&self, script: &Script) -> Option<Unfit> {
        let text = std::fs::read_to_string(self.settings.root.join(&script.path)).ok()?;
        let place =
            Place { endpoint: self.endpoint(), store: &self.settings.name, config: None, root: &self.settings.root };
        place.jobs(&text).err().filter(|unfit| unfit.kind == FailureKind::Unreachable)
    }

    /// Whether a lease may have expired by the broker's clock, which only a write can tell: ours says so, or nothing
    /// has been heard of its holder for as long as it lasts.
    fn may_have_expired(&mut self, holder: &Holder) -> bool {
        let mark = self.log.book.mark();
        let lease = Duration::from_millis(u64::try_from(holder.idle_ms + holder.expires_in_ms).unwrap_or(0));
        let silent = match &self.sign_of_life {
            Some((seen, since)) if *seen == mark => since.elapsed() > lease,
            _ => {
                self.sign_of_life = Some((mark, Instant::now()));
                false
            }
        };
        silent || holder.expires_in_ms <= 0
    }

    /// Claims the lease; the log decides.
    fn claim(&mut self, owner: &Owner, over: Option<&Holder>) -> Result<bool, Failure> {
        let claim = Says::Claim {
            owner: Claimant::of(owner),
            lease_ms: millis(self.settings.lease),
            over: over.map(|holder| holder.token.clone()),
            note: over.map(Holder::takeover_note),
        };
        Ok(self.log.append(&[Record::new(&owner.token, claim)])?.into_iter().all(|counts| counts))
    }
}

impl Store for Kafka {
    fn address(&self) -> String {
        self.endpoint().to_string()
    }

    fn probe(&mut self) -> Result<Probe, Failure> {
        probe::probe(&mut self.log.cluster)
    }

    fn look(&mut self) -> Result<Ledger, Failure> {
        look(&mut self.log)
    }

    fn holder(&mut self) -> Result<Option<Holder>, Failure> {
        self.log.catch_up()?;
        Ok(self.log.book.holder(our_ms()))
    }

    fn stored_down(&mut self, version: Version) -> Result<Option<StoredScript>, Failure> {
        self.log.catch_up()?;
        self.log.book.stored_down(version)
    }

    fn preview(&self, steps: &[Step], _run: &str) -> Result<Preview, Failure> {
        let endpoint = self.endpoint();
        let secret = std::path::Path::new("***");
        let has_login = endpoint.login.is_some() || endpoint.tls.is_some();
        let config = endpoint.command_config.as_deref().or_else(|| has_login.then_some(secret));
        let place = Place { endpoint, store: &self.settings.name, config, root: &self.settings.root };
        let lines = steps.iter().map(|step| {
            let jobs = place.jobs(&step.text).map_err(|unfit| unfit.failure(step))?;
            let mut lines = vec![format!("entry: {} is begun", step.label)];
            for job in jobs.iter().skip(step.resume_from as usize) {
                let line = job.tool.as_ref().map_or_else(|| job.shown.clone(), ToString::to_string);
                let fed = job.input.as_ref().map(|i| format!("  <<{} lines", i.lines().count())).unwrap_or_default();
                lines.push(line + &fed);
            }
            let parts = crate::domain::plan::count(jobs.len(), "journalled part");
            lines.push(format!("entry: {} is done, after {parts}", step.label));
            Ok(lines)
        });
        let steps = lines.collect::<Result<Vec<_>, Failure>>()?;
        let client = match &endpoint.client {
            Through::Builtin => "built in".to_owned(),
            Through::Tools(_) => "a program per line".to_owned(),
        };
        Ok(Preview { client, steps })
    }

    fn inventory(&mut self) -> Result<Vec<String>, Failure> {
        let things = wipe::things(&mut self.log.cluster)?;
        let partitions = |n: usize| crate::domain::plan::count(n, "partition");
        Ok(things.iter().map(|t| format!("topic {} ({})", t.name, partitions(t.partitions.len()))).collect())
    }

    fn environment(&self) -> Vec<(String, Secret)> {
        let endpoint = self.endpoint();
        let mut environment = vec![
            ("KAFKA_BROKERS".to_owned(), Secret::open(endpoint.servers())),
            ("STEPLADDER_URL".to_owned(), endpoint.url.clone()),
        ];
        if let Some(login) = &endpoint.login {
            environment.push(("KAFKA_USERNAME".to_owned(), Secret::open(login.user.clone())));
            environment.push(("KAFKA_PASSWORD".to_owned(), login.password.clone()));
        }
        if let Some(path) = &endpoint.command_config {
            environment.push(("KAFKA_COMMAND_CONFIG".to_owned(), Secret::open(path.to_string_lossy())));
        }
        environment
    }

    fn client(&self) -> Result<Option<String>, Failure> {
        probe::client(self.endpoint(), &self.settings.name)
    }

    fn find_client(&self, needed: &[Needed<'_>]) -> Result<(), Failure> {
        needed.iter().try_for_each(|one| match self.missing_tool(one.script) {
            Some(unfit) => Err(one.refused(unfit.missing(), unfit.line)),
            None => Ok(()),
        })
    }

    fn lock(&mut self, owner: &Owner) -> Result<Taken, Failure> {
        self.log.create()?;
        self.log.catch_up()?;
        let before = self.log.book.holder(our_ms());
        if let Some(holder) = &before {
            let gone = holder.is_stale(owner) && holder.expires_in_ms > 0;
            if !gone && !self.may_have_expired(holder) {
                return Ok(Taken::Held(holder.clone()));
            }
            // Only a process that is certainly gone is not waited for; whether a lease has expired, the log says.
            if !self.claim(owner, Some(holder).filter(|_| gone))? {
                return Ok(Taken::Held(self.log.book.holder(our_ms()).unwrap_or_else(|| holder.clone())));
            }
        } else if !self.claim(owner, None)? {
            let holder = self.log.book.holder(our_ms());
            return holder
                .map(Taken::Held)
                .ok_or_else(|| Failure::failed("the lease was taken and given back meanwhile"));
        }
        let another = self.log.another();
        let log = std::mem::replace(&mut self.log, another);
        let settings = self.settings.clone();
        Ok(Taken::Ours(Box::new(Held { log, settings, owner: owner.clone(), took_over: before, config: None })))
    }

    fn unlock(&mut self, seen: &Holder, by: &Owner) -> Result<bool, Failure> {
        if !self.log.catch_up()? {
            return Ok(false);
        }
        let note = format!("released: it was held by {} of run {}", seen.who(), seen.run);
        let entry = Row::unlocked(&Claimant::of(by), note);
        let unlock = Says::Unlock { seen: seen.token.clone(), entry };
        Ok(self.log.append(&[Record::new(&by.token, unlock)])?.into_iter().all(|counts| counts))
    }
}
