//! Situations of planning, each with what must come of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::catalog::Found;
use super::directive::Requirement;
use super::plan_down::{DownTarget, plan_down, plan_goto, plan_redo};
use super::plan_up::{UpRequest, plan_up, requirement_findings};
use super::sql::Shape;
use super::*;

/// A store under test: files as `NNN_name`, with what is said about them, and ledger entries.
struct Situation {
    catalogs: Vec<Catalog>,
    entries: BTreeMap<String, Vec<Entry>>,
}

fn script(path: &str, text: &str) -> Arc<Script> {
    Arc::new(Script {
        path: path.to_owned(),
        extension: "sql".to_owned(),
        checksum: Checksum::of(text.as_bytes()),
        size: text.len() as u64,
        directives: Directives::default(),
        shape: Shape::default(),
        empty: text.is_empty(),
        kept: None,
    })
}

fn files(labels: &[&str]) -> Vec<Found> {
    let both = |label: &&str| {
        ["up", "down"].map(|way| {
            let name = FileName::parse(&format!("{label}.{way}.sql")).unwrap();
            Found { script: script(&format!("m/{name}"), &format!("{label} {way}")), name }
        })
    };
    labels.iter().flat_map(both).collect()
}

impl Situation {
    fn new(stores: &[(&str, &[&str])]) -> Self {
        let catalogs = stores.iter().map(|(name, labels)| Catalog::pair(name, files(labels), true)).collect();
        Self { catalogs, entries: BTreeMap::new() }
    }

    /// Adds an entry: `done up`, `begun down`, ... of a migration of a store, in a run.
    fn entry(mut self, store: &str, what: &str, label: &str, run: &str, ordinal: i64) -> Self {
        let (event, direction) = what.split_once(' ').unwrap();
        let entries = self.entries.entry(store.to_owned()).or_default();
        entries.push(Entry {
            seq: entries.len() as i64 + 1,
            event: EntryEvent::from_word(event).unwrap(),
            direction: Direction::from_word(direction).unwrap(),
            version: Some(label.split('_').next().unwrap().parse().unwrap()),
            label: label.to_owned(),
            checksum: Checksum::of(format!("{label} up").as_bytes()),
            down_checksum: Some(Checksum::of(format!("{label} down").as_bytes())),
            run: run.to_owned(),
            ordinal,
            at_ms: 0,
            duration_ms: Some(1),
            who: "a@b".to_owned(),
            tool: "stepladder".to_owned(),
            parts_done: Some(1).filter(|_| event == "begun"),
            parts_total: Some(3).filter(|_| event == "begun"),
            note: None,
        });
        self
    }

    fn applied(self, store: &str, labels: &[&str]) -> Self {
        labels.iter().enumerate().fold(self, |s, (i, label)| s.entry(store, "done up", label, "r1", i as i64))
    }

    fn requires(mut self, store: &str, version: u128, needed: &str, needed_version: u128) -> Self {
        let catalog = self.catalogs.iter_mut().find(|c| c.store == store).unwrap();
        let migration = catalog.migrations.get_mut(&Version::new(version)).unwrap();
        let version = Version::new(needed_version);
        Arc::make_mut(&mut migration.up).directives.requires.push(Requirement {
            store: needed.to_owned(),
            version,
            line: 1,
        });
        self
    }

