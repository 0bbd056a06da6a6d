//! Transactions as they are recorded: by Elle, Jepsen and Maelstrom in EDN (`[[:append 255 8] [:r 253 [1 3 4]]]`) or
//! JSON (`[["append", 9, 11], ["r", "x", [1]]]`); and single operations, each as a transaction of one step.
//!
//! What was read is taken from completions; of transactions that did not commit only what they asked for counts.

use std::borrow::Cow;
use std::sync::Arc;

use super::history::{Access, Status};
use super::{
    Datatype, Judgement, Level, Options as Wanted, Transaction, TransactionHistory,
    TransactionHistoryBuilder, Unfit, check, verify,
};
use crate::certificate::NotProven;
use crate::format::{Ending, FormatError, Misread, RawOperation, Recorded, TRANSACTION};
use crate::history::{Completion, OpId, op_id};
use crate::judge::Options;
use crate::model::{Answer, Definition, JudgedHistory, Usage};
use crate::render::Lane;
use crate::value::Value;
use crate::verdict::{Bounds, CheckOutcome, Verdict};

/// Lists over several keys.
pub(crate) static LIST_APPEND: Definition = Definition {
    name: "list-append",
    aliases: &["elle-list-append", "txn-list-append"],
    description: "transactions that read lists and append to them: isolation, strict serializability at best",
    functions: &[TRANSACTION, "read", "get", "r", "append"],
    plain: |usage| {
        usage.functions.contains_key(TRANSACTION) && !["w", "swap"].iter().any(|name| some_step(usage, name))
    },
    judge: |recorded, options, bounds| judge(recorded, Datatype::ListAppend, options, bounds),
};

/// Registers over several keys.
pub(crate) static RW_REGISTER: Definition = Definition {
    name: "rw-register",
    aliases: &["elle-rw-register", "txn-rw-register"],
    description: "transactions that read and write registers: isolation, strict serializability at best",
    functions: &[TRANSACTION, "read", "get", "r", "write", "put", "w"],
    plain: |usage| usage.functions.contains_key(TRANSACTION) && !some_step(usage, "swap"),
    judge: |recorded, options, bounds| judge(recorded, Datatype::Register, options, bounds),
};

/// Whether some transaction has a step of this name.
pub(crate) fn some_step(usage: &Usage<'_, '_>, name: &str) -> bool {
    let of_transaction = |raw: &RawOperation| {
        let steps = raw.asked.as_ref().and_then(Value::as_list).unwrap_or(&[]);
        steps.iter().any(|value| step(value).is_ok_and(|(head, ..)| head == name))
    };
    usage.recorded.operations().any(|raw| raw.function.as_ref() == TRANSACTION && of_transaction(&raw))
}

fn judge(
    recorded: &Recorded<'_>,
    datatype: Datatype,
    options: &Options,
    bounds: &Bounds<'_>,
) -> Result<Answer<'static>, FormatError> {
    let history = read(recorded, datatype)?;
    let judged = check(&history, &Wanted { level: options.level }, bounds);
    let Judgement { outcome, order, .. } = judged;
    Ok(Answer { outcome, history: Arc::new(JudgedTransactions { history, level: options.level, order }) })
}

/// Transactions that were judged, with what proves it.
#[derive(Debug)]
struct JudgedTransactions {
    history: TransactionHistory,
    level: Level,
    order: Option<(Level, Vec<OpId>)>,
}

impl JudgedHistory for JudgedTransactions {
    fn len(&self) -> usize {
        self.history.len()
    }

    fn verify(&self, outcome: &CheckOutcome) -> Result<(), NotProven> {
        let unproven = || NotProven::Unsupported { partition: String::new(), verdict: Some(outcome.verdict) };
        match outcome.verdict {
            Verdict::Vacuous | Verdict::Unknown => Ok(()),
            Verdict::Invalid => {
                let proven = |violation| verify::violation(&self.history, self.level, violation).is_ok();
                let some = !outcome.violations.is_empty();
                if some && outcome.violations.iter().all(proven) { Ok(()) } else { Err(unproven()) }
            }
            // Levels for which there need not be a serial order have no proof of this kind.
            Verdict::Valid => match &self.order {
                Some((level, order)) if level.implies(self.level) => {
                    verify::serial_order(&self.history, *level, order).map_err(|_| unproven())
                }
                _ => Err(NotProven::NoCertificates(
                    "the level holds without a serial order, and nothing else proves transactions valid",
                )),
            },
        }
    }

    fn words(&self, id: OpId) -> String {
        let steps: Vec<String> =
            self.history.get(id).micro_operations.iter().map(ToString::to_string).collect();
        steps.join(", ")
    }

    fn ending(&self, id: OpId) -> Ending {
        match self.history.status(id.0) {
            Status::Ok => Ending::Ok,
            Status::Fail => Ending::Fail,
            Status::Info => Ending::Info,
        }
    }

