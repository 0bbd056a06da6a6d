//! Ghost events: what monitors, triggers and reports see of a node.
//!
//! Events leave a node like messages, only once the step that emitted them is durable; they are not state, and no
//! node reads one. Values and states appear as digests. One enum serves all modes, so that monitors need not know
//! which one runs.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::Serialize;

use crate::paxos::{Ballot, Slot};
use crate::primary_backup::ViewEvent;
use crate::session::ClientId;
use crate::sharded::configuration::GroupId;
use crate::sharded::event::ShardEvent;

/// Something that happened in a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Event {
    /// It started.
    Booted {
        /// Which start this is.
        incarnation: u64,
        /// The highest ballot that the disk promises.
        promised: Ballot,
        /// What the disk holds as accepted.
        accepted: Arc<[(Slot, Ballot)]>,
        /// The last slot that the disk's snapshot stands for.
        snapshot: Slot,
        /// Whether it lost its disk, or part of it, and never votes again (a single server: never serves again).
        learner: bool,
    },
    /// It stands for election.
    Candidate {
        /// Under this ballot.
        ballot: Ballot,
    },
    /// It was elected.
    Leader {
        /// Under this ballot.
        ballot: Ballot,
        /// The highest slot that phase 1 showed as accepted or chosen.
        recovered: Slot,
    },
    /// It ended its leadership or candidacy.
    StepDown {
        /// Of this ballot.
        ballot: Ballot,
        /// Why.
        reason: StepDownReason,
    },
    /// It promised to accept nothing below a ballot.
    PromiseSent {
        /// This one.
        ballot: Ballot,
    },
    /// It accepted entries and says so (a leader: to itself).
    AcceptedSent {
        /// In this ballot.
        ballot: Ballot,
        /// At these slots.
        slots: Vec<Slot>,
    },
    /// It proposed an entry.
    ProposalSent {
        /// In this ballot.
        ballot: Ballot,
        /// At this slot.
        slot: Slot,
        /// Digest of the entry.
        entry: u64,
    },
    /// It counted a majority.
    Chosen {
        /// For this slot.
        slot: Slot,
        /// In this ballot.
        ballot: Ballot,
        /// Digest of the entry.
        entry: u64,
    },
    /// Its chosen prefix grew.
    Committed {
        /// Up to here.
        slot: Slot,
    },
    /// It learned chosen entries from a peer.
    Learned {
        /// Up to here.
        slot: Slot,
    },
    /// It applied an entry.
    Applied {
        /// At this slot.
        slot: Slot,
        /// Digest of the entry.
        entry: u64,
        /// Digest of the state afterwards.
        state: u64,
    },
    /// It executed a request.
    Executed {
        /// Of this client.
        client: ClientId,
        /// With this number.
        seq: u64,
        /// The shard's version afterwards.
        version: u64,
        /// Whether the request may change something.
        mutation: bool,
        /// Digest of the reply.
        reply: u64,
    },
    /// It answered a request.
    ReplySent {
        /// Of this client.
        client: ClientId,
        /// With this number.
        seq: u64,
        /// Whether the request may change something.
        mutation: bool,
        /// Digest of the reply.
        reply: u64,
    },
    /// It dropped a request: the log, or what may be in flight, is full.
    LogFull {
        /// The slot that would have been next.
        slot: Slot,
    },
    /// It put a snapshot in the place of its log.
    SnapshotWritten {
        /// Up to this slot.
        last: Slot,
        /// How many bytes the state has.
        bytes: u64,
    },
    /// The first part of a snapshot came from a peer.
    SnapshotInstalling {
        /// Up to this slot.
        last: Slot,
        /// How many bytes the state has.
        bytes: u64,
    },
    /// It took over a snapshot from a peer.
    SnapshotInstalled {
        /// Up to this slot.
        last: Slot,
        /// Digest of the state.
        state: u64,
        /// The shard's version.
        version: u64,
    },
    /// It started from the snapshot on its disk.
    SnapshotRestored {
        /// Up to this slot.
        last: Slot,
        /// Digest of the state.
        state: u64,
        /// The shard's version.
        version: u64,
    },
    /// In the mode primary-backup.
    View(ViewEvent),
    /// Something happened to a shard, a configuration or a transaction.
    Shard(ShardEvent),
    /// Something happened in one of several groups.
    InGroup {
        /// Which.
        group: GroupId,
        /// What.
        event: Box<Event>,
    },
}

/// Why a leader or candidate became a follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepDownReason {
    /// A higher ballot was seen.
    Preempted,
    /// No majority answered in an election period.
    Unheard,
    /// It could not learn what it knew to be chosen.
    Behind,
}

impl Event {
    /// The name of its kind, for triggers and statistics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Booted { .. } => "booted",
            Self::Candidate { .. } => "candidate",
            Self::Leader { .. } => "leader-elected",
            Self::StepDown { .. } => "step-down",
            Self::PromiseSent { .. } => "promise-sent",
            Self::AcceptedSent { .. } => "accepted-sent",
            Self::ProposalSent { .. } => "proposal-sent",
            Self::Chosen { .. } => "chosen",
            Self::Committed { .. } => "committed",
            Self::Learned { .. } => "learned",
            Self::Applied { .. } => "applied",
            Self::Executed { .. } => "executed",
            Self::ReplySent { .. } => "reply-sent",
            Self::LogFull { .. } => "log-full",
            Self::SnapshotWritten { .. } => "snapshot-written",
            Self::SnapshotInstalling { .. } => "snapshot-installing",
            Self::SnapshotInstalled { .. } => "snapshot-installed",
            Self::SnapshotRestored { .. } => "snapshot-restored",
            Self::View(event) => event.kind(),
            Self::Shard(event) => event.kind(),
            Self::InGroup { event, .. } => event.kind(),
        }
    }

    /// Every kind there is.
    pub const KINDS: &[&str] = &[
        "booted",
        "candidate",
        "leader-elected",
        "step-down",
        "promise-sent",
        "accepted-sent",
        "proposal-sent",
        "chosen",
        "committed",
        "learned",
        "applied",
        "executed",
        "reply-sent",
        "log-full",
        "snapshot-written",
        "snapshot-installing",
        "snapshot-installed",
        "snapshot-restored",
        "view-chosen",
        "view-acked",
        "server-started",
        "view-entered",
        "state-installed",
        "view-acknowledged",
        "operation-performed",
        "operation-completed",
        "configuration-made",
        "configured",
        "shard-served",
        "shard-frozen",
        "transfer-sent",
        "shard-installed",
        "shard-dropped",
        "shard-executed",
        "transaction-begun",
        "transaction-prepared",
        "transaction-decided",
        "transaction-finished",
        "transaction-forgotten",
    ];
}
