//! Whatever is claimed of a legal history of a counter, a second look must refuse it: nothing else stands between a mistake of
//! the monitor and a wrong verdict.

use super::super::{CounterAction, CounterOperation, CounterRet};
use super::{Refutation, Why};
use crate::models::cases::cases;
use crate::models::legal_tests::{fate, operation};
use crate::models::random::Random;

/// Operations that took effect one after the other, each within its interval.
fn legal(random: &mut Random) -> Vec<CounterOperation> {
    let (count, stretch, amounts) = (1 + random.below(9), 1 + random.below(8), 1 + random.below(3));
    let mut sum = 0;
    let (mut operations, mut moment) = (Vec::new(), 0);
    for _ in 0..count {
        moment += random.below(3);
        let fate = fate(random);
        let (action, ret) = if random.one_in(2) {
            let amount = 2 + random.below(amounts).cast_signed() - i64::from(random.one_in(6)) * 5;
            sum += if fate.takes_effect { amount } else { 0 };
            (CounterAction::Add { amount }, CounterRet::Done)
        } else {
            (CounterAction::Read, CounterRet::Sum(sum))
        };
        operations.push(operation(random, (moment, stretch), fate, (action.into(), ret)));
    }
    operations
}

#[test]
fn no_claim_holds_of_what_is_legal() {
    for number in cases(5_000) {
        let random = &mut Random(number);
        let operations = legal(random);
        let bare: Vec<&CounterOperation> = operations.iter().collect();
        let all = || (0u32..).take(bare.len());
        for (before, after) in
            all().flat_map(|after| all().map(Some).chain([None]).map(move |before| (before, after)))
        {
            for why in [Why::TooLow, Why::TooHigh, Why::NoMultiple] {
                let claim = Refutation { before, after, why };
                assert!(!claim.holds(&bare), "case {number}: {claim:?} of {operations:#?}");
            }
        }
    }
}
