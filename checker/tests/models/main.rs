//! The models beyond the key-value store: every specification and every monitor against brute force, on random small
//! histories with ties, indeterminate and failed operations and lies; and what they say of anomalies.
//!
//! `SQUALL_ORACLE_CASES` asks for more cases than the default.

#[path = "../common/mod.rs"]
mod common;
mod container_words;
mod containers;
mod recorded;
#[path = "../common/verified.rs"]
mod verified;

use squall_checker::{Bounds, Completion, History, Spec, Violation};

use common::Random;

/// How many cases to try.
fn cases(default: u64) -> u64 {
    std::env::var("SQUALL_ORACLE_CASES").map_or(default, |cases| cases.parse().unwrap())
}

/// When an operation ran that took effect around a moment, and how it ended: stamps tie often.
fn interval(random: &mut Random, moment: u64, stretch: u64) -> (u64, u64) {
    (moment.saturating_sub(random.below(stretch)), moment + random.below(stretch))
}

/// The stamp of a return, if the completion has one.
fn returned<R: PartialEq>(completion: &Completion<R>, stamp: u64) -> Option<u64> {
    (*completion != Completion::Info).then_some(stamp)
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
