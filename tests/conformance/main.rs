//! One suite of clauses that every kind passes, through the binary, against a real store. Each trial has a store of its
//! own, so all of them can run side by side. What a kind cannot promise is decided by its card, never by its name.
//!
//! `STEPLADDER_TEST_<KIND>_URL` says where a server is. Without one the kind is left out, unless
//! `STEPLADDER_TEST_SERVERS=all` or `CI` is set: then it is a failure. `STEPLADDER_TEST_SERVERS=none` leaves all out.

mod clauses;
#[path = "../common/mod.rs"]
mod common;
mod project;
mod report;
mod subject;
mod subjects;

use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::project::Fresh;
use crate::report::Report;
use crate::subject::{Selected, Source};

fn main() {
    let mut arguments = Arguments::from_args();
    // Most of a trial is waiting: for leases, deadlines and clients.
    arguments.test_threads.get_or_insert(5);
    let report = Arc::new(Report::new(&arguments));
    let mut trials: Vec<Trial> = subjects::SOURCES.iter().flat_map(|source| trials(source, &report)).collect();
    // Clause by clause, so that the kinds whose clients keep the processor busy go beside those that wait; first the one
    // that kills a client many times, which takes some kinds minutes and would run alone in the end.
    let clause = |trial: &Trial| trial.name().split("::").nth(1).map(str::to_owned).unwrap_or_default();
    trials.sort_by_key(|trial| (!clause(trial).starts_with("12_"), clause(trial)));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        report.write();
    }
    conclusion.exit();
}

fn trials(source: &'static Source, report: &Arc<Report>) -> Vec<Trial> {
    match source.selected() {
        Selected::Yes => {}
        Selected::LeftOut(why) => {
            eprintln!("{} is left out: {why}", source.name);
            return Vec::new();
        }
        Selected::Missing(why) => {
            let name = format!("{}::00_its_server_is_there", source.name);
            return vec![Trial::test(name, move || Err(Failed::from(why)))];
        }
    }
    let mut trials = Vec::new();
    for clause in clauses::CLAUSES {
        let not_promised = source.card().not_promised.iter().find(|(number, _)| *number == clause.number);
        if let Some((_, reason)) = not_promised {
            report.note(source.name, clause.number, format!("not promised: {reason}"));
            continue;
        }
        let report = Arc::clone(report);
        let name = format!("{}::{:02}_{}", source.name, clause.number, clause.name);
        trials.push(Trial::test(name, move || {
            report.note(source.name, clause.number, "failed".to_owned());
            (clause.check)(&Fresh { source });
            report.note(source.name, clause.number, "passed".to_owned());
            Ok(())
        }));
    }
    trials
}
