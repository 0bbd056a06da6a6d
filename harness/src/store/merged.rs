//! Several folders of soaks united in one: read as they are, written under another name, and put in place when whole.
//!
//! What was united before can be united again, also with itself. Which lines and failures are kept is decided
//! elsewhere; here they are only read, copied and written.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::RunRecord;
use super::error::StoreError;
use super::files::{create_folder, sync_folder, write_file};
use super::lines::read_lines;
use super::soak_folder::{self, SoakPages, write_pages};

/// Depth of the folders of a stored failure, at most.
const DEPTH_MAX: usize = 4;

/// The folder of a soak, under way or ended, that is only read.
#[derive(Debug)]
pub struct SoakSource {
    path: PathBuf,
    charter: String,
    lines: RefCell<BufReader<File>>,
}

impl SoakSource {
    /// The soak in this folder.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let (charter_path, lines_path) = soak_folder::files(path);
        let not_a_soak = || StoreError::NotASoak { path: path.to_owned() };
        if !charter_path.is_file() {
            return Err(not_a_soak());
        }
        let charter =
            fs::read_to_string(&charter_path).map_err(StoreError::refused("read", &charter_path))?;
        let lines = File::open(&lines_path).map_err(StoreError::refused("read", &lines_path))?;
        Ok(Self { path: path.to_owned(), charter, lines: RefCell::new(BufReader::new(lines)) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was asked for.
    pub fn charter(&self) -> &str {
        &self.charter
    }

    /// Hands on every whole line with its place; whether a torn one follows.
    ///
    /// # Errors
    ///
    /// If they cannot be read, or `take` says what is wrong with one.
    pub fn lines(&self, take: &mut dyn FnMut(u64, &str) -> Result<(), String>) -> Result<bool, StoreError> {
        let lines = read_lines(&soak_folder::files(&self.path).1, take)?;
        Ok(lines.is_torn)
    }

    /// The line at a place.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn line_at(&self, place: u64) -> Result<String, StoreError> {
        let mut lines = self.lines.borrow_mut();
        let mut text = String::new();
        let read = lines.seek(SeekFrom::Start(place)).and_then(|_| lines.read_line(&mut text));
        let path = soak_folder::files(&self.path).1;
        read.map_err(StoreError::refused("read", &path))?;
        Ok(text.trim_end_matches('\n').to_owned())
    }

    /// The failures that are stored whole.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn failures(&self) -> Result<Vec<(PathBuf, RunRecord)>, StoreError> {
        soak_folder::stored_failures(&self.path)
    }
}

/// A folder of united soaks that is being written.
#[derive(Debug)]
pub struct MergedSoak {
    path: PathBuf,
    unfinished: PathBuf,
    lines: BufWriter<File>,
}

impl MergedSoak {
    /// Begins a folder, in the place of an earlier one of this kind if there is one.
    ///
    /// # Errors
    ///
    /// If it cannot be made, or there is something else.
    pub fn begin(path: &Path, charter: &str) -> Result<Self, StoreError> {
        if path.exists() && !soak_folder::files(path).0.is_file() {
            return Err(StoreError::NotASoak { path: path.to_owned() });
        }
        let unfinished = hidden(path, "unfinished");
        let _ = fs::remove_dir_all(&unfinished);
        create_folder(&unfinished)?;
        let (charter_path, lines_path) = soak_folder::files(&unfinished);
        write_file(&charter_path, charter.as_bytes())?;
        let lines = File::create(&lines_path).map_err(StoreError::refused("write", &lines_path))?;
        Ok(Self { path: path.to_owned(), unfinished, lines: BufWriter::new(lines) })
    }

    /// Where it will be.
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
        let path = soak_folder::files(&self.path).1;
        writeln!(self.lines, "{line}").map_err(StoreError::refused("write", &path))
    }

    /// Copies a stored failure; where it will be.
    ///
    /// # Errors
    ///
    /// If it cannot be read or written.
    pub fn failure(&self, from: &Path, record: &RunRecord) -> Result<PathBuf, StoreError> {
        let name = format!("{}-{:#x}", record.run.mode, record.run.seed);
        copy_folder(from, &self.unfinished.join("failures").join(&name), DEPTH_MAX)?;
        let folder = self.path.join("failures").join(&name);
        let mut record = record.clone();
        let shown = folder.display().to_string();
        record.run.replay = crate::trial::failure::replay_command(&shown);
        record.run.results = Some(shown);
        let text = serde_json::to_string_pretty(&record).expect("a record is plain data") + "\n";
        write_file(&self.unfinished.join("failures").join(&name).join("run.json"), text.as_bytes())?;
        Ok(folder)
    }

    /// Writes the pages and puts the folder in its place.
    ///
    /// # Errors
    ///
    /// If that cannot be done.
    pub fn finish(mut self, pages: &SoakPages) -> Result<PathBuf, StoreError> {
        let lines = soak_folder::files(&self.path).1;
        self.lines.flush().map_err(StoreError::refused("write", &lines))?;
        self.lines.get_ref().sync_all().map_err(StoreError::refused("write", &lines))?;
        write_pages(&self.unfinished, pages)?;
        let replaced = hidden(&self.path, "replaced");
        if self.path.exists() {
            let _ = fs::remove_dir_all(&replaced);
            fs::rename(&self.path, &replaced).map_err(StoreError::refused("replace", &self.path))?;
        }
        fs::rename(&self.unfinished, &self.path)
            .map_err(StoreError::refused("rename a folder to", &self.path))?;
        let _ = fs::remove_dir_all(&replaced);
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_folder(parent.unwrap_or(Path::new(".")))?;
        Ok(self.path)
    }
}

/// A name beside a folder that is never taken for a result.
fn hidden(path: &Path, what: &str) -> PathBuf {
    let name = path.file_name().map_or_else(|| "soak".into(), |name| name.to_string_lossy());
    path.with_file_name(format!(".{what}-{name}-{}", std::process::id()))
}

fn copy_folder(from: &Path, to: &Path, depth_max: usize) -> Result<(), StoreError> {
    create_folder(to)?;
    for entry in fs::read_dir(from).map_err(StoreError::refused("list", from))? {
        let path = entry.map_err(StoreError::refused("list", from))?.path();
        let Some(name) = path.file_name() else { continue };
        let target = to.join(name);
        if name.to_string_lossy().starts_with('.') {
            continue;
        } else if path.is_dir() {
            if depth_max > 0 {
                copy_folder(&path, &target, depth_max - 1)?;
            }
        } else {
            fs::copy(&path, &target).map_err(StoreError::refused("write", &target))?;
        }
    }
    Ok(())
}
