//! Multi-Paxos with a stable leader, generic over what is agreed on (Lamport, *Paxos Made Simple*, 2001).
//!
//! A leader prepares once for the whole rest of the log, then needs one round trip per entry. What is accepted is
//! durable before it is reported; what is chosen is never proposed again. This module holds the types, the dispatch
//! and the election timer; it does not know what entries mean nor when they are applied.

mod acceptor;
mod config;
mod leader;
mod learner;
mod log;
mod message;
mod outlet;
mod reads;
mod snapshot;
#[cfg(test)]
mod tests;

use alloc::vec;
use alloc::vec::Vec;
use core::fmt::{self, Debug};
use core::hash::Hash;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bugs::Bug;
use crate::digest::Digest;
use crate::event::{Event, StepDownReason};
use crate::node::{Effects, Input, Micros, Node, NodeId, Stored};

pub use config::{Config, Limits, Timing};
use leader::Role;
pub use log::Log;
pub use message::{Message, PromisePage};
pub use outlet::Outlet;
use reads::Answer;
pub use reads::{ReadPath, ReadPermit};
pub use snapshot::Snapshot;
use snapshot::{Page, Transfers};

/// Numbers leaderships: ordered by round, then by node, so that no two nodes ever use the same one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "(u64, NodeId)", from = "(u64, NodeId)")]
pub struct Ballot {
    /// Grows with every attempt.
    pub round: u64,
    /// Whose leadership it is.
    pub node: NodeId,
}

impl Ballot {
    /// Below every ballot in use.
    pub const ZERO: Self = Self { round: 0, node: NodeId(0) };
}

impl Default for Ballot {
    fn default() -> Self {
        Self::ZERO
    }
}

impl From<(u64, NodeId)> for Ballot {
    fn from((round, node): (u64, NodeId)) -> Self {
        Self { round, node }
    }
}

impl From<Ballot> for (u64, NodeId) {
    fn from(ballot: Ballot) -> Self {
        (ballot.round, ballot.node)
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.round, self.node)
    }
}

impl Debug for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A place in the log, from 1.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub u64);

impl Slot {
    /// Before the first slot: nothing yet.
    pub const ZERO: Self = Self(0);

    /// The slot after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a group agrees on.
pub trait Command: Clone + Ord + Hash + Debug + Serialize + DeserializeOwned + 'static {
    /// A stable digest.
    fn digest(&self) -> u64;
    /// About how many bytes it takes on the wire.
    fn size_bytes(&self) -> usize;
}

/// What a slot holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Entry<C> {
    /// Nothing: a hole that a new leader filled.
    Noop,
    /// A command.
    Command(C),
}

impl<C: Command> Entry<C> {
    /// A stable digest.
    pub fn digest(&self) -> u64 {
        match self {
            Self::Noop => Digest::new(8).finish(),
            Self::Command(command) => Digest::new(9).word(command.digest()).finish(),
        }
    }

    /// About how many bytes it takes on the wire, with slot and ballot.
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Noop => 32,
            Self::Command(command) => 48 + command.size_bytes(),
        }
    }
}

/// The three timers of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// A leader shows that it is alive.
    Heartbeat,
    /// Nothing was heard of a leader; for a leader: nothing was heard of a majority.
    Election,
    /// Unanswered messages are sent again.
    Resend,
}

/// One durable write.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Record<C> {
    /// Whose disk this is; written once, before the first boot, and never again.
    Identity {
        /// Its address.
        node: NodeId,
    },
    /// No ballot below this one will be accepted.
    Promise {
        /// This one.
        ballot: Ballot,
    },
    /// An entry was accepted; promises its ballot too.
    Accept {
        /// At this slot.
        slot: Slot,
        /// In this ballot.
        ballot: Ballot,
        /// The entry.
        entry: Entry<C>,
    },
    /// Everything up to a slot, in place of the entries.
    Snapshot(Snapshot),
}

