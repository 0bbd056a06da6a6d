//! Uniting the results of several soaks: every seed once, whoever ran it, in the order of seeds.
//!
//! Seeds are pure functions, so two lines of one seed must tell the same run; where they do not, the seed is named as
//! not deterministic. Only places of lines are held in memory, so that what is united need not fit it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::shrink::Cause;
use crate::store::{MergedSoak, RunRecord, SoakSource, StoreError};

use super::campaign::Campaign;
use super::charter::Charter;
use super::experiment::ExperimentError;
use super::groups::StoredFailure;
use super::quota::Quota;
use super::seed_line::SeedLine;
use super::seeds::{Seeds, Shard};
use super::statistics::Tally;

/// Why results cannot be united.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// They cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was asked for cannot be read.
    #[error("{}: {message}; it was written by another version of squall: unite it with that one", path.display())]
    Charter {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// They are not of one soak.
    #[error(
        "{} and {} differ in {what}: unite only results of the same soak, made by the same build",
        one.display(),
        other.display()
    )]
    Differ {
        /// A folder.
        one: PathBuf,
        /// Another.
        other: PathBuf,
        /// In what.
        what: &'static str,
    },
    /// It is a search, each of whose runs follows from those before it.
    #[error("{} holds a guided soak, which cannot be united with others: give folders of plain soaks", path.display())]
    Guided {
        /// The folder.
        path: PathBuf,
    },
    /// What was asked for cannot be run by this build.
    #[error(transparent)]
    Experiment(#[from] ExperimentError),
}

/// What was united.
#[derive(Debug)]
pub struct Merged {
    /// All seeds.
    pub tally: Tally,
    /// What was asked for, with the whole range of seeds.
    pub charter: Charter,
    /// Failures that are stored.
    pub stored: Vec<StoredFailure>,
    /// Lines that told of a seed that was known already.
    pub repeated: u64,
    /// Folders whose last line is torn.
    pub torn: Vec<PathBuf>,
}

/// Where a line is.
#[derive(Clone, Copy, Debug)]
struct Place {
    source: usize,
    at: u64,
}

/// The charter of all these soaks.
///
/// # Errors
///
/// If they were not asked for the same.
pub fn united_charter(sources: &[SoakSource]) -> Result<Charter, MergeError> {
    let read = |source: &SoakSource| -> Result<Charter, MergeError> {
        serde_json::from_str(source.charter()).map_err(|error| MergeError::Charter {
            path: source.path().to_owned(),
            message: error.to_string(),
        })
    };
    let (first, others) = sources.split_first().expect("there is something to unite");
    let mut charter = read(first)?;
    if charter.guided {
        return Err(MergeError::Guided { path: first.path().to_owned() });
    }
    for other in others {
        let next = read(other)?;
        if let Some(what) = charter.differs(&next) {
            let (one, other) = (first.path().to_owned(), other.path().to_owned());
            return Err(MergeError::Differ { one, other, what });
        }
        let (known, more) = (charter.seeds.range.clone(), next.seeds.range);
        charter.seeds.range = known.start.min(more.start)..known.end.max(more.end);
    }
    charter.seeds = Seeds { shard: Shard::WHOLE, ..charter.seeds };
    Ok(charter)
}

/// Unites soaks into a folder.
///
/// # Errors
///
/// If they cannot be read, or the folder cannot be written.
pub fn merge(sources: &[SoakSource], charter: Charter, into: &mut MergedSoak) -> Result<Merged, MergeError> {
    let campaign = Campaign::of(&charter.wanted)?;
    let mut index = Index::default();
    for (number, source) in sources.iter().enumerate() {
        index.add(sources, number, source)?;
    }
    let Index { places, contradictions, repeated, torn } = index;
    let folders = copy_failures(sources, into)?;
    let mut tally = Tally::default();
    for (seed, place) in places {
        let mut line = line_at(&sources[place.source], place.at)?;
        line.run.results = folders.get(&seed).map(|folder| folder.display().to_string());
        line.run.replay = match &line.run.results {
            Some(folder) => crate::trial::failure::replay_command(folder),
            None => format!("squall run{} --seed {seed}", campaign.member(seed).flags),
        };
        tally.add(&line);
        into.seed(&serde_json::to_string(&line).expect("a line is plain data"))?;
    }
    contradictions.into_iter().for_each(|seed| tally.add_contradiction(seed));
    let stored = stored_in(sources, &folders)?;
    Ok(Merged { tally, charter, stored, repeated, torn })
}

