//! Transactions across groups: two-phase commit, with every step of either side an entry of its group's log
//! (Gray and Lamport, *Consensus on Transaction Commit*, 2006, section 3, with replicated managers; presumed abort
//! after Mohan, Lindsay and Obermarck, 1986).
//!
//! The group of the home shard coordinates; the first decision in its log counts. A participant that voted yes keeps
//! its locks until it learns the decision, however long that takes. Only a coordinator's *log* can say that an attempt
//! it has no record of aborted: a leader's memory may lag behind it. A transaction runs in one configuration from
//! beginning to end. Locks are never waited for, so nothing can deadlock.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::command::{Assignment, Attempt, Commit, Transaction, TransactionId};
use super::configuration::GroupId;
use super::event::ShardEvent;
use super::state::{Consequence, GroupState, Obstacle, Step};
use crate::app::{Key, Operation, Reply, Value};
use crate::bugs::{Bug, Bugs};
use crate::paxos::Slot;
use crate::session::{Outcome, Request};

/// The keys that an undecided transaction holds in one group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Locks {
    /// Keys that nobody else may write.
    read: BTreeSet<Key>,
    /// Keys that nobody else may read or write.
    written: BTreeSet<Key>,
}

impl Locks {
    /// What an operation locks of the keys that satisfy a condition.
    pub(super) fn of(operation: &Operation, is_own: impl Fn(&Key) -> bool, bugs: Bugs) -> Self {
        let own = |keys: Vec<&Key>| keys.into_iter().filter(|key| is_own(key)).cloned().collect();
        let written: BTreeSet<Key> = own(operation.written_keys());
        let mut read: BTreeSet<Key> = own(operation.keys());
        read.retain(|key| !written.contains(key) && !bugs.has(Bug::NoReadLocks));
        Self { read, written }
    }

    /// Whether the two cannot be held at the same time.
    pub(super) fn conflicts_with(&self, other: &Self) -> bool {
        let meets = |left: &BTreeSet<Key>, right: &BTreeSet<Key>| !left.is_disjoint(right);
        meets(&self.written, &other.written)
            || meets(&self.written, &other.read)
            || meets(&self.read, &other.written)
    }
}

/// A transaction that this group coordinates.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Coordination {
    /// What is asked, and the attempt under way.
    pub(super) transaction: Transaction,
    /// The other groups that own some of its keys.
    pub(super) participants: BTreeSet<GroupId>,
    /// What it locks here until it is decided.
    pub(super) locks: Locks,
    /// What was decided, while participants may still ask; an abort is not remembered.
    pub(super) commit: Option<Commit>,
}

/// A transaction that this group promised to be able to commit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Prepared {
    /// What is asked, under which attempt, and who decides.
    pub(super) transaction: Transaction,
    /// What it locks here until the decision is known.
    pub(super) locks: Locks,
    /// What it read here.
    pub(super) values: Arc<[Assignment]>,
}

impl GroupState {
    /// The first step of a request whose keys belong to several groups, the first of them to this one.
    pub(super) fn begin(&mut self, request: &Request, step: &mut Step) {
        let id = TransactionId { client: request.client, seq: request.seq };
        let slot = if step.bugs.has(Bug::AttemptByClient) { Slot(request.seq) } else { step.slot };
        let attempt = Attempt { num: self.configuration.num, slot };
        let owners =
            self.shards_of(&request.operation).into_iter().map(|shard| self.configuration.owner(shard));
        let participants: BTreeSet<GroupId> = owners.filter(|group| *group != self.group).collect();
        assert!(!participants.is_empty(), "a transaction has participants elsewhere");
        let coordination = Coordination {
            transaction: Transaction { request: request.clone(), attempt, coordinator: self.group },
            participants,
            locks: Locks::of(&request.operation, |key| self.owns(key), step.bugs),
            commit: None,
        };
        step.events.push(ShardEvent::Begun { id, attempt });
        self.coordinating.insert(id, coordination);
        step.consequences.push(Consequence::Begun { id });
    }

    /// What a leader answers to a request to prepare without an entry: the vote that it gave before, or a refusal.
    pub(super) fn early_vote(
        &self,
        transaction: &Transaction,
        bugs: Bugs,
    ) -> Option<Option<Arc<[Assignment]>>> {
        let id = transaction.id();
        if let Some(prepared) = self.prepared.get(&id)
            && prepared.transaction.attempt == transaction.attempt
        {
            return Some(Some(Arc::clone(&prepared.values)));
        }
        self.refuses(transaction, bugs).then_some(None)
    }

    fn refuses(&self, transaction: &Transaction, bugs: Bugs) -> bool {
        let (id, request) = (transaction.id(), &transaction.request);
        if transaction.attempt.num != self.configuration.num {
            return !bugs.has(Bug::PreparedAcrossConfigurations)
                || self.obstacle(&request.operation, id, bugs).is_some();
        }
        let is_old =
            self.prepared.get(&id).is_some_and(|held| transaction.attempt < held.transaction.attempt);
        let own = self.shards_of(&request.operation).into_iter();
        let mut own = own.filter_map(|shard| self.serving(shard)?.session(request.client));
        let is_done = own.any(|session| session.seq >= request.seq);
        is_old || is_done || self.obstacle(&request.operation, id, bugs).is_some()
    }

