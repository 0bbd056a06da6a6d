//! Whatever is claimed of a legal history of a set, a second look must refuse it: nothing else stands between a mistake of
//! the monitor and a wrong verdict.

use super::super::{SetAction, SetOperation, SetRet};
use super::Refutation;
use crate::models::cases::cases;
use crate::models::legal_tests::{fate, operation};
use crate::models::random::Random;
use crate::value::Value;

/// Operations that took effect one after the other, each within its interval.
fn legal(random: &mut Random) -> Vec<SetOperation> {
    let (count, stretch, elements) = (1 + random.below(9), 1 + random.below(8), 1 + random.below(8));
    let mut members: Vec<Value> = Vec::new();
    let (mut operations, mut moment) = (Vec::new(), 0);
    for _ in 0..count {
        moment += random.below(3);
        let fate = fate(random);
        let (action, ret) = if random.one_in(2) {
            let element = Value::Int(random.below(elements).cast_signed());
            if fate.takes_effect && !members.contains(&element) {
                members.push(element.clone());
            }
            (SetAction::Add { element }, SetRet::Done)
        } else {
            (SetAction::Read, SetRet::Elements(members.clone().into()))
        };
        operations.push(operation(random, (moment, stretch), fate, (action.into(), ret)));
    }
    operations
}

fn claim(random: &mut Random, operations: usize) -> Refutation {
    let kind = random.below(7);
    let mut any = || u32::try_from(random.pick(operations)).unwrap();
    match kind {
        0 => {
            let (read, at, failed) = (any(), any() % 4, any());
            Refutation::Phantom { read, at, failed: (failed % 2 == 0).then_some(failed) }
        }
        1 => Refutation::Premature { read: any(), add: any() },
        2 => Refutation::Duplicated { read: any(), add: any() },
        3 => Refutation::Forked { one: any(), only_one: any(), other: any(), only_other: any() },
        4 => Refutation::Missing { add: any(), read: any(), back: None },
        5 => Refutation::Gone { add: any(), shows: any(), lacks: any() },
        _ => Refutation::Overtaken { add: any(), later: any(), read: any(), back: None },
    }
}

#[test]
fn no_claim_holds_of_what_is_legal() {
    for number in cases(2_000) {
        let random = &mut Random(number);
        let operations = legal(random);
        let bare: Vec<&SetOperation> = operations.iter().collect();
        for _ in 0..200 {
            let claim = claim(random, bare.len());
            assert!(!claim.holds(&bare), "case {number}: {claim:?} of {operations:#?}");
        }
    }
}
