//! Scripts of one replica: who is answered, when, and with what.

use super::*;
use crate::node::Output;
use crate::paxos::{PromisePage, Timer};

const CLIENT: NodeId = NodeId(NodeId::FIRST_CLIENT);
const TWO: NodeId = NodeId(2);

struct Script {
    config: ReplicaConfig,
    node: Replica,
}

impl Script {
    /// Node 1 of a group.
    fn new(members: u32, bugs: &[Bug]) -> Self {
        let mut config = ReplicaConfig::new(NodeId(1), (1..=members).map(NodeId).collect());
        config.bugs = Bugs::of(bugs);
        let records = identity_records(&config).into_iter();
        let disk: Vec<_> = records.map(|record| Stored { record: Some(record), intact: true }).collect();
        let node = Replica::boot(&config, 1, &disk, &mut Effects::new());
        Self { config, node }
    }

    /// The leader of three, in ballot 1.1.
    fn leader(bugs: &[Bug]) -> Self {
        let mut script = Self::new(3, bugs);
        script.on(Input::Timer(Timer::Election));
        let page = PromisePage {
            from: Slot(1),
            commit: Slot(0),
            accepted: Vec::new(),
            chosen: Vec::new(),
            next: None,
        };
        script.hear(paxos::Message::Promise { ballot: ballot(), page });
        assert!(script.node.is_leader());
        script
    }

    fn on(&mut self, input: Input<Replica>) -> Vec<(NodeId, Message)> {
        let mut effects = Effects::new();
        self.node.on(&self.config, Micros(0), input, &mut effects);
        let sent = effects.outputs.into_iter();
        sent.filter_map(|output| match output {
            Output::Send { to, message } => Some((to, message)),
            _ => None,
        })
        .collect()
    }

    fn hear(&mut self, message: paxos::Message<Request>) -> Vec<(NodeId, Message)> {
        self.on(Input::Message { from: TWO, message: Message::Paxos(message) })
    }

    /// What the client hears in the same step, and how many messages went to peers.
    fn ask(&mut self, request: Request) -> (Option<Outcome>, usize) {
        answer(self.on(Input::Message { from: CLIENT, message: Message::Request(request) }))
    }

    fn accepted(&mut self, slot: u64) -> (Option<Outcome>, usize) {
        let slots = [Slot(slot)].into();
        answer(self.hear(paxos::Message::Accepted { ballot: ballot(), slots, commit: Slot(0) }))
    }
}

fn answer(sent: Vec<(NodeId, Message)>) -> (Option<Outcome>, usize) {
    let to_peers = sent.iter().filter(|(to, _)| !to.is_client()).count();
    let outcome = sent.into_iter().find_map(|(_, message)| match message {
        Message::Response { outcome, .. } => Some(outcome),
        _ => None,
    });
    (outcome, to_peers)
}

fn ballot() -> Ballot {
    Ballot { round: 1, node: NodeId(1) }
}

fn append(seq: u64) -> Request {
    let element = i64::try_from(seq).expect("small");
    Request { client: ClientId(7), seq, operation: Operation::Append { key: "k".into(), element } }
}

fn get(seq: u64) -> Request {
    Request { client: ClientId(7), seq, operation: Operation::Get { key: "k".into() } }
}

const DONE: Option<Outcome> = Some(Outcome::Reply(Reply::Done));

#[test]
fn group_of_one_answers_in_the_same_step() {
    let mut script = Script::new(1, &[]);
    assert_eq!(script.ask(append(1)), (DONE, 0));
    assert_eq!(script.ask(get(2)).0, Some(Outcome::Reply(Reply::Value(Some([1].into())))));
}

#[test]
fn follower_rejects_with_a_hint() {
    let mut script = Script::new(3, &[]);
    assert_eq!(script.ask(append(1)).0, Some(Outcome::NotLeader { hint: None }));
    let leader = Ballot { round: 1, node: TWO };
    script.hear(paxos::Message::Heartbeat { ballot: leader, commit: Slot(0), id: 1, sent: Micros(0) });
    assert_eq!(script.ask(append(1)).0, Some(Outcome::NotLeader { hint: Some(TWO) }));
}

#[test]
fn leader_answers_once_a_majority_accepted() {
    let mut script = Script::leader(&[]);
    assert_eq!(script.ask(append(1)), (None, 2));
    assert_eq!(script.ask(append(1)), (None, 0), "in flight already");
    assert_eq!(script.accepted(1), (DONE, 0));
    assert_eq!(script.ask(append(1)), (DONE, 0), "the stored reply needs no slot");
    let mut hasty = Script::leader(&[Bug::ReplyBeforeCommit]);
    assert_eq!(hasty.ask(append(1)).0, DONE);
}

#[test]
fn reads_go_through_the_log() {
    assert_eq!(Script::leader(&[]).ask(get(1)), (None, 2));
    let stale = Script::leader(&[Bug::LocalReads]).ask(get(1));
    assert_eq!(stale, (Some(Outcome::Reply(Reply::Value(None))), 0));
}

/// A lost leadership forgets who waits: the slot may end up with another request.
#[test]
fn overwritten_request_is_not_answered() {
    for (bugs, answered) in [(&[][..], false), (&[Bug::ReplyBySlot], true)] {
        let mut script = Script::leader(bugs);
        script.ask(append(1));
        let ballot = Ballot { round: 2, node: TWO };
        let other = Request { client: ClientId(9), ..append(5) };
        let entries = [Entry::Command(other)].into();
        script.hear(paxos::Message::Accept { ballot, first: Slot(1), entries, commit: Slot(0) });
        let sent = script.hear(paxos::Message::Heartbeat { ballot, commit: Slot(1), id: 1, sent: Micros(0) });
        assert_eq!(script.node.applied(), Slot(1));
        assert_eq!(answer(sent).0.is_some(), answered);
    }
}

#[test]
fn slots_wait_for_earlier_ones() {
    for (bugs, applied) in [(&[][..], 0), (&[Bug::AppliedAcrossHole], 2)] {
        let mut script = Script::leader(bugs);
        script.ask(append(1));
        script.ask(append(2));
        script.accepted(2);
        assert_eq!(script.node.applied(), Slot(applied));
    }
}
