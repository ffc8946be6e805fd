//! Interrupts a script at its deadline, or when the run is to stop at once.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, InterruptHandle};

use crate::stores::{Stop, StopReason};

/// How soon a stop is noticed.
const TICK: Duration = Duration::from_millis(10);

/// Why a script was interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// It had run for so long.
    Deadline(Duration),
    /// Somebody asked.
    Stopped(StopReason),
}

/// The thread that watches, for the length of a run; dropping it ends the thread.
pub(super) struct Watch {
    shared: Arc<(Mutex<State>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    armed: Option<Armed>,
    cut: Option<Cut>,
    ended: bool,
}

struct Armed {
    handle: InterruptHandle,
    started: Instant,
    limit: Option<Duration>,
}

impl Watch {
    /// Starts the thread.
    pub fn start(stop: Stop) -> Self {
        let shared = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || watch(&theirs.0, &theirs.1, &stop));
        Self { shared, thread: Some(thread) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing is interrupted while the guard lives: for what we write ourselves between a script's statements.
    pub fn quiet(&self) -> impl Drop + '_ {
        self.state()
    }

    /// A script starts on this connection.
    pub fn arm(&self, connection: &Connection, limit: Option<Duration>) {
        let armed = Armed { handle: connection.get_interrupt_handle(), started: Instant::now(), limit };
        let mut state = self.state();
        state.armed = Some(armed);
        state.cut = None;
    }

    /// The script has ended; nothing is interrupted any more. Why it was, if it was.
    pub fn disarm(&self) -> Option<Cut> {
        let mut state = self.state();
        state.armed = None;
        state.cut.take()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state().ended = true;
        self.shared.1.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(state: &Mutex<State>, changed: &Condvar, stop: &Stop) {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    while !state.ended {
        if let Some(armed) = &state.armed {
            let stopped = stop.at_once().map(Cut::Stopped);
            let late = armed.limit.filter(|limit| armed.started.elapsed() >= *limit).map(Cut::Deadline);
            // Again at every tick: between two statements an interrupt is lost.
            if let Some(cut) = state.cut.or(stopped).or(late) {
                armed.handle.interrupt();
                state.cut = Some(cut);
            }
        }
        state = changed.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner).0;
    }
}