/// What the host writes to a new disk before the first boot.
pub fn identity_records<C>(config: &Config) -> Vec<Record<C>> {
    assert!(config.members.contains(&config.id), "a replica is a member of its own group");
    vec![Record::Identity { node: config.id }]
}

fn is_damaged<C>(stored: &Stored<Record<C>>) -> bool {
    !stored.intact || stored.record.is_none()
}

/// How far the election timer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    /// A leader was heard less than the shortest election time ago: higher ballots of others are refused.
    Heard,
    /// Nobody leads, as far as this replica knows: it promises to whoever asks, and stands when its timer fires.
    Quiet,
}

/// Nobody asks a group for anything but commands, which are proposed by a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Nothing {}

/// One replica's part in the agreement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Paxos<C> {
    role: Role<C>,
    /// Whether its disk is whole, so that it may vote.
    votes: bool,
    /// The highest ballot promised; durable before anything shows it.
    promised: Ballot,
    /// The furthest page of a promise given for `promised`.
    promised_page: Slot,
    log: Log<C>,
    stage: Stage,
    /// Whom it believes to lead.
    heard: Option<NodeId>,
    /// The highest round seen anywhere.
    round_seen: u64,
    /// The first slot of the last request for chosen entries that is still unanswered.
    asked: Option<Slot>,
    /// What stands for the log up to its base, and its way to peers.
    transfers: Transfers,
    /// Records that a bug reports before it writes them.
    deferred: Vec<Record<C>>,
}

impl<C: Command> Node for Paxos<C> {
    type Config = Config;
    type Message = Message<C>;
    type Timer = Timer;
    type Record = Record<C>;
    type Invocation = Nothing;
    type Answer = Nothing;
    type Event = Event;

    fn boot(
        config: &Config,
        incarnation: u64,
        disk: &[Stored<Record<C>>],
        effects: &mut Effects<Self>,
    ) -> Self {
        Self::start(config, incarnation, disk, effects)
    }

    fn on(&mut self, config: &Config, now: Micros, input: Input<Self>, effects: &mut Effects<Self>) {
        self.step(config, now, input, effects);
    }
}

impl<C: Command> Paxos<C> {
    /// What [`Node::boot`] does, for an owner with effects of its own.
    pub fn start(
        config: &Config,
        incarnation: u64,
        disk: &[Stored<Record<C>>],
        effects: &mut impl Outlet<C>,
    ) -> Self {
        let mut paxos = Self::fold(config, disk);
        let accepted = paxos.log.accepted().map(|(slot, ballot, _)| (slot, ballot)).collect();
        effects.event(Event::Booted {
            incarnation,
            promised: paxos.promised,
            accepted,
            snapshot: paxos.log.base(),
            learner: !paxos.votes,
        });
        if !paxos.votes {
            // What is left of a damaged disk must not pass for a whole one at the next boot.
            if disk.iter().any(is_damaged) {
                effects.replace(Vec::new());
            }
        } else if config.members.len() == 1 {
            paxos.stand(config, Micros(0), effects);
        } else if config.reads == ReadPath::Lease {
            // It may have promised to elect nobody else, and does not remember whom it promised that.
            paxos.stage = Stage::Heard;
            effects.arm(Timer::Election, config.timing.quiet..=config.timing.quiet);
        } else {
            paxos.wait(config, effects);
        }
        paxos
    }

    /// What [`Node::on`] does, for an owner with effects of its own.
    pub fn step(&mut self, config: &Config, now: Micros, input: Input<Self>, effects: &mut impl Outlet<C>) {
        let is_timer = matches!(input, Input::Timer(_));
        match input {
            Input::Message { from, message } => {
                if from != config.id && config.members.contains(&from) {
                    self.on_message(config, now, from, message, effects);
                }
            }
            Input::Timer(Timer::Heartbeat) => self.send_heartbeats(config, now, effects),
            Input::Timer(Timer::Election) => self.on_election_timer(config, now, effects),
            Input::Timer(Timer::Resend) => self.on_resend_timer(config, effects),
            Input::Invoke(nothing) => match nothing {},
        }
        self.write_deferred(is_timer, effects);
    }

