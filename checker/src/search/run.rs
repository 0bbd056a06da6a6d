//! One search of one partition: depth first, one choice at a time.
//!
//! *Forced read-only operations*: what changes nothing is ordered as soon as it fits; moved there from wherever it
//! stands in a legal order, the order stays legal.
//!
//! *Just in time* (Lowe): operations are ordered only while the operation that returns next is not satisfied. So a
//! run of choices, until it is, is the part of a legal order from where the search stands to that operation; all of
//! it is open now.
//!
//! *Laziness*: in such a run, let `w` overwrite (it fits any state and leaves the same one behind), not be what
//! returns next, and be followed by another operation `y` that overwrites, before anything saw the state that `w`
//! left. Then `w` need not be chosen. It can be left out where it is optional; where it is required it may stand right
//! in front of `y`, whose result does not depend on it: `y` *excuses* every required operation that overwrites and is
//! open. What is excused may be passed when it returns, or be chosen after all until then. So only those that
//! overwrite are tried for whose state something waits: a read-only operation that is not ordered and fits it, or an
//! operation that does not overwrite and fits it. The same holds for optional operations that do not overwrite:
//! unseen, they can be left out. An operation that fits and changes nothing where the search stands is excused too;
//! one that overwrites is worth choosing even so, where it excuses others.
//!
//! *Symmetry*: let `a` and `u` be interchangeable, both open and not spent, `a` returning first, and let a legal
//! order take `u` next. If it takes `a` later it can take `a` now and `u` there, before either returns. If it never
//! takes `a`, then `a` is excused or optional: it can take `a` now and leave `u` out, if `u` may be left out
//! (optional or excused itself, or excused with `a`, by what comes before either returns). So `u` need not be tried,
//! unless `a` is free not to be taken and `u` is not.

use rustc_hash::FxHashSet;

use super::mask::Mask;
use super::outlook::{self, Outlook, Outlooks};
use super::visited::{Seen, Visited};
use super::window::Window;
use super::{Decision, Entry, Limit, NONE, Search, Techniques};
use crate::history::Operation;
use crate::spec::Spec;
use crate::verdict::Bounds;

/// Steps between two looks at the bounds that are not steps.
const STEPS_PER_LOOK: u64 = 1024;

/// Where the search stands: determines which operations are in the order and the state after them.
#[derive(Clone, Copy)]
struct Position<const N: usize> {
    /// Returns passed: all operations of these are in the order.
    passed: u32,
    state: u32,
    /// Slots of open operations in the order.
    ordered: Mask<N>,
    /// Slots of open operations that must return and could have been put in the order.
    excused: Mask<N>,
}

/// A position with what is still to be tried there.
struct Frame<const N: usize> {
    position: Position<N>,
    trail_len: usize,
    /// Whether what returns next may be passed, being excused.
    pass: bool,
    left: Mask<N>,
    /// What helps the operation that returns next.
    helpers: Mask<N>,
}

/// What to try next.
enum Choice {
    /// Pass what returns next, which is excused.
    Pass,
    /// Put the operation in this slot into the order; the state after it.
    Order(u32, u32),
    /// It changes nothing here: it could be in the order.
    Excuse(u32),
}

pub(super) struct Run<'r, 's, S: Spec, const N: usize> {
    search: &'r mut Search<'s, S>,
    operations: &'r [&'r Operation<S::Op, S::Ret>],
    bounds: &'r Bounds<'r>,
    techniques: Techniques,
    /// An order of so many operations is enough.
    enough: usize,
    longest: usize,
    /// The most returns that were passed.
    furthest: u32,
    here: Position<N>,
    window: Window<N>,
    outlooks: Outlooks<N>,
    visited: Visited<N>,
    /// Positions at cuts, which are never forgotten: each is gone on from once.
    at_cuts: Visited<N>,
    frames: Vec<Frame<N>>,
}

