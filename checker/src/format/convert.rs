//! Recorded histories in another format, such that reading them again gives the same operations.
//!
//! Operations become events in an order that tells the same story: at one stamp invocations come before
//! completions, for closed intervals that touch are concurrent, also those of one process. What a format cannot say is an error, never left
//! out.

use std::collections::BTreeMap;

use super::raw::{Ending, Place, RawOperation};
use super::write::write_raw;
use super::write_edn::write_edn;
use super::write_tsv::write_tsv;
use super::{Format, Recorded};
use crate::history::{OpId, ProcessId, op_id};
use crate::value::Value;

/// Why a recorded history cannot be written in a format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {format} cannot hold this operation: {cause}")]
pub struct Inexpressible {
    /// The name of the source.
    pub file: String,
    /// The line of the operation's invocation.
    pub line: u64,
    /// The format asked for.
    pub format: Format,
    /// What it has no way to say.
    pub cause: String,
}

/// What one event says.
pub(super) struct Told<'r> {
    /// Its number, from 0.
    pub(super) index: u64,
    pub(super) raw: &'r RawOperation,
    /// `invoke`, `ok`, `fail` or `info`.
    pub(super) kind: &'static str,
    /// The value of this event.
    pub(super) value: &'r Value,
    /// The event, where there was one.
    pub(super) place: Option<Place>,
}

impl Recorded<'_> {
    /// All of it as text in another format.
    ///
    /// ```
    /// use squall_checker::format::{Format, Limits, read};
    /// let row = b"0\t3\t5\tw\tx\t1\n";
    /// let recorded = read("history.tsv", row, None, Limits::default()).unwrap();
    /// let text = recorded.converted(Format::JepsenEdn).unwrap();
    /// assert_eq!(text.lines().next().unwrap(), r#"{:index 0, :process 0, :type :invoke, :f :write, :key "x", :value 1}"#);
    /// ```
    ///
    /// # Errors
    /// At the first operation that the format cannot hold; text logs are only read.
    pub fn converted(&self, format: Format) -> Result<String, Inexpressible> {
        let mut text = String::new();
        match format {
            Format::JsonLines => self.each_event(format, |told| write_raw(&mut text, told))?,
            Format::JepsenEdn => self.each_event(format, |told| write_edn(&mut text, told))?,
            Format::JepsenLog => {
                let cause = "text logs are only read; write jsonl, edn or tsv";
                return Err(self.inexpressible(format, op_id(0), cause));
            }
            Format::CompactTsv => return self.as_tsv(),
        }
        Ok(text)
    }

    fn inexpressible(&self, format: Format, id: OpId, cause: impl Into<String>) -> Inexpressible {
        let line = if self.is_empty() { 1 } else { self.line(id) };
        Inexpressible { file: self.name().to_owned(), line, format, cause: cause.into() }
    }

    fn as_tsv(&self) -> Result<String, Inexpressible> {
        let format = Format::CompactTsv;
        let history = self.key_value().map_err(|error| Inexpressible {
            file: error.file,
            line: error.line,
            format,
            cause: format!("rows are operations of a key-value store, and {}", error.message),
        })?;
        write_tsv(&history).map_err(|error| self.inexpressible(format, op_id(error.operation), error.cause))
    }

    /// Tells every event in an order from which the same operations are read.
    fn each_event(
        &self,
        format: Format,
        mut write: impl FnMut(&Told<'_>) -> Result<(), &'static str>,
    ) -> Result<(), Inexpressible> {
        let mut open: BTreeMap<ProcessId, OpId> = BTreeMap::new();
        let mut index = 0;
        let mut tell = |id: OpId, completes: bool| {
            let raw = self.operation(id);
            let (kind, value, place) = match (completes, raw.ending) {
                (false, _) => ("invoke", &raw.asked, Some(raw.invocation)),
                (true, Ending::Ok) => ("ok", &raw.told, raw.completion),
                (true, Ending::Fail) => ("fail", &raw.told, raw.completion),
                (true, Ending::Info) => ("info", &raw.told, raw.completion),
            };
            let value = value.as_ref().ok_or("its value is of a kind that no model holds");
            let told = value.and_then(|value| write(&Told { index, raw: &raw, kind, value, place }));
            index += 1;
            told.map_err(|cause| self.inexpressible(format, id, cause))
        };
        for (id, completes) in self.event_order(format)? {
            let process = self.operation(id).process;
            if completes {
                open.remove(&process);
            } else if let Some(before) = open.insert(process, id) {
                // Rows say nothing of when an indeterminate operation was given up; events must.
                tell(before, true)?;
            }
            tell(id, completes)?;
        }
        Ok(())
    }

    /// The invocation (`false`) and, where there is one, the completion (`true`) of every operation.
    fn event_order(&self, format: Format) -> Result<Vec<(OpId, bool)>, Inexpressible> {
        let mut events = Vec::with_capacity(2 * self.len());
        for (index, raw) in self.operations().enumerate() {
            events.push((raw.invoked, false, op_id(index)));
            events.extend(raw.completed.map(|stamp| (stamp, true, op_id(index))));
        }
        events.sort_unstable();
        for tied in events.chunk_by(|one, other| one.0 == other.0).filter(|tied| tied.len() > 1) {
            self.no_process_touches_itself(tied).map_err(|id| self.inexpressible(format, id, TOUCHING))?;
        }
        Ok(events.into_iter().map(|(_, completes, id)| (id, completes)).collect())
    }

    /// Of the events of one stamp, the operation that begins as another one of its process returns.
    fn no_process_touches_itself(&self, tied: &[(u64, bool, OpId)]) -> Result<(), OpId> {
        let mut begun = BTreeMap::new();
        for (_, completes, id) in tied {
            let process = self.operation(*id).process;
            let other = if *completes { begun.get(&process).copied() } else { begun.insert(process, *id) };
            if let Some(other) = other.filter(|other| other != id) {
                return Err(other.max(*id));
            }
        }
        Ok(())
    }
}

const TOUCHING: &str = "it begins at the very stamp at which another operation of its process returns, so that the two are concurrent; in a list of events one would follow the other";
