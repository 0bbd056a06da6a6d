//! A mutex: acquired and released in turn.
//!
//! Who holds it is not looked at, as in Knossos: an acquisition must find it free, a release must find it held. Both
//! are without a value, so the monitor can be lazy: an operation takes effect when it returns; if it does not fit
//! then, one of the other kind that is open goes first, the one that ends first. Waiting never takes anything away,
//! for what is open stays open until it ends, and of two alike the one that ends first is the one to use up. That
//! there is no order is only said where one stretch of time shows it; where two stretches need the same indeterminate
//! operation, the search decides.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

use super::telling::Telling;
use super::{Keyed, replay};
use crate::format::{Misread, RawOperation, RecordedSpec};
use crate::history::{Completion, Indexed, Operation};
use crate::linearizable::NAME;
use crate::model::{Definition, judge_linearizable};
use crate::spec::{Direct, Spec};
use crate::verdict::Violation;
use crate::words::by;

/// What is done to a mutex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MutexAction {
    /// Lock it.
    Acquire,
    /// Unlock it.
    Release,
}

/// What is done, and to which mutex.
pub type MutexOp = Keyed<MutexAction>;

type MutexOperation = Operation<MutexOp, ()>;

/// The specification of a mutex that is free at first and cannot be acquired again while it is held.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mutex;

/// A mutex.
pub(crate) static MUTEX: Definition = Definition {
    name: "mutex",
    aliases: &["lock"],
    description: "acquire and release: never held twice, never released when free",
    functions: &["acquire", "release"],
    plain: |_| true,
    judge: |recorded, _, bounds| judge_linearizable(recorded, |_| Mutex, bounds),
};

impl Spec for Mutex {
    type Op = MutexOp;
    type Ret = ();
    /// Whether it is held.
    type State = bool;

    fn init(&self) -> bool {
        false
    }

    fn step(&self, held: &bool, op: &MutexOp, ret: Option<&()>) -> Option<bool> {
        let acquires = op.action == MutexAction::Acquire;
        // What nobody knows the outcome of may as well have been refused.
        let fits = acquires != *held;
        (fits || ret.is_none()).then_some(acquires)
    }

