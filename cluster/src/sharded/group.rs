//! A replica of a shard group: agreement, the group's state, and whoever waits for answers.
//!
//! Requests are proposed by the leader, applied by every replica in slot order, and answered by the leader. What the
//! leader does beyond that is in its duties: it is lost with the leadership, and only ever proposes entries and sends
//! messages, so that nothing depends on it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::command::{GroupCommand, TransactionId};
use super::configuration::{GroupId, Groups};
use super::duties::Duties;
use super::message::GroupMessage;
use super::state::{Consequence, GroupState, Obstacle, Step};
use crate::bugs::Bug;
use crate::encoding::encode_onto;
use crate::event::Event;
use crate::message::Message;
use crate::node::{Effects, Input, Micros, Node, NodeId, Stored};
use crate::paxos::{self, Ballot, Command, Entry, Outlet, Paxos, Slot, Snapshot};
use crate::replica::Nothing;
use crate::session::{ClientId, Outcome, Request};

/// Who a replica of a shard group is, and how it runs.
#[derive(Clone, Debug)]
pub struct GroupConfig {
    /// Which group.
    pub group: GroupId,
    /// Its part in the agreement.
    pub paxos: paxos::Config,
    /// The replicas of the controller.
    pub controllers: Vec<NodeId>,
    /// Every group that may ever take part.
    pub directory: Groups,
    /// How many shards there are.
    pub shards: usize,
    /// How often a leader sees to its duties.
    pub tick: Micros,
}

/// The timers of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum GroupTimer {
    /// Those of the agreement.
    Paxos(paxos::Timer),
    /// A leader sees to its duties.
    Tick,
}

/// A client that waits for its request to be answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiter {
    seq: u64,
    /// Where it is.
    address: NodeId,
}

/// The state machine of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    pub(super) paxos: Paxos<GroupCommand>,
    pub(super) state: GroupState,
    applied: Slot,
    led: Option<Ballot>,
    waiting: BTreeMap<ClientId, Waiter>,
    /// Digests of what this leader proposed and has not applied yet: nothing is proposed twice at a time.
    proposed: BTreeSet<u64>,
    pub(super) duties: Duties,
}

impl Node for Group {
    type Config = GroupConfig;
    type Message = Message;
    type Timer = GroupTimer;
    type Record = paxos::Record<GroupCommand>;
    type Invocation = Nothing;
    type Answer = Nothing;
    type Event = Event;

    fn boot(
        config: &GroupConfig,
        incarnation: u64,
        disk: &[Stored<Self::Record>],
        effects: &mut Effects<Self>,
    ) -> Self {
        let mut within = Within { group: config.group, effects };
        let paxos = Paxos::start(&config.paxos, incarnation, disk, &mut within);
        let mut group = Self {
            paxos,
            state: GroupState::new(config.group, config.shards),
            applied: Slot::ZERO,
            led: None,
            waiting: BTreeMap::new(),
            proposed: BTreeSet::new(),
            duties: Duties::default(),
        };
        if group.restore(config) {
            let (last, state) = (group.applied, group.state.digest());
            effects.event(Event::SnapshotRestored { last, state, version: 0 });
        }
        group.settle(config, effects);
        group
    }

    fn on(&mut self, config: &GroupConfig, now: Micros, input: Input<Self>, effects: &mut Effects<Self>) {
        match input {
            Input::Message { from, message: Message::Group { group, message } } if group == config.group => {
                match message {
                    GroupMessage::Paxos(message) => {
                        self.agree(config, now, Input::Message { from, message }, effects);
                    }
                    GroupMessage::Request(request) => self.on_request(config, from, request, effects),
                    GroupMessage::Configuration(configuration) => {
                        self.on_configuration(config, configuration, effects);
                    }
                    GroupMessage::Peer { from: peer, message } => {
                        self.on_peer(config, from, peer, message, effects);
                    }
                }
            }
            Input::Message { .. } => {}
            Input::Timer(GroupTimer::Paxos(timer)) => self.agree(config, now, Input::Timer(timer), effects),
            Input::Timer(GroupTimer::Tick) => self.on_tick(config, effects),
            Input::Invoke(nothing) => match nothing {},
        }
        self.settle(config, effects);
    }
}

/// An agreement's effects are those of its group's replica, whose messages name the group.
struct Within<'a> {
    group: GroupId,
    effects: &'a mut Effects<Group>,
}

