//! A replica of one group: agreement, application and sessions put together.
//!
//! A request is proposed by the leader, executed by every replica when its slot is applied, in slot order, and
//! answered by the leader that proposed it. Reads go through the log like writes, unless another path is chosen. What
//! is replicated is any [`Machine`]; it is volatile: a restart starts from the last snapshot and executes the log again
//! as far as it is known to be chosen.

use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;
use core::ops::RangeInclusive;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::app::{Operation, Reply};
use crate::bugs::{Bug, Bugs};
use crate::digest::Digest;
use crate::encoding::encode_onto;
use crate::event::Event;
use crate::message::Message;
use crate::node::{Effects, Input, Micros, Node, NodeId, Stored};
use crate::paxos::{self, Ballot, Command, Entry, Outlet, Paxos, ReadPermit, Slot, Snapshot};
use crate::role::Role;
use crate::session::{ClientId, Execution, Outcome, Request, Session, Shard};
use crate::sharded::configuration::Administration;
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

    /// Whether it plays this role now, as far as it knows; in this group, where there are several.
    fn plays(&self, role: Role, group: Option<u32>) -> bool {
        let plays = if role == Role::Leader { self.is_leader() } else { self.role() == role.name() };
        plays && group.is_none_or(|group| group == 0)
    }
}

/// What a group replicates: a deterministic machine that executes requests, each mutation at most once.
pub trait Machine: Clone + Eq + Hash + Debug + Default + Serialize + DeserializeOwned + 'static {
    /// Executes a request at most once. `replica` is where it happens, which only a mistake can depend on.
    fn execute(&mut self, request: &Request, bugs: Bugs, replica: NodeId) -> Execution;
    /// What an operation would answer now, without running it.
    fn evaluate(&self, operation: &Operation) -> Reply;
    /// The final answer to a mutation that was executed already.
    fn stored(&self, request: &Request, bugs: Bugs) -> Option<Outcome>;
    /// The session of a client.
    fn session(&self, client: ClientId) -> Option<&Session>;
    /// Stores the outcome of a client's latest request.
    fn remember(&mut self, client: ClientId, seq: u64, outcome: Outcome);
    /// How many mutations were executed.
    fn version(&self) -> u64;
    /// The digest of everything in it.
    fn digest(&self) -> u64;
    /// What is left when a copy forgets the sessions.
    #[must_use]
    fn without_sessions(&self) -> Self;
}

impl Machine for Shard {
    fn execute(&mut self, request: &Request, bugs: Bugs, _replica: NodeId) -> Execution {
        self.execute(request, bugs)
    }

    fn evaluate(&self, operation: &Operation) -> Reply {
        self.data().evaluate(operation)
    }

    fn stored(&self, request: &Request, bugs: Bugs) -> Option<Outcome> {
        self.stored(request, bugs)
    }

    fn session(&self, client: ClientId) -> Option<&Session> {
        self.session(client)
    }

    fn remember(&mut self, client: ClientId, seq: u64, outcome: Outcome) {
        self.remember(client, seq, outcome);
    }

    fn version(&self) -> u64 {
        self.version()
    }

    fn digest(&self) -> u64 {
        self.digest()
    }

    fn without_sessions(&self) -> Self {
        self.without_sessions()
    }
}

/// Nobody invokes or answers anything at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Nothing {}

/// A client that waits for its request to be executed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiter {
    request: Request,
    /// Where it is.
    address: NodeId,
}

impl Waiter {
    fn is_for(&self, request: &Request) -> bool {
        (self.request.client, self.request.seq) == (request.client, request.seq)
    }
}

/// The state machine of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replica<M = Shard> {
    paxos: Paxos<Request>,
    machine: M,
    applied: Slot,
    incarnation: u64,
    /// Who waits, by the slot in which its request was proposed.
    waiting: Waiting<Waiter>,
}

