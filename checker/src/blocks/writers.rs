//! Who wrote what: a table from atoms to the writes of a key.
//!
//! Eight bytes a slot: the number of a write and a part of its atom's hash, so that a look-up rarely touches a write
//! other than the one it is for. At most half full, probed in line. What is read was mostly written a moment ago, so
//! there is a second, small table of the writes around the last one that was found: it stays in the processor's cache,
//! which a table of a million writes does not.

use std::hash::Hasher;

use rustc_hash::FxHasher;

use super::NONE;
use super::entry::Atom;
use super::input::Write;

/// See above.
#[derive(Debug)]
pub(super) struct Writers {
    slots: Vec<Slot>,
    /// By write: the tag of its atom.
    tags: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The upper half of the hash.
    tag: u32,
    /// [`NONE`] if the slot is free.
    write: u32,
}

/// Texts and numbers; what else there is falls together, and is rare.
fn hash(atom: Atom<'_>) -> u64 {
    let mut hasher = FxHasher::default();
    match atom {
        Atom::Nil => {}
        Atom::Int(number) => hasher.write_i64(number),
        Atom::Text(text) => hasher.write(text.as_bytes()),
        Atom::List(items) => hasher.write_usize(items.len()),
    }
    hasher.finish()
}

impl Writers {
    /// The first writes of all atoms; all those of one atom are marked if there are several.
    pub(super) fn new(writes: &mut [Write<'_>]) -> Self {
        let slots = vec![Slot { tag: 0, write: NONE }; (writes.len() * 2).next_power_of_two()];
        let mut writers = Self { slots, tags: Vec::with_capacity(writes.len()) };
        for index in 0..writes.len() {
            let atom = writes[index].atom;
            let (place, tag) = writers.find(atom, hash(atom), writes);
            writers.tags.push(tag);
            let known = writers.slots[place].write;
            if known == NONE {
                let write = u32::try_from(index).expect("fewer than there are operations");
                writers.slots[place] = Slot { tag, write };
            } else {
                writes[known as usize].several = true;
                writes[index].several = true;
            }
        }
        writers
    }

    /// The first write of an atom.
    pub(super) fn get(&self, atom: Atom<'_>, writes: &[Write<'_>]) -> Option<u32> {
        self.get_hashed(atom, hash(atom), writes)
    }

    fn get_hashed(&self, atom: Atom<'_>, hash: u64, writes: &[Write<'_>]) -> Option<u32> {
        let write = self.slots[self.find(atom, hash, writes).0].write;
        (write != NONE).then_some(write)
    }

    /// The slot of an atom, or the free one where it would be; and its tag.
    fn find(&self, atom: Atom<'_>, hash: u64, writes: &[Write<'_>]) -> (usize, u32) {
        let (tag, mask) = ((hash >> 32) as u32, self.slots.len() - 1);
        #[expect(clippy::cast_possible_truncation, reason = "the mask keeps the lowest bits")]
        let mut place = hash as usize & mask;
        loop {
            let slot = self.slots[place];
            let here = slot.tag == tag && slot.write != NONE && writes[slot.write as usize].atom == atom;
            if here || slot.write == NONE {
                return (place, tag);
            }
            place = (place + 1) & mask;
        }
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
        let near = self.slots[place((hash >> 32) as u32)];
        let only = |near: u32| writes[near as usize].atom == atom && !writes[near as usize].several;
        let found =
            if near != NONE && only(near) { Some(near) } else { writers.get_hashed(atom, hash, writes) };
        if let Some(found) = found {
            self.follow(found as usize, &writers.tags, writes);
        }
        found
    }

    fn follow(&mut self, found: usize, tags: &[u32], writes: &[Write<'_>]) {
        if self.next < found || self.next > found + 2 * AHEAD {
            self.next = found;
        }
        let until = (found + AHEAD).min(self.next + STEP).min(tags.len());
        while self.next < until {
            let write = u32::try_from(self.next).expect("fewer than there are operations");
            self.slots[place(tags[self.next])] = write;
            touch(writes[self.next].atom);
            self.next += 1;
        }
    }
}

/// Looks at a text: whoever looks it up will compare it, and would have to wait for it then.
fn touch(atom: Atom<'_>) {
    if let Atom::Text(text) = atom {
        std::hint::black_box(text.as_bytes().first().copied());
    }
}

/// By the upper bits of a tag, which are the best.
fn place(tag: u32) -> usize {
    (tag >> (u32::BITS - NEAR.ilog2())) as usize
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
        let writers = Writers::new(&mut writes);
        let mut nearby = Nearby::new(&writes);
        let (mut near, all) = (0, 30_000usize);
        for number in 0..all {
            // Forwards, with a look back and one far away now and then; some that nobody wrote.
            let number = if number % 13 == 0 { number * 31 % all } else { number.saturating_sub(number % 5) };
            let atom = Atom::Int(if number < 21_000 { value(number) } else { -1 });
            let expected = writers.get(atom, &writes);
            let hit = nearby.slots[place((hash(atom) >> 32) as u32)];
            near += usize::from(hit != NONE && Some(hit) == expected);
            assert_eq!(nearby.get(&writers, atom, &writes), expected, "{number}");
        }
        assert!(near > 10_000, "the small table is of use: {near}");
    }
}
