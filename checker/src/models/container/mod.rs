//! Queues, stacks and bags: elements are inserted and removed; the discipline says which one a removal takes.
//!
//! One specification serves the three. Where every value is inserted once, a monitor decides in `O(n log n)`
//! (`fifo`, `lifo`, `unordered`); else the search does. What an *indeterminate* removal took is not known, yet
//! it is a step to one state: from a queue or a stack it takes the element whose turn it is. From a bag it may take
//! any, but it stays open for ever, so it may as well act just before somebody finds the bag empty: until then it is
//! owed, and finding the bag empty settles what is owed.

mod drains;
mod fifo;
mod gaps;
mod ghosts;
mod input;
mod lifo;
mod recorded;
mod reduce;
mod refutation;
mod tree;
mod unordered;
mod words;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Keyed, replay};
use crate::certificate::Reduction;
use crate::history::{Indexed, OpId, Operation, Reduced};
use crate::no_order::{self, NoOrder};
use crate::spec::{Direct, Spec, without_unobserved};
use crate::value::Value;
use crate::verdict::Violation;

use input::{Element, Input};
pub(crate) use recorded::{BAG, QUEUE, STACK};
use refutation::Refutation;

/// What is done to a container.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerAction {
    /// Enqueue, push.
    Insert {
        /// The element.
        value: Value,
    },
    /// Dequeue, pop.
    Remove,
    /// Remove elements until there are none. To the specification it takes all at once; a recorded drain, which
    /// mostly is many removals of one client, is judged as these.
    Drain,
}

/// What an operation on a container returned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerRet {
    /// An insertion.
    Done,
    /// A removal: what it took.
    Taken(Value),
    /// A removal that found nothing.
    Empty,
    /// A drain: what it took, in this order.
    Drained(Arc<[Value]>),
}

/// Which element a removal takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Discipline {
    /// The oldest: a queue.
    Fifo,
    /// The youngest: a stack.
    Lifo,
    /// Any: a bag, also called an unordered queue.
    Unordered,
}

/// The specification of a queue, a stack or a bag.
///
/// ```
/// use squall_checker::models::{Container, ContainerAction, ContainerRet};
/// use squall_checker::Spec;
/// let queue = Container::queue();
/// let mut state = queue.init();
/// for value in [4, 7] {
///     let enqueue = ContainerAction::Insert { value: value.into() };
///     assert!(queue.advance(&mut state, &enqueue.into(), Some(&ContainerRet::Done)));
/// }
/// // Somebody else is first.
/// assert!(!queue.advance(&mut state, &ContainerAction::Remove.into(), Some(&ContainerRet::Taken(7.into()))));
/// assert!(queue.advance(&mut state, &ContainerAction::Remove.into(), Some(&ContainerRet::Taken(4.into()))));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Container {
    /// Which element a removal takes.
    pub discipline: Discipline,
}

impl Container {
    /// First in, first out.
    pub const fn queue() -> Self {
        Self { discipline: Discipline::Fifo }
    }

    /// Last in, first out.
    pub const fn stack() -> Self {
        Self { discipline: Discipline::Lifo }
    }

    /// A queue that keeps no order.
    pub const fn bag() -> Self {
        Self { discipline: Discipline::Unordered }
    }
}

/// What a container holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Contents {
    /// From the oldest to the youngest.
    Sequence(VecDeque<Value>),
    /// In no order.
    Bag {
        /// How often it holds each element.
        elements: BTreeMap<Value, usize>,
        /// How many elements there are, and some of these may be gone: this many at most.
        count: usize,
        /// Indeterminate removals that were not settled yet.
        owed: usize,
    },
}

impl Contents {
    fn insert(&mut self, value: &Value) {
        match self {
            Self::Sequence(elements) => elements.push_back(value.clone()),
            Self::Bag { elements, count, .. } => {
                *elements.entry(value.clone()).or_default() += 1;
                *count += 1;
            }
        }
    }

