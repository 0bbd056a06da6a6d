//! What happens to shards, configurations and transactions, for monitors, triggers and reports.
//!
//! Every replica of a group emits the same events, in the order of its log, right after the event that says which slot
//! it applied; a monitor judges the first that comes and compares the others.

use alloc::vec::Vec;

use serde::Serialize;

use super::command::{Attempt, TransactionId};
use super::configuration::{GroupId, ShardId};
use crate::session::ClientId;

/// Something that happened in a group of the sharded cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ShardEvent {
    /// The controller made a configuration.
    ConfigurationMade {
        /// Its number.
        num: u64,
        /// Its digest.
        digest: u64,
        /// The group of every shard.
        shards: Vec<GroupId>,
        /// The groups that take part.
        groups: Vec<GroupId>,
    },
    /// A configuration took effect in a group.
    Configured {
        /// Its number.
        num: u64,
        /// Its digest.
        digest: u64,
    },
    /// A shard that nobody served before is served.
    Served {
        /// From this configuration on.
        num: u64,
        /// This shard.
        shard: ShardId,
    },
    /// A shard is served no longer.
    Frozen {
        /// From this configuration on.
        num: u64,
        /// This shard.
        shard: ShardId,
        /// Who gets it.
        to: GroupId,
        /// Digest of what it holds.
        payload: u64,
    },
    /// A copy of a shard was sent to its new group.
    TransferSent {
        /// In this configuration.
        num: u64,
        /// This shard.
        shard: ShardId,
    },
    /// A shard arrived and is served.
    Installed {
        /// In this configuration.
        num: u64,
        /// This shard.
        shard: ShardId,
        /// Digest of what it holds.
        payload: u64,
    },
    /// The copy of a shard that left was deleted.
    Dropped {
        /// In this configuration.
        num: u64,
        /// This shard.
        shard: ShardId,
    },
    /// A mutation was executed in a shard.
    Executed {
        /// This shard.
        shard: ShardId,
        /// Its version afterwards.
        version: u64,
        /// Who asked.
        client: ClientId,
        /// Under which number.
        seq: u64,
        /// Digest of the request.
        request: u64,
        /// Digest of the reply.
        reply: u64,
    },
    /// A transaction began at its coordinator.
    Begun {
        /// This transaction.
        id: TransactionId,
        /// Under this attempt.
        attempt: Attempt,
    },
    /// A participant can commit.
    Prepared {
        /// This transaction.
        id: TransactionId,
        /// Under this attempt.
        attempt: Attempt,
    },
    /// The coordinator decided.
    Decided {
        /// This transaction.
        id: TransactionId,
        /// Under this attempt.
        attempt: Attempt,
        /// Digest of what it does; `None`: it aborts.
        commit: Option<u64>,
    },
    /// A participant that had prepared learnt the decision.
    Finished {
        /// This transaction.
        id: TransactionId,
        /// Under this attempt.
        attempt: Attempt,
        /// Digest of what it does; `None`: it aborts.
        commit: Option<u64>,
    },
    /// The coordinator forgot a decision that every participant knows.
    Forgotten {
        /// This transaction.
        id: TransactionId,
        /// Under this attempt.
        attempt: Attempt,
    },
}

impl ShardEvent {
    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ConfigurationMade { .. } => "configuration-made",
            Self::Configured { .. } => "configured",
            Self::Served { .. } => "shard-served",
            Self::Frozen { .. } => "shard-frozen",
            Self::TransferSent { .. } => "transfer-sent",
            Self::Installed { .. } => "shard-installed",
            Self::Dropped { .. } => "shard-dropped",
            Self::Executed { .. } => "shard-executed",
            Self::Begun { .. } => "transaction-begun",
            Self::Prepared { .. } => "transaction-prepared",
            Self::Decided { .. } => "transaction-decided",
            Self::Finished { .. } => "transaction-finished",
            Self::Forgotten { .. } => "transaction-forgotten",
        }
    }
}