    /// The state that a disk describes.
    fn fold(config: &Config, disk: &[Stored<Record<C>>]) -> Self {
        let known = disk
            .iter()
            .any(|stored| stored.intact && stored.record == Some(Record::Identity { node: config.id }));
        let damaged = disk.iter().any(is_damaged);
        let votes = config.bugs.has(Bug::WipedReplicaVotes)
            || (known && (!damaged || config.bugs.has(Bug::ChecksumUnchecked)));
        let mut paxos = Self {
            role: Role::Follower,
            votes,
            promised: Ballot::ZERO,
            promised_page: Slot::ZERO,
            log: Log::default(),
            stage: Stage::Quiet,
            heard: None,
            round_seen: 0,
            asked: None,
            transfers: Transfers::default(),
            deferred: Vec::new(),
        };
        if !votes && damaged {
            return paxos;
        }
        let dropped = usize::from(config.bugs.has(Bug::LastRecordDropped) && disk.len() > 1);
        for stored in &disk[..disk.len() - dropped] {
            // A learner's disk holds snapshots only.
            let counts = votes || matches!(stored.record, Some(Record::Snapshot(_)));
            if counts && (stored.intact || config.bugs.has(Bug::ChecksumUnchecked)) {
                paxos.fold_record(config, stored.record.as_ref());
            }
        }
        paxos
    }

    fn fold_record(&mut self, config: &Config, record: Option<&Record<C>>) {
        match record {
            None | Some(Record::Identity { .. }) => {}
            Some(Record::Promise { ballot }) => {
                if config.is_plausible(*ballot) {
                    self.promised = self.promised.max(*ballot);
                }
            }
            Some(Record::Accept { slot, ballot, entry }) => {
                if config.is_plausible(*ballot) && self.log.has_room(*slot, &config.limits) {
                    self.promised = self.promised.max(*ballot);
                    self.log.accept(*slot, *ballot, entry.clone());
                }
            }
            Some(Record::Snapshot(snapshot)) => {
                if snapshot.last > self.log.base() {
                    self.log.install(snapshot.last);
                    self.transfers.restore(snapshot.clone());
                }
            }
        }
    }

    fn on_message(
        &mut self,
        config: &Config,
        now: Micros,
        from: NodeId,
        message: Message<C>,
        effects: &mut impl Outlet<C>,
    ) {
        assert_ne!(from, config.id, "nobody sends messages to itself");
        if let Some(ballot) = message.ballot() {
            self.round_seen = self.round_seen.max(ballot.round);
        }
        match message {
            Message::Prepare { ballot, from: first } => {
                self.on_prepare(config, now, from, ballot, first, effects);
            }
            Message::Promise { ballot, page } => self.on_promise(config, now, from, ballot, page, effects),
            Message::Nack { promised } => self.on_nack(config, now, promised, effects),
            Message::Accept { ballot, first, entries, commit } => {
                self.on_accept(config, from, ballot, (first, entries), commit, effects);
            }
            Message::Accepted { ballot, slots, commit } => {
                self.on_accepted(config, from, ballot, &slots, commit, effects);
            }
            Message::Heartbeat { ballot, commit, id, sent } => {
                let sent =
                    if config.bugs.has(Bug::LeaseByPeerClock) { Self::stamp(config, now) } else { sent };
                let answer = Answer { round: id, sent };
                self.on_heartbeat(config, from, (ballot, commit), answer, effects);
            }
            Message::HeartbeatAck { ballot, commit, id, sent } => {
                let answer = Answer { round: id, sent };
                self.on_heartbeat_ack(config, now, from, (ballot, commit), answer, effects);
            }
            Message::LearnRequest { from: first } => self.on_learn_request(config, from, first, effects),
            Message::InstallSnapshot { last, size, offset, bytes, commit } => {
                let page = Page { last, size, offset, bytes };
                self.on_install_snapshot(config, from, page, commit, effects);
            }
            Message::SnapshotAck { last, received } => {
                self.on_snapshot_ack(config, from, last, received, effects);
            }
            Message::Learn { first, entries, commit } => {
                self.on_learn(config, from, (first, entries), commit, effects);
            }
        }
    }

