//! Who wrote what: a table from atoms to the writes of a key.
//!
//! Eight bytes a slot: the number of a write and a part of its atom's hash, so that a look-up rarely touches a write
//! other than the one it is for. At most half full, probed in line.

use std::hash::Hasher;

use rustc_hash::FxHasher;

use super::NONE;
use super::entry::Atom;
use super::input::Write;

/// See above.
#[derive(Debug)]
pub(super) struct Writers {
    slots: Vec<Slot>,
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
    /// The first writes of all atoms; those of which there are several are marked so.
    pub(super) fn new(writes: &mut [Write<'_>]) -> Self {
        let mut writers =
            Self { slots: vec![Slot { tag: 0, write: NONE }; (writes.len() * 2).next_power_of_two()] };
        for index in 0..writes.len() {
            let (place, tag) = writers.find(writes[index].atom, writes);
            let known = writers.slots[place].write;
            if known == NONE {
                let write = u32::try_from(index).expect("fewer than there are operations");
                writers.slots[place] = Slot { tag, write };
            } else {
                writes[known as usize].several = true;
            }
        }
        writers
    }

    /// The first write of an atom.
    pub(super) fn get(&self, atom: Atom<'_>, writes: &[Write<'_>]) -> Option<u32> {
        let write = self.slots[self.find(atom, writes).0].write;
        (write != NONE).then_some(write)
    }

    /// The slot of an atom, or the free one where it would be; and its tag.
    fn find(&self, atom: Atom<'_>, writes: &[Write<'_>]) -> (usize, u32) {
        let hash = hash(atom);
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
