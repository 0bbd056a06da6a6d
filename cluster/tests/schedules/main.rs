//! Thousands of short random schedules of replicas and clients: loss, duplication, reordering, cuts and crashes with
//! unsynced loss, every ghost event monitored, replies checked, and progress demanded after healing.
//!
//! The simulator is deliberately small and independent of the harness. One seed is one schedule.

mod clients;
mod faults;
mod world;

use squall_cluster::bugs::{Bug, Bugs, Mode};

use world::{Failure, Figures, Plan, run};

/// How many schedules each test runs; more with `SQUALL_SCHEDULES`.
fn schedules(default: u64) -> u64 {
    std::env::var("SQUALL_SCHEDULES").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Runs schedules that must be clean, and in which enough must happen.
fn assert_clean(plan: &Plan, seeds: u64) -> Figures {
    let mut total = Figures::default();
    for seed in 0..seeds {
        match run(plan, seed) {
            Ok(figures) => total.add(&figures),
            Err(failure) => panic!("seed {seed} of {plan:?}: {failure}"),
        }
    }
    println!("{seeds} schedules of {plan:?}: {total:?}");
    assert!(total.answered > 60 * seeds && total.crashes > seeds, "little happened: {total:?}");
    assert!(total.leaders > seeds, "nobody was ever replaced: {total:?}");
    total
}

#[test]
fn one_replica_is_correct() {
    assert_clean(&Plan::new(1), schedules(100));
}

#[test]
fn three_replicas_are_correct() {
    assert_clean(&Plan::new(3), schedules(300));
}

#[test]
fn five_replicas_are_correct() {
    assert_clean(&Plan::new(5), schedules(150));
}

#[test]
fn seven_replicas_are_correct() {
    assert_clean(&Plan::new(7), schedules(40));
}

/// More clients, and chaos for longer than most elections take.
#[test]
fn long_chaos_is_correct() {
    assert_clean(&Plan { clients: 12, chaos_ms: 8_000, wipes: true, ..Plan::new(5) }, schedules(20));
}

/// Tiny pages: promises, proposals and lessons take many rounds.
#[test]
fn small_pages_are_correct() {
    assert_clean(&Plan { page_entries: 3, ..Plan::new(3) }, schedules(150));
}

/// Snapshots every few slots: whoever lags gets one, in one page or in many.
#[test]
fn compaction_is_correct() {
    let often = Plan { compaction_slots: 10, ..Plan::new(3) };
    assert_compacts(&often, schedules(150));
    assert_compacts(&Plan { page_entries: 3, page_bytes: 100, ..often.clone() }, schedules(100));
    assert_compacts(
        &Plan { replicas: 5, wipes: true, compaction_slots: 30, ..often.clone() },
        schedules(100),
    );
    assert_clean(&Plan { replicas: 1, ..often }, schedules(50));
}

fn assert_compacts(plan: &Plan, seeds: u64) {
    let total = assert_clean(plan, seeds);
    assert!(total.snapshots > 10 * seeds && total.installed > seeds, "snapshots did little: {total:?}");
}

/// After a restart of all, nobody knows what is chosen: a long log takes many pages to prepare, all of it is proposed
/// again, and the election timers must let that happen.
#[test]
fn long_log_survives_a_restart_of_all() {
    for seed in 0..schedules(12).min(100) {
        let plan =
            Plan { old_slots: 8_000, chaos_ms: if seed % 2 == 0 { 250 } else { 1_500 }, ..Plan::new(3) };
        run(&plan, seed).unwrap_or_else(|failure| panic!("seed {seed} of {plan:?}: {failure}"));
    }
}

/// A minority loses its disks, or finds a record damaged, and only learns from then on.
#[test]
fn wiped_minority_is_correct() {
    assert_clean(&Plan { wipes: true, ..Plan::new(5) }, schedules(150));
}

/// After healing, one server stays cut off, deaf or mute: the others must get on without it.
#[test]
fn limping_group_makes_progress() {
    assert_clean(&Plan { limps: true, ..Plan::new(3) }, schedules(150));
    assert_clean(&Plan { limps: true, ..Plan::new(5) }, schedules(50));
}

/// Same seed, same schedule.
#[test]
fn schedules_are_deterministic() {
    for seed in 0..10 {
        let figures = || run(&Plan::new(3), seed).map_err(|failure| failure.to_string());
        assert_eq!(figures(), figures());
    }
}

/// Which bugs this small simulator finds, and by which check.
#[test]
fn bugs_are_caught() {
    let missed = hunt_all(schedules(60), true);
    assert!(missed.len() <= 3, "missed {missed:?}");
}

/// The same by what clients see and by lost progress alone. Some bugs need rarer schedules than monitors do.
#[test]
fn bugs_show_to_clients() {
    let missed = hunt_all(schedules(60), false);
    assert!(missed.len() <= 20, "missed {missed:?}");
}

fn hunt_all(seeds: u64, monitored: bool) -> Vec<Bug> {
    let mut missed = Vec::new();
    for bug in Bug::ALL.iter().copied().filter(|bug| bug.modes().contains(&Mode::Paxos)) {
        let name = format!("{:4} {:26}", bug.id(), bug.name());
        if let Some((seed, failure)) = hunt(bug, seeds, monitored) {
            println!("{name} seed {seed:4}: {failure}");
        } else {
            println!("{name} missed in {seeds} seeds");
            missed.push(bug);
        }
    }
    missed
}

fn hunt(bug: Bug, seeds: u64, monitored: bool) -> Option<(u64, Failure)> {
    let base = Plan { bugs: Bugs::of(&[bug]), monitored, ..Plan::new(3) };
    let plans = [
        base.clone(),
        Plan { replicas: 5, ..base.clone() },
        Plan { wipes: true, ..base.clone() },
        Plan { limps: true, ..base.clone() },
        Plan { page_entries: 3, ..base.clone() },
        Plan { compaction_slots: 10, ..base.clone() },
        Plan { compaction_slots: 15, replicas: 5, ..base },
    ];
    (0..seeds).find_map(|seed| {
        let plan = &plans[usize::try_from(seed).expect("small") % plans.len()];
        let outcome = std::panic::catch_unwind(|| run(plan, seed));
        match outcome {
            Ok(Ok(_)) => None,
            Ok(Err(failure)) => Some((seed, failure)),
            Err(_) => Some((seed, Failure::Panic)),
        }
    })
}
