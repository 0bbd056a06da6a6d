//! Recorded histories: from the bytes that other tools wrote to operations, and back to text.
//!
//! Nothing is ever skipped silently: what is neither an operation nor plainly something else (a fault, a log
//! message) is a [`FormatError`] with its place. In lists of events the order of the lines decides and times are
//! for display; in the compact TSV the stamps decide. Files are the caller's business.

mod convert;
mod edn;
mod error;
mod events;
mod jepsen_log;
mod json_lines;
mod key_value;
mod keys;
mod pairing;
mod parts;
mod raw;
mod recorded;
mod rows;
mod scan;
mod table;
mod tsv;
mod write;
mod write_edn;
mod write_tsv;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use convert::Inexpressible;
pub use error::FormatError;
pub(crate) use error::shortened;
use error::{Source, quote};
pub(crate) use key_value::only_function;
pub(crate) use keys::{key_of, pair};
pub use raw::{Ending, Failure, Misread, Place, RawOperation, RecordedSpec, TRANSACTION, Time};
pub use recorded::Recorded;
pub(crate) use rows::{ByKey, Rows};
pub use write::{Happening, Line, write_event, write_fault};
pub use write_tsv::{Unwritable, write_tsv};

use crate::history::{History, Malformed};
use crate::kv::{KvOp, KvRet};

/// A way in which histories are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// One JSON object per line and event, as this project writes them.
    JsonLines,
    /// Operation maps in EDN as Jepsen, Knossos, Elle, Maelstrom and Porcupine's key-value logs have them.
    JepsenEdn,
    /// Jepsen's text logs.
    JepsenLog,
    /// One operation per line with the stamps of its call and its return.
    CompactTsv,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::JsonLines, Self::JepsenEdn, Self::JepsenLog, Self::CompactTsv];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonLines => "jsonl",
            Self::JepsenEdn => "edn",
            Self::JepsenLog => "jepsen-log",
            Self::CompactTsv => "tsv",
        }
    }

    /// Other names under which it is known.
    pub fn aliases(self) -> &'static [&'static str] {
        match self {
            Self::JsonLines => &["json-lines", "json", "ndjson"],
            Self::JepsenEdn => {
                &["jepsen", "jepsen-edn", "knossos", "porcupine", "maelstrom", "elle", "elle-list-append"]
            }
            Self::JepsenLog => &["log", "jepsen-txt"],
            Self::CompactTsv => &["compact", "compact-tsv"],
        }
    }

    /// What it is, in one line.
    pub fn description(self) -> &'static str {
        match self {
            Self::JsonLines => {
                "JSON Lines, one event each: process, type, f, key, value; or one array of events"
            }
            Self::JepsenEdn => {
                "Jepsen operation maps or [process type f value], one per line or in one vector; Porcupine, Maelstrom, Elle"
            }
            Self::JepsenLog => "Jepsen text log or history.txt: process, :invoke/:ok/:fail/:info, :f, value",
            Self::CompactTsv => {
                "one operation per line: client, call, return (-1: never), g/p/a/r/w/c, key, value"
            }
        }
    }

    /// The format of a recorded history, by its content; by its name where it has none.
    ///
    /// # Errors
    /// If neither tells, with the names to choose from.
    pub fn detect(name: &str, bytes: &[u8]) -> Result<Self, FormatError> {
        Self::of_source(&Source::new(name, bytes, Limits::default())?)
    }

    fn of_source(source: &Source<'_>) -> Result<Self, FormatError> {
        let told = Self::of_content(source.text).or_else(|| Self::of_name(source.name));
        told.or_else(|| Self::of_brackets(source.text)).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|format| format.name()).collect();
            let cause = if source.text.trim().is_empty() { "an empty file" } else { "this content" };
            let message = format!(
                "cannot tell the format from {cause} and this name; name it, one of {}",
                names.join(", ")
            );
            source.error(0, message)
        })
    }

    fn of_content(text: &str) -> Option<Self> {
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        let first = lines.clone().next()?;
        if first.trim_start().starts_with(';') {
            return Some(Self::JepsenEdn);
        }
        let Some(line) = lines.find(|line| !line.starts_with('#') || edn::is_tag(line)) else {
            return Some(Self::CompactTsv);
        };
        // From that line on: an array may open in one line and hold its first event in the next.
        let from = line.as_ptr() as usize - text.as_ptr() as usize;
        let opened = text[from..].trim_start();
        let inside = opened.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '[' | '('));
        let map = inside.strip_prefix('{').map(str::trim_start);
        if tsv::is_row(line) {
            Some(Self::CompactTsv)
        } else if map.is_some_and(|map| map.starts_with('"')) {
            Some(Self::JsonLines)
        } else if edn::is_tag(inside)
            || map.is_some_and(|map| map.starts_with([':', '}']) || map.is_empty())
            || (opened.starts_with(['[', '(']) && edn::is_tuple(inside))
        {
            Some(Self::JepsenEdn)
        } else if jepsen_log::is_log_line(line) {
            Some(Self::JepsenLog)
        } else {
            None
        }
    }

    /// The format of an empty collection, which may be of two.
    fn of_brackets(text: &str) -> Option<Self> {
        text.trim_start().starts_with(['[', '(']).then_some(Self::JepsenEdn)
    }

    fn of_name(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "jsonl" | "json" | "ndjson" => Some(Self::JsonLines),
            "edn" => Some(Self::JepsenEdn),
            "log" | "txt" => Some(Self::JepsenLog),
            "tsv" => Some(Self::CompactTsv),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that names nothing, with those that do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {name}; expected one of {expected}")]
pub struct UnknownName {
    /// What it should have named.
    pub what: &'static str,
    /// The name, quoted.
    pub name: String,
    /// The names that are known, joined by commas.
    pub expected: String,
}

impl UnknownName {
    pub(crate) fn new(what: &'static str, name: &str, known: &[&str]) -> Self {
        Self { what, name: quote(name), expected: known.join(", ") }
    }
}

impl FromStr for Format {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let of_that_name = |format: &Self| format.name() == name || format.aliases().contains(&name);
        Self::ALL
            .into_iter()
            .find(of_that_name)
            .ok_or_else(|| UnknownName::new("format", name, &Self::ALL.map(Self::name)))
    }
}

