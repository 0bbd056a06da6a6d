//! Why results could not be written: the cause, the place, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// Results could not be written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("cannot {action} {}: {source}; {}", path.display(), remedy(source))]
    Refused {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is a file where a folder is needed.
    #[error("{} is a file, but results need a folder there; give another one with --results", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// Something that was written here is not what it should be.
    #[error("{}:{line}: {message}; expected what squall soak writes: remove the folder, or give another one", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// There is something else than the results of a soak.
    #[error("{} does not hold the results of a soak; give a folder that squall soak or squall merge wrote", path.display())]
    NotASoak {
        /// The folder.
        path: PathBuf,
    },
    /// Another process works on it.
    #[error("another process works on {}; wait for it, or give another folder with --results", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// Every name was taken.
    #[error("{} and {tried} numbered names like it exist already; remove some", path.display())]
    Crowded {
        /// The first of them.
        path: PathBuf,
        /// How many were tried.
        tried: u32,
    },
}

impl StoreError {
    pub(super) fn refused<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Refused { action, path: path.to_owned(), source }
    }
}

/// What to do about an error of the system.
fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or give another folder with --results"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "make the folder writable, or give another one with --results"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a part of this path is a file; give another folder with --results"
        }
        io::ErrorKind::NotFound => "create the folder that it is in",
        _ => "give another place, with --results where it is a folder",
    }
}