    /// Takes this element if the discipline allows it.
    fn take(&mut self, value: &Value, discipline: Discipline) -> bool {
        match self {
            Self::Sequence(elements) if discipline == Discipline::Fifo => {
                elements.front() == Some(value) && elements.pop_front().is_some()
            }
            Self::Sequence(elements) => elements.back() == Some(value) && elements.pop_back().is_some(),
            Self::Bag { elements, count, .. } => {
                let Some(copies) = elements.get_mut(value) else { return false };
                *copies -= 1;
                if *copies == 0 {
                    elements.remove(value);
                }
                *count -= 1;
                true
            }
        }
    }

    /// Takes nobody knows what.
    fn take_any(&mut self, discipline: Discipline) {
        match self {
            Self::Sequence(elements) if discipline == Discipline::Fifo => drop(elements.pop_front()),
            Self::Sequence(elements) => drop(elements.pop_back()),
            Self::Bag { owed, .. } => *owed += 1,
        }
    }

    /// Whether nothing is left; for a bag, once what is owed is settled, and then it is.
    fn settle_empty(&mut self) -> bool {
        match self {
            Self::Sequence(elements) => elements.is_empty(),
            Self::Bag { count, owed, .. } if *count > *owed => false,
            Self::Bag { elements, count, owed } => {
                elements.clear();
                *owed -= std::mem::take(count);
                true
            }
        }
    }

    fn drain(&mut self, told: &[Value], discipline: Discipline) -> bool {
        let mut rest = self.clone();
        let drained = told.iter().all(|value| rest.take(value, discipline)) && rest.settle_empty();
        if drained {
            *self = rest;
        }
        drained
    }
}

/// What is done, and to which container.
pub type ContainerOp = Keyed<ContainerAction>;

type ContainerOperation = Operation<ContainerOp, ContainerRet>;

impl Spec for Container {
    type Op = ContainerOp;
    type Ret = ContainerRet;
    type State = Contents;

    fn init(&self) -> Contents {
        match self.discipline {
            Discipline::Fifo | Discipline::Lifo => Contents::Sequence(VecDeque::new()),
            Discipline::Unordered => Contents::Bag { elements: BTreeMap::new(), count: 0, owed: 0 },
        }
    }

    fn step(&self, state: &Contents, op: &ContainerOp, ret: Option<&ContainerRet>) -> Option<Contents> {
        // Copying is what costs, so what plainly does not fit is refused before.
        if let (Contents::Sequence(elements), Some(ContainerRet::Taken(value))) = (state, ret) {
            let next = if self.discipline == Discipline::Fifo { elements.front() } else { elements.back() };
            if next != Some(value) {
                return None;
            }
        }
        let mut next = state.clone();
        self.advance(&mut next, op, ret).then_some(next)
    }

    fn advance(&self, state: &mut Contents, op: &ContainerOp, ret: Option<&ContainerRet>) -> bool {
        match (&op.action, ret) {
            (ContainerAction::Insert { value }, None | Some(ContainerRet::Done)) => state.insert(value),
            (ContainerAction::Remove, None) => state.take_any(self.discipline),
            (ContainerAction::Remove, Some(ContainerRet::Taken(value))) => {
                return state.take(value, self.discipline);
            }
            (ContainerAction::Remove, Some(ContainerRet::Empty)) => return state.settle_empty(),
            (ContainerAction::Drain, None) => *state = self.init(),
            (ContainerAction::Drain, Some(ContainerRet::Drained(told))) => {
                return state.drain(told, self.discipline);
            }
            _ => return false,
        }
        true
    }

