//! Candidates and leaders: phase 1 once per leadership, phase 2 per entry.
//!
//! Invariants: one entry per ballot and slot; nothing is proposed where a peer reported a chosen entry; above that,
//! the entry of the highest ballot is proposed again (*Paxos Made Simple*, 2.2, P2c). A leader counts its own vote in
//! the step that writes it down, and everything that follows from it waits for the disk with it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::log::runs;
use super::reads::Answer;
use super::{Ballot, Command, Config, Entry, Message, Outlet, Paxos, PromisePage, Record, Slot, Timer};
use crate::ascending::Ascending;
use crate::bugs::Bug;
use crate::event::{Event, StepDownReason};
use crate::node::{Micros, NodeId};

/// What a replica does beside accepting and learning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role<C> {
    Follower,
    Candidate(Candidate<C>),
    Leader(Leader<C>),
}

/// How far a peer's promise is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Vote {
    /// Where its next page starts.
    next: Slot,
    is_complete: bool,
}

/// Phase 1 under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Candidate<C> {
    ballot: Ballot,
    votes: BTreeMap<NodeId, Vote>,
    /// The highest commit that a promise showed.
    commit: Slot,
    /// What must be proposed again, with the ballot in which it was accepted.
    adopted: BTreeMap<Slot, (Ballot, Entry<C>)>,
}

impl<C> Candidate<C> {
    pub(super) fn ballot(&self) -> Ballot {
        self.ballot
    }
}

/// An entry on its way to being chosen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Proposal<C> {
    entry: Entry<C>,
    voters: Vec<NodeId>,
    /// Whether it was sent before the resend timer fired last.
    is_old: bool,
}

/// Phase 2 under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leader<C> {
    ballot: Ballot,
    /// Slots up to here were chosen before: never proposed, and to be learned.
    inherited: Slot,
    next: Slot,
    proposals: Ascending<Slot, Proposal<C>>,
    /// The highest slot that phase 1 showed as accepted or chosen: below it there may be acknowledged writes.
    recovered: Slot,
    /// Who answered in this election period.
    answered: BTreeSet<NodeId>,
    /// The latest round of heartbeats.
    round: u64,
    /// The latest round that a read waits for.
    round_wanted: u64,
    answers: BTreeMap<NodeId, Answer>,
}

impl<C> Leader<C> {
    pub(super) fn ballot(&self) -> Ballot {
        self.ballot
    }

    pub(super) fn next_slot(&self) -> Slot {
        self.next
    }

    pub(super) fn recovered(&self) -> Slot {
        self.recovered
    }

    pub(super) fn round(&self) -> u64 {
        self.round
    }

    pub(super) fn wanted_round(&self) -> u64 {
        self.round_wanted
    }

    pub(super) fn want_round(&mut self, round: u64) {
        self.round_wanted = self.round_wanted.max(round);
    }

    pub(super) fn answer(&self, peer: NodeId) -> Answer {
        self.answers.get(&peer).copied().unwrap_or_default()
    }

    /// Answers may arrive in any order; the latest counts.
    pub(super) fn note_answer(&mut self, peer: NodeId, answer: Answer) {
        let known = self.answers.entry(peer).or_default();
        *known = answer.max(*known);
    }

    pub(super) fn inherited(&self) -> Slot {
        self.inherited
    }

    pub(super) fn proposed(&self, slot: Slot) -> Option<&Entry<C>> {
        self.proposals.get(&slot).map(|proposal| &proposal.entry)
    }
}

impl<C: Command> Paxos<C> {
    /// Phase 1a: a ballot above every round seen, promised to oneself first.
    pub(super) fn stand(&mut self, config: &Config, now: Micros, effects: &mut impl Outlet<C>) {
        assert!(self.votes, "a learner never stands");
        let round = self.promised.round.max(self.round_seen) + 1;
        let ballot = Ballot { round, node: config.id };
        assert!(ballot > self.promised, "a new ballot is above the promise");
        self.round_seen = round;
        self.promised = ballot;
        self.promised_page = self.log.commit().next();
        if !config.bugs.has(Bug::OwnBallotNotPersisted) {
            effects.persist(Record::Promise { ballot });
        }
        let first = self.log.commit().next();
        let accepted = self.log.accepted_from(first);
        let adopted = accepted.map(|(slot, ballot, entry)| (slot, (ballot, entry.clone()))).collect();
        let vote = |id| (id, Vote { next: first, is_complete: id == config.id });
        let votes = config.members.iter().copied().map(vote).collect();
        self.role = Role::Candidate(Candidate { ballot, votes, commit: self.log.commit(), adopted });
        effects.event(Event::Candidate { ballot });
        effects.event(Event::PromiseSent { ballot });
        effects.cancel(Timer::Heartbeat);
        for peer in config.peers() {
            effects.send(peer, Message::Prepare { ballot, from: first });
        }
        effects.arm(Timer::Resend, config.timing.resend..=config.timing.resend);
        self.wait(config, effects);
        self.lead_if_elected(config, now, effects);
    }

