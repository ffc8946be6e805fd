//! The ordered steps that a request needs, computed from files and ledgers, without side effects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::catalog::{Catalog, Script};
use super::failure::Failure;
use super::file_name::Direction;
use super::ledger::Record;
use super::standing::{Rung, rungs};
use super::version::Version;

/// What is known of one store before planning.
#[derive(Clone, Debug)]
pub struct StoreState<'a> {
    /// What the files say.
    pub catalog: &'a Catalog,
    /// What the ledger adds up to.
    pub records: &'a BTreeMap<Version, Record>,
    /// Whether the request is about this store; others are known only for `requires`.
    pub chosen: bool,
}

impl<'a> StoreState<'a> {
    /// The store's name.
    pub fn name(&self) -> &'a str {
        &self.catalog.store
    }

    /// Its rungs in an environment.
    pub fn rungs(&self, environment: Option<&str>) -> Vec<Rung<'a>> {
        rungs(self.catalog, self.records, environment)
    }
}

/// Where a step's script comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The file of the pair.
    File(Arc<Script>),
    /// The down script that the ledger kept, since there is no file any more.
    Ledger,
}

/// One migration in one direction, in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// The store's name.
    pub store: String,
    /// The migration's number.
    pub version: Version,
    /// `NNN_name`.
    pub label: String,
    /// Which way.
    pub direction: Direction,
    /// Where the script comes from.
    pub source: Source,
    /// The down file that an up step records in the ledger.
    pub down: Option<Arc<Script>>,
    /// How long it may run, by its directive.
    pub timeout: Option<Duration>,
    /// Indices of steps of this plan that must be done before it.
    pub needs: Vec<usize>,
    /// Parts to leave out because they are done already; only `repair --resume` sets it.
    pub resume_from: Option<u32>,
    /// The checksum of the up script that the ledger is to keep.
    pub checksum: super::checksum::Checksum,
    /// Things worth saying, such as a down file that differs from the recorded one.
    pub notes: Vec<String>,
}

impl PlannedStep {
    /// `store/NNN_name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.store, self.label)
    }

    /// The file that its script comes from, unless it comes from the ledger.
    pub fn source_script(&self) -> Option<&Arc<Script>> {
        match &self.source {
            Source::File(script) => Some(script),
            Source::Ledger => None,
        }
    }
}

/// Steps in an order in which they can run one after the other; independent stores may run side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In order.
    pub steps: Vec<PlannedStep>,
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The names of the stores that have steps, sorted: the fixed order in which leases are taken.
    pub fn stores(&self) -> BTreeSet<&str> {
        self.steps.iter().map(|s| s.store.as_str()).collect()
    }

    /// Appends another plan that runs after this one.
    pub fn then(&mut self, after: Self) {
        let offset = self.steps.len();
        let last_of: BTreeMap<String, usize> =
            self.steps.iter().enumerate().map(|(i, s)| (s.store.clone(), i)).collect();
        for mut step in after.steps {
            for need in &mut step.needs {
                *need += offset;
            }
            step.needs.extend(last_of.get(&step.store));
            self.steps.push(step);
        }
    }
}

/// Orders `count` nodes so that each comes after the nodes it needs; among those that could come next the
/// lowest index does.
///
/// # Errors
/// The nodes of a cycle, each needing the next one, the last one needing the first.
pub fn order(needs: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut waits: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut followers = vec![Vec::new(); needs.len()];
    for (node, needed) in needs.iter().enumerate() {
        for &n in needed {
            followers[n].push(node);
        }
    }
    let mut ready: BTreeSet<usize> = (0..needs.len()).filter(|&n| waits[n] == 0).collect();
    let mut ordered = Vec::with_capacity(needs.len());
    while let Some(node) = ready.pop_first() {
        ordered.push(node);
        for &follower in &followers[node] {
            waits[follower] -= 1;
            if waits[follower] == 0 {
                ready.insert(follower);
            }
        }
    }
    if ordered.len() == needs.len() { Ok(ordered) } else { Err(cycle(needs, &waits)) }
}

/// Walks from a node that never became ready until one comes twice.
fn cycle(needs: &[Vec<usize>], waits: &[usize]) -> Vec<usize> {
    let stuck = |n: &usize| waits[*n] > 0;
    let mut path: Vec<usize> = Vec::new();
    let mut at = (0..needs.len()).find(stuck).unwrap_or(0);
    while !path.contains(&at) {
        path.push(at);
        at = needs[at].iter().copied().find(stuck).unwrap_or(at);
    }
    let start = path.iter().position(|&n| n == at).unwrap_or(0);
    path.split_off(start)
}

/// A request that cannot be planned because of what stands in the ledgers or files.
pub type Refusal = Failure;

/// `a`, `a and b`, `a, b and c`.
pub fn list<T: AsRef<str>>(items: &[T]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

/// `1 migration`, `2 migrations`.
pub fn count(n: usize, thing: &str) -> String {
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_keeps_the_lowest_first_and_respects_needs() {
        assert_eq!(order(&[vec![], vec![0], vec![], vec![2]]), Ok(vec![0, 1, 2, 3]));
        assert_eq!(order(&[vec![3], vec![0], vec![], vec![2]]), Ok(vec![2, 3, 0, 1]));
    }

    #[test]
    fn a_cycle_is_named_and_nothing_else() {
        assert_eq!(order(&[vec![], vec![2], vec![3], vec![1], vec![1]]), Err(vec![1, 2, 3]));
        assert_eq!(order(&[vec![0]]), Err(vec![0]));
    }

    #[test]
    fn words_are_made() {
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
        assert_eq!(count(1, "migration"), "1 migration");
        assert_eq!(count(0, "step"), "0 steps");
    }
}
