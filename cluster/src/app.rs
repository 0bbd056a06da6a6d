//! The application: a map from keys to lists of integers, and the operations on one key or several.
//!
//! An [`Operation`] names every key that it touches before it runs. What it answers and writes follows from the values
//! of these keys alone ([`Operation::resolve`]), so that one definition serves a store that holds them all and a
//! coordinator that gathers them from several. It knows nothing of clients, retries or replication. A register, a
//! counter and an account hold a list of one.

mod resolve;
mod store;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::sharded::configuration::{Administration, Configuration, Refusal};

pub use resolve::Resolution;
pub use store::Store;

/// The name of a value.
pub type Key = Arc<str>;
/// What a key holds: a list; a register is a list of one.
pub type Value = Arc<[i64]>;

/// What an account holds that nobody has paid from or to: no account needs to be opened, and all accounts together
/// hold the same at every time.
pub const OPENING_BALANCE: i64 = 100;

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
    /// Adds to a counter; an absent one counts as zero.
    Add {
        /// This one.
        key: Key,
        /// How much.
        amount: i64,
    },
    /// Reads several values at once.
    MultiGet {
        /// Of these keys.
        keys: Arc<[Key]>,
    },
    /// Replaces several values at once.
    MultiPut {
        /// Keys and their new values; of two for one key the later counts.
        pairs: Arc<[(Key, Value)]>,
    },
    /// Exchanges two values; an absent one leaves the other key absent.
    Swap {
        /// One key.
        first: Key,
        /// The other.
        second: Key,
    },
    /// Moves an amount from one account to another, if there is enough.
    Transfer {
        /// The account that pays.
        from: Key,
        /// The account that is paid.
        to: Key,
        /// How much.
        amount: u32,
    },
    /// Reads and appends, all at once; each read sees the appends before it.
    Transaction {
        /// In this order.
        steps: Arc<[MicroOperation]>,
    },
    /// Something that only the controller of a sharded cluster does; it touches no key.
    Administer(Administration),
}

/// A step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MicroOperation {
    /// Reads a list.
    Read {
        /// This one.
        key: Key,
    },
    /// Adds one element at the end of a list; an absent list counts as empty.
    Append {
        /// This one.
        key: Key,
        /// The element.
        element: i64,
    },
}

impl MicroOperation {
    /// The key that it touches.
    pub fn key(&self) -> &Key {
        match self {
            Self::Read { key } | Self::Append { key, .. } => key,
        }
    }
}

