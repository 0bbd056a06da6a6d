//! The application: a map from keys to lists of integers, and the five operations on one key.
//!
//! [`Store::apply`] is the only way to change it and is deterministic. It knows nothing of clients, retries or
//! replication. A register holds a list of one. The digest is kept up to date with every change and depends on the
//! contents only, so that replicas with equal contents have equal digests however they got there.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The name of a value.
pub type Key = Arc<str>;
/// What a key holds: a list; a register is a list of one.
pub type Value = Arc<[i64]>;

/// What a client can ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// Reads the value.
    Get {
        /// Of this key.
        key: Key,
    },
    /// Replaces the value.
    Put {
        /// Of this key.
        key: Key,
        /// By this one.
        value: Value,
    },
    /// Adds one element at the end of the list; an absent list counts as empty.
    Append {
        /// Of this key.
        key: Key,
        /// The element.
        element: i64,
    },
    /// Replaces the value if it is the expected one.
    Cas {
        /// Of this key.
        key: Key,
        /// What must be there; `None`: the key must be absent.
        expected: Option<Value>,
        /// The new value.
        new: Value,
    },
    /// Removes the key.
    Delete {
        /// This one.
        key: Key,
    },
}

impl Operation {
    /// The one key it touches.
    pub fn key(&self) -> &Key {
        match self {
            Self::Get { key }
            | Self::Put { key, .. }
            | Self::Append { key, .. }
            | Self::Cas { key, .. }
            | Self::Delete { key } => key,
        }
    }

    /// Whether it may change the store. A failed comparison counts: its reply is remembered like any other.
    pub fn is_mutation(&self) -> bool {
        !matches!(self, Self::Get { .. })
    }

    /// A stable digest of the operation.
    pub fn digest(&self) -> u64 {
        let digest = Digest::new(1).bytes(self.key().as_bytes());
        match self {
            Self::Get { .. } => digest.word(0),
            Self::Put { value, .. } => values(digest.word(1), value),
            Self::Append { element, .. } => digest.word(2).number(*element),
            Self::Cas { expected, new, .. } => values(optional(digest.word(3), expected.as_ref()), new),
            Self::Delete { .. } => digest.word(4),
        }
        .finish()
    }

    /// About how many bytes it takes on the wire; never less than it really takes by more than a constant.
    pub fn size_bytes(&self) -> usize {
        let numbers = match self {
            Self::Get { .. } | Self::Delete { .. } => 0,
            Self::Append { .. } => 1,
            Self::Put { value, .. } => value.len(),
            Self::Cas { expected, new, .. } => expected.as_ref().map_or(0, |value| value.len()) + new.len(),
        };
        self.key().len() + numbers * 10 + 16
    }
}

/// What an operation answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reply {
    /// The value read; `None`: the key is absent.
    Value(Option<Value>),
    /// The change was made.
    Done,
    /// The comparison failed: this is the value instead.
    Mismatch(Option<Value>),
}

impl Reply {
    /// A stable digest of the reply.
    pub fn digest(&self) -> u64 {
        let digest = Digest::new(2);
        match self {
            Self::Value(value) => optional(digest.word(0), value.as_ref()),
            Self::Done => digest.word(1),
            Self::Mismatch(value) => optional(digest.word(2), value.as_ref()),
        }
        .finish()
    }
}

fn values(digest: Digest, value: &Value) -> Digest {
    value.iter().fold(digest.word(value.len() as u64), |digest, element| digest.number(*element))
}

fn optional(digest: Digest, value: Option<&Value>) -> Digest {
    match value {
        None => digest.word(0),
        Some(value) => values(digest.word(1), value),
    }
}

/// A value with the digest of its key and itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    value: Value,
    digest: u64,
}

/// The contents: cheap to clone, since the map is shared until one of the copies changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Store {
    entries: Arc<BTreeMap<Key, Entry>>,
    digest: u64,
}

impl Store {
    /// Runs one operation.
    pub fn apply(&mut self, operation: &Operation) -> Reply {
        let current = self.get(operation.key());
        match operation {
            Operation::Get { .. } => Reply::Value(current.cloned()),
            Operation::Put { key, value } => self.set(key, Some(value.clone())),
            Operation::Append { key, element } => {
                let elements = current.map_or(&[][..], |value| value);
                let value: Value = elements.iter().copied().chain([*element]).collect();
                self.set(key, Some(value))
            }
            Operation::Cas { key, expected, new } => {
                if current == expected.as_ref() {
                    self.set(key, Some(new.clone()))
                } else {
                    Reply::Mismatch(current.cloned())
                }
            }
            Operation::Delete { key } => self.set(key, None),
        }
    }

