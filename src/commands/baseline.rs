//! `baseline`.

use serde_json::json;

use super::End;
use super::call::Call;
use super::run::stop_on_signals;
use crate::cli::BaselineArgs;
use crate::domain::plan_up::refuse_halves;
use crate::domain::{Catalog, Direction, EntryEvent, Failure, Migration, StoreState, Version, fold};
use crate::execute::{self, read_down};
use crate::process::identity;
use crate::project::Project;
use crate::report::words::count;
use crate::report::{Cell, Listener, Style, Table};
use crate::stores::{Locked, NewEntry};

/// Records everything up to a version as applied, without running it.
pub(super) fn baseline(call: &Call, args: &BaselineArgs) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    let mut fleet = call.fleet(project)?;
    let store = match fleet.chosen.iter().collect::<Vec<_>>()[..] {
        [one] => one.clone(),
        _ => {
            return Err(
                Failure::usage("`baseline` needs one store").hint("name it: `stepladder baseline VERSION -s STORE`")
            );
        }
    };
    let catalog = &project.catalogs[&store];
    if !catalog.migrations.contains_key(&args.version) {
        return Err(Failure::usage(format!("there is no version {} in {store}", args.version))
            .hint("`stepladder status` lists the versions"));
    }
    let options = project.run_options(args.lease.wait_lock);
    stop_on_signals(&options.stop)?;
    let listener = Listener::new(&call.screen, &options.run, &project.catalogs);
    let owner = identity::owner(&options.run);
    let done = execute::under_lease(&mut fleet.stores, &store, &owner, &options, &|e| listener.hear(e), |locked| {
        record_all(locked, project, catalog, args.version)
    })?;
    say(call, &store, &done);
    Ok(End::Done)
}

fn record_all<'a>(
    locked: &mut dyn Locked,
    project: &Project,
    catalog: &'a Catalog,
    upto: Version,
) -> Result<Vec<&'a Migration>, Failure> {
    let records = fold(&locked.look()?.entries);
    refuse_halves(&[StoreState { catalog, records: &records, chosen: true }])?;
    let open = |m: &&Migration| m.version <= upto && !records.get(&m.version).is_some_and(|r| r.is_applied());
    let open: Vec<&Migration> = catalog.migrations.values().filter(open).collect();
    for (at, migration) in open.iter().enumerate() {
        let down = migration.down.as_ref().map(|d| read_down(d, &project.config.root)).transpose()?;
        let entry = NewEntry::about(migration.version, &migration.label, EntryEvent::Baselined, Direction::Up);
        let ordinal = i64::try_from(at).unwrap_or(i64::MAX);
        locked.record(&NewEntry { checksum: migration.up.checksum.clone(), down, ordinal, ..entry })?;
    }
    Ok(open)
}

fn say(call: &Call, store: &str, done: &[&Migration]) {
    let text = || {
        let mut table = Table::new();
        for migration in done {
            table.row([store.into(), migration.label.as_str().into(), Cell::new("baselined", Style::Waiting)]);
        }
        let summary = match done.len() {
            0 => format!("nothing to record: all of it is applied in {store}"),
            n => format!("{} recorded as applied, nothing was run", count(n, "migration")),
        };
        format!("{}\n{summary}", table.text("", call.screen.paint)).trim_start().to_owned()
    };
    let json = || {
        let migration = |m: &&Migration| json!({ "migration": m.label, "version": m.version });
        json!({ "store": store, "baselined": done.iter().map(migration).collect::<Vec<_>>() })
    };
    call.screen.answer(text, json);
}
