//! The log of one replica above its snapshot: what it accepted, and what it knows to be chosen.
//!
//! `commit` is the end of the contiguous chosen prefix and never falls. A chosen entry is never replaced. What is
//! accepted is a mirror of the disk; what is chosen is volatile and learned again after a restart. Up to `base`,
//! everything is chosen and no entry is left: a snapshot stands for them, of which this module knows nothing.

use alloc::vec::Vec;

use super::{Ballot, Command, Entry, Limits, PromisePage, Slot};
use crate::ascending::Ascending;

/// Accepted and chosen entries by slot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Log<C> {
    accepted: Ascending<Slot, (Ballot, Entry<C>)>,
    chosen: Ascending<Slot, Entry<C>>,
    base: Slot,
    commit: Slot,
}

impl<C> Default for Log<C> {
    fn default() -> Self {
        Self {
            accepted: Ascending::default(),
            chosen: Ascending::default(),
            base: Slot::ZERO,
            commit: Slot::ZERO,
        }
    }
}

/// Counts what goes into one message.
struct Budget {
    entries: usize,
    bytes: usize,
}

impl Budget {
    fn new(limits: &Limits) -> Self {
        assert!(limits.batch_entries_max > 0, "a batch holds at least one entry");
        Self { entries: limits.batch_entries_max, bytes: limits.batch_bytes_max }
    }

    /// Whether one more fits; the first always does.
    fn take<C: Command>(&mut self, limits: &Limits, entry: &Entry<C>) -> bool {
        let size_bytes = entry.size_bytes();
        let is_first = self.entries == limits.batch_entries_max;
        if !is_first && (self.entries == 0 || self.bytes < size_bytes) {
            return false;
        }
        self.entries -= 1;
        self.bytes = self.bytes.saturating_sub(size_bytes);
        true
    }
}

impl<C: Command> Log<C> {
    /// The end of the contiguous chosen prefix.
    pub fn commit(&self) -> Slot {
        self.commit
    }

    /// The end of what a snapshot stands for.
    pub fn base(&self) -> Slot {
        self.base
    }

    /// How many entries it holds, accepted or chosen.
    pub fn len(&self) -> usize {
        self.accepted.len().max(self.chosen.len())
    }

    /// Whether it holds no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a slot is near enough to the snapshot to be accepted.
    pub fn has_room(&self, slot: Slot, limits: &Limits) -> bool {
        slot > Slot::ZERO && slot.0.saturating_sub(self.base.0) <= limits.log_slots_max
    }

    /// Forgets the entries up to a slot: a snapshot stands for them.
    pub fn cut(&mut self, last: Slot) {
        assert!(self.base < last && last <= self.commit, "what is cut is new and chosen");
        self.accepted.forget_up_to(&last);
        self.chosen.forget_up_to(&last);
        self.base = last;
    }

    /// Jumps to the end of a snapshot; what is known above it stays.
    pub fn install(&mut self, last: Slot) {
        self.accepted.forget_up_to(&last);
        self.chosen.forget_up_to(&last);
        (self.base, self.commit) = (last, last);
        self.advance();
    }

    /// Forgets what is accepted, which a correct replica never does.
    pub(super) fn forget_accepted(&mut self) {
        self.accepted.clear();
    }

    /// Everything accepted, by slot.
    pub fn accepted(&self) -> impl DoubleEndedIterator<Item = (Slot, Ballot, &Entry<C>)> {
        self.accepted.iter().map(|(slot, (ballot, entry))| (*slot, *ballot, entry))
    }

    /// What is accepted from a slot on.
    pub fn accepted_from(&self, from: Slot) -> impl Iterator<Item = (Slot, Ballot, &Entry<C>)> {
        self.accepted.range(from..).map(|(slot, (ballot, entry))| (*slot, *ballot, entry))
    }

    /// The ballot in which a slot was last accepted.
    pub fn accepted_ballot(&self, slot: Slot) -> Option<Ballot> {
        self.accepted.get(&slot).map(|(ballot, _)| *ballot)
    }

    /// Whether what a slot holds is known for good, even if the entry is not there any more.
    pub fn is_chosen(&self, slot: Slot) -> bool {
        slot <= self.base || self.chosen.contains_key(&slot)
    }

    /// What a slot above the snapshot is known to hold for good.
    pub fn chosen(&self, slot: Slot) -> Option<&Entry<C>> {
        self.chosen.get(&slot)
    }

    /// The first chosen slot from one on, holes or not.
    pub fn chosen_from(&self, slot: Slot) -> Option<Slot> {
        self.chosen.range(slot..).next().map(|(slot, _)| *slot)
    }

    /// Accepts an entry.
    pub fn accept(&mut self, slot: Slot, ballot: Ballot, entry: Entry<C>) {
        assert!(slot > Slot::ZERO, "slots count from 1");
        if slot > self.base {
            self.accepted.insert(slot, (ballot, entry));
        }
    }

    /// Marks an entry as chosen; what is chosen stays.
    pub fn choose(&mut self, slot: Slot, entry: Entry<C>) {
        assert!(slot > Slot::ZERO, "slots count from 1");
        if slot > self.base {
            self.chosen.or_insert_with(slot, || entry);
        }
    }

    /// Marks what is accepted at a slot as chosen.
    pub fn choose_accepted(&mut self, slot: Slot) {
        let (_, entry) = self.accepted.get(&slot).expect("only an accepted entry is chosen by its slot");
        self.chosen.or_insert_with(slot, || entry.clone());
    }

