//! Scripts over messages and timers: one step, one comparison; and properties of the disk.
//!
//! Numbers stand for commands. Node 1 is always the one under test, in a group of three unless said otherwise.

mod reads;
mod snapshots;

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::bugs::Bugs;
use crate::node::{Output, TimerChange, Write};

impl Command for u64 {
    fn digest(&self) -> u64 {
        *self
    }

    fn size_bytes(&self) -> usize {
        10
    }
}

const TWO: NodeId = NodeId(2);
const THREE: NodeId = NodeId(3);

fn ballot(round: u64, node: u32) -> Ballot {
    Ballot { round, node: NodeId(node) }
}

fn command(number: u64) -> Entry<u64> {
    Entry::Command(number)
}

/// What a step sent, wrote and armed.
struct Step {
    sent: Vec<(u32, Message<u64>)>,
    written: Vec<Record<u64>>,
    armed: Vec<Timer>,
    events: Vec<Event>,
}

struct Script {
    config: Config,
    paxos: Paxos<u64>,
    disk: Vec<Stored<Record<u64>>>,
    now: u64,
}

impl Script {
    fn with(members: u32, bugs: &[Bug]) -> Self {
        let mut config = Config::new(NodeId(1), (1..=members).map(NodeId).collect());
        config.bugs = Bugs::of(bugs);
        let records = identity_records(&config).into_iter();
        let disk = records.map(|record| Stored { record: Some(record), intact: true }).collect();
        Self::boot(config, disk)
    }

    fn new() -> Self {
        Self::with(3, &[])
    }

    fn boot(config: Config, disk: Vec<Stored<Record<u64>>>) -> Self {
        let mut effects = Effects::new();
        let paxos = Paxos::boot(&config, 1, &disk, &mut effects);
        let mut script = Self { config, paxos, disk, now: 0 };
        script.take(effects);
        script
    }

    fn reboot(self) -> Self {
        Self::boot(self.config, self.disk)
    }

    fn take(&mut self, effects: Effects<Paxos<u64>>) -> Step {
        let mut step = Step { sent: vec![], written: vec![], armed: vec![], events: vec![] };
        for write in effects.writes {
            match write {
                Write::Append(record) => {
                    self.disk.push(Stored { record: Some(record.clone()), intact: true });
                    step.written.push(record);
                }
                Write::Replace(records) => {
                    let stored = |record| Stored { record: Some(record), intact: true };
                    self.disk = records.iter().cloned().map(stored).collect();
                    step.written.extend(records);
                }
            }
        }
        for output in effects.outputs {
            match output {
                Output::Send { to, message } => step.sent.push((to.0, message)),
                Output::Event(event) => step.events.push(event),
                Output::Answer(nothing) => match nothing {},
            }
        }
        for change in effects.timers {
            if let TimerChange::Arm(timer, _) = change {
                step.armed.push(timer);
            }
        }
        step
    }

    fn on(&mut self, input: Input<Paxos<u64>>) -> Step {
        let mut effects = Effects::new();
        self.paxos.on(&self.config, Micros(self.now), input, &mut effects);
        self.take(effects)
    }

    fn hear(&mut self, from: NodeId, message: Message<u64>) -> Step {
        self.on(Input::Message { from, message })
    }

    fn fire(&mut self, timer: Timer) -> Step {
        self.on(Input::Timer(timer))
    }

    fn propose(&mut self, number: u64) -> Step {
        let mut effects = Effects::new();
        self.paxos.propose(&self.config, number, &mut effects);
        self.take(effects)
    }

    /// Leads ballot 1.1 with an empty log.
    fn leader() -> Self {
        Self::leader_with(&[])
    }

    fn leader_with(bugs: &[Bug]) -> Self {
        let mut script = Self::with(3, bugs);
        script.fire(Timer::Election);
        script.hear(TWO, promise(ballot(1, 1), 1, 0, vec![], vec![]));
        assert_eq!(script.paxos.leading(), Some(ballot(1, 1)));
        script
    }
}

