//! The other direction: events as JSON Lines, such that reading them gives the same operations.
//!
//! One line per event, compact, always the same fields in the same order, so that equal runs write equal bytes.

use std::fmt::Write as _;

use serde::Serialize;

use super::convert::Told;
use super::events::is_mismatch;
use super::raw::Time;
use crate::history::{Completion, ProcessId};
use crate::kv::{KvOp, KvRet};
use crate::value::Value;

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Happening<'a> {
    /// An operation began.
    Invoke(&'a KvOp),
    /// It ended so.
    Complete(&'a KvOp, &'a Completion<KvRet>),
}

/// One event of a client, as a line of `history.jsonl`.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Its number in the history, from 0.
    pub index: u64,
    /// When, for display.
    pub time_ns: u64,
    /// Who.
    pub process: ProcessId,
    /// What happened.
    pub happening: Happening<'a>,
    /// The node that was asked.
    pub node: Option<&'a str>,
    /// What the client was told. A cas that ran and saw another value always has the error `precondition`;
    /// one that did not run never has.
    pub error: Option<&'a str>,
}

#[derive(Serialize)]
struct Fields<'a, P: Serialize, V: Serialize> {
    index: u64,
    time: Option<u64>,
    process: P,
    #[serde(rename = "type")]
    kind: &'a str,
    f: &'a str,
    key: Option<&'a str>,
    value: V,
    node: Option<&'a str>,
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<&'a Value>,
}

/// Appends the line of an event, with its newline.
///
/// # Panics
/// If an operation is said to have returned what operations of its kind never return.
pub fn write_event(out: &mut String, line: &Line<'_>) {
    let op = match line.happening {
        Happening::Invoke(op) | Happening::Complete(op, _) => op,
    };
    let f = match op {
        KvOp::Get { .. } => "read",
        KvOp::Put { .. } => "write",
        KvOp::Append { .. } => "append",
        KvOp::Cas { .. } => "cas",
        KvOp::Delete { .. } => "delete",
    };
    let mut value = match op {
        KvOp::Get { .. } | KvOp::Delete { .. } => Value::Nil,
        KvOp::Put { value, .. } | KvOp::Append { value, .. } => value.clone(),
        KvOp::Cas { expected, new, .. } => Value::List([expected.clone(), new.clone()].into()),
    };
    let (mut error, mut actual) = (line.error, None);
    let kind = match line.happening {
        Happening::Invoke(_) => "invoke",
        Happening::Complete(_, Completion::Ok(ret)) => match (op, ret) {
            (KvOp::Get { .. }, KvRet::Value(read)) => {
                value = read.clone();
                "ok"
            }
            (KvOp::Cas { .. }, KvRet::Mismatch(seen)) => {
                (error, actual) = (Some("precondition"), seen.as_ref());
                "fail"
            }
            (KvOp::Get { .. }, _) | (_, KvRet::Value(_) | KvRet::Mismatch(_)) => {
                panic!("{f} cannot have returned {ret:?}")
            }
            (_, KvRet::Done) => "ok",
        },
        Happening::Complete(_, Completion::Fail) => {
            error = error.map(|error| if is_mismatch(error) { "refused" } else { error });
            "fail"
        }
        Happening::Complete(_, Completion::Info) => "info",
    };
    let (index, time, process) = (line.index, Some(line.time_ns), line.process.0);
    let (key, node) = (Some(op.key().as_ref()), line.node);
    push(out, &Fields { index, time, process, kind, f, key, value, node, error, actual });
}

/// Appends the line of an event of any model, with its newline.
///
/// # Errors
/// None: JSON can hold every value.
pub(super) fn write_raw(out: &mut String, told: &Told<'_>) -> Result<(), &'static str> {
    let Told { index, raw, kind, value, place } = told;
    let failure = raw.failure.as_deref().filter(|_| *kind != "invoke");
    push(
        out,
        &Fields {
            index: *index,
            time: place.and_then(|place| place.time).map(Time::ns),
            process: raw.process.0,
            kind,
            f: &raw.function,
            key: raw.key.as_deref(),
            value,
            node: None,
            error: match failure {
                Some(failure) if failure.mismatch => Some("precondition"),
                other => other.and_then(|failure| failure.error.as_deref()),
            },
            actual: failure.and_then(|failure| failure.actual.as_ref()),
        },
    );
    Ok(())
}

/// Appends the line of a fault (process `nemesis`): its name and what it did, as any JSON.
pub fn write_fault(out: &mut String, index: u64, time_ns: u64, name: &str, value: &impl Serialize) {
    let (process, kind, f, time) = ("nemesis", "info", name, Some(time_ns));
    let (key, node, error, actual) = (None, None, None, None);
    push(out, &Fields { index, time, process, kind, f, key, value, node, error, actual });
}

fn push(out: &mut String, fields: &impl Serialize) {
    let text = serde_json::to_string(fields).expect("an event has texts as keys and no other failure");
    writeln!(out, "{text}").expect("writing to a string does not fail");
}
