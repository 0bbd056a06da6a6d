//! The general search: decides any [`Spec`] by looking for a legal order, partition by partition.
//!
//! Wing and Gong's depth-first search with memory (Lowe, "Testing for linearizability", 2017). What is remembered
//! is exact: the first return still to come, a mask over the slots of the operations open there, and the interned
//! state; everything that returned earlier is in the order by definition, so these determine a position.
//! Indeterminate operations are optional: they never stand in the way of success. It knows nothing of time:
//! bounds are steps and bytes, and a callback of the caller.

use std::fmt;

use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use crate::history::{Completion, Operation};
use crate::spec::Spec;
use crate::verdict::Bounds;

/// Steps between two looks at the bounds that are not steps.
const STEPS_PER_LOOK: u64 = 1024;
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
    plan: Plan,
    states: IndexSet<S::State, FxBuildHasher>,
    states_bytes: usize,
    /// (operation, state) -> next state or [`NONE`], for operations that change the state.
    transitions: FxHashMap<(u32, u32), u32>,
    trail: Vec<u32>,
    steps: u64,
}

impl<'s, S: Spec> Search<'s, S> {
    /// A searcher for one specification.
    pub fn new(spec: &'s S) -> Self {
        Self {
            spec,
            plan: Plan::default(),
            states: IndexSet::default(),
            states_bytes: 0,
            transitions: FxHashMap::default(),
            trail: Vec::new(),
            steps: 0,
        }
    }

    /// The steps that the last search took.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Whether the operations of one partition, in the order of their invocations, can be ordered legally.
    /// Failed operations and those that nobody could have observed are left out.
    pub fn decide(&mut self, operations: &[&Operation<S::Op, S::Ret>], bounds: &Bounds<'_>) -> Decision {
        self.run(operations, bounds, usize::MAX)
    }

    /// The longest legal order that the search meets among these operations: for an illegal partition, how far
    /// one gets. Each with a description of the state after it. `None` if a bound is reached first.
    pub fn longest_legal(
        &mut self,
        operations: &[&Operation<S::Op, S::Ret>],
        bounds: &Bounds<'_>,
    ) -> Option<Vec<(u32, String)>> {
        let order = match self.run(operations, bounds, usize::MAX) {
            Decision::Legal(order) => order,
            Decision::Undecided(_) => return None,
            // The search is deterministic: the second run meets the order that the first one counted.
            Decision::Illegal { longest } => match self.run(operations, bounds, longest) {
                Decision::Legal(order) => order,
                Decision::Illegal { .. } | Decision::Undecided(_) => return None,
            },
        };
        let mut state = self.spec.init();
        let mut described = Vec::with_capacity(order.len());
        for index in order {
            let operation = operations[index as usize];
            state = self.spec.step(&state, &operation.op, operation.ret()).expect("the order is legal");
            described.push((index, self.spec.describe_state(&state)));
        }
        Some(described)
    }