impl Outlet<GroupCommand> for Within<'_> {
    fn persist(&mut self, record: paxos::Record<GroupCommand>) {
        self.effects.persist(record);
    }

    fn replace(&mut self, records: Vec<paxos::Record<GroupCommand>>) {
        self.effects.replace(records);
    }

    fn send(&mut self, to: NodeId, message: paxos::Message<GroupCommand>) {
        let message = GroupMessage::Paxos(message);
        self.effects.send(to, Message::Group { group: self.group, message });
    }

    fn event(&mut self, event: Event) {
        self.effects.event(event);
    }

    fn arm(&mut self, timer: paxos::Timer, range: RangeInclusive<Micros>) {
        self.effects.arm(GroupTimer::Paxos(timer), range);
    }

    fn cancel(&mut self, timer: paxos::Timer) {
        self.effects.cancel(GroupTimer::Paxos(timer));
    }
}

impl Group {
    /// Its part in the agreement.
    pub fn paxos(&self) -> &Paxos<GroupCommand> {
        &self.paxos
    }

    /// What it applied.
    pub fn state(&self) -> &GroupState {
        &self.state
    }

    /// The end of what it applied.
    pub fn applied(&self) -> Slot {
        self.applied
    }

    /// Whether it leads its group, as far as it knows.
    pub fn is_leading(&self) -> bool {
        self.paxos.leading().is_some()
    }

    fn agree(
        &mut self,
        config: &GroupConfig,
        now: Micros,
        input: Input<Paxos<GroupCommand>>,
        effects: &mut Effects<Self>,
    ) {
        self.paxos.step(&config.paxos, now, input, &mut Within { group: config.group, effects });
    }

    /// Brings leadership, application and waiting clients up to date with the agreement.
    fn settle(&mut self, config: &GroupConfig, effects: &mut Effects<Self>) {
        let leading = self.paxos.leading();
        if leading != self.led {
            self.led = leading;
            self.waiting.clear();
            self.proposed.clear();
            self.duties = Duties::default();
            match leading {
                Some(_) => effects.arm(GroupTimer::Tick, config.tick..=config.tick),
                None => effects.cancel(GroupTimer::Tick),
            }
            if leading.is_some() && config.paxos.bugs.has(Bug::PreparedForgotten) {
                self.state.prepared.clear();
            }
        }
        if self.restore(config) {
            let (last, state) = (self.applied, self.state.digest());
            effects.event(Event::SnapshotInstalled { last, state, version: 0 });
        }
        // A group of one applies what it proposes in the same step, which may call for another entry.
        while self.applied < self.paxos.log().commit() {
            self.apply(config, self.applied.next(), effects);
        }
        self.compact(config, effects);
        assert!(self.waiting.len() <= config.paxos.limits.in_flight_max, "waiting clients are bounded");
    }

    /// Takes over the snapshot of the agreement, if it has a new one.
    fn restore(&mut self, config: &GroupConfig) -> bool {
        let Some(snapshot) = self.paxos.take_restored() else { return false };
        // Only damage taken for data does not decode.
        let restored = postcard::from_bytes(&snapshot.state);
        self.state = restored.unwrap_or_else(|_| GroupState::new(config.group, config.shards));
        self.applied = snapshot.last;
        // A snapshot does not tell what those requests came to.
        self.waiting.clear();
        self.proposed.clear();
        true
    }

    /// Puts a snapshot in the place of the log, once that is long enough.
    fn compact(&mut self, config: &GroupConfig, effects: &mut Effects<Self>) {
        if !self.paxos.is_compaction_due(&config.paxos, self.applied) {
            return;
        }
        let mut state = Vec::new();
        encode_onto(&self.state, &mut state);
        let snapshot = Snapshot { last: self.applied, state: state.into() };
        self.paxos.compact(&config.paxos, snapshot, &mut Within { group: config.group, effects });
    }

    fn apply(&mut self, config: &GroupConfig, slot: Slot, effects: &mut Effects<Self>) {
        let entry = self.paxos.log().chosen(slot).expect("only chosen slots are applied").clone();
        self.applied = slot;
        let mut step = Step::new(slot, config.paxos.bugs);
        if let Entry::Command(command) = &entry {
            self.proposed.remove(&command.digest());
            self.state.apply(command, &mut step);
        }
        effects.event(Event::Applied { slot, entry: entry.digest(), state: self.state.digest() });
        step.events.into_iter().for_each(|event| effects.event(Event::Shard(event)));
        if self.led.is_some() {
            for consequence in step.consequences {
                self.act(config, consequence, effects);
            }
        }
    }

