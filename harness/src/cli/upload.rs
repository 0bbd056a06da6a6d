//! The copy of a soak in an object store: begun with it, kept up every now and then, whole at its end.
//!
//! A store that does not answer for a while holds up no soak: what is not copied yet is copied later, and only at the
//! end must all of it be there.

use std::time::Duration;

use crate::store::{Depot, DepotError, SoakCopy, SoakFolder, Store};

use super::console::Console;

/// So often a copy is kept up.
const EVERY: Duration = Duration::from_secs(20);

/// The folder of a soak that was asked for the same and did not end: here, or brought from where it is copied to.
pub(crate) fn unfinished(
    store: &Store,
    address: Option<&str>,
    charter: &str,
) -> anyhow::Result<Option<SoakFolder>> {
    if let Some(folder) = store.resume_soak(charter)? {
        return Ok(Some(folder));
    }
    let Some(address) = address else { return Ok(None) };
    store.fetch_soak(&Depot::open(address)?, charter)?;
    Ok(store.resume_soak(charter)?)
}

/// A copy of a soak, if one is wanted.
pub(crate) struct Upload<'a> {
    console: &'a Console,
    copy: Option<SoakCopy>,
    /// When it was last kept up.
    last: Option<Duration>,
}

impl<'a> Upload<'a> {
    /// Begins, or goes on with, the copy of this soak.
    pub(crate) fn begin(
        console: &'a Console,
        address: Option<&str>,
        folder: &SoakFolder,
    ) -> Result<Self, DepotError> {
        let copy = address.map(|address| Depot::open(address)?.copy_of(folder.path())).transpose()?;
        Ok(Self { console, copy, last: None })
    }

    /// Copies what is new, if it is time; `now` since the soak began.
    pub(crate) fn follow(&mut self, now: Duration) {
        let is_time = self.last.is_none_or(|last| now - last >= EVERY);
        let Some(copy) = self.copy.as_mut().filter(|_| is_time) else { return };
        self.last = Some(now);
        if let Err(error) = copy.follow() {
            self.console.say(format!("  not copied yet: {error}"));
        }
    }

    /// Copies everything that the soak left.
    pub(crate) fn finish(self) -> Result<(), DepotError> {
        if let Some(copy) = self.copy {
            self.console.say(format!("copied to {}", copy.finish()?));
        }
        Ok(())
    }
}
