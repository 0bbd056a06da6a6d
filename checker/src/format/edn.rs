//! Jepsen's operation maps in EDN: one per line, or all in one vector or list; records, `;` comments; and the
//! vectors `[process type f value]` that old histories of Knossos have instead of maps.

use std::ops::Range;
use std::sync::Arc;

use clojure_reader::edn::{self, Edn};
use clojure_reader::error::{Code, Error};

use super::error::{FormatError, Source, quote};
use super::events::{self, Kind, Names, RawEvent, is_bystander};
use super::raw::Time;
use super::scan::{DEPTH_MAX, form_end};
use crate::value::Value;

/// What stands where in an operation that is a vector.
const TUPLE: [&str; 4] = ["process", "type", "f", "value"];

/// Whether a line begins with a tag such as `#jepsen.history.Op{`, and not with a comment of another format.
pub(super) fn is_tag(line: &str) -> bool {
    let Some(rest) = line.strip_prefix('#') else { return false };
    let name = rest.split(['{', ' ', '[']).next().unwrap_or_default();
    name.contains('.') && rest[name.len()..].trim_start().starts_with('{')
}

/// Whether the text inside a bracket is that of an operation as a vector: a process and what it does.
pub(super) fn is_tuple(inside: &str) -> bool {
    let mut words = inside.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
    let (process, kind) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    (process.parse::<u64>().is_ok() || is_bystander(process))
        && kind.strip_prefix(':').and_then(Kind::named).is_some()
}

/// Reads events off EDN.
pub(super) struct Reader<'a> {
    source: Source<'a>,
    offset: usize,
    /// Where the part ends that is read.
    end: usize,
    /// The line of `offset`, from 1; counted from where the part begins.
    line: u64,
    /// The bracket of the collection around all events and where it opened.
    around: Option<(char, usize)>,
    closed: bool,
    names: Names,
    fault_events: usize,
}

impl<'a> Reader<'a> {
    /// Of a part of a source.
    pub(super) fn new(source: Source<'a>, part: Range<usize>) -> Self {
        Self {
            source,
            offset: part.start,
            end: part.end,
            line: 1,
            around: None,
            closed: false,
            names: Names::default(),
            fault_events: 0,
        }
    }

