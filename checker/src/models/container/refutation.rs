//! Why no order is legal: the few operations that show it, and another look at whether they do.
//!
//! The second look uses the operations alone, nothing that the monitors made of them.

use rustc_hash::{FxHashMap, FxHashSet};

use super::input::{Element, NONE};
use super::{ContainerAction, ContainerOperation, ContainerRet, Discipline};
use crate::history::Completion;
use crate::value::Value;

/// An element of a refutation, by its operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Witness {
    pub(super) insert: u32,
    /// [`NONE`] if nobody can have taken it; an indeterminate removal if nobody can have taken it before that.
    pub(super) remove: u32,
}

impl Witness {
    pub(super) fn of(element: &Element) -> Self {
        Self { insert: element.insert, remove: element.remove }
    }
}

/// Why no order is legal. Operations are indices into those that were judged.
#[derive(Clone, Debug)]
pub(super) enum Refutation {
    /// Somebody took what nobody inserted; `failed`: or whose insertion failed.
    Phantom { remove: u32, failed: Option<u32> },
    /// One element was taken twice.
    Duplicated { insert: u32, one: u32, other: u32 },
    /// An element was taken before its insertion began.
    Premature { insert: u32, remove: u32 },
    /// In a queue: `first` was inserted before `second`, but `second` was taken before `first`.
    OutOfOrder { first: Witness, second: Witness },
    /// Somebody found nothing, though from before it began until after it ended the elements of a chain overlap.
    NeverEmpty { empty: u32, chain: Vec<Witness> },
    /// In a stack: the elements of a chain overlap, so that one of them must lie below all others, but none can.
    NoBottom { chain: Vec<Witness> },
}

impl Refutation {
    /// The operations that it rests on.
    pub(super) fn witnesses(&self) -> Vec<u32> {
        let of_chain = |chain: &[Witness]| -> Vec<u32> {
            chain.iter().flat_map(|witness| [witness.insert, witness.remove]).collect()
        };
        let mut witnesses = match self {
            Self::Phantom { remove, failed } => vec![*remove, failed.unwrap_or(NONE)],
            Self::Duplicated { insert, one, other } => vec![*insert, *one, *other],
            Self::Premature { insert, remove } => vec![*insert, *remove],
            Self::OutOfOrder { first, second } => of_chain(&[*first, *second]),
            Self::NeverEmpty { empty, chain } => {
                let mut witnesses = of_chain(chain);
                witnesses.push(*empty);
                witnesses
            }
            Self::NoBottom { chain } => of_chain(chain),
        };
        witnesses.retain(|index| *index != NONE);
        witnesses.sort_unstable();
        witnesses.dedup();
        witnesses
    }

    /// Whether the operations show what is claimed.
    pub(super) fn holds(&self, operations: &[&ContainerOperation], discipline: Discipline) -> bool {
        let look = Look::new(operations);
        match self {
            Self::Phantom { remove, failed } => {
                look.taken(*remove).is_some_and(|value| !look.inserted.contains_key(value))
                    && failed.is_none_or(|failed| look.fails(failed) && look.takes(*remove, failed))
            }
            Self::Duplicated { insert, one, other } => {
                one != other
                    && look.is_only(*insert)
                    && look.takes(*one, *insert)
                    && look.takes(*other, *insert)
            }
            Self::Premature { insert, remove } => {
                look.is_only(*insert)
                    && look.takes(*remove, *insert)
                    && operations[*remove as usize].precedes(operations[*insert as usize])
            }
            Self::OutOfOrder { first, second } => {
                let spans = (look.span(first), look.span(second));
                discipline == Discipline::Fifo
                    && matches!(spans, (Some(first), Some(second))
                        if first.in_until < second.in_from && second.out_until < first.out_from)
            }
            Self::NeverEmpty { empty, chain } => {
                let found_nothing = operations[*empty as usize];
                found_nothing.ret() == Some(&ContainerRet::Empty)
                    && look.overlapping(chain).is_some_and(|spans| {
                        spans[0].in_until < found_nothing.invoked
                            && found_nothing.returned < Some(spans[spans.len() - 1].out_from)
                    })
            }
            Self::NoBottom { chain } => {
                discipline == Discipline::Lifo
                    && look.overlapping(chain).is_some_and(|spans| {
                        let (begin, end) = (spans[0].in_until, spans[spans.len() - 1].out_from);
                        spans.iter().all(|span| span.in_from > begin || span.out_until < end)
                    })
            }
        }
    }
}

