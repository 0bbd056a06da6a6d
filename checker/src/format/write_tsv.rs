//! Histories as compact TSV, such that reading them gives the same operations.

use std::fmt::Write as _;

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

/// All of a history, an operation a line, in the order of their invocations.
///
/// # Errors
/// At the first operation that the format cannot express: one that failed, a delete, a list that is no text.
pub fn write_tsv(history: &History<KvOp, KvRet>) -> Result<String, Unwritable> {
    let mut out = String::new();
    let lists = history.operations().iter().any(|operation| matches!(operation.op, KvOp::Append { .. }));
    for (number, operation) in history.operations().iter().enumerate() {
        write_row(&mut out, operation, lists).map_err(|cause| Unwritable { operation: number, cause })?;
    }
    Ok(out)
}

fn write_row(out: &mut String, operation: &Operation<KvOp, KvRet>, lists: bool) -> Result<(), &'static str> {
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
        KvOp::Append { .. } => 'a',
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
        (KvOp::Get { .. }, Some(KvRet::Value(value))) => write_value(out, value, lists)?,
        (KvOp::Put { value, .. } | KvOp::Append { value, .. }, _) => write_value(out, value, lists)?,
        (KvOp::Cas { expected, new, .. }, _) => {
            write_value(out, expected, lists)?;
            out.push(':');
            write_value(out, new, lists)?;
        }
        _ => {}
    }
    out.push('\n');
    Ok(())
}

fn write_value(out: &mut String, value: &Value, lists: bool) -> Result<(), &'static str> {
    match value {
        Value::Nil => {}
        Value::Int(number) if !lists => write!(out, "{number}").expect("writing to a string does not fail"),
        Value::Text(text) if text.contains(['\t', '\n', '\r']) => {
            return Err("its value has a tab or a line break");
        }
        Value::Text(text) => out.push_str(text),
        Value::Int(_) | Value::List(_) => return Err("its value is a list that is no text"),
    }
    Ok(())
}