    /// Extends the prefix; whether it grew.
    pub fn advance(&mut self) -> bool {
        let before = self.commit;
        while self.chosen.contains_key(&self.commit.next()) {
            self.commit = self.commit.next();
        }
        assert!(self.commit >= before, "the chosen prefix never shrinks");
        self.commit > before
    }

    /// One page of a promise: chosen entries up to the commit, accepted ones above it.
    pub fn promise_page(&self, from: Slot, limits: &Limits) -> PromisePage<C> {
        assert!(from > self.base, "what was cut is in the snapshot");
        let mut page =
            PromisePage { from, commit: self.commit, accepted: Vec::new(), chosen: Vec::new(), next: None };
        let mut budget = Budget::new(limits);
        if from <= self.commit {
            for (slot, entry) in self.chosen.range(from..=self.commit) {
                if !budget.take(limits, entry) {
                    page.next = Some(*slot);
                    return page;
                }
                page.chosen.push((*slot, entry.clone()));
            }
        }
        for (slot, (ballot, entry)) in self.accepted.range(from.max(self.commit.next())..) {
            if !budget.take(limits, entry) {
                page.next = Some(*slot);
                return page;
            }
            page.accepted.push((*slot, *ballot, entry.clone()));
        }
        page
    }

    /// Chosen entries of consecutive slots from one on, within the commit.
    pub fn learn_page(&self, from: Slot, limits: &Limits) -> Vec<Entry<C>> {
        assert!(from > self.base, "what was cut is in the snapshot");
        if from > self.commit {
            return Vec::new();
        }
        let mut budget = Budget::new(limits);
        let range = self.chosen.range(from..=self.commit);
        range.map(|(_, entry)| entry).take_while(|entry| budget.take(limits, entry)).cloned().collect()
    }
}

/// Splits entries by slot into runs of consecutive slots, each small enough for one message.
pub(super) fn runs<C: Command>(
    entries: Vec<(Slot, Entry<C>)>,
    limits: &Limits,
) -> Vec<(Slot, Vec<Entry<C>>)> {
    let mut runs: Vec<(Slot, Vec<Entry<C>>)> = Vec::new();
    let mut budget = Budget::new(limits);
    for (slot, entry) in entries {
        let follows = runs.last().is_some_and(|(first, run)| first.0 + run.len() as u64 == slot.0);
        if !follows || !budget.take(limits, &entry) {
            budget = Budget::new(limits);
            assert!(budget.take(limits, &entry), "the first entry always fits");
            runs.push((slot, Vec::new()));
        }
        runs.last_mut().expect("there is a run to add to").1.push(entry);
    }
    runs
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn entry(number: u64) -> Entry<u64> {
        Entry::Command(number)
    }

    fn limits(batch_entries_max: usize) -> Limits {
        Limits { batch_entries_max, ..Limits::default() }
    }

    /// Slots 1 and 2 chosen, 3 and 5 accepted.
    fn log() -> Log<u64> {
        let mut log = Log::default();
        for slot in [1, 2, 3, 5] {
            log.accept(Slot(slot), Ballot::ZERO, entry(slot));
        }
        log.choose_accepted(Slot(1));
        log.choose(Slot(2), entry(2));
        assert!(log.advance());
        log
    }

    #[test]
    fn commit_stops_at_a_hole() {
        let mut log = log();
        log.choose(Slot(5), entry(5));
        assert!(!log.advance());
        assert_eq!((log.commit(), log.chosen_from(Slot(3))), (Slot(2), Some(Slot(5))));
    }

    #[test]
    fn what_is_chosen_stays() {
        let mut log = log();
        log.choose(Slot(1), entry(9));
        assert_eq!(log.chosen(Slot(1)), Some(&entry(1)));
    }

    #[test]
    fn promise_marks_what_is_chosen_and_pages() {
        let page = log().promise_page(Slot(2), &limits(2));
        assert_eq!(page.chosen, [(Slot(2), entry(2))]);
        assert_eq!((page.accepted, page.next), (vec![(Slot(3), Ballot::ZERO, entry(3))], Some(Slot(5))));
        let last = log().promise_page(Slot(5), &limits(2));
        assert_eq!((last.accepted, last.next), (vec![(Slot(5), Ballot::ZERO, entry(5))], None));
    }

    #[test]
    fn lessons_end_at_the_commit() {
        assert_eq!(log().learn_page(Slot(1), &limits(9)), [entry(1), entry(2)]);
        assert_eq!(log().learn_page(Slot(2), &limits(1)), [entry(2)]);
        assert_eq!(log().learn_page(Slot(3), &limits(9)), []);
    }

    #[test]
    fn runs_split_at_holes_and_bounds() {
        let entries = [1, 2, 3, 5].map(|slot| (Slot(slot), entry(slot))).to_vec();
        let expected =
            [(Slot(1), vec![entry(1), entry(2)]), (Slot(3), vec![entry(3)]), (Slot(5), vec![entry(5)])];
        assert_eq!(runs(entries, &limits(2)), expected);
        let tight = Limits { batch_bytes_max: 1, ..Limits::default() };
        assert_eq!(runs([(Slot(1), entry(1)), (Slot(2), entry(2))].to_vec(), &tight).len(), 2);
    }
}
