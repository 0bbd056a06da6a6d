//! A replica of one group: agreement, application and sessions put together.
//!
//! A request is proposed by the leader, executed by every replica when its slot is applied, in slot order, and
//! answered by the leader that proposed it. Reads go through the log like writes. The shard is volatile: a restart
//! starts from the last snapshot and executes the log again as far as it is known to be chosen.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::app::Operation;
use crate::bugs::Bug;
use crate::digest::Digest;
use crate::event::Event;
use crate::message::Message;
use crate::node::{Effects, Input, Micros, Node, NodeId, Stored};
use crate::paxos::{self, Ballot, Command, Entry, Paxos, Slot, Snapshot};
use crate::session::{ClientId, Outcome, Request, Shard};
use crate::waiting::Waiting;

/// Who a replica is, and how it runs.
pub type ReplicaConfig = paxos::Config;
/// Its timers.
pub type ReplicaTimer = paxos::Timer;
/// One durable write.
pub type ReplicaRecord = paxos::Record<Request>;

/// What the host writes to a new disk before the first boot.
pub fn identity_records(config: &ReplicaConfig) -> Vec<ReplicaRecord> {
    paxos::identity_records(config)
}

impl Command for Request {
    fn digest(&self) -> u64 {
        Request::digest(self)
    }

    fn size_bytes(&self) -> usize {
        24 + self.operation.size_bytes()
    }
}

/// What reports and faults want to know of a server, whatever its mode.
pub trait ServerView {
    /// The name of its role.
    fn role(&self) -> &'static str;
    /// Whether it is the one that serves, as far as it knows.
    fn is_leader(&self) -> bool;
    /// The highest ballot that it promised.
    fn ballot(&self) -> Ballot;
    /// The end of what it knows to be chosen.
    fn commit(&self) -> Slot;
    /// The end of what it applied.
    fn applied(&self) -> Slot;
    /// The digest of its state.
    fn state_digest(&self) -> u64;

    /// Whether all servers, given in order (`None`: down), have come to rest and agree.
    fn are_settled(servers: &[Option<&Self>]) -> bool
    where
        Self: Sized,
    {
        let view = |server: &Option<&Self>| server.map(|node| (node.applied(), node.state_digest()));
        servers.windows(2).all(|pair| pair[0].is_some() && view(&pair[0]) == view(&pair[1]))
            && servers[0].is_some()
    }

    /// Why stopping this server now, perhaps with the loss of its disk, would leave the fault model; for modes whose
    /// model depends on the moment.
    ///
    /// # Errors
    ///
    /// The reason, in words.
    fn may_stop(servers: &[Option<&Self>], server: usize, loses_disk: bool) -> Result<(), &'static str>
    where
        Self: Sized,
    {
        let _ = (servers, server, loses_disk);
        Ok(())
    }

    /// The servers on which, and between which, the model suffers no fault now: the last copy is on its way.
    fn sheltered<'a>(servers: impl Iterator<Item = Option<&'a Self>>) -> Vec<usize>
    where
        Self: Sized + 'a,
    {
        let _ = servers;
        Vec::new()
    }
}

/// Nobody invokes or answers anything at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Nothing {}

/// A client that waits for a slot to be applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiter {
    client: ClientId,
    seq: u64,
    /// Where it is.
    address: NodeId,
}

/// The state machine of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replica {
    paxos: Paxos<Request>,
    shard: Shard,
    applied: Slot,
    incarnation: u64,
    /// Who waits, by the slot in which its request was proposed.
    waiting: Waiting<Waiter>,
}

impl Node for Replica {
    type Config = ReplicaConfig;
    type Message = Message;
    type Timer = ReplicaTimer;
    type Record = ReplicaRecord;
    type Invocation = Nothing;
    type Answer = Nothing;
    type Event = Event;

    fn boot(
        config: &ReplicaConfig,
        incarnation: u64,
        disk: &[Stored<ReplicaRecord>],
        effects: &mut Effects<Self>,
    ) -> Self {
        let mut inner = Effects::new();
        let paxos = Paxos::boot(config, incarnation, disk, &mut inner);
        absorb(inner, effects);
        let (shard, waiting) = (Shard::default(), Waiting::default());
        let mut replica = Self { paxos, shard, applied: Slot::ZERO, incarnation, waiting };
        if replica.restore() {
            let (last, state, version) = replica.position();
            effects.event(Event::SnapshotRestored { last, state, version });
        }
        replica.settle(config, effects);
        replica
    }

