//! The interpreter over the mock: each fault begins, acts and is undone, alone and among others.

use super::mock::{Mock, Standing};
use super::*;

const N1: Endpoint = Endpoint::Server(0);
const N2: Endpoint = Endpoint::Server(1);
const N3: Endpoint = Endpoint::Server(2);
const C0: Endpoint = Endpoint::Client(0);
const C1: Endpoint = Endpoint::Client(1);

fn planned(id: FaultId, at_ms: u64, for_ms: u64, fault: Fault) -> PlannedFault {
    PlannedFault { id, at_ms, for_ms, on: None, fault }
}

fn nemesis(faults: Vec<PlannedFault>) -> Nemesis {
    Nemesis::new(faults, Limits::none(Mode::Paxos))
}

/// Ticks every millisecond over the range and collects what happened.
fn run(nemesis: &mut Nemesis, mock: &mut Mock, range_ms: std::ops::Range<u64>) -> Vec<(u64, NemesisEvent)> {
    let mut events = Vec::new();
    for now_ms in range_ms {
        events.extend(nemesis.tick(now_ms, mock).into_iter().map(|event| (now_ms, event)));
    }
    events
}

fn isolate(server: u32) -> Fault {
    Fault::Isolate { target: Target::Server(server), clients: ClientSide::Follow }
}

fn crash(server: u32) -> Fault {
    Fault::Crash { target: Target::Server(server), loss: DiskLoss::Unsynced }
}

#[test]
fn every_fault_begins_acts_and_is_undone() {
    for fault in one_of_each() {
        let mut mock = Mock::new(5, 3);
        let mut nemesis = nemesis(vec![fault.clone()]);
        assert_eq!(run(&mut nemesis, &mut mock, 0..fault.at_ms), vec![], "{fault}");
        let events = run(&mut nemesis, &mut mock, fault.at_ms..fault.end_ms());
        assert!(
            matches!(&events[..], [(at, NemesisEvent::Begin { .. })] if *at == fault.at_ms),
            "{events:?}"
        );
        let has_acted = !mock.calls.is_empty() || !mock.all_standing().is_empty();
        // A strobe may be on the side of true time at the end of its window; it has acted all the same.
        assert!(has_acted || mock.effective(fault.id) > 0, "{fault}");
        assert_eq!(nemesis.active().count(), 1);
        let events = run(&mut nemesis, &mut mock, fault.end_ms()..fault.end_ms() + 5);
        assert_eq!(events, vec![(fault.end_ms(), NemesisEvent::End { id: fault.id })], "{fault}");
        assert!(mock.is_whole(), "{fault} left {mock:?}");
        assert_eq!(nemesis.next_ms(), None);
    }
}

#[test]
fn every_fault_is_undone_by_healing_at_any_moment() {
    for fault in one_of_each() {
        for cut_short_ms in [0, 1, 30, 449, 450, 451, 700, 899] {
            let mut mock = Mock::new(5, 3);
            let mut nemesis = nemesis(vec![fault.clone()]);
            let until_ms = fault.at_ms + cut_short_ms;
            run(&mut nemesis, &mut mock, fault.at_ms..until_ms + 1);
            assert_eq!(nemesis.heal_all(&mut mock), vec![NemesisEvent::End { id: fault.id }]);
            assert!(mock.is_whole(), "{fault} left {mock:?} after {cut_short_ms} ms");
            assert_eq!(run(&mut nemesis, &mut mock, until_ms + 1..until_ms + 1_000), vec![]);
        }
    }
}

#[test]
fn the_whole_plan_runs_by_its_wake_up_times_as_by_milliseconds() {
    let faults = one_of_each();
    let (mut by_ms, mut by_wake) = (Mock::new(5, 3), Mock::new(5, 3));
    let mut first = nemesis(faults.clone());
    let expected = run(&mut first, &mut by_ms, 0..60_000);
    let mut second = nemesis(faults);
    let mut events = Vec::new();
    while let Some(now_ms) = second.next_ms() {
        events.extend(second.tick(now_ms, &mut by_wake).into_iter().map(|event| (now_ms, event)));
    }
    assert_eq!(events, expected);
    assert_eq!(by_wake.calls, by_ms.calls);
    assert_eq!(first.tally(&by_ms).injected, 36);
}

