//! The models beyond the key-value store: every specification and every monitor against brute force, on random small
//! histories with ties, indeterminate and failed operations and lies; and what they say of anomalies.
//!
//! `SQUALL_ORACLE_CASES` asks for more cases than the default.

#[path = "../common/mod.rs"]
mod common;
mod container_words;
mod containers;
#[path = "../common/forged.rs"]
mod forged;
mod forks;
mod ledger;
mod objects;
mod objects_words;
mod proven;
mod recorded;
#[path = "../common/judged.rs"]
mod recorded_verified;
#[path = "../common/verified.rs"]
mod verified;

use squall_checker::search::{Decision, Search};
use squall_checker::{Bounds, Completion, Direct, History, Operation, Spec, Verdict, Violation};

use common::{Random, brute_force, cases, verify_edges, verify_order};
use forged::Forged;

/// When an operation ran that took effect around a moment, and how it ended: stamps tie often.
fn interval(random: &mut Random, moment: u64, stretch: u64) -> (u64, u64) {
    (moment.saturating_sub(random.below(stretch)), moment + random.below(stretch))
}

/// The stamp of a return, if the completion has one.
fn returned<R: PartialEq>(completion: &Completion<R>, stamp: u64) -> Option<u64> {
    (*completion != Completion::Info).then_some(stamp)
}

/// Judges a history in every way there is: the search, the monitor and the check must all find it legal, or all find
/// it illegal, as brute force did, and no forged proof may pass. Whether the monitor decided, and what was found wrong.
fn agree<S: Spec>(
    spec: &S,
    history: &History<S::Op, S::Ret>,
    legal: bool,
    number: u64,
) -> (bool, Vec<Violation>) {
    let told = || format!("case {number}, legal: {legal}: {history:#?}");
    assert_eq!(brute_force(spec, history.operations()), legal, "the specification: {}", told());
    let operations: Vec<&Operation<S::Op, S::Ret>> = history.operations().iter().collect();
    match Search::new(spec).decide(&operations, &Bounds::default()) {
        Decision::Legal(order) => {
            assert!(legal, "the search accepts {}", told());
            verify_order(spec, &operations, &order);
        }
        Decision::Illegal { .. } => assert!(!legal, "the search refuses {}", told()),
        Decision::Undecided(limit) => panic!("{limit}"),
    }
    let direct = spec.decide_directly(&operations);
    match &direct {
        Some(Direct::Legal(order)) => {
            assert!(legal, "the monitor accepts {}", told());
            verify_order(spec, &operations, order);
        }
        Some(Direct::Illegal(witnesses)) => {
            assert!(!legal, "the monitor refuses {}", told());
            assert!(witnesses.is_sorted() && !witnesses.is_empty());
        }
        None => {}
    }
    let outcome = verified::linearizable(spec, history, &Bounds::default());
    let nothing = operations.iter().all(|operation| operation.ret().is_none());
    let verdict = match legal {
        _ if nothing => Verdict::Vacuous,
        true => Verdict::Valid,
        false => Verdict::Invalid,
    };
    assert_eq!(outcome.verdict, verdict, "{}", told());
    outcome.violations.iter().for_each(|violation| verify_edges(history, violation));
    let mut random = Random(number ^ 0x000f_046e);
    Forged::default().forge(spec, history, (&outcome, legal), &mut random);
    (direct.is_some(), outcome.violations)
}

/// The violations of a history, as people read them.
fn told<S: Spec>(spec: &S, history: &History<S::Op, S::Ret>) -> String {
    let outcome = verified::linearizable(spec, history, &Bounds::default());
    outcome.violations.iter().map(lines).collect::<Vec<_>>().join("\n")
}

/// A violation, as people read it.
fn lines(violation: &Violation) -> String {
    let ids: Vec<String> = violation.operations.iter().map(ToString::to_string).collect();
    let mut lines = format!("{}: {}\noperations {}", violation.kind, violation.message, ids.join(" "));
    for (number, step) in violation.steps.iter().enumerate() {
        lines += &format!("\n{}. {step}", number + 1);
    }
    lines
}
