//! Who wrote what: a table from atoms to the writes of a key.
//!
//! Eight bytes a slot: the number of a write and its atom's hash, so that a look-up rarely touches a write
//! other than the one it is for. At most half full, probed in line. What is read was mostly written a moment ago, so
//! there is a second, small table of the writes around the last one that was found: it stays in the processor's cache,
//! which a table of a million writes does not.

use std::hash::Hasher;
use std::ops::Range;

use rustc_hash::FxHasher;

use super::NONE;
use super::entry::Atom;
use super::input::Write;

/// See above.
#[derive(Debug, Default)]
pub(super) struct Writers {
    slots: Vec<Slot>,
    /// By write: the hash of its atom.
    hashes: Vec<u32>,
}

/// The hash of an atom and the number of its first write, from 1. One that is free is nothing but zeros, as fresh memory is.
type Slot = (u32, u32);

/// So many writes are entered together: their slots lie all over a table that no cache holds, and to wait for each by itself
/// takes longer than all the rest.
const TOGETHER: usize = 16;

/// Texts and numbers; what else there is falls together, and is rare.
fn hash(atom: Atom<'_>) -> u32 {
    let mut hasher = FxHasher::default();
    match atom {
        Atom::Nil => {}
        Atom::Int(number) => hasher.write_i64(number),
        Atom::Text(text) => hasher.write(text),
        Atom::List(items) => hasher.write_usize(items.len()),
    }
    let hash = hasher.finish();
    #[expect(clippy::cast_possible_truncation, reason = "both halves are in it")]
    let folded = (hash ^ hash >> 32) as u32;
    folded
}

impl Writers {
    /// For at most so many writes.
    pub(super) fn expecting(writes: usize) -> Self {
        Self { slots: Vec::new(), hashes: Vec::with_capacity(writes) }
    }

    /// Hashes what the next write wrote, while it is at hand.
    pub(super) fn note(&mut self, atom: Atom<'_>) {
        self.hashes.push(hash(atom));
    }

    /// Enters all writes, each of which was noted; all those of one atom are marked if there are several.
    pub(super) fn enter(&mut self, writes: &mut [Write<'_>]) {
        assert_eq!(self.hashes.len(), writes.len(), "each was noted");
        self.slots = vec![(0, 0); (writes.len() * 2).next_power_of_two()];
        for start in (0..writes.len()).step_by(TOGETHER) {
            let batch = start..writes.len().min(start + TOGETHER);
            self.touch(batch.clone());
            for index in batch {
                self.add(index, writes);
            }
        }
    }

    /// Looks at the slots of some writes, to wait for all of them at once.
    fn touch(&self, writes: Range<usize>) {
        let slot = |hash: &u32| self.slots[self.first_place(*hash)].1;
        std::hint::black_box(self.hashes[writes].iter().fold(0, |seen, hash| seen ^ slot(hash)));
    }

    fn add(&mut self, index: usize, writes: &mut [Write<'_>]) {
        let hash = self.hashes[index];
        let place = self.find(writes[index].atom, hash, writes);
        if let Some(known) = self.slots[place].1.checked_sub(1) {
            writes[known as usize].several = true;
            writes[index].several = true;
        } else {
            self.slots[place] = (hash, u32::try_from(index + 1).expect("fewer than there are operations"));
        }
    }

    /// The first write of an atom.
    pub(super) fn get(&self, atom: Atom<'_>, writes: &[Write<'_>]) -> Option<u32> {
        self.get_hashed(atom, hash(atom), writes)
    }

    fn get_hashed(&self, atom: Atom<'_>, hash: u32, writes: &[Write<'_>]) -> Option<u32> {
        self.slots[self.find(atom, hash, writes)].1.checked_sub(1)
    }