/// The bounds of reading. Beyond one it is an error that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one line, or of one operation map in EDN.
    pub line_bytes_max: usize,
    /// Operations of one history.
    pub operations_max: usize,
    /// Threads that may read parts of a large input side by side, at least 1. What is read does not depend on it.
    pub threads: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line_bytes_max: 1 << 26, operations_max: 100_000_000, threads: 1 }
    }
}

/// A recorded history of a key-value store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The operations.
    pub history: History<KvOp, KvRet>,
    /// How they were recorded.
    pub format: Format,
    /// Per operation, by [`crate::OpId`]: the line of its invocation.
    pub lines: Vec<u64>,
    /// Events of processes that are no clients (`nemesis`, `monitor`), left out.
    pub fault_events: usize,
    /// Log messages between the operations of a text log, left out.
    pub log_messages: usize,
}

/// Reads a recorded history; `name` is for errors and, where the content does not tell, the format.
///
/// ```
/// use squall_checker::format::{Limits, read};
/// let text = br#"{"process":1,"type":"invoke","f":"enqueue","value":17}
/// {"process":1,"type":"ok","f":"enqueue","value":17}"#;
/// let recorded = read("history.jsonl", text, None, Limits::default()).unwrap();
/// assert_eq!(recorded.operations().next().unwrap().to_string(), "enqueue 17");
/// ```
///
/// # Errors
/// At the first thing that is not plainly part of a history in that format.
pub fn read<'a>(
    name: &'a str,
    bytes: &'a [u8],
    format: Option<Format>,
    limits: Limits,
) -> Result<Recorded<'a>, FormatError> {
    let source = Source::new(name, bytes, limits)?;
    let format = format.map_or_else(|| Format::of_source(&source), Ok)?;
    let events = match format {
        Format::JsonLines => parts::events(source, json_lines::is_array(source), json_lines::Reader::new)?,
        Format::JepsenEdn => parts::events(source, edn::is_collection(source), edn::Reader::new)?,
        Format::JepsenLog => parts::events(source, false, jepsen_log::Reader::new)?,
        Format::CompactTsv => return Ok(Recorded::from_rows(source, tsv::parse(source)?)),
    };
    Recorded::from_events(source, format, events)
}

/// Reads the recorded history of a key-value store.
///
/// ```
/// use squall_checker::format::{Limits, parse};
/// let recorded = br#"{"process":1,"type":"invoke","f":"append","key":"k3","value":17}
/// {"process":1,"type":"ok","f":"append","key":"k3","value":17}"#;
/// let parsed = parse("history.jsonl", recorded, None, Limits::default()).unwrap();
/// assert_eq!(parsed.history.len(), 1);
/// ```
///
/// # Errors
/// As [`read`], and at the first operation that a key-value store does not have.
pub fn parse(
    name: &str,
    bytes: &[u8],
    format: Option<Format>,
    limits: Limits,
) -> Result<Parsed, FormatError> {
    let recorded = read(name, bytes, format, limits)?;
    let history = recorded.key_value()?;
    let (format, fault_events, log_messages) =
        (recorded.format(), recorded.fault_events(), recorded.log_messages());
    let lines = history.iter().map(|(id, _)| recorded.line(id)).collect();
    drop(recorded);
    let history = Arc::try_unwrap(history).unwrap_or_else(|shared| shared.as_ref().clone());
    Ok(Parsed { history, format, lines, fault_events, log_messages })
}

/// What the history itself found wrong.
fn events_error(source: Source<'_>, malformed: &Malformed) -> FormatError {
    let line = match malformed {
        Malformed::CompletionWithoutInvocation { place, .. }
        | Malformed::TwoInvocations { place, .. }
        | Malformed::Backwards { place, .. }
        | Malformed::Overlap { place, .. }
        | Malformed::NoReturn { place } => *place,
        Malformed::TooLarge { .. } => 1,
    };
    source.error(source.line_offset(line), malformed.to_string())
}