    fn partition<'a>(&self, op: &'a ContainerOp) -> Option<Cow<'a, str>> {
        op.partition()
    }

    fn is_read_only(&self, _op: &ContainerOp, ret: Option<&ContainerRet>) -> bool {
        // Finding a bag empty settles what is owed.
        self.discipline != Discipline::Unordered && ret == Some(&ContainerRet::Empty)
    }

    fn unobserved(&self, operations: &[&ContainerOperation]) -> Vec<bool> {
        reduce::unobserved(operations)
    }

    fn decide_directly(&self, operations: &[&ContainerOperation]) -> Option<Direct> {
        no_order::decided(
            judge(self.discipline, operations),
            |order| replay::is_legal(self, operations, order),
            |refutation| refutation.holds(operations, self.discipline),
            |refutation| refutation.witnesses(),
        )
    }

    fn state_bytes(&self, state: &Contents) -> usize {
        match state {
            Contents::Sequence(elements) => elements.capacity() * size_of::<Value>(),
            // A node of a tree map is about two thirds full.
            Contents::Bag { elements, .. } => elements.len() * size_of::<(Value, usize)>() * 3 / 2,
        }
    }

    fn reduce(
        &self,
        operations: &[Reduced<ContainerOp, ContainerRet>],
        reduction: &Reduction,
    ) -> Option<Vec<Reduced<ContainerOp, ContainerRet>>> {
        match reduction {
            Reduction::Unseen { kept } => Some(without_unobserved(self, operations, kept)),
            Reduction::Only { units } => Some(reduce::only(operations, units)),
            _ => None,
        }
    }

    fn units(&self, operations: &[Reduced<ContainerOp, ContainerRet>], about: &[OpId]) -> Vec<Value> {
        reduce::units(operations, about)
    }

    fn explain(
        &self,
        key: &str,
        operations: &[Indexed<'_, ContainerOp, ContainerRet>],
        _few: &[Indexed<'_, ContainerOp, ContainerRet>],
    ) -> Option<Violation> {
        let bare: Vec<&ContainerOperation> = operations.iter().map(|(_, operation)| *operation).collect();
        let Err(Stop::Refuted(refutation)) = judge(self.discipline, &bare) else { return None };
        let holds = refutation.holds(&bare, self.discipline);
        holds.then(|| words::Words::new(self, key, operations).violation(&refutation))
    }

    fn describe(&self, op: &ContainerOp, ret: Option<&ContainerRet>) -> String {
        let words = match &op.action {
            ContainerAction::Insert { value } => format!("{} {value}", op.words(self.discipline.insert())),
            ContainerAction::Remove => op.words(self.discipline.remove()),
            ContainerAction::Drain => op.words("drain"),
        };
        match ret {
            Some(ContainerRet::Taken(value)) => format!("{words} -> {value}"),
            Some(ContainerRet::Empty) => format!("{words} -> nothing"),
            Some(ContainerRet::Drained(values)) => format!("{words} -> {}", Value::List(values.clone())),
            None | Some(ContainerRet::Done) => words,
        }
    }

    fn describe_state(&self, state: &Contents) -> String {
        match state {
            Contents::Sequence(elements) => Value::List(elements.iter().cloned().collect()).to_string(),
            Contents::Bag { elements, owed, .. } => {
                let copies = elements.iter().flat_map(|(value, copies)| std::iter::repeat_n(value, *copies));
                let words = Value::List(copies.cloned().collect()).to_string();
                if *owed == 0 { words } else { format!("{words}, of which {owed} may be gone") }
            }
        }
    }
}

impl Discipline {
    /// What one calls an insertion.
    fn insert(self) -> &'static str {
        match self {
            Self::Fifo | Self::Unordered => "enqueue",
            Self::Lifo => "push",
        }
    }

    /// What one calls a removal.
    fn remove(self) -> &'static str {
        match self {
            Self::Fifo | Self::Unordered => "dequeue",
            Self::Lifo => "pop",
        }
    }

    /// What one calls the object.
    fn noun(self) -> &'static str {
        match self {
            Self::Fifo | Self::Unordered => "queue",
            Self::Lifo => "stack",
        }
    }
}

/// Why there is no order.
type Stop = NoOrder<Refutation>;

/// A legal order, or why there is none.
///
/// Which element an indeterminate removal took is open where some acknowledged element was never seen to leave. If
/// no order is legal even when each of those may leave from the first such removal on, none is; that an order is
/// legal is only said with one removal for each.
fn judge(discipline: Discipline, operations: &[&ContainerOperation]) -> Result<Vec<u32>, Stop> {
    let input = Input::read(operations)?;
    let arranged = |elements: &[Element]| match discipline {
        Discipline::Fifo => fifo::arrange(elements, &input.empties),
        Discipline::Lifo => lifo::arrange(elements, &input.empties),
        Discipline::Unordered => unordered::arrange(elements, &input.empties),
    };
    if !input.has_choice() {
        return Ok(arranged(&input.elements)?);
    }
    arranged(&input.relaxed())?;
    let assigned = ghosts::assigned(&input, discipline).ok_or(Stop::Unclear)?;
    arranged(&assigned).map_err(|_| Stop::Unclear)
}