    fn lane(&self, id: OpId) -> Lane {
        let Transaction { process, invoked, returned, completion, .. } = self.history.get(id);
        let words = format!("T{}: {}", id.0, JudgedHistory::words(self, id));
        Lane { id, process, words, invoked, returned, failed: completion == Completion::Fail }
    }
}

/// The transactions of a recorded history.
///
/// # Errors
/// At the first operation that is none of the datatype's transactions.
pub fn read(recorded: &Recorded<'_>, datatype: Datatype) -> Result<TransactionHistory, FormatError> {
    let mut builder = TransactionHistory::builder(datatype);
    for (index, raw) in recorded.operations().enumerate() {
        transaction(&mut builder, &raw).map_err(|misread| recorded.misread(op_id(index), &misread))?;
    }
    builder.build().map_err(|unfit| {
        let last = op_id(recorded.len().saturating_sub(1));
        recorded.misread(last, &Misread::asked(unfit.to_string()))
    })
}

fn transaction(builder: &mut TransactionHistoryBuilder, raw: &RawOperation) -> Result<(), Misread> {
    let (status, returned) = match raw.ending {
        Ending::Ok => (Status::Ok, raw.completed),
        Ending::Fail => (Status::Fail, raw.completed),
        Ending::Info => (Status::Info, None),
    };
    let asked = raw.asked()?;
    let unfit = |unfit: Unfit| Misread::asked(unfit.to_string());
    if raw.function.as_ref() == TRANSACTION {
        let steps = steps(asked).map_err(Misread::asked)?;
        let told = match raw.ending {
            Ending::Ok => Some(told(raw, steps)?),
            Ending::Fail | Ending::Info => None,
        };
        for (at, asked) in steps.iter().enumerate() {
            let (head, key, value) = step(asked).map_err(Misread::asked)?;
            let result = match told {
                Some(told) => Some(step(&told[at]).map_err(Misread::told)?.2),
                None => None,
            };
            let key = name(key)
                .ok_or_else(|| Misread::asked(format!("{key} is no key; expected a text or a number")))?;
            let access = access(builder.datatype(), head, value, result).map_err(Misread::asked)?;
            builder.step(&key, access).map_err(unfit)?;
        }
    } else {
        let result = if raw.ending == Ending::Ok { Some(raw.told()?) } else { None };
        let access = access(builder.datatype(), &raw.function, asked, result).map_err(Misread::asked)?;
        builder.step(raw.key.as_deref().unwrap_or_default(), access).map_err(unfit)?;
    }
    builder.end(raw.process, raw.invoked, returned, status).map_err(|error| unfit(error.into()))
}

/// The steps that a committed transaction tells: those that it was asked for, with what its reads showed.
fn told<'r>(raw: &'r RawOperation, asked: &[Value]) -> Result<&'r [Value], Misread> {
    let told = steps(raw.told()?).map_err(Misread::told)?;
    let same = |(asked, told): (&Value, &Value)| match (step(asked), step(told)) {
        (Ok((head, key, value)), Ok((told_head, told_key, told_value))) => {
            head == told_head && key == told_key && (head == "r" || value == told_value)
        }
        _ => false,
    };
    if told.len() != asked.len() || !asked.iter().zip(told).all(same) {
        let line = raw.invocation.line();
        let message = format!(
            "the transaction completes as another one than it began in line {line}; expected the same"
        );
        return Err(Misread::told(message));
    }
    Ok(told)
}

fn steps(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::List(steps) => Ok(steps),
        _ => Err("expected a transaction like [[:append 7 1] [:r 8 nil]]".to_owned()),
    }
}

/// One step: what it does, to which key, with which value.
fn step(value: &Value) -> Result<(&str, &Value, &Value), String> {
    match value {
        Value::List(parts) => match parts.as_ref() {
            [Value::Text(head), key, value] => Ok((head.trim_start_matches(':'), key, value)),
            _ => Err(format!(
                "expected [:append key value] or [:r key nil], not {}",
                crate::words::brief(&value.to_string())
            )),
        },
        _ => Err(format!(
            "expected [:append key value] or [:r key nil], not {}",
            crate::words::brief(&value.to_string())
        )),
    }
}

fn name(key: &Value) -> Option<Cow<'_, str>> {
    match key {
        Value::Text(text) => Some(Cow::Borrowed(text.strip_prefix(':').unwrap_or(text))),
        Value::Int(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

/// What a step does to its key.
fn access<'v>(
    datatype: Datatype,
    head: &str,
    asked: &'v Value,
    result: Option<&'v Value>,
) -> Result<Access<'v>, String> {
    match (datatype, head) {
        (_, "r" | "read" | "get") => Ok(Access::Read(result)),
        (Datatype::ListAppend, "append") | (Datatype::Register, "w" | "write" | "put") => {
            Ok(Access::Write(asked))
        }
        (Datatype::ListAppend, other) => {
            Err(format!("{other:?} is no operation on lists; expected r or append"))
        }
        (Datatype::Register, other) => {
            Err(format!("{other:?} is no operation on registers; expected r or w"))
        }
    }
}
