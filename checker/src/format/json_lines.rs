//! JSON Lines: one object per line and event, as this project writes them; or all of them in one array.
//!
//! Fields that are not needed (index, time, node, …) are ignored whatever they hold; values of faults too.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::error::{FormatError, Line, Lines, Source, quote};
use super::events::{self, Kind, Names, RawEvent, is_bystander};
use super::raw::Time;
use super::scan::form_end;
use crate::value::Value;

/// Reads events off JSON Lines.
pub(super) struct Reader<'a> {
    source: Source<'a>,
    pieces: Pieces<'a>,
    names: Names,
    fault_events: usize,
}

/// Whether all events stand in one array.
pub(super) fn is_array(source: Source<'_>) -> bool {
    source.text.trim_start().starts_with('[')
}

/// Where one event ends and the next begins.
enum Pieces<'a> {
    /// One event per line.
    Lines(Lines<'a>),
    /// Elements of one array.
    Elements(Elements<'a>),
}

impl<'a> Reader<'a> {
    /// Of a part of a source, which is all of it if it is one array.
    pub(super) fn new(source: Source<'a>, part: Range<usize>) -> Self {
        let pieces = match is_array(source) {
            true => Pieces::Elements(Elements { source, offset: 0, line: 1, awaited: Awaited::Bracket }),
            false => Pieces::Lines(source.lines_within(part)),
        };
        Self { source, pieces, names: Names::default(), fault_events: 0 }
    }

    /// The event of one line or element; `None` for one of a fault.
    fn event(&mut self, line: Line<'a>) -> Result<Option<RawEvent>, FormatError> {
        if line.text.trim_start().starts_with('[') {
            let message = "expected one JSON object per line, not an array; write one event per line";
            return Err(self.source.error(line.offset, message));
        }
        let fields: Fields<'_> =
            serde_json::from_str(line.text).map_err(|error| self.json_error(line, &error))?;
        let error = |message: String| self.source.error(line.offset, message);
        let process = match &fields.process {
            Process::Number(number) => *number,
            Process::Name(name) if is_bystander(name) || fields.kind == "info" => return Ok(None),
            Process::Name(name) => {
                let message = format!(
                    "process {} is neither a number nor `nemesis` nor `monitor`, yet does what clients do",
                    quote(name)
                );
                return Err(error(message));
            }
        };
        let kind = Kind::named(&fields.kind).ok_or_else(|| {
            error(format!("unknown type {}; expected invoke, ok, fail or info", quote(&fields.kind)))
        })?;
        let key = match fields.key.0 {
            Some(Value::Nil) => None,
            Some(Value::Int(number)) => Some(number.to_string().into()),
            Some(Value::Text(text)) => Some(text),
            Some(Value::List(_)) | None => {
                return Err(error("expected a text or a number as key".to_owned()));
            }
        };
        let why = fields.error.0;
        Ok(Some(RawEvent {
            line: line.number,
            offset: line.offset,
            time: match fields.time.0 {
                Some(Value::Int(ns)) => u64::try_from(ns).ok().map(Time::from_ns),
                _ => None,
            },
            process,
            kind,
            function: fields.f.as_ref().map(|name| self.names.shared(name)),
            key,
            value: fields.value.0,
            mismatch: why.as_ref().is_some_and(is_mismatch),
            actual: fields.actual.and_then(|actual| actual.0),
            error: match why {
                None | Some(Value::Nil) => None,
                Some(Value::Text(text)) => Some(text),
                Some(other) => Some(other.to_string().into()),
            },
        }))
    }

    fn json_error(&self, line: Line<'a>, error: &serde_json::Error) -> FormatError {
        // The crate counts columns in bytes, from 1, and lines from the beginning of what it was given.
        let text = error.to_string();
        let cause = text.split(" at line ").next().unwrap_or(&text);
        let skipped = line.text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len);
        let within = skipped.sum::<usize>() + error.column().saturating_sub(1);
        let offset = line.offset + within.min(line.text.len());
        let expected =
            r#"expected an event like {"process":1,"type":"invoke","f":"read","key":"x","value":null}"#;
        self.source.error(offset, format!("{cause}; {expected}"))
    }
}

/// Whether the error, a text or a list that begins with one, is that of a cas that saw another value.
fn is_mismatch(error: &Value) -> bool {
    match error {
        Value::Text(text) => events::is_mismatch(text),
        Value::List(items) => matches!(items.first(), Some(Value::Text(text)) if events::is_mismatch(text)),
        Value::Nil | Value::Int(_) => false,
    }
}

impl events::Reader for Reader<'_> {
    fn next(&mut self) -> Result<Option<RawEvent>, FormatError> {
        loop {
            let line = match &mut self.pieces {
                Pieces::Lines(lines) => lines.next()?,
                Pieces::Elements(elements) => elements.next()?,
            };
            let Some(line) = line else { return Ok(None) };
            if line.text.trim().is_empty() {
                continue;
            }
            match self.event(line)? {
                Some(event) => return Ok(Some(event)),
                None => self.fault_events += 1,
            }
        }
    }

    fn fault_events(&self) -> usize {
        self.fault_events
    }
}