    /// One page of one promise.
    pub(super) fn on_promise(
        &mut self,
        config: &Config,
        now: Micros,
        from: NodeId,
        ballot: Ballot,
        page: PromisePage<C>,
        effects: &mut impl Outlet<C>,
    ) {
        let Role::Candidate(candidate) = &mut self.role else { return };
        let vote = candidate.votes.get_mut(&from).expect("promises come from members");
        if ballot != candidate.ballot || vote.is_complete || page.from != vote.next {
            return;
        }
        assert!(page.next.is_none_or(|next| next > page.from), "pages go forward");
        if !config.bugs.has(Bug::NoopBelowCommit) {
            candidate.commit = candidate.commit.max(page.commit);
            page.chosen.into_iter().for_each(|(slot, entry)| self.log.choose(slot, entry));
        }
        for (slot, ballot, entry) in page.accepted {
            let known = candidate.adopted.get(&slot).map(|(ballot, _)| *ballot);
            let is_better = match known {
                None => true,
                Some(known) => known < ballot && !config.bugs.has(Bug::AnyValueAdopted),
            };
            if is_better {
                candidate.adopted.insert(slot, (ballot, entry));
            }
        }
        match page.next {
            None => vote.is_complete = true,
            Some(next) => {
                vote.next = next;
                effects.send(from, Message::Prepare { ballot, from: next });
                self.wait(config, effects);
            }
        }
        self.advance(effects);
        self.lead_if_elected(config, now, effects);
    }

    /// A candidate installed a snapshot: whoever has not promised yet is asked for what is above it.
    pub(super) fn prepare_above_snapshot(
        &mut self,
        config: &Config,
        from: NodeId,
        effects: &mut impl Outlet<C>,
    ) {
        let first = self.log.commit().next();
        let Role::Candidate(candidate) = &mut self.role else { return };
        candidate.commit = candidate.commit.max(self.log.commit());
        candidate.votes.values_mut().for_each(|vote| vote.next = vote.next.max(first));
        let vote = candidate.votes.get(&from).expect("snapshots come from members");
        if !vote.is_complete {
            effects.send(from, Message::Prepare { ballot: candidate.ballot, from: vote.next });
        }
        self.wait(config, effects);
    }

    /// With a majority of promises: lead, and propose again what may have been chosen.
    fn lead_if_elected(&mut self, config: &Config, now: Micros, effects: &mut impl Outlet<C>) {
        let Role::Candidate(candidate) = &self.role else { return };
        let promised: BTreeSet<NodeId> =
            candidate.votes.iter().filter(|(_, vote)| vote.is_complete).map(|(id, _)| *id).collect();
        if promised.len() < config.quorum() {
            return;
        }
        let ballot = candidate.ballot;
        let inherited = candidate.commit.max(self.log.commit());
        let last = candidate.adopted.last_key_value().map_or(inherited, |(slot, _)| (*slot).max(inherited));
        let mut entries = Vec::new();
        for slot in (inherited.0 + 1..=last.0).map(Slot) {
            match candidate.adopted.get(&slot) {
                // Accepted in a ballot of one's own is not chosen: it must go through this ballot like any other.
                Some((old, _)) if old.node == config.id && config.bugs.has(Bug::ReproposalDropped) => {}
                Some((_, entry)) => entries.push((slot, entry.clone())),
                None if config.bugs.has(Bug::HoleNotFilled) => {}
                None => entries.push((slot, Entry::Noop)),
            }
        }
        self.role = Role::Leader(Leader {
            ballot,
            inherited,
            next: last.next(),
            proposals: Ascending::default(),
            recovered: last,
            answered: promised,
            round: 0,
            round_wanted: 0,
            answers: BTreeMap::new(),
        });
        self.heard = Some(config.id);
        effects.event(Event::Leader { ballot, recovered: last });
        effects.cancel(Timer::Resend);
        effects.arm(Timer::Election, config.timing.quiet..=config.timing.quiet);
        self.send_heartbeats(config, now, effects);
        self.send_proposals(config, entries, effects);
    }

