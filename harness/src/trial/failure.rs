//! How a run's verdict is told to people: the same few lines on stderr, in a test's panic and in a report's banner.
//!
//! The shape is a promise (scripts and habits rest on it) and is snapshot-tested. Pure: text from a configuration and
//! an outcome; knows no terminal and no file.

use std::fmt::{self, Display, Formatter};

use squall_checker::Verdict;

use super::outcome::Outcome;
use super::plan::Config;

/// Sentences of one account, at most; the rest is counted.
const SENTENCES_MAX: usize = 3;

/// What came of one run, in words.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// What was run.
    pub config: &'a Config,
    /// The seed that its plan came from.
    pub seed: u64,
    /// What came of it.
    pub outcome: &'a Outcome,
    /// The folder with its report and plan, if it was stored.
    pub results: Option<&'a str>,
    /// What it was shrunk to, in words.
    pub shrunk: Option<&'a str>,
}

/// A count with its noun: `1 fault`, `4 faults`.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A path as a shell takes it: as it is, or between quotes.
pub fn shell_word(word: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+:=,@%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// The command that runs what is stored in this folder (or plan) again.
pub fn replay_command(path: &str) -> String {
    format!("squall replay {}", shell_word(path))
}

impl Account<'_> {
    /// The first line: verdict, what was judged, and the size of the run.
    pub fn headline(&self) -> String {
        let Self { config, outcome, seed, .. } = *self;
        let check = outcome.violations.first().map_or(String::new(), |first| format!(" {}", first.check));
        let counts = outcome.operations;
        let sizes = [
            config.mode.clone(),
            counted(u64::from(config.nodes), "node"),
            counted(u64::from(config.clients), "client"),
            counted(counts.ok + counts.fail + counts.info, "operation"),
            counted(outcome.faults_injected() as u64, "fault"),
        ];
        let shrunk = self.shrunk.map_or(String::new(), |sizes| format!("; shrunk to {sizes}"));
        let outside = if outcome.outside_model { "; outside the model" } else { "" };
        let (verdict, workload) = (outcome.verdict, &config.workload);
        format!("{verdict}: {workload}{check}, seed {seed:#x} ({}{outside}{shrunk})", sizes.join(", "))
    }

    /// What is wrong, or why the run does not count; one sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let told: Vec<String> = match self.outcome.verdict {
            Verdict::Invalid => self.outcome.violations.iter().map(|one| one.message.clone()).collect(),
            Verdict::Valid => Vec::new(),
            Verdict::Vacuous | Verdict::Unknown => self.outcome.remarks.clone(),
        };
        let more = told.len().saturating_sub(SENTENCES_MAX);
        let mut sentences: Vec<String> = told.iter().take(SENTENCES_MAX).map(|text| one_line(text)).collect();
        if more > 0 {
            sentences.push(format!("and {more} more"));
        }
        sentences
    }
}

/// A text on one line: a line break would end the account's indentation.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

