//! `fresh`.

use std::collections::BTreeMap;

use super::End;
use super::call::Call;
use super::confirm::confirm_by_typing;
use super::dry_run;
use super::run::{Meant, carry_out};
use super::seed::run_seeds;
use crate::cli::FreshArgs;
use crate::domain::plan_up::UpRequest;
use crate::domain::{Failure, guest};
use crate::execute::Records;
use crate::project::{Fleet, Project};
use crate::report::words::list;

/// Drops everything in the chosen stores and applies all.
pub(super) fn fresh(call: &Call, args: &FreshArgs) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    refuse_protected(project, args)?;
    let mut fleet = call.fleet(project)?;
    let chosen = fleet.chosen.clone();
    let request = UpRequest { environment: project.config.environment.clone(), ..UpRequest::default() };
    let planner = |records: &Records| project.plan_up(&chosen, records, &request);
    if args.dry_run {
        let plan = planner(&wiped(&mut fleet)?)?;
        let drops = inventory(&mut fleet)?;
        return dry_run::show_with_drops(call, project, &mut fleet, &plan, drops);
    }
    // What cannot be planned must not be dropped first.
    planner(&wiped(&mut fleet)?)?;
    confirm_drop(call, &mut fleet)?;
    let meant = Meant { wait_lock: args.lease.wait_lock, wipe: true, nothing: "nothing to apply".to_owned() };
    let end = carry_out(call, project, &mut fleet, &planner, &meant)?;
    if args.seed && end == End::Done {
        fleet.skipped.clear();
        return run_seeds(call, project, &mut fleet, args.lease.wait_lock);
    }
    Ok(end)
}

fn refuse_protected(project: &Project, args: &FreshArgs) -> Result<(), Failure> {
    if !project.config.protected || args.dry_run {
        return Ok(());
    }
    let name = project.config.environment.as_deref().unwrap_or_default();
    Err(Failure::usage(format!("the environment `{name}` is protected: `fresh` is refused in it, `--yes` or not"))
        .detail("nothing was dropped")
        .hint(format!("`protected` under [env.{name}] in stepladder.toml decides this")))
}

/// The records as they will be once the chosen stores are empty.
fn wiped(fleet: &mut Fleet) -> Result<Records, Failure> {
    let (ledgers, mut records) = fleet.look()?;
    let entries = ledgers.iter().map(|(name, ledger)| (name.as_str(), ledger.entries.as_slice()));
    guest::refuse_loss(entries, &fleet.chosen)?;
    records.extend(fleet.chosen.iter().map(|name| (name.clone(), BTreeMap::new())));
    Ok(records)
}

/// What would be dropped, by store.
fn inventory(fleet: &mut Fleet) -> Result<Vec<(String, Vec<String>)>, Failure> {
    let chosen = fleet.chosen.clone();
    let looked = fleet.each(|_, opened| opened.store.inventory());
    looked.into_iter().filter(|(name, _)| chosen.contains(name)).map(|(name, things)| Ok((name, things?))).collect()
}

/// Lists what goes and asks for the names of the stores to be typed.
fn confirm_drop(call: &Call, fleet: &mut Fleet) -> Result<(), Failure> {
    if call.globals.yes {
        return Ok(());
    }
    let inventory = inventory(fleet)?;
    for (store, things) in &inventory {
        let address = fleet.stores.get(store).map(|o| o.store.address()).unwrap_or_default();
        call.screen.say(&format!("{store} at {address}: everything in it will be dropped"));
        if things.is_empty() {
            call.screen.say("  (it is empty)");
        }
        for thing in things {
            call.screen.say(&format!("  {thing}"));
        }
    }
    let names: Vec<&str> = inventory.iter().map(|(store, _)| store.as_str()).collect();
    let typed = names.join(" ");
    let question = format!("Type `{typed}` to drop all of it: ");
    confirm_by_typing(call, &typed, &question, &format!("dropping everything in {}", list(&names)))
}
