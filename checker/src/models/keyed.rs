//! Operations on one of several objects of a kind: what is done, and to which.
//!
//! An object is named by a key; where there is only one, the key is empty and is not spoken of.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// An action on the object of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Keyed<A> {
    /// Which object; empty if there is only one.
    pub key: Arc<str>,
    /// What is done to it.
    pub action: A,
}

impl<A> Keyed<A> {
    /// An action on the object of a key.
    pub fn new(key: impl Into<Arc<str>>, action: A) -> Self {
        Self { key: key.into(), action }
    }

    /// Its partition: objects of different keys have nothing to do with each other.
    pub(super) fn partition(&self) -> Option<Cow<'_, str>> {
        (!self.key.is_empty()).then_some(Cow::Borrowed(&self.key))
    }

    /// The name of what is done, with the key: `enqueue k3`.
    pub(super) fn words(&self, verb: &str) -> String {
        if self.key.is_empty() { verb.to_owned() } else { format!("{verb} {}", self.key) }
    }
}

impl<A> From<A> for Keyed<A> {
    /// An action on the only object.
    fn from(action: A) -> Self {
        Self { key: Arc::from(""), action }
    }
}
