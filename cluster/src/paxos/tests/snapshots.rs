//! Scripts of compaction and of snapshots on their way: what is written, what is kept, what is refused.

use super::*;

fn snapshot(last: u64) -> Snapshot {
    Snapshot { last: Slot(last), state: Arc::from([7, 8, 9]) }
}

/// The page of [`snapshot`] from an offset on.
fn page(last: u64, offset: usize, bytes: &[u8], commit: u64) -> Message<u64> {
    let offset = u64::try_from(offset).expect("small");
    Message::InstallSnapshot { last: Slot(last), size: 3, offset, bytes: bytes.into(), commit: Slot(commit) }
}

fn whole(last: u64) -> Message<u64> {
    page(last, 0, &[7, 8, 9], last)
}

fn acknowledged(last: u64, received: u64) -> (u32, Message<u64>) {
    (2, Message::SnapshotAck { last: Slot(last), received })
}

fn accept_record(slot: u64, ballot: Ballot, number: u64) -> Record<u64> {
    Record::Accept { slot: Slot(slot), ballot, entry: command(number) }
}

impl Script {
    /// Accepted slots 1 to 3 of node 2's ballot, of which 1 and 2 are chosen.
    fn follower() -> Self {
        Self::follower_with(&[])
    }

    fn follower_with(bugs: &[Bug]) -> Self {
        let mut script = Self::with(3, bugs);
        (1..=3).for_each(|slot| drop(script.hear(TWO, accept(ballot(1, 2), slot, slot, slot - 1))));
        assert_eq!(script.paxos.log().commit(), Slot(2));
        script
    }

    fn compact(&mut self, last: u64) -> Step {
        let mut effects = Effects::new();
        self.paxos.compact(&self.config, snapshot(last), &mut effects);
        self.take(effects)
    }
}

#[test]
fn compaction_replaces_the_disk_in_one_write() {
    let mut script = Script::follower();
    let step = script.compact(2);
    let expected = [
        Record::Identity { node: NodeId(1) },
        Record::Promise { ballot: ballot(1, 2) },
        Record::Snapshot(snapshot(2)),
        accept_record(3, ballot(1, 2), 3),
    ];
    assert_eq!((step.written, script.disk.len()), (expected.to_vec(), 4));
    let mut again = script.reboot();
    assert_eq!(again.paxos.take_restored(), Some(snapshot(2)));
    assert_eq!(again.paxos.take_restored(), None, "once is enough");
    assert_eq!((again.paxos.log().base(), again.paxos.log().commit()), (Slot(2), Slot(2)));
    assert_eq!(again.paxos.log().accepted_ballot(Slot(3)), Some(ballot(1, 2)));
}

#[test]
fn compaction_is_due_when_enough_was_applied() {
    let mut script = Script::follower();
    script.config.limits.compaction_slots = 1;
    assert!(!script.paxos.is_compaction_due(&script.config, Slot(1)));
    assert!(script.paxos.is_compaction_due(&script.config, Slot(2)));
    script.compact(2);
    assert!(!script.paxos.is_compaction_due(&script.config, Slot(2)));
}

/// Up to the snapshot everything is chosen: the acceptor says so, keeps the promise, and stores nothing.
#[test]
fn proposal_below_the_snapshot_is_accepted_without_storing() {
    let mut script = Script::follower();
    script.compact(2);
    let step = script.hear(THREE, accept(ballot(2, 3), 1, 1, 0));
    assert_eq!(step.written, [Record::Promise { ballot: ballot(2, 3) }]);
    assert_eq!(step.sent, [(3, accepted(ballot(2, 3), 1, 2))]);
    assert_eq!(script.paxos.log().accepted_ballot(Slot(1)), None);
}