impl<'r, 's, S: Spec, const N: usize> Run<'r, 's, S, N> {
    pub(super) fn new(
        search: &'r mut Search<'s, S>,
        operations: &'r [&'r Operation<S::Op, S::Ret>],
        bounds: &'r Bounds<'r>,
        techniques: Techniques,
        enough: usize,
    ) -> Self {
        search.reset();
        let state = search.intern(search.spec.init());
        let window = Window::new(&search.plan);
        Self {
            search,
            operations,
            bounds,
            techniques,
            enough,
            longest: 0,
            furthest: 0,
            here: Position { passed: 0, state, ordered: Mask::EMPTY, excused: Mask::EMPTY },
            window,
            outlooks: Outlooks::default(),
            visited: Visited::new(techniques.dominance),
            at_cuts: Visited::new(techniques.dominance),
            frames: Vec::new(),
        }
    }

    /// The search itself: enter a position, try what is open there, step back when nothing is left.
    pub(super) fn decide(mut self) -> Decision {
        let mut entered = self.enter();
        let mut look_at = STEPS_PER_LOOK;
        loop {
            if self.is_over() || self.search.trail.len() >= self.enough {
                self.search.trail.truncate(self.enough);
                return Decision::Legal(self.order());
            }
            if entered {
                let frame = self.frame();
                self.frames.push(frame);
            }
            if self.search.steps >= look_at {
                look_at = self.search.steps + STEPS_PER_LOOK;
                if let Some(limit) = self.limit() {
                    return Decision::Undecided(limit);
                }
            }
            let Some(frame) = self.frames.last() else {
                let due = self.search.plan.returns[self.furthest as usize];
                self.search.impossible = self.search.plan.steps[due as usize].returned;
                return Decision::Illegal { longest: self.longest };
            };
            let (position, trail_len) = (frame.position, frame.trail_len);
            if !entered {
                self.return_to(position, trail_len);
            }
            match self.next_choice() {
                Some(Choice::Order(slot, state)) => {
                    self.order_operation(slot);
                    self.here.state = state;
                    entered = self.enter();
                }
                Some(Choice::Excuse(slot)) => {
                    self.excuse(slot);
                    entered = self.enter();
                }
                Some(Choice::Pass) => entered = self.pass() && self.enter(),
                None => {
                    self.longest = self.longest.max(self.search.trail.len());
                    self.frames.pop();
                    entered = false;
                }
            }
        }
    }

    /// Whether everything that must return has.
    fn is_over(&self) -> bool {
        self.here.passed as usize == self.search.plan.returns.len()
    }

    /// The order found, as indices into the slice that is searched.
    fn order(&self) -> Vec<u32> {
        let ordered = self.search.trail.iter().filter(|entry| !entry.excused).map(|entry| entry.step);
        let ordered: FxHashSet<u32> = ordered.collect();
        let counts = |entry: &&Entry| !entry.excused || !ordered.contains(&entry.step);
        let trail = self.search.trail.iter().filter(counts);
        trail.map(|entry| self.search.plan.steps[entry.step as usize].index).collect()
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
        self.visited.bytes()
            + self.at_cuts.bytes()
            + outlook::bytes(&self.outlooks)
            + self.frames.capacity() * size_of::<Frame<N>>()
            + self.search.transitions.capacity() * 13
            + self.search.states.capacity() * (size_of::<S::State>() + 24)
            + self.search.states_bytes
    }

    /// The slot of the operation that returns next.
    fn due(&self) -> u32 {
        let returning = self.search.plan.returns[self.here.passed as usize];
        self.search.plan.steps[returning as usize].slot
    }

    /// What is seen of a state in this window.
    fn outlook(&mut self, state: u32) -> &Outlook<N> {
        let key = (self.here.passed, state);
        if !self.outlooks.contains_key(&key) {
            outlook::make_room(&mut self.outlooks);
            let outlook = Outlook::new(
                self.search.spec,
                self.operations,
                (&self.search.plan, &self.window),
                &self.search.states[state as usize],
                self.techniques.look_ahead,
                &mut self.search.steps,
            );
            self.outlooks.insert(key, outlook);
        }
        &self.outlooks[&key]
    }

    /// What is to be tried here.
    fn frame(&mut self) -> Frame<N> {
        let (position, trail_len) = (self.here, self.search.trail.len());
        // Read-only operations that fit are in the order already; the others do not fit in this state.
        let open = self.window.open.without(&position.ordered).without(&self.window.read_only);
        let mut left = open;
        if self.techniques.symmetry {
            let free = position.excused.or(&self.window.optional);
            for slot in open.iter() {
                let earlier = self.window.earlier(slot).and(&open);
                let earlier = if free.has(slot) { earlier } else { earlier.without(&free) };
                if !earlier.is_empty() {
                    left.clear(slot);
                }
            }
        }
        let (due, mut helpers) = (self.due(), Mask::EMPTY);
        if self.techniques.look_ahead {
            let mut hopes = self.outlook(position.state).hopes.iter();
            helpers = hopes.find(|hope| hope.goals.has(due)).map_or(helpers, |hope| hope.helpers);
        }
        Frame { position, trail_len, pass: position.excused.has(due), left, helpers }
    }

    /// Takes the next choice of the last frame: first what returns next, then what helps it, then the others.
    fn next_choice(&mut self) -> Option<Choice> {
        let due = self.due();
        loop {
            let frame = self.frames.last_mut().expect("the caller looked");
            if std::mem::take(&mut frame.pass) {
                return Some(Choice::Pass);
            }
            let slot = match frame.left {
                left if left.has(due) => due,
                left => left.and(&frame.helpers).first().or_else(|| left.first())?,
            };
            frame.left.clear(slot);
            let state = self.transition(self.window.step(slot), self.here.state);
            if state == NONE {
                continue;
            }
            if let Some(choice) = self.choice(slot, state, slot == due) {
                if matches!(choice, Choice::Excuse(_)) {
                    // Having it excused is better than not, so that nothing else need be tried from here.
                    self.frames.last_mut().expect("the caller looked").left = Mask::EMPTY;
                }
                return Some(choice);
            }
        }
    }

    /// Whether and how to take an operation that fits and leads to `state`.
    fn choice(&mut self, slot: u32, state: u32, is_due: bool) -> Option<Choice> {
        let order = Choice::Order(slot, state);
        let unchanged = state == self.here.state;
        let optional = self.window.optional.has(slot);
        let overwrites = self.window.overwrites.has(slot);
        if !self.techniques.laziness {
            // An optional operation that changes nothing may as well be left out.
            return (!unchanged || !optional).then_some(order);
        }
        if unchanged && !optional && !self.here.excused.has(slot) {
            return Some(Choice::Excuse(slot));
        }
        if unchanged && !(overwrites && self.excusable().iter().any(|other| other != slot)) {
            return None;
        }
        let may_wait = !is_due && (optional || overwrites);
        (!may_wait || self.is_waited_for(state, slot)).then_some(order)
    }

    /// Slots of what an operation that overwrites would excuse.
    fn excusable(&self) -> Mask<N> {
        let settled = self.here.ordered.or(&self.here.excused).or(&self.window.optional);
        self.window.open.and(&self.window.overwrites).without(&settled)
    }

    /// Whether something open would see a state: it fits there, and is not the operation in `slot`, which leads to it.
    fn is_waited_for(&mut self, state: u32, slot: u32) -> bool {
        let left = self.window.open.without(&self.here.ordered);
        let fitting = self.outlook(state).fitting;
        if !left.and(&fitting).is_empty() {
            return true;
        }
        let seeing = left.without(&self.window.read_only).without(&self.window.overwrites);
        let mut seeing = seeing.iter().filter(|other| *other != slot);
        seeing.any(|other| self.transition(self.window.step(other), state) != NONE)
    }

    /// The state after an operation, or [`NONE`].
    fn transition(&mut self, step: u32, state: u32) -> u32 {
        self.search.steps += 1;
        if let Some(next) = self.search.transitions.get(&(step, state)) {
            return *next;
        }
        let operation = self.operations[self.search.plan.steps[step as usize].index as usize];
        let before = &self.search.states[state as usize];
        let next = self.search.spec.step(before, &operation.op, operation.ret());
        let next = next.map_or(NONE, |next| self.search.intern(next));
        self.search.transitions.insert((step, state), next);
        next
    }

    fn order_operation(&mut self, slot: u32) {
        debug_assert!(!self.here.ordered.has(slot) && self.window.open.has(slot));
        if self.techniques.laziness && self.window.overwrites.has(slot) {
            for other in self.excusable().iter().filter(|other| *other != slot) {
                self.excuse(other);
            }
        }
        self.here.ordered.set(slot);
        self.here.excused.clear(slot);
        self.search.trail.push(Entry { step: self.window.step(slot), excused: false });
    }

    fn excuse(&mut self, slot: u32) {
        debug_assert!(!self.window.optional.has(slot) && !self.here.ordered.has(slot));
        if !self.here.excused.has(slot) {
            self.here.excused.set(slot);
            self.search.trail.push(Entry { step: self.window.step(slot), excused: true });
        }
    }

    /// Passes the returns of operations in the order, and takes in every read-only operation that fits.
    /// Whether the position is new and leads somewhere.
    fn enter(&mut self) -> bool {
        loop {
            if !self.pass_returns() {
                return false;
            }
            if self.is_over() {
                return true;
            }
            let waiting = self.window.open.without(&self.here.ordered);
            let waiting = waiting.and(&self.outlook(self.here.state).fitting);
            if waiting.is_empty() {
                break;
            }
            for slot in waiting.iter() {
                self.order_operation(slot);
            }
        }
        if self.techniques.look_ahead && self.is_hopeless() {
            return false;
        }
        let seen = self.seen();
        let new = self.visited.insert(&seen);
        self.search.steps += self.visited.take_steps();
        new
    }

    /// Whether something that must return never will.
    fn is_hopeless(&mut self) -> bool {
        let satisfied = self.here.ordered.or(&self.here.excused);
        let spent = self.here.ordered;
        self.outlook(self.here.state)
            .hopes
            .iter()
            .any(|hope| !satisfied.contains(&hope.goals) && spent.contains(&hope.helpers))
    }

    fn seen(&self) -> Seen<N> {
        let Position { passed, state, ordered, excused } = self.here;
        let window = &self.window;
        Seen {
            passed,
            state,
            satisfied: ordered.without(&window.optional).or(&excused),
            spent: ordered.without(&window.read_only),
            firm: window.open.without(&window.optional).without(&window.overwrites),
        }
    }

    /// Passes the returns of operations in the order; whether that leads somewhere new.
    fn pass_returns(&mut self) -> bool {
        while !self.is_over() && self.here.ordered.has(self.due()) {
            if !self.pass() {
                return false;
            }
        }
        true
    }

    /// Passes the next return; whether that leads somewhere new.
    fn pass(&mut self) -> bool {
        let due = self.due();
        debug_assert!(self.here.ordered.has(due) || self.here.excused.has(due), "it is satisfied");
        self.here.ordered.clear(due);
        self.here.excused.clear(due);
        self.window.advance(&self.search.plan, self.here.passed as usize);
        self.here.passed += 1;
        self.furthest = self.furthest.max(self.here.passed);
        let cut = self.search.plan.cuts[self.here.passed as usize] && !self.is_over();
        if let Some(remembered_bytes_max) = self.techniques.cuts.filter(|_| cut) {
            if !self.at_cuts.insert(&self.seen()) {
                return false;
            }
            // Sound, for it is only forgotten what need not be entered again; and each cut is gone on from once in
            // each state, so that what lies behind it is searched anew only so many times.
            if self.visited.bytes() > remembered_bytes_max {
                self.visited.forget();
            }
        }
        true
    }

    /// Goes back to an earlier position: the exact reverse of what led from there to here.
    fn return_to(&mut self, position: Position<N>, trail_len: usize) {
        self.search.trail.truncate(trail_len);
        while self.here.passed > position.passed {
            self.here.passed -= 1;
            self.window.retreat(&self.search.plan, self.here.passed as usize);
        }
        self.here = position;
    }
}
