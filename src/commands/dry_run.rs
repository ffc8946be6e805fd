//! Dry runs: what a plan would do, exactly, and nothing of it done.

use super::End;
use super::call::Call;
use crate::domain::mode::is_program;
use crate::domain::{Failure, Plan};
use crate::execute::materialise;
use crate::process::{identity, program};
use crate::project::{Fleet, Opened, Project};
use crate::report::plan::{self, StorePreview};
use crate::report::{Style, listener};
use crate::stores::Step;

/// Shows what a plan would do.
pub(super) fn show(call: &Call, project: &Project, fleet: &mut Fleet, plan: &Plan) -> Result<End, Failure> {
    show_with_drops(call, project, fleet, plan, Vec::new())
}

/// The same for `fresh`, which drops things first.
pub(super) fn show_with_drops(
    call: &Call,
    project: &Project,
    fleet: &mut Fleet,
    plan: &Plan,
    drops: Vec<(String, Vec<String>)>,
) -> Result<End, Failure> {
    let run = identity::run_id();
    let mut drops: std::collections::BTreeMap<_, _> = drops.into_iter().collect();
    let mut previews = Vec::new();
    for (name, opened) in &mut fleet.stores {
        let steps = steps(project, name, opened, plan)?;
        let dropped = drops.remove(name).unwrap_or_default();
        previews.push(preview(project, name, opened, steps, &run, dropped)?);
    }
    for message in listener::plan_warnings(plan, &project.catalogs) {
        call.screen.call_out("warning:", Style::Waiting, &message);
    }
    let paint = call.screen.paint;
    let skipped = &fleet.skipped;
    call.screen.answer(|| plan::text(&previews, skipped.len(), paint), || plan::value(&previews, skipped));
    if !call.screen.is_json() {
        call.say_skipped(fleet);
    }
    Ok(End::Done)
}

fn steps(project: &Project, name: &str, opened: &mut Opened, plan: &Plan) -> Result<Vec<Step>, Failure> {
    let card = opened.card();
    let timeout = opened.timeout;
    let mine = plan.steps.iter().enumerate().filter(|(_, s)| s.store == name);
    let store = &mut opened.store;
    mine.map(|(index, planned)| {
        let mut stored = |version| store.stored_down(version);
        materialise(planned, index, card, timeout, &project.config.root, &mut stored)
    })
    .collect()
}

fn preview(
    project: &Project,
    name: &str,
    opened: &Opened,
    steps: Vec<Step>,
    run: &str,
    dropped: Vec<String>,
) -> Result<StorePreview, Failure> {
    let extensions = opened.card().extensions;
    let native: Vec<Step> = steps.iter().filter(|s| !is_program(&s.extension, extensions)).cloned().collect();
    let built_in = opened.card().client.is_none();
    let mut out = StorePreview { store: name.to_owned(), built_in, client: String::new(), steps: Vec::new(), dropped };
    let mut fed = Vec::new().into_iter();
    if !native.is_empty() {
        let preview = opened.store.preview(&native, run)?;
        out.client = preview.client;
        fed = preview.steps.into_iter();
    }
    for step in steps {
        let lines = match is_program(&step.extension, extensions) {
            true => vec![program_line(project, opened, &step)?],
            false => fed.next().unwrap_or_default(),
        };
        out.steps.push((step, lines));
    }
    Ok(out)
}

fn program_line(project: &Project, opened: &Opened, step: &Step) -> Result<String, Failure> {
    let path = std::path::Path::new(&step.path);
    Ok(program::command(step, path, &project.config.root, &opened.store.environment())?.to_string())
}
