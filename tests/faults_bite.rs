//! Every kind of fault is seen to bite: some seed of a run with nothing but that fault has it change something.
//!
//! A fault that never changes a message or an operation finds no bug, however often it is drawn.

use squall::nemesis::catalogue::KINDS;
use squall::trial;
use squall::workloads::append;

/// Seeds in which a fault must bite at least once.
const SEEDS: u64 = 12;

/// Nodes without leases read no clock: a wrong one shows only in how fast their timers run.
const NEED_A_CLOCK: [&str; 2] = ["clock-jump", "clock-strobe"];

#[test]
fn every_kind_of_fault_bites() {
    let mut toothless = Vec::new();
    for kind in KINDS.iter().filter(|kind| !NEED_A_CLOCK.contains(&kind.name)) {
        let bites = |seed| {
            let outcome =
                trial(squall::paxos(5), append(2)).nemesis(kind.name).seed(seed).duration_ms(2_500).run();
            outcome.faults_effective() > 0
        };
        if !(0..SEEDS).any(bites) {
            toothless.push(kind.name);
        }
    }
    assert!(toothless.is_empty(), "these faults changed nothing in {SEEDS} seeds: {toothless:?}");
}

#[test]
fn faults_beyond_the_model_are_said_to_be() {
    let outside = |name: &str| {
        let run = |seed| trial(squall::paxos(3), append(2)).nemesis(name).seed(seed).duration_ms(2_500).run();
        (0..6).map(run).any(|outcome| outcome.outside_model)
    };
    assert!(outside("lying-sync"));
    assert!(!outside("crash"));
}