    fn on(&mut self, config: &ReplicaConfig, now: Micros, input: Input<Self>, effects: &mut Effects<Self>) {
        let mut inner = Effects::new();
        match input {
            Input::Message { from, message: Message::Paxos(message) } => {
                self.paxos.on(config, now, Input::Message { from, message }, &mut inner);
            }
            Input::Timer(timer) => self.paxos.on(config, now, Input::Timer(timer), &mut inner),
            Input::Message { from, message: Message::Request(request) } => {
                self.on_request(config, from, request, effects);
            }
            Input::Message { message: Message::Response { .. } | Message::PrimaryBackup(_), .. } => {}
            Input::Invoke(nothing) => match nothing {},
        }
        absorb(inner, effects);
        self.settle(config, effects);
    }
}

fn absorb(inner: Effects<Paxos<Request>>, effects: &mut Effects<Replica>) {
    effects.absorb(inner, Message::Paxos, |record| record, |timer| timer);
}

impl Replica {
    /// Its part in the agreement.
    pub fn paxos(&self) -> &Paxos<Request> {
        &self.paxos
    }

    /// What it applied.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Brings application and waiting clients up to date with the agreement.
    fn settle(&mut self, config: &ReplicaConfig, effects: &mut Effects<Self>) {
        if !config.bugs.has(Bug::ReplyBySlot) {
            self.waiting.follow(self.paxos.leading());
        }
        if self.restore() {
            let (last, state, version) = self.position();
            effects.event(Event::SnapshotInstalled { last, state, version });
        }
        self.apply(config, effects);
        self.compact(config, effects);
        assert!(self.waiting.len() <= config.limits.in_flight_max, "waiting clients are bounded");
    }

    fn position(&self) -> (Slot, u64, u64) {
        (self.applied, self.shard.digest(), self.shard.version())
    }

    /// Takes over the snapshot of the agreement, if it has a new one.
    fn restore(&mut self) -> bool {
        let Some(snapshot) = self.paxos.take_restored() else { return false };
        // Only damage taken for data does not decode.
        self.shard = postcard::from_bytes(&snapshot.state).unwrap_or_default();
        self.applied = snapshot.last;
        self.waiting.forget_up_to(snapshot.last);
        true
    }

    /// Puts a snapshot in the place of the log, once that is long enough.
    fn compact(&mut self, config: &ReplicaConfig, effects: &mut Effects<Self>) {
        if !self.paxos.is_compaction_due(config, self.applied) {
            return;
        }
        let forgets = config.bugs.has(Bug::SnapshotWithoutSessions);
        let shard = if forgets { self.shard.without_sessions() } else { self.shard.clone() };
        let state = postcard::to_allocvec(&shard).expect("a shard can always be encoded").into();
        let mut inner = Effects::new();
        self.paxos.compact(config, Snapshot { last: self.applied, state }, &mut inner);
        absorb(inner, effects);
    }

    fn on_request(
        &mut self,
        config: &ReplicaConfig,
        from: NodeId,
        request: Request,
        effects: &mut Effects<Self>,
    ) {
        if self.paxos.leading().is_none() {
            self.reject(config, from, &request, effects);
            return;
        }
        if config.bugs.has(Bug::LocalReads) && !request.operation.is_mutation() {
            let outcome = Outcome::Reply(self.shard.data().evaluate(&request.operation));
            self.respond(from, &request, outcome, effects);
            return;
        }
        // What was executed needs no slot. This saves one; what makes execution unique is the rule at apply.
        if !config.bugs.has(Bug::NoDeduplication) {
            if let Some(outcome) = self.shard.stored(&request, config.bugs) {
                self.respond(from, &request, outcome, effects);
                return;
            }
            if self.shard.session(request.client).is_some_and(|session| session.seq > request.seq) {
                return;
            }
        }
        let is_same = |waiter: &Waiter| (waiter.client, waiter.seq) == (request.client, request.seq);
        if let Some(waiter) = self.waiting.find(is_same) {
            waiter.address = from;
            return;
        }
        if self.waiting.len() < config.limits.in_flight_max {
            self.propose(config, from, request, effects);
        }
    }

    fn propose(
        &mut self,
        config: &ReplicaConfig,
        from: NodeId,
        request: Request,
        effects: &mut Effects<Self>,
    ) {
        assert!(self.waiting.len() < config.limits.in_flight_max, "waiting clients are bounded");
        let mut inner = Effects::new();
        let slot = self.paxos.propose(config, request.clone(), &mut inner);
        absorb(inner, effects);
        let Some(slot) = slot else { return };
        let can_guess =
            request.operation.is_mutation() && !matches!(request.operation, Operation::Cas { .. });
        if config.bugs.has(Bug::ReplyBeforeCommit) && can_guess {
            // As far as the leader can tell by now.
            let reply = self.shard.data().evaluate(&request.operation);
            self.respond(from, &request, Outcome::Reply(reply), effects);
            return;
        }
        let waiter = Waiter { client: request.client, seq: request.seq, address: from };
        self.waiting.insert(slot, waiter);
    }

