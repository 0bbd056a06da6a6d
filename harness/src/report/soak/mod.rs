//! What a soak came to, for browsers and for continuous integration: pure functions of its summary.
//!
//! [`index`] is a page like the report of a run; [`junit`] is what test reporters read; [`annotations`] and
//! [`step_summary`] are what GitHub shows. None of them knows where it will be put.

mod coverage;
mod github;
mod junit;
mod page;

pub use github::{annotations, step_summary};
pub use junit::junit;
pub use page::index;

use crate::soak::FailureGroup;

/// What distinguishes a group from others, in words.
fn title(group: &FailureGroup) -> String {
    format!("{} {} {} ({})", group.mode, group.check, group.kind, fault_words(group))
}

/// The kinds of fault that are left, in words.
fn fault_words(group: &FailureGroup) -> String {
    match group.faults.as_deref() {
        None => "not shrunk".into(),
        Some([]) => "without any fault".into(),
        Some(kinds) => kinds.join(" and "),
    }
}

/// How improbable a failure is, in words.
fn confidence_words(failure_probability_max: Option<f64>) -> String {
    match failure_probability_max {
        Some(bound) => format!("under {} %", significant(100.0 * bound)),
        None => "–".into(),
    }
}

/// A number with two significant digits.
pub(crate) fn significant(number: f64) -> String {
    let digits = if number >= 10.0 {
        0
    } else if number >= 1.0 {
        1
    } else if number >= 0.1 {
        2
    } else if number >= 0.01 {
        3
    } else {
        5
    };
    format!("{number:.digits$}")
}

/// The command that shows the smallest example of a group, or runs its first seed.
fn command(group: &FailureGroup, seed_command: impl Fn(u64) -> String) -> String {
    match (&group.example, group.first_seeds.first()) {
        (Some(example), _) => {
            let shrunk = if example.shrunk.is_some() { "/shrunk" } else { "" };
            crate::trial::failure::replay_command(&format!("{}{shrunk}", example.results))
        }
        (None, Some(seed)) => seed_command(*seed),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests;
