//! Single files and folders, written to the disk or not at all, with errors that say where.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::error::StoreError;

/// Writes a file and waits until the disk has it.
///
/// # Errors
///
/// If it cannot be written whole.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let refused = || StoreError::refused("write", path);
    let mut file = File::create(path).map_err(refused())?;
    file.write_all(bytes).map_err(refused())?;
    // A device or a pipe takes what it is given but cannot sync.
    if file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        file.sync_all().map_err(refused())?;
    }
    Ok(())
}

/// Adds text to the end of a file, which need not exist.
///
/// # Errors
///
/// If it cannot be written.
pub fn append_file(path: &Path, text: &str) -> Result<(), StoreError> {
    let opened = File::options().append(true).create(true).open(path);
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(StoreError::refused("write", path))
}

/// Makes a folder and those that it is in.
pub(super) fn create_folder(path: &Path) -> Result<(), StoreError> {
    if path.is_file() {
        return Err(StoreError::NotAFolder { path: path.to_owned() });
    }
    fs::create_dir_all(path).map_err(StoreError::refused("make the folder", path))
}

/// Waits until the disk has a folder's entries.
#[cfg(unix)]
pub(super) fn sync_folder(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(StoreError::refused("sync", path))
}

/// Folders cannot be opened on this platform; their entries are on the disk when the call that made them returns.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "fails elsewhere")]
pub(super) fn sync_folder(_path: &Path) -> Result<(), StoreError> {
    Ok(())
}
