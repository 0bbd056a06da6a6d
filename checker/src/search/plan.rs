//! What of a partition is searched: the operations that are retained, the order of their returns, the slots in which
//! they are open, and what can be said of them before the search.

use super::{NONE, Techniques, narrow};
use crate::history::{Completion, Operation};
use crate::spec::{Help, Spec};

/// Operations looked at to find one that is alike, or the last that helps another, at most.
const LOOKED_AT_MAX: usize = 256;

/// What an operation does to the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    ReadOnly,
    /// It fits every state and leaves the same one behind whatever was there.
    Overwrite,
    /// Anything.
    Update,
}

/// One retained operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Its index in the slice that is searched.
    pub(super) index: u32,
    /// Its bit in the masks, [`NONE`] if it is never open before the last return.
    pub(super) slot: u32,
    pub(super) invoked: u64,
    /// [`u64::MAX`] if it is optional.
    pub(super) returned: u64,
    pub(super) kind: Kind,
    /// Operations of one class are interchangeable; [`NONE`]: it is alone.
    pub(super) class: u32,
    /// Once so many operations were invoked, no later one can help it to return any more.
    pub(super) helped_by: u32,
}

impl Step {
    pub(super) fn is_optional(&self) -> bool {
        self.returned == u64::MAX
    }
}

/// The retained operations of a partition.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// In the order of invocations.
    pub(super) steps: Vec<Step>,
    /// The required ones, as positions in `steps`, in the order of their returns.
    pub(super) returns: Vec<u32>,
    /// By the number of returns passed: whether nothing that must return is open then.
    pub(super) cuts: Vec<bool>,
    pub(super) slots: usize,
    /// Optional operations have the slots from here on, so that they are tried last.
    pub(super) required_slots: usize,
    free: Vec<u32>,
}

impl Plan {
    pub(super) fn make<S: Spec>(
        &mut self,
        spec: &S,
        operations: &[&Operation<S::Op, S::Ret>],
        techniques: Techniques,
    ) {
        self.steps.clear();
        self.returns.clear();
        let left_out = if techniques.omission { spec.unobserved(operations) } else { Vec::new() };
        assert!(left_out.is_empty() || left_out.len() == operations.len(), "one entry per operation");
        for (index, operation) in operations.iter().enumerate() {
            let ret = operation.ret();
            let kind = match () {
                () if spec.is_read_only(&operation.op, ret) => Kind::ReadOnly,
                () if spec.is_overwrite(&operation.op, ret) => Kind::Overwrite,
                () => Kind::Update,
            };
            let returned = match &operation.completion {
                Completion::Fail => continue,
                Completion::Info if kind == Kind::ReadOnly || left_out.get(index) == Some(&true) => continue,
                Completion::Info => u64::MAX,
                Completion::Ok(_) => operation.returned.expect("a completed operation has a return"),
            };
            if returned != u64::MAX {
                self.returns.push(narrow(self.steps.len()));
            }
            self.steps.push(Step {
                index: narrow(index),
                slot: NONE,
                invoked: operation.invoked,
                returned,
                kind,
                class: NONE,
                helped_by: 0,
            });
        }
        self.returns.sort_by_key(|step| self.steps[*step as usize].returned);
        self.assign_slots();
        self.find_cuts();
        if techniques.symmetry {
            self.find_classes(spec, operations);
        }
        if techniques.look_ahead {
            self.find_helpers(spec, operations);
        }
    }

    /// Walks along the returns: at each, what was invoked until then takes the slot of something that returned
    /// before. Optional operations never return; theirs come after all others, so that they are tried last.
    fn assign_slots(&mut self) {
        self.free.clear();
        let (mut required, mut optional, mut next) = (0, 0, 0);
        for &returning in &self.returns {
            let stamp = self.steps[returning as usize].returned;
            while let Some(step) = self.steps.get_mut(next).filter(|step| step.invoked <= stamp) {
                let counter = if step.is_optional() { &mut optional } else { &mut required };
                let free = if step.is_optional() { None } else { self.free.pop() };
                step.slot = free.unwrap_or_else(|| {
                    *counter += 1;
                    *counter - 1
                });
                next += 1;
            }
            self.free.push(self.steps[returning as usize].slot);
        }
        for step in self.steps.iter_mut().filter(|step| step.is_optional() && step.slot != NONE) {
            step.slot += required;
        }
        self.required_slots = required as usize;
        self.slots = (required + optional) as usize;
    }

    /// After so many returns the history is cut if every required operation that was invoked by then is among them.
    fn find_cuts(&mut self) {
        self.cuts.clear();
        self.cuts.resize(self.returns.len() + 1, false);
        let mut required = self.steps.iter().filter(|step| !step.is_optional()).peekable();
        let mut invoked = 0;
        for (passed, returning) in (1..).zip(&self.returns) {
            let stamp = self.steps[*returning as usize].returned;
            while required.next_if(|step| step.invoked <= stamp).is_some() {
                invoked += 1;
            }
            self.cuts[passed] = invoked == passed;
        }
    }

    /// Puts what is alike and may be open at the same time into one class. Not to find some is sound.
    fn find_classes<S: Spec>(&mut self, spec: &S, operations: &[&Operation<S::Op, S::Ret>]) {
        let what = |step: &Step| {
            let operation = operations[step.index as usize];
            (&operation.op, operation.ret())
        };
        let (mut classes, mut next) = (0, 0);
        let mut open: Vec<u32> = Vec::new();
        for &returning in &self.returns {
            let stamp = self.steps[returning as usize].returned;
            while let Some(step) = self.steps.get(next).filter(|step| step.invoked <= stamp) {
                if step.kind != Kind::ReadOnly {
                    let alike = |other: &&u32| spec.is_alike(what(&self.steps[**other as usize]), what(step));
                    if let Some(other) = open.iter().rev().take(LOOKED_AT_MAX).find(alike) {
                        let class = &mut self.steps[*other as usize].class;
                        if *class == NONE {
                            (*class, classes) = (classes, classes + 1);
                        }
                        self.steps[next].class = *class;
                    }
                    open.push(narrow(next));
                }
                next += 1;
            }
            if let Some(at) = open.iter().position(|open| *open == returning) {
                open.remove(at);
            }
        }
    }

    /// Finds the last operation that may help each required one, among those invoked before it returned.
    fn find_helpers<S: Spec>(&mut self, spec: &S, operations: &[&Operation<S::Op, S::Ret>]) {
        for &goal in &self.returns {
            let step = self.steps[goal as usize];
            if step.kind == Kind::Overwrite {
                continue;
            }
            let wanting = operations[step.index as usize];
            let ret = wanting.ret().expect("it completed");
            let mut last = self.steps.partition_point(|other| other.invoked <= step.returned);
            let stop = last.saturating_sub(LOOKED_AT_MAX);
            while last > stop {
                let other = &self.steps[last - 1];
                let helper = operations[other.index as usize];
                let helps = last - 1 != goal as usize
                    && other.kind != Kind::ReadOnly
                    && spec.help((&helper.op, helper.ret()), (&wanting.op, ret)) != Help::Never;
                if helps {
                    break;
                }
                last -= 1;
            }
            self.steps[goal as usize].helped_by = narrow(last);
        }
    }
}