/// What may stand next in an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// The bracket that opens it.
    Bracket,
    /// The first element, or the end.
    First,
    /// A comma, or the end.
    Comma,
    /// An element.
    Element,
    /// Nothing.
    Nothing,
}

/// The elements of one array.
struct Elements<'a> {
    source: Source<'a>,
    offset: usize,
    line: u64,
    awaited: Awaited,
}

impl<'a> Elements<'a> {
    fn advance(&mut self, bytes: usize) {
        let passed = &self.source.text.as_bytes()[self.offset..self.offset + bytes];
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.offset += bytes;
    }

    /// The next element with its line and offset; `None` after the last.
    fn next(&mut self) -> Result<Option<Line<'a>>, FormatError> {
        loop {
            let rest = &self.source.text[self.offset..];
            self.advance(rest.len() - rest.trim_start().len());
            let rest = &self.source.text[self.offset..];
            self.awaited = match (rest.chars().next(), self.awaited) {
                (None, Awaited::Nothing | Awaited::Bracket) => return Ok(None),
                (Some('['), Awaited::Bracket) => Awaited::First,
                (Some(','), Awaited::Comma) => Awaited::Element,
                (Some(']'), Awaited::First | Awaited::Comma) => Awaited::Nothing,
                (Some('{'), Awaited::First | Awaited::Element) => {
                    let end = form_end(rest, self.source.limits.line_bytes_max)
                        .map_err(|(at, message)| self.source.error(self.offset + at, message))?;
                    let element = Line { number: self.line, offset: self.offset, text: &rest[..end] };
                    self.advance(end);
                    self.awaited = Awaited::Comma;
                    return Ok(Some(element));
                }
                (found, awaited) => {
                    let expected = match awaited {
                        Awaited::Bracket => "the `[` of an array of events",
                        Awaited::First => "an event, or the `]` that ends the array",
                        Awaited::Comma => "`,` and another event, or the `]` that ends the array",
                        Awaited::Element => "an event after the comma",
                        Awaited::Nothing => "nothing after the array of all events",
                    };
                    let found = found.map_or("the end".to_owned(), |found| quote(&found.to_string()));
                    return Err(self.source.error(self.offset, format!("expected {expected}, not {found}")));
                }
            };
            self.advance(1);
        }
    }
}

/// The fields of an event that matter.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    process: Process<'a>,
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow, deserialize_with = "optional_name")]
    f: Option<Cow<'a, str>>,
    #[serde(default)]
    time: Loose,
    #[serde(default)]
    key: Loose,
    #[serde(default)]
    value: Loose,
    #[serde(default)]
    error: Loose,
    /// A null that is there is a value: the cas saw that the key was absent.
    #[serde(default, deserialize_with = "present")]
    actual: Option<Loose>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Loose>, D::Error> {
    Loose::deserialize(deserializer).map(Some)
}

fn optional_name<'de: 'a, 'a, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Cow<'a, str>>, D::Error> {
    Ok(Option::<Name<'a>>::deserialize(deserializer)?.map(|name| name.0))
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Who: a number, also as text; or the name of something that is no client.
enum Process<'a> {
    Number(u64),
    Name(Cow<'a, str>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Process<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfProcess;
        impl<'de> Visitor<'de> for OfProcess {
            type Value = Process<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the number of a process, or a name like nemesis")
            }
            fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Process::Number(number))
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(name.parse().map_or(Process::Name(Cow::Borrowed(name)), Process::Number))
            }
            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(name.parse().map_or_else(|_| Process::Name(Cow::Owned(name.to_owned())), Process::Number))
            }
        }
        deserializer.deserialize_any(OfProcess)
    }
}

/// A value, or `None` for what is none of ours: a float, a truth value. An object is a sorted list of pairs.
struct Loose(Option<Value>);

impl Default for Loose {
    fn default() -> Self {
        Self(Some(Value::Nil))
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfLoose;
        impl<'de> Visitor<'de> for OfLoose {
            type Value = Loose;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Loose, E> {
                Ok(Loose(Some(Value::Nil)))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Loose, E> {
                Ok(Loose(None))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Loose, E> {
                Ok(Loose(None))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Loose, E> {
                Ok(Loose(Some(Value::Int(number))))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Loose, E> {
                Ok(Loose(i64::try_from(number).ok().map(Value::Int)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
                Ok(Loose(Some(Value::text(text))))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Loose, A::Error> {
                let mut items = Some(Vec::new());
                while let Some(item) = seq.next_element::<Loose>()? {
                    match (&mut items, item.0) {
                        (Some(items), Some(item)) => items.push(item),
                        (_, None) => items = None,
                        (None, Some(_)) => {}
                    }
                }
                Ok(Loose(items.map(|items| Value::List(items.into()))))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
                let mut entries = Some(Vec::new());
                while let Some((key, value)) = map.next_entry::<Cow<'_, str>, Loose>()? {
                    match (&mut entries, value.0) {
                        (Some(entries), Some(value)) => entries.push((Value::text(key.as_ref()), value)),
                        (_, None) => entries = None,
                        (None, Some(_)) => {}
                    }
                }
                Ok(Loose(entries.and_then(Value::map)))
            }
        }
        deserializer.deserialize_any(OfLoose)
    }
}
