//! `repair`.

use serde_json::json;

use super::End;
use super::call::Call;
use super::run::{Meant, carry_out};
use super::settle::{Word, settle, unknown};
use crate::cli::{RepairArgs, version};
use crate::config::Config;
use crate::domain::plan_repair::plan_resume;
use crate::domain::plan_up::half_sentence;
use crate::domain::{Failure, FailureKind, Rung, Standing, StoreState, Version};
use crate::project::{Fleet, Project};
use crate::report::failure::by_hand;
use crate::report::status::rung_value;
use crate::report::words::count;
use crate::report::{Cell, Style, Table, listener};

/// Shows and settles half-applied and changed migrations.
pub(super) fn repair(call: &Call, args: &RepairArgs) -> Result<End, Failure> {
    let project = call.project_with_stores()?;
    let Some(target) = &args.target else { return list(call, project) };
    let (store, version) = parse_target(target, &project.config, &call.globals.stores)?;
    let mut fleet = project.open(std::slice::from_ref(&store), &|s| call.ask(s))?;
    let wait = args.lease.wait_lock;
    let word = match (args.mark, args.accept_checksum) {
        (Some(mark), _) => Word::Mark(mark),
        (None, true) => Word::AcceptChecksum,
        (None, false) if args.resume => return resume(call, project, &mut fleet, (&store, version), args),
        (None, false) => return show(call, project, &mut fleet, (&store, version)),
    };
    let label = settle(call, project, &mut fleet, (&store, version), word, wait)?;
    let said = match word {
        Word::Mark(crate::cli::Mark::Applied) => "is recorded as applied now",
        Word::Mark(crate::cli::Mark::Reverted) => "is recorded as reverted now",
        Word::AcceptChecksum => "is recorded with its file as it is now",
    };
    call.screen.answer(
        || format!("{store}/{label} {said}"),
        || json!({ "store": store, "migration": label, "version": version, "settled": said }),
    );
    Ok(End::Done)
}

/// `STORE/VERSION`; where there is one store only, `VERSION` is enough.
fn parse_target(target: &str, config: &Config, chosen: &[String]) -> Result<(String, Version), Failure> {
    let wrong = |e: String| Failure::usage(e).hint("name it as `stepladder status` does: STORE/VERSION");
    if let Some((store, rest)) = target.rsplit_once('/') {
        return Ok((config.named(store)?.name.clone(), version(rest).map_err(wrong)?));
    }
    let stores = config.choose(chosen)?;
    let number = version(target).map_err(wrong)?;
    match stores[..] {
        [store] => Ok((store.name.clone(), number)),
        _ => Err(wrong(format!("`{target}` does not say which store is meant"))),
    }
}

fn resume(
    call: &Call,
    project: &Project,
    fleet: &mut Fleet,
    (store, version): (&str, Version),
    args: &RepairArgs,
) -> Result<End, Failure> {
    let journals = fleet.stores.get(store).is_some_and(|o| o.card().journals);
    let planner = |records: &crate::execute::Records| {
        let states = project.states(&fleet_of(store), records);
        let state = states.iter().find(|s| s.name() == store).ok_or_else(|| unknown(store, version))?;
        let plan = plan_resume(state, version);
        let ways_out = |f: Failure| match f.kind {
            FailureKind::HalfApplied => by_hand(&format!("{store}/{version}")).into_iter().fold(f, Failure::hint),
            _ => f,
        };
        match plan {
            Ok(_) if !journals => Err(ways_out(Failure::new(
                FailureKind::HalfApplied,
                format!("{store}/{version} cannot be resumed: its ledger does not know the parts of a script"),
            ))),
            plan => plan.map_err(ways_out),
        }
    };
    let meant = Meant { wait_lock: args.lease.wait_lock, wipe: false, nothing: String::new() };
    carry_out(call, project, fleet, &planner, &meant)
}

fn fleet_of(store: &str) -> std::collections::BTreeSet<String> {
    std::iter::once(store.to_owned()).collect()
}

fn needs_repair(rung: &Rung<'_>) -> bool {
    matches!(rung.standing, Standing::HalfApplied | Standing::Changed | Standing::Missing)
}

