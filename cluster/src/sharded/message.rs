//! What the parts of a sharded cluster say to each other.
//!
//! A host carries replicas of several groups, so every message names the group that it is for. Groups speak to groups
//! through whoever leads them; a message that reaches somebody else is passed on or sent again.

use alloc::sync::Arc;

use serde::{Deserialize, Serialize};

use super::command::{Assignment, Attempt, Commit, GroupCommand, Transaction, TransactionId};
use super::configuration::{Configuration, GroupId, ShardId};
use crate::paxos;
use crate::session::{Request, Shard};

/// A message to a shard group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GroupMessage {
    /// Its replicas among themselves.
    Paxos(paxos::Message<GroupCommand>),
    /// A client asks.
    Request(Request),
    /// The controller answers what was asked for: a configuration.
    Configuration(Arc<Configuration>),
    /// Another group speaks.
    Peer {
        /// Which.
        from: GroupId,
        /// What it says.
        message: PeerMessage,
    },
}

/// What groups say to each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PeerMessage {
    /// This shard is yours.
    Transfer {
        /// In the configuration of this number.
        num: u64,
        /// This shard.
        shard: ShardId,
        /// What it holds.
        payload: Arc<Shard>,
    },
    /// The shard is installed: drop your copy.
    TransferAck {
        /// In the configuration of this number.
        num: u64,
        /// This shard.
        shard: ShardId,
    },
    /// Can you commit this?
    Prepare(Transaction),
    /// An answer to that.
    Vote {
        /// The transaction.
        id: TransactionId,
        /// The attempt.
        attempt: Attempt,
        /// What it read; `None`: no.
        values: Option<Arc<[Assignment]>>,
    },
    /// The coordinator decided.
    Decision {
        /// The transaction.
        id: TransactionId,
        /// The attempt.
        attempt: Attempt,
        /// What it does; `None`: it aborts.
        commit: Option<Commit>,
    },
    /// The decision is in the log here.
    Finished {
        /// The transaction.
        id: TransactionId,
        /// The attempt.
        attempt: Attempt,
    },
}

/// A message to the controller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ControllerMessage {
    /// Its replicas among themselves.
    Paxos(paxos::Message<Request>),
    /// An administrator, or a client that reads configurations, asks.
    Request(Request),
    /// Asks any replica for a configuration that it has applied; a replica that has not says nothing.
    Fetch {
        /// The group that asks; none: a client.
        group: Option<GroupId>,
        /// The number of the configuration; none: the latest that it knows.
        num: Option<u64>,
    },
}

impl GroupMessage {
    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Paxos(message) => message.kind(),
            Self::Request(_) => "request",
            Self::Configuration(_) => "configuration",
            Self::Peer { message, .. } => message.kind(),
        }
    }
}

impl PeerMessage {
    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Transfer { .. } => "shard-transfer",
            Self::TransferAck { .. } => "shard-transfer-ack",
            Self::Prepare(_) => "transaction-prepare",
            Self::Vote { .. } => "transaction-vote",
            Self::Decision { .. } => "transaction-decision",
            Self::Finished { .. } => "transaction-finished",
        }
    }

    /// Every kind there is.
    pub const KINDS: &[&str] = &[
        "shard-transfer",
        "shard-transfer-ack",
        "transaction-prepare",
        "transaction-vote",
        "transaction-decision",
        "transaction-finished",
    ];
}

impl ControllerMessage {
    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Paxos(message) => message.kind(),
            Self::Request(_) => "request",
            Self::Fetch { .. } => "configuration-request",
        }
    }
}
