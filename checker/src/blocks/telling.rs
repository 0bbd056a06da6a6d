//! Which operations of an illegal key are enough to tell what is wrong, so that no others need be made.
//!
//! Of a legal history any operations are legal by themselves, if with each that saw something there are those that made it:
//! of two that are left, only what neither showed can have stood between. So where a few blocks, closed in this sense, are
//! illegal the key is, and what is told of these few is the earliest proof if the key was not illegal before. Not where an
//! absence was observed. It decides nothing.

use rustc_hash::FxHashSet;

use super::entry::{Entries, What};
use super::input::{How, Key, Kind, Write};
use super::placed::Placed;
use super::{Stop, earliest, judge, order};

/// Blocks that were illegal before the last ones were, at most, until all operations are looked at.
const ROUNDS_MAX: usize = 4;
/// Where more than one operation of so many is needed, all are made at once, unless they are few.
const SHARE_MAX: usize = 4;
const FEW: usize = 64;

/// The operations, ascending, of the blocks of the witnesses by which a key is illegal, its operations standing in these
/// blocks (none if they stand in none), with all that made what these show; `None` where all are needed: what is told may
/// rest on what came later, such as who wrote what was seen early.
pub(super) fn enough<'h, E: Entries<'h> + ?Sized>(
    key: &Key<'_>,
    entries: &E,
    mut placed: Placed,
    witnesses: &[u32],
) -> Option<Vec<u32>> {
    if !key.differing.is_empty() {
        return None;
    }
    let mut operations = match of_blocks(&placed, witnesses) {
        Some(operations) => operations,
        None if placed.is_empty() && !matches!(key.kind, Kind::Register) => witnesses.to_vec(),
        None => return None,
    };
    // Each round looks at an earlier moment than the one before.
    for _ in 0..ROUNDS_MAX {
        let closed = closed(key, operations)?;
        let stamp = earliest(&Key::read(key.spec, &Part { entries, operations: &closed })?)?.stamp;
        let returns = key.stamps.iter().map(|(_, returned)| *returned);
        let Some(before) = returns.filter(|returned| *returned < stamp).max() else { return Some(closed) };
        let view = key.until(before);
        placed.keep_certain(|operation| view.is_done(operation));
        if !placed.places.is_empty() && order::arrange(&view, &placed).is_ok() {
            return Some(closed);
        }
        operations = match judge(&view).1 {
            Ok(_) => return Some(closed),
            // It may have been illegal before, which others than these would show.
            Err(Stop::Unclear) => return None,
            // Of what is seen again later there is no telling by the blocks of that moment.
            Err(Stop::Refuted(earlier)) => of_blocks(&placed, &earlier.witnesses())?,
        };
    }
    None
}

/// All operations of the blocks in which the witnesses stand; `None` if one stands nowhere.
fn of_blocks(placed: &Placed, witnesses: &[u32]) -> Option<Vec<u32>> {
    let block = |witness: &u32| placed.places.get(*witness as usize).filter(|place| place.is_somewhere());
    let blocks: Option<Vec<u32>> = witnesses.iter().map(|witness| Some(block(witness)?.block)).collect();
    let blocks = blocks?;
    let of_them = placed.places.iter().zip(0..).filter(|(place, _)| blocks.contains(&place.block));
    Some(of_them.map(|(_, operation)| operation).collect())
}

/// Operations, ascending, and whatever wrote what they show; `None` if they are many, or several may have written the same.
/// Those of whole blocks of a register show nothing else.
fn closed(key: &Key<'_>, mut operations: Vec<u32>) -> Option<Vec<u32>> {
    if matches!(key.kind, Kind::Register) {
        return Some(operations);
    }
    let many = (key.stamps.len() / SHARE_MAX).max(FEW);
    let view = key.until(u64::MAX);
    // By this it is a list.
    let appends = |write: &&Write<'_>| write.how == How::Append;
    let mut writers: FxHashSet<u32> =
        key.writes.iter().find(appends).map(|write| write.operation).into_iter().collect();
    for operation in operations.iter().take(many) {
        let Ok(read) = key.reads.binary_search_by_key(operation, |read| read.operation) else { continue };
        let Some(shown) = view.shown(key.reads[read].value) else { continue };
        for write in view.atoms(shown).filter_map(|atom| key.writer(atom)).map(|write| view.write(write)) {
            if write.several {
                return None;
            }
            writers.insert(write.operation);
        }
    }
    operations.extend(writers);
    operations.sort_unstable();
    operations.dedup();
    (operations.len() <= many).then_some(operations)
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

    /// Operations from words `invoked returned kind value`; a list has commas, a cas
    /// `from:to`, one that failed `from!to`.
    fn operations(lines: &[&str]) -> Vec<KvOperation> {
        let key = || "k".into();
        let value = |word: &str| match word.split_once(',') {
            None => word.parse().map_or(Value::Nil, Value::Int),
            Some(_) => Value::list(word.split(',').filter_map(|item| item.parse::<i64>().ok())),
        };
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
    fn a_list_needs_what_made_what_is_shown() {
        // Of two lists, the second without what was acknowledged; who appended its element is needed, too.
        let lists = [
            "0 1 a 1",
            "2 3 w 2",
            "4 5 a 3",
            "6 7 r 2,3",
            "8 9 a 4",
            "10 11 r 2,3",
            "12 13 w 5",
            "14 15 r 5",
        ];
        assert_eq!(enough(&lists), Some(vec![0, 1, 2, 3, 4, 5]), "the first append says that it is a list");
        let twice = ["0 1 w 1", "2 3 a 2", "4 5 w 3", "6 7 a 4", "8 9 r 3,4,4", "10 11 r 3,4"];
        assert_eq!(
            enough(&twice),
            Some(vec![1, 2, 3, 4]),
            "what is shown twice, and what it is shown behind"
        );
    }

    #[test]
    fn lists_of_which_most_is_needed_are_made_at_once() {
        let appends = (0..200).map(|at| format!("{} {} a {at}", 4 * at, 4 * at + 1));
        let shown = |upto: u64| (0..=upto).map(|at| format!("{at},")).collect::<String>();
        let reads = (0..200).map(|at| format!("{} {} r {}", 4 * at + 2, 4 * at + 3, shown(at.min(100))));
        let lines: Vec<String> = appends.chain(reads).collect();
        let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        lines.sort_by_key(|line| line.split(' ').next().and_then(|stamp| stamp.parse::<u64>().ok()));
        assert_eq!(enough(&lines), None);
    }

    #[test]
    fn observed_absences_need_all() {
        let absence: Vec<&str> = STALE.iter().copied().chain(["14 15 c 9!1"]).collect();
        assert_eq!(enough(&absence), None);
    }
}
