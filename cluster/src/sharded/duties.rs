//! What the leader of a shard group sees to: that configurations are followed, shards moved and transactions ended.
//!
//! All of it is soft: sent again until it is answered, and forgotten with the leadership. A leader proposes what ought
//! to happen; whether it happens is decided when the entry is applied. It keeps votes and acknowledgements in memory,
//! since they can be asked for again.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::command::{Assignment, Attempt, Commit, GroupCommand, Transaction, TransactionId};
use super::configuration::{Configuration, GroupId, ShardId};
use super::event::ShardEvent;
use super::group::{Group, GroupConfig, GroupTimer};
use super::message::{ControllerMessage, GroupMessage, PeerMessage};
use super::state::{Consequence, Holding, Step};
use super::transaction::Coordination;
use crate::bugs::Bug;
use crate::event::Event;
use crate::message::Message;
use crate::node::{Effects, NodeId};
use crate::session::Shard;

/// Ticks between two questions for the next configuration.
const POLL_TICKS: u64 = 4;
/// Ticks between two sendings of what was not answered.
const RESEND_TICKS: u64 = 2;
/// Ticks after which somebody who has not spoken for a group is not taken for its leader any more.
const SILENCE_TICKS: u64 = 2;
/// Ticks between two reminders of a participant in doubt.
const REMIND_TICKS: u64 = 6;
/// Ticks after which a coordinator stops waiting for votes.
const PATIENCE_TICKS: u64 = 15;

/// What is known of the votes on one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Votes {
    yes: BTreeMap<GroupId, Arc<[Assignment]>>,
    refused: bool,
    /// Participants that have the decision in their logs.
    finished: BTreeSet<GroupId>,
    /// The tick of the first sight of it.
    since: u64,
}

/// The member of another group that is believed to lead it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Speaker {
    /// Its place among the members.
    place: usize,
    /// The tick in which it was first spoken to since it last spoke itself. Only one that was, and has been silent
    /// since, is given up for the next: whoever speaks for a group leads it, and one change per while keeps several
    /// messages from going round in step, each past the leader.
    asked: Option<u64>,
}

/// What a leader knows and does beside its log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Duties {
    ticks: u64,
    /// The configuration that follows the present one, once it is known.
    pub(super) next: Option<Arc<Configuration>>,
    votes: BTreeMap<(TransactionId, Attempt), Votes>,
    /// When a participant was first seen to be in doubt.
    doubts: BTreeMap<(TransactionId, Attempt), u64>,
    /// The member of another group that is spoken to: the last that spoke for it, until it does not answer.
    speakers: BTreeMap<GroupId, Speaker>,
}

impl Duties {
    fn votes_on(&mut self, id: TransactionId, attempt: Attempt) -> &mut Votes {
        let since = self.ticks;
        self.votes.entry((id, attempt)).or_insert_with(|| Votes { since, ..Votes::default() })
    }
}

impl Group {
    /// Sees to everything that is still open.
    pub(super) fn on_tick(&mut self, config: &GroupConfig, effects: &mut Effects<Self>) {
        if !self.is_leading() {
            return;
        }
        effects.arm(GroupTimer::Tick, config.tick..=config.tick);
        self.duties.ticks += 1;
        let ticks = self.duties.ticks;
        if ticks % POLL_TICKS == 1 {
            self.poll(config, effects);
        }
        self.follow(config, effects);
        if ticks.is_multiple_of(RESEND_TICKS) {
            self.push_shards(config, effects);
        }
        let ids: Vec<TransactionId> = self.state.coordinating.keys().copied().collect();
        for id in ids {
            self.coordinate(config, id, ticks.is_multiple_of(RESEND_TICKS), effects);
        }
        self.remind(config, effects);
        let open = &self.state.coordinating;
        self.duties.votes.retain(|(id, attempt), _| {
            open.get(id).is_some_and(|coordination| coordination.transaction.attempt == *attempt)
        });
        let prepared = &self.state.prepared;
        self.duties.doubts.retain(|(id, attempt), _| {
            prepared.get(id).is_some_and(|prepared| prepared.transaction.attempt == *attempt)
        });
    }

    /// Asks the controller for the configuration after the present one.
    fn poll(&mut self, config: &GroupConfig, effects: &mut Effects<Self>) {
        if self.duties.next.is_some() {
            return;
        }
        let next = self.state.configuration().num + 1;
        let num = (!config.paxos.bugs.has(Bug::ConfigurationSkipped)).then_some(next);
        let turn = usize::try_from(self.duties.ticks / POLL_TICKS).unwrap_or(0);
        let replica = config.controllers[turn % config.controllers.len()];
        let fetch = ControllerMessage::Fetch { group: Some(config.group), num };
        effects.send(replica, Message::Controller(fetch));
    }

