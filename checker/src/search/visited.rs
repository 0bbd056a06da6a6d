//! The positions that the search has entered, so that none is entered twice, nor one that is no better than another.

use rustc_hash::FxHashMap;

use super::NONE;
use super::mask::Mask;

/// Comparisons that cost as much as a step of the search.
const COMPARISONS_PER_STEP: u64 = 16;

/// A position as far as what follows depends on it.
///
/// Of two with the same returns passed and the same state, one dominates if it satisfies everything that the other
/// does and spent nothing else. Proof: let an order go on from the other. Every operation it takes was not spent
/// there, so it is not spent here either, and it can be taken in the same state; every operation that returns is
/// satisfied there before its return, be it already or by being ordered, hence here as well.
#[derive(Clone, Copy)]
pub(super) struct Seen<const N: usize> {
    /// Returns passed: all operations of these are in the order.
    pub(super) passed: u32,
    pub(super) state: u32,
    /// Open operations that must return and are in the order, or could be: they do not stand in the way.
    pub(super) satisfied: Mask<N>,
    /// Open operations that change the state and are in the order: they cannot be had again.
    pub(super) spent: Mask<N>,
    /// Operations of which satisfied and spent are (nearly) the same: both change the state and must return.
    pub(super) firm: Mask<N>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key<const N: usize> {
    passed: u32,
    state: u32,
    mask: Mask<N>,
}

#[derive(Clone, Copy)]
struct Entry<const N: usize> {
    satisfied: Mask<N>,
    spent: Mask<N>,
    /// The next one of the same key.
    next: u32,
}

/// A set of positions; where `dominance` is asked for, each key holds an antichain.
pub(super) struct Visited<const N: usize> {
    dominance: bool,
    heads: FxHashMap<Key<N>, u32>,
    entries: Vec<Entry<N>>,
    /// The first entry that is free to be used again.
    free: u32,
    comparisons: u64,
}

impl<const N: usize> Visited<N> {
    pub(super) fn new(dominance: bool) -> Self {
        Self { dominance, heads: FxHashMap::default(), entries: Vec::new(), free: NONE, comparisons: 0 }
    }

    /// Remembers a position, and forgets those that it dominates; `false` if it is known or dominated itself.
    pub(super) fn insert(&mut self, seen: &Seen<N>) -> bool {
        let Seen { passed, state, satisfied, spent, firm } = *seen;
        // Those alike in `firm` are compared; that misses a few that could dominate, which is sound.
        let mask = if self.dominance { spent.and(&firm) } else { satisfied.or(&spent) };
        let head = self.heads.entry(Key { passed, state, mask }).or_insert(NONE);
        let (mut at, mut before) = (*head, NONE);
        while at != NONE {
            self.comparisons += 1;
            let entry = self.entries[at as usize];
            let (known, worse) = if self.dominance {
                (
                    entry.satisfied.contains(&satisfied) && spent.contains(&entry.spent),
                    satisfied.contains(&entry.satisfied) && entry.spent.contains(&spent),
                )
            } else {
                (entry.satisfied == satisfied && entry.spent == spent, false)
            };
            if known {
                return false;
            }
            if worse {
                if before == NONE {
                    *head = entry.next;
                } else {
                    self.entries[before as usize].next = entry.next;
                }
                self.entries[at as usize].next = self.free;
                self.free = at;
            } else {
                before = at;
            }
            at = entry.next;
        }
        let entry = Entry { satisfied, spent, next: *head };
        if self.free == NONE {
            *head = u32::try_from(self.entries.len()).expect("memory is bounded long before so many");
            self.entries.push(entry);
        } else {
            *head = self.free;
            self.free = self.entries[self.free as usize].next;
            self.entries[*head as usize] = entry;
        }
        true
    }

    /// What the comparisons since the last call cost, in steps.
    pub(super) fn take_steps(&mut self) -> u64 {
        let steps = self.comparisons / COMPARISONS_PER_STEP;
        self.comparisons %= COMPARISONS_PER_STEP;
        steps
    }

    pub(super) fn bytes(&self) -> usize {
        self.heads.capacity() * (size_of::<(Key<N>, u32)>() + 1)
            + self.entries.capacity() * size_of::<Entry<N>>()
    }

    /// Forgets everything, and gives the memory back.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.dominance);
    }
}
