//! Which operations of an illegal key are enough to tell what is wrong, so that no others need be made.
//!
//! Erasing whole blocks keeps a legal history legal: between the operations of another block nothing of them stands.
//! So where those of a few blocks alone are illegal the key is, and what is told of these few is the earliest proof
//! if the key was not illegal before. Not for lists, whose blocks hold what reads of others show, nor where an absence
//! was observed. It decides nothing.

use super::entry::{Entries, What};
use super::input::{Key, Kind};
use super::{Earliest, NONE, Placed, earliest};

/// Blocks that were illegal before the last ones were, at most, until all operations are looked at.
const ROUNDS_MAX: usize = 4;

/// The operations, ascending, of the blocks of the witnesses by which a key is illegal, its operations standing in these
/// blocks; `None` where all are needed: what is told may rest on what came later, such as who wrote what was seen early.
pub(super) fn enough<'h, E: Entries<'h> + ?Sized>(
    key: &Key<'h>,
    entries: &E,
    mut placed: Vec<Placed>,
    witnesses: &[u32],
) -> Option<Vec<u32>> {
    if !matches!(key.kind, Kind::Register) || !key.differing.is_empty() {
        return None;
    }
    let mut witnesses = witnesses.to_vec();
    for _ in 0..ROUNDS_MAX {
        let operations = of_blocks(&placed, &witnesses)?;
        let stamp = earliest(&Key::read(key.spec, &Part { entries, operations: &operations })?)?.stamp;
        let returns = key.stamps.iter().map(|(_, returned)| *returned);
        let Some(before) = returns.filter(|returned| *returned < stamp).max() else {
            return Some(operations);
        };
        let Some(earlier) = Earliest::at(key, before) else { return Some(operations) };
        (placed, witnesses) = (earlier.placed, earlier.refutation.witnesses());
    }
    None
}

/// All operations of the blocks in which the witnesses stand; `None` if one stands nowhere.
fn of_blocks(placed: &[Placed], witnesses: &[u32]) -> Option<Vec<u32>> {
    let mut blocks = vec![NONE; witnesses.len()];
    for placed in placed {
        if let Ok(witness) = witnesses.binary_search(&placed.operation) {
            blocks[witness] = placed.block;
        }
    }
    let of_them = placed.iter().filter(|placed| blocks.contains(&placed.block));
    let mut operations: Vec<u32> = of_them.map(|placed| placed.operation).collect();
    operations.sort_unstable();
    (!blocks.contains(&NONE)).then_some(operations)
}

/// Some of a key's operations.
struct Part<'p, E: ?Sized> {
    entries: &'p E,
    operations: &'p [u32],
}

impl<'h, E: Entries<'h> + ?Sized> Entries<'h> for Part<'_, E> {
    fn count(&self) -> usize {
        self.operations.len()
    }

    fn stamps(&self, index: usize) -> (u64, u64) {
        self.entries.stamps(self.operations[index] as usize)
    }

    fn what(&self, index: usize) -> What<'h> {
        self.entries.what(self.operations[index] as usize)
    }
}
