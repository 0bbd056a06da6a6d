//! Where and why a recorded history could not be read, and the text it is read from.
//!
//! Every error is fatal: a line that is skipped may be the one that shows the violation. Positions are those an
//! editor shows: lines and columns from 1, columns in characters.

use std::fmt::Write as _;
use std::ops::Range;

use memchr::{memchr, memchr_iter};

use super::Limits;

/// Characters of a line that an excerpt shows.
const EXCERPT_CHARS: usize = 96;
/// Characters of a message, which may hold names of any length.
const MESSAGE_CHARS: usize = 400;
/// Characters of a quoted piece of input.
const QUOTE_CHARS: usize = 40;

/// Why a recorded history could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}{}", indented(excerpt))]
pub struct FormatError {
    /// The name of the input, as the caller gave it.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The column in characters, from 1.
    pub column: u64,
    /// The cause, and what was expected.
    pub message: String,
    /// The piece of input concerned, shortened and without control characters; may be empty.
    pub excerpt: String,
}

fn indented(excerpt: &str) -> String {
    if excerpt.is_empty() { String::new() } else { format!("\n    {excerpt}") }
}

/// A piece of input in a message: between backquotes, shortened, without control characters.
pub(crate) fn quote(text: &str) -> String {
    format!("`{}`", shortened(text, QUOTE_CHARS))
}

/// The first characters of a text, without control characters.
pub(crate) fn shortened(text: &str, chars_max: usize) -> String {
    let mut shown = String::new();
    for (index, character) in text.chars().enumerate() {
        if index >= chars_max {
            shown.push('…');
            break;
        }
        if character.is_control() {
            let _ = write!(shown, "{}", character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The text of one recorded history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    /// Its name, for errors.
    pub(crate) name: &'a str,
    /// All of it, without byte order mark.
    pub(crate) text: &'a str,
    /// What it may hold at most.
    pub(crate) limits: Limits,
}

impl<'a> Source<'a> {
    pub(crate) fn new(name: &'a str, bytes: &'a [u8], limits: Limits) -> Result<Self, FormatError> {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self { name, text, limits }),
            Err(error) => {
                let valid = &bytes[..error.valid_up_to()];
                let text = std::str::from_utf8(valid).expect("valid up to there");
                let message = format!(
                    "byte 0x{:02x} is not UTF-8; expected a history as UTF-8 text",
                    bytes[error.valid_up_to()]
                );
                Err(Source { name, text, limits }.error(text.len(), message))
            }
        }
    }

    /// An error at a byte offset of the text.
    pub(crate) fn error(&self, offset: usize, message: impl Into<String>) -> FormatError {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = self.text[offset..].find('\n').map_or(self.text.len(), |newline| offset + newline);
        let column = self.text[line_start..offset].chars().count();
        // The excerpt starts where the line does, unless the place would then lie beyond its end.
        let skipped = if column < EXCERPT_CHARS * 3 / 4 { 0 } else { column - EXCERPT_CHARS / 2 };
        let line = self.text[line_start..line_end].trim_end_matches('\r');
        let from = line.char_indices().nth(skipped).map_or(line.len(), |(index, _)| index);
        let mark = if skipped > 0 { "…" } else { "" };
        FormatError {
            file: self.name.to_owned(),
            line: before.bytes().filter(|byte| *byte == b'\n').count() as u64 + 1,
            column: column as u64 + 1,
            // It may quote names of the input as they are.
            message: shortened(&message.into(), MESSAGE_CHARS),
            excerpt: format!("{mark}{}", shortened(&line[from..], EXCERPT_CHARS)),
        }
    }

    /// Where a line (from 1) begins in the text.
    pub(crate) fn line_offset(&self, line: u64) -> usize {
        let skipped = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        self.text.split_inclusive('\n').take(skipped).map(str::len).sum()
    }

    /// The lines of a part of the text that begins with one, without their ends; they are counted from there.
    pub(crate) fn lines_within(self, part: Range<usize>) -> Lines<'a> {
        Lines { source: self, offset: part.start, end: part.end, number: 0 }
    }
}

/// Places of a text that are looked at to know how many lines it has, and how much of each.
const PROBES: usize = 16;
const PROBE_BYTES: usize = 1 << 12;

/// One line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    /// From 1.
    pub(crate) number: u64,
    /// Where it starts in the text.
    pub(crate) offset: usize,
    /// Without its end.
    pub(crate) text: &'a str,
}

/// The lines of a part of a source, see [`Source::lines_within`].
#[derive(Clone, Debug)]
pub(crate) struct Lines<'a> {
    source: Source<'a>,
    offset: usize,
    end: usize,
    number: u64,
}

impl<'a> Lines<'a> {
    /// The bytes of those that are still to come.
    pub(crate) fn left(&self) -> usize {
        self.end - self.offset
    }

    /// About how many those are, by how many end in some places between here and there.
    pub(crate) fn estimate(&self) -> usize {
        let rest = &self.source.text.as_bytes()[self.offset..self.end];
        let ends = |bytes: &[u8]| memchr_iter(b'\n', bytes).count();
        let step = rest.len() / PROBES;
        if step <= PROBE_BYTES {
            return ends(rest);
        }
        let probed: usize = (0..PROBES).map(|at| ends(&rest[at * step..at * step + PROBE_BYTES])).sum();
        probed * (rest.len() / PROBE_BYTES) / PROBES
    }

    /// The next line; `None` after the last.
    pub(crate) fn next(&mut self) -> Result<Option<Line<'a>>, FormatError> {
        let rest = &self.source.text[self.offset..self.end];
        if rest.is_empty() {
            return Ok(None);
        }
        let newline = memchr(b'\n', rest.as_bytes());
        let (text, taken) = newline.map_or((rest, rest.len()), |end| (&rest[..end], end + 1));
        self.number += 1;
        let line = Line { number: self.number, offset: self.offset, text: text.trim_end_matches('\r') };
        self.offset += taken;
        let limit = self.source.limits.line_bytes_max;
        if text.len() > limit {
            let message = format!(
                "the line has {} bytes, more than the bound of {limit} (line_bytes_max); expected one event",
                text.len()
            );
            return Err(self.source.error(line.offset, message));
        }
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(text: &str) -> usize {
        let source = Source::new("a.tsv", text.as_bytes(), Limits::default()).unwrap();
        source.lines_within(0..text.len()).estimate()
    }

    #[test]
    fn how_many_lines_there_are_is_known_about_where_they_grow() {
        assert_eq!((estimate(""), estimate("a\nb\nc"), estimate(&"a\n".repeat(1000))), (0, 2, 1000));
        for lines in [10_000, 100_000, 300_000] {
            let text: String =
                (0..lines).map(|line| format!("{}\n", "x".repeat(10 + line / 10_000))).collect();
            let estimate = estimate(&text);
            assert!(estimate.abs_diff(lines) <= lines / 16, "{estimate} of {lines}");
        }
        assert_eq!(estimate(&"x".repeat(1 << 20)), 0);
    }
}
