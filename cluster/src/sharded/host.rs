//! A host of the sharded cluster: replicas of several groups, and perhaps of the controller, on one machine.
//!
//! Groups share the machine and its disk, nothing else. What they say to a replica on the same host does not leave it:
//! it is heard in the same step. A disk that is damaged anywhere is damaged for all of them, since what a damaged
//! record belonged to cannot be trusted either.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::configuration::{GroupId, Groups};
use super::controller::{Controller, SHARDS};
use super::event::ShardEvent;
use super::group::{Group, GroupConfig, GroupTimer};
use super::message::{ControllerMessage, GroupMessage};
use crate::bugs::Bugs;
use crate::digest::Digest;
use crate::event::Event;
use crate::message::Message;
use crate::node::{Effects, Input, Micros, Node, NodeId, Output, Stored, Write};
use crate::paxos::{self, Ballot, Slot};
use crate::replica::{Nothing, Replica, ReplicaConfig, ReplicaRecord, ReplicaTimer, ServerView};
use crate::role::Role;

/// Which host carries what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The replicas of the controller.
    pub controllers: Vec<NodeId>,
    /// The replicas of every shard group.
    pub groups: Groups,
}

/// Replicas per group.
const REPLICAS: usize = 3;

impl Layout {
    /// The controller and `groups` groups of three, spread over these hosts in turn.
    ///
    /// # Panics
    ///
    /// With fewer than three hosts, or without groups.
    pub fn spread(hosts: &[NodeId], groups: u32) -> Self {
        assert!(hosts.len() >= REPLICAS, "a group has three replicas on different hosts");
        assert!(groups > 0, "somebody serves the shards");
        let members = |place: u32| -> Vec<NodeId> {
            let first = place as usize * REPLICAS;
            let mut members: Vec<_> = (first..first + REPLICAS).map(|at| hosts[at % hosts.len()]).collect();
            members.sort_unstable();
            members
        };
        Self {
            controllers: members(0),
            groups: (1..=groups).map(|group| (GroupId(group), members(group))).collect(),
        }
    }
}

/// Who a host is, and what it carries.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Its address.
    pub id: NodeId,
    /// Its replica of the controller.
    pub controller: Option<ReplicaConfig>,
    /// Its replicas of shard groups.
    pub groups: BTreeMap<GroupId, GroupConfig>,
}

impl HostConfig {
    /// With the usual timing and limits.
    pub fn new(id: NodeId, layout: &Layout, bugs: Bugs) -> Self {
        let paxos = |members: &[NodeId]| paxos::Config { bugs, ..paxos::Config::new(id, members.to_vec()) };
        let group = |(group, members): (&GroupId, &Vec<NodeId>)| {
            let config = GroupConfig {
                group: *group,
                paxos: paxos(members),
                controllers: layout.controllers.clone(),
                directory: layout.groups.clone(),
                shards: SHARDS as usize,
                tick: Micros::from_millis(20),
            };
            (*group, config)
        };
        let own = layout.groups.iter().filter(|(_, members)| members.contains(&id));
        Self {
            id,
            controller: layout.controllers.contains(&id).then(|| paxos(&layout.controllers)),
            groups: own.map(group).collect(),
        }
    }
}

impl HostConfig {
    /// Changes the limits of all of its replicas.
    pub fn limit(&mut self, change: impl Fn(&mut paxos::Limits)) {
        let groups = self.groups.values_mut().map(|group| &mut group.paxos);
        self.controller.iter_mut().chain(groups).for_each(|paxos| change(&mut paxos.limits));
    }
}

/// One durable write of one of its replicas.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HostRecord {
    /// Of the controller.
    Controller(ReplicaRecord),
    /// Of a shard group.
    Group {
        /// Which.
        group: GroupId,
        /// What it wrote.
        record: paxos::Record<super::command::GroupCommand>,
    },
}

/// The timers of its replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HostTimer {
    /// Of the controller.
    Controller(ReplicaTimer),
    /// Of a shard group.
    Group(GroupId, GroupTimer),
}

/// What a new disk holds before the first boot.
pub fn identity_records(config: &HostConfig) -> Vec<HostRecord> {
    let controller = config.controller.iter().flat_map(paxos::identity_records).map(HostRecord::Controller);
    let groups = config.groups.iter().flat_map(|(group, config)| {
        let records = paxos::identity_records(&config.paxos).into_iter();
        records.map(|record| HostRecord::Group { group: *group, record })
    });
    controller.chain(groups).collect()
}

