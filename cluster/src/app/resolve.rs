//! What each operation does, as a pure function of the values that it finds.
//!
//! The only definition of the operations' meaning: a store applies its result, and a coordinator of several groups
//! computes it from the values that they voted with. Total for every operation and every value, those that damage
//! made included: overflow and odd lengths have a meaning, if a dull one.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::sharded::configuration::Refusal;

use super::{Key, MicroOperation, OPENING_BALANCE, Operation, Reply, Value};

/// What an operation comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// What it answers.
    pub reply: Reply,
    /// What its keys hold afterwards, each key at most once; `None`: it is absent. Keys that are not named keep what
    /// they hold.
    pub writes: Vec<(Key, Option<Value>)>,
}

impl Resolution {
    fn answer(reply: Reply) -> Self {
        Self { reply, writes: Vec::new() }
    }

    fn done(writes: impl IntoIterator<Item = (Key, Option<Value>)>) -> Self {
        Self { reply: Reply::Done, writes: writes.into_iter().collect() }
    }
}

impl Operation {
    /// What it answers and writes if its keys hold what `read` says. Asks for no key outside [`Operation::keys`], and
    /// writes none outside [`Operation::written_keys`].
    pub fn resolve(&self, read: &dyn Fn(&Key) -> Option<Value>) -> Resolution {
        match self {
            Self::Get { key } => Resolution::answer(Reply::Value(read(key))),
            Self::Put { key, value } => Resolution::done([(key.clone(), Some(value.clone()))]),
            Self::Append { key, element } => {
                Resolution::done([(key.clone(), Some(appended(read(key).as_ref(), *element)))])
            }
            Self::Cas { key, expected, new } => {
                let current = read(key);
                if current == *expected {
                    Resolution::done([(key.clone(), Some(new.clone()))])
                } else {
                    Resolution::answer(Reply::Mismatch(current))
                }
            }
            Self::Delete { key } => Resolution::done([(key.clone(), None)]),
            Self::Add { key, amount } => {
                let sum = number(read(key).as_ref(), 0).wrapping_add(*amount);
                Resolution::done([(key.clone(), Some([sum].into()))])
            }
            Self::MultiGet { keys } => Resolution::answer(Reply::Values(keys.iter().map(read).collect())),
            Self::MultiPut { pairs } => {
                let last: BTreeMap<&Key, &Value> = pairs.iter().map(|(key, value)| (key, value)).collect();
                Resolution::done(last.into_iter().map(|(key, value)| (key.clone(), Some(value.clone()))))
            }
            Self::Swap { first, second } if first == second => Resolution::done([]),
            Self::Swap { first, second } => {
                Resolution::done([(first.clone(), read(second)), (second.clone(), read(first))])
            }
            Self::Transfer { from, to, amount } => transfer(from, to, i64::from(*amount), read),
            Self::Transaction { steps } => transaction(steps, read),
            Self::Administer(_) => Resolution::answer(Reply::Refused(Refusal::NotTheController)),
        }
    }
}

/// The list with one more element.
fn appended(list: Option<&Value>, element: i64) -> Value {
    let elements = list.map_or(&[][..], |list| list);
    elements.iter().copied().chain([element]).collect()
}

/// The number that a counter or an account holds.
fn number(value: Option<&Value>, absent: i64) -> i64 {
    value.map_or(absent, |value| value.first().copied().unwrap_or(0))
}

fn transfer(from: &Key, to: &Key, amount: i64, read: &dyn Fn(&Key) -> Option<Value>) -> Resolution {
    let balance = |key: &Key| number(read(key).as_ref(), OPENING_BALANCE);
    let (paying, paid) = (balance(from), balance(to));
    // An account that cannot take more is as good a reason to move nothing as one that cannot give.
    let Some(richer) = paid.checked_add(amount).filter(|_| paying >= amount) else {
        return Resolution::answer(Reply::InsufficientFunds);
    };
    if from == to {
        return Resolution::done([]);
    }
    let holds = |key: &Key, balance: i64| (key.clone(), Some([balance].into()));
    Resolution::done([holds(from, paying - amount), holds(to, richer)])
}

fn transaction(steps: &[MicroOperation], read: &dyn Fn(&Key) -> Option<Value>) -> Resolution {
    let mut written: BTreeMap<&Key, Value> = BTreeMap::new();
    let mut seen: Vec<Option<Value>> = Vec::new();
    for step in steps {
        let current = written.get(step.key()).cloned().or_else(|| read(step.key()));
        match step {
            MicroOperation::Read { .. } => seen.push(current),
            MicroOperation::Append { key, element } => {
                written.insert(key, appended(current.as_ref(), *element));
            }
        }
    }
    let writes = written.into_iter().map(|(key, value)| (key.clone(), Some(value))).collect();
    Resolution { reply: Reply::Values(Arc::from(seen)), writes }
}