impl Display for Account<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.headline())?;
        for sentence in self.sentences() {
            write!(f, "\n  {sentence}")?;
        }
        if let (Some(folder), true) = (self.results, self.outcome.verdict != Verdict::Valid) {
            let replay = replay_command(folder);
            write!(f, "\n  report:    {folder}/report.html")?;
            write!(f, "\n  replay:    {replay}")?;
            write!(f, "\n  keep it:   {replay} --save tests/regressions")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use squall_checker::Violation;

    use super::*;
    use crate::nemesis::Family;
    use crate::trial::{FaultRecord, OperationCounts};

    fn fault(id: u32) -> FaultRecord {
        FaultRecord {
            id,
            family: Family::Link,
            description: "lose 10% of replies".into(),
            targets: Vec::new(),
            start_us: 0,
            end_us: None,
            effective: 1,
            withheld: None,
        }
    }

    fn outcome(verdict: Verdict, messages: &[&str]) -> Outcome {
        let violation = |message: &&str| Violation {
            check: "exactly-once".into(),
            kind: "duplicated".into(),
            key: Some("k3".into()),
            message: (*message).into(),
            operations: Vec::new(),
            edges: Vec::new(),
            steps: Vec::new(),
        };
        Outcome {
            verdict,
            violations: messages.iter().map(violation).collect(),
            remarks: vec!["vacuous: operations that succeeded: 0, at least 100 needed".into()],
            checks: Vec::new(),
            digest: String::new(),
            operations: OperationCounts { ok: 300, fail: 4, info: 8 },
            faults: (0..4).map(fault).collect(),
            outside_model: false,
            phases: Vec::new(),
            simulated_us: 0,
            recovery_us: None,
            lines: Vec::new(),
            node_events: Vec::new(),
            nodes: Vec::new(),
            messages: Vec::new(),
            node_states: Vec::new(),
            coverage: Default::default(),
            trace: Vec::new(),
        }
    }

    fn account(outcome: &Outcome, results: Option<&str>) -> String {
        let config = Config { clients: 8, ..Config::default() };
        Account { config: &config, seed: 0x3f2a, outcome, results, shrunk: None }.to_string()
    }

    #[test]
    fn a_failure_has_always_this_shape() {
        let twice =
            "append k3 17 by process 2 was applied twice: read k3 by process 5 returned [4, 17, 9, 17]";
        let text = account(
            &outcome(Verdict::Invalid, &[twice]),
            Some("results/append/20260712T101500Z-paxos-0x3f2a"),
        );
        insta::assert_snapshot!(text, @r"
        invalid: append exactly-once, seed 0x3f2a (paxos, 5 nodes, 8 clients, 312 operations, 4 faults)
          append k3 17 by process 2 was applied twice: read k3 by process 5 returned [4, 17, 9, 17]
          report:    results/append/20260712T101500Z-paxos-0x3f2a/report.html
          replay:    squall replay results/append/20260712T101500Z-paxos-0x3f2a
          keep it:   squall replay results/append/20260712T101500Z-paxos-0x3f2a --save tests/regressions
        ");
    }

    #[test]
    fn a_failure_that_was_shrunk_says_to_what() {
        let (outcome, config) = (outcome(Verdict::Invalid, &["one"]), Config::default());
        let shrunk = Some("3 nodes, 2 clients, 4 operations, 1 fault");
        let account = Account { config: &config, seed: 7, outcome: &outcome, results: None, shrunk };
        insta::assert_snapshot!(account.headline(), @"invalid: append exactly-once, seed 0x7 (paxos, 5 nodes, 10 clients, 312 operations, 4 faults; shrunk to 3 nodes, 2 clients, 4 operations, 1 fault)");
    }

    #[test]
    fn many_violations_are_counted_and_each_stays_on_its_line() {
        let outcome = outcome(Verdict::Invalid, &["one", "two\nlines", "three", "four", "five"]);
        insta::assert_snapshot!(account(&outcome, None), @r"
        invalid: append exactly-once, seed 0x3f2a (paxos, 5 nodes, 8 clients, 312 operations, 4 faults)
          one
          two lines
          three
          and 2 more
        ");
    }

    #[test]
    fn other_verdicts_say_why_and_a_valid_one_is_a_line() {
        let mut vacuous = outcome(Verdict::Vacuous, &[]);
        vacuous.outside_model = true;
        insta::assert_snapshot!(account(&vacuous, Some("a folder")), @r"
        vacuous: append, seed 0x3f2a (paxos, 5 nodes, 8 clients, 312 operations, 4 faults; outside the model)
          vacuous: operations that succeeded: 0, at least 100 needed
          report:    a folder/report.html
          replay:    squall replay 'a folder'
          keep it:   squall replay 'a folder' --save tests/regressions
        ");
        assert_eq!(account(&outcome(Verdict::Valid, &[]), Some("x")).lines().count(), 1);
    }
}
