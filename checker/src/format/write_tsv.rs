//! Histories as compact TSV, such that reading them gives the same operations.

use std::fmt::Write as _;

use rustc_hash::FxHashMap;

use super::rows::scalar;
use crate::history::{Completion, History, Operation};
use crate::kv::{KvOp, KvRet};
use crate::value::Value;

/// What compact TSV has no way to say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("compact TSV cannot hold operation {operation}: {cause}; write JSON Lines instead")]
pub struct Unwritable {
    /// The operation's number in the history, from 0.
    pub operation: usize,
    /// What it is that cannot be written.
    pub cause: &'static str,
}

/// All of a history, an operation a line, in the order of their invocations. Keys whose values are all texts, and
/// that no cas touches, are written as lists; all others as registers. An empty text that is read where texts grow
/// from nothing is written as nothing, which means the same there.
///
/// # Errors
/// At the first operation that the format cannot express: one that failed, a delete, a list that is no text, a
/// text that would be read as a number.
pub fn write_tsv(history: &History<KvOp, KvRet>) -> Result<String, Unwritable> {
    let mut out = String::new();
    let mut keys: FxHashMap<&str, bool> = FxHashMap::default();
    let mut grows = false;
    for operation in history.operations() {
        grows |= matches!(operation.op, KvOp::Append { .. });
        let texts = keys.entry(operation.op.key().as_ref()).or_insert(true);
        *texts &= is_of_texts(operation);
    }
    for (number, operation) in history.operations().iter().enumerate() {
        let kind = match keys[operation.op.key().as_ref()] {
            true => Holds::Texts { grows },
            false => Holds::Scalars,
        };
        write_row(&mut out, operation, kind).map_err(|cause| Unwritable { operation: number, cause })?;
    }
    Ok(out)
}

/// What a key holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// Texts that are written and read whole; `grows`: somewhere in the history one is appended to.
    Texts {
        grows: bool,
    },
    Scalars,
}

/// Whether an operation's values are texts, or nothing where it reads.
fn is_of_texts(operation: &Operation<KvOp, KvRet>) -> bool {
    let is_text = |value: &Value| matches!(value, Value::Text(_));
    match (&operation.op, operation.ret()) {
        (KvOp::Get { .. }, Some(KvRet::Value(value))) => *value == Value::Nil || is_text(value),
        (KvOp::Get { .. } | KvOp::Delete { .. }, _) => true,
        (KvOp::Put { value, .. } | KvOp::Append { value, .. }, _) => is_text(value),
        (KvOp::Cas { .. }, _) => false,
    }
}

fn write_row(out: &mut String, operation: &Operation<KvOp, KvRet>, holds: Holds) -> Result<(), &'static str> {
    let lists = holds != Holds::Scalars;
    let Operation { process, op, invoked, returned, completion } = operation;
    write!(out, "{process}\t{invoked}\t").expect("writing to a string does not fail");
    match (returned, completion) {
        (_, Completion::Fail) => return Err("it failed"),
        (Some(returned), _) => write!(out, "{returned}").expect("writing to a string does not fail"),
        (None, _) => out.push_str("-1"),
    }
    let kind = match op {
        KvOp::Get { .. } if lists => 'g',
        KvOp::Get { .. } => 'r',
        KvOp::Put { .. } if lists => 'p',
        KvOp::Put { .. } => 'w',
        KvOp::Append { .. } if lists => 'a',
        KvOp::Append { .. } => {
            return Err("its key holds other things than texts, to which rows cannot append");
        }
        KvOp::Cas { .. } => 'c',
        KvOp::Delete { .. } => return Err("it is a delete"),
    };
    let key = op.key();
    if key.contains(['\t', '\n', '\r']) {
        return Err("its key has a tab or a line break");
    }
    write!(out, "\t{kind}\t{key}\t").expect("writing to a string does not fail");
    match (op, operation.ret()) {
        (_, Some(KvRet::Mismatch(_))) => return Err("it is a cas that saw another value"),
        (KvOp::Get { .. }, Some(KvRet::Value(value))) => match (holds, value) {
            (Holds::Texts { .. }, Value::Nil) => {}
            (Holds::Texts { grows: false }, Value::Text(text)) if text.is_empty() => return Err(EMPTY),
            (Holds::Texts { .. }, value) => write_text(out, value)?,
            (Holds::Scalars, value) => write_scalar(out, value)?,
        },
        (KvOp::Put { value, .. } | KvOp::Append { value, .. }, _) if lists => write_text(out, value)?,
        (KvOp::Put { value, .. }, _) => write_scalar(out, value)?,
        (KvOp::Cas { expected, new, .. }, _) => {
            if matches!(expected, Value::Text(text) if text.contains(':')) {
                return Err("the value that its cas expects has a colon");
            }
            write_scalar(out, expected)?;
            out.push(':');
            write_scalar(out, new)?;
        }
        _ => {}
    }
    out.push('\n');
    Ok(())
}

const EMPTY: &str = "its value is an empty text, which rows cannot tell from nothing";

fn write_text(out: &mut String, value: &Value) -> Result<(), &'static str> {
    let Value::Text(text) = value else { return Err("its value is no text") };
    if text.contains(['\t', '\n', '\r']) {
        return Err("its value has a tab or a line break");
    }
    out.push_str(text);
    Ok(())
}

fn write_scalar(out: &mut String, value: &Value) -> Result<(), &'static str> {
    match value {
        Value::Nil => Ok(()),
        Value::Int(number) => {
            write!(out, "{number}").expect("writing to a string does not fail");
            Ok(())
        }
        Value::Text(text) if text.is_empty() => Err(EMPTY),
        Value::Text(text) if scalar(text) != *value => {
            Err("its value is a text that would be read as a number")
        }
        Value::Text(_) => write_text(out, value),
        Value::List(_) => Err("its value is a list"),
    }
}