    /// The log.
    pub fn log(&self) -> &Log<C> {
        &self.log
    }

    /// The highest ballot promised.
    pub fn promised(&self) -> Ballot {
        self.promised
    }

    /// Whether it may vote; a learner only learns.
    pub fn votes(&self) -> bool {
        self.votes
    }

    /// The ballot that it leads.
    pub fn leading(&self) -> Option<Ballot> {
        match &self.role {
            Role::Leader(leader) => Some(leader.ballot()),
            Role::Follower | Role::Candidate(_) => None,
        }
    }

    /// Whom it believes to lead.
    pub fn leader_hint(&self) -> Option<NodeId> {
        self.heard
    }

    /// The name of its role.
    pub fn role(&self) -> &'static str {
        match &self.role {
            _ if !self.votes => "learner",
            Role::Follower => "follower",
            Role::Candidate(_) => "candidate",
            Role::Leader(_) => "leader",
        }
    }

    /// A leader's message with `b ≥ promised` came: the two stages of the election timer start over.
    fn hear(&mut self, config: &Config, leader: NodeId, effects: &mut impl Outlet<C>) {
        assert!(self.votes, "a learner has no election timer");
        self.stage = Stage::Heard;
        self.heard = Some(leader);
        effects.arm(Timer::Election, config.timing.quiet..=config.timing.quiet);
    }

    /// Nobody leads: stand after both stages, but refuse nobody until then.
    fn wait(&mut self, config: &Config, effects: &mut impl Outlet<C>) {
        assert!(self.votes, "a learner has no election timer");
        self.stage = Stage::Quiet;
        self.heard = None;
        let longest = Micros(config.timing.quiet.0 + config.timing.rest.0);
        effects.arm(Timer::Election, config.timing.quiet..=longest);
    }

    fn on_election_timer(&mut self, config: &Config, now: Micros, effects: &mut impl Outlet<C>) {
        if !self.votes {
            return;
        }
        match (&self.role, self.stage) {
            (Role::Leader(_), _) => self.end_period(config, effects),
            (Role::Follower, Stage::Heard) => {
                self.stage = Stage::Quiet;
                self.heard = None;
                effects.arm(Timer::Election, Micros(0)..=config.timing.rest);
            }
            (Role::Follower | Role::Candidate(_), _) => self.stand(config, now, effects),
        }
    }

    /// Ends a leadership or candidacy.
    fn step_down(&mut self, config: &Config, reason: StepDownReason, effects: &mut impl Outlet<C>) {
        let ballot = match &self.role {
            Role::Follower => return,
            Role::Candidate(candidate) => candidate.ballot(),
            Role::Leader(leader) => leader.ballot(),
        };
        assert_eq!(ballot.node, config.id, "one stands only under one's own ballots");
        self.role = Role::Follower;
        effects.event(Event::StepDown { ballot, reason });
        effects.cancel(Timer::Heartbeat);
        effects.cancel(Timer::Resend);
        self.wait(config, effects);
    }

    /// Writes a record, unless a bug leaves it for a later batch.
    fn write(&mut self, config: &Config, record: Record<C>, deferring: Bug, effects: &mut impl Outlet<C>) {
        if config.bugs.has(deferring) {
            self.deferred.push(record);
        } else {
            effects.persist(record);
        }
    }

    fn write_deferred(&mut self, is_timer: bool, effects: &mut impl Outlet<C>) {
        const DEFERRED_MAX: usize = 8;
        if is_timer || self.deferred.len() >= DEFERRED_MAX {
            self.deferred.drain(..).for_each(|record| effects.persist(record));
        }
        assert!(self.deferred.len() < DEFERRED_MAX, "batches are bounded");
    }
}