    /// The slot of an atom, or the free one where it would be.
    fn find(&self, atom: Atom<'_>, hash: u32, writes: &[Write<'_>]) -> usize {
        let mut place = self.first_place(hash);
        loop {
            let (known, number) = self.slots[place];
            let Some(write) = number.checked_sub(1) else { return place };
            if known == hash && writes[write as usize].atom == atom {
                return place;
            }
            place = (place + 1) & (self.slots.len() - 1);
        }
    }

    /// Where a look-up begins.
    fn first_place(&self, hash: u32) -> usize {
        hash as usize & (self.slots.len() - 1)
    }
}

/// Slots of the small table.
const NEAR: usize = 1 << 12;
/// How many writes beyond the last one that was found it should have, and how many are added with each look-up.
const AHEAD: usize = 1 << 9;
const STEP: usize = 4;

/// The small table: finds what [`Writers`] does, sooner where one look-up is for a write near that of the last.
#[derive(Debug)]
pub(super) struct Nearby {
    /// Writes by hash, the latest that was added; empty where the large table is small itself.
    slots: Vec<u32>,
    /// The next write to be added.
    next: usize,
}

impl Nearby {
    pub(super) fn new(writes: &[Write<'_>]) -> Self {
        Self { slots: if writes.len() < NEAR { Vec::new() } else { vec![NONE; NEAR] }, next: 0 }
    }

    /// The first write of an atom.
    pub(super) fn get(&mut self, writers: &Writers, atom: Atom<'_>, writes: &[Write<'_>]) -> Option<u32> {
        let hash = hash(atom);
        if self.slots.is_empty() {
            return writers.get_hashed(atom, hash, writes);
        }
        let near = self.slots[place(hash)];
        let only = |near: u32| writes[near as usize].atom == atom && !writes[near as usize].several;
        let found =
            if near != NONE && only(near) { Some(near) } else { writers.get_hashed(atom, hash, writes) };
        if let Some(found) = found {
            self.follow(found as usize, &writers.hashes, writes);
        }
        found
    }

    fn follow(&mut self, found: usize, hashes: &[u32], writes: &[Write<'_>]) {
        if self.next < found || self.next > found + 2 * AHEAD {
            self.next = found;
        }
        let until = (found + AHEAD).min(self.next + STEP).min(hashes.len());
        while self.next < until {
            let write = u32::try_from(self.next).expect("fewer than there are operations");
            self.slots[place(hashes[self.next])] = write;
            touch(writes[self.next].atom);
            self.next += 1;
        }
    }
}

/// Looks at a text: whoever looks it up will compare it, and would have to wait for it then.
fn touch(atom: Atom<'_>) {
    if let Atom::Text(text) = atom {
        std::hint::black_box(text.first().copied());
    }
}

/// By the upper bits of a hash.
fn place(hash: u32) -> usize {
    (hash >> (u32::BITS - NEAR.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use super::super::input::How;
    use super::*;

    #[test]
    fn what_is_near_is_what_is_found_anywhere() {
        let value = |number: usize| i64::try_from(number * 7 % 20_000).unwrap();
        let write = |number: usize| Write {
            operation: u32::try_from(number).unwrap(),
            how: How::Put,
            atom: Atom::Int(value(number)),
            bare: false,
            several: false,
        };
        // Of the last thousand, each is written a second time.
        let mut writes: Vec<Write<'_>> = (0..21_000).map(write).collect();
        let mut writers = Writers::expecting(writes.len());
        writes.iter().for_each(|write| writers.note(write.atom));
        writers.enter(&mut writes);
        let mut nearby = Nearby::new(&writes);
        let (mut near, all) = (0, 30_000usize);
        for number in 0..all {
            // Forwards, with a look back and one far away now and then; some that nobody wrote.
            let number = if number % 13 == 0 { number * 31 % all } else { number.saturating_sub(number % 5) };
            let atom = Atom::Int(if number < 21_000 { value(number) } else { -1 });
            let expected = writers.get(atom, &writes);
            let hit = nearby.slots[place(hash(atom))];
            near += usize::from(hit != NONE && Some(hit) == expected);
            assert_eq!(nearby.get(&writers, atom, &writes), expected, "{number}");
        }
        assert!(near > 10_000, "the small table is of use: {near}");
    }
}
