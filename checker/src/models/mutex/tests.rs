//! Wherever the monitor might get stuck in a legal history of a mutex, no stretch of time shows that there is no order:
//! nothing else stands between a mistake of the monitor and a wrong verdict.

use super::{MutexAction, MutexOperation, Window};
use crate::models::cases::cases;
use crate::models::legal_tests::{fate, operation};
use crate::models::random::Random;

/// Operations that took effect one after the other, each within its interval.
fn legal(random: &mut Random) -> Vec<MutexOperation> {
    let (count, stretch) = (1 + random.below(12), 1 + random.below(12));
    let mut held = false;
    let (mut operations, mut moment) = (Vec::new(), 0);
    for _ in 0..count {
        moment += random.below(3);
        let fate = fate(random);
        let acquires = if fate.takes_effect { !held } else { random.one_in(2) };
        held = if fate.takes_effect { acquires } else { held };
        let action = if acquires { MutexAction::Acquire } else { MutexAction::Release };
        operations.push(operation(random, (moment, stretch), fate, (action.into(), ())));
    }
    operations.sort_by_key(|operation| operation.invoked);
    operations
}

#[test]
fn no_stretch_of_what_is_legal_is_too_full() {
    for number in cases(20_000) {
        let operations = legal(&mut Random(number));
        let bare: Vec<&MutexOperation> = operations.iter().collect();
        for (stuck, operation) in (0u32..).zip(&operations) {
            if operation.ret().is_some() {
                let window = Window::around(&bare, stuck);
                assert!(window.is_none(), "case {number}: {:?} of {operations:#?}", window.unwrap().inside);
            }
        }
    }
}
