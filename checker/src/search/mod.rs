//! The general search: decides any [`Spec`] by looking for a legal order, partition by partition.
//!
//! Wing and Gong's depth-first search with memory (Lowe, "Testing for linearizability", 2017). What is remembered
//! is exact: the first return still to come, the open operations that are in the order, and the interned state;
//! everything that returned earlier is in the order by definition, so these determine a position. Indeterminate
//! operations are optional: they never stand in the way of success. [`Techniques`] lists what makes it fast. It knows
//! nothing of time: bounds are steps and bytes, and a callback of the caller.

mod mask;
mod outlook;
mod plan;
mod run;
mod techniques;
mod visited;
mod window;

use std::fmt;

use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::history::Operation;
use crate::spec::Spec;
use crate::verdict::Bounds;

use plan::Plan;
use run::Run;
pub use techniques::Techniques;

/// Words of the widest mask: so many times 64 operations may be open at once.
const MASK_WORDS_MAX: usize = 64;
/// Tables larger than this are given back after a partition, lest emptying them costs more than the next one.
const TABLE_KEPT_MAX: usize = 1 << 14;
/// No operation, no state.
const NONE: u32 = u32::MAX;

/// Which bound ended a search without a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many steps.
    Steps(u64),
    /// So many bytes.
    MemoryBytes(usize),
    /// More operations than this open at once.
    OpenOperations(usize),
    /// The caller wanted to stop.
    Stopped,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(steps) => write!(f, "the bound of {steps} steps was reached"),
            Self::MemoryBytes(bytes) => write!(f, "the bound of {bytes} bytes of memory was reached"),
            Self::OpenOperations(count) => write!(f, "more than {count} operations are open at once"),
            Self::Stopped => f.write_str("the caller stopped the search"),
        }
    }
}

/// What a search of one partition found. Operations are indices into the slice that was searched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A legal order: every completed operation and the indeterminate ones that it needs.
    Legal(Vec<u32>),
    /// No order is legal; the longest legal one that the search met has so many operations.
    Illegal {
        /// See [`Search::longest_legal`].
        longest: usize,
    },
    /// A bound was reached.
    Undecided(Limit),
}

/// A searcher of partitions, one after the other; it keeps its tables, so that many small ones cost little.
#[derive(Debug)]
pub struct Search<'s, S: Spec> {
    spec: &'s S,
    techniques: Techniques,
    plan: Plan,
    states: IndexSet<S::State, FxBuildHasher>,
    states_bytes: usize,
    /// (operation, state) -> next state or [`NONE`], for operations that change the state.
    transitions: FxHashMap<(u32, u32), u32>,
    trail: Vec<Entry>,
    steps: u64,
    impossible: u64,
}

/// An operation of the trail.
#[derive(Clone, Copy, Debug)]
struct Entry {
    step: u32,
    /// It may stand here, but need not: it counts if it is not ordered later.
    excused: bool,
}

impl<'s, S: Spec> Search<'s, S> {
    /// A searcher for one specification.
    pub fn new(spec: &'s S) -> Self {
        Self {
            spec,
            techniques: Techniques::ALL,
            plan: Plan::default(),
            states: IndexSet::default(),
            states_bytes: 0,
            transitions: FxHashMap::default(),
            trail: Vec::new(),
            steps: 0,
            impossible: 0,
        }
    }

    /// The same with these techniques only.
    #[must_use]
    pub fn with(mut self, techniques: Techniques) -> Self {
        self.techniques = techniques;
        self
    }

    /// The steps that the last search took.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// When an operation returned, of an illegal partition, that no order reached: a guess at the first return with
    /// which the partition is illegal. Looking ahead gives orders up earlier, so that it may be a later one.
    pub(crate) fn impossible(&self) -> u64 {
        self.impossible
    }

    /// Whether the operations of one partition, in the order of their invocations, can be ordered legally.
    /// Failed operations and those that nobody could have observed are left out.
    pub fn decide(&mut self, operations: &[&Operation<S::Op, S::Ret>], bounds: &Bounds<'_>) -> Decision {
        self.run(operations, bounds, self.techniques, usize::MAX)
    }

    /// The longest legal order that the search meets among these operations: for an illegal partition, how far
    /// one gets. Each with a description of the state after it. `None` if a bound is reached first.
    pub fn longest_legal(
        &mut self,
        operations: &[&Operation<S::Op, S::Ret>],
        bounds: &Bounds<'_>,
    ) -> Option<Vec<(u32, String)>> {
        // Without techniques every order is met, so that the longest of all is found, if that is not too much.
        let order = self
            .longest(operations, bounds, Techniques::NONE)
            .or_else(|| self.longest(operations, bounds, self.techniques))?;
        let mut state = self.spec.init();
        let mut described = Vec::with_capacity(order.len());
        for index in order {
            let operation = operations[index as usize];
            state = self.spec.step(&state, &operation.op, operation.ret()).expect("the order is legal");
            described.push((index, self.spec.describe_state(&state)));
        }
        Some(described)
    }

    fn longest(
        &mut self,
        operations: &[&Operation<S::Op, S::Ret>],
        bounds: &Bounds<'_>,
        techniques: Techniques,
    ) -> Option<Vec<u32>> {
        match self.run(operations, bounds, techniques, usize::MAX) {
            Decision::Legal(order) => Some(order),
            Decision::Undecided(_) => None,
            // The search is deterministic: the second run meets the order that the first one counted.
            Decision::Illegal { longest } => match self.run(operations, bounds, techniques, longest) {
                Decision::Legal(order) => Some(order),
                Decision::Illegal { .. } | Decision::Undecided(_) => None,
            },
        }
    }

    fn run(
        &mut self,
        operations: &[&Operation<S::Op, S::Ret>],
        bounds: &Bounds<'_>,
        techniques: Techniques,
        enough: usize,
    ) -> Decision {
        assert!(operations.is_sorted_by_key(|operation| operation.invoked), "in the order of invocations");
        self.steps = 0;
        self.plan.make(self.spec, operations, techniques);
        match self.plan.slots.div_ceil(64) {
            0 | 1 => Run::<S, 1>::new(self, operations, bounds, techniques, enough).decide(),
            2..=4 => Run::<S, 4>::new(self, operations, bounds, techniques, enough).decide(),
            5..=16 => Run::<S, 16>::new(self, operations, bounds, techniques, enough).decide(),
            17..=MASK_WORDS_MAX => {
                Run::<S, MASK_WORDS_MAX>::new(self, operations, bounds, techniques, enough).decide()
            }
            _ => Decision::Undecided(Limit::OpenOperations(MASK_WORDS_MAX * 64)),
        }
    }

    fn reset(&mut self) {
        if self.states.capacity() > TABLE_KEPT_MAX {
            self.states = IndexSet::default();
        }
        if self.transitions.capacity() > TABLE_KEPT_MAX {
            self.transitions = FxHashMap::default();
        }
        self.states.clear();
        self.transitions.clear();
        self.trail.clear();
        self.states_bytes = 0;
    }

    fn intern(&mut self, state: S::State) -> u32 {
        let bytes = self.spec.state_bytes(&state);
        let (index, new) = self.states.insert_full(state);
        self.states_bytes += if new { bytes } else { 0 };
        let id = u32::try_from(index).expect("memory is bounded long before so many states");
        assert!(id != NONE, "memory is bounded long before so many states");
        id
    }
}

/// An index as it is kept; histories hold fewer operations than `u32` counts.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).expect("a history holds fewer operations than u32 counts")
}
