//! Who waits for which slot of a group's log, or for which round of its leader's heartbeats.
//!
//! Invariant: whoever waits does so since the present leadership began. A lost leadership forgets everybody, because
//! the slot may end up with the command of another. Any replicated group uses it, whatever its commands are.

use alloc::collections::VecDeque;

use crate::ascending::Ascending;
use crate::paxos::{Ballot, Slot};

/// Those who wait.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Waiting<W> {
    by_slot: Ascending<Slot, W>,
    /// In the order of arrival, in which rounds rise.
    by_round: VecDeque<(u64, W)>,
    led: Option<Ballot>,
}

impl<W> Default for Waiting<W> {
    fn default() -> Self {
        Self { by_slot: Ascending::default(), by_round: VecDeque::new(), led: None }
    }
}

impl<W> Waiting<W> {
    /// Notes which ballot this replica leads now; forgets everybody if it is another one than before.
    pub fn follow(&mut self, leading: Option<Ballot>) {
        if leading != self.led {
            self.led = leading;
            self.by_slot.clear();
            self.by_round.clear();
        }
    }

    /// Waits for a slot.
    pub fn insert(&mut self, slot: Slot, waiter: W) {
        assert!(slot > Slot::ZERO, "slots count from 1");
        self.by_slot.insert(slot, waiter);
    }

    /// Waits for a round of heartbeats.
    pub fn insert_round(&mut self, round: u64, waiter: W) {
        self.by_round.push_back((round, waiter));
    }

    /// Whether anybody waits for a round of heartbeats.
    pub fn is_for_rounds(&self) -> bool {
        !self.by_round.is_empty()
    }

    /// The first of those whose round is confirmed; they wait no more.
    pub fn take_confirmed(&mut self, confirmed: u64) -> Option<W> {
        if self.by_round.front().is_none_or(|(round, _)| *round > confirmed) {
            return None;
        }
        self.by_round.pop_front().map(|(_, waiter)| waiter)
    }

    /// Whoever waits for a slot waits no more.
    pub fn take(&mut self, slot: Slot) -> Option<W> {
        self.by_slot.remove(&slot)
    }

    /// Forgets who waits up to a slot: a snapshot that came from elsewhere does not tell what their requests came to.
    pub fn forget_up_to(&mut self, last: Slot) {
        self.by_slot.forget_up_to(&last);
    }

    /// The first waiter of whom this holds.
    pub fn find(&mut self, holds: impl Fn(&W) -> bool) -> Option<&mut W> {
        let by_round = self.by_round.iter_mut().map(|(_, waiter)| waiter);
        self.by_slot.values_mut().chain(by_round).find(|waiter| holds(waiter))
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.by_slot.len() + self.by_round.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::NodeId;

    #[test]
    fn lost_leadership_forgets_who_waits() {
        let ballot = |round| Some(Ballot { round, node: NodeId(1) });
        let mut waiting = Waiting::default();
        waiting.follow(ballot(1));
        waiting.insert(Slot(1), 'a');
        waiting.insert(Slot(2), 'b');
        waiting.follow(ballot(1));
        assert_eq!((waiting.take(Slot(1)), waiting.len()), (Some('a'), 1));
        waiting.follow(ballot(2));
        assert_eq!(waiting.take(Slot(2)), None);
    }

    #[test]
    fn readers_wait_for_their_round() {
        let mut waiting = Waiting::default();
        for (round, name) in [(1, 'a'), (2, 'b'), (2, 'c')] {
            waiting.insert_round(round, name);
        }
        assert_eq!((waiting.take_confirmed(0), waiting.take_confirmed(1)), (None, Some('a')));
        assert_eq!((waiting.take_confirmed(1), waiting.take_confirmed(5)), (None, Some('b')));
        waiting.follow(Some(Ballot { round: 2, node: NodeId(1) }));
        assert!(waiting.is_empty());
    }

    #[test]
    fn snapshot_forgets_who_waits_below_it() {
        let mut waiting = Waiting::default();
        (1..=3).for_each(|slot| waiting.insert(Slot(slot), slot));
        waiting.forget_up_to(Slot(2));
        assert!(
            waiting.find(|waiter| *waiter == 2).is_none() && waiting.find(|waiter| *waiter == 3).is_some()
        );
    }
}