#[test]
fn slots_far_above_the_snapshot_are_not_accepted() {
    let mut script = Script::follower();
    (script.config.limits.compaction_slots, script.config.limits.log_slots_max) = (4, 5);
    let step = script.hear(TWO, accept(ballot(1, 2), 6, 6, 2));
    assert_eq!((step.sent, step.written), (vec![], vec![]));
    script.compact(2);
    assert_eq!(script.hear(TWO, accept(ballot(1, 2), 6, 6, 2)).written.len(), 1);
}

#[test]
fn whoever_needs_what_was_cut_gets_the_snapshot_page_by_page() {
    let mut script = Script::follower();
    script.config.limits.batch_bytes_max = 2;
    script.compact(2);
    let first = (3, page(2, 0, &[7, 8], 2));
    let second = (3, page(2, 2, &[9], 2));
    assert_eq!(
        script.hear(THREE, Message::LearnRequest { from: Slot(1) }).sent,
        std::slice::from_ref(&first)
    );
    assert_eq!(script.hear(THREE, Message::SnapshotAck { last: Slot(2), received: 2 }).sent, [second]);
    assert_eq!(script.hear(THREE, Message::SnapshotAck { last: Slot(2), received: 3 }).sent, []);
    script.fire(Timer::Election);
    assert_eq!(script.hear(THREE, prepare(ballot(5, 3), 2)).sent, [first], "instead of a promise");
    let above = script.hear(THREE, prepare(ballot(5, 3), 3));
    assert!(matches!(&above.sent[0].1, Message::Promise { page, .. } if page.commit == Slot(2)));
}

/// A newer snapshot does not end the transfer of the one before, or a slow peer would start over for ever.
#[test]
fn transfer_goes_on_after_another_compaction() {
    let mut script = Script::follower();
    script.config.limits.batch_bytes_max = 2;
    script.compact(1);
    script.hear(THREE, Message::LearnRequest { from: Slot(1) });
    script.compact(2);
    let step = script.hear(THREE, Message::SnapshotAck { last: Slot(1), received: 2 });
    assert_eq!(step.sent, [(3, page(1, 2, &[9], 2))]);
    let newer = script.hear(THREE, Message::LearnRequest { from: Slot(2) });
    assert_eq!(newer.sent, [(3, page(2, 0, &[7, 8], 2))]);
}

#[test]
fn installation_keeps_the_promise_and_what_is_above() {
    let mut script = Script::follower();
    script.hear(TWO, accept(ballot(1, 2), 9, 9, 2));
    script.fire(Timer::Election);
    script.hear(THREE, prepare(ballot(4, 3), 1));
    let step = script.hear(TWO, whole(5));
    let expected = [
        Record::Identity { node: NodeId(1) },
        Record::Promise { ballot: ballot(4, 3) },
        Record::Snapshot(snapshot(5)),
        accept_record(9, ballot(1, 2), 9),
    ];
    assert_eq!(step.written, expected);
    assert_eq!(step.sent, [acknowledged(5, 3)]);
    assert_eq!(script.paxos.take_restored(), Some(snapshot(5)));
    assert_eq!((script.paxos.log().commit(), script.paxos.promised()), (Slot(5), ballot(4, 3)));
}

#[test]
fn installation_bugs_forget() {
    let installed = |bug| {
        let mut script = Script::follower_with(&[bug]);
        script.hear(TWO, accept(ballot(1, 2), 9, 9, 2));
        script.hear(TWO, whole(5));
        script
    };
    let script = installed(Bug::InstallDropsAccepted);
    assert_eq!(script.paxos.log().accepted_ballot(Slot(9)), None);
    let mut script = Script::follower_with(&[Bug::InstallResetsPromise]);
    script.hear(TWO, whole(5));
    assert_eq!(script.paxos.promised(), Ballot::ZERO);
    let script = installed(Bug::SnapshotAckedBeforeSync);
    assert!(!script.disk.iter().any(|stored| matches!(stored.record, Some(Record::Snapshot(_)))));
}