    fn run(
        &mut self,
        operations: &[&Operation<S::Op, S::Ret>],
        bounds: &Bounds<'_>,
        enough: usize,
    ) -> Decision {
        assert!(operations.is_sorted_by_key(|operation| operation.invoked), "in the order of invocations");
        self.steps = 0;
        self.plan.make(self.spec, operations);
        match self.plan.slots.div_ceil(64) {
            0 | 1 => Run::<S, 1>::new(self, operations, bounds, enough).decide(),
            2..=4 => Run::<S, 4>::new(self, operations, bounds, enough).decide(),
            5..=16 => Run::<S, 16>::new(self, operations, bounds, enough).decide(),
            17..=MASK_WORDS_MAX => Run::<S, MASK_WORDS_MAX>::new(self, operations, bounds, enough).decide(),
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

/// One retained operation.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Its index in the slice that is searched.
    index: u32,
    /// Its bit in the masks, [`NONE`] if it is never open before the last return.
    slot: u32,
    invoked: u64,
    /// [`u64::MAX`] if it is optional.
    returned: u64,
    read_only: bool,
}

/// The retained operations of a partition and the slots in which they are open.
#[derive(Debug, Default)]
struct Plan {
    /// In the order of invocations.
    steps: Vec<Step>,
    /// The required ones, as positions in `steps`, in the order of their returns.
    returns: Vec<u32>,
    slots: usize,
    free: Vec<u32>,
}

impl Plan {
    fn make<S: Spec>(&mut self, spec: &S, operations: &[&Operation<S::Op, S::Ret>]) {
        self.steps.clear();
        self.returns.clear();
        let left_out = spec.unobserved(operations);
        assert!(left_out.is_empty() || left_out.len() == operations.len(), "one entry per operation");
        for (index, operation) in operations.iter().enumerate() {
            let ret = operation.ret();
            let read_only = spec.is_read_only(&operation.op, ret);
            let returned = match &operation.completion {
                Completion::Fail => continue,
                Completion::Info if read_only || left_out.get(index) == Some(&true) => continue,
                Completion::Info => u64::MAX,
                Completion::Ok(_) => operation.returned.expect("a completed operation has a return"),
            };
            if returned != u64::MAX {
                self.returns.push(narrow(self.steps.len()));
            }
            let invoked = operation.invoked;
            self.steps.push(Step { index: narrow(index), slot: NONE, invoked, returned, read_only });
        }
        self.returns.sort_by_key(|step| self.steps[*step as usize].returned);
        self.assign_slots();
    }

    /// Walks along the returns: at each, what was invoked until then takes the slot of something that returned
    /// before. Optional operations never return; theirs come after all others, so that they are tried last.
    fn assign_slots(&mut self) {
        self.free.clear();
        let (mut required, mut optional, mut next) = (0, 0, 0);
        for &returning in &self.returns {
            let stamp = self.steps[returning as usize].returned;
            while let Some(step) = self.steps.get_mut(next).filter(|step| step.invoked <= stamp) {
                let counter = if step.returned == u64::MAX { &mut optional } else { &mut required };
                let free = if step.returned == u64::MAX { None } else { self.free.pop() };
                step.slot = free.unwrap_or_else(|| {
                    *counter += 1;
                    *counter - 1
                });
                next += 1;
            }
            self.free.push(self.steps[returning as usize].slot);
        }
        for step in self.steps.iter_mut().filter(|step| step.returned == u64::MAX && step.slot != NONE) {
            step.slot += required;
        }
        self.slots = (required + optional) as usize;
    }
}

/// An index as it is kept; histories hold fewer operations than `u32` counts.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).expect("a history holds fewer operations than u32 counts")
}

/// A set of slots.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Mask<const N: usize>([u64; N]);

impl<const N: usize> Mask<N> {
    const EMPTY: Self = Self([0; N]);

    fn has(&self, slot: u32) -> bool {
        self.0[slot as usize / 64] >> (slot % 64) & 1 == 1
    }

    fn set(&mut self, slot: u32) {
        self.0[slot as usize / 64] |= 1 << (slot % 64);
    }

    fn clear(&mut self, slot: u32) {
        self.0[slot as usize / 64] &= !(1 << (slot % 64));
    }

    fn without(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= !other);
        self
    }

    fn and(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= other);
        self
    }

    /// The first slot from `from` on.
    fn next(&self, from: u32) -> Option<u32> {
        let mut word = from as usize / 64;
        let mut bits = self.0.get(word)? & (u64::MAX << (from % 64));
        while bits == 0 {
            word += 1;
            bits = *self.0.get(word)?;
        }
        Some(narrow(word * 64) + bits.trailing_zeros())
    }
}

/// Where the search stands: determines which operations are in the order and the state after them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Position<const N: usize> {
    /// Returns passed: all operations of these are in the order.
    passed: u32,
    state: u32,
    /// Slots of the operations in the order that are open at the next return.
    ordered: Mask<N>,
}

/// A position with what was tried there.
struct Frame<const N: usize> {
    position: Position<N>,
    trail_len: usize,
    /// The next slot to try plus one; 0: the operation that returns first.
    cursor: u32,
}

struct Run<'r, 's, S: Spec, const N: usize> {
    search: &'r mut Search<'s, S>,
    operations: &'r [&'r Operation<S::Op, S::Ret>],
    bounds: &'r Bounds<'r>,
    /// An order of so many operations is enough.
    enough: usize,
    longest: usize,
    here: Position<N>,
    /// Invocations until the next return, hence operations that are or were open.
    invoked: usize,
    open: Mask<N>,
    read_only: Mask<N>,
    /// Slot -> the operation that is open in it.
    open_in: Vec<u32>,
    visited: FxHashSet<Position<N>>,
    frames: Vec<Frame<N>>,
}

