//! Faults that wait for an event: armed, pulled, aimed at whose event it was, and let go.

use super::mock::Mock;
use super::*;

fn waiting(at_ms: u64, for_ms: u64, fault: Fault) -> PlannedFault {
    let trigger = Trigger { nth: 2, moment: Moment::BeforeSend, ..Trigger::first("accepted-sent") };
    PlannedFault { id: 4, at_ms, for_ms, on: Some(trigger), fault }
}

fn crash(target: Target) -> Fault {
    Fault::Crash { target, loss: DiskLoss::Nothing }
}

#[test]
fn a_fault_is_armed_at_its_time_fires_at_its_event_and_lets_go() {
    let mut mock = Mock::new(3, 1);
    let mut nemesis = Nemesis::new(vec![waiting(50, 100, crash(Target::Actor))], Limits::inside(Mode::Paxos));
    assert_eq!((nemesis.next_ms(), nemesis.is_watching()), (Some(50), false));
    assert_eq!(nemesis.tick(49, &mut mock), vec![]);
    assert!(mock.armed.is_empty());
    assert_eq!(nemesis.tick(50, &mut mock), vec![]);
    assert_eq!((mock.armed[&4].nth, nemesis.is_watching(), nemesis.next_ms()), (2, true, None));
    mock.sprung.push(Sprung { fault: 4, server: 2 });
    let events = nemesis.tick(700, &mut mock);
    let [NemesisEvent::Begin { id: 4, description, targets }] = &events[..] else { panic!("{events:?}") };
    assert_eq!((description.as_str(), targets.as_slice()), ("crash n3", &[Endpoint::Server(2)][..]));
    assert!(!mock.is_up(2) && mock.let_go == [4] && !nemesis.is_watching());
    assert_eq!(nemesis.tick(799, &mut mock), vec![]);
    assert_eq!(nemesis.tick(800, &mut mock), vec![NemesisEvent::End { id: 4 }]);
    assert!(mock.is_whole());
}

#[test]
fn an_event_that_never_comes_is_said_at_the_end() {
    let mut mock = Mock::new(3, 1);
    let mut nemesis = Nemesis::new(vec![waiting(0, 100, crash(Target::Leader))], Limits::inside(Mode::Paxos));
    nemesis.tick(0, &mut mock);
    let reason = "its event was not seen: 1 of 2".to_owned();
    assert_eq!(nemesis.heal_all(&mut mock), vec![NemesisEvent::Withheld { id: 4, reason }]);
    assert_eq!(nemesis.tally(&mock), Tally::default());
    assert!(mock.armed.is_empty(), "what happens after healing pulls no trigger");
}

#[test]
fn a_server_that_waits_at_a_trigger_goes_on_when_chaos_ends() {
    let mut mock = Mock::new(3, 1);
    let mut nemesis = Nemesis::new(vec![waiting(0, 100, crash(Target::Actor))], Limits::inside(Mode::Paxos));
    nemesis.tick(0, &mut mock);
    mock.sprung.push(Sprung { fault: 4, server: 1 });
    nemesis.heal_all(&mut mock);
    assert!(mock.is_whole() && mock.let_go == [4]);
}

#[test]
fn a_target_that_is_down_is_tried_again_within_the_window() {
    let mut mock = Mock::new(3, 1);
    let down = PlannedFault { id: 1, at_ms: 0, for_ms: 30, on: None, fault: crash(Target::Server(1)) };
    let plan = vec![down, waiting(0, 100, crash(Target::Server(1)))];
    let mut nemesis = Nemesis::new(plan, Limits::inside(Mode::Paxos));
    nemesis.tick(0, &mut mock);
    mock.sprung.push(Sprung { fault: 4, server: 0 });
    let events = nemesis.tick(10, &mut mock);
    assert!(matches!(&events[..], [NemesisEvent::Withheld { id: 4, .. }]), "{events:?}");
    let later: Vec<_> = (11..=111).flat_map(|now_ms| nemesis.tick(now_ms, &mut mock)).collect();
    assert!(later.iter().any(|event| matches!(event, NemesisEvent::Begin { id: 4, .. })), "{later:?}");
    assert!(
        later.contains(&NemesisEvent::End { id: 4 }) && mock.is_whole(),
        "the window counts from the event"
    );
}

#[test]
fn where_nodes_emit_no_events_a_trigger_is_withheld() {
    let mut mock = Mock::new(3, 1);
    mock.unsupported = Some("events");
    let mut nemesis = Nemesis::new(vec![waiting(0, 100, crash(Target::Actor))], Limits::inside(Mode::Paxos));
    let reason = "this system emits no events".to_owned();
    assert_eq!(nemesis.tick(0, &mut mock), vec![NemesisEvent::Withheld { id: 4, reason }]);
}

#[test]
fn a_role_that_nobody_plays_is_withheld_in_words() {
    let mut mock = Mock::new(3, 1);
    let role = Target::Role { role: squall_cluster::role::Role::Candidate, group: None };
    let plan = vec![PlannedFault { id: 1, at_ms: 0, for_ms: 30, on: None, fault: crash(role) }];
    let mut nemesis = Nemesis::new(plan, Limits::inside(Mode::Paxos));
    let reason = "no server is candidate now".to_owned();
    assert_eq!(nemesis.tick(0, &mut mock), vec![NemesisEvent::Withheld { id: 1, reason }]);
}
