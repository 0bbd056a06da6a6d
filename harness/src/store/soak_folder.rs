//! The results of a soak: a line per seed as it ends, failures whole up to a bound, the summary last.
//!
//! Killed at any instant, the lines of the seeds that ended are there; a folder without `summary.json` is of a soak
//! that did not end.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::files::{create_folder, write_file};
use super::{NAMES_MAX, RunRecord, StoredRun, numbered, write_run_folder};

/// The folder of a soak that is under way.
#[derive(Debug)]
pub struct SoakFolder {
    path: PathBuf,
    seeds: File,
}

impl SoakFolder {
    pub(super) fn begin(root: &Path, name: &str) -> Result<Self, StoreError> {
        for attempt in 1..=NAMES_MAX {
            let path = root.join(numbered(name, attempt));
            match fs::create_dir(&path) {
                Ok(()) => {
                    let lines = path.join("seeds.jsonl");
                    let seeds = File::create(&lines).map_err(StoreError::refused("write", &lines))?;
                    return Ok(Self { path, seeds });
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(StoreError::refused("make the folder", &path)(error)),
            }
        }
        Err(StoreError::Crowded { path: root.join(name), tried: NAMES_MAX })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds the line of a seed.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn seed(&mut self, line: &str) -> Result<(), StoreError> {
        assert!(!line.contains('\n'), "one line per seed");
        let path = self.path.join("seeds.jsonl");
        self.seeds.write_all(format!("{line}\n").as_bytes()).map_err(StoreError::refused("write", &path))
    }

    /// Stores a failure whole.
    ///
    /// # Errors
    ///
    /// If it cannot be written whole.
    pub fn failure(&self, run: &StoredRun<'_>) -> Result<(PathBuf, RunRecord), StoreError> {
        let line = &run.record.run;
        let failures = self.path.join("failures");
        create_folder(&failures)?;
        write_run_folder(&failures, &format!("{}-{:#x}", line.mode, line.seed), run)
    }

    /// Writes the summary: the soak has ended.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn finish(self, summary: &str) -> Result<PathBuf, StoreError> {
        let lines = self.path.join("seeds.jsonl");
        self.seeds.sync_all().map_err(StoreError::refused("write", &lines))?;
        let (unfinished, path) = (self.path.join(".summary.json"), self.path.join("summary.json"));
        write_file(&unfinished, format!("{summary}\n").as_bytes())?;
        fs::rename(&unfinished, &path).map_err(StoreError::refused("write", &path))?;
        Ok(self.path)
    }
}
