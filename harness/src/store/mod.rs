//! The only writer of files: what runs and soaks leave behind under `results/`.
//!
//! A folder is written under a name of its own that starts with a dot, synced, and then renamed, so that nothing half
//! written is ever taken for a result. Everything is bounded. Time comes in as text; verdicts are not its business.

#[cfg(feature = "object-store")]
mod depot;
#[cfg(not(feature = "object-store"))]
#[path = "no_depot.rs"]
mod depot;
mod depot_error;
mod error;
mod fetched;
mod files;
mod lines;
mod merged;
mod pages;
mod plan_file;
mod record;
mod soak_folder;

use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Serialize;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::clocks::Moment;
use crate::sim::TraceEntry;
use crate::trial::{Outcome, Plan};

pub use depot::{Depot, SoakCopy};
pub use depot_error::DepotError;
pub use error::StoreError;
pub use fetched::Fetched;
pub use files::{append_file, write_file};
use files::{create_folder, sync_folder};
pub use merged::{MergedSoak, SoakSource};
pub use pages::{history_page, report_data, report_page};
pub use plan_file::plan_text;
pub use record::{FaultCounts, RunLine, RunRecord, SCHEMA, ViolationLine};
pub use soak_folder::{SoakFolder, SoakPages};

/// Folders of one name are numbered up to this.
const NAMES_MAX: u32 = 1_000;
/// How much of a file is hashed at once.
const PIECE_BYTES: usize = 1 << 16;
/// Bytes of a full recording before compression, at most.
pub const TRACE_BYTES_MAX: usize = 64 << 20;

/// The folder that holds results.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

/// Everything about one run that is kept.
#[derive(Clone, Copy)]
pub struct StoredRun<'a> {
    /// What `run.json` holds; the folder and the replay command are filled in here.
    pub record: &'a RunRecord,
    /// The text of `plan.json`.
    pub plan: &'a str,
    /// The run.
    pub outcome: &'a Outcome,
    /// The text of `report.html`, given the replay command.
    pub report: &'a dyn Fn(&str) -> String,
    /// The text of `replay.rs`, a test that replays the plan; for plans that were shrunk.
    pub rust_test: Option<&'a str>,
}

/// Puts together everything about a run that is kept, and hands it to `write`.
pub(crate) fn with_run<T: Serialize, R>(
    plan: &Plan<T>,
    outcome: &Outcome,
    elapsed_ms: u64,
    began: &Moment,
    write: impl FnOnce(&StoredRun<'_>) -> R,
) -> R {
    let line = RunLine::new(&plan.config, plan.seed, outcome, elapsed_ms, String::new());
    let record = RunRecord::new(build_id().into(), began.text.clone(), line, plan.config.clone(), outcome);
    let report = |replay: &str| report_page(plan, outcome, replay);
    write(&StoredRun { record: &record, plan: &plan_text(plan), outcome, report: &report, rust_test: None })
}

impl std::fmt::Debug for StoredRun<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredRun").field("record", self.record).finish_non_exhaustive()
    }
}

