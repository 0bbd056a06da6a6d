//! Key-value operations as they are recorded: registers, compare-and-set, lists, and transactions of one operation.

use std::sync::Arc;

use super::error::quote;
use super::keys::{key_of, pair};
use super::raw::{Ending, Failure, Misread, Place, RawOperation, RecordedSpec, TRANSACTION};
use crate::history::{Completion, Operation};
use crate::kv::{KvOp, KvRet, KvSpec};
use crate::value::Value;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Read,
    Write,
    Append,
    Cas,
    Delete,
}

/// The functions that are understood, for errors.
const FUNCTIONS: &str = "read (get), write (put), cas, append, delete or txn";

impl Function {
    fn named(name: &str) -> Option<Self> {
        match name {
            "read" | "get" | "r" => Some(Self::Read),
            "write" | "put" | "w" => Some(Self::Write),
            "append" => Some(Self::Append),
            "cas" => Some(Self::Cas),
            "delete" => Some(Self::Delete),
            _ => None,
        }
    }
}

/// The only step of a transaction: `[:append 7 1]`.
struct Step<'v> {
    head: &'v str,
    key: &'v Value,
    value: &'v Value,
}

/// The steps of a transaction, if that is what it is.
pub(super) fn steps(value: &Value) -> Option<&[Value]> {
    match value {
        Value::List(steps) => Some(steps),
        Value::Nil | Value::Int(_) | Value::Text(_) => None,
    }
}

/// What the only step of a transaction does, by its name there (`r`, `w`, `append`).
pub(crate) fn only_function(value: &Value) -> Option<&str> {
    only_step(value).ok().map(|step| step.head)
}

fn only_step(value: &Value) -> Result<Step<'_>, String> {
    let Some(steps) = steps(value) else {
        return Err("expected a transaction like [[:append 7 1]]".to_owned());
    };
    let [step] = steps else {
        return Err(format!(
            "this transaction has {} operations; expected exactly one each, as operations on one key have",
            steps.len()
        ));
    };
    let parts = match step {
        Value::List(parts) => parts.as_ref(),
        Value::Nil | Value::Int(_) | Value::Text(_) => &[],
    };
    let [Value::Text(head), key, value] = parts else {
        return Err(format!("expected [:append key value], not {}", quote(&step.to_string())));
    };
    Ok(Step { head: head.trim_start_matches(':'), key, value })
}

fn step_key(key: &Value) -> Result<Arc<str>, String> {
    key_of(key).ok_or_else(|| format!("{} is no key; expected a text or a number", quote(&key.to_string())))
}

/// What is asked for: what to do, to which key, with which value.
fn asked(raw: &RawOperation) -> Result<(Function, Arc<str>, Option<&Value>), Misread> {
    if raw.function.as_ref() != TRANSACTION {
        let function = Function::named(&raw.function).ok_or_else(|| {
            Misread::asked(format!("unknown operation {}; expected {FUNCTIONS}", quote(&raw.function)))
        })?;
        return Ok((function, raw.key.clone().unwrap_or_default(), raw.asked.as_ref()));
    }
    let step = only_step(raw.asked()?).map_err(Misread::asked)?;
    let function = match step.head {
        "r" => Function::Read,
        "w" => Function::Write,
        "append" => Function::Append,
        other => {
            let message =
                format!("{} is no operation of transactions; expected :r, :w or :append", quote(other));
            return Err(Misread::asked(message));
        }
    };
    Ok((function, step_key(step.key).map_err(Misread::asked)?, Some(step.value)))
}

/// What is told of an operation on `key` that returned.
fn told<'r>(raw: &'r RawOperation, key: &Arc<str>) -> Result<&'r Value, Misread> {
    let value = raw.told()?;
    if raw.function.as_ref() != TRANSACTION {
        return Ok(value);
    }
    let step = only_step(value).map_err(Misread::told)?;
    let began = raw.asked.as_ref().and_then(only_function);
    if began != Some(step.head) || step_key(step.key).map_err(Misread::told)? != *key {
        let message = format!(
            "the transaction completes as another one than it began in line {}; expected the same",
            raw.invocation.line()
        );
        return Err(Misread::told(message));
    }
    Ok(step.value)
}

