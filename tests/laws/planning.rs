//! Ledgers and plans: whatever is done to a set of migrations, the entries add up to what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use stepladder::domain::catalog::Found;
use stepladder::domain::plan_down::{DownTarget, plan_down, plan_redo};
use stepladder::domain::plan_up::{UpRequest, plan_up};
use stepladder::domain::sql::Shape;
use stepladder::domain::{
    Catalog, Checksum, Direction, Directives, Entry, EntryEvent, FileName, Plan, Requirement, Script, StoreState,
    Version, fold,
};

/// A system: stores with files, and the ledger that each of them has so far.
struct System {
    catalogs: Vec<Catalog>,
    ledgers: BTreeMap<String, Vec<Entry>>,
    runs: u32,
}

impl System {
    fn new(sizes: &[usize]) -> Self {
        let catalogs = sizes.iter().enumerate().map(|(i, size)| catalog(&format!("store{i}"), *size)).collect();
        Self { catalogs, ledgers: BTreeMap::new(), runs: 0 }
    }

    fn ask<T>(&self, ask: impl FnOnce(&[StoreState<'_>]) -> T) -> T {
        let none = Vec::new();
        let records: Vec<_> = self.catalogs.iter().map(|c| fold(self.ledgers.get(&c.store).unwrap_or(&none))).collect();
        let pairs = self.catalogs.iter().zip(&records);
        let states: Vec<_> = pairs.map(|(catalog, records)| StoreState { catalog, records, chosen: true }).collect();
        ask(&states)
    }

    fn up(&self, steps: Option<usize>) -> Plan {
        self.ask(|s| plan_up(s, &UpRequest { steps, ..UpRequest::default() }).unwrap())
    }

    fn down(&self, target: &DownTarget) -> Plan {
        self.ask(|s| plan_down(s, target).unwrap())
    }

    /// Carries a plan out as a store would write it down.
    fn carry_out(&mut self, plan: &Plan) {
        self.runs += 1;
        for (ordinal, step) in plan.steps.iter().enumerate() {
            let ledger = self.ledgers.entry(step.store.clone()).or_default();
            let seq = ledger.len() as i64;
            ledger.push(entry(seq, EntryEvent::Done, step.direction, step.version, self.runs, ordinal as i64));
        }
    }

    fn applied(&self) -> BTreeSet<(String, Version)> {
        self.ask(|states| {
            let of = |s: &StoreState<'_>| {
                let name = s.name().to_owned();
                let held = s.rungs(None).into_iter().filter(|r| r.is_applied()).map(|r| r.version).collect::<Vec<_>>();
                held.into_iter().map(move |v| (name.clone(), v))
            };
            states.iter().flat_map(of).collect()
        })
    }
}

fn text_of(version: Version) -> Checksum {
    Checksum::of(format!("up {version}").as_bytes())
}

fn catalog(store: &str, size: usize) -> Catalog {
    let file = |n: usize, direction: Direction| {
        let name = FileName::parse(&format!("{n}_m.{direction}.sql")).unwrap();
        let checksum = match direction {
            Direction::Up => text_of(name.version),
            Direction::Down => Checksum::of(b"down"),
        };
        let script = Script {
            path: name.to_string(),
            extension: "sql".to_owned(),
            checksum,
            size: 1,
            directives: Directives::default(),
            shape: Shape::default(),
            empty: false,
            kept: None,
        };
        Found { name, script: Arc::new(script) }
    };
    let files = (1..=size).flat_map(|n| [file(n, Direction::Up), file(n, Direction::Down)]).collect();
    Catalog::pair(store, files, true)
}

fn entry(seq: i64, event: EntryEvent, direction: Direction, version: Version, run: u32, ordinal: i64) -> Entry {
    Entry {
        seq,
        event,
        direction,
        version: Some(version).filter(|_| event != EntryEvent::Unlocked),
        label: format!("{version}_m"),
        checksum: text_of(version),
        down_checksum: Some(Checksum::of(b"down")),
        run: format!("{run:08x}"),
        ordinal,
        at_ms: 0,
        duration_ms: None,
        who: "a@b".to_owned(),
        tool: "stepladder".to_owned(),
        parts_done: None,
        parts_total: None,
        note: None,
    }
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let events = prop_oneof![
        Just(EntryEvent::Begun),
        Just(EntryEvent::Done),
        Just(EntryEvent::Failed),
        Just(EntryEvent::Settled),
        Just(EntryEvent::Baselined),
        Just(EntryEvent::Unlocked)
    ];
    (any::<i64>(), events, any::<bool>(), 0u128..5, any::<u32>(), any::<i64>()).prop_map(
        |(seq, event, up, n, run, o)| {
            entry(seq, event, if up { Direction::Up } else { Direction::Down }, Version::new(n), run, o)
        },
    )
}

proptest! {
    #[test]
    fn folding_never_panics_and_forgets_no_migration(entries in prop::collection::vec(any_entry(), 0..40)) {
        let records = fold(&entries);
        for entry in entries.iter().filter(|e| e.event != EntryEvent::Failed) {
            if let Some(version) = entry.version {
                prop_assert!(records.contains_key(&version));
            }
        }
        // A failure alone is history; it never makes a record.
        let alone: Vec<Entry> = entries.into_iter().filter(|e| e.event == EntryEvent::Failed).collect();
        prop_assert!(fold(&alone).is_empty());
    }

    #[test]
    fn up_then_all_down_leaves_nothing_applied(sizes in prop::collection::vec(0usize..8, 1..4)) {
        let mut system = System::new(&sizes);
        let plan = system.up(None);
        prop_assert_eq!(plan.steps.len(), sizes.iter().sum::<usize>());
        system.carry_out(&plan);
        prop_assert!(system.up(None).is_empty());
        let plan = system.down(&DownTarget::All);
        system.carry_out(&plan);
        prop_assert!(system.applied().is_empty());
        prop_assert!(system.down(&DownTarget::All).is_empty());
    }

    #[test]
    fn one_by_one_comes_to_the_same_as_all_at_once(sizes in prop::collection::vec(0usize..6, 1..4)) {
        let mut at_once = System::new(&sizes);
        let plan = at_once.up(None);
        at_once.carry_out(&plan);
        let mut one_by_one = System::new(&sizes);
        loop {
            let plan = one_by_one.up(Some(1));
            if plan.is_empty() { break }
            one_by_one.carry_out(&plan);
        }
        prop_assert_eq!(at_once.applied(), one_by_one.applied());
    }

    #[test]
    fn down_n_takes_exactly_the_last_n_back(sizes in prop::collection::vec(1usize..6, 1..4), split in 1usize..6, n in 0usize..9) {
        let mut system = System::new(&sizes);
        let first = system.up(Some(split));
        system.carry_out(&first);
        let second = system.up(None);
        system.carry_out(&second);
        let mut order: Vec<(String, Version)> =
            first.steps.iter().chain(&second.steps).map(|s| (s.store.clone(), s.version)).collect();
        let down = system.down(&DownTarget::Last(n));
        let undone: Vec<_> = down.steps.iter().map(|s| (s.store.clone(), s.version)).collect();
        order.reverse();
        order.truncate(n);
        prop_assert_eq!(undone, order);
    }

    #[test]
    fn redo_ends_where_it_began(sizes in prop::collection::vec(1usize..6, 1..4), n in 1usize..6) {
        let mut system = System::new(&sizes);
        let plan = system.up(None);
        system.carry_out(&plan);
        let before = system.applied();
        let redo = system.ask(|s| plan_redo(s, n).unwrap());
        system.carry_out(&redo);
        prop_assert_eq!(before, system.applied());
    }

    #[test]
    fn a_step_never_comes_before_what_it_requires(
        sizes in prop::collection::vec(1usize..6, 2..4),
        // From a later store to an earlier one, so that there is no circle.
        edges in prop::collection::vec((0usize..4, 1usize..6, 0usize..4, 1usize..6), 0..8),
        steps in proptest::option::of(0usize..12),
    ) {
        let mut system = System::new(&sizes);
        let mut required = Vec::new();
        for (from, version, to, needed) in edges {
            if from <= to || from >= sizes.len() || version > sizes[from] || needed > sizes[to] { continue }
            let requirement =
                Requirement { store: format!("store{to}"), version: Version::new(needed as u128), line: 1 };
            required.push(((format!("store{from}"), Version::new(version as u128)), requirement.clone()));
            let migration = system.catalogs[from].migrations.get_mut(&Version::new(version as u128)).unwrap();
            Arc::make_mut(&mut migration.up).directives.requires.push(requirement);
        }
        let plan = system.up(steps);
        let place = |store: &str, version: Version| {
            plan.steps.iter().position(|s| s.store == store && s.version == version)
        };
        for ((store, version), requirement) in required {
            if let Some(at) = place(&store, version) {
                let before = place(&requirement.store, requirement.version);
                prop_assert!(before.is_some_and(|b| b < at));
            }
        }
        for (i, step) in plan.steps.iter().enumerate() {
            prop_assert!(step.needs.iter().all(|n| *n < i));
        }
    }
}
