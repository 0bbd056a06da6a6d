//! In the place of object stores, where they are not built in: every address is refused, and says how to get them.
//!
//! There is no value of these types, so that whoever uses them need not know whether they are built in.

use std::path::{Path, PathBuf};

use super::depot_error::DepotError;

/// A place in an object store.
#[derive(Debug)]
pub enum Depot {}

/// The copy of one soak.
#[derive(Debug)]
pub enum SoakCopy {}

impl Depot {
    /// No depot.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn open(address: &str) -> Result<Self, DepotError> {
        Err(DepotError::NotBuiltIn { address: address.to_owned() })
    }

    /// The soaks that are here.
    ///
    /// # Errors
    ///
    /// Never: there is no depot.
    pub fn soaks(&self) -> Result<Vec<String>, DepotError> {
        match *self {}
    }

    /// A soak that was asked for the same and did not end.
    ///
    /// # Errors
    ///
    /// Never: there is no depot.
    pub fn unfinished(&self, _charter: &str) -> Result<Option<String>, DepotError> {
        match *self {}
    }

    /// Brings a soak into a folder.
    ///
    /// # Errors
    ///
    /// Never: there is no depot.
    pub fn fetch(&self, _name: &str, _parent: &Path) -> Result<PathBuf, DepotError> {
        match *self {}
    }

    /// The copy of the soak in a folder.
    ///
    /// # Errors
    ///
    /// Never: there is no depot.
    pub fn copy_of(self, _folder: &Path) -> Result<SoakCopy, DepotError> {
        match self {}
    }
}

impl SoakCopy {
    /// Where it is.
    pub fn place(&self) -> String {
        match *self {}
    }

    /// Copies what is new.
    ///
    /// # Errors
    ///
    /// Never: there is no depot.
    pub fn follow(&mut self) -> Result<(), DepotError> {
        match *self {}
    }

    /// Copies everything.
    ///
    /// # Errors
    ///
    /// Never: there is no depot.
    pub fn finish(self) -> Result<String, DepotError> {
        match self {}
    }
}