    fn ask<T>(&self, chosen: &[&str], ask: impl Fn(&[StoreState<'_>]) -> T) -> T {
        let records: Vec<_> =
            self.catalogs.iter().map(|c| fold(self.entries.get(&c.store).map_or(&[][..], Vec::as_slice))).collect();
        let states: Vec<StoreState<'_>> = self
            .catalogs
            .iter()
            .zip(&records)
            .map(|(catalog, records)| StoreState {
                catalog,
                records,
                chosen: chosen.is_empty() || chosen.contains(&catalog.store.as_str()),
            })
            .collect();
        ask(&states)
    }

    fn up(&self, request: &UpRequest) -> Result<Vec<String>, Failure> {
        self.ask(&[], |states| plan_up(states, request)).map(names)
    }

    fn down(&self, target: DownTarget) -> Result<Vec<String>, Failure> {
        self.ask(&[], |states| plan_down(states, &target)).map(names)
    }
}

fn names(plan: Plan) -> Vec<String> {
    for (i, step) in plan.steps.iter().enumerate() {
        assert!(step.needs.iter().all(|n| *n < i), "a step comes after what it needs");
    }
    plan.steps.iter().map(|s| format!("{} {}", s.direction, s.full_name())).collect()
}

fn all() -> UpRequest {
    UpRequest::default()
}

#[test]
fn up_applies_what_is_pending_in_order_of_number() {
    let s = Situation::new(&[("a", &["010_c", "9_b", "001_a"])]).applied("a", &["001_a"]);
    assert_eq!(s.up(&all()).unwrap(), ["up a/9_b", "up a/010_c"]);
    let to = UpRequest { to: Some(Version::new(9)), ..all() };
    assert_eq!(s.up(&to).unwrap(), ["up a/9_b"]);
    let steps = UpRequest { steps: Some(1), ..all() };
    assert_eq!(s.up(&steps).unwrap(), ["up a/9_b"]);
    let unknown = UpRequest { to: Some(Version::new(7)), ..all() };
    assert_eq!(s.up(&unknown).unwrap_err().kind, FailureKind::Usage);
}

#[test]
fn requires_puts_another_stores_migration_first() {
    let s = Situation::new(&[("a", &["1_x", "2_y"]), ("b", &["1_p", "2_q"])]).requires("a", 1, "b", 2);
    assert_eq!(s.up(&all()).unwrap(), ["up b/1_p", "up b/2_q", "up a/1_x", "up a/2_y"]);
    // Cut after three steps, nothing that is needed is missing.
    let steps = UpRequest { steps: Some(3), ..all() };
    assert_eq!(s.up(&steps).unwrap(), ["up b/1_p", "up b/2_q", "up a/1_x"]);
    // With only store a the requirement is unmet, until b has it.
    let narrow = |s: &Situation| s.ask(&["a"], |states| plan_up(states, &all())).map(names);
    let refused = narrow(&s).unwrap_err();
    assert_eq!(refused.kind, FailureKind::Findings);
    assert_eq!(refused.details, ["a/1_x needs b/2: it is pending and not part of this run"]);
    assert_eq!(narrow(&s.applied("b", &["1_p", "2_q"])).unwrap(), ["up a/1_x", "up a/2_y"]);
}

#[test]
fn a_circle_of_requires_is_named() {
    let s = Situation::new(&[("a", &["1_x"]), ("b", &["1_p"])]).requires("a", 1, "b", 1).requires("b", 1, "a", 1);
    let refused = s.up(&all()).unwrap_err();
    assert_eq!(refused.details, ["a/1_x needs b/1_p needs a/1_x"]);
    let found = s.ask(&[], requirement_findings);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].code, "requirement-cycle");
    let unknown = Situation::new(&[("a", &["1_x"])]).requires("a", 1, "z", 1);
    assert_eq!(unknown.ask(&[], requirement_findings)[0].code, "unknown-requirement");
}

#[test]
fn late_migrations_are_refused_with_their_list_unless_asked_for() {
    let s = Situation::new(&[("a", &["1_a", "2_b", "3_c", "4_d"])]).applied("a", &["1_a", "3_c"]);
    let refused = s.up(&all()).unwrap_err();
    assert_eq!(refused.message, "a has 1 migration below the highest applied one (3): 2_b");
    assert_eq!(refused.kind.exit_code(), 3);
    let anyway = UpRequest { out_of_order: true, ..all() };
    assert_eq!(s.up(&anyway).unwrap(), ["up a/2_b", "up a/4_d"]);
}

