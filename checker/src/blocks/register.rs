//! Blocks of a register: a put with the reads of its value, and the chain of cas that goes on from there.
//!
//! A cas directly follows the readers of the value that it found, so that a chain is one block. An indeterminate
//! write that nothing observed is left out: nobody reads between it and the next write. One whose value was read,
//! or replaced by a cas that took effect, certainly took effect.

use super::input::How;
use super::view::View;
use super::{INITIAL, NONE, Placed, Refutation, Stop};

/// A version's block and its number there.
#[derive(Clone, Copy)]
struct Home {
    block: u32,
    version: u32,
}

/// Where versions go. Slot 0 is the initial state, slot `write + 1` what a write makes.
struct Chains {
    /// By write: whether it certainly takes effect.
    effective: Vec<bool>,
    /// By slot: the cas that replaces the version.
    replaced_by: Vec<u32>,
    /// By write: the slot of the version that it replaces, for cas.
    replaces: Vec<u32>,
    /// Cas that take effect, each with the number of what it replaces.
    pending: Vec<(u32, u32)>,
}

impl Chains {
    fn new(writes: usize) -> Self {
        Self {
            effective: vec![false; writes],
            replaced_by: vec![NONE; writes + 1],
            replaces: vec![NONE; writes],
            pending: Vec::new(),
        }
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
            self.replaces[write as usize] = slot;
            if let Some(source) = source {
                self.takes_effect(view, source);
            }
        }
        Ok(())
    }

    /// Where a chain of cas runs in a round: no version of it is ever first.
    fn round(&self, view: &View<'_, '_>, start: u32) -> Refutation {
        let mut cas = vec![start];
        let mut at = start;
        while cas.len() <= self.effective.len() {
            at = self.replaces[at as usize] - 1;
            if let Some(first) = cas.iter().position(|known| *known == at) {
                cas.drain(..first);
                break;
            }
            cas.push(at);
        }
        Refutation::Round { cas: cas.into_iter().map(|write| view.write(write).operation).collect() }
    }
}

/// The operations in their groups and blocks.
pub(super) fn place(view: &View<'_, '_>) -> Result<Vec<Placed>, Stop> {
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
    let mut placed = Vec::with_capacity(seen.len() + writes as usize);
    let mut homes = vec![Home { block: NONE, version: 0 }; writes as usize + 1];
    let mut blocks = INITIAL;
    homes[0].block = blocks;
    follow(view, &chains, 0, &mut homes, &mut placed);
    for write in 0..writes {
        if chains.effective[write as usize] && view.write(write).how == How::Put {
            blocks += 1;
            homes[write as usize + 1].block = blocks;
            placed.push(Placed::writer(blocks, 0, view.write(write).operation));
            follow(view, &chains, write + 1, &mut homes, &mut placed);
        }
    }
    let nowhere = |write: &u32| chains.effective[*write as usize] && homes[*write as usize + 1].block == NONE;
    if let Some(write) = (0..writes).find(nowhere) {
        return Err(chains.round(view, write).into());
    }
    for (read, slot) in view.reads().zip(seen) {
        let home = homes[slot as usize];
        placed.push(Placed::reader(home.block, home.version, read.operation));
    }
    Ok(placed)
}

/// Places the cas that follow the version in a slot, one after the other.
fn follow(view: &View<'_, '_>, chains: &Chains, slot: u32, homes: &mut [Home], placed: &mut Vec<Placed>) {
    let mut home = homes[slot as usize];
    let mut next = chains.replaced_by[slot as usize];
    while next != NONE {
        home.version += 1;
        homes[next as usize + 1] = home;
        placed.push(Placed::writer(home.block, home.version, view.write(next).operation));
        next = chains.replaced_by[next as usize + 1];
    }
}
