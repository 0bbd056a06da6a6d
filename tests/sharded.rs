//! The sharded cluster as a whole: shards move while clients go on, groups come and go, transactions cross groups.

use squall::trial::Outcome;

#[path = "common/written.rs"]
mod written;

/// A valid run of five seconds.
fn run(workload: &str, seed: u64, faults: &str) -> Outcome {
    written::run(("sharded", workload, seed), faults, |wanted| wanted.duration_ms = Some(5_000))
}

/// How often something happened anywhere.
fn count(outcome: &Outcome, kind: &str) -> usize {
    outcome.node_events.iter().filter(|event| event.kind == kind).count()
}

/// The simulated milliseconds from the start of chaos to each event of a kind.
fn times_ms(outcome: &Outcome, kind: &str) -> Vec<u64> {
    let began = outcome.phases[1].1;
    let events = outcome.node_events.iter().filter(|event| event.kind == kind);
    events.map(|event| event.time.0.saturating_sub(began) / 1_000).collect()
}

const STORM: &str = "storm leave g2, move s0 to g3, join g2, leave g3, join g3, move s7 to g1";

#[test]
fn groups_join_and_leave_under_load() {
    for (seed, workload) in (0..).zip(["append", "kv", "register", "transactions", "bank", "multi", "swap"]) {
        let outcome = run(workload, seed, &format!("at 500ms: {STORM} for 3s"));
        assert!(count(&outcome, "shard-installed") > 3, "{workload}: shards moved");
        assert!(count(&outcome, "shard-dropped") > 3, "{workload}: old copies were deleted");
    }
}

#[test]
fn all_faults_at_once_are_survived() {
    for workload in ["kv", "transactions", "multi"] {
        for seed in 0..5 {
            written::run(("sharded", workload, seed), "", |wanted| {
                (wanted.duration_ms, wanted.nemesis) = (Some(5_000), Some("all".into()));
            });
        }
    }
}

/// A shard cannot move to a group that is down; it does once the group is back, and the others are served meanwhile.
#[test]
fn a_move_waits_for_a_group_that_is_down() {
    // Group 2 lives on n7, n1 and n2: two of its three hosts are stopped.
    let faults =
        "at 300ms: pause n1 for 2.7s\nat 300ms: pause n2 for 2.7s\nat 600ms: reconfigure leave g2 for 50ms";
    let outcome = run("append", 3, faults);
    let installed = times_ms(&outcome, "shard-installed");
    let late = installed.iter().filter(|at| **at >= 3_000).count();
    assert!(late > 0, "the shards of the group came when it did: {installed:?}");
}

/// A minority of every group is cut off, the controller's too.
#[test]
fn a_majority_of_each_group_is_enough() {
    let faults = "at 200ms: isolate n2, clients reach all for 4.5s\nat 1s: reconfigure leave g3 for 50ms";
    let outcome = run("multi", 4, faults);
    assert!(outcome.operations.ok > 200, "{:?}", outcome.operations);
}

/// A host that missed several configurations takes them up one by one.
#[test]
fn a_group_that_missed_configurations_catches_up() {
    let faults = "
        at 200ms: pause n4 for 3s
        at 200ms: pause n5 for 3s
        at 400ms: reconfigure move s0 to g3 for 1.5s
        at 900ms: reconfigure move s1 to g2 for 50ms
        at 1.5s: reconfigure move s1 to g3 for 50ms
    ";
    let outcome = run("kv", 5, faults);
    assert!(times_ms(&outcome, "configured").iter().any(|at| *at >= 3_000), "after its return");
}

/// Everything stops and starts again, in the middle of moves and transactions.
#[test]
fn a_restart_of_all_forgets_nothing() {
    for (seed, workload) in (10..).zip(["transactions", "bank", "append"]) {
        let crash = |at_ms| format!("\nat {at_ms}ms: crash-all losing unsynced for 200ms");
        let crashes: String = [900, 1_900, 3_000].map(crash).concat();
        run(workload, seed, &format!("at 500ms: {STORM} for 2s{crashes}"));
    }
}

/// No lock, no open transaction and no shard on its way is left over: a run ends only when that is so.
#[test]
fn a_lost_decision_is_asked_for() {
    run("multi", 6, "at 500ms: filter transaction-decision between servers for 1.5s");
}
