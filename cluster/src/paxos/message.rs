//! What replicas of one group say to each other.
//!
//! Messages that carry entries are pages of bounded size: a promise, or what was learned, may take several rounds.

use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Ballot, Entry, Slot};
use crate::node::Micros;

/// A message between replicas.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Message<C> {
    /// Phase 1a, over the whole log from a slot on.
    Prepare {
        /// The candidate's ballot.
        ballot: Ballot,
        /// The first slot of interest.
        from: Slot,
    },
    /// Phase 1b.
    Promise {
        /// The ballot promised.
        ballot: Ballot,
        /// What was accepted or chosen before.
        page: PromisePage<C>,
    },
    /// A refusal.
    Nack {
        /// What the sender promised: above the refused ballot, or not (then it merely trusts its leader).
        promised: Ballot,
    },
    /// Phase 2a, for consecutive slots.
    Accept {
        /// The leader's ballot.
        ballot: Ballot,
        /// The slot of the first entry.
        first: Slot,
        /// The entries.
        entries: Vec<Entry<C>>,
        /// The leader's commit.
        commit: Slot,
    },
    /// Phase 2b.
    Accepted {
        /// The ballot in which they were accepted.
        ballot: Ballot,
        /// Which slots.
        slots: Vec<Slot>,
        /// The sender's commit.
        commit: Slot,
    },
    /// The leader is alive.
    Heartbeat {
        /// Its ballot.
        ballot: Ballot,
        /// Its commit.
        commit: Slot,
        /// Its number.
        id: u64,
        /// When it was sent, by the leader's clock; 0 where no lease counts on it.
        sent: Micros,
    },
    /// The sender had promised no higher ballot when it saw the heartbeat.
    HeartbeatAck {
        /// The ballot of the heartbeat.
        ballot: Ballot,
        /// The sender's commit.
        commit: Slot,
        /// The number of the heartbeat.
        id: u64,
        /// When the heartbeat was sent, as it said.
        sent: Micros,
    },
    /// Asks for chosen entries.
    LearnRequest {
        /// The first slot of interest.
        from: Slot,
    },
    /// Chosen entries of consecutive slots.
    Learn {
        /// The slot of the first entry.
        first: Slot,
        /// The entries.
        entries: Vec<Entry<C>>,
        /// The sender's commit.
        commit: Slot,
    },
    /// Part of a snapshot, for a peer that needs what the sender no longer has entry by entry.
    InstallSnapshot {
        /// The last slot that the snapshot stands for.
        last: Slot,
        /// How many bytes the whole of it has.
        size: u64,
        /// Where these begin.
        offset: u64,
        /// Some of them.
        #[serde(with = "crate::bytes")]
        bytes: Arc<[u8]>,
        /// The sender's commit.
        commit: Slot,
    },
    /// How much of a snapshot arrived; all of it: it is installed and durable, or was not needed.
    SnapshotAck {
        /// The last slot that the snapshot stands for.
        last: Slot,
        /// Bytes so far.
        received: u64,
    },
}

/// One page of a promise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PromisePage<C> {
    /// The first slot that was asked for.
    pub from: Slot,
    /// The sender's commit.
    pub commit: Slot,
    /// What is accepted above the commit.
    pub accepted: Vec<(Slot, Ballot, Entry<C>)>,
    /// What is chosen up to the commit.
    pub chosen: Vec<(Slot, Entry<C>)>,
    /// Where the next page starts; `None`: this is the last.
    pub next: Option<Slot>,
}

impl<C> Message<C> {
    /// The name of its kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Prepare { .. } => "prepare",
            Self::Promise { .. } => "promise",
            Self::Nack { .. } => "nack",
            Self::Accept { .. } => "accept",
            Self::Accepted { .. } => "accepted",
            Self::Heartbeat { .. } => "heartbeat",
            Self::HeartbeatAck { .. } => "heartbeat-ack",
            Self::LearnRequest { .. } => "learn-request",
            Self::Learn { .. } => "learn",
            Self::InstallSnapshot { .. } => "install-snapshot",
            Self::SnapshotAck { .. } => "snapshot-ack",
        }
    }

    /// Every kind there is.
    pub const KINDS: &[&str] = &[
        "prepare",
        "promise",
        "nack",
        "accept",
        "accepted",
        "heartbeat",
        "heartbeat-ack",
        "learn-request",
        "learn",
        "install-snapshot",
        "snapshot-ack",
    ];

    /// The ballot that it speaks of.
    pub fn ballot(&self) -> Option<Ballot> {
        match self {
            Self::Prepare { ballot, .. }
            | Self::Promise { ballot, .. }
            | Self::Accept { ballot, .. }
            | Self::Accepted { ballot, .. }
            | Self::Heartbeat { ballot, .. }
            | Self::HeartbeatAck { ballot, .. }
            | Self::Nack { promised: ballot } => Some(*ballot),
            Self::LearnRequest { .. }
            | Self::Learn { .. }
            | Self::InstallSnapshot { .. }
            | Self::SnapshotAck { .. } => None,
        }
    }
}