#[test]
fn clients_follow_their_server_or_reach_all() {
    let mut mock = Mock::new(5, 3);
    run(&mut nemesis(vec![planned(1, 0, 10, isolate(0))]), &mut mock, 0..1);
    assert!(mock.is_cut_both_ways(N1, N2) && mock.is_cut_both_ways(C0, N2) && mock.is_cut_both_ways(C1, N1));
    assert!(!mock.is_cut(C0, N1) && !mock.is_cut(C1, N2) && !mock.is_cut(N2, N3));
    let mut mock = Mock::new(5, 3);
    let fault = Fault::Isolate { target: Target::Server(0), clients: ClientSide::ReachAll };
    run(&mut nemesis(vec![planned(1, 0, 10, fault)]), &mut mock, 0..1);
    assert!(mock.is_cut_both_ways(N1, N2) && !mock.is_cut(C0, N2) && !mock.is_cut(C1, N1));
}

#[test]
fn one_way_cuts_cut_one_way() {
    let deaf = Fault::Deaf { target: Target::Server(0), clients: ClientSide::Follow };
    let mut mock = Mock::new(3, 3);
    run(&mut nemesis(vec![planned(1, 0, 10, deaf)]), &mut mock, 0..1);
    assert!(mock.is_cut(N2, N1) && !mock.is_cut(N1, N2));
    assert!(mock.is_cut(C1, N1) && !mock.is_cut(N1, C1) && mock.is_cut(N2, C0));
    let mute = Fault::Mute { target: Target::Server(0), clients: ClientSide::ReachAll };
    let mut mock = Mock::new(3, 3);
    run(&mut nemesis(vec![planned(1, 0, 10, mute)]), &mut mock, 0..1);
    assert!(mock.is_cut(N1, N2) && !mock.is_cut(N2, N1) && !mock.is_cut(N1, C1));
}

#[test]
fn in_a_ring_each_sees_a_majority_and_no_two_the_same() {
    for servers in 4..=9 {
        let mut mock = Mock::new(servers, 1);
        let ring = Fault::Ring { clients: ClientSide::ReachAll };
        run(&mut nemesis(vec![planned(1, 0, 10, ring)]), &mut mock, 0..1);
        let sees = |server: usize| -> Vec<usize> {
            let ends = |other: usize| (Endpoint::Server(server), Endpoint::Server(other));
            (0..servers).filter(|other| !mock.is_cut(ends(*other).0, ends(*other).1)).collect()
        };
        for server in 0..servers {
            assert!(sees(server).len() > servers / 2 && sees(server).len() < servers, "{servers}");
            assert!((0..server).all(|other| sees(other) != sees(server)), "{servers}");
        }
    }
}

#[test]
fn a_bridge_joins_two_halves() {
    let mut mock = Mock::new(5, 1);
    let bridge = Fault::Bridge { over: Target::Server(2), clients: ClientSide::ReachAll };
    run(&mut nemesis(vec![planned(1, 0, 10, bridge)]), &mut mock, 0..1);
    assert!(mock.is_cut_both_ways(N1, Endpoint::Server(3)) && !mock.is_cut(N1, N2));
    assert!((0..5).all(|other| !mock.is_cut(N3, Endpoint::Server(other))));
}

#[test]
fn flapping_keeps_its_beat() {
    let flapping = Fault::Flapping {
        target: Target::Server(0),
        cut_ms: 100,
        connected_ms: 50,
        clients: ClientSide::Follow,
    };
    let mut mock = Mock::new(3, 1);
    let mut nemesis = nemesis(vec![planned(1, 7, 10_000, flapping)]);
    for now_ms in 0..10_007 {
        nemesis.tick(now_ms, &mut mock);
        let expected = now_ms >= 7 && (now_ms - 7) % 150 < 100;
        assert_eq!(mock.is_cut_both_ways(N1, N2), expected, "at {now_ms}");
    }
}