    /// Proposes a command at the next free slot, if this replica leads and has room.
    pub fn propose(&mut self, config: &Config, command: C, effects: &mut impl Outlet<C>) -> Option<Slot> {
        let Role::Leader(leader) = &mut self.role else { return None };
        let slot = leader.next;
        if !self.log.has_room(slot, &config.limits) || leader.proposals.len() >= config.limits.in_flight_max {
            effects.event(Event::LogFull { slot });
            return None;
        }
        assert!(slot > leader.inherited, "nothing is proposed where something is chosen");
        leader.next = slot.next();
        self.send_proposals(config, [(slot, Entry::Command(command))].into(), effects);
        Some(slot)
    }

    /// Phase 2a, with one's own vote.
    fn send_proposals(
        &mut self,
        config: &Config,
        entries: Vec<(Slot, Entry<C>)>,
        effects: &mut impl Outlet<C>,
    ) {
        if entries.is_empty() {
            return;
        }
        let Role::Leader(leader) = &mut self.role else { panic!("only a leader proposes") };
        let ballot = leader.ballot;
        if leader.proposals.is_empty() {
            effects.arm(Timer::Resend, config.timing.resend..=config.timing.resend);
        }
        let slots: Vec<Slot> = entries.iter().map(|(slot, _)| *slot).collect();
        for (slot, entry) in &entries {
            let proposal = Proposal { entry: entry.clone(), voters: [config.id].into(), is_old: false };
            let old = leader.proposals.insert(*slot, proposal);
            assert!(old.is_none(), "one entry per ballot and slot");
            self.log.accept(*slot, ballot, entry.clone());
            if !config.bugs.has(Bug::OwnVoteNotPersisted) {
                effects.persist(Record::Accept { slot: *slot, ballot, entry: entry.clone() });
            }
            effects.event(Event::ProposalSent { ballot, slot: *slot, entry: entry.digest() });
        }
        effects.event(Event::AcceptedSent { ballot, slots: slots.clone() });
        let commit = self.log.commit();
        for (first, run) in runs(entries, &config.limits) {
            for peer in config.peers() {
                effects.send(peer, Message::Accept { ballot, first, entries: run.clone(), commit });
            }
        }
        self.count(config, &slots, effects);
    }

    /// Phase 2b: votes for slots of this leader's ballot, and of no other.
    pub(super) fn on_accepted(
        &mut self,
        config: &Config,
        from: NodeId,
        ballot: Ballot,
        slots: &[Slot],
        commit: Slot,
        effects: &mut impl Outlet<C>,
    ) {
        let Role::Leader(leader) = &mut self.role else { return };
        if ballot != leader.ballot && !config.bugs.has(Bug::AcceptedAcrossBallots) {
            return;
        }
        leader.answered.insert(from);
        for slot in slots {
            let Some(proposal) = leader.proposals.get_mut(slot) else { continue };
            if !proposal.voters.contains(&from) || config.bugs.has(Bug::PeerCountedTwice) {
                proposal.voters.push(from);
            }
        }
        self.count(config, slots, effects);
        self.ask(from, commit, effects);
    }

    /// Chooses what has a majority.
    fn count(&mut self, config: &Config, slots: &[Slot], effects: &mut impl Outlet<C>) {
        let Role::Leader(leader) = &mut self.role else { panic!("only a leader counts") };
        for slot in slots {
            let decided =
                leader.proposals.get(slot).is_some_and(|proposal| proposal.voters.len() >= config.quorum());
            if !decided {
                continue;
            }
            let proposal = leader.proposals.remove(slot).expect("what was decided was proposed");
            let (ballot, entry) = (leader.ballot, proposal.entry.digest());
            effects.event(Event::Chosen { slot: *slot, ballot, entry });
            self.log.choose(*slot, proposal.entry);
        }
        self.advance(effects);
    }

    /// Drops proposals that turned out to be chosen already.
    pub(super) fn forget_chosen_proposals(&mut self) {
        let Role::Leader(leader) = &mut self.role else { return };
        let log = &self.log;
        leader.proposals.retain(|slot, _| !log.is_chosen(*slot));
        assert!(leader.next > leader.inherited, "fresh slots lie above what was inherited");
    }