#[test]
fn old_snapshot_is_acknowledged_and_ignored() {
    let mut script = Script::follower();
    let step = script.hear(TWO, whole(1));
    assert_eq!((step.sent, step.written), (vec![acknowledged(1, 3)], vec![]));
    assert_eq!((script.paxos.take_restored(), script.paxos.log().commit()), (None, Slot(2)));
    let mut buggy = Script::follower_with(&[Bug::OldSnapshotInstalled]);
    buggy.hear(TWO, whole(1));
    assert_eq!(buggy.paxos.take_restored(), Some(snapshot(1)));
}

#[test]
fn pages_may_be_lost_repeated_and_late() {
    let mut script = Script::follower();
    assert_eq!(script.hear(TWO, page(5, 0, &[7, 8], 5)).sent, [acknowledged(5, 2)]);
    assert_eq!(script.hear(TWO, page(5, 0, &[7, 8], 5)).sent, [acknowledged(5, 2)], "an offer: go on there");
    assert_eq!(script.hear(TWO, page(5, 1, &[8], 5)).sent, [], "a duplicate doubles nothing");
    assert_eq!(script.hear(TWO, heartbeat(ballot(1, 2), 5)).sent[0], acknowledged(5, 2), "ask again");
    let step = script.hear(TWO, page(5, 2, &[9], 5));
    assert_eq!((step.sent, script.paxos.log().commit()), (vec![acknowledged(5, 3)], Slot(5)));
}

/// A peer that forgot the transfer, by a restart, is asked from the start after a few attempts.
#[test]
fn transfer_without_progress_starts_over() {
    let mut script = Script::follower();
    script.hear(TWO, page(5, 0, &[7, 8], 5));
    let asked: Vec<_> =
        (0..6).map(|_| script.hear(TWO, heartbeat(ballot(1, 2), 5)).sent[0].1.kind()).collect();
    assert_eq!(asked.last(), Some(&"learn-request"), "{asked:?}");
}

#[test]
fn candidate_installs_and_asks_for_what_is_above() {
    let mut script = Script::new();
    script.fire(Timer::Election);
    let b = ballot(1, 1);
    let step = script.hear(TWO, whole(5));
    assert_eq!(step.sent, [acknowledged(5, 3), (2, prepare(b, 6))]);
    script.hear(TWO, promise(b, 6, 5, vec![(Slot(6), ballot(0, 2), command(6))], vec![]));
    assert_eq!(script.paxos.leading(), Some(b));
    assert_eq!(script.propose(8).sent[0].1, accept(b, 7, 8, 5));
}

/// What it proposed up to the snapshot was chosen without it, perhaps with other entries.
#[test]
fn leader_that_installs_above_its_proposals_is_superseded() {
    let mut script = Script::leader();
    script.propose(7);
    script.hear(TWO, whole(1));
    assert_eq!((script.paxos.role(), script.paxos.log().commit()), ("follower", Slot(1)));
}

/// A replica without a disk of its own starts from its snapshots, and never votes.
#[test]
fn learner_keeps_snapshots_without_an_identity() {
    let mut script = Script::new();
    script.disk.clear();
    script = script.reboot();
    assert_eq!(script.hear(TWO, whole(5)).written, [Record::Snapshot(snapshot(5))]);
    let mut again = script.reboot();
    assert_eq!((again.paxos.role(), again.paxos.log().commit()), ("learner", Slot(5)));
    assert_eq!(again.paxos.take_restored(), Some(snapshot(5)));
    again.disk.last_mut().expect("a snapshot").intact = false;
    let damaged = again.reboot();
    assert_eq!((damaged.paxos.log().commit(), damaged.disk.len()), (Slot(0), 0));
}

#[test]
fn snapshot_cut_in_two_steps_can_be_lost() {
    let mut script = Script::follower_with(&[Bug::CompactionInTwoSteps]);
    script.compact(2);
    let rebooted = script.reboot();
    assert_eq!((rebooted.paxos.log().base(), rebooted.paxos.log().accepted().count()), (Slot(0), 1));
}