impl RecordedSpec for KvSpec {
    fn read(raw: &RawOperation) -> Result<(KvOp, Completion<KvRet>), Misread> {
        let (function, key, value) = asked(raw)?;
        let needed = || raw.asked().map(|_| value.unwrap_or(&Value::Nil).clone());
        let op = match function {
            Function::Read => KvOp::Get { key: Arc::clone(&key) },
            Function::Delete => KvOp::Delete { key: Arc::clone(&key) },
            Function::Write => KvOp::Put { key: Arc::clone(&key), value: needed()? },
            Function::Append if needed()? == Value::Nil => {
                return Err(Misread::asked("an append needs the value it appends"));
            }
            Function::Append => KvOp::Append { key: Arc::clone(&key), value: needed()? },
            Function::Cas => {
                let value = needed()?;
                let Some((expected, new)) = pair(&value) else {
                    let message = format!(
                        "expected the value of a cas as [old new], not {}",
                        quote(&value.to_string())
                    );
                    return Err(Misread::asked(message));
                };
                KvOp::Cas { key: Arc::clone(&key), expected: expected.clone(), new: new.clone() }
            }
        };
        if function == Function::Cas && raw.ending == Ending::Fail && raw.is_mismatch() {
            let seen = raw.failure.as_ref().and_then(|failure| failure.actual.clone());
            return Ok((op, Completion::Ok(KvRet::Mismatch(seen))));
        }
        let completion = raw.completed(|| match function {
            Function::Read => Ok(KvRet::Value(told(raw, &key)?.clone())),
            Function::Delete => Ok(KvRet::Done),
            _ => match repeats(&op, told(raw, &key)?) {
                true => Ok(KvRet::Done),
                false => Err(Misread::told(format!(
                    "the {} completes with another value than that of its invocation in line {}; expected the same, or nil",
                    raw.function,
                    raw.invocation.line()
                ))),
            },
        })?;
        Ok((op, completion))
    }
}

/// Whether the value of an acknowledged write is the one that was invoked (or none).
fn repeats(op: &KvOp, told: &Value) -> bool {
    match op {
        _ if *told == Value::Nil => true,
        KvOp::Delete { .. } => true,
        KvOp::Get { .. } => false,
        KvOp::Put { value, .. } | KvOp::Append { value, .. } => value == told,
        KvOp::Cas { expected, new, .. } => pair(told) == Some((expected, new)),
    }
}

/// The function of an operation as this project records it.
pub(super) fn function(op: &KvOp) -> &'static str {
    match op {
        KvOp::Get { .. } => "read",
        KvOp::Put { .. } => "write",
        KvOp::Append { .. } => "append",
        KvOp::Cas { .. } => "cas",
        KvOp::Delete { .. } => "delete",
    }
}

/// The other direction: the operation of a history of a key-value store, as it would be recorded.
pub(super) fn raw(operation: &Operation<KvOp, KvRet>, line: u64) -> RawOperation {
    let Operation { process, op, invoked, returned, completion } = operation;
    let asked = match op {
        KvOp::Get { .. } | KvOp::Delete { .. } => Value::Nil,
        KvOp::Put { value, .. } | KvOp::Append { value, .. } => value.clone(),
        KvOp::Cas { expected, new, .. } => Value::List([expected.clone(), new.clone()].into()),
    };
    let (mut told, mut failure) = (asked.clone(), None);
    let ending = match completion {
        Completion::Ok(KvRet::Mismatch(seen)) => {
            failure = Some(Box::new(Failure {
                mismatch: true,
                actual: seen.clone(),
                error: Some("precondition".into()),
            }));
            Ending::Fail
        }
        Completion::Ok(KvRet::Value(value)) => {
            told = value.clone();
            Ending::Ok
        }
        Completion::Ok(KvRet::Done) => Ending::Ok,
        Completion::Fail => Ending::Fail,
        Completion::Info => Ending::Info,
    };
    let place = Place::new(line, 0, None);
    RawOperation {
        process: *process,
        function: function(op).into(),
        key: Some(Arc::clone(op.key())).filter(|key| !key.is_empty()),
        asked: Some(asked),
        ending,
        told: Some(told),
        failure,
        invoked: *invoked,
        completed: *returned,
        invocation: place,
        completion: returned.map(|_| place),
    }
}
