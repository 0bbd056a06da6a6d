//! The same plan must give the same run: runs one again and compares digests.
//!
//! Also the way from the fast run to the full recording of it: the second run keeps everything, and counts only if it
//! was the same run. Knows nothing of seeds, files or why a run failed.

use squall_workloads::Workload;

use crate::trial::{HistoryLine, Manner, Outcome, Plan, Subject};

/// Two runs of one plan that differ.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not deterministic: one plan gave digest {first}, then {second}; {difference}. usual suspects: an unbiased select!, \
     the order of a HashMap, thread_rng, a wall clock"
)]
pub struct NotDeterministic {
    /// The digest of the first run.
    pub first: String,
    /// That of the second.
    pub second: String,
    /// Where their histories part, in words.
    pub difference: String,
}

/// Runs a plan once more, in this manner, and returns that run if it is the same.
///
/// # Errors
///
/// The first place where the two runs differ.
pub fn again<S: Subject<W>, W: Workload>(
    subject: &S,
    workload: &W,
    plan: &Plan<W::Step>,
    first: &Outcome,
    manner: Manner,
) -> Result<Outcome, Box<NotDeterministic>> {
    let second = subject.run(workload, plan, manner);
    if second.digest == first.digest && second.verdict == first.verdict {
        return Ok(second);
    }
    Err(Box::new(NotDeterministic {
        first: first.digest.clone(),
        second: second.digest.clone(),
        difference: difference(&first.lines, &second.lines),
    }))
}

/// Where two histories part.
fn difference(first: &[HistoryLine], second: &[HistoryLine]) -> String {
    let parted = first.iter().zip(second).find(|(one, other)| one != other);
    match parted {
        Some((one, other)) => {
            format!("event {} was `{}`, then `{}`", one.index, one.text().trim(), other.text().trim())
        }
        None if first.len() != second.len() => {
            format!("one history has {} events, the other {}", first.len(), second.len())
        }
        None => "their histories are equal, what nodes did in between is not".into(),
    }
}