#[test]
fn a_swizzle_restores_in_its_own_order() {
    let fault = Fault::Swizzle { cut: vec![0, 1], restore: vec![1, 0], clients: ClientSide::ReachAll };
    let mut mock = Mock::new(4, 1);
    let mut nemesis = nemesis(vec![planned(1, 0, 400, fault)]);
    let n4 = Endpoint::Server(3);
    for now_ms in 0..400 {
        nemesis.tick(now_ms, &mut mock);
        assert_eq!(mock.is_cut_both_ways(N1, n4), now_ms < 300, "n1 at {now_ms}");
        assert_eq!(mock.is_cut_both_ways(N2, n4), (100..200).contains(&now_ms), "n2 at {now_ms}");
        // Between two servers while either is cut off.
        assert_eq!(mock.is_cut_both_ways(N1, N2), now_ms < 300, "both at {now_ms}");
    }
}

#[test]
fn rolling_restarts_and_crash_loops_take_their_turns() {
    let rolling = Fault::RollingRestart { down_ms: 20, loss: DiskLoss::Nothing };
    let mut mock = Mock::new(3, 1);
    let mut first = nemesis(vec![planned(1, 0, 300, rolling)]);
    for now_ms in 0..300 {
        first.tick(now_ms, &mut mock);
        for (server, turn_ms) in [0_usize, 1, 2].into_iter().zip([0, 100, 200]) {
            let is_down = (turn_ms..turn_ms + 20).contains(&now_ms);
            assert_eq!(mock.up[server], !is_down, "n{} at {now_ms}", server + 1);
        }
    }
    let looping =
        Fault::CrashLoop { target: Target::Server(1), down_ms: 30, up_ms: 70, loss: DiskLoss::Torn };
    let mut mock = Mock::new(3, 1);
    run(&mut nemesis(vec![planned(1, 0, 1_000, looping)]), &mut mock, 0..1_001);
    assert_eq!(mock.calls.iter().filter(|call| *call == "crash n2 Torn").count(), 10);
    assert!(mock.is_whole());
}

#[test]
fn overlapping_cuts_undo_exactly_their_own() {
    let mut mock = Mock::new(3, 1);
    let mut nemesis = nemesis(vec![planned(1, 0, 100, isolate(0)), planned(2, 50, 100, isolate(1))]);
    run(&mut nemesis, &mut mock, 0..100);
    assert!(mock.is_cut(N1, N3) && mock.is_cut(N2, N3) && mock.is_cut(N1, N2));
    run(&mut nemesis, &mut mock, 100..101);
    assert!(
        !mock.is_cut(N1, N3) && mock.is_cut(N2, N3) && mock.is_cut(N1, N2),
        "the second one still stands"
    );
    run(&mut nemesis, &mut mock, 101..151);
    assert!(mock.is_whole());
}

#[test]
fn a_server_held_down_by_two_faults_starts_when_the_last_lets_go() {
    let all = Fault::CrashAll { loss: DiskLoss::Nothing };
    let mut mock = Mock::new(3, 1);
    let mut nemesis = nemesis(vec![planned(1, 0, 100, crash(0)), planned(2, 50, 100, all)]);
    run(&mut nemesis, &mut mock, 0..101);
    assert_eq!(mock.up, [false, false, false]);
    run(&mut nemesis, &mut mock, 101..151);
    assert!(mock.is_whole());
    assert_eq!(mock.calls.iter().filter(|call| *call == "start n1").count(), 1);
}

#[test]
fn pauses_of_one_server_add_up() {
    let pause = Fault::Pause { target: Target::Server(0) };
    let mut mock = Mock::new(3, 1);
    let mut nemesis = nemesis(vec![planned(1, 0, 100, pause.clone()), planned(2, 50, 100, pause)]);
    run(&mut nemesis, &mut mock, 0..101);
    assert_eq!(mock.all_standing(), [&Standing::Pause(0)]);
    run(&mut nemesis, &mut mock, 101..151);
    assert!(mock.is_whole());
}

#[test]
fn a_server_that_stopped_by_its_disk_starts_at_the_end() {
    let mut mock = Mock::new(3, 1);
    let full = Fault::DiskFull { target: Target::Server(0) };
    let mut nemesis = nemesis(vec![planned(1, 0, 100, full)]);
    run(&mut nemesis, &mut mock, 0..10);
    mock.up[0] = false;
    run(&mut nemesis, &mut mock, 10..100);
    assert!(!mock.up[0], "it does not start while its disk is full");
    run(&mut nemesis, &mut mock, 100..101);
    assert!(mock.is_whole());
}

