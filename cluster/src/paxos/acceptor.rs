//! The acceptor: promises and acceptances, each durable before anybody hears of it.
//!
//! Invariants: `promised` never falls; nothing below it is accepted; what was accepted is reported to every later
//! ballot that asks (*Paxos Made Simple*, 2.2, P1a). A replica whose disk is not whole takes no part.

use alloc::vec::Vec;

use super::reads::Answer;
use super::{Ballot, Command, Config, Entry, Message, Outlet, Paxos, Record, Role, Slot, Stage};
use crate::bugs::Bug;
use crate::event::{Event, StepDownReason};
use crate::node::{Micros, NodeId};

impl<C: Command> Paxos<C> {
    /// Phase 1b: promise, unless a working leader would be disturbed.
    pub(super) fn on_prepare(
        &mut self,
        config: &Config,
        now: Micros,
        from: NodeId,
        ballot: Ballot,
        first: Slot,
        effects: &mut impl Outlet<C>,
    ) {
        if !self.votes {
            return;
        }
        let trusts_another =
            self.leading().is_some() || (self.stage == Stage::Heard && self.heard != Some(from));
        let refused = ballot < self.promised
            || (ballot > self.promised && trusts_another && !config.bugs.has(Bug::DuelingLeaders))
            || (ballot == self.promised && config.bugs.has(Bug::RepeatedPrepareRefused));
        if refused {
            effects.send(from, Message::Nack { promised: self.promised });
            return;
        }
        if ballot > self.promised {
            self.promise(config, ballot, effects);
            self.promised_page = first;
            let stood = !matches!(self.role, Role::Follower);
            self.step_down(config, StepDownReason::Preempted, effects);
            if stood && config.bugs.has(Bug::DuelingLeaders) {
                self.send_promise(config, from, ballot, first, effects);
                self.stand(config, now, effects);
                return;
            }
            self.wait(config, effects);
        } else if first > self.promised_page {
            // The candidate heard the page before: it is getting somewhere, so give it time.
            self.promised_page = first;
            self.wait(config, effects);
        }
        self.send_promise(config, from, ballot, first, effects);
    }

    fn send_promise(
        &mut self,
        config: &Config,
        to: NodeId,
        ballot: Ballot,
        first: Slot,
        effects: &mut impl Outlet<C>,
    ) {
        assert_eq!(ballot, self.promised, "what is sent is what was promised");
        if first <= self.log.base() {
            // The candidate asks again for what is above, once it has installed this.
            self.offer_snapshot(config, to, first, effects);
            return;
        }
        let page = self.log.promise_page(first, &config.limits);
        effects.event(Event::PromiseSent { ballot });
        effects.send(to, Message::Promise { ballot, page });
    }

    /// Raises the promise, durably.
    fn promise(&mut self, config: &Config, ballot: Ballot, effects: &mut impl Outlet<C>) {
        assert!(ballot > self.promised, "a promise never falls");
        self.promised = ballot;
        if !config.bugs.has(Bug::PromiseNotPersisted) {
            self.write(config, Record::Promise { ballot }, Bug::PromiseBeforeSync, effects);
        }
    }

    /// Phase 2b: accept what a leader proposes, unless a higher ballot was promised.
    pub(super) fn on_accept(
        &mut self,
        config: &Config,
        from: NodeId,
        ballot: Ballot,
        (first, entries): (Slot, Vec<Entry<C>>),
        commit: Slot,
        effects: &mut impl Outlet<C>,
    ) {
        assert!(!entries.is_empty(), "a proposal has entries");
        if !self.votes {
            self.heard = Some(from);
            self.follow_commit(config, from, ballot, commit, effects);
            return;
        }
        if ballot < self.promised && !config.bugs.has(Bug::AcceptBelowPromise) {
            effects.send(from, Message::Nack { promised: self.promised });
            return;
        }
        self.follow(config, from, ballot, effects);
        let mut slots = Vec::with_capacity(entries.len());
        for (slot, entry) in (first.0..).map(Slot).zip(entries) {
            if !self.log.has_room(slot, &config.limits) {
                break;
            }
            // Up to the snapshot everything is chosen: there is nothing to store, and nothing to refuse.
            let is_new = slot > self.log.base() && self.log.accepted_ballot(slot) != Some(ballot);
            if is_new {
                self.log.accept(slot, ballot, entry.clone());
                self.write(config, Record::Accept { slot, ballot, entry }, Bug::AcceptedBeforeSync, effects);
                self.promised = self.promised.max(ballot);
            }
            slots.push(slot);
        }
        if ballot > self.promised {
            self.promise(config, ballot, effects);
        }
        self.follow_commit(config, from, ballot, commit, effects);
        if slots.is_empty() {
            return;
        }
        effects.event(Event::AcceptedSent { ballot, slots: slots.clone() });
        effects.send(from, Message::Accepted { ballot, slots, commit: self.log.commit() });
    }

    /// The leader is alive.
    pub(super) fn on_heartbeat(
        &mut self,
        config: &Config,
        from: NodeId,
        (ballot, commit): (Ballot, Slot),
        answer: Answer,
        effects: &mut impl Outlet<C>,
    ) {
        // A request for entries that has not been answered for a whole heartbeat is lost.
        self.asked = None;
        if !self.votes {
            self.heard = Some(from);
            self.follow_commit(config, from, ballot, commit, effects);
            return;
        }
        let Answer { round: id, sent } = answer;
        if ballot < self.promised {
            effects.send(from, Message::Nack { promised: self.promised });
            return;
        }
        if ballot > self.promised {
            self.promise(config, ballot, effects);
        }
        self.follow(config, from, ballot, effects);
        self.follow_commit(config, from, ballot, commit, effects);
        effects.send(from, Message::HeartbeatAck { ballot, commit: self.log.commit(), id, sent });
    }

    /// A leader spoke whose ballot is not below the promise: whoever leads or stands below it ends that.
    fn follow(&mut self, config: &Config, leader: NodeId, ballot: Ballot, effects: &mut impl Outlet<C>) {
        let own = match &self.role {
            Role::Follower => None,
            Role::Candidate(candidate) => Some(candidate.ballot()),
            Role::Leader(leader) => Some(leader.ballot()),
        };
        if own.is_some_and(|own| own < ballot) {
            self.step_down(config, StepDownReason::Preempted, effects);
        }
        if matches!(self.role, Role::Follower) {
            self.hear(config, leader, effects);
        }
    }
}
