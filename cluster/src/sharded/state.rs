//! The state of a shard group: a deterministic machine over the entries of its log.
//!
//! It holds shards, and what ties its hands: shards on their way, transactions that it coordinates, transactions that it
//! promised to be able to commit. A request is executed only while every shard that it touches is served here and no
//! key that it touches is locked against it. Locks are not kept but follow from the undecided transactions, so that a
//! lock cannot outlive its reason. It knows nothing of leaders, messages and time: what an entry calls for beyond the
//! state is a list of consequences, which a leader acts on and everybody else drops.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::command::{Assignment, Attempt, Commit, GroupCommand, TransactionId};
use super::configuration::{Configuration, GroupId, ShardId};
use super::event::ShardEvent;
use super::transaction::{Coordination, Locks, Prepared};
use crate::app::{Key, Operation, Value};
use crate::bugs::{Bug, Bugs};
use crate::digest::Digest;
use crate::paxos::Slot;
use crate::role::Role;
use crate::session::{ClientId, Outcome, Request, Shard};

/// What a group has of a shard; it has nothing of those that are not listed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Holding {
    /// It serves the shard.
    Serving(Shard),
    /// The shard is this group's in the present configuration, and has not arrived.
    Incoming {
        /// The group that served it before.
        from: GroupId,
    },
    /// The shard is another group's in the present configuration: a copy, until that group has it.
    Outgoing {
        /// The group that serves it next.
        to: GroupId,
        /// As it was when it was last served.
        frozen: Arc<Shard>,
    },
}

/// What an entry calls for beyond the change of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Consequence {
    /// A client's request came to this.
    Answer { client: ClientId, seq: u64, mutation: bool, outcome: Outcome },
    /// A client's request is none any more: the client has gone on.
    Dismiss { client: ClientId, seq: u64 },
    /// A transaction began: its participants must prepare.
    Begun { id: TransactionId },
    /// This group votes; `None`: no.
    Vote { id: TransactionId, attempt: Attempt, coordinator: GroupId, values: Option<Arc<[Assignment]>> },
    /// This group decided: the participants must learn it.
    Decided { id: TransactionId, attempt: Attempt, to: BTreeSet<GroupId>, commit: Option<Commit> },
    /// This group learnt a decision: the coordinator may count on it.
    Finished { id: TransactionId, attempt: Attempt, coordinator: GroupId },
    /// A shard is here: the group that has a copy may drop it.
    Installed { num: u64, shard: ShardId, from: GroupId },
}

/// One entry being applied.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) slot: Slot,
    pub(super) bugs: Bugs,
    pub(super) events: Vec<ShardEvent>,
    pub(super) consequences: Vec<Consequence>,
}

impl Step {
    pub(super) fn new(slot: Slot, bugs: Bugs) -> Self {
        Self { slot, bugs, events: Vec::new(), consequences: Vec::new() }
    }

    pub(super) fn answer(&mut self, request: &Request, outcome: Outcome) {
        self.consequences.push(Consequence::Answer {
            client: request.client,
            seq: request.seq,
            mutation: request.operation.is_mutation(),
            outcome,
        });
    }

    pub(super) fn executed(&mut self, shard: ShardId, version: u64, request: &Request, outcome: &Outcome) {
        self.events.push(ShardEvent::Executed {
            shard,
            version,
            client: request.client,
            seq: request.seq,
            request: request.digest(),
            reply: outcome.digest(),
        });
    }
}

/// The state of a shard group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GroupState {
    pub(super) group: GroupId,
    pub(super) configuration: Arc<Configuration>,
    pub(super) holdings: BTreeMap<ShardId, Holding>,
    pub(super) coordinating: BTreeMap<TransactionId, Coordination>,
    pub(super) prepared: BTreeMap<TransactionId, Prepared>,
    /// Transactions that this group decided, where a bug remembers them by group and not in the home shard.
    pub(super) decided: BTreeMap<TransactionId, Outcome>,
}

/// Why a request cannot run here now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// A shard that it touches is not served here.
    NotServed,
    /// A key that it touches is locked.
    Locked,
}

impl Obstacle {
    pub(super) fn rejection(self) -> Outcome {
        match self {
            Self::NotServed => Outcome::WrongGroup,
            Self::Locked => Outcome::Locked,
        }
    }
}

impl GroupState {
    /// Before the first configuration.
    pub fn new(group: GroupId, shards: usize) -> Self {
        assert_ne!(group, GroupId::CONTROLLER, "the controller serves no shards");
        Self {
            group,
            configuration: Arc::new(Configuration::empty(shards)),
            holdings: BTreeMap::new(),
            coordinating: BTreeMap::new(),
            prepared: BTreeMap::new(),
            decided: BTreeMap::new(),
        }
    }

