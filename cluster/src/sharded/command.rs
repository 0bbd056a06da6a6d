//! What a shard group agrees on: the entries of its log, and the names of transactions in them.
//!
//! Everything that changes a group's state is one of these; whatever a leader knows beyond them (votes counted, shards
//! pushed, configurations heard of) is lost with its leadership and found out again.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use super::configuration::{Configuration, GroupId, ShardId};
use crate::app::{Key, Value};
use crate::digest::Digest;
use crate::paxos::{Command, Slot};
use crate::session::{ClientId, Outcome, Request, Shard};

/// Names a transaction: the request that asks for it, however often it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TransactionId {
    /// Who asks.
    pub client: ClientId,
    /// The number of the request.
    pub seq: u64,
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.client, self.seq)
    }
}

/// Numbers the attempts at one transaction: by the place in its coordinator's log at which it began, so that no two
/// attempts ever share a number and later ones have larger ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attempt {
    /// The configuration in which it runs, from beginning to end.
    pub num: u64,
    /// The slot of its beginning in the log of the coordinating group.
    pub slot: Slot,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.num, self.slot)
    }
}

/// One attempt at a transaction across groups.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Transaction {
    /// What the client asks.
    pub request: Request,
    /// Which attempt this is.
    pub attempt: Attempt,
    /// The group that decides.
    pub coordinator: GroupId,
}

impl Transaction {
    /// Its name.
    pub fn id(&self) -> TransactionId {
        TransactionId { client: self.request.client, seq: self.request.seq }
    }
}

/// A key and what it holds, or will hold.
pub type Assignment = (Key, Option<Value>);

/// What a committed transaction does and answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Commit {
    /// What the client is told.
    pub outcome: Outcome,
    /// Every key that is written, in all groups.
    pub writes: Arc<[Assignment]>,
}

impl Commit {
    /// A stable digest.
    pub fn digest(&self) -> u64 {
        let start = Digest::new(30).word(self.outcome.digest());
        self.writes.iter().fold(start, digest_assignment).finish()
    }
}

/// One entry of a shard group's log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GroupCommand {
    /// A client's request: executed here if every key is served here, begun as a transaction if the first is.
    Client(Request),
    /// The next configuration takes effect.
    Configure(Arc<Configuration>),
    /// A shard arrived.
    Install {
        /// In the configuration of this number.
        num: u64,
        /// This shard.
        shard: ShardId,
        /// What it holds.
        payload: Arc<Shard>,
    },
    /// A shard was installed where it belongs now: the copy is no longer needed.
    Gone {
        /// In the configuration of this number.
        num: u64,
        /// This shard.
        shard: ShardId,
    },
    /// A participant is asked to promise that a transaction can commit.
    Prepare(Transaction),
    /// The coordinator decides; the first decision in the log counts.
    Decide {
        /// The transaction.
        id: TransactionId,
        /// The attempt.
        attempt: Attempt,
        /// What it does; `None`: it aborts.
        commit: Option<Commit>,
    },
    /// A participant learns the decision.
    Finish {
        /// The transaction.
        id: TransactionId,
        /// The attempt.
        attempt: Attempt,
        /// What it does; `None`: it aborts.
        commit: Option<Commit>,
        /// The group that decided.
        coordinator: GroupId,
    },
    /// Every participant has finished: the coordinator need not remember the decision.
    Forget {
        /// The transaction.
        id: TransactionId,
        /// The attempt.
        attempt: Attempt,
    },
    /// A participant in doubt asks for a decision of which the coordinator has no record.
    Inquire {
        /// The transaction.
        id: TransactionId,
        /// The attempt.
        attempt: Attempt,
        /// Who asks.
        from: GroupId,
    },
}

impl Command for GroupCommand {
    fn digest(&self) -> u64 {
        let named = |kind: u64, id: &TransactionId, attempt: &Attempt| {
            Digest::new(kind).word(id.client.0).word(id.seq).word(attempt.num).word(attempt.slot.0)
        };
        let decided = |digest: Digest, commit: &Option<Commit>| {
            digest.word(commit.as_ref().map_or(0, |commit| commit.digest().max(1)))
        };
        match self {
            Self::Client(request) => Digest::new(31).word(request.digest()),
            Self::Configure(configuration) => Digest::new(32).word(configuration.digest()),
            Self::Install { num, shard, payload } => {
                Digest::new(33).word(*num).word(u64::from(shard.0)).word(payload.digest())
            }
            Self::Gone { num, shard } => Digest::new(34).word(*num).word(u64::from(shard.0)),
            Self::Prepare(transaction) => named(35, &transaction.id(), &transaction.attempt)
                .word(transaction.request.digest())
                .word(u64::from(transaction.coordinator.0)),
            Self::Decide { id, attempt, commit } => decided(named(36, id, attempt), commit),
            Self::Finish { id, attempt, commit, coordinator } => {
                decided(named(37, id, attempt), commit).word(u64::from(coordinator.0))
            }
            Self::Forget { id, attempt } => named(38, id, attempt),
            Self::Inquire { id, attempt, from } => named(39, id, attempt).word(u64::from(from.0)),
        }
        .finish()
    }

    fn size_bytes(&self) -> usize {
        let commit_bytes = |commit: &Option<Commit>| {
            commit.as_ref().map_or(0, |commit| {
                commit.writes.iter().map(assignment_bytes).sum::<usize>() + commit.outcome.size_bytes()
            })
        };
        match self {
            Self::Client(request) => 24 + request.operation.size_bytes(),
            Self::Configure(configuration) => 16 + configuration.size_bytes(),
            Self::Install { payload, .. } => 24 + payload.size_bytes(),
            Self::Gone { .. } => 24,
            Self::Prepare(transaction) => 64 + transaction.request.operation.size_bytes(),
            Self::Decide { commit, .. } | Self::Finish { commit, .. } => 64 + commit_bytes(commit),
            Self::Forget { .. } | Self::Inquire { .. } => 64,
        }
    }
}

/// Adds a key and its value to a digest.
pub(super) fn digest_assignment(digest: Digest, (key, value): &Assignment) -> Digest {
    let digest = digest.bytes(key.as_bytes());
    match value {
        None => digest.word(0),
        Some(value) => {
            value.iter().fold(digest.word(1 + value.len() as u64), |digest, item| digest.number(*item))
        }
    }
}

fn assignment_bytes((key, value): &Assignment) -> usize {
    8 + key.len() + value.as_ref().map_or(0, |value| value.len() * 10)
}

/// The assignments whose keys satisfy a condition.
pub(super) fn assignments_of(writes: &[Assignment], is_wanted: impl Fn(&Key) -> bool) -> Vec<Assignment> {
    writes.iter().filter(|(key, _)| is_wanted(key)).cloned().collect()
}
