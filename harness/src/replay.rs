//! Reading what was stored, running it again, and saying whether the same came of it.
//!
//! A plan decides a run, so the same build must give the same digest; another build may differ, which is told apart.
//! Reads files that anyone can have changed: every error names file, place and remedy. Writes none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use squall_checker::Verdict;

use crate::soak::{ClusterPlan, Experiment, ExperimentError};
use crate::store::RunRecord;
use crate::trial::failure::Account;
use crate::trial::{Manner, Outcome};

/// Bytes of a plan or a record, at most.
const BYTES_MAX: u64 = 256 << 20;

/// A plan that was read, and what is known of its run.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The plan.
    pub plan: ClusterPlan,
    /// What it is run with.
    pub experiment: Experiment,
    /// The record beside it, if there is one.
    pub record: Option<RunRecord>,
    /// The folder that holds both, if there is a record.
    pub folder: Option<PathBuf>,
}

impl Stored {
    /// The same, run in this manner.
    #[must_use]
    pub fn in_manner(self, manner: Manner) -> Self {
        Self { experiment: self.experiment.in_manner(manner), ..self }
    }
}

/// Why something stored cannot be run again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}; give a plan.json, or a folder that holds one", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file is too large to be what it should be.
    #[error("{} has {bytes} bytes, more than the bound of {BYTES_MAX}; expected {what}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// What it should be.
        what: &'static str,
    },
    /// A file is not what it should be.
    #[error("{}:{line}:{column}: {message}; expected {what}, as squall writes it", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong.
        message: String,
        /// What it should be.
        what: &'static str,
    },
    /// A plan that cannot be run.
    #[error("{}: {source}", path.display())]
    Impossible {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: ExperimentError,
    },
}

/// How a second run compares with what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Nothing is stored: a plan alone.
    NothingStored,
    /// The same run.
    Same,
    /// The same build gave another run.
    NotDeterministic(String),
    /// Another build gave another run.
    OtherBuild(String),
}

/// Reads a plan, and the record beside it: from a folder of results, or from a file.
///
/// # Errors
///
/// If there is no plan, or what is there is none.
pub fn read(path: &Path) -> Result<Stored, ReplayError> {
    let plan_path = if path.is_dir() { path.join("plan.json") } else { path.to_owned() };
    let plan = read_plan(&plan_path)?;
    let experiment = Experiment::of_plan(&plan)
        .map_err(|source| ReplayError::Impossible { path: plan_path.clone(), source })?;
    let folder = plan_path.parent().unwrap_or(Path::new("")).to_owned();
    let record_path = folder.join("run.json");
    // A plan of another name beside a record is not the plan of that record.
    let has_record = plan_path.file_name().is_some_and(|name| name == "plan.json") && record_path.exists();
    let record = has_record.then(|| read_json(&record_path, "the record of a run")).transpose()?;
    let folder = record.is_some().then_some(folder);
    Ok(Stored { plan, experiment, record, folder })
}

/// Runs a plan, given as its text, and panics if it fails: for tests that keep a plan which once failed.
///
/// # Panics
///
/// If the text is no plan, or the run is not valid; the message says what is wrong.
pub fn assert_valid(plan: &str) {
    let plan: ClusterPlan = serde_json::from_str(plan).unwrap_or_else(|error| panic!("not a plan: {error}"));
    let experiment =
        Experiment::of_plan(&plan).unwrap_or_else(|error| panic!("not a possible plan: {error}"));
    let outcome = experiment.run(&plan);
    let account =
        Account { config: &plan.config, seed: plan.seed, outcome: &outcome, results: None, shrunk: None };
    assert!(outcome.verdict == Verdict::Valid, "{account}");
}

fn read_plan(path: &Path) -> Result<ClusterPlan, ReplayError> {
    /// Enough of a plan to tell of which format it is.
    #[derive(serde::Deserialize)]
    struct Head {
        schema: u32,
    }
    let bytes = read_bytes(path, "a plan")?;
    let malformed = |error: &serde_json::Error| malformed(path, error, "a plan");
    serde_json::from_slice(&bytes).map_err(|error| match serde_json::from_slice::<Head>(&bytes) {
        Ok(Head { schema }) if schema != crate::trial::plan::SCHEMA => {
            let source = ExperimentError::Unfit(crate::trial::Unfit::Schema { found: schema });
            ReplayError::Impossible { path: path.to_owned(), source }
        }
        _ => malformed(&error),
    })
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path, what: &'static str) -> Result<T, ReplayError> {
    let bytes = read_bytes(path, what)?;
    serde_json::from_slice(&bytes).map_err(|error| malformed(path, &error, what))
}

fn read_bytes(path: &Path, what: &'static str) -> Result<Vec<u8>, ReplayError> {
    let unreadable = |source| ReplayError::Unreadable { path: path.to_owned(), source };
    let bytes = fs::metadata(path).map_err(unreadable)?.len();
    if bytes > BYTES_MAX {
        return Err(ReplayError::TooLarge { path: path.to_owned(), bytes, what });
    }
    fs::read(path).map_err(unreadable)
}

fn malformed(path: &Path, error: &serde_json::Error, what: &'static str) -> ReplayError {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let place = format!(" at line {line} column {column}");
    let message = text.strip_suffix(&place).unwrap_or(&text).to_owned();
    ReplayError::Malformed { path: path.to_owned(), line, column, message, what }
}

/// Compares a run with what is stored of the plan's first one.
pub fn compare(record: Option<&RunRecord>, outcome: &Outcome, build: &str) -> Comparison {
    let Some(record) = record else { return Comparison::NothingStored };
    let stored = &record.run;
    if stored.digest == outcome.digest && stored.verdict == outcome.verdict {
        return Comparison::Same;
    }
    let verdicts = match (stored.verdict, outcome.verdict) {
        (Verdict::Invalid, Verdict::Invalid) => "fails again, in another run".to_owned(),
        (Verdict::Invalid, now) => format!("no longer fails: the verdict is {now}, stored is invalid"),
        (was, now) if was != now => format!("the verdict is {now}, stored is {was}"),
        (same, _) => format!("the verdict is {same}, as stored"),
    };
    let difference = format!("{verdicts}; the digest is {}, stored is {}", outcome.digest, stored.digest);
    if record.build == build {
        Comparison::NotDeterministic(format!("not deterministic: the same plan and build; {difference}"))
    } else {
        Comparison::OtherBuild(format!("another build ({build}, stored is {}): {difference}", record.build))
    }
}
