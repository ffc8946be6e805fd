//! All leases or none, in a fixed order.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use super::{Event, Held, RunOptions};
use crate::domain::{Failure, FailureKind};
use crate::project::Opened;
use crate::stores::{Holder, Owner, Taken};

/// How often a held lease is tried again.
const POLL: Duration = Duration::from_millis(200);

/// Takes the leases of all the named stores, in the order of their names. When one is held by somebody else,
/// those taken so far are given back before waiting: two runs can never wait for each other.
pub(super) fn take(
    stores: &mut BTreeMap<String, Opened>,
    names: &[String],
    owner: &Owner,
    options: &RunOptions,
    listen: &(dyn Fn(&Event) + Sync),
) -> Result<Vec<Held>, Failure> {
    let deadline = Instant::now() + options.wait_lock;
    let mut told = false;
    let taken = loop {
        match try_all(stores, names, owner)? {
            Ok(taken) => break taken,
            Err((store, holder)) => {
                if let Some(stopped) = super::stop_failure(&options.stop) {
                    return Err(stopped);
                }
                if Instant::now() >= deadline {
                    return Err(refuse(&store, &holder, options.wait_lock));
                }
                if !told {
                    listen(&Event::Waiting { store, holder });
                    told = true;
                }
                thread::sleep(POLL.min(deadline.saturating_duration_since(Instant::now())));
            }
        }
    };
    let mut taken: BTreeMap<String, _> = taken.into_iter().collect();
    let held = stores.iter().filter_map(|(name, opened)| {
        let locked = taken.remove(name)?;
        Some(Held {
            name: name.clone(),
            card: opened.card(),
            lease: opened.lease,
            timeout: opened.timeout,
            environment: opened.store.environment(),
            locked,
        })
    });
    Ok(held.collect())
}

type Leases = Vec<(String, Box<dyn crate::stores::Locked>)>;

fn try_all(
    stores: &mut BTreeMap<String, Opened>,
    names: &[String],
    owner: &Owner,
) -> Result<Result<Leases, (String, Holder)>, Failure> {
    let mut taken: Leases = Vec::new();
    for (name, opened) in stores.iter_mut().filter(|(name, _)| names.contains(name)) {
        let outcome = opened.store.lock(owner);
        match outcome {
            Ok(Taken::Ours(locked)) => taken.push((name.clone(), locked)),
            Ok(Taken::Held(holder)) => {
                give_back(taken)?;
                return Ok(Err((name.clone(), holder)));
            }
            Err(failure) => {
                // The first error is what matters; a lease that is not given back expires.
                let _ = give_back(taken);
                return Err(failure);
            }
        }
    }
    Ok(Ok(taken))
}

fn give_back(taken: Leases) -> Result<(), Failure> {
    taken.into_iter().map(|(_, locked)| locked.release()).fold(Ok(()), Result::and)
}

/// Gives all leases back, and reports the first that could not be.
pub(super) fn release(held: Vec<Held>) -> Result<(), Failure> {
    give_back(held.into_iter().map(|h| (h.name, h.locked)).collect())
}

fn refuse(store: &str, holder: &Holder, waited: Duration) -> Failure {
    let seconds = |ms: i64| ms.max(0) / 1000;
    let mut failure = Failure::new(
        FailureKind::Leased,
        format!(
            "{store} is being migrated by {} since {}, last sign of life {} s ago",
            holder.who(),
            crate::report::words::clock(holder.since_ms),
            seconds(holder.idle_ms)
        ),
    );
    if !waited.is_zero() {
        failure = failure.detail(format!("waited {} s for it; nothing was run", waited.as_secs()));
    }
    failure.hint("wait for it with `--wait-lock 60s`; `stepladder lock` shows more")
}
