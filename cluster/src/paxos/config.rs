//! How a replica is set up: who is in its group, its spans of time, and a bound for everything that could grow.
//!
//! Configuration is never part of a node's state, and nothing here changes while a node runs.

use alloc::vec::Vec;

use super::{Ballot, ReadPath};
use crate::bugs::{Bug, Bugs};
use crate::node::{Micros, NodeId};

/// Spans of time, in the node's own time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How often a leader shows that it is alive.
    pub heartbeat: Micros,
    /// How long a replica trusts a silent leader: the shortest election time.
    pub quiet: Micros,
    /// The longest rest between losing that trust and standing for election.
    pub rest: Micros,
    /// How long an unanswered message waits to be sent again.
    pub resend: Micros,
    /// How wrong the rate of a clock may be before leases fail, in parts per million.
    pub clock_error_ppm: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Micros::from_millis(30),
            quiet: Micros::from_millis(150),
            rest: Micros::from_millis(150),
            resend: Micros::from_millis(40),
            clock_error_ppm: 50_000,
        }
    }
}

/// Bounds of everything that could grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Slots in the log above the snapshot; nothing is accepted beyond it. A leader that cannot compact drops new
    /// commands, and an event says so.
    pub log_slots_max: u64,
    /// A snapshot is taken when more slots than this were applied above the last one.
    pub compaction_slots: u64,
    /// Proposals in flight; beyond it new commands are dropped and an event says so.
    pub in_flight_max: usize,
    /// Entries in one message.
    pub batch_entries_max: usize,
    /// About how many bytes of entries are in one message; the first entry always goes.
    pub batch_bytes_max: usize,
    /// Batches sent again to one peer at a time.
    pub resend_batches_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            log_slots_max: 100_000,
            compaction_slots: 1_000,
            in_flight_max: 128,
            batch_entries_max: 256,
            batch_bytes_max: 40_000,
            resend_batches_max: 4,
        }
    }
}

/// Who a replica is, and how it runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its address.
    pub id: NodeId,
    /// The whole group, itself included, in ascending order.
    pub members: Vec<NodeId>,
    /// Spans of time.
    pub timing: Timing,
    /// Bounds.
    pub limits: Limits,
    /// How reads are served.
    pub reads: ReadPath,
    /// Bugs switched on.
    pub bugs: Bugs,
}

impl Config {
    /// With the usual timing and limits.
    pub fn new(id: NodeId, mut members: Vec<NodeId>) -> Self {
        members.sort_unstable();
        members.dedup();
        assert!(members.contains(&id), "a replica is a member of its own group");
        let (timing, limits) = (Timing::default(), Limits::default());
        Self { id, members, timing, limits, reads: ReadPath::default(), bugs: Bugs::NONE }
    }

    /// How many votes decide.
    pub fn quorum(&self) -> usize {
        assert!(!self.members.is_empty(), "a group has members");
        if self.bugs.has(Bug::QuorumOfHalf) {
            return (self.members.len() / 2).max(1);
        }
        self.members.len() / 2 + 1
    }

    /// Everybody else.
    pub fn peers(&self) -> impl Iterator<Item = NodeId> {
        self.members.iter().copied().filter(|member| *member != self.id)
    }

    /// Whether a ballot could have been written: damage that a bug takes for data must not stop the node from starting.
    pub(super) fn is_plausible(&self, ballot: Ballot) -> bool {
        const ROUND_MAX: u64 = 1 << 48;
        ballot.round < ROUND_MAX && self.members.contains(&ballot.node)
    }
}
