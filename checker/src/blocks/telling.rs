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

#[cfg(test)]
mod tests {
    use super::super::{KvOperation, decide_for_telling};
    use crate::history::{Completion, Operation, ProcessId};
    use crate::kv::{KvOp, KvRet, KvSpec};
    use crate::spec::Direct;
    use crate::value::Value;

    /// Operations from words `invoked returned kind value`; a cas has `from:to`, one that failed `from!to`.
    fn operations(lines: &[&str]) -> Vec<KvOperation> {
        let key = || "k".into();
        let value = |word: &str| word.parse().map_or(Value::Nil, Value::Int);
        let operation = |line: &&str| {
            let words: Vec<&str> = line.split(' ').collect();
            let (op, ret) = match (words[2], words[3]) {
                ("r", read) => (KvOp::Get { key: key() }, KvRet::Value(value(read))),
                ("a", element) => (KvOp::Append { key: key(), value: value(element) }, KvRet::Done),
                ("w", written) => (KvOp::Put { key: key(), value: value(written) }, KvRet::Done),
                (_, swap) => {
                    let (expected, new) = swap.split_once([':', '!']).expect("a change");
                    let ret = if swap.contains(':') { KvRet::Done } else { KvRet::Mismatch(None) };
                    (KvOp::Cas { key: key(), expected: value(expected), new: value(new) }, ret)
                }
            };
            let (invoked, returned) = (words[0].parse().unwrap(), words[1].parse().unwrap());
            let completion = Completion::Ok(ret);
            Operation { process: ProcessId(invoked), op, invoked, returned: Some(returned), completion }
        };
        lines.iter().map(operation).collect()
    }

    /// The operations that are enough to tell why these are illegal.
    fn enough(lines: &[&str]) -> Option<Vec<u32>> {
        let operations = operations(lines);
        let bare: Vec<&KvOperation> = operations.iter().collect();
        let (direct, enough) =
            decide_for_telling(&KvSpec::default(), bare.as_slice()).expect("it is decided");
        assert!(matches!(direct, Direct::Illegal(_)), "{lines:?}");
        enough
    }

    const STALE: [&str; 7] =
        ["0 1 w 1", "2 3 r 1", "4 5 w 2", "6 7 r 2", "8 9 w 3", "10 11 r 3", "12 13 r 2"];

    #[test]
    fn the_blocks_of_the_witnesses_are_enough_and_all_of_them_are_needed() {
        assert_eq!(enough(&STALE), Some(vec![2, 3, 4, 5, 6]), "what wrote and read 2 and 3");
        let reordered = ["0 1 w 1", "2 3 w 2", "4 5 c 1:3", "6 7 w 4", "8 9 r 4"];
        assert_eq!(enough(&reordered), Some(vec![0, 1, 2]), "the chain from 1, and what overwrote it");
        let initial = ["0 1 w 1", "2 3 r 1", "4 5 r nil", "6 7 w 2"];
        assert_eq!(enough(&initial), Some(vec![0, 1, 2]), "the initial state is a block, too");
    }

    #[test]
    fn what_was_illegal_before_is_told_instead() {
        let later = ["20 21 w 7", "22 23 w 8", "24 25 r 7", "26 27 r 9", "28 29 w 9"];
        let both: Vec<&str> = STALE.iter().chain(&later).copied().collect();
        assert_eq!(enough(&both), Some(vec![2, 3, 4, 5, 6]));
    }

    #[test]
    fn lists_and_observed_absences_need_all() {
        assert_eq!(enough(&["0 1 a 1", "2 3 w 2", "4 5 a 3", "6 7 r nil"]), None);
        let absence: Vec<&str> = STALE.iter().copied().chain(["14 15 c 9!1"]).collect();
        assert_eq!(enough(&absence), None);
    }
}
