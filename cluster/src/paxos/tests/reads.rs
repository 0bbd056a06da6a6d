//! Scripts of reads beside the log: who may answer one, and until when.

use super::*;

/// Time since the election, by the leader's clock.
const START: u64 = 1_000_000;

fn answered(round: u64, sent: u64) -> Message<u64> {
    Message::HeartbeatAck { ballot: ballot(1, 1), commit: Slot(0), id: round, sent: Micros(sent) }
}

impl Script {
    fn reading(reads: ReadPath, bugs: &[Bug]) -> Self {
        let mut script = Self::with(3, bugs);
        script.config.reads = reads;
        script.now = START;
        script.fire(Timer::Election);
        script.hear(TWO, promise(ballot(1, 1), 1, 0, vec![], vec![]));
        script
    }

    fn read(&mut self) -> (ReadPermit, Step) {
        let mut effects = Effects::new();
        let permit = self.paxos.permit_read(&self.config, Micros(self.now), &mut effects);
        (permit, self.take(effects))
    }

    fn read_at(&mut self, now: u64) -> ReadPermit {
        self.now = now;
        self.read().0
    }
}

#[test]
fn reads_are_proposed_unless_told_otherwise() {
    assert_eq!(Script::leader().read().0, ReadPermit::Propose);
}

#[test]
fn read_waits_for_a_round_that_began_after_it() {
    let mut script = Script::reading(ReadPath::ReadIndex, &[]);
    let (first, step) = script.read();
    assert_eq!((first, step.sent), (ReadPermit::AfterRound(2), vec![]), "the first round is still under way");
    let step = script.hear(TWO, answered(1, 0));
    assert_eq!(step.sent.len(), 2, "then the second begins at once");
    assert_eq!(script.read().0, ReadPermit::AfterRound(3));
    script.hear(TWO, answered(1, 0));
    assert_eq!(script.paxos.confirmed_round(&script.config), 1);
    script.hear(TWO, answered(2, 0));
    assert_eq!(script.paxos.confirmed_round(&script.config), 2);
    let mut buggy = Script::reading(ReadPath::ReadIndex, &[Bug::ReadByAnyAnswer]);
    buggy.fire(Timer::Heartbeat);
    buggy.hear(TWO, answered(1, 0));
    assert_eq!(buggy.paxos.confirmed_round(&buggy.config), 2);
}

/// A write that an earlier leader acknowledged may be among what was accepted and is not chosen yet.
#[test]
fn new_leader_reads_through_the_log_until_it_knows_all() {
    for (bugs, permit) in
        [(&[][..], ReadPermit::Propose), (&[Bug::ReadUnrecovered], ReadPermit::AfterRound(2))]
    {
        let mut script = Script::with(3, bugs);
        script.config.reads = ReadPath::ReadIndex;
        script.fire(Timer::Election);
        let known = vec![(Slot(1), ballot(0, 3), command(7)), (Slot(2), ballot(0, 3), command(8))];
        script.hear(TWO, promise(ballot(1, 1), 1, 0, known, vec![]));
        assert_eq!(script.read().0, permit);
        script.hear(TWO, accepted(ballot(1, 1), 1, 0));
        assert_eq!(script.read().0, permit, "one slot of its ballot is not all");
        script.hear(TWO, accepted(ballot(1, 1), 2, 0));
        assert_eq!(script.read().0, ReadPermit::AfterRound(2));
    }
}

#[test]
fn group_of_one_needs_nobody() {
    let mut script = Script::with(1, &[]);
    script.config.reads = ReadPath::ReadIndex;
    assert!(matches!(script.read().0, ReadPermit::AfterRound(_)));
    assert_eq!(script.paxos.confirmed_round(&script.config), u64::MAX);
}

#[test]
fn lease_counts_from_the_sending_of_what_was_answered() {
    let mut script = Script::reading(ReadPath::Lease, &[]);
    assert_eq!(script.read_at(START), ReadPermit::Propose, "nobody answered yet");
    script.now = START + 100_000;
    script.hear(TWO, answered(1, START));
    assert_eq!(script.read_at(START + 134_999), ReadPermit::Now);
    assert_eq!(script.read_at(START + 135_000), ReadPermit::Propose);
    let mut buggy = Script::reading(ReadPath::Lease, &[Bug::LeaseFromAnswer]);
    buggy.now = START + 100_000;
    buggy.hear(TWO, answered(1, START));
    assert_eq!(buggy.read_at(START + 234_999), ReadPermit::Now);
}

/// What the follower's part rests on: an answer to a heartbeat is a promise of the length `quiet`, also to itself, and
/// a restart does not end it.
#[test]
fn promised_time_outlives_a_restart() {
    let mut script = Script::with(3, &[]);
    script.config.reads = ReadPath::Lease;
    let script = script.reboot();
    let mut script = script;
    let refused = script.hear(THREE, prepare(ballot(5, 3), 1));
    assert_eq!((refused.sent[0].1.kind(), refused.written.len()), ("nack", 0));
    assert_eq!(script.fire(Timer::Election).sent, [], "it does not stand either");
    assert_eq!(script.hear(THREE, prepare(ballot(5, 3), 1)).written.len(), 1);
}

#[test]
fn peers_clock_is_another_clock() {
    let mut script = Script::with(3, &[Bug::LeaseByPeerClock]);
    (script.config.reads, script.now) = (ReadPath::Lease, 77);
    let step = script.hear(TWO, heartbeat(ballot(1, 2), 0));
    assert!(matches!(step.sent[0].1, Message::HeartbeatAck { sent: Micros(77), .. }));
}
