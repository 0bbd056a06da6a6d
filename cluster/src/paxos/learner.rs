//! Learning what is chosen: from a leader's commit, or entry by entry from a peer that knows.
//!
//! A commit says *that* slots are chosen, not *what*. It speaks for a slot only if this replica accepted the slot in
//! that very leader's ballot: an entry accepted in another ballot may have been replaced.

use alloc::vec::Vec;

use super::{Ballot, Command, Config, Entry, Message, Outlet, Paxos, Role, Slot};
use crate::bugs::Bug;
use crate::event::{Event, StepDownReason};
use crate::node::NodeId;

impl<C: Command> Paxos<C> {
    /// A leader says how far it is: follow it as far as one's own acceptances allow, and ask for the rest.
    pub(super) fn follow_commit(
        &mut self,
        config: &Config,
        from: NodeId,
        ballot: Ballot,
        commit: Slot,
        effects: &mut impl Outlet<C>,
    ) {
        let mut slot = self.log.commit().next();
        while slot <= commit {
            if self.log.chosen(slot).is_none() {
                let accepted = self.log.accepted_ballot(slot);
                let speaks = accepted == Some(ballot)
                    || (accepted.is_some() && config.bugs.has(Bug::CommitHintAnyBallot));
                if !speaks {
                    break;
                }
                self.log.choose_accepted(slot);
            }
            slot = slot.next();
        }
        self.advance(effects);
        self.ask(from, commit, effects);
    }

    /// Extends the chosen prefix.
    pub(super) fn advance(&mut self, effects: &mut impl Outlet<C>) {
        let before = self.log.commit();
        if self.log.advance() {
            assert!(self.log.commit() > before, "an advance goes forward");
            effects.event(Event::Committed { slot: self.log.commit() });
        }
    }

    /// Asks a peer that knows more, once per page.
    pub(super) fn ask(&mut self, peer: NodeId, commit: Slot, effects: &mut impl Outlet<C>) {
        let first = self.log.commit().next();
        if commit < first || self.asked == Some(first) {
            return;
        }
        self.asked = Some(first);
        if let Some((last, received)) = self.transfers.resume(peer) {
            effects.send(peer, Message::SnapshotAck { last, received });
        } else {
            effects.send(peer, Message::LearnRequest { from: first });
        }
    }

    /// A peer asks for what is chosen.
    pub(super) fn on_learn_request(
        &mut self,
        config: &Config,
        from: NodeId,
        first: Slot,
        effects: &mut impl Outlet<C>,
    ) {
        if first <= self.log.base() {
            self.offer_snapshot(config, from, first, effects);
            return;
        }
        let entries = self.log.learn_page(first, &config.limits);
        if !entries.is_empty() {
            assert!(first <= self.log.commit(), "only what is chosen is taught");
            effects.send(from, Message::Learn { first, entries, commit: self.log.commit() });
        }
    }

    /// A peer teaches what is chosen.
    pub(super) fn on_learn(
        &mut self,
        config: &Config,
        from: NodeId,
        (first, entries): (Slot, Vec<Entry<C>>),
        commit: Slot,
        effects: &mut impl Outlet<C>,
    ) {
        assert!(!entries.is_empty(), "nobody teaches nothing");
        self.asked = None;
        let before = self.log.commit();
        let mut superseded = false;
        for (slot, entry) in (first.0..).map(Slot).zip(entries) {
            superseded |= self.is_superseded_by(slot, &entry);
            self.log.choose(slot, entry);
        }
        if superseded {
            // A higher ballot chose here. Our commit would speak for slots that followers accepted from us with
            // other entries, so it must not leave under this ballot any more.
            self.step_down(config, StepDownReason::Preempted, effects);
        }
        self.forget_chosen_proposals();
        self.advance(effects);
        if self.log.commit() > before {
            effects.event(Event::Learned { slot: self.log.commit() });
            self.ask(from, commit, effects);
        }
    }

    /// Whether a chosen entry proves that another leader took over after our own phase 1.
    fn is_superseded_by(&self, slot: Slot, entry: &Entry<C>) -> bool {
        let Role::Leader(leader) = &self.role else { return false };
        if slot >= leader.next_slot() {
            return true;
        }
        assert!(slot > Slot::ZERO, "slots count from 1");
        leader.proposed(slot).is_some_and(|proposed| proposed != entry)
    }
}
