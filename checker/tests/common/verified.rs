//! Verdicts that are never believed: each is judged with its certificate, and that is verified.

use squall_checker::render::WIDTH;
use squall_checker::{Bounds, Check, CheckOutcome, History, Linearizable, Spec, verify_all};

/// What the check "linearizable" answers, every verdict of it verified.
pub(crate) fn linearizable<S: Spec>(
    spec: &S,
    history: &History<S::Op, S::Ret>,
    bounds: &Bounds<'_>,
) -> CheckOutcome {
    let outcome = Linearizable.check(spec, history, &Bounds { certificates: true, ..bounds.clone() });
    if let Err(error) = verify_all(spec, history, &outcome) {
        panic!("{error}: {outcome:#?} of {history:#?}");
    }
    for violation in &outcome.violations {
        assert!(violation.cycle().is_none_or(|cycle| cycle.holds(history)), "{violation:#?}");
        let text = violation.render(spec, history);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "too wide:\n{text}");
    }
    let plain = Linearizable.check(spec, history, bounds);
    assert_eq!(
        (plain.verdict, &plain.violations),
        (outcome.verdict, &outcome.violations),
        "the same without"
    );
    outcome
}
