//! What is kept of one seed: the run on one line, and what a summary needs beside it.
//!
//! A line is all that is left of a seed that was valid, and enough to make the summary again: when a soak goes on, or
//! is united with others. Its length is bounded, whatever went wrong.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use squall_checker::Verdict;

use crate::shrink::Cause;
use crate::store::{FaultCounts, RunLine};
use crate::trial::{Outcome, Recovery, recoveries};

use super::reached::Reached;

/// Violations that a line names, at most; the others are in the failure's folder, or in the run again.
const VIOLATIONS_MAX: usize = 3;
/// Operations that a violation names, at most.
const OPERATIONS_MAX: usize = 32;
/// Remarks that a line holds, at most.
const REMARKS_MAX: usize = 4;
/// Characters of a sentence, at most.
const SENTENCE_MAX: usize = 500;

/// One seed on one line. The run comes first, under the same keys as elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedLine {
    /// The run.
    #[serde(flatten)]
    pub run: RunLine,
    /// Processor time, in microseconds.
    pub cpu_us: u64,
    /// Faults by family.
    pub families: BTreeMap<String, FaultCounts>,
    /// From healing to the first and to the last operation that had to succeed, in microseconds.
    pub recovery_us: Option<(u64, u64)>,
    /// How soon service was back after each healing, also during chaos.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub healings: Vec<Recovery>,
    /// Which events occurred, under which families of faults.
    #[serde(default, skip_serializing_if = "Reached::is_empty")]
    pub reached: Reached,
    /// Whether a fault ran that the mode does not promise to survive.
    pub outside_model: bool,
    /// Why it is unknown or vacuous, and which bounds were hit.
    pub remarks: Vec<String>,
    /// How a second run of the plan differed, if it was made and did.
    pub differs: Option<String>,
}

impl SeedLine {
    /// The line of a run.
    pub fn new(mut run: RunLine, outcome: &Outcome, cpu_us: u64) -> Self {
        run.violations.truncate(VIOLATIONS_MAX);
        for violation in &mut run.violations {
            violation.cycle = None;
            violation.operations.truncate(OPERATIONS_MAX);
            violation.message = sentence(&violation.message);
        }
        let remarks = outcome.remarks.iter().take(REMARKS_MAX).map(|remark| sentence(remark)).collect();
        Self {
            run,
            cpu_us,
            families: families(outcome),
            recovery_us: outcome.recovery_us,
            healings: recoveries(outcome),
            reached: Reached::of(&outcome.coverage),
            outside_model: outcome.outside_model,
            remarks,
            differs: None,
        }
    }

    /// In which way it fails; `None` if it does not.
    pub fn cause(&self) -> Option<Cause> {
        let first = self.run.violations.first().filter(|_| self.run.verdict == Verdict::Invalid)?;
        Some(Cause { check: first.check.clone(), kind: first.kind.clone() })
    }

    /// Notes how a second run differed.
    pub fn note_difference(&mut self, difference: &str) {
        self.differs = Some(sentence(difference));
    }

    /// Whether both are lines of the same run: times and places may differ.
    pub fn is_same_run(&self, other: &Self) -> bool {
        let run = |line: &Self| (line.run.seed, line.run.verdict, line.run.digest.clone());
        run(self) == run(other)
    }
}

/// The beginning of a text that is too long for a line.
fn sentence(text: &str) -> String {
    match text.char_indices().nth(SENTENCE_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn families(outcome: &Outcome) -> BTreeMap<String, FaultCounts> {
    let mut families: BTreeMap<String, FaultCounts> = BTreeMap::new();
    for fault in outcome.faults.iter().filter(|fault| fault.withheld.is_none()) {
        let counts = families.entry(fault.family.name().into()).or_default();
        counts.injected += 1;
        counts.effective += u64::from(fault.effective > 0);
    }
    families
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::Wanted;

    #[test]
    fn a_line_survives_being_written_and_read_and_is_bounded() {
        let wanted = Wanted {
            nodes: Some(3),
            clients: Some(3),
            duration_ms: Some(300),
            bugs: vec!["hash-order-apply".into()],
            ..Wanted::default()
        };
        let experiment = wanted.experiment().expect("possible");
        for seed in 0..6 {
            let mut outcome = experiment.run(&experiment.plan(seed));
            outcome.remarks = vec!["é".repeat(10_000); 20];
            let run = RunLine::new(experiment.config(), seed, &outcome, 1, "squall run".into());
            let mut line = SeedLine::new(run, &outcome, 7);
            line.note_difference(&"x".repeat(10_000));
            let text = serde_json::to_string(&line).expect("plain data");
            assert!(text.len() < 16_000, "{} bytes", text.len());
            assert!(text.starts_with(r#"{"schema":1,"verdict":"#), "{text}");
            let read: SeedLine = serde_json::from_str(&text).expect("its own text");
            assert!(read == line && read.is_same_run(&line));
        }
    }
}
