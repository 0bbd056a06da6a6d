//! What the well-known laboratories on this subject demand of such systems, where no narrower test covers it: progress
//! under loss, no service without a majority, longest waits while the network changes for ever, groups that hear
//! only themselves. Faults are written in words; each demand is a number that a run must reach.

use squall::soak::Wanted;
use squall::trial::Outcome;

#[path = "common/written.rs"]
mod written;

/// A valid run of the first seed.
fn run(mode: &str, workload: &str, faults: &str, adjust: impl FnOnce(&mut Wanted)) -> Outcome {
    written::run((mode, workload, 1), faults, adjust)
}

/// The milliseconds from the start of chaos at which operations succeeded.
fn successes_ms(outcome: &Outcome) -> Vec<u64> {
    let began_ms = outcome.phases[1].1 / 1_000;
    let ok = outcome.lines.iter().filter(|line| line.kind == "ok");
    ok.map(|line| (line.time / 1_000_000).saturating_sub(began_ms)).collect()
}

/// How many operations succeeded between two moments.
fn successes_between(outcome: &Outcome, from_ms: u64, to_ms: u64) -> usize {
    successes_ms(outcome).iter().filter(|at_ms| (from_ms..to_ms).contains(*at_ms)).count()
}

/// The longest time without a success, until then.
fn longest_wait_ms(outcome: &Outcome, until_ms: u64) -> u64 {
    let times_ms: Vec<u64> = successes_ms(outcome).into_iter().filter(|at_ms| *at_ms <= until_ms).collect();
    times_ms.windows(2).map(|pair| pair[1] - pair[0]).max().expect("some operations succeed")
}

/// A line of a plan for every turn.
fn turns(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(|turn| line(turn) + "\n").collect()
}

#[test]
fn few_clients_finish_over_a_network_that_loses_half() {
    for mode in ["single", "primary-backup", "paxos"] {
        let outcome = run(
            mode,
            "append",
            "at 0ms: loss 50% on requests for 5s\nat 0ms: loss 50% on replies for 5s",
            |wanted| {
                (wanted.clients, wanted.keys, wanted.operations) = (Some(2), Some(1), Some(60));
            },
        );
        let done = outcome.operations;
        assert!(done.ok + done.info >= 60 && done.ok >= 55, "{mode}: {done:?}");
    }
}

#[test]
fn many_clients_are_served_at_once() {
    for workload in ["register", "append"] {
        for faults in ["", "at 0ms: loss 10% on all links for 5s"] {
            let outcome = run("paxos", workload, faults, |wanted| wanted.clients = Some(25));
            assert!(outcome.operations.ok > 1_000, "{workload}: {:?}", outcome.operations);
        }
    }
}

#[test]
fn nobody_is_served_without_a_majority() {
    let faults = "at 1s: pause n1 for 2s\nat 1s: pause n2 for 2s\nat 1s: pause n3 for 2s";
    let outcome = run("paxos", "append", faults, |_| ());
    assert_eq!(successes_between(&outcome, 1_050, 2_990), 0, "two of five are no majority");
    assert!(successes_between(&outcome, 3_000, 5_000) > 100, "and all are one again");
}

#[test]
fn those_on_the_side_of_the_majority_are_served() {
    let outcome = run("paxos", "append", "at 1s: split n1, n2 | rest for 3s", |_| ());
    assert!(successes_between(&outcome, 1_600, 3_900) > 100);
    let leader = run("paxos", "append", "at 1s: isolate leader for 3s", |_| ());
    assert!(successes_between(&leader, 1_600, 3_900) > 100, "others elect a leader");
}

#[test]
fn nobody_waits_long_while_majorities_change_for_ever() {
    let sides = ["n1, n2 | rest", "n4, n5 | rest", "n2, n3 | rest", "n1, n5 | rest", "n3, n4 | rest"];
    let split =
        |turn: usize| format!("at {}ms: split {} for 700ms", 300 + turn * 800, sides[turn % sides.len()]);
    for loss in ["", "at 0ms: loss 5% on all links for 5s"] {
        let outcome = run("paxos", "append", &(turns(6, split) + loss), |_| ());
        assert!(longest_wait_ms(&outcome, 5_500) < 1_000, "{} ms", longest_wait_ms(&outcome, 5_500));
    }
}

/// The leader of the controller is cut off in the middle of changes: what it alone knows is no configuration.
#[test]
fn a_leader_of_the_controller_that_is_cut_off_changes_nothing_alone() {
    let isolate = |turn: usize| format!("at {}ms: isolate controller for 500ms", 400 + turn * 900);
    let outcome = run("sharded", "config", &turns(5, isolate), |_| ());
    assert!(outcome.faults.iter().all(|fault| fault.effective > 0), "{:?}", outcome.faults);
    assert!(outcome.operations.ok > 100, "{:?}", outcome.operations);
}