#[test]
fn changed_and_missing_files_stop_up() {
    let mut s = Situation::new(&[("a", &["1_a", "2_b", "3_c"])]).applied("a", &["1_a", "2_b"]);
    let first = s.catalogs[0].migrations.get_mut(&Version::new(1)).unwrap();
    Arc::make_mut(&mut first.up).checksum = Checksum::of(b"else");
    s.catalogs[0].migrations.remove(&Version::new(2));
    let refused = s.up(&all()).unwrap_err();
    assert_eq!(refused.message, "2 applied migrations are not what was applied");
    assert_eq!(
        refused.details,
        ["a/1_a has changed since it was applied", "a/2_b is applied, and its up file is gone"]
    );
}

#[test]
fn a_half_applied_migration_stops_everything_until_it_is_settled() {
    let s = Situation::new(&[("a", &["1_a", "2_b"])]).entry("a", "begun up", "1_a", "r1", 0);
    let refused = s.up(&all()).unwrap_err();
    assert_eq!(refused.kind.exit_code(), 5);
    assert_eq!(refused.details, ["a/1_a   1 of 3 parts of its up script done"]);
    assert_eq!(s.down(DownTarget::Last(1)).unwrap_err().kind.exit_code(), 5);
    let settled = s.entry("a", "settled up", "1_a", "r2", 0);
    assert_eq!(settled.up(&all()).unwrap(), ["up a/2_b"]);
    let undone = settled.entry("a", "done down", "1_a", "r3", 0);
    assert_eq!(undone.up(&all()).unwrap(), ["up a/1_a", "up a/2_b"]);
}

#[test]
fn a_failure_that_kept_nothing_is_history_only() {
    let s = Situation::new(&[("a", &["1_a"])]).entry("a", "failed up", "1_a", "r1", 0);
    assert_eq!(s.up(&all()).unwrap(), ["up a/1_a"]);
    let again = s.entry("a", "done up", "1_a", "r2", 0).entry("a", "failed down", "1_a", "r3", 0);
    assert_eq!(again.down(DownTarget::All).unwrap(), ["down a/1_a"]);
}

#[test]
fn down_takes_the_newest_first_across_stores() {
    let s = Situation::new(&[("a", &["1_a", "2_b"]), ("b", &["1_p", "2_q"])])
        .entry("b", "done up", "1_p", "r1", 0)
        .entry("a", "done up", "1_a", "r1", 1)
        .entry("b", "done up", "2_q", "r2", 0)
        .entry("a", "done up", "2_b", "r1", 2);
    assert_eq!(s.down(DownTarget::Last(2)).unwrap(), ["down b/2_q", "down a/2_b"]);
    assert_eq!(s.down(DownTarget::All).unwrap(), ["down b/2_q", "down a/2_b", "down a/1_a", "down b/1_p"]);
    assert_eq!(s.down(DownTarget::Run("r2".to_owned())).unwrap(), ["down b/2_q"]);
    assert_eq!(s.down(DownTarget::Run("r".to_owned())).unwrap_err().kind, FailureKind::Usage);
    assert_eq!(s.down(DownTarget::Only(Version::new(2))).unwrap().len(), 2);
    assert_eq!(s.down(DownTarget::Above(Version::new(1))).unwrap(), ["down b/2_q", "down a/2_b"]);
    assert_eq!(s.down(DownTarget::Last(0)).unwrap(), [""; 0]);
}

#[test]
fn down_uses_the_ledger_where_the_file_is_gone_and_refuses_where_there_is_no_way() {
    let mut s = Situation::new(&[("a", &["1_a", "2_b", "3_c"])]).applied("a", &["1_a", "2_b", "3_c"]);
    s.catalogs[0].migrations.remove(&Version::new(3));
    let plan = s.ask(&[], |states| plan_down(states, &DownTarget::Last(1))).unwrap();
    assert_eq!(plan.steps[0].source, Source::Ledger);
    let second = s.catalogs[0].migrations.get_mut(&Version::new(2)).unwrap();
    Arc::make_mut(&mut second.up).directives.irreversible = Some("rows are gone".to_owned());
    let refused = s.down(DownTarget::Last(2)).unwrap_err();
    assert_eq!(refused.details, ["a/2_b is irreversible: rows are gone"]);
    let first = s.catalogs[0].migrations.get_mut(&Version::new(1)).unwrap();
    Arc::make_mut(first.down.as_mut().unwrap()).checksum = Checksum::of(b"other");
    let plan = s.ask(&[], |states| plan_down(states, &DownTarget::Only(Version::new(1)))).unwrap();
    assert_eq!(plan.steps[0].notes.len(), 1);
}

