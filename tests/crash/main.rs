//! The binary, killed at random moments. After every kill each migration is old, new or a named half, the next
//! run takes the dead lease over at once, and no script's effect is there twice or lost.
//!
//! `STEPLADDER_CRASH_ROUNDS` says how often (40 for each store by default, thousands for a long run).

#[path = "../common/mod.rs"]
mod common;
mod observer;

use std::time::{Duration, Instant};

use common::World;
use observer::{Observer, Postgres, Sqlite};

/// Migrations in the set: many small ones, so that a kill meets every stage of a step.
const COUNT: usize = 24;

#[test]
fn sqlite_survives_kills_at_any_moment() {
    kill_again_and_again(&Sqlite::new());
}

#[test]
fn postgres_survives_kills_at_any_moment() {
    match Postgres::new() {
        Some(postgres) => kill_again_and_again(&postgres),
        None => println!("left out: no STEPLADDER_TEST_POSTGRES_URL"),
    }
}

fn rounds() -> usize {
    std::env::var("STEPLADDER_CRASH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(40)
}

fn kill_again_and_again(store: &dyn Observer) {
    let mut world = World::new();
    let (variable, url) = store.connection(&world.root());
    world.set(variable, url);
    for n in 1..=COUNT {
        // Every script leaves a row behind, so that what ran twice or not at all can be counted.
        world.write(format!("migrations/{}/{n:03}_s.up.sql", store.kind()), store.up(n));
        world.write(
            format!("migrations/{}/{n:03}_s.down.sql", store.kind()),
            format!("DROP TABLE t{n};\nDELETE FROM effects WHERE n = {n};\n"),
        );
    }
    store.prepare(&world.root());
    let (up, down) = (span(&world, &["up"]), span(&world, &["down", "--all", "-y"]));
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..rounds() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let fraction = f64::from(u32::try_from(random >> 40).unwrap()) / f64::from(1 << 24);
        let (args, whole): (&[&str], Duration) = match round % 3 {
            2 => (&["down", "--all", "-y"], down),
            _ => (&["up"], up),
        };
        let running = world.spawn(args);
        std::thread::sleep(whole.mul_f64(fraction * 1.1));
        running.kill9();
        check(&world, store, round);
    }
    // From wherever the last kill left it, one run completes the set, and one takes it back.
    world.run(&["up"]).expect(0);
    assert_eq!(store.effects(&world.root()), (1..=COUNT).collect::<Vec<_>>());
    world.run(&["down", "--all", "-y"]).expect(0);
    assert!(store.effects(&world.root()).is_empty());
    store.clean();
}

fn span(world: &World, args: &[&str]) -> Duration {
    let began = Instant::now();
    world.run(args).expect(0);
    began.elapsed()
}

/// The ledger and the effects say the same, and every migration has a name for where it stands.
fn check(world: &World, store: &dyn Observer, round: usize) {
    // First the outsider, who waits until the killed run's session has ended; the ledger then says the last word.
    let effects = store.effects(&world.root());
    let status = world.run(&["status", "--all", "--json"]).expect(0).json();
    let mut applied = Vec::new();
    for migration in status["stores"][0]["migrations"].as_array().unwrap() {
        let version: usize = migration["version"].as_str().unwrap().parse().unwrap();
        match migration["standing"].as_str().unwrap() {
            "applied" => applied.push(version),
            "pending" => {}
            // Every script of the set is one transaction: no half is possible here.
            other => panic!("round {round}: {version} is {other}"),
        }
    }
    assert_eq!(applied, (1..=applied.len()).collect::<Vec<_>>(), "round {round}: applied in order");
    assert_eq!(effects, applied, "round {round}: what the store holds is what the ledger says");
}
