//! What tests of second looks have in common: operations that take effect one after the other, each within its interval.

use super::random::Random;
use crate::history::{Completion, Operation, ProcessId};

/// What becomes of an operation.
#[derive(Clone, Copy)]
pub(super) struct Fate {
    completes: bool,
    pub(super) takes_effect: bool,
}

/// Most operations complete, few fail, and few are never heard of, whether they take effect or not.
pub(super) fn fate(random: &mut Random) -> Fate {
    match random.below(10) {
        0 => Fate { completes: true, takes_effect: false },
        1 => Fate { completes: false, takes_effect: random.one_in(2) },
        _ => Fate { completes: true, takes_effect: true },
    }
}

/// The operation that takes effect at this moment, as others may, in an interval that reaches less than `stretch` to
/// either side of it.
pub(super) fn operation<O, R>(
    random: &mut Random,
    (moment, stretch): (u64, u64),
    fate: Fate,
    (op, ret): (O, R),
) -> Operation<O, R> {
    let at = 20 + 4 * moment;
    let (invoked, until) = (at - random.below(stretch), at + random.below(stretch));
    let completion = match fate {
        Fate { completes: false, .. } => Completion::Info,
        Fate { takes_effect: false, .. } => Completion::Fail,
        _ => Completion::Ok(ret),
    };
    Operation {
        process: ProcessId(moment),
        op,
        invoked,
        returned: fate.completes.then_some(until),
        completion,
    }
}
