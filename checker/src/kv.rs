//! Key-value stores: registers, compare-and-swap registers, append lists and their union, key by key.
//!
//! One specification serves them all; a model is the subset of operations that a history uses.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::certificate::Reduction;
use crate::history::{Indexed, OpId, Operation, Reduced};
use crate::spec::{Direct, Help, Reach, Spec, Told};
use crate::value::Value;
use crate::verdict::Violation;

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

impl KvSpec {
    /// Whether two values are the same to this store.
    pub fn same(&self, one: &Value, other: &Value) -> bool {
        one == other || (self.empty_is_absent && is_empty(one) && is_empty(other))
    }

    /// A value as this store keeps it.
    fn kept(&self, value: &Value) -> Value {
        if self.empty_is_absent && is_empty(value) { Value::Nil } else { value.clone() }
    }
}

/// Whether a value is nil, the empty text or the empty list.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Nil => true,
        Value::Int(_) => false,
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
    }
}

impl Spec for KvSpec {
    type Op = KvOp;
    type Ret = KvRet;
    type State = Value;

    fn init(&self) -> Value {
        Value::Nil
    }

    fn step(&self, state: &Value, op: &KvOp, ret: Option<&KvRet>) -> Option<Value> {
        let done = matches!(ret, None | Some(KvRet::Done));
        match (op, ret) {
            (KvOp::Get { .. }, None) => Some(state.clone()),
            (KvOp::Get { .. }, Some(KvRet::Value(value))) => self.same(state, value).then(|| state.clone()),
            (KvOp::Put { value, .. }, _) if done => Some(self.kept(value)),
            (KvOp::Append { value, .. }, _) if done => Some(self.kept(&state.appended(value))),
            (KvOp::Delete { .. }, _) if done => Some(Value::Nil),
            (KvOp::Cas { expected, new, .. }, _) if done => {
                let swaps = self.same(state, expected);
                // An outcome that nobody learned may well be a mismatch, which changes nothing.
                if swaps { Some(self.kept(new)) } else { ret.is_none().then(|| state.clone()) }
            }
            (KvOp::Cas { expected, .. }, Some(KvRet::Mismatch(seen))) => {
                let seen_here = seen.as_ref().is_none_or(|seen| self.same(state, seen));
                (seen_here && !self.same(state, expected)).then(|| state.clone())
            }
            _ => None,
        }
    }

