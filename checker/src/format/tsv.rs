//! The compact TSV: `client, call, return (-1: never), kind (g p a r w c), key, value`, `#` comments.
//!
//! The stamps decide, not the order of the lines. Lists (g p a) are concatenated tokens, empty if absent;
//! registers (r w c) hold numbers, texts or, empty, nothing; a cas has `from:to`.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::error::{FormatError, Line, Source, quote};
use super::{Format, Parsed, events_error};
use crate::history::{Completion, History, Operation, ProcessId};
use crate::kv::{KvOp, KvRet};
use crate::value::Value;

const COLUMNS: usize = 6;
const EXPECTED: &str =
    "expected client, call, return (-1: never), kind (g p a r w c), key, value between tabs";

/// Whether a line is one of this format.
pub(super) fn is_row(line: &str) -> bool {
    let columns: Vec<_> = line.split('\t').collect();
    // An editor may have cut the tab before an empty value; that is told when it is read.
    (COLUMNS - 1..=COLUMNS).contains(&columns.len())
        && columns[0].parse::<u64>().is_ok()
        && matches!(columns[3], "g" | "p" | "a" | "r" | "w" | "c")
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    List,
    Register,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::List => "list (g p a)",
            Self::Register => "register (r w c)",
        }
    }
}

struct Rows<'a> {
    source: Source<'a>,
    keys: FxHashMap<&'a str, (Arc<str>, Kind, u64)>,
}

/// Reads them all.
pub(super) fn parse(source: Source<'_>) -> Result<Parsed, FormatError> {
    let mut rows = Rows { source, keys: FxHashMap::default() };
    let mut operations = Vec::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next()? {
        if line.text.trim().is_empty() || line.text.starts_with('#') {
            continue;
        }
        let bound = source.limits.operations_max;
        if operations.len() >= bound {
            let message = format!(
                "more than {bound} operations, the bound of one history (operations_max); split it by key"
            );
            return Err(source.error(line.offset, message));
        }
        operations.push((line.number, rows.operation(line)?));
    }
    // As the history sorts them; stable, so that the lines stay with their operations.
    operations.sort_by_key(|(_, operation)| (operation.invoked, operation.returned.unwrap_or(u64::MAX)));
    let lines = operations.iter().map(|(line, _)| *line).collect();
    let history =
        History::from_intervals(operations).map_err(|malformed| events_error(source, &malformed))?;
    Ok(Parsed { history, format: Format::CompactTsv, lines, fault_events: 0, log_messages: 0 })
}

impl<'a> Rows<'a> {
    fn operation(&mut self, line: Line<'a>) -> Result<Operation<KvOp, KvRet>, FormatError> {
        let source = self.source;
        let columns: Vec<_> = line.text.split('\t').collect();
        let [client, call, back, kind, key, value] = columns[..] else {
            let message = format!("{} columns; {EXPECTED}", columns.len());
            return Err(source.error(line.offset, message));
        };
        let at = |column: &str| line.offset + (column.as_ptr() as usize - line.text.as_ptr() as usize);
        let number = |column: &str, what: &str| {
            column.parse::<u64>().map_err(|_| {
                let message = format!("{} is no {what}; expected a whole number from 0", quote(column));
                source.error(at(column), message)
            })
        };
        let process = ProcessId(number(client, "client")?);
        let invoked = number(call, "stamp of a call")?;
        let returned = if back == "-1" { None } else { Some(number(back, "stamp of a return (-1: never)")?) };
        if returned.is_some_and(|returned| returned < invoked) {
            let message =
                format!("it returned ({back}) before it was called ({call}); expected call <= return");
            return Err(source.error(at(back), message));
        }
        let holds = match kind {
            "g" | "p" | "a" => Kind::List,
            "r" | "w" | "c" => Kind::Register,
            _ => {
                let message = format!("unknown kind {}; expected one of g p a r w c", quote(kind));
                return Err(source.error(at(kind), message));
            }
        };
        let key = self.key(key, holds, line)?;
        let mut ret = KvRet::Done;
        let op = match kind {
            "g" => {
                ret = KvRet::Value(if value.is_empty() { Value::Nil } else { value.into() });
                KvOp::Get { key }
            }
            "p" => KvOp::Put { key, value: value.into() },
            "a" => KvOp::Append { key, value: value.into() },
            "r" => {
                ret = KvRet::Value(scalar(value));
                KvOp::Get { key }
            }
            "w" => KvOp::Put { key, value: scalar(value) },
            _ => {
                let Some((expected, new)) = value.split_once(':') else {
                    let message = format!("{} is no change; expected from:to", quote(value));
                    return Err(source.error(at(value), message));
                };
                KvOp::Cas { key, expected: scalar(expected), new: scalar(new) }
            }
        };
        let completion = if returned.is_some() { Completion::Ok(ret) } else { Completion::Info };
        Ok(Operation { process, op, invoked, returned, completion })
    }

    fn key(&mut self, key: &'a str, holds: Kind, line: Line<'a>) -> Result<Arc<str>, FormatError> {
        let (shared, held, since) =
            self.keys.entry(key).or_insert_with(|| (Arc::from(key), holds, line.number));
        if *held != holds {
            let message = format!(
                "key {} is used as a {} here but as a {} in line {since}; expected one of them",
                quote(key),
                holds.name(),
                held.name()
            );
            return Err(self.source.error(line.offset, message));
        }
        Ok(Arc::clone(shared))
    }
}

/// Nothing, a number or a text. Only numbers that are written as numbers are: `007` is not `7`.
pub(super) fn scalar(text: &str) -> Value {
    match text.parse::<i64>() {
        _ if text.is_empty() => Value::Nil,
        Ok(number) if number.to_string() == text => Value::Int(number),
        _ => text.into(),
    }
}