    /// The controller answers.
    pub(super) fn on_configuration(
        &mut self,
        config: &GroupConfig,
        configuration: Arc<Configuration>,
        effects: &mut Effects<Self>,
    ) {
        let (present, bugs) = (self.state.configuration().num, config.paxos.bugs);
        let skips = bugs.has(Bug::ConfigurationSkipped) && configuration.num > present;
        if !self.is_leading() || (configuration.num != present + 1 && !skips) {
            return;
        }
        if bugs.has(Bug::ConfigurationOutsideLog) {
            let mut step = Step::new(self.applied(), bugs);
            self.state.apply(&GroupCommand::Configure(configuration), &mut step);
            return;
        }
        self.duties.next = Some(configuration);
        self.follow(config, effects);
    }

    /// Proposes the next configuration as soon as it could take effect.
    fn follow(&mut self, config: &GroupConfig, effects: &mut Effects<Self>) {
        let Some(next) = self.duties.next.clone() else { return };
        if next.num <= self.state.configuration().num {
            self.duties.next = None;
            self.poll(config, effects);
            return;
        }
        let step = Step::new(self.applied(), config.paxos.bugs);
        if self.state.admits(&next, &step) {
            self.propose(config, GroupCommand::Configure(next), effects);
        }
    }

    /// Sends every shard that leaves to its new group.
    fn push_shards(&mut self, config: &GroupConfig, effects: &mut Effects<Self>) {
        let num = self.state.configuration().num;
        let leaving = self.state.holdings().iter().filter_map(|(shard, holding)| match holding {
            Holding::Outgoing { to, frozen } => Some((*shard, *to, Arc::clone(frozen))),
            Holding::Serving(_) | Holding::Incoming { .. } => None,
        });
        let leaving: Vec<(ShardId, GroupId, Arc<Shard>)> = leaving.collect();
        let step = Step::new(self.applied(), config.paxos.bugs);
        for (shard, to, frozen) in leaving {
            let payload = self.state.payload(&frozen, &step);
            effects.event(Event::Shard(ShardEvent::TransferSent { num, shard }));
            self.speak(config, to, PeerMessage::Transfer { num, shard, payload }, true, effects);
            if config.paxos.bugs.has(Bug::DroppedBeforeAcknowledged) {
                self.propose(config, GroupCommand::Gone { num, shard }, effects);
            }
        }
    }

    /// Brings a transaction that this group coordinates one step further.
    fn coordinate(
        &mut self,
        config: &GroupConfig,
        id: TransactionId,
        resend: bool,
        effects: &mut Effects<Self>,
    ) {
        let Some(coordination) = self.state.coordinating.get(&id).cloned() else { return };
        let attempt = coordination.transaction.attempt;
        let votes = self.duties.votes_on(id, attempt).clone();
        let Coordination { transaction, participants, commit, .. } = coordination;
        if let Some(commit) = commit {
            let behind: Vec<GroupId> = participants.difference(&votes.finished).copied().collect();
            if behind.is_empty() {
                self.propose(config, GroupCommand::Forget { id, attempt }, effects);
            } else if resend {
                for group in behind {
                    let decision = PeerMessage::Decision { id, attempt, commit: Some(commit.clone()) };
                    self.speak(config, group, decision, true, effects);
                }
            }
            return;
        }
        let missing: Vec<GroupId> =
            participants.iter().filter(|group| !votes.yes.contains_key(group)).copied().collect();
        let excused = usize::from(config.paxos.bugs.has(Bug::DecidedBeforeAllVotes));
        if votes.refused || self.duties.ticks > votes.since + PATIENCE_TICKS {
            self.propose(config, GroupCommand::Decide { id, attempt, commit: None }, effects);
        } else if missing.len() <= excused {
            let read: Vec<Assignment> =
                votes.yes.values().flat_map(|values| values.iter().cloned()).collect();
            let commit = Some(self.state.resolve(&transaction.request, &read));
            self.propose(config, GroupCommand::Decide { id, attempt, commit }, effects);
        } else if resend {
            for group in missing {
                let is_repeated = self.duties.ticks > votes.since;
                self.speak(config, group, PeerMessage::Prepare(transaction.clone()), is_repeated, effects);
            }
        }
    }

