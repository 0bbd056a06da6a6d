//! Sets that only grow: elements are added, and read all at once.
//!
//! Where every element is added once, a monitor decides in time linear in what was read. Reads must form a chain, each
//! showing all that the smaller ones show; the chain then says of every operation how far it must have come, and no
//! operation may have ended before one that belongs in front of it began.

mod monitor;
mod recorded;
mod words;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use super::{Keyed, replay};
use crate::certificate::Reduction;
use crate::history::{Completion, Indexed, OpId, Operation, Reduced};
use crate::no_order::{self, NoOrder};
use crate::spec::{Direct, Spec, without_unobserved};
use crate::value::Value;
use crate::verdict::Violation;

use monitor::Input;
pub(crate) use recorded::SET;

/// What is done to a set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SetAction {
    /// Add an element.
    Add {
        /// The element.
        element: Value,
    },
    /// Read all elements.
    Read,
}

/// What an operation on a set returned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SetRet {
    /// An addition.
    Done,
    /// A read: the elements as they were returned, in any order. One that stands twice is an anomaly.
    Elements(Arc<[Value]>),
}

/// What is done, and to which set.
pub type SetOp = Keyed<SetAction>;

type SetOperation = Operation<SetOp, SetRet>;

/// The specification of a set that only grows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Set;

impl Spec for Set {
    type Op = SetOp;
    type Ret = SetRet;
    type State = BTreeSet<Value>;

    fn init(&self) -> BTreeSet<Value> {
        BTreeSet::new()
    }

    fn step(&self, state: &BTreeSet<Value>, op: &SetOp, ret: Option<&SetRet>) -> Option<BTreeSet<Value>> {
        if let Some(SetRet::Elements(elements)) = ret
            && elements.len() != state.len()
        {
            return None;
        }
        let mut next = state.clone();
        self.advance(&mut next, op, ret).then_some(next)
    }

    fn advance(&self, state: &mut BTreeSet<Value>, op: &SetOp, ret: Option<&SetRet>) -> bool {
        match (&op.action, ret) {
            (SetAction::Add { element }, None | Some(SetRet::Done)) => {
                state.insert(element.clone());
                true
            }
            (SetAction::Read, None) => true,
            (SetAction::Read, Some(SetRet::Elements(elements))) => {
                // As many, all different, all inside: the same.
                let mut seen = FxHashSet::default();
                elements.len() == state.len()
                    && elements.iter().all(|element| state.contains(element) && seen.insert(element))
            }
            _ => false,
        }
    }

    fn partition<'a>(&self, op: &'a SetOp) -> Option<Cow<'a, str>> {
        op.partition()
    }

    fn is_read_only(&self, op: &SetOp, _ret: Option<&SetRet>) -> bool {
        op.action == SetAction::Read
    }

    /// An indeterminate addition of an element that no read shows: in a legal order with it no read comes after it.
    fn unobserved(&self, operations: &[&SetOperation]) -> Vec<bool> {
        let shown: FxHashSet<&Value> = operations.iter().flat_map(|operation| shown(operation)).collect();
        let unobserved = |operation: &&SetOperation| match (&operation.op.action, &operation.completion) {
            (SetAction::Add { element }, Completion::Info) => !shown.contains(element),
            _ => false,
        };
        operations.iter().map(unobserved).collect()
    }

    fn decide_directly(&self, operations: &[&SetOperation]) -> Option<Direct> {
        no_order::decided(
            Input::read(operations).and_then(|input| input.order()),
            |order| replay::is_legal(self, operations, order),
            |refutation| refutation.holds(operations),
            |refutation| refutation.witnesses(),
        )
    }

    fn state_bytes(&self, state: &BTreeSet<Value>) -> usize {
        // A node of a tree is about two thirds full.
        state.len() * size_of::<Value>() * 3 / 2
    }

    fn reduce(
        &self,
        operations: &[Reduced<SetOp, SetRet>],
        reduction: &Reduction,
    ) -> Option<Vec<Reduced<SetOp, SetRet>>> {
        match reduction {
            Reduction::Unseen { kept } => Some(without_unobserved(self, operations, kept)),
            Reduction::Only { units } => Some(only(operations, units)),
            _ => None,
        }
    }

    fn units(&self, operations: &[Reduced<SetOp, SetRet>], about: &[OpId]) -> Vec<Value> {
        units(operations, about)
    }

    fn explain(
        &self,
        key: &str,
        operations: &[Indexed<'_, SetOp, SetRet>],
        _few: &[Indexed<'_, SetOp, SetRet>],
    ) -> Option<Violation> {
        let bare: Vec<&SetOperation> = operations.iter().map(|(_, operation)| *operation).collect();
        match Input::read(&bare).and_then(|input| input.order()) {
            Err(NoOrder::Refuted(refutation)) if refutation.holds(&bare) => {
                Some(words::Words::new(self, key, operations).violation(&refutation))
            }
            _ => None,
        }
    }

    fn describe(&self, op: &SetOp, ret: Option<&SetRet>) -> String {
        let words = match &op.action {
            SetAction::Add { element } => format!("{} {element}", op.words("add")),
            SetAction::Read => op.words("read"),
        };
        match ret {
            Some(SetRet::Elements(elements)) => format!("{words} -> {}", Value::List(elements.clone())),
            None | Some(SetRet::Done) => words,
        }
    }

    fn describe_state(&self, state: &BTreeSet<Value>) -> String {
        Value::List(state.iter().cloned().collect()).to_string()
    }
}

/// What a read returned.
fn shown(operation: &SetOperation) -> &[Value] {
    match operation.ret() {
        Some(SetRet::Elements(elements)) => elements,
        None | Some(SetRet::Done) => &[],
    }
}

/// See [`Spec::units`]: what was added, and of a read what nobody added.
fn units(operations: &[Reduced<SetOp, SetRet>], about: &[OpId]) -> Vec<Value> {
    let added = |operation: &SetOperation| match &operation.op.action {
        SetAction::Add { element } => Some(element.clone()),
        SetAction::Read => None,
    };
    let about = || operations.iter().filter(|(id, _)| about.contains(id)).map(|(_, operation)| operation);
    let mut units: Vec<Value> = about().filter_map(added).collect();
    let known: FxHashSet<Value> = operations.iter().filter_map(|(_, operation)| added(operation)).collect();
    units.extend(about().flat_map(shown).filter(|element| !known.contains(*element)).take(1).cloned());
    units
}

/// See [`Reduction::Only`]: an element goes with its additions, and out of all reads; the others stand as they stood.
fn only(operations: &[Reduced<SetOp, SetRet>], units: &[Value]) -> Vec<Reduced<SetOp, SetRet>> {
    let units: FxHashSet<&Value> = units.iter().collect();
    let kept = |(id, operation): &Reduced<SetOp, SetRet>| {
        let mut kept = operation.clone();
        match (&operation.op.action, operation.ret()) {
            (SetAction::Add { element }, _) if !units.contains(element) => return None,
            (_, Some(SetRet::Elements(shown))) => {
                let left = shown.iter().filter(|element| units.contains(element)).cloned().collect();
                kept.completion = Completion::Ok(SetRet::Elements(left));
            }
            _ => {}
        }
        Some((*id, kept))
    };
    operations.iter().filter_map(kept).collect()
}