/// Where the line of each seed is.
#[derive(Debug, Default)]
struct Index {
    places: BTreeMap<u64, Place>,
    contradictions: BTreeSet<u64>,
    repeated: u64,
    torn: Vec<PathBuf>,
}

impl Index {
    fn add(&mut self, sources: &[SoakSource], number: usize, source: &SoakSource) -> Result<(), MergeError> {
        let mut take = |at: u64, text: &str| -> Result<(), String> {
            let line: SeedLine = serde_json::from_str(text).map_err(|error| error.to_string())?;
            let seed = line.run.seed;
            let Some(known) = self.places.get(&seed) else {
                self.places.insert(seed, Place { source: number, at });
                return Ok(());
            };
            self.repeated += 1;
            let known = line_at(&sources[known.source], known.at).map_err(|error| error.to_string())?;
            if !known.is_same_run(&line) {
                self.contradictions.insert(seed);
            }
            Ok(())
        };
        if source.lines(&mut take)? {
            self.torn.push(source.path().to_owned());
        }
        Ok(())
    }
}

fn line_at(source: &SoakSource, place: u64) -> Result<SeedLine, StoreError> {
    let text = source.line_at(place)?;
    serde_json::from_str(&text).map_err(|error| StoreError::Malformed {
        path: source.path().to_owned(),
        line: error.line(),
        message: error.to_string(),
    })
}

/// Copies failures in the order of their seeds, as many as one soak would have stored.
fn copy_failures(sources: &[SoakSource], into: &MergedSoak) -> Result<BTreeMap<u64, PathBuf>, MergeError> {
    let mut all: BTreeMap<u64, (PathBuf, RunRecord)> = BTreeMap::new();
    for source in sources {
        for (path, record) in source.failures()? {
            all.entry(record.run.seed).or_insert((path, record));
        }
    }
    let quota = Quota::default();
    let mut folders = BTreeMap::new();
    for (seed, (path, record)) in all {
        if cause_of(&record).is_some_and(|cause| quota.grant(&cause)) {
            folders.insert(seed, into.failure(&path, &record)?);
        }
    }
    Ok(folders)
}

fn stored_in(
    sources: &[SoakSource],
    folders: &BTreeMap<u64, PathBuf>,
) -> Result<Vec<StoredFailure>, StoreError> {
    let mut stored = BTreeMap::new();
    for source in sources {
        for (path, record) in source.failures()? {
            if let (Some(folder), Some(cause)) = (folders.get(&record.run.seed), cause_of(&record)) {
                stored.entry(record.run.seed).or_insert_with(|| StoredFailure {
                    folder: folder.display().to_string(),
                    ..stored_failure(&path, &record, cause)
                });
            }
        }
    }
    Ok(stored.into_values().collect())
}

/// In which way a stored run failed.
fn cause_of(record: &RunRecord) -> Option<Cause> {
    let first = record.run.violations.first()?;
    Some(Cause { check: first.check.clone(), kind: first.kind.clone() })
}

fn stored_failure(path: &Path, record: &RunRecord, cause: Cause) -> StoredFailure {
    StoredFailure {
        seed: record.run.seed,
        mode: record.run.mode.clone(),
        cause,
        message: record.run.violations.first().map_or_else(String::new, |first| first.message.clone()),
        folder: path.display().to_string(),
        // What was shrunk by hand, or not at all, is as good as not shrunk.
        shrunk: crate::replay::read(&path.join("shrunk")).ok().map(|stored| stored.plan),
    }
}

/// What is known of these stored failures.
pub fn stored_failures(failures: &[(PathBuf, RunRecord)]) -> Vec<StoredFailure> {
    let known = |(path, record): &(PathBuf, RunRecord)| {
        cause_of(record).map(|cause| stored_failure(path, record, cause))
    };
    failures.iter().filter_map(known).collect()
}