    /// The configuration that is in effect here.
    pub fn configuration(&self) -> &Arc<Configuration> {
        &self.configuration
    }

    /// What it has of every shard.
    pub fn holdings(&self) -> &BTreeMap<ShardId, Holding> {
        &self.holdings
    }

    /// Whether nothing is on its way and no transaction is open: what must be so once everything is quiet.
    pub fn is_at_rest(&self) -> bool {
        self.coordinating.is_empty() && self.prepared.is_empty() && self.is_settled()
    }

    /// Which part the group has in what happens between groups.
    pub(super) fn plays(&self, role: Role) -> bool {
        let holds = |is_asked: fn(&Holding) -> bool| self.holdings.values().any(is_asked);
        match role {
            Role::Coordinator => self.coordinating.values().any(|open| open.commit.is_none()),
            Role::Participant => !self.prepared.is_empty(),
            Role::Source => holds(|holding| matches!(holding, Holding::Outgoing { .. })),
            Role::Destination => holds(|holding| matches!(holding, Holding::Incoming { .. })),
            _ => false,
        }
    }

    /// Whether no shard is on its way.
    pub(super) fn is_settled(&self) -> bool {
        self.holdings.values().all(|holding| matches!(holding, Holding::Serving(_)))
    }

    /// The digest of everything in it.
    pub fn digest(&self) -> u64 {
        let start = Digest::new(40).word(self.configuration.num);
        let holdings = self.holdings.iter().fold(start, |digest, (shard, holding)| {
            let digest = digest.word(u64::from(shard.0));
            match holding {
                Holding::Serving(shard) => digest.word(1).word(shard.digest()),
                Holding::Incoming { from } => digest.word(2).word(u64::from(from.0)),
                Holding::Outgoing { to, frozen } => {
                    digest.word(3).word(u64::from(to.0)).word(frozen.digest())
                }
            }
        });
        let named = |digest: Digest, id: &TransactionId, attempt: Attempt| {
            digest.word(id.client.0).word(id.seq).word(attempt.num).word(attempt.slot.0)
        };
        let coordinating = self.coordinating.iter().fold(holdings, |digest, (id, coordination)| {
            let commit = coordination.commit.as_ref().map_or(0, Commit::digest);
            named(digest, id, coordination.transaction.attempt).word(commit)
        });
        self.prepared
            .iter()
            .fold(coordinating.word(0), |digest, (id, prepared)| {
                named(digest, id, prepared.transaction.attempt)
            })
            .finish()
    }

    /// Applies an entry.
    pub(super) fn apply(&mut self, command: &GroupCommand, step: &mut Step) {
        match command {
            GroupCommand::Client(request) => self.on_client(request, step),
            GroupCommand::Configure(configuration) => self.on_configure(configuration, step),
            GroupCommand::Install { num, shard, payload } => self.on_install(*num, *shard, payload, step),
            GroupCommand::Gone { num, shard } => self.on_gone(*num, *shard, step),
            GroupCommand::Prepare(transaction) => self.on_prepare(transaction, step),
            GroupCommand::Decide { id, attempt, commit } => {
                self.on_decide(*id, *attempt, commit.as_ref(), step);
            }
            GroupCommand::Finish { id, attempt, commit, coordinator } => {
                self.on_finish(*id, *attempt, commit.as_ref(), *coordinator, step);
            }
            GroupCommand::Forget { id, attempt } => self.on_forget(*id, *attempt, step),
            GroupCommand::Inquire { id, attempt, from } => self.on_inquire(*id, *attempt, *from, step),
        }
    }

    /// The shards that an operation touches, in order; the first is its home.
    pub(super) fn shards_of(&self, operation: &Operation) -> BTreeSet<ShardId> {
        operation.keys().into_iter().map(|key| self.configuration.shard_of(key)).collect()
    }

    /// The shard, if it is served here.
    pub(super) fn serving(&self, shard: ShardId) -> Option<&Shard> {
        match self.holdings.get(&shard) {
            Some(Holding::Serving(shard)) => Some(shard),
            Some(Holding::Incoming { .. } | Holding::Outgoing { .. }) | None => None,
        }
    }

    pub(super) fn serving_mut(&mut self, shard: ShardId) -> Option<&mut Shard> {
        match self.holdings.get_mut(&shard) {
            Some(Holding::Serving(shard)) => Some(shard),
            Some(Holding::Incoming { .. } | Holding::Outgoing { .. }) | None => None,
        }
    }

    /// Whether this configuration gives the key to this group.
    pub(super) fn owns(&self, key: &Key) -> bool {
        self.configuration.owner(self.configuration.shard_of(key)) == self.group
    }

    /// The value of a key that is served here.
    pub(super) fn value(&self, key: &Key) -> Option<Value> {
        self.serving(self.configuration.shard_of(key)).and_then(|shard| shard.data().get(key)).cloned()
    }