#[test]
fn damage_happens_while_the_server_is_down() {
    let mut mock = Mock::new(3, 1);
    let fault = Fault::BitFlip { target: Target::Server(2) };
    run(&mut nemesis(vec![planned(1, 0, 100, fault)]), &mut mock, 0..101);
    assert_eq!(mock.calls, ["crash n3 Nothing", "BitFlip n3", "start n3"]);
}

#[test]
fn roles_are_resolved_when_the_fault_fires_and_recorded() {
    let fault = Fault::Isolate { target: Target::Leader, clients: ClientSide::Follow };
    let follower = Fault::Pause { target: Target::Follower(6) };
    let mut mock = Mock::new(3, 1);
    mock.leader = Some(1);
    let mut nemesis = nemesis(vec![planned(1, 5, 100, fault), planned(2, 5, 100, follower)]);
    let events = run(&mut nemesis, &mut mock, 0..6);
    let begin = |id, text: &str, target| NemesisEvent::Begin {
        id,
        description: text.to_owned(),
        targets: vec![target],
    };
    assert_eq!(
        events,
        [(5, begin(1, "isolate n2 (n2 leads)", N2)), (5, begin(2, "pause n1 (n2 leads)", N1)),]
    );
    mock.leader = Some(2);
    run(&mut nemesis, &mut mock, 6..50);
    assert!(mock.is_cut(N2, N1), "it stays with whom it hit");
}

#[test]
fn without_a_leader_it_waits_and_ends_in_time() {
    let fault = Fault::Pause { target: Target::Leader };
    let mut mock = Mock::new(3, 1);
    mock.leader = None;
    let mut nemesis = nemesis(vec![planned(1, 0, 100, fault)]);
    let events = run(&mut nemesis, &mut mock, 0..55);
    let withheld = NemesisEvent::Withheld { id: 1, reason: "no server leads now".to_owned() };
    assert_eq!(events, [(0, withheld)], "said once");
    mock.leader = Some(2);
    let events = run(&mut nemesis, &mut mock, 55..101);
    assert!(matches!(&events[0], (60, NemesisEvent::Begin { .. })), "{events:?}");
    assert_eq!(events[1], (100, NemesisEvent::End { id: 1 }));
}

#[test]
fn what_never_fits_becomes_a_delay_of_the_same_length() {
    let fault = Fault::Pause { target: Target::Leader };
    let mut mock = Mock::new(3, 1);
    mock.leader = None;
    let mut nemesis = nemesis(vec![planned(1, 0, 100, fault.clone())]);
    run(&mut nemesis, &mut mock, 0..100);
    assert!(mock.is_whole());
    let events = run(&mut nemesis, &mut mock, 100..201);
    let NemesisEvent::Begin { description, .. } = &events[0].1 else { panic!("{events:?}") };
    assert_eq!(description, "delay 2ms..10ms on all links");
    assert_eq!(events[1], (200, NemesisEvent::End { id: 1 }));
    assert!(mock.is_whole());

    mock.unsupported = Some("delay");
    let mut nemesis = super::Nemesis::new(vec![planned(1, 0, 100, fault)], Limits::inside(Mode::Paxos));
    assert_eq!(run(&mut nemesis, &mut mock, 0..300).len(), 1, "only withheld");
}

#[test]
fn a_server_that_is_down_cannot_crash_again() {
    let mut mock = Mock::new(3, 1);
    let mut nemesis = nemesis(vec![planned(1, 0, 100, crash(0)), planned(2, 50, 100, crash(0))]);
    let events = run(&mut nemesis, &mut mock, 0..151);
    let reason = "n1 is down already".to_owned();
    assert!(events.contains(&(50, NemesisEvent::Withheld { id: 2, reason })));
    assert!(
        events.iter().any(|(at, event)| *at == 100 && matches!(event, NemesisEvent::Begin { id: 2, .. }))
    );
    assert_eq!(mock.calls.len(), 4);
}

