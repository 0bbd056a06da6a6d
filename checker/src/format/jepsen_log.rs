//! Jepsen's text logs and `history.txt`: process, `:invoke`, `:read`, value, perhaps an error, by tabs or spaces.
//!
//! Other log messages may stand between the operations; only what has a whole header of a log line (or is a line
//! of a stack trace) and nothing of an operation is left out, and counted. A failed cas without an error of its
//! own is evidence that the value differed: such logs know no other reason.

use std::ops::Range;
use std::sync::Arc;

use clojure_reader::edn::{Edn, read as read_edn};

use super::edn;
use super::error::{FormatError, Line, Lines, Source, quote};
use super::events::{self, Kind, Names, RawEvent, is_bystander};
use super::scan::form_end;
use crate::value::Value;

const LEVELS: [&str; 6] = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];

/// Whether a line may be one of a log.
pub(super) fn is_log_line(line: &str) -> bool {
    has_operation(line) || header_end(line).is_some()
}

fn has_operation(line: &str) -> bool {
    let mut words = line.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let who = word.parse::<u64>().is_ok() || matches!(word, ":nemesis" | "nemesis");
        if who && words.peek().is_some_and(|next| next.strip_prefix(':').and_then(Kind::named).is_some()) {
            return true;
        }
    }
    false
}

/// Where the message of a log line begins: after `INFO  jepsen.util - `, perhaps with a date and a thread.
fn header_end(line: &str) -> Option<usize> {
    let mut level_seen = false;
    let mut offset = 0;
    for part in line.split_inclusive(char::is_whitespace).take(24) {
        let word = part.trim_end();
        let start = offset;
        offset += part.len();
        if !level_seen {
            let date = word.starts_with(|c: char| c.is_ascii_digit()) && word.contains(['-', ':']);
            level_seen = LEVELS.contains(&word);
            if !level_seen && !date && !word.is_empty() {
                return None;
            }
        } else if word == "-" || (word.len() > 1 && word.ends_with(':') && !line[..start].trim().is_empty()) {
            return Some(offset);
        }
    }
    None
}

/// Whether a line is one of a stack trace.
fn is_stack_trace(line: &str) -> bool {
    let text = line.trim_start();
    let indented = text.len() < line.len();
    (indented && (text.starts_with("at ") || text.starts_with("...")))
        || text.starts_with("Caused by: ")
        || (text.starts_with("java.") && text.contains("Exception"))
}

/// Reads events off a log.
pub(super) struct Reader<'a> {
    source: Source<'a>,
    lines: Lines<'a>,
    names: Names,
    fault_events: usize,
    log_messages: usize,
}

/// A word of a line with where it starts in the text.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    offset: usize,
}

fn words<'a>(line: Line<'a>) -> impl Iterator<Item = Word<'a>> {
    line.text.split_whitespace().map(move |text| {
        let start = text.as_ptr() as usize - line.text.as_ptr() as usize;
        Word { text, offset: line.offset + start }
    })
}

impl<'a> Reader<'a> {
    /// Of a part of a source.
    pub(super) fn new(source: Source<'a>, part: Range<usize>) -> Self {
        Self {
            source,
            lines: source.lines_within(part),
            names: Names::default(),
            fault_events: 0,
            log_messages: 0,
        }
    }

    /// The event of a line; `None` for one that is of a fault or no event at all.
    fn event(&mut self, line: Line<'a>) -> Result<Option<RawEvent>, FormatError> {
        let mut before: Option<Word<'a>> = None;
        let mut words = words(line);
        let found = words.by_ref().find_map(|word| {
            let kind = word.text.strip_prefix(':').and_then(Kind::named);
            let who = before.replace(word);
            kind.map(|kind| (who, kind, word))
        });
        let Some((who, kind, kind_word)) = found else { return self.other_line(line) };
        let function = words.next().filter(|word| word.text.starts_with(':'));
        let Some(who) = who else {
            return Err(self.source.error(kind_word.offset, "expected the number of a process before this"));
        };
        if is_bystander(who.text) {
            self.fault_events += 1;
            return Ok(None);
        }
        let Ok(process) = who.text.parse::<u64>() else {
            // A message of some other logger that happens to hold the word.
            if function.is_none() && !line.text.contains("jepsen.util") {
                return self.other_line(line);
            }
            let message = format!("expected the number of a process or :nemesis, not {}", quote(who.text));
            return Err(self.source.error(who.offset, message));
        };
        let Some(function_word) = function else {
            let message = "expected what the operation does after this, e.g. :read";
            return Err(self.source.error(kind_word.offset, message));
        };
        let function = self.names.shared(&function_word.text[1..]);
        let value_offset = function_word.offset + function_word.text.len();
        self.with_value(line, value_offset, process, kind, function).map(Some)
    }