/// Lists all that needs repair; exit 3 when something does.
fn list(call: &Call, project: &Project) -> Result<End, Failure> {
    let mut fleet = call.fleet(project)?;
    let records = fleet.look()?.1;
    let states = project.states(&fleet.chosen, &records);
    let mut found = Vec::new();
    for state in states.iter().filter(|s| s.chosen) {
        found.extend(state.rungs(None).into_iter().filter(needs_repair).map(|r| (state.name(), r)));
    }
    let text = || {
        let mut table = Table::new();
        for (store, rung) in &found {
            let name = format!("{store}/{}", rung.label);
            table.row([Cell::from(name), Cell::new(rung.standing.word(), Style::Bad), Cell::from(sentence(rung))]);
        }
        let summary = match found.len() {
            0 => format!("nothing needs repair in {}", count(fleet.chosen.len(), "store")),
            1 => "1 migration needs repair; `stepladder repair STORE/VERSION` shows the ways out".to_owned(),
            n => format!("{n} migrations need repair; `stepladder repair STORE/VERSION` shows the ways out"),
        };
        format!("{}\n{summary}", table.text("", call.screen.paint)).trim_start().to_owned()
    };
    let json = || {
        let value = |(store, rung): &(&str, Rung<'_>)| with_store(store, rung_value(rung));
        let needs: Vec<_> = found.iter().map(value).collect();
        json!({ "ok": found.is_empty(), "needs_repair": needs, "skipped": listener::skipped_value(&fleet.skipped) })
    };
    call.screen.answer(text, json);
    Ok(if found.is_empty() { End::Done } else { End::With(FailureKind::Findings) })
}

fn with_store(store: &str, mut value: serde_json::Value) -> serde_json::Value {
    value["store"] = store.into();
    value
}

/// What is known of it, in one sentence.
fn sentence(rung: &Rung<'_>) -> String {
    let record = rung.record;
    match rung.standing {
        Standing::HalfApplied => record.and_then(|r| r.half()).map(half_sentence).unwrap_or_default(),
        Standing::Changed => {
            let (applied, now) = (record.map(|r| &r.checksum), rung.migration.map(|m| &m.up.checksum));
            match (applied, now) {
                (Some(applied), Some(now)) => {
                    format!("applied with checksum {}, the file has {}", applied.short(), now.short())
                }
                _ => String::new(),
            }
        }
        Standing::Missing => "its up file is gone".to_owned(),
        _ => "needs no repair".to_owned(),
    }
}

/// Shows what is known of one migration and the ways out.
fn show(call: &Call, project: &Project, fleet: &mut Fleet, (store, version): (&str, Version)) -> Result<End, Failure> {
    let (ledgers, records) = fleet.look()?;
    let states = project.states(&fleet.chosen, &records);
    let state = states.iter().find(|s| s.name() == store).ok_or_else(|| unknown(store, version))?;
    let rungs = state.rungs(None);
    let rung = rungs.iter().find(|r| r.version == version).ok_or_else(|| unknown(store, version))?;
    let begun = ledgers[store].entries.iter().rev().find(|e| e.version == Some(version));
    let journals = fleet.stores.get(store).is_some_and(|o| o.card().journals);
    let local = call.screen.local_times;
    let text = || {
        let mut lines = vec![format!("{store}/{}   {}", rung.label, rung.standing.word())];
        lines.push(format!("  {}", sentence(rung)));
        if let Some(entry) = begun {
            let at = crate::report::words::moment(entry.at_ms, local);
            let run = crate::report::words::short_run(&entry.run);
            lines.push(format!("  last event: {} at {at} by {} in run {run}", entry.event.word(), entry.who));
        }
        lines.extend(message_lines(rung));
        lines.extend(scripts(state, rung));
        lines.extend(ways_out(store, rung, journals).iter().map(|h| format!("hint: {h}")));
        lines.join("\n")
    };
    let json = || {
        let mut value = with_store(store, rung_value(rung));
        value["ways_out"] = ways_out(store, rung, journals).into();
        value
    };
    call.screen.answer(text, json);
    Ok(End::Done)
}

fn message_lines(rung: &Rung<'_>) -> Vec<String> {
    let half = rung.record.and_then(|r| r.half());
    let Some(message) = half.and_then(|h| h.message.as_deref()) else { return Vec::new() };
    let mut lines = vec!["  the client said:".to_owned()];
    lines.extend(message.lines().map(|l| format!("    {l}").trim_end().to_owned()));
    lines
}

fn scripts(state: &StoreState<'_>, rung: &Rung<'_>) -> Vec<String> {
    let half = rung.record.and_then(|r| r.half());
    let direction = half.map_or(crate::domain::Direction::Up, |h| h.direction);
    let Some(script) = rung.migration.and_then(|m| m.script(direction)) else {
        let said = rung.standing == Standing::Missing;
        let gone = format!("  its {direction} file is gone from the folder of {}", state.name());
        return (!said).then_some(gone).into_iter().collect();
    };
    let changed = half.is_some_and(|h| direction == crate::domain::Direction::Up && h.checksum != script.checksum);
    let note = if changed { " (changed since it was begun)" } else { "" };
    vec![format!("  {}{note}", script.path)]
}

fn ways_out(store: &str, rung: &Rung<'_>, journals: bool) -> Vec<String> {
    let name = format!("{store}/{}", rung.version);
    match rung.standing {
        Standing::HalfApplied => {
            let known = rung.record.and_then(|r| r.half()).is_some_and(|h| h.done.is_some());
            let resume = format!("go on where it stopped: `stepladder repair {name} --resume`");
            (journals && known).then_some(resume).into_iter().chain(by_hand(&name)).collect()
        }
        Standing::Changed => vec![
            "bring the file back as it was, or write a new migration for the change".to_owned(),
            format!("a change that needs no new run? `stepladder repair {name} --accept-checksum`"),
        ],
        Standing::Missing => vec![
            "bring the file back as it was".to_owned(),
            format!("undid it by hand? `stepladder repair {name} --mark reverted`"),
        ],
        _ => Vec::new(),
    }
}
