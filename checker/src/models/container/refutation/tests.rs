//! Whatever is claimed of a legal history of a container, a second look must refuse it: nothing else stands between a mistake
//! of a monitor and a wrong verdict.

use std::collections::VecDeque;

use super::super::{ContainerAction, ContainerOperation, ContainerRet, Discipline};
use super::{NONE, Refutation, Witness};
use crate::models::cases::cases;
use crate::models::legal_tests::{fate, operation};
use crate::models::random::Random;
use crate::value::Value;

/// Operations that took effect one after the other, each within its interval.
fn legal(random: &mut Random, discipline: Discipline) -> Vec<ContainerOperation> {
    let (count, stretch) = (1 + random.below(9), 1 + random.below(8));
    let mut elements: VecDeque<Value> = VecDeque::new();
    let (mut operations, mut moment) = (Vec::new(), 0);
    for number in 0..count {
        moment += random.below(3);
        let fate = fate(random);
        let (action, ret) = if random.one_in(2) {
            // Now and then one that was inserted before.
            let value = if random.one_in(6) { random.below(number + 1) } else { number };
            let value = Value::Int(value.cast_signed());
            if fate.takes_effect {
                elements.push_back(value.clone());
            }
            (ContainerAction::Insert { value }, ContainerRet::Done)
        } else {
            let taken = match discipline {
                _ if !fate.takes_effect => None,
                Discipline::Fifo => elements.pop_front(),
                Discipline::Lifo => elements.pop_back(),
                Discipline::Unordered if elements.is_empty() => None,
                Discipline::Unordered => elements.remove(random.pick(elements.len())),
            };
            (ContainerAction::Remove, taken.map_or(ContainerRet::Empty, ContainerRet::Taken))
        };
        operations.push(operation(random, (moment, stretch), fate, (action.into(), ret)));
    }
    operations
}

/// An element, mostly with the removal that took it.
fn witness(random: &mut Random, operations: &[ContainerOperation]) -> Witness {
    let insert = random.pick(operations.len());
    let took = |operation: &ContainerOperation| match (&operation.op.action, operation.ret()) {
        (_, Some(ContainerRet::Taken(taken))) => {
            matches!(&operations[insert].op.action, ContainerAction::Insert { value } if value == taken)
        }
        _ => false,
    };
    let remove = match operations.iter().position(took) {
        Some(remove) if !random.one_in(8) => remove,
        None if random.one_in(2) => NONE as usize,
        _ => random.pick(operations.len()),
    };
    let index = |index: usize| u32::try_from(index).unwrap();
    Witness { insert: index(insert), remove: index(remove) }
}

fn claim(random: &mut Random, operations: &[ContainerOperation]) -> Refutation {
    let mut chain = Vec::new();
    for _ in 0..1 + random.below(3) {
        chain.push(witness(random, operations));
    }
    let (first, second) = (witness(random, operations), witness(random, operations));
    let kind = random.below(6);
    let mut any = || u32::try_from(random.pick(operations.len())).unwrap();
    match kind {
        0 => Refutation::Phantom { remove: any(), failed: None },
        1 => Refutation::Duplicated { insert: any(), one: any(), other: any() },
        2 => Refutation::Premature { insert: any(), remove: any() },
        3 => Refutation::OutOfOrder { first, second },
        4 => Refutation::NeverEmpty { empty: any(), chain },
        _ => Refutation::NoBottom { chain },
    }
}

#[test]
fn no_claim_holds_of_what_is_legal() {
    for discipline in [Discipline::Fifo, Discipline::Lifo, Discipline::Unordered] {
        for number in cases(3_000) {
            let random = &mut Random(number);
            let operations = legal(random, discipline);
            let bare: Vec<&ContainerOperation> = operations.iter().collect();
            for _ in 0..200 {
                let claim = claim(random, &operations);
                let holds = claim.holds(&bare, discipline);
                assert!(!holds, "case {number}, {discipline:?}: {claim:?} of {operations:#?}");
            }
        }
    }
}