impl<'r, 's, S: Spec, const N: usize> Run<'r, 's, S, N> {
    fn new(
        search: &'r mut Search<'s, S>,
        operations: &'r [&'r Operation<S::Op, S::Ret>],
        bounds: &'r Bounds<'r>,
        enough: usize,
    ) -> Self {
        search.reset();
        let state = search.intern(search.spec.init());
        let slots = search.plan.slots;
        let mut run = Self {
            search,
            operations,
            bounds,
            enough,
            longest: 0,
            here: Position { passed: 0, state, ordered: Mask::EMPTY },
            invoked: 0,
            open: Mask::EMPTY,
            read_only: Mask::EMPTY,
            open_in: vec![NONE; slots],
            visited: FxHashSet::default(),
            frames: Vec::new(),
        };
        run.open_until_next_return();
        run
    }

    /// The search itself: enter a position, try what is open there, step back when nothing is left.
    fn decide(mut self) -> Decision {
        let mut entered = self.enter();
        let mut look_at = STEPS_PER_LOOK;
        loop {
            if self.here.passed as usize == self.search.plan.returns.len()
                || self.search.trail.len() >= self.enough
            {
                self.search.trail.truncate(self.enough);
                return Decision::Legal(self.order());
            }
            if entered {
                let (position, trail_len) = (self.here, self.search.trail.len());
                self.frames.push(Frame { position, trail_len, cursor: 0 });
            }
            if self.search.steps >= look_at {
                look_at = self.search.steps + STEPS_PER_LOOK;
                if let Some(limit) = self.limit() {
                    return Decision::Undecided(limit);
                }
            }
            let Some(frame) = self.frames.last_mut() else {
                return Decision::Illegal { longest: self.longest };
            };
            let (position, trail_len) = (frame.position, frame.trail_len);
            if !entered {
                self.return_to(position, trail_len);
            }
            match self.next_choice() {
                Some((slot, step, state)) => {
                    self.order_operation(slot, step);
                    self.here.state = state;
                    entered = self.enter();
                }
                None => {
                    self.longest = self.longest.max(self.search.trail.len());
                    self.frames.pop();
                    entered = false;
                }
            }
        }
    }

    /// The order found, as indices into the slice that is searched.
    fn order(&self) -> Vec<u32> {
        self.search.trail.iter().map(|step| self.search.plan.steps[*step as usize].index).collect()
    }

    fn limit(&self) -> Option<Limit> {
        if self.search.steps >= self.bounds.steps_max {
            return Some(Limit::Steps(self.bounds.steps_max));
        }
        if self.memory_bytes() > self.bounds.memory_bytes_max {
            return Some(Limit::MemoryBytes(self.bounds.memory_bytes_max));
        }
        (self.bounds.should_stop)().then_some(Limit::Stopped)
    }

    fn memory_bytes(&self) -> usize {
        self.visited.capacity() * (size_of::<Position<N>>() + 1)
            + self.frames.capacity() * size_of::<Frame<N>>()
            + self.search.transitions.capacity() * 13
            + self.search.states.capacity() * (size_of::<S::State>() + 24)
            + self.search.states_bytes
    }

    /// Takes the next choice of the last frame: a slot, its operation, and the state after it.
    fn next_choice(&mut self) -> Option<(u32, u32, u32)> {
        let first = self.search.plan.returns[self.here.passed as usize];
        let first_slot = self.search.plan.steps[first as usize].slot;
        // Read-only operations that fit are in the order already; the others do not fit in this state.
        let candidates = self.open.without(&self.here.ordered).without(&self.read_only);
        loop {
            let frame = self.frames.last_mut().expect("the caller looked");
            let slot = match frame.cursor {
                0 => first_slot,
                cursor => candidates.next(cursor - 1)?,
            };
            let again = frame.cursor > 0 && slot == first_slot;
            frame.cursor = if frame.cursor == 0 { 1 } else { slot + 2 };
            if again || !candidates.has(slot) {
                continue;
            }
            let step = self.open_in[slot as usize];
            let state = self.transition(step);
            let optional = self.search.plan.steps[step as usize].returned == u64::MAX;
            // An optional operation that changes nothing may as well be left out.
            if state != NONE && !(optional && state == self.here.state) {
                return Some((slot, step, state));
            }
        }
    }

    /// The state after an operation, or [`NONE`].
    fn transition(&mut self, step: u32) -> u32 {
        self.search.steps += 1;
        if let Some(state) = self.search.transitions.get(&(step, self.here.state)) {
            return *state;
        }
        let next = self.step(step);
        let next = next.map_or(NONE, |next| self.search.intern(next));
        self.search.transitions.insert((step, self.here.state), next);
        next
    }

    fn step(&self, step: u32) -> Option<S::State> {
        let operation = self.operations[self.search.plan.steps[step as usize].index as usize];
        let state = &self.search.states[self.here.state as usize];
        self.search.spec.step(state, &operation.op, operation.ret())
    }

    fn order_operation(&mut self, slot: u32, step: u32) {
        debug_assert!(!self.here.ordered.has(slot) && self.open.has(slot));
        self.here.ordered.set(slot);
        self.search.trail.push(step);
    }

    /// Passes the returns of operations in the order, and takes in every read-only operation that fits: moved
    /// here from wherever it stands in a legal order it stays legal, since it changes nothing. Whether the
    /// position is new.
    fn enter(&mut self) -> bool {
        loop {
            self.pass_returns();
            let waiting = self.open.and(&self.read_only).without(&self.here.ordered);
            let mut ordered_some = false;
            let mut from = 0;
            while let Some(slot) = waiting.next(from) {
                from = slot + 1;
                let step = self.open_in[slot as usize];
                self.search.steps += 1;
                if let Some(state) = self.step(step) {
                    debug_assert!(state == self.search.states[self.here.state as usize], "it is read-only");
                    self.order_operation(slot, step);
                    ordered_some = true;
                }
            }
            if !ordered_some {
                return self.visited.insert(self.here);
            }
        }
    }

    fn pass_returns(&mut self) {
        while let Some(returning) = self.search.plan.returns.get(self.here.passed as usize) {
            let slot = self.search.plan.steps[*returning as usize].slot;
            if !self.here.ordered.has(slot) {
                return;
            }
            self.here.ordered.clear(slot);
            self.open.clear(slot);
            self.open_in[slot as usize] = NONE;
            self.here.passed += 1;
            self.open_until_next_return();
        }
    }

    fn open_until_next_return(&mut self) {
        let plan = &self.search.plan;
        let Some(returning) = plan.returns.get(self.here.passed as usize) else { return };
        let stamp = plan.steps[*returning as usize].returned;
        while let Some(step) = plan.steps.get(self.invoked).filter(|step| step.invoked <= stamp) {
            debug_assert!(self.open_in[step.slot as usize] == NONE, "a slot is taken once at a time");
            self.open_in[step.slot as usize] = narrow(self.invoked);
            self.open.set(step.slot);
            if step.read_only {
                self.read_only.set(step.slot);
            } else {
                self.read_only.clear(step.slot);
            }
            self.invoked += 1;
        }
    }

    /// Goes back to an earlier position: the exact reverse of what led from there to here.
    fn return_to(&mut self, position: Position<N>, trail_len: usize) {
        self.search.trail.truncate(trail_len);
        let plan = &self.search.plan;
        while self.here.passed > position.passed {
            self.here.passed -= 1;
            let returning = plan.returns[self.here.passed as usize];
            let step = plan.steps[returning as usize];
            while self.invoked > 0 && plan.steps[self.invoked - 1].invoked > step.returned {
                self.invoked -= 1;
                let closed = plan.steps[self.invoked];
                if closed.slot != NONE {
                    self.open.clear(closed.slot);
                    self.open_in[closed.slot as usize] = NONE;
                }
            }
            self.open_in[step.slot as usize] = returning;
            self.open.set(step.slot);
            if step.read_only {
                self.read_only.set(step.slot);
            } else {
                self.read_only.clear(step.slot);
            }
        }
        self.here = position;
    }
}