/// The state machine of a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    controller: Option<Replica<Controller>>,
    groups: BTreeMap<GroupId, Group>,
}

/// What the replicas on one host say to each other within one step.
type Inside = VecDeque<Message>;

impl Node for Host {
    type Config = HostConfig;
    type Message = Message;
    type Timer = HostTimer;
    type Record = HostRecord;
    type Invocation = Nothing;
    type Answer = Nothing;
    type Event = Event;

    fn boot(
        config: &HostConfig,
        incarnation: u64,
        disk: &[Stored<HostRecord>],
        effects: &mut Effects<Self>,
    ) -> Self {
        let is_damaged = disk.iter().any(|stored| !stored.intact || stored.record.is_none());
        let mut host = Self { controller: None, groups: BTreeMap::new() };
        let mut writes = Vec::new();
        if let Some(replica) = &config.controller {
            let own = records_of(disk, is_damaged, |record| match record {
                HostRecord::Controller(record) => Some(record.clone()),
                HostRecord::Group { .. } => None,
            });
            let mut inner = Effects::new();
            host.controller = Some(Replica::boot(replica, incarnation, &own, &mut inner));
            writes.push(Part::controller(inner));
        }
        for (group, replica) in &config.groups {
            let own = records_of(disk, is_damaged, |record| match record {
                HostRecord::Group { group: of, record } if of == group => Some(record.clone()),
                HostRecord::Group { .. } | HostRecord::Controller(_) => None,
            });
            let mut inner = Effects::new();
            host.groups.insert(*group, Group::boot(replica, incarnation, &own, &mut inner));
            writes.push(Part::group(*group, inner));
        }
        let mut inside = Inside::new();
        for part in writes {
            host.take(config, part, &mut inside, effects);
        }
        host.hear_inside(config, Micros(0), inside, effects);
        host
    }

    fn on(&mut self, config: &HostConfig, now: Micros, input: Input<Self>, effects: &mut Effects<Self>) {
        let mut inside = Inside::new();
        match input {
            Input::Message { from, message } => {
                self.hear(config, now, from, message, &mut inside, effects);
            }
            Input::Timer(HostTimer::Controller(timer)) => {
                self.step_controller(config, now, Input::Timer(timer), &mut inside, effects);
            }
            Input::Timer(HostTimer::Group(group, timer)) => {
                self.step_group(config, now, group, Input::Timer(timer), &mut inside, effects);
            }
            Input::Invoke(nothing) => match nothing {},
        }
        self.hear_inside(config, now, inside, effects);
    }
}

/// The records of one replica; those of a damaged disk are passed on as damaged.
fn records_of<R>(
    disk: &[Stored<HostRecord>],
    is_damaged: bool,
    own: impl Fn(&HostRecord) -> Option<R>,
) -> Vec<Stored<R>> {
    let records = disk.iter().filter_map(|stored| own(stored.record.as_ref()?));
    let whole = records.map(|record| Stored { record: Some(record), intact: true });
    whole.chain(is_damaged.then_some(Stored { record: None, intact: false })).collect()
}

/// The effects of one replica's step, in the host's terms.
struct Part {
    group: GroupId,
    effects: Effects<Host>,
}

impl Part {
    fn controller(inner: Effects<Replica<Controller>>) -> Self {
        let mut effects = Effects::new();
        let wrap = |message| match message {
            Message::Paxos(message) => Message::Controller(ControllerMessage::Paxos(message)),
            other => other,
        };
        effects.absorb(inner, wrap, HostRecord::Controller, HostTimer::Controller);
        Self { group: GroupId::CONTROLLER, effects }
    }

    fn group(group: GroupId, inner: Effects<Group>) -> Self {
        let mut effects = Effects::new();
        let record = |record| HostRecord::Group { group, record };
        effects.absorb(inner, |message| message, record, |timer| HostTimer::Group(group, timer));
        Self { group, effects }
    }
}

impl Host {
    /// Its replica of the controller.
    pub fn controller(&self) -> Option<&Replica<Controller>> {
        self.controller.as_ref()
    }