impl<M: Machine> Node for Replica<M> {
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
        let paxos = Paxos::start(config, incarnation, disk, effects);
        let (machine, waiting) = (M::default(), Waiting::default());
        let mut replica = Self { paxos, machine, applied: Slot::ZERO, incarnation, waiting };
        if replica.restore() {
            let (last, state, version) = replica.position();
            effects.event(Event::SnapshotRestored { last, state, version });
        }
        replica.settle(config, effects);
        replica
    }

    fn on(&mut self, config: &ReplicaConfig, now: Micros, input: Input<Self>, effects: &mut Effects<Self>) {
        match input {
            Input::Message { from, message: Message::Paxos(message) } => {
                self.paxos.step(config, now, Input::Message { from, message }, effects);
            }
            Input::Timer(timer) => self.paxos.step(config, now, Input::Timer(timer), effects),
            Input::Message { from, message: Message::Request(request) } => {
                self.on_request(config, now, from, request, effects);
            }
            Input::Message { .. } => {}
            Input::Invoke(nothing) => match nothing {},
        }
        self.settle(config, effects);
    }
}

/// An agreement's effects are those of its replica.
impl<M: Machine> Outlet<Request> for Effects<Replica<M>> {
    fn persist(&mut self, record: ReplicaRecord) {
        Effects::persist(self, record);
    }

    fn replace(&mut self, records: Vec<ReplicaRecord>) {
        Effects::replace(self, records);
    }

    fn send(&mut self, to: NodeId, message: paxos::Message<Request>) {
        Effects::send(self, to, Message::Paxos(message));
    }

    fn event(&mut self, event: Event) {
        Effects::event(self, event);
    }

    fn arm(&mut self, timer: ReplicaTimer, range: RangeInclusive<Micros>) {
        Effects::arm(self, timer, range);
    }

    fn cancel(&mut self, timer: ReplicaTimer) {
        Effects::cancel(self, timer);
    }
}

impl<M: Machine> Replica<M> {
    /// Its part in the agreement.
    pub fn paxos(&self) -> &Paxos<Request> {
        &self.paxos
    }

    /// What it applied.
    pub fn machine(&self) -> &M {
        &self.machine
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
        self.serve_confirmed(config, effects);
        self.compact(config, effects);
        assert!(self.waiting.len() <= config.limits.in_flight_max, "waiting clients are bounded");
    }

    fn position(&self) -> (Slot, u64, u64) {
        (self.applied, self.machine.digest(), self.machine.version())
    }

    /// Takes over the snapshot of the agreement, if it has a new one.
    fn restore(&mut self) -> bool {
        let Some(snapshot) = self.paxos.take_restored() else { return false };
        // Only damage taken for data does not decode.
        self.machine = postcard::from_bytes(&snapshot.state).unwrap_or_default();
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
        let machine = if forgets { self.machine.without_sessions() } else { self.machine.clone() };
        // It will be about as long as the last one.
        let mut state = Vec::with_capacity(self.paxos.snapshot().map_or(0, |last| last.state.len() * 9 / 8));
        encode_onto(&machine, &mut state);
        self.paxos.compact(config, Snapshot { last: self.applied, state: state.into() }, effects);
    }

    fn on_request(
        &mut self,
        config: &ReplicaConfig,
        now: Micros,
        from: NodeId,
        request: Request,
        effects: &mut Effects<Self>,
    ) {
        let is_query = matches!(request.operation, Operation::Administer(Administration::Query { .. }));
        if is_query && config.bugs.has(Bug::QueryFromFollower) {
            let outcome = Outcome::Reply(self.machine.evaluate(&request.operation));
            self.respond(from, &request, outcome, effects);
            return;
        }
        if self.paxos.leading().is_none() {
            self.reject(config, from, &request, effects);
            return;
        }
        if config.bugs.has(Bug::LocalReads) && !request.operation.is_mutation() {
            self.read(from, &request, effects);
            return;
        }
        // What was executed needs no slot. This saves one; what makes execution unique is the rule at apply.
        if !config.bugs.has(Bug::NoDeduplication) {
            if let Some(outcome) = self.machine.stored(&request, config.bugs) {
                self.respond(from, &request, outcome, effects);
                return;
            }
            if self.machine.session(request.client).is_some_and(|session| session.seq > request.seq) {
                return;
            }
        }
        if let Some(waiter) = self.waiting.find(|waiter| waiter.is_for(&request)) {
            waiter.address = from;
            return;
        }
        if self.waiting.len() >= config.limits.in_flight_max {
            return;
        }
        let permit = if request.operation.is_mutation() {
            ReadPermit::Propose
        } else {
            self.paxos.permit_read(config, now, effects)
        };
        match permit {
            ReadPermit::Now => self.read(from, &request, effects),
            ReadPermit::AfterRound(round) => {
                self.waiting.insert_round(round, Waiter { request, address: from });
            }
            ReadPermit::Propose => self.propose(config, from, request, effects),
        }
    }