#[test]
fn minorities_of_every_group_are_cut_off_again_and_again() {
    let isolate = |turn: usize| format!("at {}ms: isolate n{} for 500ms", 200 + turn * 600, 1 + turn % 7);
    for workload in ["append", "multi"] {
        let outcome = run("sharded", workload, &turns(8, isolate), |_| ());
        assert!(longest_wait_ms(&outcome, 5_500) < 1_000, "{} ms", longest_wait_ms(&outcome, 5_500));
    }
}

/// Groups hear only themselves and their clients: each serves what it has, and nothing crosses from host to host.
#[test]
fn groups_that_are_cut_from_each_other_serve_their_own() {
    let faults = "at 1s: filter transaction-prepare, transaction-vote, transaction-decision, transaction-finished \
                  between servers for 3s";
    let transfers = "at 1s: filter shard-transfer, shard-transfer-ack between servers for 3s\n\
                     at 1.1s: reconfigure move s0 to g3 for 50ms";
    let single = run("sharded", "append", transfers, |_| ());
    let served = successes_between(&single, 1_200, 4_000);
    assert!(served > 60, "{served}: only who asks for the shard that is on its way must wait");
    let crossing = run("sharded", "multi", faults, |_| ());
    let (cut, healed) =
        (successes_between(&crossing, 2_000, 4_000), successes_between(&crossing, 4_000, 6_000));
    assert!(cut * 2 < healed, "{cut} while cut, {healed} afterwards: leaders on one host need no network");
}

/// A group that has left owes nothing to anybody: most of its replicas may go, and every key is served.
#[test]
fn a_group_that_left_is_not_missed() {
    // The third group lives on n3, n4 and n5; the others keep a majority without the first two.
    let faults =
        "at 300ms: reconfigure leave g3 for 50ms\nat 1.5s: pause n3 for 3s\nat 1.5s: pause n4 for 3s";
    for workload in ["append", "multi"] {
        let outcome = run("sharded", workload, faults, |_| ());
        assert!(longest_wait_ms(&outcome, 4_400) < 1_000, "{} ms", longest_wait_ms(&outcome, 4_400));
        assert!(successes_between(&outcome, 2_500, 4_400) > 150, "{workload}");
    }
    let without_leaving = faults.split_once('\n').expect("more lines").1;
    let missed = run("sharded", "append", without_leaving, |_| ());
    assert!(successes_between(&missed, 2_500, 4_400) < 100, "a group with shards is missed");
}

/// The network between groups comes back: what was under way ends, and the coordinator or a participant that dies
/// with it in hand is no worse.
#[test]
fn every_party_to_a_transaction_may_die_at_every_step() {
    for event in ["begun", "prepared", "decided", "finished", "forgotten"] {
        for moment in ["", " before sync", " before send"] {
            let crash = |turn: usize| {
                format!(
                    "on transaction-{event}{moment} nth {} from {}ms: crash it losing unsynced for 200ms",
                    1 + turn % 3,
                    300 + turn * 900
                )
            };
            let outcome = run("sharded", "multi", &turns(5, crash), |_| ());
            let struck = outcome.faults.iter().filter(|fault| fault.withheld.is_none()).count();
            assert!(struck >= 3, "{event}{moment}: {:?}", outcome.faults);
        }
    }
}

/// So may both ends of a move.
#[test]
fn every_party_to_a_move_may_die_at_every_step() {
    for event in ["configured", "shard-frozen", "transfer-sent", "shard-installed", "shard-dropped"] {
        for moment in ["", " before sync", " before send"] {
            let faults = turns(4, |turn| {
                let at_ms = 400 + turn * 1_100;
                let change = if turn % 2 == 0 { "leave" } else { "join" };
                format!(
                    "at {at_ms}ms: reconfigure {change} g2 for 50ms\n\
                     on {event}{moment} from {at_ms}ms: crash it losing unsynced for 200ms"
                )
            });
            let outcome = run("sharded", "kv", &faults, |_| ());
            let struck = outcome.faults.iter().filter(|fault| fault.withheld.is_none()).count();
            assert!(struck >= 6, "{event}{moment}: {:?}", outcome.faults);
        }
    }
}

/// What one operation costs in messages, in a calm cluster; elections and heartbeats included.
#[test]
fn messages_per_operation_are_bounded() {
    let costs = [
        ("single", "append", 2.5),
        ("primary-backup", "append", 6.0),
        ("paxos", "append", 15.0),
        ("sharded", "append", 13.0),
        ("sharded", "multi", 35.0),
    ];
    for (mode, workload, most) in costs {
        let outcome = run(mode, workload, "", |_| ());
        let sent: u64 = outcome.messages.iter().map(|(_, counts)| counts.sent).sum();
        let each = sent as f64 / outcome.operations.ok as f64;
        assert!(each < most, "{mode} {workload}: {each} messages for each operation");
    }
}