    /// Its replicas of shard groups.
    pub fn groups(&self) -> &BTreeMap<GroupId, Group> {
        &self.groups
    }

    fn step_controller(
        &mut self,
        config: &HostConfig,
        now: Micros,
        input: Input<Replica<Controller>>,
        inside: &mut Inside,
        effects: &mut Effects<Self>,
    ) {
        let (Some(controller), Some(replica)) = (&mut self.controller, &config.controller) else { return };
        let before = controller.machine().latest().num;
        let mut inner = Effects::new();
        controller.on(replica, now, input, &mut inner);
        for num in before + 1..=controller.machine().latest().num {
            let Some(made) = controller.machine().configuration(Some(num)) else { continue };
            inner.event(Event::Shard(ShardEvent::ConfigurationMade {
                num,
                digest: made.digest(),
                shards: made.shards.clone(),
                groups: made.groups.keys().copied().collect(),
            }));
        }
        self.take(config, Part::controller(inner), inside, effects);
    }

    fn step_group(
        &mut self,
        config: &HostConfig,
        now: Micros,
        group: GroupId,
        input: Input<Group>,
        inside: &mut Inside,
        effects: &mut Effects<Self>,
    ) {
        let (Some(replica), Some(own)) = (self.groups.get_mut(&group), config.groups.get(&group)) else {
            return;
        };
        let mut inner = Effects::new();
        replica.on(own, now, input, &mut inner);
        self.take(config, Part::group(group, inner), inside, effects);
    }

    fn hear(
        &mut self,
        config: &HostConfig,
        now: Micros,
        from: NodeId,
        message: Message,
        inside: &mut Inside,
        effects: &mut Effects<Self>,
    ) {
        match message {
            Message::Group { group, .. } => {
                self.step_group(config, now, group, Input::Message { from, message }, inside, effects);
            }
            Message::Controller(ControllerMessage::Paxos(message)) => {
                let input = Input::Message { from, message: Message::Paxos(message) };
                self.step_controller(config, now, input, inside, effects);
            }
            Message::Controller(ControllerMessage::Request(request)) => {
                let input = Input::Message { from, message: Message::Request(request) };
                self.step_controller(config, now, input, inside, effects);
            }
            Message::Controller(ControllerMessage::Fetch { group, num }) => {
                let known = self.controller.as_ref().and_then(|replica| replica.machine().configuration(num));
                let Some(configuration) = known.map(Arc::clone) else { return };
                let reply = match group {
                    None => Message::Configuration(configuration),
                    Some(group) => {
                        Message::Group { group, message: GroupMessage::Configuration(configuration) }
                    }
                };
                let mut answer = Effects::new();
                answer.send(from, reply);
                self.take(config, Part { group: GroupId::CONTROLLER, effects: answer }, inside, effects);
            }
            _ => {}
        }
    }

    /// What was said to this very host is heard at once.
    fn hear_inside(
        &mut self,
        config: &HostConfig,
        now: Micros,
        mut inside: Inside,
        effects: &mut Effects<Self>,
    ) {
        const MESSAGES_MAX: u32 = 10_000;
        let mut heard = 0;
        while let Some(message) = inside.pop_front() {
            heard += 1;
            assert!(heard < MESSAGES_MAX, "replicas on one host come to an end with each other");
            self.hear(config, now, config.id, message, &mut inside, effects);
        }
    }

    /// Takes over what a replica wants done.
    fn take(&self, config: &HostConfig, part: Part, inside: &mut Inside, effects: &mut Effects<Self>) {
        let Part { group, effects: inner } = part;
        for write in inner.writes {
            effects.writes.push(match write {
                Write::Append(record) => Write::Append(record),
                // The disk is everybody's: what others have on it stays.
                Write::Replace(records) => Write::Replace(self.whole_disk(config, group, records)),
            });
        }
        for output in inner.outputs {
            match output {
                Output::Send { to, message } if to == config.id => inside.push_back(message),
                Output::Event(event) => effects.event(Event::InGroup { group, event: Box::new(event) }),
                other => effects.outputs.push(other),
            }
        }
        effects.timers.extend(inner.timers);
    }