    /// A refusal: only a promise above one's own ballot ends anything.
    pub(super) fn on_nack(
        &mut self,
        config: &Config,
        now: Micros,
        promised: Ballot,
        effects: &mut impl Outlet<C>,
    ) {
        let own = match &self.role {
            Role::Follower => return,
            Role::Candidate(candidate) => candidate.ballot,
            Role::Leader(leader) => leader.ballot,
        };
        if promised > own {
            self.step_down(config, StepDownReason::Preempted, effects);
            if config.bugs.has(Bug::DuelingLeaders) {
                self.stand(config, now, effects);
            }
        }
    }

    /// A peer still follows.
    pub(super) fn on_heartbeat_ack(
        &mut self,
        config: &Config,
        now: Micros,
        from: NodeId,
        (ballot, commit): (Ballot, Slot),
        answer: Answer,
        effects: &mut impl Outlet<C>,
    ) {
        let Role::Leader(leader) = &mut self.role else { return };
        if ballot == leader.ballot {
            leader.answered.insert(from);
            self.note_answer(config, now, from, answer, effects);
            self.ask(from, commit, effects);
        }
    }

    /// Shows that the leader is alive, and asks whether it still leads.
    pub(super) fn send_heartbeats(&mut self, config: &Config, now: Micros, effects: &mut impl Outlet<C>) {
        let Role::Leader(leader) = &mut self.role else { return };
        leader.round += 1;
        let (ballot, id, sent) = (leader.ballot, leader.round, Self::stamp(config, now));
        self.asked = None;
        let commit = self.log.commit();
        for peer in config.peers() {
            effects.send(peer, Message::Heartbeat { ballot, commit, id, sent });
        }
        effects.arm(Timer::Heartbeat, config.timing.heartbeat..=config.timing.heartbeat);
    }

    /// Ends an election period of a leader: whoever did not hear a majority, or cannot learn, must not hold others.
    pub(super) fn end_period(&mut self, config: &Config, effects: &mut impl Outlet<C>) {
        let Role::Leader(leader) = &mut self.role else { panic!("only a leader has periods") };
        leader.answered.insert(config.id);
        if leader.answered.len() < config.quorum() && !config.bugs.has(Bug::LeaderNeverStepsDown) {
            self.step_down(config, StepDownReason::Unheard, effects);
            return;
        }
        if self.log.commit() < leader.inherited {
            self.step_down(config, StepDownReason::Behind, effects);
            return;
        }
        leader.answered.clear();
        effects.arm(Timer::Election, config.timing.quiet..=config.timing.quiet);
    }

    /// Sends again what was not answered.
    pub(super) fn on_resend_timer(&mut self, config: &Config, effects: &mut impl Outlet<C>) {
        let commit = self.log.commit();
        match &mut self.role {
            Role::Follower => return,
            Role::Candidate(candidate) => {
                for (peer, vote) in candidate.votes.iter().filter(|(_, vote)| !vote.is_complete) {
                    let message = Message::Prepare { ballot: candidate.ballot, from: vote.next };
                    effects.send(*peer, message);
                }
            }
            Role::Leader(leader) => {
                if leader.proposals.is_empty() {
                    return;
                }
                for peer in config.peers() {
                    leader.resend_to(config, peer, commit, effects);
                }
                leader.proposals.values_mut().for_each(|proposal| proposal.is_old = true);
            }
        }
        effects.arm(Timer::Resend, config.timing.resend..=config.timing.resend);
    }
}

impl<C: Command> Leader<C> {
    fn resend_to(&self, config: &Config, peer: NodeId, commit: Slot, effects: &mut impl Outlet<C>) {
        assert_ne!(peer, config.id, "one's own vote is counted at once");
        let most = config.limits.resend_batches_max * config.limits.batch_entries_max;
        let unanswered: Vec<(Slot, Entry<C>)> = self
            .proposals
            .iter()
            .filter(|(_, proposal)| proposal.is_old && !proposal.voters.contains(&peer))
            .take(most)
            .map(|(slot, proposal)| (*slot, proposal.entry.clone()))
            .collect();
        for (first, entries) in
            runs(unanswered, &config.limits).into_iter().take(config.limits.resend_batches_max)
        {
            effects.send(peer, Message::Accept { ballot: self.ballot, first, entries, commit });
        }
    }
}