fn promise(
    ballot: Ballot,
    from: u64,
    commit: u64,
    accepted: Vec<(Slot, Ballot, Entry<u64>)>,
    chosen: Vec<(Slot, Entry<u64>)>,
) -> Message<u64> {
    let page = PromisePage { from: Slot(from), commit: Slot(commit), accepted, chosen, next: None };
    Message::Promise { ballot, page }
}

fn accept(ballot: Ballot, first: u64, number: u64, commit: u64) -> Message<u64> {
    Message::Accept { ballot, first: Slot(first), entries: vec![command(number)], commit: Slot(commit) }
}

fn accepted(ballot: Ballot, slot: u64, commit: u64) -> Message<u64> {
    Message::Accepted { ballot, slots: vec![Slot(slot)], commit: Slot(commit) }
}

fn prepare(ballot: Ballot, from: u64) -> Message<u64> {
    Message::Prepare { ballot, from: Slot(from) }
}

fn heartbeat(ballot: Ballot, commit: u64) -> Message<u64> {
    Message::Heartbeat { ballot, commit: Slot(commit), id: 1, sent: Micros(0) }
}

#[test]
fn promise_is_written_and_repeated_without_writing() {
    let mut script = Script::new();
    let expected = vec![(2, promise(ballot(1, 2), 1, 0, vec![], vec![]))];
    let first = script.hear(TWO, prepare(ballot(1, 2), 1));
    assert_eq!(
        (first.sent, first.written),
        (expected.clone(), vec![Record::Promise { ballot: ballot(1, 2) }])
    );
    let again = script.hear(TWO, prepare(ballot(1, 2), 1));
    assert_eq!((again.sent, again.written), (expected, vec![]));
    let lower = script.hear(THREE, prepare(ballot(0, 3), 1));
    assert_eq!(lower.sent, [(3, Message::Nack { promised: ballot(1, 2) })]);
}

#[test]
fn acceptance_is_written_and_listed() {
    let mut script = Script::new();
    let step = script.hear(TWO, accept(ballot(1, 2), 4, 7, 0));
    let record = Record::Accept { slot: Slot(4), ballot: ballot(1, 2), entry: command(7) };
    assert_eq!((step.sent, step.written), (vec![(2, accepted(ballot(1, 2), 4, 0))], vec![record]));
    let again = script.hear(TWO, accept(ballot(1, 2), 4, 7, 0));
    assert_eq!((again.sent, again.written), (vec![(2, accepted(ballot(1, 2), 4, 0))], vec![]));
    let below = script.hear(THREE, accept(ballot(0, 3), 4, 8, 0));
    assert_eq!((below.sent, below.written), (vec![(3, Message::Nack { promised: ballot(1, 2) })], vec![]));
}

#[test]
fn trusting_replica_refuses_others_and_writes_nothing() {
    let mut script = Script::new();
    script.hear(TWO, heartbeat(ballot(1, 2), 0));
    let refused = script.hear(THREE, prepare(ballot(5, 3), 1));
    assert_eq!(refused.sent, [(3, Message::Nack { promised: ballot(1, 2) })]);
    assert_eq!(refused.written, []);
    let same_leader = script.hear(TWO, prepare(ballot(6, 2), 1));
    assert_eq!(same_leader.written, [Record::Promise { ballot: ballot(6, 2) }]);
    script.hear(TWO, heartbeat(ballot(6, 2), 0));
    script.fire(Timer::Election);
    let quiet = script.hear(THREE, prepare(ballot(7, 3), 1));
    assert_eq!(quiet.written, [Record::Promise { ballot: ballot(7, 3) }]);
}

#[test]
fn stale_heartbeat_counts_for_nothing() {
    let mut script = Script::new();
    script.hear(THREE, prepare(ballot(2, 3), 1));
    let step = script.hear(TWO, heartbeat(ballot(1, 2), 0));
    assert_eq!((step.sent, step.armed), (vec![(2, Message::Nack { promised: ballot(2, 3) })], vec![]));
    assert_eq!(script.paxos.leader_hint(), None);
}