    /// Answers a read from what is applied.
    fn read(&self, to: NodeId, request: &Request, effects: &mut Effects<Self>) {
        assert!(!request.operation.is_mutation(), "only reads go without the log");
        let outcome = Outcome::Reply(self.machine.evaluate(&request.operation));
        self.respond(to, request, outcome, effects);
    }

    /// Answers the reads that waited for proof that this replica still leads.
    fn serve_confirmed(&mut self, config: &ReplicaConfig, effects: &mut Effects<Self>) {
        if !self.waiting.is_for_rounds() {
            return;
        }
        let confirmed = self.paxos.confirmed_round(config);
        while let Some(waiter) = self.waiting.take_confirmed(confirmed) {
            self.read(waiter.address, &waiter.request, effects);
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
        let slot = self.paxos.propose(config, request.clone(), effects);
        let Some(slot) = slot else { return };
        let can_guess =
            request.operation.is_mutation() && !matches!(request.operation, Operation::Cas { .. });
        if config.bugs.has(Bug::ReplyBeforeCommit) && can_guess {
            // As far as the leader can tell by now.
            let reply = self.machine.evaluate(&request.operation);
            self.respond(from, &request, Outcome::Reply(reply), effects);
            return;
        }
        self.waiting.insert(slot, Waiter { request, address: from });
    }

    fn reject(&mut self, config: &ReplicaConfig, to: NodeId, request: &Request, effects: &mut Effects<Self>) {
        let hint = self.paxos.leader_hint().filter(|hint| *hint != config.id);
        let outcome = Outcome::NotLeader { hint };
        let done = self.machine.session(request.client).map_or(0, |session| session.seq);
        if config.bugs.has(Bug::RejectionCached) && request.seq > done {
            self.machine.remember(request.client, request.seq, outcome.clone());
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
        if config.bugs.has(Bug::AppliedAcrossHole) {
            while let Some(slot) = self.paxos.log().chosen_from(self.applied.next()) {
                self.apply_slot(config, slot, effects);
            }
        }
        let commit = self.paxos.log().commit();
        if config.bugs.has(Bug::HashOrderApply) {
            let seed = Digest::new(u64::from(config.id.0)).word(self.incarnation);
            let mut batch: Vec<Slot> = (self.applied.0 + 1..=commit.0).map(Slot).collect();
            batch.sort_by_key(|slot| seed.word(slot.0).finish());
            batch.into_iter().for_each(|slot| self.apply_slot(config, slot, effects));
        }
        while self.applied < commit {
            self.apply_slot(config, self.applied.next(), effects);
        }
    }

    fn apply_slot(&mut self, config: &ReplicaConfig, slot: Slot, effects: &mut Effects<Self>) {
        self.applied = self.applied.max(slot);
        let mut early = None;
        if config.bugs.has(Bug::SnapshotBeforeApply) {
            early = self.paxos.log().chosen(slot).cloned();
            self.compact(config, effects);
        }
        let entry = early.as_ref().or_else(|| self.paxos.log().chosen(slot));
        let entry = entry.expect("only chosen slots are applied");
        let waiter = self.waiting.take(slot);
        let execution = match entry {
            Entry::Noop => None,
            // Damage taken for data may number a request 0.
            Entry::Command(request) if request.seq == 0 => None,
            Entry::Command(request) => Some((request, self.machine.execute(request, config.bugs, config.id))),
        };
        effects.event(Event::Applied { slot, entry: entry.digest(), state: self.machine.digest() });
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
        if waiter.is_for(request) {
            self.respond(waiter.address, request, outcome, effects);
        } else if config.bugs.has(Bug::ReplyBySlot) {
            let (client, seq) = (waiter.request.client, waiter.request.seq);
            effects.send(waiter.address, Message::Response { client, seq, outcome });
        }
    }
}

impl<M: Machine> ServerView for Replica<M> {
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
        self.machine.digest()
    }
}

#[cfg(test)]
mod tests;