    /// What an earlier execution of this request answered, or whether the client has gone on since.
    pub(super) fn stored(&self, request: &Request, bugs: Bugs) -> Option<Option<Outcome>> {
        let id = TransactionId { client: request.client, seq: request.seq };
        if let Some(outcome) = self.decided.get(&id) {
            return Some(Some(outcome.clone()));
        }
        let home = *self.shards_of(&request.operation).first()?;
        let shard = self.serving(home)?;
        let done = shard.session(request.client)?.seq;
        match request.seq.cmp(&done) {
            core::cmp::Ordering::Less => Some(None),
            core::cmp::Ordering::Equal => Some(shard.stored(request, bugs)),
            core::cmp::Ordering::Greater => None,
        }
    }

    /// Why the part of an operation that falls into this group cannot run now.
    pub(super) fn obstacle(&self, operation: &Operation, id: TransactionId, bugs: Bugs) -> Option<Obstacle> {
        let keys = operation.keys();
        let mut own = keys.iter().filter(|key| self.owns(key)).map(|key| self.configuration.shard_of(key));
        if own.any(|shard| self.serving(shard).is_none()) {
            return Some(Obstacle::NotServed);
        }
        let wanted = Locks::of(operation, |key| self.owns(key), bugs);
        let is_locked = self.held_locks().any(|(holder, held)| holder != id && held.conflicts_with(&wanted));
        is_locked.then_some(Obstacle::Locked)
    }

    /// The locks of every undecided transaction.
    fn held_locks(&self) -> impl Iterator<Item = (TransactionId, &Locks)> {
        let open = self.coordinating.iter().filter(|(_, coordination)| coordination.commit.is_none());
        let coordinating = open.map(|(id, coordination)| (*id, &coordination.locks));
        coordinating.chain(self.prepared.iter().map(|(id, prepared)| (*id, &prepared.locks)))
    }

    fn on_client(&mut self, request: &Request, step: &mut Step) {
        if request.seq == 0 || request.operation.keys().is_empty() {
            return;
        }
        self.serve_too_early(request, step);
        if self.serve_too_late(request, step) {
            return;
        }
        let id = TransactionId { client: request.client, seq: request.seq };
        match self.stored(request, step.bugs) {
            Some(Some(outcome)) => return step.answer(request, outcome),
            Some(None) => {
                let (client, seq) = (request.client, request.seq);
                return step.consequences.push(Consequence::Dismiss { client, seq });
            }
            None => {}
        }
        if self.coordinating.contains_key(&id) {
            return;
        }
        let shards = self.shards_of(&request.operation);
        let home = *shards.first().expect("an operation touches a key");
        if self.configuration.owner(home) != self.group {
            return step.answer(request, Outcome::WrongGroup);
        }
        if let Some(obstacle) = self.obstacle(&request.operation, id, step.bugs) {
            return step.answer(request, obstacle.rejection());
        }
        if shards.iter().any(|shard| self.configuration.owner(*shard) != self.group) {
            self.begin(request, step);
        } else {
            self.execute(request, &shards, step);
        }
    }

    /// Executes a request whose keys are all served here.
    fn execute(&mut self, request: &Request, shards: &BTreeSet<ShardId>, step: &mut Step) {
        if shards.len() == 1 {
            let home = *shards.first().expect("an operation touches a key");
            let shard = self.serving_mut(home).expect("what is executed is served");
            let execution = shard.execute(request, step.bugs);
            let outcome = execution.outcome.expect("a new request is executed");
            if let Some(version) = execution.version {
                step.executed(home, version, request, &outcome);
            }
            return step.answer(request, outcome);
        }
        let resolution = request.operation.resolve(&|key| self.value(key));
        let outcome = Outcome::Reply(resolution.reply);
        if request.operation.is_mutation() {
            self.write(request, &outcome, &resolution.writes, step);
        }
        step.answer(request, outcome);
    }

    /// Writes what falls into shards that are served here, and marks the request as done in each of them that it names.
    pub(super) fn write(
        &mut self,
        request: &Request,
        outcome: &Outcome,
        writes: &[Assignment],
        step: &mut Step,
    ) {
        let configuration = Arc::clone(&self.configuration);
        let shards = self.shards_of(&request.operation);
        let home = *shards.first().expect("an operation touches a key");
        for id in &shards {
            let Some(shard) = self.serving_mut(*id) else { continue };
            let part = super::command::assignments_of(writes, |key| configuration.shard_of(key) == *id);
            let marks = !step.bugs.has(Bug::DeduplicatedByCoordinator);
            let version = shard.commit(request, outcome, &part, *id == home, marks);
            if let Some(version) = version {
                step.executed(*id, version, request, outcome);
            }
        }
    }
}