    fn with_value(
        &self,
        line: Line<'a>,
        offset: usize,
        process: u64,
        kind: Kind,
        function: Arc<str>,
    ) -> Result<RawEvent, FormatError> {
        let rest = &line.text[offset - line.offset..];
        let text = rest.trim_start();
        let offset = offset + rest.len() - text.len();
        let told = matches!(kind, Kind::Invoke | Kind::Ok);
        if text.is_empty() && told {
            return Err(self.source.error(offset, "the value is missing; expected e.g. nil, 3 or [1 2]"));
        }
        let (edn, after) = if told { self.value(text, offset)? } else { lenient(text) };
        let after = after.trim();
        if told && !after.is_empty() {
            let message = format!("expected the end of the line after the value, not {}", quote(after));
            return Err(self.source.error(offset + text.len() - after.len(), message));
        }
        let (key, value) = edn::key_and_value(&edn);
        let key = key.map_err(|()| self.source.error(offset, "expected a text, keyword or number as key"))?;
        let own_reason = matches!(value, Some(Value::List(_))) && after.is_empty();
        let mismatch = own_reason || events::is_mismatch(after) || edn::is_mismatch(&edn);
        // The error stands after the value, or in its place.
        let why = match (told, &value) {
            (false, _) if !after.is_empty() => after,
            (false, Some(Value::Text(_))) => text,
            _ => "",
        };
        Ok(RawEvent {
            line: line.number,
            offset,
            time: None,
            process,
            kind,
            function: Some(function),
            key,
            value,
            mismatch,
            actual: None,
            error: (!why.is_empty()).then(|| why.into()),
        })
    }

    fn value(&self, text: &'a str, offset: usize) -> Result<(Edn<'a>, &'a str), FormatError> {
        let collection = text.starts_with(['[', '(', '{', '#']);
        let end = if collection {
            form_end(text, self.source.limits.line_bytes_max)
                .map_err(|(at, message)| self.source.error(offset + at, message))?
        } else if text.starts_with('"') {
            text.len()
        } else {
            text.find(char::is_whitespace).unwrap_or(text.len())
        };
        let edn = edn::read(self.source, offset, &text[..end])?;
        let after =
            if text.starts_with('"') { read_edn(text).map_or("", |(_, after)| after) } else { &text[end..] };
        Ok((edn, after))
    }

    /// A line without an operation.
    fn other_line(&mut self, line: Line<'a>) -> Result<Option<RawEvent>, FormatError> {
        let message = header_end(line.text).map(|end| &line.text[end..]);
        let looks_like_operation = message.is_some_and(|message| {
            let first = message.split_whitespace().next();
            first.is_some_and(|first| first.parse::<u64>().is_ok()) && line.text.contains("jepsen.util")
        });
        if (message.is_some() && !looks_like_operation) || is_stack_trace(line.text) {
            self.log_messages += 1;
            return Ok(None);
        }
        let message =
            "neither an operation nor a log message; expected e.g. `INFO  jepsen.util - 3 :invoke :read nil`";
        Err(self.source.error(line.offset, message))
    }
}

/// The value of a failed or indeterminate operation, if it can be read; it may be anything.
fn lenient(text: &str) -> (Edn<'_>, &str) {
    let collection = text.starts_with(['[', '(', '{', '#']);
    if collection
        && let Ok(end) = form_end(text, usize::MAX)
        && let Ok((edn, _)) = read_edn(&text[..end])
    {
        return (edn, &text[end..]);
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let edn = if collection || end == 0 { None } else { read_edn(&text[..end]).ok().map(|(edn, _)| edn) };
    (edn.unwrap_or(Edn::Nil), &text[end..])
}

impl events::Reader for Reader<'_> {
    fn next(&mut self) -> Result<Option<RawEvent>, FormatError> {
        while let Some(line) = self.lines.next()? {
            if line.text.trim().is_empty() {
                continue;
            }
            if let Some(event) = self.event(line)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn fault_events(&self) -> usize {
        self.fault_events
    }

    fn log_messages(&self) -> usize {
        self.log_messages
    }
}