    /// What the disk holds after one replica has replaced its own records by these.
    fn whole_disk(
        &self,
        config: &HostConfig,
        group: GroupId,
        mut records: Vec<HostRecord>,
    ) -> Vec<HostRecord> {
        if group != GroupId::CONTROLLER
            && let (Some(replica), Some(own)) = (&self.controller, &config.controller)
        {
            records.extend(replica.paxos().records(own).into_iter().map(HostRecord::Controller));
        }
        for (other, replica) in self.groups.iter().filter(|(other, _)| **other != group) {
            let Some(own) = config.groups.get(other) else { continue };
            let durable = replica.paxos().records(&own.paxos).into_iter();
            records.extend(durable.map(|record| HostRecord::Group { group: *other, record }));
        }
        records
    }
}

impl Host {
    /// What its replicas agreed on, by group: the controller's first.
    fn agreements(&self) -> impl Iterator<Item = Agreement> {
        let controller = self.controller.iter().map(|replica| Agreement {
            group: GroupId::CONTROLLER,
            leads: replica.is_leader(),
            stands: replica.paxos().role() == Role::Candidate.name(),
            votes: replica.paxos().votes(),
            ballot: replica.ballot(),
            commit: replica.commit(),
            position: (replica.applied(), replica.state_digest()),
            is_at_rest: true,
        });
        let groups = self.groups.iter().map(|(group, replica)| Agreement {
            group: *group,
            leads: replica.is_leading(),
            stands: replica.paxos().role() == Role::Candidate.name(),
            votes: replica.paxos().votes(),
            ballot: replica.paxos().promised(),
            commit: replica.paxos().log().commit(),
            position: (replica.applied(), replica.state().digest()),
            is_at_rest: replica.state().is_at_rest(),
        });
        controller.chain(groups)
    }
}

/// How far one replica is.
struct Agreement {
    group: GroupId,
    leads: bool,
    stands: bool,
    votes: bool,
    ballot: Ballot,
    commit: Slot,
    position: (Slot, u64),
    is_at_rest: bool,
}

/// A host is as far as its replicas are together.
impl ServerView for Host {
    fn role(&self) -> &'static str {
        if self.is_leader() {
            return "leader";
        }
        if self.agreements().all(|agreement| agreement.votes) { "follower" } else { "learner" }
    }

    fn is_leader(&self) -> bool {
        self.agreements().any(|agreement| agreement.leads)
    }

    /// The controller is group 0.
    fn plays(&self, role: Role, group: Option<u32>) -> bool {
        let is_asked = |agreement: &Agreement| group.is_none_or(|group| agreement.group.0 == group);
        match role {
            Role::Leader => self.agreements().filter(is_asked).any(|agreement| agreement.leads),
            Role::Candidate => self.agreements().filter(is_asked).any(|agreement| agreement.stands),
            Role::Controller => {
                group.is_none_or(|group| GroupId(group) == GroupId::CONTROLLER)
                    && self.controller.as_ref().is_some_and(ServerView::is_leader)
            }
            party => self.groups.iter().any(|(id, replica)| {
                group.is_none_or(|group| id.0 == group)
                    && replica.is_leading()
                    && replica.state().plays(party)
            }),
        }
    }

    fn ballot(&self) -> Ballot {
        let led = self.agreements().filter(|agreement| agreement.leads).map(|agreement| agreement.ballot);
        led.max()
            .or_else(|| self.agreements().map(|agreement| agreement.ballot).max())
            .unwrap_or(Ballot::ZERO)
    }

    fn commit(&self) -> Slot {
        Slot(self.agreements().map(|agreement| agreement.commit.0).sum())
    }

    fn applied(&self) -> Slot {
        Slot(self.agreements().map(|agreement| agreement.position.0.0).sum())
    }

    fn state_digest(&self) -> u64 {
        let start = Digest::new(41);
        self.agreements().fold(start, |digest, agreement| digest.word(agreement.position.1)).finish()
    }

    /// All replicas of a group are equally far, and no shard is on its way, no transaction open.
    fn are_settled(servers: &[Option<&Self>]) -> bool {
        let mut positions = BTreeMap::new();
        servers.iter().all(|server| {
            server.is_some_and(|host| {
                host.agreements().all(|agreement| {
                    let first = *positions.entry(agreement.group).or_insert(agreement.position);
                    first == agreement.position && agreement.is_at_rest
                })
            })
        })
    }
}