#[test]
fn commit_speaks_only_for_slots_of_that_ballot() {
    let mut script = Script::new();
    script.hear(TWO, accept(ballot(1, 2), 1, 7, 0));
    let step = script.hear(THREE, heartbeat(ballot(2, 3), 1));
    assert_eq!(script.paxos.log().commit(), Slot(0));
    assert_eq!(step.sent[0], (3, Message::LearnRequest { from: Slot(1) }));
    script.hear(THREE, accept(ballot(2, 3), 1, 9, 1));
    assert_eq!(script.paxos.log().chosen(Slot(1)), Some(&command(9)));
    let mut buggy = Script::with(3, &[Bug::CommitHintAnyBallot]);
    buggy.hear(TWO, accept(ballot(1, 2), 1, 7, 0));
    buggy.hear(THREE, heartbeat(ballot(2, 3), 1));
    assert_eq!(buggy.paxos.log().chosen(Slot(1)), Some(&command(7)));
}

#[test]
fn candidate_promises_itself_first_and_asks_everybody() {
    let mut script = Script::new();
    let step = script.fire(Timer::Election);
    assert_eq!(step.written, [Record::Promise { ballot: ballot(1, 1) }]);
    assert_eq!(step.sent, [(2, prepare(ballot(1, 1), 1)), (3, prepare(ballot(1, 1), 1))]);
    let resend = script.fire(Timer::Resend);
    assert_eq!(resend.sent, [(2, prepare(ballot(1, 1), 1)), (3, prepare(ballot(1, 1), 1))]);
}

#[test]
fn new_leader_adopts_the_highest_ballot_and_fills_holes() {
    let mut script = Script::new();
    script.hear(TWO, accept(ballot(1, 2), 1, 7, 0));
    script.fire(Timer::Election);
    script.fire(Timer::Election);
    let b = ballot(2, 1);
    let known = vec![(Slot(1), ballot(1, 3), command(8)), (Slot(3), ballot(1, 3), command(9))];
    let step = script.hear(THREE, promise(b, 1, 0, known, vec![]));
    let entries = vec![command(8), Entry::Noop, command(9)];
    let proposal = Message::Accept { ballot: b, first: Slot(1), entries, commit: Slot(0) };
    assert!(step.sent.contains(&(2, proposal)), "{:?}", step.sent);
    assert_eq!(step.written.len(), 3);
}

#[test]
fn chosen_slots_are_learned_and_never_proposed() {
    let mut script = Script::new();
    script.fire(Timer::Election);
    let known = vec![(Slot(3), ballot(0, 3), command(9))];
    let chosen = vec![(Slot(1), command(7)), (Slot(2), command(8))];
    let step = script.hear(THREE, promise(ballot(1, 1), 1, 2, known, chosen));
    assert_eq!(script.paxos.log().commit(), Slot(2));
    let slots: Vec<_> =
        step.written.iter().map(|record| matches!(record, Record::Accept { slot: Slot(3), .. })).collect();
    assert_eq!(slots, [true]);
}

#[test]
fn promise_in_pages_is_counted_when_complete() {
    let mut script = Script::new();
    script.fire(Timer::Election);
    let b = ballot(1, 1);
    let accepted = vec![(Slot(1), ballot(0, 3), command(7))];
    let page = PromisePage { from: Slot(1), commit: Slot(0), accepted, chosen: vec![], next: Some(Slot(2)) };
    let step = script.hear(THREE, Message::Promise { ballot: b, page });
    assert_eq!((step.sent, script.paxos.role()), (vec![(3, prepare(b, 2))], "candidate"));
    script.hear(THREE, promise(b, 2, 0, vec![], vec![]));
    assert_eq!(script.paxos.role(), "leader");
}