#[test]
fn what_another_applied_migration_needs_is_not_pulled_away() {
    let s = Situation::new(&[("a", &["1_x"]), ("b", &["1_p"])])
        .requires("a", 1, "b", 1)
        .entry("b", "done up", "1_p", "r1", 0)
        .entry("a", "done up", "1_x", "r1", 1);
    let narrow = s.ask(&["b"], |states| plan_down(states, &DownTarget::All)).unwrap_err();
    assert_eq!(narrow.details, ["a/1_x is applied and needs b/1"]);
    assert_eq!(s.down(DownTarget::All).unwrap(), ["down a/1_x", "down b/1_p"]);
}

#[test]
fn redo_and_goto_go_there_and_back() {
    let s = Situation::new(&[("a", &["1_a", "2_b", "3_c"])]).applied("a", &["1_a", "2_b"]);
    let redo = s.ask(&[], |states| plan_redo(states, 2)).map(names).unwrap();
    assert_eq!(redo, ["down a/2_b", "down a/1_a", "up a/1_a", "up a/2_b"]);
    let goto = |to| s.ask(&[], |states| plan_goto(states, Version::new(to), None)).map(names);
    assert_eq!(goto(1).unwrap(), ["down a/2_b"]);
    assert_eq!(goto(3).unwrap(), ["up a/3_c"]);
    assert_eq!(goto(0).unwrap(), ["down a/2_b", "down a/1_a"]);
    assert_eq!(goto(2).unwrap(), [""; 0]);
    assert_eq!(goto(7).unwrap_err().kind, FailureKind::Usage);
    let two = Situation::new(&[("a", &["1_a"]), ("b", &["1_b"])]);
    let refused = two.ask(&[], |states| plan_goto(states, Version::new(1), None)).unwrap_err();
    assert_eq!(refused.message, "`goto` needs one store");
}

#[test]
fn a_settled_checksum_keeps_the_order_of_application() {
    let s = Situation::new(&[("a", &["1_a", "2_b"])]).applied("a", &["1_a", "2_b"]).entry(
        "a",
        "settled up",
        "1_a",
        "r9",
        0,
    );
    assert_eq!(s.down(DownTarget::Last(1)).unwrap(), ["down a/2_b"]);
}

#[test]
fn a_down_that_did_not_get_through_is_half_applied() {
    let s = Situation::new(&[("a", &["1_a"])]).applied("a", &["1_a"]).entry("a", "begun down", "1_a", "r2", 0);
    let records = fold(&s.entries["a"]);
    let half = records[&Version::new(1)].half().unwrap();
    assert_eq!((half.direction, half.was_applied), (Direction::Down, true));
}

#[test]
fn pairs_are_joined_by_version_and_everything_wrong_is_found() {
    let mut found = files(&["001_a", "2_b"]);
    found.extend(files(&["1_again"]));
    found.retain(|f| f.name.to_string() != "2_b.up.sql");
    let catalog = Catalog::pair("a", found, true);
    let codes: Vec<_> = catalog.findings.iter().map(|f| f.code).collect();
    assert_eq!(codes, ["duplicate-version", "duplicate-version", "no-up"]);
    let mut lonely = files(&["1_a"]);
    lonely.pop();
    assert_eq!(Catalog::pair("a", lonely.clone(), true).findings[0].code, "no-down");
    assert!(Catalog::pair("a", lonely, false).findings.is_empty());
}