    fn partition<'a>(&self, op: &'a MutexOp) -> Option<Cow<'a, str>> {
        op.partition()
    }

    fn decide_directly(&self, operations: &[&MutexOperation]) -> Option<Direct> {
        match order(operations) {
            Ok(order) => {
                let legal = replay::is_legal(self, operations, &order);
                debug_assert!(legal, "the order that was found is legal");
                legal.then_some(Direct::Legal(order))
            }
            Err(stuck) => {
                let window = Window::around(operations, stuck)?;
                Some(Direct::Illegal(window.inside))
            }
        }
    }

    fn explain(
        &self,
        key: &str,
        operations: &[Indexed<'_, MutexOp, ()>],
        _few: &[Indexed<'_, MutexOp, ()>],
    ) -> Option<Violation> {
        let bare: Vec<&MutexOperation> = operations.iter().map(|(_, operation)| *operation).collect();
        let window = Window::around(&bare, order(&bare).err()?)?;
        Some(self.violation(key, operations, &window))
    }

    fn describe(&self, op: &MutexOp, _ret: Option<&()>) -> String {
        op.words(match op.action {
            MutexAction::Acquire => "acquire",
            MutexAction::Release => "release",
        })
    }

    fn describe_state(&self, held: &bool) -> String {
        if *held { "held" } else { "free" }.to_owned()
    }
}

/// A legal order, or the operation that could not take effect when it returned.
fn order(operations: &[&MutexOperation]) -> Result<Vec<u32>, u32> {
    let takes_effect = |operation: &MutexOperation| operation.completion != Completion::Fail;
    let mut returns: Vec<(u64, u32)> = (0u32..)
        .zip(operations)
        .filter(|(_, operation)| takes_effect(operation))
        .filter_map(|(index, operation)| Some((operation.returned?, index)))
        .collect();
    returns.sort_unstable();
    let mut invocations =
        (0u32..).zip(operations).filter(|(_, operation)| takes_effect(operation)).peekable();
    // Open operations by kind, the one that ends first on top.
    let mut open = [BinaryHeap::new(), BinaryHeap::new()];
    let mut ordered = vec![false; operations.len()];
    let (mut order, mut held) = (Vec::with_capacity(operations.len()), false);
    for (stamp, index) in returns {
        while let Some((begun, operation)) = invocations.next_if(|(_, operation)| operation.invoked <= stamp)
        {
            let ends = operation.returned.unwrap_or(u64::MAX);
            open[operation.op.action as usize].push(Reverse((ends, begun)));
        }
        if ordered[index as usize] {
            continue;
        }
        let acquires = operations[index as usize].op.action == MutexAction::Acquire;
        if acquires == held {
            let other = if acquires { MutexAction::Release } else { MutexAction::Acquire };
            let helper = std::iter::from_fn(|| open[other as usize].pop())
                .find(|Reverse((_, helper))| !ordered[*helper as usize]);
            let Some(Reverse((_, helper))) = helper else { return Err(index) };
            ordered[helper as usize] = true;
            order.push(helper);
        }
        ordered[index as usize] = true;
        order.push(index);
        held = acquires;
    }
    Ok(order)
}

/// A stretch of time in which more operations of one kind ran than those of the other kind can have come between.
struct Window {
    kind: MutexAction,
    /// Those of the kind that ran wholly inside, in the order of their invocations.
    inside: Vec<u32>,
    /// Those of the other kind that ran partly inside.
    between: Vec<u32>,
    /// Whether it begins with the history, when the mutex was free.
    from_start: bool,
}

impl Window {
    /// The shortest such stretch that ends with the return of this operation, counted afresh.
    fn around(operations: &[&MutexOperation], stuck: u32) -> Option<Self> {
        let kind = operations[stuck as usize].op.action;
        let until = operations[stuck as usize].returned?;
        let relevant = |other: bool| {
            (0u32..).zip(operations).filter(move |(_, operation)| {
                operation.completion != Completion::Fail && (operation.op.action == kind) != other
            })
        };
        let mut inside: Vec<(u64, u32)> = relevant(false)
            .filter(|(_, operation)| operation.returned.is_some_and(|returned| returned <= until))
            .map(|(index, operation)| (operation.invoked, index))
            .collect();
        inside.sort_unstable();
        let begun = relevant(true).filter(|(_, operation)| operation.invoked <= until);
        let mut between: Vec<(u64, u32)> =
            begun.map(|(index, operation)| (operation.returned.unwrap_or(u64::MAX), index)).collect();
        between.sort_unstable();
        for first in (0..inside.len()).rev() {
            let from = inside[first].0;
            let others = between.partition_point(|(ends, _)| *ends < from);
            let (more, less) = (inside.len() - first, between.len() - others);
            // One more than those between can be right, unless it is a release of a mutex that was never acquired.
            let from_start = first == 0 && others == 0;
            if more > less + 1 || (from_start && kind == MutexAction::Release && more > less) {
                let mut between: Vec<u32> = between[others..].iter().map(|(_, index)| *index).collect();
                between.sort_unstable();
                let mut inside: Vec<u32> = inside[first..].iter().map(|(_, index)| *index).collect();
                inside.sort_unstable();
                let from_start = more == less + 1;
                return Some(Self { kind, inside, between, from_start });
            }
        }
        None
    }
}

/// Operations named in a message; of more only the number is told.
const NAMED_MAX: usize = 4;

impl Mutex {
    fn violation(&self, key: &str, operations: &[Indexed<'_, MutexOp, ()>], window: &Window) -> Violation {
        let names = |indices: &[u32]| {
            let names: Vec<String> =
                indices.iter().take(NAMED_MAX).map(|index| by(self, operations[*index as usize].1)).collect();
            let more = indices.len().saturating_sub(NAMED_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{}{more}", names.join(", "))
        };
        let (kind, did, undid, other) = match window.kind {
            MutexAction::Acquire => ("double-grant", "acquired", "released", "release"),
            MutexAction::Release => ("not-held", "released", "acquired", "acquire"),
        };
        let count = window.inside.len();
        let message = match (window.inside.as_slice(), window.between.len()) {
            ([only], 0) => {
                format!(
                    "{} released a mutex that nobody had acquired",
                    by(self, operations[*only as usize].1)
                )
            }
            ([_, _], 0) => format!(
                "{} both {did} the mutex, and no {other} can have come between",
                names(&window.inside).replace(", ", " and ")
            ),
            (_, 0) => format!("the mutex was {did} {count} times within a time in which nobody {undid} it"),
            (_, 1) => {
                format!(
                    "the mutex was {did} {count} times within a time in which it was {undid} at most once"
                )
            }
            (_, between) => format!(
                "the mutex was {did} {count} times within a time in which it was {undid} {between} times at most"
            ),
        };
        let mut told = vec![format!("it was {did} by {}", names(&window.inside))];
        told.push(match window.between.len() {
            0 => format!("meanwhile nobody {undid} it"),
            _ => format!("meanwhile it can only have been {undid} by {}", names(&window.between)),
        });
        let needed = if window.from_start { count } else { count - 1 };
        told.push(match window.from_start {
            true => format!("it was free in the beginning, so there must be {needed} at least to {other} it"),
            false => format!("between any two there must be one to {other} it: {needed} at least"),
        });
        let ids = window.inside.iter().chain(&window.between).map(|index| operations[*index as usize].0);
        Telling::in_steps(kind, message, told).violation(NAME, key, ids.collect())
    }
}

impl RecordedSpec for Mutex {
    fn read(raw: &RawOperation) -> Result<(MutexOp, Completion<()>), Misread> {
        let action = match raw.function.as_ref() {
            "acquire" => MutexAction::Acquire,
            "release" => MutexAction::Release,
            other => {
                return Err(Misread::asked(format!(
                    "unknown operation `{other}`; expected acquire or release"
                )));
            }
        };
        let completion = raw.completed(|| Ok(()))?;
        Ok((Keyed::new(raw.key.clone().unwrap_or_default(), action), completion))
    }
}

#[cfg(test)]
mod tests;