    pub(super) fn on_prepare(&mut self, transaction: &Transaction, step: &mut Step) {
        let (id, attempt) = (transaction.id(), transaction.attempt);
        let coordinator = transaction.coordinator;
        if coordinator == self.group || transaction.request.seq == 0 {
            return;
        }
        let values = if let Some(vote) = self.early_vote(transaction, step.bugs) {
            vote
        } else {
            let values = self.values_read(&transaction.request.operation);
            let locks = Locks::of(&transaction.request.operation, |key| self.owns(key), step.bugs);
            let prepared = Prepared { transaction: transaction.clone(), locks, values: Arc::clone(&values) };
            self.prepared.insert(id, prepared);
            step.events.push(ShardEvent::Prepared { id, attempt });
            Some(values)
        };
        step.consequences.push(Consequence::Vote { id, attempt, coordinator, values });
    }

    /// What the keys that this group owns hold now.
    pub(super) fn values_read(&self, operation: &Operation) -> Arc<[Assignment]> {
        let own = operation.keys().into_iter().filter(|key| self.owns(key));
        own.map(|key| (key.clone(), self.value(key))).collect()
    }

    /// What a transaction does and answers, given what the participants read.
    pub(super) fn resolve(&self, request: &Request, votes: &[Assignment]) -> Commit {
        let read = |key: &Key| -> Option<Value> {
            if self.owns(key) {
                return self.value(key);
            }
            votes.iter().find(|(read, _)| read == key).and_then(|(_, value)| value.clone())
        };
        let resolution = request.operation.resolve(&read);
        Commit { outcome: Outcome::Reply(resolution.reply), writes: resolution.writes.into() }
    }

    pub(super) fn on_decide(
        &mut self,
        id: TransactionId,
        attempt: Attempt,
        commit: Option<&Commit>,
        step: &mut Step,
    ) {
        let undecided = self.coordinating.get(&id).filter(|coordination| {
            coordination.commit.is_none() && coordination.transaction.attempt == attempt
        });
        let Some(coordination) = undecided else { return };
        let request = coordination.transaction.request.clone();
        let to = coordination.participants.clone();
        step.events.push(ShardEvent::Decided { id, attempt, commit: commit.map(Commit::digest) });
        if let Some(commit) = commit {
            self.write(&request, &commit.outcome, &commit.writes, step);
            if step.bugs.has(Bug::DeduplicatedByCoordinator) {
                self.decided.insert(id, commit.outcome.clone());
            }
            step.answer(&request, commit.outcome.clone());
        } else {
            if step.bugs.has(Bug::AbortMarksDone) {
                self.write(&request, &Outcome::Reply(Reply::Done), &[], step);
            }
            step.answer(&request, Obstacle::Locked.rejection());
        }
        if commit.is_none() || step.bugs.has(Bug::CoordinatorForgets) {
            self.coordinating.remove(&id);
        } else if let Some(coordination) = self.coordinating.get_mut(&id) {
            coordination.commit = commit.cloned();
        }
        step.consequences.push(Consequence::Decided { id, attempt, to, commit: commit.cloned() });
    }

    pub(super) fn on_finish(
        &mut self,
        id: TransactionId,
        attempt: Attempt,
        commit: Option<&Commit>,
        coordinator: GroupId,
        step: &mut Step,
    ) {
        let is_open = self.prepared.get(&id).is_some_and(|prepared| prepared.transaction.attempt == attempt);
        if is_open && let Some(prepared) = self.prepared.remove(&id) {
            step.events.push(ShardEvent::Finished { id, attempt, commit: commit.map(Commit::digest) });
            let request = &prepared.transaction.request;
            // The client may have been answered, and have gone on, before the decision arrives here.
            let has_gone_on = self.shards_of(&request.operation).into_iter().any(|shard| {
                let session = self.serving(shard).and_then(|shard| shard.session(request.client));
                session.is_some_and(|session| session.seq > request.seq)
            });
            if let Some(commit) = commit
                && !(has_gone_on && step.bugs.has(Bug::FinishDropped))
            {
                self.write(request, &commit.outcome, &commit.writes, step);
            }
        }
        if commit.is_some() {
            step.consequences.push(Consequence::Finished { id, attempt, coordinator });
        }
    }

    pub(super) fn on_forget(&mut self, id: TransactionId, attempt: Attempt, step: &mut Step) {
        let is_decided = self.coordinating.get(&id).is_some_and(|coordination| {
            coordination.commit.is_some() && coordination.transaction.attempt == attempt
        });
        if is_decided {
            step.events.push(ShardEvent::Forgotten { id, attempt });
            self.coordinating.remove(&id);
        }
    }

    pub(super) fn on_inquire(&mut self, id: TransactionId, attempt: Attempt, from: GroupId, step: &mut Step) {
        let record = self.coordinating.get(&id).filter(|known| known.transaction.attempt == attempt);
        let commit = match record {
            Some(Coordination { commit: None, .. }) => return,
            Some(Coordination { commit: Some(commit), .. }) => Some(commit.clone()),
            None => None,
        };
        step.consequences.push(Consequence::Decided { id, attempt, to: [from].into(), commit });
    }
}
