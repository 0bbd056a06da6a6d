//! The values that histories hold: what a key stores, what an operation writes, what a read returns.
//!
//! One small closed type, so that histories of any origin can be judged by the same models. Order and hash are
//! structural; floats are deliberately absent (they have no total equality). Maps and sets are lists in a fixed
//! order, see [`Value::map`] and [`Value::set`]: models know which of them they mean.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A value of a history. `Nil` is both "absent key" and "null".
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Nothing: an absent key, JSON `null`, EDN `nil`.
    #[default]
    Nil,
    /// A whole number.
    Int(i64),
    /// A text; shared, since histories repeat them.
    Text(Arc<str>),
    /// A list, as append workloads read it; shared, since reads are long.
    List(Arc<[Value]>),
}

impl Value {
    /// A list of whole numbers.
    pub fn list(items: impl IntoIterator<Item = i64>) -> Self {
        Self::List(items.into_iter().map(Self::Int).collect())
    }

    /// A set: the sorted list of its elements, each once.
    pub fn set(mut items: Vec<Self>) -> Self {
        items.sort_unstable();
        items.dedup();
        Self::List(items.into())
    }

    /// A map: the sorted list of its pairs `[key value]`; none if a key stands twice.
    pub fn map(mut entries: Vec<(Self, Self)>) -> Option<Self> {
        entries.sort_unstable();
        if entries.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return None;
        }
        Some(Self::List(entries.into_iter().map(|(key, value)| Self::List([key, value].into())).collect()))
    }

    /// A text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// This value as a list: `Nil` is the empty one, a list is itself, anything else is no list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::Nil => Some(&[]),
            Self::List(items) => Some(items),
            Self::Int(_) | Self::Text(_) => None,
        }
    }

    /// What `append element` makes of this value: texts are concatenated, everything else becomes a list with
    /// one more element (a value that is not a list becomes its first).
    #[must_use]
    pub fn appended(&self, element: &Value) -> Self {
        match (self, element) {
            (Self::Text(head), Self::Text(tail)) => Self::Text(format!("{head}{tail}").into()),
            (Self::Nil, Self::Text(tail)) => Self::Text(Arc::clone(tail)),
            (Self::Nil, _) => Self::List([element.clone()].into()),
            (Self::List(items), _) => Self::List(items.iter().chain([element]).cloned().collect()),
            (Self::Int(_) | Self::Text(_), _) => Self::List([self.clone(), element.clone()].into()),
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl fmt::Display for Value {
    /// `nil`, `17`, `"text"` (control characters escaped), `[4, 17]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Int(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{item}")?;
                }
                f.write_str("]")
            }
        }
    }
}

impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_unit(),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items.iter()),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, a whole number, a text or a list of these")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Nil)
            }
            fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
                Ok(Value::Int(number))
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Value, E> {
                i64::try_from(number)
                    .map(Value::Int)
                    .map_err(|_| E::custom("a whole number of more than 63 bits"))
            }
            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::text(text))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<Value>()? {
                    items.push(item);
                }
                Ok(Value::List(items.into()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