impl Operation {
    /// Every key that it touches, each once, in order.
    pub fn keys(&self) -> Vec<&Key> {
        let mut keys: Vec<&Key> = match self {
            Self::Get { key }
            | Self::Put { key, .. }
            | Self::Append { key, .. }
            | Self::Cas { key, .. }
            | Self::Delete { key }
            | Self::Add { key, .. } => return [key].into(),
            Self::MultiGet { keys } => keys.iter().collect(),
            Self::MultiPut { pairs } => pairs.iter().map(|(key, _)| key).collect(),
            Self::Swap { first, second } => [first, second].into(),
            Self::Transfer { from, to, .. } => [from, to].into(),
            Self::Transaction { steps } => steps.iter().map(MicroOperation::key).collect(),
            Self::Administer(_) => Vec::new(),
        };
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// The keys that it may write, each once, in order; the others are only read.
    pub fn written_keys(&self) -> Vec<&Key> {
        match self {
            Self::Get { .. } | Self::MultiGet { .. } => Vec::new(),
            Self::Transaction { steps } => {
                let appended = steps.iter().filter(|step| matches!(step, MicroOperation::Append { .. }));
                let mut keys: Vec<&Key> = appended.map(MicroOperation::key).collect();
                keys.sort_unstable();
                keys.dedup();
                keys
            }
            _ => self.keys(),
        }
    }

    /// Whether it may change the store. A failed comparison counts: its reply is remembered like any other.
    pub fn is_mutation(&self) -> bool {
        match self {
            Self::Get { .. } | Self::MultiGet { .. } => false,
            Self::Transaction { steps } => {
                steps.iter().any(|step| matches!(step, MicroOperation::Append { .. }))
            }
            Self::Administer(administration) => matches!(administration, Administration::Change(_)),
            _ => true,
        }
    }

    /// A stable digest of the operation.
    pub fn digest(&self) -> u64 {
        let one = |key: &Key| Digest::new(1).bytes(key.as_bytes());
        let several = |kind: u64, count: usize| Digest::new(10).word(kind).word(count as u64);
        match self {
            Self::Get { key } => one(key).word(0),
            Self::Put { key, value } => values(one(key).word(1), value),
            Self::Append { key, element } => one(key).word(2).number(*element),
            Self::Cas { key, expected, new } => values(optional(one(key).word(3), expected.as_ref()), new),
            Self::Delete { key } => one(key).word(4),
            Self::Add { key, amount } => one(key).word(5).number(*amount),
            Self::MultiGet { keys } => {
                keys.iter().fold(several(0, keys.len()), |digest, key| digest.bytes(key.as_bytes()))
            }
            Self::MultiPut { pairs } => pairs.iter().fold(several(1, pairs.len()), |digest, (key, value)| {
                values(digest.bytes(key.as_bytes()), value)
            }),
            Self::Swap { first, second } => several(2, 2).bytes(first.as_bytes()).bytes(second.as_bytes()),
            Self::Transfer { from, to, amount } => {
                several(3, 2).bytes(from.as_bytes()).bytes(to.as_bytes()).word(u64::from(*amount))
            }
            Self::Transaction { steps } => {
                steps.iter().fold(several(4, steps.len()), |digest, step| match step {
                    MicroOperation::Read { key } => digest.bytes(key.as_bytes()).word(0),
                    MicroOperation::Append { key, element } => {
                        digest.bytes(key.as_bytes()).word(1).number(*element)
                    }
                })
            }
            Self::Administer(administration) => several(5, 0).word(administration.digest()),
        }
        .finish()
    }

    /// About how many bytes it takes on the wire; never less than it really takes by more than a constant.
    pub fn size_bytes(&self) -> usize {
        let numbers = |count: usize| count * 10;
        let parts = match self {
            Self::Get { key } | Self::Delete { key } => key.len(),
            Self::Append { key, .. } | Self::Add { key, .. } => key.len() + numbers(1),
            Self::Put { key, value } => key.len() + numbers(value.len()),
            Self::Cas { key, expected, new } => {
                key.len() + numbers(expected.as_ref().map_or(0, |value| value.len()) + new.len())
            }
            Self::MultiGet { keys } => keys.iter().map(|key| key.len() + 5).sum(),
            Self::MultiPut { pairs } => {
                pairs.iter().map(|(key, value)| key.len() + numbers(value.len() + 1)).sum()
            }
            Self::Swap { first, second } => first.len() + second.len() + 5,
            Self::Transfer { from, to, .. } => from.len() + to.len() + numbers(1),
            Self::Transaction { steps } => steps.iter().map(|step| step.key().len() + numbers(2)).sum(),
            Self::Administer(administration) => administration.size_bytes(),
        };
        parts + 16
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
    /// The values read, in the order in which they were asked for.
    Values(Arc<[Option<Value>]>),
    /// The account that should pay does not hold as much: nothing was moved.
    InsufficientFunds,
    /// A configuration of a sharded cluster.
    Configuration(Arc<Configuration>),
    /// The controller refuses what was asked for: nothing was changed.
    Refused(Refusal),
}

impl Reply {
    /// About how many bytes it takes on the wire.
    pub fn size_bytes(&self) -> usize {
        let size = |value: &Option<Value>| value.as_ref().map_or(1, |value| 4 + value.len() * 10);
        match self {
            Self::Value(value) | Self::Mismatch(value) => 4 + size(value),
            Self::Values(values) => 4 + values.iter().map(size).sum::<usize>(),
            Self::Configuration(configuration) => 4 + configuration.size_bytes(),
            Self::Done | Self::InsufficientFunds | Self::Refused(_) => 4,
        }
    }

    /// A stable digest of the reply.
    pub fn digest(&self) -> u64 {
        let digest = Digest::new(2);
        match self {
            Self::Value(value) => optional(digest.word(0), value.as_ref()),
            Self::Done => digest.word(1),
            Self::Mismatch(value) => optional(digest.word(2), value.as_ref()),
            Self::Values(values) => {
                values.iter().fold(digest.word(3).word(values.len() as u64), |digest, value| {
                    optional(digest, value.as_ref())
                })
            }
            Self::InsufficientFunds => digest.word(4),
            Self::Configuration(configuration) => digest.word(5).word(configuration.digest()),
            Self::Refused(refusal) => digest.word(6).word(*refusal as u64),
        }
        .finish()
    }
}

/// The shard of a key, from 0: the same in every build, on every platform and in every process.
///
/// # Panics
///
/// If there are no shards.
pub fn shard_of(key: &str, shards: u32) -> u32 {
    assert!(shards > 0, "a key belongs to one of some shards");
    let digest = Digest::new(11).bytes(key.as_bytes()).finish();
    u32::try_from(digest % u64::from(shards)).expect("below a number of 32 bits")
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
