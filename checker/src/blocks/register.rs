//! Blocks of a register: a put with the reads of its value, and the chain of cas that goes on from there.
//!
//! A cas directly follows the readers of the value that it found, so that a chain is one block. An indeterminate
//! write that nothing observed is left out: nobody reads between it and the next write. One whose value was read,
//! or replaced by a cas that took effect, certainly took effect.

use super::input::How;
use super::placed::{INITIAL, Place};
use super::view::View;
use super::{NONE, Refutation, Stop};

/// Where versions go. Slot 0 is the initial state, slot `write + 1` what a write makes.
struct Chains {
    /// By write: whether it certainly takes effect.
    effective: Vec<bool>,
    /// By slot: the cas that replaces the version.
    replaced_by: Vec<u32>,
    /// Cas that take effect, each with the number of what it replaces.
    pending: Vec<(u32, u32)>,
}

impl Chains {
    fn new(writes: usize) -> Self {
        Self { effective: vec![false; writes], replaced_by: vec![NONE; writes + 1], pending: Vec::new() }
    }

    fn takes_effect(&mut self, view: &View<'_, '_>, write: u32) {
        let already = std::mem::replace(&mut self.effective[write as usize], true);
        if let (false, How::Cas(number)) = (already, view.write(write).how) {
            self.pending.push((write, number));
        }
    }

    /// Links every cas that takes effect to what it replaces, which then took effect too.
    fn link(&mut self, view: &View<'_, '_>) -> Result<(), Stop> {
        let mut next = 0;
        while let Some((write, number)) = self.pending.get(next).copied() {
            next += 1;
            let expected = view.key.expected[number as usize];
            let operation = view.write(write).operation;
            let first = view.key.expected_writers[number as usize];
            let source = view.source(expected, first, operation)?;
            let slot = source.map_or(0, |source| source + 1);
            let other = std::mem::replace(&mut self.replaced_by[slot as usize], write);
            if other != NONE {
                let other = view.write(other).operation;
                let (one, other) = (operation.min(other), operation.max(other));
                return Err(Refutation::SameSource { one, other }.into());
            }
            if let Some(source) = source {
                self.takes_effect(view, source);
            }
        }
        Ok(())
    }

    /// Where a chain of cas runs in a round: no version of it is ever first.
    fn round(&self, view: &View<'_, '_>, start: u32) -> Refutation {
        let mut replaces = vec![NONE; self.effective.len()];
        for (by, slot) in self.replaced_by.iter().zip(0..).filter(|(by, _)| **by != NONE) {
            replaces[*by as usize] = slot;
        }
        let mut cas = vec![start];
        let mut at = start;
        while cas.len() <= self.effective.len() {
            at = replaces[at as usize] - 1;
            if let Some(first) = cas.iter().position(|known| *known == at) {
                cas.drain(..first);
                break;
            }
            cas.push(at);
        }
        Refutation::Round { cas: cas.into_iter().map(|write| view.write(write).operation).collect() }
    }
}

/// Where each operation stands.
pub(super) fn place(view: &View<'_, '_>) -> Result<Vec<Place>, Stop> {
    let writes = u32::try_from(view.key.writes.len()).expect("fewer than there are operations");
    let mut chains = Chains::new(writes as usize);
    for write in 0..writes {
        if view.is_written(write as usize) {
            chains.takes_effect(view, write);
        }
    }
    // By read: the slot of what it saw.
    let mut seen = Vec::with_capacity(view.reads);
    for read in view.reads() {
        let source = view.source(read.value.kept(view.key.spec), read.writer, read.operation)?;
        if let Some(source) = source {
            chains.takes_effect(view, source);
        }
        seen.push(source.map_or(0, |source| source + 1));
    }
    chains.link(view)?;
    let mut places = vec![Place::NOWHERE; view.key.stamps.len()];
    let operation = |write: u32| view.write(write).operation as usize;
    let mut blocks = INITIAL;
    follow(view, &chains, 0, blocks, &mut places);
    for write in 0..writes {
        if chains.effective[write as usize] && view.write(write).how == How::Put {
            blocks += 1;
            places[operation(write)] = Place::writer(blocks, 0);
            follow(view, &chains, write + 1, blocks, &mut places);
        }
    }
    let nowhere =
        |write: &u32| chains.effective[*write as usize] && !places[operation(*write)].is_somewhere();
    if let Some(write) = (0..writes).find(nowhere) {
        return Err(chains.round(view, write).into());
    }
    for (read, slot) in view.reads().zip(seen) {
        let made = slot.checked_sub(1).map_or(Place::writer(INITIAL, 0), |write| places[operation(write)]);
        places[read.operation as usize] = Place::reader(made.block, made.version());
    }
    Ok(places)
}

/// Places the cas that follow the first version of a block, which is in a slot, one after the other.
fn follow(view: &View<'_, '_>, chains: &Chains, slot: u32, block: u32, places: &mut [Place]) {
    let (mut version, mut next) = (0, chains.replaced_by[slot as usize]);
    while next != NONE {
        version += 1;
        places[view.write(next).operation as usize] = Place::writer(block, version);
        next = chains.replaced_by[next as usize + 1];
    }
}
