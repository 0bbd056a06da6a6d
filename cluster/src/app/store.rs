//! The contents of a store.
//!
//! [`Store::apply`] is the way in which operations change it, and deterministic. The digest is kept up to date with
//! every change and depends on the contents only, so that replicas with equal contents have equal digests however
//! they got there.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use super::{Key, Operation, Reply, Value, values};
use crate::digest::Digest;

/// A value with the digest of its key and itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Entry {
    value: Value,
    digest: u64,
}

/// The contents: cheap to clone, since the map is shared until one of the copies changes. Written down, it is its keys
/// and values; digests are computed again when it is read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(from = "BTreeMap<Key, Value>")]
pub struct Store {
    entries: Arc<BTreeMap<Key, Entry>>,
    digest: u64,
}

impl Store {
    /// Runs one operation.
    pub fn apply(&mut self, operation: &Operation) -> Reply {
        let resolution = operation.resolve(&|key| self.get(key).cloned());
        for (key, value) in resolution.writes {
            self.set(&key, value);
        }
        resolution.reply
    }

    /// What the operation would answer now, without running it.
    pub fn evaluate(&self, operation: &Operation) -> Reply {
        operation.resolve(&|key| self.get(key).cloned()).reply
    }

    /// Makes a key hold a value (`None`: nothing); for writes that were resolved elsewhere.
    pub fn set(&mut self, key: &Key, value: Option<Value>) {
        let entries = Arc::make_mut(&mut self.entries);
        let old = match value {
            None => entries.remove(key),
            Some(value) => {
                let digest = values(Digest::new(3).bytes(key.as_bytes()), &value).finish();
                self.digest = self.digest.wrapping_add(digest);
                entries.insert(key.clone(), Entry { value, digest })
            }
        };
        self.digest = self.digest.wrapping_sub(old.map_or(0, |entry| entry.digest));
        assert!(!entries.is_empty() || self.digest == 0, "an empty store has the digest of one");
    }

    /// The value of a key.
    pub fn get(&self, key: &Key) -> Option<&Value> {
        self.entries.get(key).map(|entry| &entry.value)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Every key with its value, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.entries.iter().map(|(key, entry)| (key, &entry.value))
    }

    /// The digest of the contents: equal contents, equal digests, whatever their history.
    pub fn digest(&self) -> u64 {
        self.digest
    }
}

impl From<BTreeMap<Key, Value>> for Store {
    fn from(contents: BTreeMap<Key, Value>) -> Self {
        let mut store = Self::default();
        for (key, value) in contents {
            store.set(&key, Some(value));
        }
        store
    }
}

impl Serialize for Store {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}
