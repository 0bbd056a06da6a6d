//! Reads that leave no entry in the log: by a round of heartbeats, or by a lease.
//!
//! Invariant: a read that is permitted sees every write that was acknowledged before it arrived. A new leader knows
//! that only once everything which phase 1 showed is committed; an older one only as long as nobody else can have been
//! elected. A round of heartbeats proves that as of its start (Ongaro, *Consensus: Bridging Theory and Practice*, 2014,
//! 6.4); a lease, for a span that no clock within the stated error can outrun (Gray, Cheriton, *Leases*, 1989).

use alloc::vec::Vec;

use super::{Command, Config, Outlet, Paxos, Role, Slot, Timing};
use crate::bugs::Bug;
use crate::node::{Micros, NodeId};

use serde::{Deserialize, Serialize};

/// How reads are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadPath {
    /// Through the log, like writes.
    #[default]
    Log,
    /// From the leader's state, once a round of heartbeats has shown that it still leads.
    ReadIndex,
    /// From the leader's state, as long as a majority has promised to elect nobody else. Needs clocks whose rates are
    /// right within [`Timing::clock_error_ppm`] and which never jump.
    Lease,
}

impl ReadPath {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Log, Self::ReadIndex, Self::Lease];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::ReadIndex => "read-index",
            Self::Lease => "lease",
        }
    }
}

/// When a read may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadPermit {
    /// Now, from what is applied.
    Now,
    /// From what is applied then, once this round of heartbeats is confirmed.
    AfterRound(u64),
    /// It has to be proposed like a write.
    Propose,
}

/// What a peer said last to the heartbeats of a leadership.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Answer {
    /// The latest round that it answered.
    pub(super) round: u64,
    /// When that round was sent, by the leader's clock; 0 where no lease counts on it.
    pub(super) sent: Micros,
}

impl Timing {
    /// How long a leader counts on a promise of the length [`Timing::quiet`]. Its own clock may be slow and its peer's
    /// fast, each by the stated error e: L(1 - 2e) of the one end before L of the other, since
    /// (1 - 2e)(1 + e) < 1 - e.
    pub(super) fn lease(&self) -> Micros {
        assert!(self.clock_error_ppm < 500_000, "a lease needs clocks that are right by half");
        Micros(self.quiet.0 * (1_000_000 - 2 * u64::from(self.clock_error_ppm)) / 1_000_000)
    }
}

impl<C: Command> Paxos<C> {
    /// Whether and when a read that arrives now may be served from what is applied.
    pub fn permit_read(&mut self, config: &Config, now: Micros, effects: &mut impl Outlet<C>) -> ReadPermit {
        let commit = self.log.commit();
        let Role::Leader(leader) = &self.role else { return ReadPermit::Propose };
        if !self.knows_all_acknowledged(config, leader.recovered(), commit) {
            return ReadPermit::Propose;
        }
        match config.reads {
            ReadPath::Log => ReadPermit::Propose,
            ReadPath::Lease if self.holds_lease(config, now) => ReadPermit::Now,
            ReadPath::Lease => ReadPermit::Propose,
            ReadPath::ReadIndex => {
                // Only a round that begins now or later proves anything about now. One is under way at a time: the next
                // serves all who came meanwhile.
                let round = leader.round() + 1;
                self.want_round(round);
                self.start_wanted_round(config, now, effects);
                ReadPermit::AfterRound(round)
            }
        }
    }

    /// Whether every write that any leader may have acknowledged before this leadership is applied here.
    fn knows_all_acknowledged(&self, config: &Config, recovered: Slot, commit: Slot) -> bool {
        if config.bugs.has(Bug::ReadUnrecovered) {
            return true;
        }
        commit >= recovered
    }

    /// The latest round of heartbeats that a majority answered; the leader answers itself at once.
    pub fn confirmed_round(&self, config: &Config) -> u64 {
        self.quorum_answer(config, |answer| answer.round)
    }

    fn holds_lease(&self, config: &Config, now: Micros) -> bool {
        let sent = Micros(self.quorum_answer(config, |answer| answer.sent.0));
        now < Micros(sent.0.saturating_add(config.timing.lease().0))
    }

    /// The greatest value that the answers of a majority reach; the leader's own reaches any.
    fn quorum_answer(&self, config: &Config, value: impl Fn(&Answer) -> u64) -> u64 {
        let Role::Leader(leader) = &self.role else { return 0 };
        let mut values: Vec<u64> = config.peers().map(|peer| value(&leader.answer(peer))).collect();
        values.push(u64::MAX);
        values.sort_unstable_by(|first, second| second.cmp(first));
        assert!(config.quorum() <= values.len(), "a majority is part of the group");
        values[config.quorum() - 1]
    }

    /// Starts a round that somebody waits for, unless an earlier one is still under way.
    pub(super) fn start_wanted_round(&mut self, config: &Config, now: Micros, effects: &mut impl Outlet<C>) {
        let Role::Leader(leader) = &self.role else { return };
        let is_wanted = leader.wanted_round() > leader.round();
        if is_wanted && self.confirmed_round(config) >= leader.round() {
            self.send_heartbeats(config, now, effects);
        }
    }

    fn want_round(&mut self, round: u64) {
        let Role::Leader(leader) = &mut self.role else { panic!("only a leader sends heartbeats") };
        leader.want_round(round);
    }

    /// What a heartbeat carries for its answer to bring back: the time, if a lease will be counted from it.
    pub(super) fn stamp(config: &Config, now: Micros) -> Micros {
        if config.reads == ReadPath::Lease { now } else { Micros(0) }
    }

    /// A peer answered a heartbeat.
    pub(super) fn note_answer(
        &mut self,
        config: &Config,
        now: Micros,
        from: NodeId,
        answer: Answer,
        effects: &mut impl Outlet<C>,
    ) {
        let Role::Leader(leader) = &mut self.role else { return };
        let sent = if config.bugs.has(Bug::LeaseFromAnswer) { Self::stamp(config, now) } else { answer.sent };
        let round = if config.bugs.has(Bug::ReadByAnyAnswer) { leader.round() } else { answer.round };
        leader.note_answer(from, Answer { round, sent });
        self.start_wanted_round(config, now, effects);
    }
}
