//! Builds the copy's tests once and runs them for every mutant, until one of them fails.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::copy::Copy;
use super::schemata::Mutant;

/// A test that says nothing for so long hangs, which is noticed too.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// The tests that are run, those first that notice most, each with how many random cases: not so many as usual, but
/// enough for what it counts. Others need other folders or much time, or have nothing to do with verdicts.
const TESTS: [(&str, u64); 11] = [
    ("direct", 20_000),
    ("oracle", 20_000),
    ("explanations", 1),
    ("format_judge", 1),
    ("transactions", 20_000),
    ("techniques", 2_000),
    ("other_specifications", 1),
    ("threads", 1),
    ("failed_cas", 3_000),
    ("rows", 2_000),
    ("models", 10_000),
];
/// How many random cases the tests within try.
const WITHIN: u64 = 2_000;

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A test failed, or crashed.
    Failed,
    /// A test hung.
    Hung,
    /// No test noticed.
    Survived,
}

/// The test programs of the copy.
pub(crate) struct Suite {
    /// Each with how many random cases.
    programs: Vec<(PathBuf, u64)>,
    folder: PathBuf,
}

impl Suite {
    /// Builds them, and sees them pass without a mutant.
    pub(crate) fn build(copy: &Copy) -> Self {
        let output = Command::new(env!("CARGO"))
            .args(["test", "--no-run", "--message-format=json", "-p", "squall-checker", "--lib"])
            .args(TESTS.iter().flat_map(|(test, _)| ["--test", test]))
            .current_dir(&copy.root)
            .env("CARGO_TARGET_DIR", copy.root.join("target"))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "the copy with its mutants does not build");
        let text = String::from_utf8(output.stdout).expect("cargo writes text");
        let programs = text.lines().filter_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).expect("cargo writes JSON");
            let name = message["target"]["name"].as_str().unwrap_or_default();
            // The tests within come before all others.
            let turn = TESTS.iter().position(|(test, _)| *test == name);
            message["executable"].as_str().map(|program| (turn, PathBuf::from(program)))
        });
        let mut programs: Vec<_> = programs.collect();
        programs.sort();
        let cases = |turn: Option<usize>| turn.map_or(WITHIN, |turn| TESTS[turn].1);
        let programs: Vec<_> = programs.into_iter().map(|(turn, program)| (program, cases(turn))).collect();
        let suite = Self { programs, folder: copy.root.join("checker") };
        assert_eq!(suite.programs.len(), TESTS.len() + 1, "one program for each");
        assert_eq!(suite.fate(0), Fate::Survived, "the tests pass without a mutant");
        suite
    }

    /// What becomes of each, some at a time.
    pub(crate) fn try_all(&self, mutants: &[&Mutant]) -> Vec<Fate> {
        let next = AtomicUsize::new(0);
        let fates = Mutex::new(vec![Fate::Survived; mutants.len()]);
        let workers = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let at = mutants.iter().position(|other| other.number == mutant.number);
                        let fate = self.fate(mutant.number);
                        let mut fates = fates.lock().unwrap_or_else(PoisonError::into_inner);
                        fates[at.expect("it is one of them")] = fate;
                    }
                });
            }
        });
        fates.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self, mutant: usize) -> Fate {
        let fates = self.programs.iter().map(|(program, cases)| self.fate_in(program, *cases, mutant));
        fates.into_iter().find(|fate| *fate != Fate::Survived).unwrap_or(Fate::Survived)
    }

    fn fate_in(&self, program: &PathBuf, cases: u64, mutant: usize) -> Fate {
        let mut child = Command::new(program)
            .current_dir(&self.folder)
            .env("SQUALL_MUTANT", mutant.to_string())
            .env("SQUALL_ORACLE_CASES", cases.to_string())
            .env("PROPTEST_CASES", "64")
            .env("RUST_TEST_THREADS", "1")
            .env("RUST_BACKTRACE", "0")
            .env("INSTA_UPDATE", "no")
            .env("INSTA_FORCE_PASS", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a test program starts");
        let fate = watch(&mut child);
        // Whatever became of it, it is over.
        let _ = child.kill();
        let status = child.wait().expect("it ended");
        match fate {
            Some(fate) => fate,
            None if status.success() => Fate::Survived,
            None => Fate::Failed,
        }
    }
}

/// Reads what the tests say until one fails, they hang, or they end (`None`).
fn watch(child: &mut Child) -> Option<Fate> {
    let stdout = child.stdout.take().expect("it is piped");
    let (say, hear) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            if say.send(line).is_err() {
                return;
            }
        }
    });
    loop {
        match hear.recv_timeout(SILENCE_MAX) {
            Ok(line) if line.ends_with(b"FAILED") => return Some(Fate::Failed),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return Some(Fate::Hung),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}
