//! The results of a soak: what was asked for, a line per seed as it ends, failures whole up to a bound, pages last.
//!
//! Killed at any instant, the lines of the seeds that ended are there, and at most the last one is torn; a folder
//! without `summary.json` is of a soak that did not end. Whoever asks for the same goes on there, unless somebody
//! still works on it: the file of lines is locked, and no lock outlives its process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::files::{create_folder, sync_folder, write_file};
use super::lines::{Lines, read_lines};
use super::{NAMES_MAX, RunRecord, StoredRun, numbered, write_run_folder};

/// What was asked for.
pub(super) const CHARTER: &str = "soak.json";
/// A line per seed.
pub(super) const LINES: &str = "seeds.jsonl";
/// What it came to; written last.
pub(super) const SUMMARY: &str = "summary.json";
/// Failures, each in a folder.
const FAILURES: &str = "failures";

/// The folder of a soak that is under way.
#[derive(Debug)]
pub struct SoakFolder {
    path: PathBuf,
    lines: File,
}

/// What is written when a soak ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoakPages {
    /// The text of `summary.json`.
    pub summary: String,
    /// The text of `junit.xml`.
    pub junit: String,
    /// The text of `index.html`.
    pub index: String,
}

impl SoakFolder {
    /// A new folder. It gets its name when it is whole, so that none is ever without its charter.
    pub(super) fn begin(root: &Path, name: &str, charter: &str) -> Result<Self, StoreError> {
        let unfinished = root.join(format!(".unfinished-{name}-{}", std::process::id()));
        // Left by a process of the same number that was killed.
        let _ = fs::remove_dir_all(&unfinished);
        create_folder(&unfinished)?;
        let lines = open_lines(&unfinished)?;
        if lines.try_lock().is_err() {
            return Err(StoreError::InUse { path: unfinished });
        }
        write_file(&unfinished.join(CHARTER), charter.as_bytes())?;
        for attempt in 1..=NAMES_MAX {
            let path = root.join(numbered(name, attempt));
            if path.exists() {
                continue;
            }
            match fs::rename(&unfinished, &path) {
                Ok(()) => {
                    sync_folder(root)?;
                    return Ok(Self { path, lines });
                }
                // Another process may have taken the name meanwhile: a folder that holds something is never replaced.
                Err(_) if path.exists() => {}
                Err(error) => return Err(StoreError::refused("rename a folder to", &path)(error)),
            }
        }
        let _ = fs::remove_dir_all(&unfinished);
        Err(StoreError::Crowded { path: root.join(name), tried: NAMES_MAX })
    }

    /// The newest folder of a soak that was asked for the same, did not end, and that nobody works on.
    pub(super) fn resume(root: &Path, charter: &str) -> Result<Option<Self>, StoreError> {
        let mut folders = folders(root)?;
        folders
            .retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("soak-")));
        for path in folders.into_iter().rev() {
            let is_the_same = fs::read(path.join(CHARTER)).is_ok_and(|text| text == charter.as_bytes());
            if !is_the_same || path.join(SUMMARY).exists() {
                continue;
            }
            let lines = open_lines(&path)?;
            match lines.try_lock() {
                // It may have ended between the two looks.
                Ok(()) if path.join(SUMMARY).exists() => {}
                Ok(()) => {
                    clear_unfinished(&path)?;
                    return Ok(Some(Self { path, lines }));
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => {
                    return Err(StoreError::refused("lock", &path.join(LINES))(error));
                }
            }
        }
        Ok(None)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hands on the lines of the seeds that ended before; whether the last one was torn, and is gone now.
    ///
    /// # Errors
    ///
    /// If they cannot be read, or `take` says what is wrong with one that is whole.
    pub fn earlier(&mut self, take: &mut dyn FnMut(&str) -> Result<(), String>) -> Result<bool, StoreError> {
        let path = self.path.join(LINES);
        let Lines { whole_bytes, is_torn } = read_lines(&path, &mut |_, line| take(line))?;
        if is_torn {
            self.lines.set_len(whole_bytes).map_err(StoreError::refused("shorten", &path))?;
        }
        Ok(is_torn)
    }

    /// Adds the line of a seed.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn seed(&mut self, line: &str) -> Result<(), StoreError> {
        assert!(!line.contains('\n'), "one line per seed");
        let path = self.path.join(LINES);
        self.lines.write_all(format!("{line}\n").as_bytes()).map_err(StoreError::refused("write", &path))
    }

    /// Stores a failure whole. One that is there already, because the soak was killed before it wrote the line, stays.
    ///
    /// # Errors
    ///
    /// If it cannot be written whole.
    pub fn failure(&self, run: &StoredRun<'_>) -> Result<(PathBuf, RunRecord), StoreError> {
        let line = &run.record.run;
        self.failure_named(&format!("{}-{:#x}", line.mode, line.seed), run)
    }

    /// Stores a failure whole under a name of its own, where seeds do not tell runs apart.
    ///
    /// # Errors
    ///
    /// If it cannot be written whole.
    pub fn failure_named(&self, name: &str, run: &StoredRun<'_>) -> Result<(PathBuf, RunRecord), StoreError> {
        let failures = self.path.join(FAILURES);
        let folder = failures.join(name);
        if folder.exists() {
            let record = read_record(&folder)?;
            return Ok((folder, record));
        }
        create_folder(&failures)?;
        write_run_folder(&failures, name, run)
    }

    /// The failures that are stored, in the order of their names.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn failures(&self) -> Result<Vec<(PathBuf, RunRecord)>, StoreError> {
        stored_failures(&self.path)
    }

    /// Writes the summary of a soak that has no other pages: it has ended.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn finish_with(self, summary: &str) -> Result<PathBuf, StoreError> {
        let lines = self.path.join(LINES);
        self.lines.sync_all().map_err(StoreError::refused("write", &lines))?;
        write_page(&self.path, SUMMARY, summary)?;
        sync_folder(&self.path)?;
        Ok(self.path)
    }

    /// Writes the pages, the summary last: the soak has ended.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub fn finish(self, pages: &SoakPages) -> Result<PathBuf, StoreError> {
        let lines = self.path.join(LINES);
        self.lines.sync_all().map_err(StoreError::refused("write", &lines))?;
        write_pages(&self.path, pages)?;
        Ok(self.path)
    }
}

