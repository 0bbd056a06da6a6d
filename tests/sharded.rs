//! The sharded cluster as a whole: shards move while clients go on, groups come and go, transactions cross groups.

use squall::checker::Verdict;
use squall::nemesis::{ClientSide, ClusterChange, DiskLoss, Fault, PlannedFault, Target};
use squall::soak::{Experiment, Wanted};
use squall::trial::Outcome;

fn experiment(workload: &str, nemesis: &str) -> Experiment {
    let wanted = Wanted {
        mode: Some("sharded".into()),
        workload: Some(workload.into()),
        nemesis: Some(nemesis.into()),
        simulator: Some("event-loop".into()),
        duration_ms: Some(5_000),
        ..Wanted::default()
    };
    wanted.experiment().expect("possible")
}

/// A run with these faults, in milliseconds: from, for how long, what.
fn run(workload: &str, seed: u64, faults: &[(u64, u64, Fault)]) -> Outcome {
    let experiment = experiment(workload, "none");
    let mut plan = experiment.plan(seed);
    let numbered = (1..).zip(faults);
    plan.faults = numbered
        .map(|(id, (at_ms, for_ms, fault))| PlannedFault {
            id,
            at_ms: *at_ms,
            for_ms: *for_ms,
            on: None,
            fault: fault.clone(),
        })
        .collect();
    experiment.run(&plan)
}

fn assert_valid(outcome: &Outcome) {
    assert_eq!(outcome.verdict, Verdict::Valid, "{:?} {:?}", outcome.violations, outcome.remarks);
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

fn change(change: ClusterChange) -> Fault {
    Fault::Reconfigure { change }
}

const STORM: &[ClusterChange] = &[
    ClusterChange::Leave(2),
    ClusterChange::Move { shard: 0, to: 3 },
    ClusterChange::Join(2),
    ClusterChange::Leave(3),
    ClusterChange::Join(3),
    ClusterChange::Move { shard: 7, to: 1 },
];

#[test]
fn groups_join_and_leave_under_load() {
    for (seed, workload) in (0..).zip(["append", "kv", "register", "transactions", "bank", "multi", "swap"]) {
        let outcome = run(workload, seed, &[(500, 3_000, Fault::Storm { changes: STORM.to_vec() })]);
        assert_valid(&outcome);
        assert!(count(&outcome, "shard-installed") > 3, "{workload}: shards moved");
        assert!(count(&outcome, "shard-dropped") > 3, "{workload}: old copies were deleted");
    }
}

#[test]
fn all_faults_at_once_are_survived() {
    for workload in ["kv", "transactions", "multi"] {
        let experiment = experiment(workload, "all");
        for seed in 0..5 {
            let outcome = experiment.run(&experiment.plan(seed));
            assert_valid(&outcome);
        }
    }
}

/// A shard cannot move to a group that is down; it does once the group is back, and the others are served meanwhile.
#[test]
fn a_move_waits_for_a_group_that_is_down() {
    // Group 2 lives on n7, n1 and n2: two of its three hosts are stopped.
    let down = |server| (300, 2_700, Fault::Pause { target: Target::Server(server) });
    let leave = (600, 50, change(ClusterChange::Leave(2)));
    let outcome = run("append", 3, &[down(0), down(1), leave]);
    assert_valid(&outcome);
    let installed = times_ms(&outcome, "shard-installed");
    let late = installed.iter().filter(|at| **at >= 3_000).count();
    assert!(late > 0, "the shards of the group came when it did: {installed:?}");
}

/// A minority of every group is cut off, the controller's too.
#[test]
fn a_majority_of_each_group_is_enough() {
    let isolate = Fault::Isolate { target: Target::Server(1), clients: ClientSide::ReachAll };
    let outcome = run("multi", 4, &[(200, 4_500, isolate), (1_000, 50, change(ClusterChange::Leave(3)))]);
    assert_valid(&outcome);
    assert!(outcome.operations.ok > 200, "{:?}", outcome.operations);
}

/// A host that missed several configurations takes them up one by one.
#[test]
fn a_group_that_missed_configurations_catches_up() {
    let outcome = run(
        "kv",
        5,
        &[
            (200, 3_000, Fault::Pause { target: Target::Server(3) }),
            (200, 3_000, Fault::Pause { target: Target::Server(4) }),
            (400, 1_500, Fault::Storm { changes: vec![ClusterChange::Move { shard: 0, to: 3 }; 1] }),
            (900, 50, change(ClusterChange::Move { shard: 1, to: 2 })),
            (1_500, 50, change(ClusterChange::Move { shard: 1, to: 3 })),
        ],
    );
    assert_valid(&outcome);
    assert!(times_ms(&outcome, "configured").iter().any(|at| *at >= 3_000), "after its return");
}

/// Everything stops and starts again, in the middle of moves and transactions.
#[test]
fn a_restart_of_all_forgets_nothing() {
    for (seed, workload) in (10..).zip(["transactions", "bank", "append"]) {
        let storm = (500, 2_000, Fault::Storm { changes: STORM.to_vec() });
        let crash = |at_ms| (at_ms, 200, Fault::CrashAll { loss: DiskLoss::Unsynced });
        assert_valid(&run(workload, seed, &[storm, crash(900), crash(1_900), crash(3_000)]));
    }
}

/// No lock, no open transaction and no shard on its way is left over: a run ends only when that is so.
#[test]
fn a_lost_decision_is_asked_for() {
    let lose = Fault::Filter {
        links: squall::nemesis::Links::Servers,
        kinds: vec!["transaction-decision".to_owned()],
    };
    let outcome = run("multi", 6, &[(500, 1_500, lose)]);
    assert_valid(&outcome);
}