    fn rest(&self) -> &'a str {
        &self.source.text[self.offset..self.end]
    }

    fn advance(&mut self, bytes: usize) {
        let passed = &self.rest().as_bytes()[..bytes];
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.offset += bytes;
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace()).len();
            self.advance(blank);
            if !self.rest().starts_with(';') {
                return;
            }
            let comment = self.rest().find('\n').unwrap_or(self.rest().len());
            self.advance(comment);
        }
    }

    /// The next operation map with its line and offset; `None` after the last.
    fn form(&mut self) -> Result<Option<(Edn<'a>, u64, usize)>, FormatError> {
        loop {
            self.skip_blank();
            let offset = self.offset;
            let error = |message: String| Err(self.source.error(offset, message));
            match (self.rest().chars().next(), self.around) {
                (None, None) => return Ok(None),
                (None, Some((bracket, opened))) => {
                    let message = format!("`{bracket}` is never closed; expected the rest of the history");
                    return Err(self.source.error(opened, message));
                }
                (Some('['), _) if !self.closed && is_tuple(&self.rest()[1..]) => {
                    return self.map(offset).map(Some);
                }
                (Some(bracket @ ('[' | '(')), None) if !self.closed && offset_is_first(self) => {
                    self.around = Some((bracket, offset));
                    self.advance(1);
                }
                (Some(']'), Some(('[', _))) | (Some(')'), Some(('(', _))) => {
                    (self.around, self.closed) = (None, true);
                    self.advance(1);
                }
                (Some(_), _) if self.closed => {
                    return error("nothing may follow the collection of all operations".to_owned());
                }
                (Some('{' | '#'), _) => return self.map(offset).map(Some),
                (Some(_), _) => {
                    let word = self.rest().split_whitespace().next().unwrap_or_default();
                    return error(format!(
                        "expected an operation map like {{:process 1, :type :invoke, :f :read, :value nil}}, not {}",
                        quote(word)
                    ));
                }
            }
        }
    }

    fn map(&mut self, offset: usize) -> Result<(Edn<'a>, u64, usize), FormatError> {
        let (line, rest) = (self.line, self.rest());
        let end = form_end(rest, self.source.limits.line_bytes_max)
            .map_err(|(at, message)| self.source.error(offset + at, message))?;
        let edn = read(self.source, offset, &rest[..end])?;
        self.advance(end);
        Ok((edn, line, offset))
    }

    /// The event of one map; `None` for one of a fault.
    fn event(&mut self, edn: Edn<'a>, line: u64, offset: usize) -> Result<Option<RawEvent>, FormatError> {
        let source = self.source;
        let error = |message: String| source.error(offset, message);
        let untagged = match &edn {
            Edn::Tagged(_, inner) => inner.as_ref(),
            plain => plain,
        };
        let field = |name: &'static str| match untagged {
            Edn::Map(fields) => fields.get(&Edn::key(name)),
            Edn::Vector(items) => TUPLE.iter().position(|of| *of == name).and_then(|at| items.get(at)),
            _ => None,
        };
        let whole = match untagged {
            Edn::Map(_) => true,
            Edn::Vector(items) => items.len() == TUPLE.len(),
            _ => false,
        };
        if !whole {
            return Err(error(
                "expected an operation map like {:process 1, :type :invoke, :f :read, :value nil}".to_owned(),
            ));
        }
        let kind_name = field("type").and_then(word);
        let Some(process) = process(field("process"), kind_name).map_err(error)? else { return Ok(None) };
        let Some(kind) = kind_name.and_then(Kind::named) else {
            let found = kind_name.map_or("nothing".to_owned(), quote);
            return Err(error(format!("expected `:type` :invoke, :ok, :fail or :info, found {found}")));
        };
        let function = match field("f") {
            None | Some(Edn::Nil) => None,
            Some(name) => {
                let unnamed = || error(format!("{} is no name of a function", quote(&name.to_string())));
                Some(word(name).ok_or_else(unnamed)?)
            }
        };
        let (own_key, value) = key_and_value(field("value").unwrap_or(&Edn::Nil));
        let key = match field("key").unwrap_or(&Edn::Nil) {
            Edn::Nil => own_key,
            key => key_text(key).map(Some),
        };
        let key = key.map_err(|()| error("expected a text, keyword or number as key".to_owned()))?;
        let why = field("error").filter(|error| **error != Edn::Nil);
        let time = match field("time") {
            Some(Edn::Int(ns)) => u64::try_from(*ns).ok().map(Time::from_ns),
            _ => None,
        };
        Ok(Some(RawEvent {
            line,
            offset,
            time,
            process,
            kind,
            function: function.map(|name| self.names.shared(name)),
            key,
            value,
            mismatch: why.is_some_and(is_mismatch),
            actual: field("actual").and_then(|actual| to_value(actual, DEPTH_MAX)),
            error: why.map(|why| word(why).map_or_else(|| why.to_string().into(), Arc::from)),
        }))
    }
}

/// The number of a client; `None` for who is none.
fn process(process: Option<&Edn<'_>>, kind: Option<&str>) -> Result<Option<u64>, String> {
    match process {
        Some(Edn::Int(number)) => u64::try_from(*number)
            .map(Some)
            .map_err(|_| format!("process {number} is negative; expected a number from 0")),
        Some(Edn::Key(name) | Edn::Str(name) | Edn::Symbol(name))
            if is_bystander(name) || kind == Some("info") =>
        {
            Ok(None)
        }
        Some(Edn::Key(name) | Edn::Str(name) | Edn::Symbol(name)) => Err(format!(
            "process {} is neither a number nor :nemesis nor :monitor, yet does what clients do",
            quote(name)
        )),
        _ => Err("`:process` is missing or no number; expected e.g. :process 1".to_owned()),
    }
}

/// What follows the blanks and comments at the beginning of a source.
fn first(source: Source<'_>) -> Reader<'_> {
    let mut first = Reader::new(source, 0..source.text.len());
    first.skip_blank();
    first
}

/// Whether nothing but blanks and comments stands before the reader's place.
fn offset_is_first(reader: &Reader<'_>) -> bool {
    first(reader.source).offset == reader.offset
}

/// Whether all events stand in one vector or list.
pub(super) fn is_collection(source: Source<'_>) -> bool {
    let text = first(source).rest();
    text.starts_with(['[', '(']) && !is_tuple(&text[1..])
}

impl events::Reader for Reader<'_> {
    fn next(&mut self) -> Result<Option<RawEvent>, FormatError> {
        while let Some((edn, line, offset)) = self.form()? {
            match self.event(edn, line, offset)? {
                Some(event) => return Ok(Some(event)),
                None => self.fault_events += 1,
            }
        }
        Ok(None)
    }

    fn fault_events(&self) -> usize {
        self.fault_events
    }
}