#[test]
fn proposal_needs_a_majority_in_one_ballot() {
    let mut script = Script::leader();
    let step = script.propose(7);
    assert_eq!(step.sent, [(2, accept(ballot(1, 1), 1, 7, 0)), (3, accept(ballot(1, 1), 1, 7, 0))]);
    assert_eq!(step.written.len(), 1);
    script.hear(TWO, accepted(ballot(0, 1), 1, 0));
    assert_eq!(script.paxos.log().commit(), Slot(0), "another ballot");
    script.hear(TWO, accepted(ballot(1, 1), 1, 0));
    assert_eq!(script.paxos.log().commit(), Slot(1));
}

#[test]
fn one_peer_is_one_vote() {
    for (bugs, commit) in [(&[][..], 0), (&[Bug::PeerCountedTwice], 1)] {
        let mut script = Script::with(5, bugs);
        script.fire(Timer::Election);
        script.hear(TWO, promise(ballot(1, 1), 1, 0, vec![], vec![]));
        script.hear(THREE, promise(ballot(1, 1), 1, 0, vec![], vec![]));
        script.propose(7);
        script.hear(TWO, accepted(ballot(1, 1), 1, 0));
        script.hear(TWO, accepted(ballot(1, 1), 1, 0));
        assert_eq!(script.paxos.log().commit(), Slot(commit));
    }
}

#[test]
fn resend_spares_what_was_just_sent() {
    let mut script = Script::leader();
    script.propose(7);
    assert_eq!(script.fire(Timer::Resend).sent, []);
    script.hear(TWO, accepted(ballot(1, 1), 2, 0));
    assert_eq!(script.fire(Timer::Resend).sent.len(), 2);
    script.hear(TWO, accepted(ballot(1, 1), 1, 0));
    assert_eq!(script.fire(Timer::Resend).armed, [], "nothing is in flight");
}

#[test]
fn only_a_higher_promise_preempts() {
    let mut script = Script::leader();
    script.hear(TWO, Message::Nack { promised: ballot(1, 1) });
    assert_eq!(script.paxos.role(), "leader");
    script.hear(TWO, Message::Nack { promised: ballot(9, 3) });
    assert_eq!(script.paxos.role(), "follower");
    let step = script.fire(Timer::Election);
    assert_eq!(step.written, [Record::Promise { ballot: ballot(10, 1) }]);
}

#[test]
fn leader_steps_down_when_it_hears_no_majority() {
    let mut script = Script::leader();
    script.fire(Timer::Election);
    assert_eq!(script.paxos.role(), "leader", "the promises count for the first period");
    script.hear(TWO, Message::HeartbeatAck { ballot: ballot(1, 1), commit: Slot(0), id: 1, sent: Micros(0) });
    script.fire(Timer::Election);
    assert_eq!(script.paxos.role(), "leader");
    script.fire(Timer::Election);
    assert_eq!(script.paxos.role(), "follower");
}

/// A peer may learn, from elsewhere, what a higher ballot chose, and still answer this leader. The leader's commit
/// would then tell a third replica to take this ballot's entry, which is not the chosen one.
#[test]
fn leader_that_learns_another_entry_is_superseded() {
    let mut script = Script::leader();
    script.propose(7);
    let step = script
        .hear(TWO, Message::HeartbeatAck { ballot: ballot(1, 1), commit: Slot(1), id: 1, sent: Micros(0) });
    assert_eq!(step.sent, [(2, Message::LearnRequest { from: Slot(1) })]);
    script.hear(TWO, Message::Learn { first: Slot(1), entries: vec![command(8)], commit: Slot(1) });
    assert_eq!((script.paxos.role(), script.paxos.log().chosen(Slot(1))), ("follower", Some(&command(8))));
}

#[test]
fn group_of_one_leads_at_boot_and_decides_in_one_step() {
    let mut script = Script::with(1, &[]);
    assert_eq!(script.paxos.role(), "leader");
    let step = script.propose(7);
    assert_eq!((step.written.len(), script.paxos.log().commit()), (1, Slot(1)));
    let again = script.reboot();
    assert_eq!(again.paxos.log().chosen(Slot(1)), Some(&command(7)));
}