impl Store {
    /// The store in this folder, which is made if it does not exist.
    ///
    /// # Errors
    ///
    /// If there can be no folder, or nothing can be written to it.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        create_folder(root)?;
        let probe = root.join(format!(".probe-{}", std::process::id()));
        write_file(&probe, b"squall")?;
        fs::remove_file(&probe).map_err(StoreError::refused("remove", &probe))?;
        Ok(Self { root: root.to_owned() })
    }

    /// Stores one run under `<workload>/<stamp>-<mode>-<seed>` and points `latest` there.
    ///
    /// # Errors
    ///
    /// If it cannot be written whole; nothing is left of it then.
    pub fn write_run(&self, stamp: &str, run: &StoredRun<'_>) -> Result<(PathBuf, RunRecord), StoreError> {
        let line = &run.record.run;
        assert!(!stamp.contains('/'), "a stamp is part of a file name");
        let parent = self.root.join(&line.workload);
        let name = format!("{stamp}-{}-{:#x}", line.mode, line.seed);
        let (folder, record) = write_run_folder(&parent, &name, run)?;
        self.point_latest_at(&folder)?;
        Ok((folder, record))
    }

    /// Stores a shrunk run below the folder of the run that it came from.
    ///
    /// # Errors
    ///
    /// If it cannot be written whole; nothing is left of it then.
    pub fn write_shrunk(folder: &Path, run: &StoredRun<'_>) -> Result<(PathBuf, RunRecord), StoreError> {
        write_run_folder(folder, "shrunk", run)
    }

    /// Begins the results of a soak, with the text of what was asked for.
    ///
    /// # Errors
    ///
    /// If its folder cannot be made.
    pub fn begin_soak(&self, stamp: &str, charter: &str) -> Result<SoakFolder, StoreError> {
        let folder = SoakFolder::begin(&self.root, &format!("soak-{stamp}"), charter)?;
        self.point_latest_at(folder.path())?;
        Ok(folder)
    }

    /// The results of a soak that was asked for the same and did not end, if nobody works on it.
    ///
    /// # Errors
    ///
    /// If they cannot be looked for.
    pub fn resume_soak(&self, charter: &str) -> Result<Option<SoakFolder>, StoreError> {
        let folder = SoakFolder::resume(&self.root, charter)?;
        if let Some(folder) = &folder {
            self.point_latest_at(folder.path())?;
        }
        Ok(folder)
    }

    /// Brings a soak that another machine left in a depot, so that it can go on here; nothing if there is none, or it
    /// is here already.
    ///
    /// # Errors
    ///
    /// If it cannot be looked for, or brought.
    pub fn fetch_soak(&self, depot: &Depot, charter: &str) -> Result<(), DepotError> {
        if let Some(name) = depot.unfinished(charter)?.filter(|name| !self.root.join(name).exists()) {
            depot.fetch(&name, &self.root)?;
        }
        Ok(())
    }

    /// A new name for united soaks.
    ///
    /// # Errors
    ///
    /// If every name is taken.
    pub fn merged_folder(&self, stamp: &str) -> Result<PathBuf, StoreError> {
        let name = format!("merged-{stamp}");
        let free = (1..=NAMES_MAX).map(|attempt| self.root.join(numbered(&name, attempt)));
        let free = free.into_iter().find(|path| !path.exists());
        free.ok_or_else(|| StoreError::Crowded { path: self.root.join(&name), tried: NAMES_MAX })
    }

    /// Keeps a plan as a regression: `<folder>/<name>.json`, never over another one.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn save_plan(folder: &Path, name: &str, text: &str) -> Result<PathBuf, StoreError> {
        create_folder(folder)?;
        for attempt in 1..=NAMES_MAX {
            let path = folder.join(format!("{}.json", numbered(name, attempt)));
            match fs::read(&path) {
                Ok(known) if known == text.as_bytes() => return Ok(path),
                Ok(_) => continue,
                Err(_) => {
                    write_file(&path, text.as_bytes())?;
                    return Ok(path);
                }
            }
        }
        Err(StoreError::Crowded { path: folder.join(name), tried: NAMES_MAX })
    }

    #[cfg(unix)]
    fn point_latest_at(&self, folder: &Path) -> Result<(), StoreError> {
        let target = folder.strip_prefix(&self.root).expect("results are below their root");
        let (link, latest) =
            (self.root.join(format!(".latest-{}", std::process::id())), self.root.join("latest"));
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(target, &link).map_err(StoreError::refused("make the link", &link))?;
        fs::rename(&link, &latest).map_err(StoreError::refused("make the link", &latest))
    }

    /// Links need rights that most users of this platform lack; results are found by their names.
    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "fails elsewhere")]
    fn point_latest_at(&self, _folder: &Path) -> Result<(), StoreError> {
        Ok(())
    }
}

/// `name`, `name-2`, `name-3`, …
fn numbered(name: &str, attempt: u32) -> String {
    if attempt == 1 { name.to_owned() } else { format!("{name}-{attempt}") }
}