    /// What the operation would answer now, without running it.
    pub fn evaluate(&self, operation: &Operation) -> Reply {
        let current = self.get(operation.key());
        match operation {
            Operation::Get { .. } => Reply::Value(current.cloned()),
            Operation::Cas { expected, .. } if current != expected.as_ref() => {
                Reply::Mismatch(current.cloned())
            }
            _ => Reply::Done,
        }
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

    fn set(&mut self, key: &Key, value: Option<Value>) -> Reply {
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
        Reply::Done
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn value(elements: &[i64]) -> Value {
        elements.into()
    }

    #[test]
    fn apply_table() {
        let key: Key = "k".into();
        let get = || Operation::Get { key: "k".into() };
        let cas = |expected: Option<&[i64]>, new: &[i64]| Operation::Cas {
            key: "k".into(),
            expected: expected.map(value),
            new: value(new),
        };
        let steps = [
            (get(), Reply::Value(None)),
            (cas(Some(&[1]), &[2]), Reply::Mismatch(None)),
            (cas(None, &[1]), Reply::Done),
            (get(), Reply::Value(Some(value(&[1])))),
            (cas(None, &[2]), Reply::Mismatch(Some(value(&[1])))),
            (Operation::Append { key: key.clone(), element: 5 }, Reply::Done),
            (get(), Reply::Value(Some(value(&[1, 5])))),
            (Operation::Put { key: key.clone(), value: value(&[9]) }, Reply::Done),
            (cas(Some(&[9]), &[]), Reply::Done),
            (get(), Reply::Value(Some(value(&[])))),
            (Operation::Delete { key: key.clone() }, Reply::Done),
            (get(), Reply::Value(None)),
            (Operation::Append { key, element: 6 }, Reply::Done),
            (get(), Reply::Value(Some(value(&[6])))),
        ];
        let mut store = Store::default();
        for (operation, reply) in steps {
            assert_eq!(store.apply(&operation), reply, "{operation:?}");
        }
    }

    fn operations() -> impl Strategy<Value = Vec<Operation>> {
        let key = || prop_oneof![Just("a"), Just("b"), Just("c")].prop_map(Key::from);
        let list = || prop::collection::vec(0..3_i64, 0..3).prop_map(|elements| value(&elements));
        prop::collection::vec(
            prop_oneof![
                key().prop_map(|key| Operation::Get { key }),
                (key(), list()).prop_map(|(key, value)| Operation::Put { key, value }),
                (key(), 0..3_i64).prop_map(|(key, element)| Operation::Append { key, element }),
                (key(), prop::option::of(list()), list()).prop_map(|(key, expected, new)| Operation::Cas {
                    key,
                    expected,
                    new
                }),
                key().prop_map(|key| Operation::Delete { key }),
            ],
            0..40,
        )
    }

    /// The same, in the plainest words.
    fn model(map: &mut BTreeMap<Key, Vec<i64>>, operation: &Operation) -> Reply {
        let as_value = |list: Option<&Vec<i64>>| list.map(|list| value(list));
        match operation {
            Operation::Get { key } => return Reply::Value(as_value(map.get(key))),
            Operation::Put { key, value } => drop(map.insert(key.clone(), value.to_vec())),
            Operation::Append { key, element } => map.entry(key.clone()).or_default().push(*element),
            Operation::Cas { key, expected, new } => {
                if as_value(map.get(key)) != *expected {
                    return Reply::Mismatch(as_value(map.get(key)));
                }
                map.insert(key.clone(), new.to_vec());
            }
            Operation::Delete { key } => drop(map.remove(key)),
        }
        Reply::Done
    }

    proptest! {
        #[test]
        fn store_agrees_with_a_map(script in operations()) {
            let (mut store, mut map) = (Store::default(), BTreeMap::new());
            for operation in &script {
                prop_assert_eq!(store.evaluate(operation), model(&mut map.clone(), operation));
                prop_assert_eq!(store.apply(operation), model(&mut map, operation));
            }
            let contents: Vec<_> = store.iter().map(|(key, value)| (key.clone(), value.to_vec())).collect();
            prop_assert_eq!(contents, map.into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn digest_depends_on_contents_only(script in operations()) {
            let mut store = Store::default();
            for operation in &script {
                store.apply(operation);
            }
            let mut rebuilt = Store::default();
            for (key, value) in store.iter().collect::<Vec<_>>().into_iter().rev() {
                rebuilt.apply(&Operation::Put { key: key.clone(), value: value.clone() });
            }
            prop_assert_eq!(rebuilt, store);
        }
    }

    #[test]
    fn different_operations_have_different_digests() {
        let key: Key = "k".into();
        let all = [
            Operation::Get { key: key.clone() },
            Operation::Put { key: key.clone(), value: value(&[]) },
            Operation::Append { key: key.clone(), element: 0 },
            Operation::Cas { key: key.clone(), expected: None, new: value(&[]) },
            Operation::Delete { key },
        ];
        let mut digests: Vec<u64> = all.iter().map(Operation::digest).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), all.len());
    }
}