    /// Proposes an entry, unless the same is under way.
    /// Whether it is under way now.
    pub(super) fn propose(
        &mut self,
        config: &GroupConfig,
        command: GroupCommand,
        effects: &mut Effects<Self>,
    ) -> bool {
        let digest = command.digest();
        if self.led.is_none() || self.proposed.contains(&digest) {
            return self.led.is_some();
        }
        let mut within = Within { group: config.group, effects };
        let slot = self.paxos.propose(&config.paxos, command, &mut within);
        if slot.is_some() {
            self.proposed.insert(digest);
        }
        slot.is_some()
    }

    fn on_request(
        &mut self,
        config: &GroupConfig,
        from: NodeId,
        request: Request,
        effects: &mut Effects<Self>,
    ) {
        if self.led.is_none() {
            let hint = self.paxos.leader_hint().filter(|hint| *hint != config.paxos.id);
            return respond(from, &request, Outcome::NotLeader { hint }, effects);
        }
        match self.state.stored(&request, config.paxos.bugs) {
            Some(Some(outcome)) => return answer(from, &request, outcome, effects),
            Some(None) => return,
            None => {}
        }
        if let Some(waiter) = self.waiting.get_mut(&request.client)
            && waiter.seq == request.seq
        {
            waiter.address = from;
            return;
        }
        if let Some(obstacle) = self.obstacle(config, &request) {
            return respond(from, &request, obstacle.rejection(), effects);
        }
        if self.waiting.len() < config.paxos.limits.in_flight_max {
            let (client, waiter) = (request.client, Waiter { seq: request.seq, address: from });
            if self.propose(config, GroupCommand::Client(request), effects) {
                self.waiting.insert(client, waiter);
            }
        }
    }

    /// What can be said against a request without an entry: a rejection is never stored, so it may be out of date.
    fn obstacle(&self, config: &GroupConfig, request: &Request) -> Option<Obstacle> {
        let bugs = config.paxos.bugs;
        if bugs.has(Bug::ServedBeforeInstall) || bugs.has(Bug::ServedAfterFreeze) {
            return None;
        }
        let owners: BTreeSet<GroupId> = self
            .state
            .shards_of(&request.operation)
            .into_iter()
            .map(|shard| self.state.configuration().owner(shard))
            .collect();
        let home = *self.state.shards_of(&request.operation).first()?;
        if self.state.configuration().owner(home) != config.group {
            return Some(Obstacle::NotServed);
        }
        let drains = self.duties.next.is_some() && !bugs.has(Bug::ReconfigurationIgnoresLocks);
        if owners.len() > 1 && drains {
            return Some(Obstacle::Locked);
        }
        let id = TransactionId { client: request.client, seq: request.seq };
        self.state.obstacle(&request.operation, id, bugs)
    }

    /// Tells the client that waits for this request, if there still is one.
    pub(super) fn tell(
        &mut self,
        client: ClientId,
        seq: u64,
        answered: Option<(bool, Outcome)>,
        effects: &mut Effects<Self>,
    ) {
        if self.waiting.get(&client).is_none_or(|waiter| waiter.seq != seq) {
            return;
        }
        let waiter = self.waiting.remove(&client).expect("just seen");
        let Some((mutation, outcome)) = answered else { return };
        if matches!(outcome, Outcome::Reply(_)) {
            effects.event(Event::ReplySent { client, seq, mutation, reply: outcome.digest() });
        }
        effects.send(waiter.address, Message::Response { client, seq, outcome });
    }

    fn act(&mut self, config: &GroupConfig, consequence: Consequence, effects: &mut Effects<Self>) {
        match consequence {
            Consequence::Answer { client, seq, mutation, outcome } => {
                self.tell(client, seq, Some((mutation, outcome)), effects);
            }
            Consequence::Dismiss { client, seq } => self.tell(client, seq, None, effects),
            other => self.follow_up(config, other, effects),
        }
    }
}

fn respond(to: NodeId, request: &Request, outcome: Outcome, effects: &mut Effects<Group>) {
    effects.send(to, Message::Response { client: request.client, seq: request.seq, outcome });
}

fn answer(to: NodeId, request: &Request, outcome: Outcome, effects: &mut Effects<Group>) {
    let (mutation, reply) = (request.operation.is_mutation(), outcome.digest());
    effects.event(Event::ReplySent { client: request.client, seq: request.seq, mutation, reply });
    respond(to, request, outcome, effects);
}