/// Writes a run into a new folder below `parent`: first under a name that starts with a dot, then renamed.
fn write_run_folder(
    parent: &Path,
    name: &str,
    run: &StoredRun<'_>,
) -> Result<(PathBuf, RunRecord), StoreError> {
    create_folder(parent)?;
    let unfinished = parent.join(format!(".unfinished-{name}-{}", std::process::id()));
    for attempt in 1..=NAMES_MAX {
        let folder = parent.join(numbered(name, attempt));
        if folder.exists() {
            continue;
        }
        let written = fill_run_folder(&unfinished, &folder, run).and_then(|record| {
            // Another process may have taken the name meanwhile: a folder that holds something is never replaced.
            fs::rename(&unfinished, &folder).map_err(StoreError::refused("rename a folder to", &folder))?;
            sync_folder(parent)?;
            Ok(record)
        });
        match written {
            Ok(record) => return Ok((folder, record)),
            Err(_) if folder.exists() => {}
            Err(error) => {
                // Best effort: the error that is returned says what is wrong.
                let _ = fs::remove_dir_all(&unfinished);
                return Err(error);
            }
        }
    }
    let _ = fs::remove_dir_all(&unfinished);
    Err(StoreError::Crowded { path: parent.join(name), tried: NAMES_MAX })
}

fn fill_run_folder(unfinished: &Path, folder: &Path, run: &StoredRun<'_>) -> Result<RunRecord, StoreError> {
    let _ = fs::remove_dir_all(unfinished);
    create_folder(unfinished)?;
    let mut record = run.record.clone();
    let shown = folder.display().to_string();
    record.run.replay = crate::trial::failure::replay_command(&shown);
    record.run.results = Some(shown);
    if !run.outcome.trace.is_empty() {
        let path = unfinished.join("trace.jsonl.zst");
        let (bytes, omitted) =
            packed_trace(&run.outcome.trace).map_err(StoreError::refused("compress", &path))?;
        record.trace_omitted = omitted;
        write_file(&path, &bytes)?;
    }
    write_file(&unfinished.join("plan.json"), run.plan.as_bytes())?;
    write_file(&unfinished.join("history.jsonl"), run.outcome.history_jsonl().as_bytes())?;
    write_file(&unfinished.join("history.txt"), run.outcome.history_text().as_bytes())?;
    write_file(&unfinished.join("report.html"), (run.report)(&record.run.replay).as_bytes())?;
    if let Some(text) = run.rust_test {
        write_file(&unfinished.join("replay.rs"), text.as_bytes())?;
    }
    let text = serde_json::to_string_pretty(&record).expect("a record is plain data") + "\n";
    write_file(&unfinished.join("run.json"), text.as_bytes())?;
    sync_folder(unfinished)?;
    Ok(record)
}

/// A full recording as compressed JSON Lines, and how many lines did not fit.
fn packed_trace(trace: &[TraceEntry]) -> std::io::Result<(Vec<u8>, u64)> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3)?;
    let mut bytes = 0;
    for (index, entry) in trace.iter().enumerate() {
        let mut line = serde_json::to_vec(entry).expect("an entry is plain data");
        line.push(b'\n');
        bytes += line.len();
        if bytes > TRACE_BYTES_MAX {
            return Ok((encoder.finish()?, (trace.len() - index) as u64));
        }
        encoder.write_all(&line)?;
    }
    Ok((encoder.finish()?, 0))
}

/// What distinguishes this build from others: its version, and a hash of the program that is running.
pub fn build_id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| {
        let hash = std::env::current_exe().and_then(hash_of_file);
        let hash = hash.map_or("unknown".into(), |hash| format!("{hash:032x}"));
        format!("{}-{hash}", env!("CARGO_PKG_VERSION"))
    })
}

/// A hash of a file of any size, piece by piece: a program has a hundred megabytes, few runs need as many.
fn hash_of_file(path: PathBuf) -> std::io::Result<u128> {
    let mut file = BufReader::with_capacity(PIECE_BYTES, File::open(path)?);
    let mut hasher = SipHasher13::new_with_keys(0, 0);
    loop {
        let piece = file.fill_buf()?;
        if piece.is_empty() {
            return Ok(hasher.finish128().as_u128());
        }
        hasher.write(piece);
        let length = piece.len();
        file.consume(length);
    }
}

#[cfg(test)]
mod tests;
