//! From operations to elements: when each was inserted and taken, where values tell elements apart.
//!
//! What one element shows by itself is refuted here: taken though nobody inserted it, taken twice, taken before its
//! insertion began. It does not know the discipline.

use rustc_hash::FxHashMap;

use super::refutation::Refutation;
use super::{ContainerAction, ContainerOperation, ContainerRet, Stop};
use crate::history::Completion;
use crate::value::Value;

/// No operation.
pub(super) const NONE: u32 = u32::MAX;

/// An element. Its insertion takes effect between two stamps, its removal as well; both are tightened so that the
/// insertion can be before the removal wherever the two are placed within.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    /// The insertion's index.
    pub(super) insert: u32,
    /// The removal's index, [`NONE`] if nobody was told to have taken it.
    pub(super) remove: u32,
    pub(super) in_from: u64,
    pub(super) in_until: u64,
    /// [`u64::MAX`] if it never leaves.
    pub(super) out_from: u64,
    pub(super) out_until: u64,
}

impl Element {
    /// Whether there is a time at which it is inside for sure: strictly between its latest insertion and its
    /// earliest removal.
    pub(super) fn lasts(&self) -> bool {
        self.in_until < self.out_from
    }

    /// Nobody was told to have taken it.
    pub(super) fn is_left(&self) -> bool {
        self.remove == NONE
    }

    /// The same, its removal being this indeterminate one: it may be as late as one likes, yet is not never.
    pub(super) fn taken_by(mut self, remove: u32, operation: &ContainerOperation) -> Self {
        assert!(self.is_left() && operation.returned.is_none(), "nobody was told to have taken it");
        self.remove = remove;
        self.out_from = operation.invoked.max(self.in_from);
        self.out_until = u64::MAX - 1;
        self
    }
}

/// A removal that found nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Empty {
    pub(super) index: u32,
    pub(super) invoked: u64,
    pub(super) returned: u64,
}

/// A history of unique values.
pub(super) struct Input<'h> {
    pub(super) operations: &'h [&'h ContainerOperation],
    /// All that were certainly inserted: acknowledged, or taken by somebody.
    pub(super) elements: Vec<Element>,
    /// Removals that found nothing, in the order of their invocations.
    pub(super) empties: Vec<Empty>,
    /// Indeterminate removals, in the order of their invocations.
    pub(super) ghosts: Vec<u32>,
}

/// What is known of one value.
#[derive(Clone, Copy)]
struct Known {
    insert: u32,
    remove: u32,
}

impl<'h> Input<'h> {
    pub(super) fn read(operations: &'h [&'h ContainerOperation]) -> Result<Self, Stop> {
        let mut known: FxHashMap<&Value, Known> = FxHashMap::default();
        let mut failed: FxHashMap<&Value, u32> = FxHashMap::default();
        let mut inserts: Vec<(u32, &Value)> = Vec::new();
        for (index, operation) in (0u32..).zip(operations) {
            let ContainerAction::Insert { value } = &operation.op.action else { continue };
            if operation.completion == Completion::Fail {
                failed.entry(value).or_insert(index);
                continue;
            }
            if known.insert(value, Known { insert: index, remove: NONE }).is_some() {
                return Err(Stop::Unclear);
            }
            inserts.push((index, value));
        }
        let (mut empties, mut ghosts) = (Vec::new(), Vec::new());
        let mut refutation: Option<Refutation> = None;
        for (index, operation) in (0u32..).zip(operations) {
            match (&operation.op.action, &operation.completion) {
                (ContainerAction::Insert { .. }, Completion::Ok(ContainerRet::Done) | Completion::Info)
                | (_, Completion::Fail) => {}
                (ContainerAction::Remove, Completion::Info) => ghosts.push(index),
                (ContainerAction::Remove, Completion::Ok(ContainerRet::Empty)) => {
                    let returned = operation.returned.expect("a completed operation has a return");
                    empties.push(Empty { index, invoked: operation.invoked, returned });
                }
                (ContainerAction::Remove, Completion::Ok(ContainerRet::Taken(value))) => {
                    let found = take(operations, &mut known, &failed, value, index);
                    refutation = refutation.or(found);
                }
                _ => return Err(Stop::Unclear),
            }
        }
        if let Some(refutation) = refutation {
            return Err(Stop::Refuted(refutation));
        }
        let elements = inserts.into_iter().filter_map(|(insert, value)| {
            let Known { remove, .. } = known[value];
            element(operations, insert, remove)
        });
        Ok(Self { operations, elements: elements.collect(), empties, ghosts })
    }

    /// Whether some element may have been taken by an indeterminate removal.
    pub(super) fn has_choice(&self) -> bool {
        !self.ghosts.is_empty() && self.elements.iter().any(Element::is_left)
    }

    /// The elements, each that nobody was told to have taken being taken by the first indeterminate removal, as if
    /// that could take them all. There is such a removal.
    pub(super) fn relaxed(&self) -> Vec<Element> {
        let first = self.ghosts[0];
        let relax = |element: &Element| {
            if element.is_left() {
                element.taken_by(first, self.operations[first as usize])
            } else {
                *element
            }
        };
        self.elements.iter().map(relax).collect()
    }
}

/// Notes that the operation `remove` took this value; what is wrong with that, if anything.
fn take<'h>(
    operations: &[&'h ContainerOperation],
    known: &mut FxHashMap<&'h Value, Known>,
    failed: &FxHashMap<&'h Value, u32>,
    value: &'h Value,
    remove: u32,
) -> Option<Refutation> {
    let Some(element) = known.get_mut(value) else {
        return Some(Refutation::Phantom { remove, failed: failed.get(value).copied() });
    };
    let insert = element.insert;
    let earlier = std::mem::replace(&mut element.remove, remove);
    if earlier != NONE {
        return Some(Refutation::Duplicated { insert, one: earlier, other: remove });
    }
    let premature = operations[remove as usize].precedes(operations[insert as usize]);
    premature.then_some(Refutation::Premature { insert, remove })
}

/// `None` for an indeterminate insertion that nobody observed: it may be left out, see [`super::unobserved`].
fn element(operations: &[&ContainerOperation], insert: u32, remove: u32) -> Option<Element> {
    let inserted = operations[insert as usize];
    if remove == NONE && inserted.completion == Completion::Info {
        return None;
    }
    let (in_from, in_until) = (inserted.invoked, inserted.returned.unwrap_or(u64::MAX));
    if remove == NONE {
        return Some(Element { insert, remove, in_from, in_until, out_from: u64::MAX, out_until: u64::MAX });
    }
    let removed = operations[remove as usize];
    let out_until = removed.returned.expect("a completed operation has a return");
    let out_from = removed.invoked.max(in_from);
    Some(Element { insert, remove, in_from, in_until: in_until.min(out_until), out_from, out_until })
}
