//! Judgements that are never believed: everything that they claim is checked by the verifier.

use squall_checker::Bounds;
use squall_checker::transactions::{self, Judgement, Level, Options, TransactionHistory, verify};

/// What is judged of a history, all of it verified.
pub(crate) fn verified(history: &TransactionHistory, level: Level) -> Judgement {
    let judged = transactions::check(history, &Options { level }, &Bounds::default());
    if let Some((shown, order)) = &judged.order {
        assert_eq!(verify::serial_order(history, *shown, order), Ok(()));
    }
    for violation in &judged.outcome.violations {
        assert!(violation.operations.is_sorted() && !violation.operations.is_empty());
        assert!(!violation.message.is_empty() && !violation.steps.is_empty());
        let tried = violation.kind.starts_with("no-serial-order");
        if let (Err(refuted), false) = (verify::violation(history, level, violation), tried) {
            panic!("{refuted}: {violation:#?}");
        }
    }
    judged
}
