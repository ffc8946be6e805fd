//! Renews the leases while steps run.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Held;
use crate::domain::Failure;
use crate::stores::{Heart, Stop, StopReason};

/// The threads that renew; dropping it ends them.
pub(super) struct Hearts {
    beats: Vec<(Sender<()>, JoinHandle<()>)>,
}

/// Starts a thread per store that renews its lease three times in its length.
pub(super) fn start(held: &mut [Held], stop: &Stop) -> Result<Hearts, Failure> {
    let mut hearts = Hearts { beats: Vec::new() };
    for one in held {
        let heart = one.locked.heart()?;
        let lease = one.lease;
        let stop = stop.clone();
        let (end, ended) = channel::<()>();
        let thread = std::thread::spawn(move || beat(heart, lease, &stop, &ended));
        hearts.beats.push((end, thread));
    }
    Ok(hearts)
}

fn beat(mut heart: Box<dyn Heart>, lease: Duration, stop: &Stop, ended: &std::sync::mpsc::Receiver<()>) {
    let period = lease / 3;
    let mut alive = Instant::now();
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(period) {
        let began = Instant::now();
        match heart.beat() {
            Ok(true) => alive = began,
            Ok(false) => return stop.ask(StopReason::LeaseLost),
            // The store does not answer: as long as the lease lasts it may come back.
            Err(_) if alive.elapsed() < lease => {}
            Err(_) => return stop.ask(StopReason::LeaseLost),
        }
    }
}

impl Drop for Hearts {
    fn drop(&mut self) {
        for (end, thread) in self.beats.drain(..) {
            drop(end);
            let _ = thread.join();
        }
    }
}