/// Writes what a soak came to. Each file is there whole or not at all.
pub(super) fn write_pages(folder: &Path, pages: &SoakPages) -> Result<(), StoreError> {
    let files = [("junit.xml", &pages.junit), ("index.html", &pages.index), (SUMMARY, &pages.summary)];
    files.into_iter().try_for_each(|(name, text)| write_page(folder, name, text))?;
    sync_folder(folder)
}

fn write_page(folder: &Path, name: &str, text: &str) -> Result<(), StoreError> {
    let (unfinished, path) = (folder.join(format!(".unfinished-{name}")), folder.join(name));
    write_file(&unfinished, text.as_bytes())?;
    fs::rename(&unfinished, &path).map_err(StoreError::refused("write", &path))
}

/// The failures that are stored in the folder of a soak, in the order of their names.
pub(super) fn stored_failures(folder: &Path) -> Result<Vec<(PathBuf, RunRecord)>, StoreError> {
    let failures = folder.join(FAILURES);
    if !failures.exists() {
        return Ok(Vec::new());
    }
    let mut folders = folders(&failures)?;
    folders.retain(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')));
    folders.into_iter().map(|path| read_record(&path).map(|record| (path, record))).collect()
}

/// The charter and the lines of a soak, for whoever only reads.
pub(super) fn files(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join(CHARTER), folder.join(LINES))
}

fn open_lines(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(LINES);
    let opened = OpenOptions::new().append(true).create(true).open(&path);
    opened.map_err(StoreError::refused("write", &path))
}

fn read_record(folder: &Path) -> Result<RunRecord, StoreError> {
    let path = folder.join("run.json");
    let bytes = fs::read(&path).map_err(StoreError::refused("read", &path))?;
    serde_json::from_slice(&bytes).map_err(|error| StoreError::Malformed {
        path,
        line: error.line(),
        message: error.to_string(),
    })
}

/// Folders in a folder, in the order of their names.
fn folders(parent: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let refused = || StoreError::refused("list", parent);
    let mut found = Vec::new();
    for entry in fs::read_dir(parent).map_err(refused())? {
        let path = entry.map_err(refused())?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Removes what a killed process left half written.
fn clear_unfinished(soak: &Path) -> Result<(), StoreError> {
    let failures = soak.join(FAILURES);
    if !failures.exists() {
        return Ok(());
    }
    clear_below(&failures)?;
    // Only those that are whole are left: what was half written is gone with all that was in it.
    folders(&failures)?.iter().try_for_each(|run| clear_below(run))
}

fn clear_below(parent: &Path) -> Result<(), StoreError> {
    for path in folders(parent)? {
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".unfinished-")) {
            fs::remove_dir_all(&path).map_err(StoreError::refused("remove", &path))?;
        }
    }
    Ok(())
}