#[test]
fn only_a_minority_loses_its_disk_over_the_whole_run() {
    let wipe = |server| Fault::Wipe { target: Target::Server(server) };
    let plan = vec![
        planned(1, 0, 10, wipe(0)),
        planned(2, 100, 10, wipe(0)),
        planned(3, 200, 10, Fault::BitFlip { target: Target::Server(1) }),
        planned(4, 300, 10, wipe(2)),
    ];
    let mut mock = Mock::new(5, 1);
    let mut inside = Nemesis::new(plan.clone(), Limits::inside(Mode::Paxos));
    let events = run(&mut inside, &mut mock, 0..400);
    let reason = "outside the fault model of paxos: 3 of 5 servers would have lost what they had synced";
    assert!(
        events.contains(&(300, NemesisEvent::Withheld { id: 4, reason: reason.to_owned() })),
        "{events:?}"
    );
    assert!(!inside.outside_model());
    assert_eq!(mock.calls.iter().filter(|call| call.starts_with("Wipe")).count(), 2);

    let mut outside = Nemesis::new(plan, Limits::none(Mode::Paxos));
    run(&mut outside, &mut mock, 0..300);
    assert!(!outside.outside_model(), "a minority is inside");
    run(&mut outside, &mut mock, 300..400);
    assert!(outside.outside_model());
}

#[test]
fn what_is_only_named_is_withheld_inside_the_model() {
    for (mode, fault) in [
        (Mode::Paxos, Fault::LyingSync { target: Target::Server(0) }),
        (Mode::Paxos, Fault::Truncate { target: Target::Server(0), records: 1 }),
        (Mode::Single, Fault::Wipe { target: Target::Server(0) }),
        (Mode::Single, Fault::BitFlip { target: Target::Server(0) }),
    ] {
        let mut mock = Mock::new(3, 1);
        let plan = vec![planned(1, 0, 10, fault)];
        let mut inside = Nemesis::new(plan.clone(), Limits::inside(mode));
        let events = run(&mut inside, &mut mock, 0..10);
        assert!(matches!(&events[..], [(0, NemesisEvent::Withheld { .. })]), "{events:?}");
        assert!(mock.is_whole() && mock.calls.is_empty() && !inside.outside_model());
        let mut outside = Nemesis::new(plan, Limits::none(mode));
        run(&mut outside, &mut mock, 0..10);
        assert!(outside.outside_model());
    }
}

#[test]
fn an_unsupported_fault_is_withheld() {
    let mut mock = Mock::new(3, 1);
    mock.unsupported = Some("isolate");
    let events = run(&mut nemesis(vec![planned(1, 0, 10, isolate(0))]), &mut mock, 0..10);
    assert_eq!(events, [(0, NemesisEvent::Withheld { id: 1, reason: "not supported here".to_owned() })]);
}

#[test]
fn roles_that_turn_out_to_be_one_server_are_withheld() {
    let links = Links::Between { from: Target::Leader, to: Target::Server(0) };
    let same = Fault::Loss { links, ppm: 1, kinds: Vec::new() };
    let nobody = Fault::Split {
        left: vec![Target::Leader],
        right: vec![Target::Server(0)],
        clients: ClientSide::Follow,
    };
    for (fault, expected) in
        [(same, "both ends of the link are n1"), (nobody, "nobody is on the other side of the cut")]
    {
        let mut mock = Mock::new(3, 1);
        let events = run(&mut nemesis(vec![planned(1, 0, 10, fault)]), &mut mock, 0..5);
        assert_eq!(events, [(0, NemesisEvent::Withheld { id: 1, reason: expected.to_owned() })]);
    }
}

#[test]
fn the_tally_counts_what_fired_and_what_bit() {
    let mut mock = Mock::new(3, 1);
    let client = Fault::ClientCrash { client: 0 };
    let plan = vec![planned(1, 0, 10, isolate(0)), planned(2, 0, 10, client), planned(3, 50, 10, isolate(1))];
    let mut nemesis = nemesis(plan);
    run(&mut nemesis, &mut mock, 0..20);
    assert_eq!(nemesis.tally(&mock), Tally { injected: 2, effective: 1 });
}
