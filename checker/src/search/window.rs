//! What is open until the next return: the operations that may be ordered there, by slot.
//!
//! It follows the search along the returns, forth and back; both ways lead to the same window.

use super::mask::Mask;
use super::plan::{Kind, Plan};
use super::{NONE, narrow};

pub(super) struct Window<const N: usize> {
    /// So many operations were invoked until the next return.
    pub(super) invoked: usize,
    /// Slots of operations that are open, ordered or not.
    pub(super) open: Mask<N>,
    pub(super) read_only: Mask<N>,
    pub(super) overwrites: Mask<N>,
    pub(super) optional: Mask<N>,
    /// Slot -> the operation that is open in it.
    open_in: Vec<u32>,
    /// Slot -> the slots of interchangeable operations that return earlier.
    earlier: Vec<Mask<N>>,
}

impl<const N: usize> Window<N> {
    /// The window before the first return.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut window = Self {
            invoked: 0,
            open: Mask::EMPTY,
            read_only: Mask::EMPTY,
            overwrites: Mask::EMPTY,
            optional: Mask::from(plan.required_slots),
            open_in: vec![NONE; plan.slots],
            earlier: vec![Mask::EMPTY; plan.slots],
        };
        window.open_until_return(plan, 0);
        window
    }

    /// The operation that is open in a slot.
    pub(super) fn step(&self, slot: u32) -> u32 {
        debug_assert!(self.open.has(slot), "something is open there");
        self.open_in[slot as usize]
    }

    /// Interchangeable operations that return before the one in this slot.
    pub(super) fn earlier(&self, slot: u32) -> &Mask<N> {
        &self.earlier[slot as usize]
    }

    /// From the window before return number `passed` to the next one.
    pub(super) fn advance(&mut self, plan: &Plan, passed: usize) {
        self.close(plan, plan.returns[passed]);
        self.open_until_return(plan, passed + 1);
    }

    /// Back to the window before return number `passed`.
    pub(super) fn retreat(&mut self, plan: &Plan, passed: usize) {
        let returning = plan.returns[passed];
        let stamp = plan.steps[returning as usize].returned;
        while self.invoked > 0 && plan.steps[self.invoked - 1].invoked > stamp {
            self.invoked -= 1;
            if plan.steps[self.invoked].slot != NONE {
                self.close(plan, narrow(self.invoked));
            }
        }
        self.open(plan, returning);
    }

    fn open_until_return(&mut self, plan: &Plan, passed: usize) {
        let Some(returning) = plan.returns.get(passed) else { return };
        let stamp = plan.steps[*returning as usize].returned;
        while plan.steps.get(self.invoked).is_some_and(|step| step.invoked <= stamp) {
            self.open(plan, narrow(self.invoked));
            self.invoked += 1;
        }
    }

    fn open(&mut self, plan: &Plan, step: u32) {
        let opened = plan.steps[step as usize];
        let slot = opened.slot;
        debug_assert!(!self.open.has(slot), "a slot is taken once at a time");
        self.earlier[slot as usize] = Mask::EMPTY;
        if opened.class != NONE {
            for other in self.open.iter() {
                let beside = self.open_in[other as usize];
                let twin = plan.steps[beside as usize];
                if twin.class != opened.class {
                    continue;
                }
                if (twin.returned, beside) < (opened.returned, step) {
                    self.earlier[slot as usize].set(other);
                } else {
                    self.earlier[other as usize].set(slot);
                }
            }
        }
        self.open.set(slot);
        self.open_in[slot as usize] = step;
        self.read_only.put(slot, opened.kind == Kind::ReadOnly);
        self.overwrites.put(slot, opened.kind == Kind::Overwrite);
    }

    fn close(&mut self, plan: &Plan, step: u32) {
        let closed = plan.steps[step as usize];
        debug_assert!(self.open_in[closed.slot as usize] == step, "it is open");
        self.open.clear(closed.slot);
        self.open_in[closed.slot as usize] = NONE;
        if closed.class != NONE {
            for other in self.open.iter() {
                self.earlier[other as usize].clear(closed.slot);
            }
        }
    }
}