    /// Asks for decisions that this group, as a participant, waits for.
    fn remind(&mut self, config: &GroupConfig, effects: &mut Effects<Self>) {
        let ticks = self.duties.ticks;
        let open: Vec<(Transaction, Arc<[Assignment]>)> = self
            .state
            .prepared
            .values()
            .map(|prepared| (prepared.transaction.clone(), Arc::clone(&prepared.values)))
            .collect();
        for (transaction, values) in open {
            let (id, attempt, to) = (transaction.id(), transaction.attempt, transaction.coordinator);
            let since = *self.duties.doubts.entry((id, attempt)).or_insert(ticks);
            let waited = ticks - since;
            if waited == 0 || !waited.is_multiple_of(REMIND_TICKS) {
                continue;
            }
            if config.paxos.bugs.has(Bug::UnlockedOnTimeout) {
                let finish = GroupCommand::Finish { id, attempt, commit: None, coordinator: to };
                self.propose(config, finish, effects);
                continue;
            }
            self.speak(config, to, PeerMessage::Vote { id, attempt, values: Some(values) }, true, effects);
        }
    }

    /// Another group speaks.
    pub(super) fn on_peer(
        &mut self,
        config: &GroupConfig,
        from: NodeId,
        peer: GroupId,
        message: PeerMessage,
        effects: &mut Effects<Self>,
    ) {
        if let Some(place) = members(config, peer).iter().position(|member| *member == from) {
            self.duties.speakers.insert(peer, Speaker { place, asked: None });
        }
        if !self.is_leading() {
            return;
        }
        match message {
            PeerMessage::Transfer { num, shard, payload } => {
                self.on_transfer(config, peer, (num, shard, payload), effects);
            }
            PeerMessage::TransferAck { num, shard } => {
                let is_outgoing = matches!(self.state.holdings().get(&shard), Some(Holding::Outgoing { to, .. }) if *to == peer);
                if is_outgoing && num == self.state.configuration().num {
                    self.propose(config, GroupCommand::Gone { num, shard }, effects);
                }
            }
            PeerMessage::Prepare(transaction) => self.on_prepare(config, peer, transaction, effects),
            PeerMessage::Vote { id, attempt, values } => {
                self.on_vote(config, peer, (id, attempt, values), effects);
            }
            PeerMessage::Decision { id, attempt, commit } => {
                self.on_decision(config, peer, (id, attempt, commit), effects);
            }
            PeerMessage::Finished { id, attempt } => {
                if self.state.coordinating.contains_key(&id) {
                    self.duties.votes_on(id, attempt).finished.insert(peer);
                    self.coordinate(config, id, false, effects);
                }
            }
        }
    }

    fn on_transfer(
        &mut self,
        config: &GroupConfig,
        peer: GroupId,
        (num, shard, payload): (u64, ShardId, Arc<Shard>),
        effects: &mut Effects<Self>,
    ) {
        let (present, bugs) = (self.state.configuration().num, config.paxos.bugs);
        let is_served = matches!(self.state.holdings().get(&shard), Some(Holding::Serving(_)));
        let is_awaited = matches!(self.state.holdings().get(&shard), Some(Holding::Incoming { .. }));
        if (num == present && is_awaited) || (is_served && bugs.has(Bug::StaleInstall)) {
            self.propose(config, GroupCommand::Install { num, shard, payload }, effects);
            if bugs.has(Bug::AcknowledgedBeforeInstalled) {
                self.speak(config, peer, PeerMessage::TransferAck { num, shard }, false, effects);
            }
        } else if num < present || (num == present && is_served) {
            self.speak(config, peer, PeerMessage::TransferAck { num, shard }, false, effects);
        }
    }

    fn on_prepare(
        &mut self,
        config: &GroupConfig,
        peer: GroupId,
        transaction: Transaction,
        effects: &mut Effects<Self>,
    ) {
        let (id, attempt, bugs) = (transaction.id(), transaction.attempt, config.paxos.bugs);
        let vote = match self.state.early_vote(&transaction, bugs) {
            Some(vote) => Some(vote),
            // The next configuration is waiting for the last transaction to end.
            None if self.duties.next.is_some() && !bugs.has(Bug::ReconfigurationIgnoresLocks) => Some(None),
            None => None,
        };
        if let Some(values) = vote {
            self.speak(config, peer, PeerMessage::Vote { id, attempt, values }, false, effects);
            return;
        }
        if bugs.has(Bug::VoteBeforeLogged) {
            let values = Some(self.state.values_read(&transaction.request.operation));
            self.speak(config, peer, PeerMessage::Vote { id, attempt, values }, false, effects);
        }
        self.propose(config, GroupCommand::Prepare(transaction), effects);
    }

