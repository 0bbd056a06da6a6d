//! Thousands of short random schedules of replicas and clients: loss, duplication, reordering, cuts and crashes with
//! unsynced loss, every ghost event monitored, replies checked, and progress demanded after healing.
//!
//! The simulator is deliberately small and independent of the harness. One seed is one schedule.

mod clients;
mod faults;
mod plan;
mod sizes;
mod world;

use squall_cluster::bugs::{Bug, Bugs, Layer, Mode};
use squall_cluster::paxos::{ReadPath, Timing};

use plan::{Figures, Plan};
use world::{Failure, run};

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

/// Reads beside the log, by rounds of heartbeats.
#[test]
fn read_index_is_correct() {
    assert_clean(&reading(ReadPath::ReadIndex, 3), schedules(200));
    assert_clean(&reading(ReadPath::ReadIndex, 5), schedules(80));
    assert_clean(&reading(ReadPath::ReadIndex, 1), schedules(30));
}

/// Reads by leases, with clocks as wrong as they may be.
#[test]
fn leases_are_correct_within_the_clock_bound() {
    let bound = u64::from(Timing::default().clock_error_ppm);
    for replicas in [3, 5] {
        assert_clean(&Plan { clock_error_ppm: bound, ..reading(ReadPath::Lease, replicas) }, schedules(150));
    }
}

/// What leases rest on: if the clock of a leader that is cut off is set back, its reads go stale. No other path minds.
#[test]
fn leases_fail_beyond_the_clock_bound() {
    let wrong = |reads| Plan { clock_steps: true, ..reading(reads, 3) };
    let stale = (0..schedules(200) * 10).find_map(|seed| run(&wrong(ReadPath::Lease), seed).err());
    assert!(matches!(stale, Some(Failure::Client(_))), "{stale:?}");
    assert_clean(&wrong(ReadPath::ReadIndex), schedules(100));
}

fn reading(reads: ReadPath, replicas: u32) -> Plan {
    Plan { reads, clients: 6, readers: 3, compaction_slots: 50, ..Plan::new(replicas) }
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
    assert!(missed.len() <= 5, "missed {missed:?}");
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

/// Schedules under which a bug can show at all.
fn plans_for(bug: Bug) -> Vec<Plan> {
    let base = Plan::new(3);
    let compacting = Plan { compaction_slots: 10, ..base.clone() };
    let in_lease = Plan { clock_error_ppm: 50_000, ..reading(ReadPath::Lease, 3) };
    match bug.layer() {
        Layer::Snapshot => vec![
            compacting.clone(),
            Plan { page_entries: 3, page_bytes: 100, ..compacting.clone() },
            Plan { replicas: 5, wipes: true, compaction_slots: 15, ..compacting },
        ],
        Layer::Reads => vec![reading(ReadPath::ReadIndex, 3), in_lease],
        _ => vec![
            base.clone(),
            Plan { replicas: 5, ..base.clone() },
            Plan { wipes: true, ..base.clone() },
            Plan { limps: true, ..base.clone() },
            Plan { page_entries: 3, ..base },
            compacting,
        ],
    }
}

fn hunt(bug: Bug, seeds: u64, monitored: bool) -> Option<(u64, Failure)> {
    let plans = plans_for(bug);
    // Stale reads need a reader at the right place in the right moment.
    let seeds = if bug.layer() == Layer::Reads { 10 * seeds } else { seeds };
    (0..seeds).find_map(|seed| {
        let plan = &plans[usize::try_from(seed).expect("small") % plans.len()];
        let plan = Plan { bugs: Bugs::of(&[bug]), monitored, ..plan.clone() };
        let outcome = std::panic::catch_unwind(|| run(&plan, seed));
        match outcome {
            Ok(Ok(_)) => None,
            Ok(Err(failure)) => Some((seed, failure)),
            Err(_) => Some((seed, Failure::Panic)),
        }
    })
}
