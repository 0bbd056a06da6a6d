//! Independent keys: whether the values of a history come in pairs with the keys that they belong to.
//!
//! Jepsen lifts any workload to several keys by writing `[key value]` for the value. Nothing marks such a pair, so
//! all events are looked at: without that, `[6 nil]` may be key 6 or a list.

use std::sync::Arc;

use super::events::{Kind, RawEvent};
use super::raw::TRANSACTION;
use crate::value::Value;

/// A value as a key: a number, or a text without the colon of a keyword.
pub(crate) fn key_of(value: &Value) -> Option<Arc<str>> {
    match value {
        Value::Text(text) => match text.strip_prefix(':') {
            Some(name) => Some(Arc::from(name)),
            None => Some(Arc::clone(text)),
        },
        Value::Int(number) => Some(number.to_string().into()),
        Value::Nil | Value::List(_) => None,
    }
}

/// A list of two.
pub(crate) fn pair(value: &Value) -> Option<(&Value, &Value)> {
    match value {
        Value::List(items) => match items.as_ref() {
            [first, second] => Some((first, second)),
            _ => None,
        },
        Value::Nil | Value::Int(_) | Value::Text(_) => None,
    }
}

/// A key and what belongs to it.
pub(super) fn keyed(value: &Value) -> Option<(Arc<str>, &Value)> {
    let (key, value) = pair(value)?;
    Some((key_of(key)?, value))
}

/// Whether values stand in pairs with their keys: if all that were asked for or returned have them so. A read
/// begins with nil where they do not. A history of nothing but cas has pairs if each is `[key [old new]]`.
pub(super) fn come_in_pairs<'e>(events: impl Iterator<Item = &'e RawEvent>) -> bool {
    let mut paired = false;
    for event in events {
        let told = matches!(event.kind, Kind::Invoke | Kind::Ok);
        if !told || event.key.is_some() || is_transaction(event) {
            continue;
        }
        let parts = event.value.as_ref().and_then(keyed);
        let cas = event.function.as_deref() == Some("cas");
        if !parts.is_some_and(|(_, value)| !cas || pair(value).is_some()) {
            return false;
        }
        paired = true;
    }
    paired
}

fn is_transaction(event: &RawEvent) -> bool {
    event.function.as_deref().is_none_or(|function| function == TRANSACTION)
}
