//! Key-value stores: registers, compare-and-swap registers, append lists and their union, key by key.
//!
//! One specification serves them all; a model is the subset of operations that a history uses.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::spec::Spec;
use crate::value::Value;

/// An operation on one key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KvOp {
    /// Read the key's value.
    Get {
        /// The key.
        key: Arc<str>,
    },
    /// Overwrite it.
    Put {
        /// The key.
        key: Arc<str>,
        /// The new value.
        value: Value,
    },
    /// Append to it, see [`Value::appended`].
    Append {
        /// The key.
        key: Arc<str>,
        /// The new element.
        value: Value,
    },
    /// Replace it if it is what is expected (`Nil`: absent).
    Cas {
        /// The key.
        key: Arc<str>,
        /// The value that must be there.
        expected: Value,
        /// The new value.
        new: Value,
    },
    /// Remove it.
    Delete {
        /// The key.
        key: Arc<str>,
    },
}

/// What an operation returned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KvRet {
    /// A `Get`: the value, `Nil` if absent.
    Value(Value),
    /// A `Put`, `Append` or `Delete`, or a `Cas` that swapped.
    Done,
    /// A `Cas` that ran and found another value: which one, if it was told.
    Mismatch(Option<Value>),
}

impl KvOp {
    /// The key it touches.
    pub fn key(&self) -> &Arc<str> {
        match self {
            Self::Get { key }
            | Self::Put { key, .. }
            | Self::Append { key, .. }
            | Self::Cas { key, .. }
            | Self::Delete { key } => key,
        }
    }
}

/// The specification of a key-value store.
#[derive(Clone, Debug, Default)]
pub struct KvSpec {
    /// Whether absent and empty are the same (`""`, `[]` and nil), as in stores of concatenated strings.
    pub empty_is_absent: bool,
}