/// Reads the first EDN value of `text`, which stands at `offset` of the source.
pub(super) fn read<'a>(source: Source<'a>, offset: usize, text: &'a str) -> Result<Edn<'a>, FormatError> {
    match edn::read(text) {
        Ok((edn, _)) => Ok(edn),
        Err(error) => Err(source.error(offset + error.ptr.unwrap_or(0), cause(&error))),
    }
}

fn cause(error: &Error) -> String {
    let cause = match error.code {
        Code::HashMapDuplicateKey => "a key of the map stands twice",
        Code::SetDuplicateKey => "an element of the set stands twice",
        Code::InvalidChar => "no valid character",
        Code::InvalidEscape => "no valid escape in a string",
        Code::InvalidKeyword => "no valid keyword",
        Code::InvalidNumber | Code::InvalidRadix(_) => "no valid number of at most 64 bits",
        Code::InvalidTag => "no valid tag",
        Code::UnexpectedEOF => "the value ends too early",
        Code::UnmatchedDelimiter(_) => "a bracket without its counterpart",
        _ => "no valid EDN",
    };
    format!("{cause}; expected EDN as Jepsen writes it")
}

fn word<'e>(edn: &'e Edn<'_>) -> Option<&'e str> {
    match edn {
        Edn::Key(text) | Edn::Str(text) | Edn::Symbol(text) => Some(text),
        _ => None,
    }
}

/// Key and value of a tagged pair (`#….MapEntry[6 nil]`), else just the value.
pub(super) fn key_and_value(edn: &Edn<'_>) -> (Result<Option<Arc<str>>, ()>, Option<Value>) {
    if let Edn::Tagged(tag, inner) = edn
        && (tag.ends_with("MapEntry") || tag.to_ascii_lowercase().ends_with("tuple"))
        && let Edn::Vector(items) | Edn::List(items) = inner.as_ref()
        && let [key, value] = items.as_slice()
    {
        return (key_text(key).map(Some), to_value(value, DEPTH_MAX));
    }
    (Ok(None), to_value(edn, DEPTH_MAX))
}

fn key_text(edn: &Edn<'_>) -> Result<Arc<str>, ()> {
    match edn {
        Edn::Int(number) => Ok(number.to_string().into()),
        text => word(text).map(Arc::from).ok_or(()),
    }
}

pub(super) fn is_mismatch(error: &Edn<'_>) -> bool {
    match error {
        Edn::Vector(items) | Edn::List(items) => {
            items.first().and_then(word).is_some_and(events::is_mismatch)
        }
        single => word(single).is_some_and(events::is_mismatch),
    }
}

/// As a value of ours; keywords keep their colon, lest `:a` and `"a"` be the same.
fn to_value(edn: &Edn<'_>, depth_left: usize) -> Option<Value> {
    match edn {
        Edn::Nil => Some(Value::Nil),
        Edn::Int(number) => Some(Value::Int(*number)),
        Edn::Str(text) => Some(Value::text(text.as_ref())),
        Edn::Key(name) => Some(Value::text(format!(":{name}"))),
        _ if depth_left == 0 => None,
        Edn::Vector(items) | Edn::List(items) => {
            let items: Option<Vec<_>> = items.iter().map(|item| to_value(item, depth_left - 1)).collect();
            items.map(|items| Value::List(items.into()))
        }
        Edn::Set(items) => {
            let items: Option<Vec<_>> = items.iter().map(|item| to_value(item, depth_left - 1)).collect();
            items.map(Value::set)
        }
        Edn::Map(entries) => {
            let entries: Option<Vec<_>> = entries
                .iter()
                .map(|(key, value)| Some((to_value(key, depth_left - 1)?, to_value(value, depth_left - 1)?)))
                .collect();
            entries.and_then(Value::map)
        }
        _ => None,
    }
}