#[test]
fn full_log_says_so() {
    let mut script = Script::leader();
    (script.config.limits.compaction_slots, script.config.limits.log_slots_max) = (0, 1);
    script.propose(7);
    let step = script.propose(8);
    assert_eq!((step.events, step.written), (vec![Event::LogFull { slot: Slot(2) }], vec![]));
}

#[test]
fn damaged_disk_makes_a_learner_for_good() {
    let mut script = Script::new();
    script.hear(TWO, accept(ballot(1, 2), 1, 7, 0));
    script.disk.last_mut().expect("something was written").intact = false;
    for _ in 0..2 {
        script = script.reboot();
        assert_eq!((script.paxos.role(), script.disk.len()), ("learner", 0));
        assert_eq!(script.hear(TWO, prepare(ballot(5, 2), 1)).sent, []);
        let step = script.hear(TWO, accept(ballot(5, 2), 2, 8, 1));
        assert_eq!((step.sent, step.written), (vec![(2, Message::LearnRequest { from: Slot(1) })], vec![]));
        assert_eq!(script.fire(Timer::Election).sent, []);
        script.hear(TWO, Message::Learn { first: Slot(1), entries: vec![command(7)], commit: Slot(1) });
        assert_eq!(script.paxos.log().commit(), Slot(1));
    }
}

#[test]
fn longest_pages_fit_a_datagram() {
    let config = Config::new(NodeId(1), (1..=3).map(NodeId).collect());
    let mut log = Log::<u64>::default();
    let top = Ballot { round: u64::MAX, node: NodeId(u32::MAX) };
    for slot in 1..=2_000 {
        log.accept(Slot(slot), top, command(u64::MAX));
    }
    let page = log.promise_page(Slot(1), &config.limits);
    assert_eq!((page.accepted.len(), page.next), (256, Some(Slot(257))));
    let message = Message::Promise { ballot: top, page };
    let bytes = postcard::to_allocvec(&message).expect("messages encode");
    assert!(bytes.len() < 60_000, "{} bytes", bytes.len());
    assert_eq!(postcard::from_bytes::<Message<u64>>(&bytes).expect("messages decode"), message);
}

fn inputs() -> impl Strategy<Value = Vec<(u8, u64, u32, u64, u64)>> {
    prop::collection::vec((0..8_u8, 1..6_u64, 2..4_u32, 1..5_u64, 0..3_u64), 0..60)
}

fn input((kind, round, node, slot, number): (u8, u64, u32, u64, u64)) -> Input<Paxos<u64>> {
    let b = ballot(round, node);
    let message = match kind {
        0 | 1 => prepare(b, slot),
        2 | 3 => accept(b, slot, round * 100 + u64::from(node) * 10 + slot, 0),
        4 => heartbeat(b, 0),
        5 => promise(ballot(number + round, 1), 1, 0, vec![], vec![]),
        6 => accepted(ballot(number + round, 1), slot, 0),
        _ => return Input::Timer(Timer::Election),
    };
    Input::Message { from: NodeId(node), message }
}

proptest! {
    /// After any steps, the disk alone restores the promise and everything accepted, and promises never fall.
    #[test]
    fn boot_restores_what_was_promised_and_accepted(script in inputs()) {
        let mut subject = Script::new();
        let mut promised = Ballot::ZERO;
        for step in script {
            subject.on(input(step));
            prop_assert!(subject.paxos.promised() >= promised);
            promised = subject.paxos.promised();
            prop_assert!(subject.paxos.log().accepted().all(|(_, ballot, _)| ballot <= promised));
            let rebooted = Paxos::fold(&subject.config, &subject.disk);
            prop_assert_eq!(rebooted.promised(), promised);
            let (live, stored) = (subject.paxos.log().accepted(), rebooted.log().accepted());
            prop_assert!(live.eq(stored));
        }
    }

    /// What a node says depends on its state and input only.
    #[test]
    fn steps_are_deterministic(script in inputs()) {
        let (mut first, mut second) = (Script::new(), Script::new());
        for step in script {
            prop_assert_eq!(first.on(input(step)).sent, second.on(input(step)).sent);
        }
        prop_assert_eq!(first.paxos, second.paxos);
    }
}
