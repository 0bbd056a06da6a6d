//! What can be seen of a state in a window without ordering anything: which operations that change nothing fit, and
//! what the others that must return are waiting for.
//!
//! It depends on the window and the state alone, so it is worked out once for all positions that share them.

use rustc_hash::FxHashMap;

use super::mask::Mask;
use super::plan::{Kind, Plan};
use super::window::Window;
use crate::history::Operation;
use crate::spec::{Help, Reach, Spec};

/// So many are kept.
const KEPT_MAX: usize = 1 << 14;

/// Operations that must return, do not fit the state, and need the help of one of these: without it they never will.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hope<const N: usize> {
    pub(super) goals: Mask<N>,
    pub(super) helpers: Mask<N>,
}

#[derive(Debug)]
pub(super) struct Outlook<const N: usize> {
    /// Slots of open operations that change nothing and fit.
    pub(super) fitting: Mask<N>,
    pub(super) hopes: Vec<Hope<N>>,
}

/// What was worked out, by the returns passed and the state.
pub(super) type Outlooks<const N: usize> = FxHashMap<(u32, u32), Outlook<N>>;

/// Makes room for one more.
pub(super) fn make_room<const N: usize>(outlooks: &mut Outlooks<N>) {
    if outlooks.len() >= KEPT_MAX {
        outlooks.clear();
    }
}

pub(super) fn bytes<const N: usize>(outlooks: &Outlooks<N>) -> usize {
    // Most have a hope or two.
    outlooks.capacity() * (size_of::<Outlook<N>>() + 9) + outlooks.len() * 2 * size_of::<Hope<N>>()
}

impl<const N: usize> Outlook<N> {
    /// The steps that it took are added to `steps`.
    pub(super) fn new<S: Spec>(
        spec: &S,
        operations: &[&Operation<S::Op, S::Ret>],
        (plan, window): (&Plan, &Window<N>),
        state: &S::State,
        look_ahead: bool,
        steps: &mut u64,
    ) -> Self {
        let what = |slot: u32| operations[plan.steps[window.step(slot) as usize].index as usize];
        let mut outlook = Self { fitting: Mask::EMPTY, hopes: Vec::new() };
        for slot in window.open.and(&window.read_only).iter() {
            *steps += 1;
            let operation = what(slot);
            if let Some(next) = spec.step(state, &operation.op, operation.ret()) {
                debug_assert!(next == *state, "it is read-only");
                outlook.fitting.set(slot);
            }
        }
        if !look_ahead {
            return outlook;
        }
        let updates = window.open.without(&window.read_only);
        let goals = window.open.without(&window.optional).without(&window.overwrites);
        for goal in goals.without(&outlook.fitting).iter() {
            let step = plan.steps[window.step(goal) as usize];
            debug_assert!(step.kind != Kind::Overwrite, "that fits any state");
            if step.helped_by as usize > window.invoked {
                continue;
            }
            let wanting = what(goal);
            let wanted = (&wanting.op, wanting.ret().expect("it must return"));
            let extends = match spec.reach(state, wanted) {
                Reach::Unclear => continue,
                Reach::Extending => true,
                Reach::Replacing => false,
            };
            let mut helpers = Mask::EMPTY;
            for slot in updates.iter().filter(|slot| *slot != goal) {
                let operation = what(slot);
                helpers.put(
                    slot,
                    match spec.help((&operation.op, operation.ret()), wanted) {
                        Help::Never => false,
                        Help::Extends => extends,
                        Help::Replaces => true,
                    },
                );
            }
            match outlook.hopes.iter_mut().find(|hope| hope.helpers == helpers) {
                Some(hope) => hope.goals.set(goal),
                None => {
                    let mut goals = Mask::EMPTY;
                    goals.set(goal);
                    outlook.hopes.push(Hope { goals, helpers });
                }
            }
        }
        outlook
    }
}
