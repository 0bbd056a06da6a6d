//! Runs in which too little happened are vacuous, never valid: a server that answers late, a dead nemesis, a serial
//! client. Each is seen to be caught.

use squall::checker::Verdict;
use squall::trial;
use squall::workloads::{append, multi};

#[test]
fn faults_that_change_nothing_make_a_run_vacuous() {
    // Clocks alone cannot act on nodes that read none.
    let outcome = trial(squall::paxos(3), append(2)).nemesis("clock-jump").seed(1).duration_ms(1_500).run();
    assert_eq!(outcome.verdict, Verdict::Vacuous);
    assert!(outcome.remarks.iter().any(|remark| remark.contains("faults that changed something: 0")));
}

#[test]
fn clients_that_never_meet_make_a_run_vacuous() {
    // Two clients over so many keys that they hardly ever touch one at the same time.
    let outcome =
        trial(squall::paxos(3), append(500)).nemesis("none").clients(2).seed(1).duration_ms(1_500).run();
    assert_eq!(outcome.verdict, Verdict::Vacuous, "{:?}\n{}", outcome.operations, outcome.history_text());
    assert!(outcome.remarks.iter().any(|remark| remark.contains("overlapped")), "{:?}", outcome.remarks);
}

#[test]
fn clients_that_never_meet_at_a_group_of_registers_make_a_run_vacuous() {
    let outcome =
        trial(squall::paxos(3), multi(500)).nemesis("none").clients(2).seed(1).duration_ms(1_500).run();
    assert_eq!(outcome.verdict, Verdict::Vacuous, "{:?}\n{}", outcome.operations, outcome.history_text());
    assert!(outcome.remarks.iter().any(|remark| remark.contains("overlapped")), "{:?}", outcome.remarks);
}

#[test]
fn a_system_that_hardly_answers_makes_a_run_vacuous() {
    // Ten milliseconds of chaos hold next to no operation.
    let outcome = trial(squall::paxos(3), append(2)).nemesis("none").seed(1).duration_ms(10).run();
    assert_eq!(outcome.verdict, Verdict::Vacuous);
}

#[test]
fn a_run_in_which_much_happened_counts() {
    let outcome = trial(squall::paxos(3), append(2)).nemesis("none").seed(1).duration_ms(3_000).run();
    assert_eq!(outcome.verdict, Verdict::Valid, "{:?}", outcome.remarks);
    assert!(outcome.operations.ok > 50);
}