    fn partition<'a>(&self, op: &'a KvOp) -> Option<Cow<'a, str>> {
        Some(Cow::Borrowed(op.key()))
    }

    fn is_read_only(&self, op: &KvOp, ret: Option<&KvRet>) -> bool {
        matches!((op, ret), (KvOp::Get { .. }, _) | (KvOp::Cas { .. }, Some(KvRet::Mismatch(_))))
    }

    fn is_overwrite(&self, op: &KvOp, ret: Option<&KvRet>) -> bool {
        matches!((op, ret), (KvOp::Put { .. } | KvOp::Delete { .. }, None | Some(KvRet::Done)))
    }

    fn is_alike(&self, (one, one_ret): Told<'_, Self>, (other, other_ret): Told<'_, Self>) -> bool {
        let done = |ret: Option<&KvRet>| matches!(ret, None | Some(KvRet::Done));
        done(one_ret) && done(other_ret) && one == other
    }

    fn reach(&self, state: &Value, goal: (&KvOp, &KvRet)) -> Reach {
        crate::prospect::reach(self, state, goal)
    }

    fn help(&self, op: Told<'_, Self>, goal: (&KvOp, &KvRet)) -> Help {
        crate::prospect::help(self, op, goal)
    }

    fn unobserved(&self, operations: &[&Operation<KvOp, KvRet>]) -> Vec<bool> {
        crate::observed::unobserved(operations)
    }

    fn decide_directly(&self, operations: &[&Operation<KvOp, KvRet>]) -> Option<Direct> {
        crate::blocks::decide(self, operations)
    }

    fn reduce(
        &self,
        operations: &[Reduced<KvOp, KvRet>],
        reduction: &Reduction,
    ) -> Option<Vec<Reduced<KvOp, KvRet>>> {
        crate::certificate::reduce(self, operations, reduction)
    }

    fn units(&self, operations: &[Reduced<KvOp, KvRet>], about: &[OpId]) -> Vec<Value> {
        crate::certificate::units(operations, about)
    }

    fn explain(
        &self,
        key: &str,
        operations: &[Indexed<'_, KvOp, KvRet>],
        few: &[Indexed<'_, KvOp, KvRet>],
    ) -> Option<Violation> {
        crate::contradiction::explain(self, key, operations, few)
    }

    fn state_bytes(&self, state: &Value) -> usize {
        match state {
            Value::Nil | Value::Int(_) => 0,
            Value::Text(text) => text.len(),
            Value::List(items) => size_of_val(items.as_ref()),
        }
    }

    fn describe(&self, op: &KvOp, ret: Option<&KvRet>) -> String {
        // A history of one register has no name for it.
        let on =
            |verb: &str, key: &str| if key.is_empty() { verb.to_owned() } else { format!("{verb} {key}") };
        let words = match op {
            KvOp::Get { key } => on("read", key),
            KvOp::Put { key, value } => format!("{} {value}", on("write", key)),
            KvOp::Append { key, value } => format!("{} {value}", on("append", key)),
            KvOp::Cas { key, expected, new } => format!("{} {expected} -> {new}", on("cas", key)),
            KvOp::Delete { key } => on("delete", key),
        };
        match ret {
            Some(KvRet::Value(value)) => format!("{words} -> {value}"),
            Some(KvRet::Mismatch(Some(seen))) => format!("{words} failed (saw {seen})"),
            Some(KvRet::Mismatch(None)) => format!("{words} failed"),
            None | Some(KvRet::Done) => words,
        }
    }

    fn describe_state(&self, state: &Value) -> String {
        state.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(empty_is_absent: bool) -> KvSpec {
        KvSpec { empty_is_absent }
    }

    fn get() -> KvOp {
        KvOp::Get { key: "k3".into() }
    }

    fn cas(expected: Value, new: Value) -> KvOp {
        KvOp::Cas { key: "k3".into(), expected, new }
    }

    fn int(number: i64) -> Value {
        Value::Int(number)
    }

    #[test]
    fn reads_return_the_state() {
        let read = |state: Value, value: Value| spec(false).step(&state, &get(), Some(&KvRet::Value(value)));
        assert_eq!(read(int(4), int(4)), Some(int(4)));
        assert_eq!(read(int(4), int(5)), None);
        assert_eq!(read(Value::Nil, Value::list([])), None);
        assert_eq!(spec(false).step(&int(4), &get(), None), Some(int(4)));
        assert_eq!(spec(false).step(&int(4), &get(), Some(&KvRet::Done)), None);
    }

    #[test]
    fn writes_change_the_state() {
        let key: Arc<str> = "k3".into();
        let put = KvOp::Put { key: key.clone(), value: int(5) };
        let append = KvOp::Append { key: key.clone(), value: int(5) };
        let delete = KvOp::Delete { key };
        for ret in [None, Some(&KvRet::Done)] {
            assert_eq!(spec(false).step(&int(4), &put, ret), Some(int(5)));
            assert_eq!(spec(false).step(&int(4), &append, ret), Some(Value::list([4, 5])));
            assert_eq!(spec(false).step(&Value::Nil, &append, ret), Some(Value::list([5])));
            assert_eq!(spec(false).step(&int(4), &delete, ret), Some(Value::Nil));
        }
        for op in [&put, &append, &delete] {
            assert_eq!(spec(false).step(&int(4), op, Some(&KvRet::Mismatch(None))), None);
            assert_eq!(spec(false).step(&int(4), op, Some(&KvRet::Value(int(4)))), None);
        }
    }

    #[test]
    fn a_cas_swaps_or_tells_what_it_saw() {
        let step = |state: i64, ret: Option<KvRet>| {
            spec(false).step(&int(state), &cas(int(4), int(5)), ret.as_ref())
        };
        assert_eq!(step(4, Some(KvRet::Done)), Some(int(5)));
        assert_eq!(step(7, Some(KvRet::Done)), None);
        assert_eq!(step(4, None), Some(int(5)));
        assert_eq!(step(7, None), Some(int(7)), "an unknown outcome may be a mismatch");
        assert_eq!(step(7, Some(KvRet::Mismatch(None))), Some(int(7)));
        assert_eq!(step(4, Some(KvRet::Mismatch(None))), None);
        assert_eq!(step(7, Some(KvRet::Mismatch(Some(int(7))))), Some(int(7)));
        assert_eq!(step(7, Some(KvRet::Mismatch(Some(int(8))))), None);
        assert_eq!(
            step(4, Some(KvRet::Mismatch(Some(int(4))))),
            None,
            "a mismatch never saw what it expected"
        );
        assert_eq!(step(7, Some(KvRet::Value(int(7)))), None);
    }

    #[test]
    fn empty_and_absent_are_the_same_on_request() {
        let read = |empty_is_absent, state: Value, value: &str| {
            spec(empty_is_absent).step(&state, &get(), Some(&KvRet::Value(value.into()))).is_some()
        };
        assert!(read(true, Value::Nil, ""));
        assert!(!read(false, Value::Nil, ""));
        let put = KvOp::Put { key: "k".into(), value: Value::list([]) };
        assert_eq!(spec(true).step(&int(1), &put, None), Some(Value::Nil));
        assert_eq!(spec(false).step(&int(1), &put, None), Some(Value::list([])));
        assert_eq!(spec(true).step(&Value::Nil, &cas("".into(), int(1)), Some(&KvRet::Done)), Some(int(1)));
        assert_eq!(spec(true).step(&Value::Nil, &cas("".into(), int(1)), Some(&KvRet::Mismatch(None))), None);
        assert_eq!(spec(true).step(&int(1), &cas(int(1), "".into()), Some(&KvRet::Done)), Some(Value::Nil));
    }

    #[test]
    fn reads_and_known_mismatches_change_nothing() {
        assert!(spec(false).is_read_only(&get(), None));
        assert!(spec(false).is_read_only(&cas(int(1), int(2)), Some(&KvRet::Mismatch(None))));
        assert!(!spec(false).is_read_only(&cas(int(1), int(2)), Some(&KvRet::Done)));
        assert!(!spec(false).is_read_only(&cas(int(1), int(2)), None));
    }

    #[test]
    fn operations_are_described_in_words() {
        let key: Arc<str> = "k3".into();
        let words = |op: &KvOp, ret: Option<KvRet>| spec(false).describe(op, ret.as_ref());
        assert_eq!(words(&get(), Some(KvRet::Value(Value::list([4, 17])))), "read k3 -> [4, 17]");
        assert_eq!(words(&get(), None), "read k3");
        assert_eq!(
            words(&KvOp::Append { key: key.clone(), value: int(17) }, Some(KvRet::Done)),
            "append k3 17"
        );
        assert_eq!(words(&KvOp::Put { key: key.clone(), value: int(5) }, None), "write k3 5");
        assert_eq!(words(&KvOp::Delete { key }, Some(KvRet::Done)), "delete k3");
        let swap = cas(int(4), int(5));
        assert_eq!(words(&swap, Some(KvRet::Done)), "cas k3 4 -> 5");
        assert_eq!(words(&swap, Some(KvRet::Mismatch(Some(int(7))))), "cas k3 4 -> 5 failed (saw 7)");
        assert_eq!(words(&swap, Some(KvRet::Mismatch(None))), "cas k3 4 -> 5 failed");
    }
}