/// When an element was inserted and taken.
struct Span {
    in_from: u64,
    in_until: u64,
    out_from: u64,
    out_until: u64,
}

/// What the operations say of their values.
struct Look<'h> {
    operations: &'h [&'h ContainerOperation],
    /// How often each value was inserted, failures apart.
    inserted: FxHashMap<&'h Value, usize>,
    /// The values that somebody was told to have taken.
    told: FxHashSet<&'h Value>,
    /// When the first removal of which nobody knows what it took began.
    unknown_from: u64,
}

impl<'h> Look<'h> {
    fn new(operations: &'h [&'h ContainerOperation]) -> Self {
        let mut look = Self {
            operations,
            inserted: FxHashMap::default(),
            told: FxHashSet::default(),
            unknown_from: u64::MAX,
        };
        for operation in operations {
            match (&operation.op.action, &operation.completion) {
                (_, Completion::Fail) => {}
                (ContainerAction::Insert { value }, _) => *look.inserted.entry(value).or_default() += 1,
                (_, Completion::Info) => look.unknown_from = look.unknown_from.min(operation.invoked),
                (_, Completion::Ok(ContainerRet::Taken(value))) => drop(look.told.insert(value)),
                (_, Completion::Ok(_)) => {}
            }
        }
        look
    }

    fn inserted(&self, insert: u32) -> Option<&'h Value> {
        match &self.operations[insert as usize].op.action {
            ContainerAction::Insert { value } => Some(value),
            ContainerAction::Remove | ContainerAction::Drain => None,
        }
    }

    fn taken(&self, remove: u32) -> Option<&'h Value> {
        match self.operations[remove as usize].ret() {
            Some(ContainerRet::Taken(value)) => Some(value),
            _ => None,
        }
    }

    fn takes(&self, remove: u32, insert: u32) -> bool {
        self.taken(remove).is_some_and(|taken| self.inserted(insert) == Some(taken))
    }

    fn fails(&self, insert: u32) -> bool {
        self.operations[insert as usize].completion == Completion::Fail
    }

    /// Whether it is the only insertion of its value that did not fail.
    fn is_only(&self, insert: u32) -> bool {
        let copies = self.inserted(insert).and_then(|value| self.inserted.get(value));
        copies == Some(&1) && !self.fails(insert)
    }

    /// `None` if the element is not what it is said to be.
    fn span(&self, witness: &Witness) -> Option<Span> {
        let insert = self.operations[witness.insert as usize];
        if !self.is_only(witness.insert) {
            return None;
        }
        let in_until = insert.returned.unwrap_or(u64::MAX);
        let known = self.operations.get(witness.remove as usize).filter(|remove| remove.ret().is_some());
        let (out_from, out_until) = match known {
            Some(remove) if self.takes(witness.remove, witness.insert) => (remove.invoked, remove.returned?),
            Some(_) => return None,
            // It may stay for ever.
            None => (self.earliest_unknown(witness)?, u64::MAX),
        };
        let (in_from, in_until) = (insert.invoked, in_until.min(out_until));
        Some(Span { in_from, in_until, out_from, out_until })
    }

    /// From when on an element may have been taken, though nobody was told to have taken it.
    fn earliest_unknown(&self, witness: &Witness) -> Option<u64> {
        let told = self.told.contains(self.inserted(witness.insert)?);
        let acknowledged = self.operations[witness.insert as usize].ret().is_some();
        let claimed = self.operations.get(witness.remove as usize).map_or(u64::MAX, |remove| remove.invoked);
        (acknowledged && !told && claimed == self.unknown_from).then_some(claimed)
    }

    /// The spans of a chain, if each begins to be inside for sure before the one before it may have left.
    fn overlapping(&self, chain: &[Witness]) -> Option<Vec<Span>> {
        let spans: Option<Vec<Span>> = chain.iter().map(|witness| self.span(witness)).collect();
        spans.filter(|spans| {
            !spans.is_empty()
                && spans.iter().all(|span| span.in_until < span.out_from)
                && spans.windows(2).all(|pair| pair[1].in_until < pair[0].out_from)
        })
    }
}

#[cfg(test)]
mod tests;