    fn reject(&mut self, config: &ReplicaConfig, to: NodeId, request: &Request, effects: &mut Effects<Self>) {
        let hint = self.paxos.leader_hint().filter(|hint| *hint != config.id);
        let outcome = Outcome::NotLeader { hint };
        let done = self.shard.session(request.client).map_or(0, |session| session.seq);
        if config.bugs.has(Bug::RejectionCached) && request.seq > done {
            self.shard.remember(request.client, request.seq, outcome.clone());
        }
        effects.send(to, Message::Response { client: request.client, seq: request.seq, outcome });
    }

    fn respond(&self, to: NodeId, request: &Request, outcome: Outcome, effects: &mut Effects<Self>) {
        assert!(request.seq > 0, "requests are numbered from 1");
        effects.event(Event::ReplySent {
            client: request.client,
            seq: request.seq,
            mutation: request.operation.is_mutation(),
            reply: outcome.digest(),
        });
        effects.send(to, Message::Response { client: request.client, seq: request.seq, outcome });
    }

    /// Applies everything that became applicable, in slot order.
    fn apply(&mut self, config: &ReplicaConfig, effects: &mut Effects<Self>) {
        let mut batch: Vec<Slot> = (self.applied.0 + 1..=self.paxos.log().commit().0).map(Slot).collect();
        if config.bugs.has(Bug::AppliedAcrossHole) {
            batch.clear();
            let mut from = self.applied.next();
            while let Some(slot) = self.paxos.log().chosen_from(from) {
                batch.push(slot);
                from = slot.next();
            }
        }
        if config.bugs.has(Bug::HashOrderApply) {
            let seed = Digest::new(u64::from(config.id.0)).word(self.incarnation);
            batch.sort_by_key(|slot| seed.word(slot.0).finish());
        }
        for slot in batch {
            self.apply_slot(config, slot, effects);
        }
    }

    fn apply_slot(&mut self, config: &ReplicaConfig, slot: Slot, effects: &mut Effects<Self>) {
        let entry = self.paxos.log().chosen(slot).expect("only chosen slots are applied").clone();
        self.applied = self.applied.max(slot);
        if config.bugs.has(Bug::SnapshotBeforeApply) {
            self.compact(config, effects);
        }
        let waiter = self.waiting.take(slot);
        let execution = match &entry {
            Entry::Noop => None,
            // Damage taken for data may number a request 0.
            Entry::Command(request) if request.seq == 0 => None,
            Entry::Command(request) => Some((request, self.shard.execute(request, config.bugs))),
        };
        effects.event(Event::Applied { slot, entry: entry.digest(), state: self.shard.digest() });
        let Some((request, execution)) = execution else { return };
        let Some(outcome) = execution.outcome else { return };
        if let Some(version) = execution.version {
            effects.event(Event::Executed {
                client: request.client,
                seq: request.seq,
                version,
                mutation: true,
                reply: outcome.digest(),
            });
        }
        let Some(waiter) = waiter else { return };
        let is_same = (waiter.client, waiter.seq) == (request.client, request.seq);
        if is_same {
            self.respond(waiter.address, request, outcome, effects);
        } else if config.bugs.has(Bug::ReplyBySlot) {
            let (client, seq) = (waiter.client, waiter.seq);
            effects.send(waiter.address, Message::Response { client, seq, outcome });
        }
    }
}

impl ServerView for Replica {
    fn role(&self) -> &'static str {
        self.paxos.role()
    }

    fn is_leader(&self) -> bool {
        self.paxos.leading().is_some()
    }

    fn ballot(&self) -> Ballot {
        self.paxos.promised()
    }

    fn commit(&self) -> Slot {
        self.paxos.log().commit()
    }

    fn applied(&self) -> Slot {
        self.applied
    }

    fn state_digest(&self) -> u64 {
        self.shard.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Reply;
    use crate::bugs::Bugs;
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
        script.hear(paxos::Message::Heartbeat { ballot: leader, commit: Slot(0), id: 1 });
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
            let sent = script.hear(paxos::Message::Heartbeat { ballot, commit: Slot(1), id: 1 });
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
}
