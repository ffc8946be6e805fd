//! What is done while a shell starts, which takes a second: the server plans the ledger's statements, on a thread of its own.

use std::cmp::Reverse;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::bolt::Value;
use super::frame::Planned;
use super::ledger;
use super::session::Session;
use crate::domain::EntryEvent;

/// Somebody with a connection of their own, beside a shell at work. Nobody waits for them: without answers everything is as slow, and as
/// sure, as the shell itself.
pub struct Aide {
    questions: Sender<usize>,
    answers: Receiver<(usize, bool)>,
}

impl Aide {
    /// Has these statements planned, then answers questions about the steps of a run.
    pub fn start(mut session: Session, run: &str, mut plans: Vec<Planned>) -> Self {
        // What takes the longest first.
        plans.sort_by_key(|planned| Reverse(planned.query.text.len()));
        let ((questions, asked), (answer, answers)) = (channel(), channel());
        let run = run.to_owned();
        thread::spawn(move || {
            for Planned { query, behind_change } in plans {
                // One that cannot be planned says so when it is run.
                let _ = session.plan(&query, behind_change);
            }
            // The statement that everything ends with, too.
            let _ = is_done(&mut session, &run, 0);
            for index in asked {
                let is_done = is_done(&mut session, &run, index);
                if answer.send((index, is_done)).is_err() {
                    return;
                }
            }
        });
        Self { questions, answers }
    }

    /// Asks whether a step's `done` stands in the ledger.
    pub fn ask(&self, index: usize) {
        // Who has gone answers nothing.
        let _ = self.questions.send(index);
    }

    /// What the ledger says of a step that was asked for.
    pub fn answer(&self) -> Option<(usize, bool)> {
        self.answers.try_recv().ok()
    }
}

fn is_done(session: &mut Session, run: &str, index: usize) -> bool {
    let is_done = |row: &Vec<Value>| row.get(1).and_then(Value::as_text) == Some(EntryEvent::Done.word());
    ledger::of_run(session, run, index, index).is_ok_and(|rows| rows.iter().any(is_done))
}
