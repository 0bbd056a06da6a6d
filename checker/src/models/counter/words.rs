//! What is wrong with a counter, in words.

use super::monitor::{Refutation, Why};
use super::{Counter, CounterAction, CounterOp, CounterOperation, CounterRet};
use crate::history::{Completion, Indexed, OpId};
use crate::linearizable::NAME;
use crate::models::telling::Telling;
use crate::verdict::Violation;
use crate::words::{by, by_of};

/// Additions named; of more only the number is told.
const NAMED_MAX: usize = 8;

pub(super) fn violation(
    counter: &Counter,
    key: &str,
    operations: &[Indexed<'_, CounterOp, CounterRet>],
    refutation: &Refutation,
) -> Violation {
    let bare: Vec<&CounterOperation> = operations.iter().map(|(_, operation)| *operation).collect();
    let reads = || refutation.witnesses().into_iter().map(|index| bare[index as usize]);
    let words = |index: u32| by_of(counter, operations[index as usize], reads());
    let after = words(refutation.after);
    let (start, difference) = match refutation.before {
        None => ("the counter was 0 in the beginning".to_owned(), sum(bare[refutation.after as usize])),
        Some(before) => (
            format!("{} finished before {after} began", words(before)),
            sum(bare[refutation.after as usize]) - sum(bare[before as usize]),
        ),
    };
    let (low, high) = refutation.bounds(&bare);
    let since = refutation.before.map_or(String::new(), |before| format!(" after {}", words(before)));
    let (kind, message, last) = match refutation.why {
        Why::TooLow => (
            "too-low",
            format!("{after}{since} is too low: at least {low} had been added before it began"),
            format!("so the sum rose by at least {low} until then, not by {difference}"),
        ),
        Why::TooHigh => (
            "too-high",
            format!("{after}{since} is too high: at most {high} can have been added when it finished"),
            format!("so the sum rose by at most {high} until then, not by {difference}"),
        ),
        Why::NoMultiple => (
            "torn",
            format!("{after} is no multiple of the amount that every addition adds"),
            "additions take effect as a whole, so every sum is a multiple of what each adds".to_owned(),
        ),
    };
    let counted = counted(operations, refutation);
    let mut told = vec![start];
    if refutation.why != Why::NoMultiple {
        let when = match refutation.why {
            Why::TooLow if refutation.before.is_none() => "had finished before it began",
            Why::TooLow => "began after the one and finished before the other",
            Why::TooHigh | Why::NoMultiple => "had begun when it finished",
        };
        let names: Vec<String> =
            counted.iter().take(NAMED_MAX).map(|(_, operation)| by(counter, operation)).collect();
        told.push(match counted.len() {
            0 => "nothing was added until it finished".to_owned(),
            1..=NAMED_MAX => format!("{} {when}", names.join(", ")),
            count => format!("{count} additions {when}: {}, …", names.join(", ")),
        });
    }
    told.push(last);
    let reads = refutation.witnesses().into_iter().map(|index| operations[index as usize].0);
    let ids: Vec<OpId> = counted.iter().take(NAMED_MAX).map(|(id, _)| *id).chain(reads).collect();
    Telling::in_steps(kind, message, told).violation(NAME, key, ids)
}

fn sum(read: &CounterOperation) -> i128 {
    match read.ret() {
        Some(CounterRet::Sum(sum)) => i128::from(*sum),
        None | Some(CounterRet::Done) => unreachable!("a completed read"),
    }
}

/// The additions that make the bound.
fn counted<'h>(
    operations: &[Indexed<'h, CounterOp, CounterRet>],
    refutation: &Refutation,
) -> Vec<Indexed<'h, CounterOp, CounterRet>> {
    let after = operations[refutation.after as usize].1;
    let before = refutation.before.map(|before| operations[before as usize].1);
    let counts = |operation: &CounterOperation| {
        let CounterAction::Add { amount } = operation.op.action else { return false };
        let must = operation.precedes(after) && before.is_none_or(|before| before.precedes(operation));
        let may = !after.precedes(operation) && before.is_none_or(|before| !operation.precedes(before));
        let wanted = if refutation.why == Why::TooLow { amount < 0 } else { amount > 0 };
        operation.completion != Completion::Fail && (must || (may && wanted))
    };
    operations.iter().filter(|(_, operation)| counts(operation)).copied().collect()
}
