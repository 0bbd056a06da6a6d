//! Soaks that are brought here to be read, and go when they have been.
//!
//! The folder has a name that is never taken for a result.

use std::fs;
use std::path::PathBuf;

use super::Store;
use super::depot::Depot;
use super::depot_error::DepotError;
use super::files::create_folder;

/// A folder of soaks that goes with this value.
#[derive(Debug)]
pub struct Fetched {
    path: PathBuf,
}

impl Fetched {
    /// Brings all soaks of the depot at this address; where each is.
    ///
    /// # Errors
    ///
    /// If there is none, or they cannot be brought.
    pub fn bring(store: &Store, address: &str, number: usize) -> Result<(Self, Vec<PathBuf>), DepotError> {
        let path = store.root.join(format!(".fetched-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        let depot = Depot::open(address)?;
        let names = depot.soaks()?;
        if names.is_empty() {
            return Err(DepotError::Empty { address: address.to_owned() });
        }
        create_folder(&path)?;
        let fetched = Self { path };
        let folders = names.iter().map(|name| depot.fetch(name, &fetched.path));
        let folders = folders.collect::<Result<Vec<_>, _>>()?;
        Ok((fetched, folders))
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        // What is left under this name is never taken for a result.
        let _ = fs::remove_dir_all(&self.path);
    }
}