    fn on_vote(
        &mut self,
        config: &GroupConfig,
        peer: GroupId,
        (id, attempt, values): (TransactionId, Attempt, Option<Arc<[Assignment]>>),
        effects: &mut Effects<Self>,
    ) {
        let known = self.state.coordinating.get(&id).filter(|known| known.transaction.attempt == attempt);
        match known {
            Some(Coordination { commit: Some(commit), .. }) => {
                let commit = Some(commit.clone());
                self.speak(config, peer, PeerMessage::Decision { id, attempt, commit }, false, effects);
            }
            Some(Coordination { commit: None, .. }) => {
                let votes = self.duties.votes_on(id, attempt);
                match values {
                    Some(values) => drop(votes.yes.insert(peer, values)),
                    None => votes.refused = true,
                }
                self.coordinate(config, id, false, effects);
            }
            // Only a participant that voted yes is in doubt.
            None if values.is_none() => {}
            None if config.paxos.bugs.has(Bug::PresumedAbortFromMemory) => {
                let abort = PeerMessage::Decision { id, attempt, commit: None };
                self.speak(config, peer, abort, false, effects);
            }
            None => {
                self.propose(config, GroupCommand::Inquire { id, attempt, from: peer }, effects);
            }
        }
    }

    fn on_decision(
        &mut self,
        config: &GroupConfig,
        peer: GroupId,
        (id, attempt, commit): (TransactionId, Attempt, Option<Commit>),
        effects: &mut Effects<Self>,
    ) {
        let is_open = self.state.prepared.contains_key(&id);
        if !is_open && config.paxos.bugs.has(Bug::FinishAcknowledgedFromMemory) {
            self.speak(config, peer, PeerMessage::Finished { id, attempt }, false, effects);
            return;
        }
        self.propose(config, GroupCommand::Finish { id, attempt, commit, coordinator: peer }, effects);
    }

    /// What an applied entry calls for, beside answers to clients.
    pub(super) fn follow_up(
        &mut self,
        config: &GroupConfig,
        consequence: Consequence,
        effects: &mut Effects<Self>,
    ) {
        match consequence {
            Consequence::Answer { .. } | Consequence::Dismiss { .. } => {
                unreachable!("answers to clients are given by whoever knows who waits")
            }
            Consequence::Begun { id } => self.coordinate(config, id, true, effects),
            Consequence::Vote { id, attempt, coordinator, values } => {
                let vote = PeerMessage::Vote { id, attempt, values };
                self.speak(config, coordinator, vote, false, effects);
            }
            Consequence::Decided { id, attempt, to, commit } => {
                for group in to {
                    let decision = PeerMessage::Decision { id, attempt, commit: commit.clone() };
                    self.speak(config, group, decision, false, effects);
                }
            }
            Consequence::Finished { id, attempt, coordinator } => {
                self.speak(config, coordinator, PeerMessage::Finished { id, attempt }, false, effects);
            }
            Consequence::Installed { num, shard, from } => {
                self.speak(config, from, PeerMessage::TransferAck { num, shard }, false, effects);
            }
        }
    }

    /// Sends a message to whoever is believed to lead a group; one that was not answered goes to the next member.
    fn speak(
        &mut self,
        config: &GroupConfig,
        to: GroupId,
        message: PeerMessage,
        is_repeated: bool,
        effects: &mut Effects<Self>,
    ) {
        let members = members(config, to);
        if members.is_empty() {
            return;
        }
        let ticks = self.duties.ticks;
        let speaker = self.duties.speakers.entry(to).or_default();
        let is_silent = speaker.asked.is_some_and(|asked| ticks >= asked + SILENCE_TICKS);
        if is_repeated && is_silent {
            *speaker = Speaker { place: (speaker.place + 1) % members.len(), asked: None };
        }
        speaker.asked.get_or_insert(ticks);
        let member = members[speaker.place % members.len()];
        let message = GroupMessage::Peer { from: config.group, message };
        effects.send(member, Message::Group { group: to, message });
    }
}

fn members(config: &GroupConfig, group: GroupId) -> &[NodeId] {
    config.directory.get(&group).map_or(&[], Vec::as_slice)
}
