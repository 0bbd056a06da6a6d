//! The compact TSV: `client, call, return (-1: never), kind (g p a r w c), key, value`, `#` comments.
//!
//! The stamps decide, not the order of the lines. Lists (g p a) are concatenated tokens, empty if absent;
//! registers (r w c) hold numbers, texts or, empty, nothing; a cas has `from:to`. A large table is read in parts,
//! side by side; what is wrong first in it is told, whatever part it is in.

use std::ops::Range;

use memchr::{memchr, memchr_iter};

use super::error::{FormatError, Line, Lines, Source, quote};
use super::parts::whole_lines;
use super::rows::{Kind, NEVER, Rows, change};
use super::table::{Cells, Table};
use crate::parallel;

const COLUMNS: usize = 6;
const EXPECTED: &str =
    "expected client, call, return (-1: never), kind (g p a r w c), key, value between tabs";
/// So many lines tell how many more there are.
const SAMPLE_LINES: u32 = 256;

/// Whether a line is one of this format.
pub(super) fn is_row(line: &str) -> bool {
    let columns: Vec<_> = line.split('\t').collect();
    // An editor may have cut the tab before an empty value; that is told when it is read.
    (COLUMNS - 1..=COLUMNS).contains(&columns.len())
        && whole_number(columns[0]).is_some()
        && kind_of(columns[3]).is_some()
}

/// Numbers of so many digits are no greater than 64 bits hold.
const DIGITS_SAFE: usize = 19;

/// Digits; not the greatest number of all, which stands for none.
fn whole_number(text: &str) -> Option<u64> {
    let mut number = 0u64;
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    (!text.is_empty() && number != NEVER).then_some(number)
}

fn kind_of(column: &str) -> Option<Kind> {
    let [letter] = column.as_bytes() else { return None };
    Kind::of_letter(*letter)
}

/// Reads them all.
pub(super) fn parse(source: Source<'_>) -> Result<Rows<'_>, FormatError> {
    let threads = source.limits.threads;
    let parts = whole_lines(source.text, threads);
    let read = |number: usize| part(source, parts[number].clone());
    let mut tables = parallel::in_order(parts.len(), threads, read).into_iter();
    let mut all = tables.next().expect("there is a part");
    for table in tables {
        all.extend(table);
    }
    all.finish()
}

/// Reads a part, up to the first line that is wrong.
fn part(source: Source<'_>, part: Range<usize>) -> Table<'_> {
    let mut table = Table::new(source);
    table.failure = rows(source, source.lines_within(part), &mut table).err();
    table
}

fn rows<'a>(source: Source<'a>, mut lines: Lines<'a>, table: &mut Table<'a>) -> Result<(), FormatError> {
    let bytes = lines.left();
    while let Some(line) = lines.next()? {
        table.lines = table.lines.saturating_add(1);
        match cells(line.text) {
            Some(cells) => table.add(line, &cells),
            None if line.text.trim().is_empty() || line.text.starts_with('#') => {}
            None => return Err(wrong(source, line)),
        }
        if table.is_full() {
            break;
        }
        if table.lines == SAMPLE_LINES {
            let line_bytes = (bytes - lines.left()) / SAMPLE_LINES as usize;
            // Lines grow with their stamps; and places in which lines are short must not ask for all the memory.
            table.expect(lines.estimate().min(lines.left() / line_bytes.max(1)));
        }
    }
    Ok(())
}

/// The columns of a line, if there are as many as there should be.
fn columns(line: &str) -> Option<[&str; COLUMNS]> {
    let mut tabs = memchr_iter(b'\t', line.as_bytes());
    let mut columns = [""; COLUMNS];
    let mut begin = 0;
    for column in &mut columns[..COLUMNS - 1] {
        let end = tabs.next()?;
        *column = &line[begin..end];
        begin = end + 1;
    }
    columns[COLUMNS - 1] = &line[begin..];
    tabs.next().is_none().then_some(columns)
}

/// What a line says, if nothing is wrong with it; see [`wrong`]. The first columns are read as they are passed, which
/// is faster than to look for their ends first: they are short.
fn cells(line: &str) -> Option<Cells<'_>> {
    let (process, rest) = number_and_tab(line.as_bytes())?;
    let (invoked, rest) = number_and_tab(rest)?;
    let (returned, rest) = match rest {
        [b'-', b'1', b'\t', rest @ ..] => (NEVER, rest),
        _ => number_and_tab(rest)?,
    };
    let [kind, b'\t', rest @ ..] = rest else { return None };
    let kind = Kind::of_letter(*kind)?;
    let tab = memchr(b'\t', rest)?;
    let begin = line.len() - rest.len();
    let (key, value) = (&line[begin..begin + tab], &line[begin + tab + 1..]);
    let sound = invoked <= returned
        && memchr(b'\t', value.as_bytes()).is_none()
        && (kind != Kind::Cas || change(value).is_some());
    sound.then_some(Cells { process, invoked, returned, kind, key, value })
}

/// A whole number and what follows the tab behind it; `None` also of those that [`whole_number`] has to look at.
fn number_and_tab(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0u64;
    for (at, byte) in text.iter().enumerate() {
        match byte.wrapping_sub(b'0') {
            digit @ 0..=9 if at < DIGITS_SAFE => {
                number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            }
            _ if *byte == b'\t' && at > 0 => return Some((number, &text[at + 1..])),
            _ => {
                let end = memchr(b'\t', text)?;
                let number = whole_number(std::str::from_utf8(&text[..end]).ok()?)?;
                return Some((number, &text[end + 1..]));
            }
        }
    }
    None
}

/// What is wrong with a line that is neither a row nor left out.
#[cold]
fn wrong(source: Source<'_>, line: Line<'_>) -> FormatError {
    let Some([client, call, back, kind, _, value]) = columns(line.text) else {
        let message = format!("{} columns; {EXPECTED}", line.text.split('\t').count());
        return source.error(line.offset, message);
    };
    let at = |column: &str, message: String| {
        let offset = column.as_ptr() as usize - line.text.as_ptr() as usize;
        source.error(line.offset + offset, message)
    };
    let stamps = [(client, "client"), (call, "stamp of a call"), (back, "stamp of a return (-1: never)")];
    for (column, what) in stamps {
        let is_number = whole_number(column).is_some() || (what.contains("-1") && column == "-1");
        if !is_number {
            return at(column, format!("{} is no {what}; expected a whole number from 0", quote(column)));
        }
    }
    if back != "-1" && whole_number(back) < whole_number(call) {
        let message = format!("it returned ({back}) before it was called ({call}); expected call <= return");
        return at(back, message);
    }
    if kind_of(kind).is_none() {
        return at(kind, format!("unknown kind {}; expected one of g p a r w c", quote(kind)));
    }
    assert!(change(value).is_none(), "a line without fault is a row: {}", line.text);
    at(value, format!("{} is no change; expected from:to", quote(value)))
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::*;

    #[test]
    fn numbers_are_digits_and_one_of_them_is_reserved() {
        assert_eq!(whole_number("0"), Some(0));
        assert_eq!(whole_number("0017"), Some(17));
        assert_eq!(whole_number("18446744073709551614"), Some(u64::MAX - 1));
        assert_eq!(number_and_tab(b"18446744073709551614\tx"), Some((u64::MAX - 1, &b"x"[..])));
        assert_eq!(number_and_tab(b"0000000000000000000017\t"), Some((17, &b""[..])));
        assert_eq!(number_and_tab(b"17"), None);
        for text in [
            "",
            "-1",
            "+1",
            "1a",
            "1 ",
            "/",
            ":",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999",
        ] {
            assert_eq!(whole_number(text), None, "{text}");
            assert_eq!(number_and_tab(format!("{text}\t").as_bytes()), None, "{text}");
        }
    }

    /// Reads a text in parts that begin at these lines.
    fn joined<'a>(text: &'a str, begins: &[usize]) -> Result<Rows<'a>, FormatError> {
        let source = Source::new("t", text.as_bytes(), Limits { operations_max: 6, ..Limits::default() })?;
        let offset = |line: usize| text.split_inclusive('\n').take(line).map(str::len).sum::<usize>();
        let ends = begins.iter().skip(1).map(|line| offset(*line)).chain([text.len()]);
        let mut tables = begins.iter().zip(ends).map(|(begin, end)| part(source, offset(*begin)..end));
        let mut all = tables.next().expect("there is a part");
        tables.for_each(|table| all.extend(table));
        all.finish()
    }

    #[test]
    fn a_table_reads_the_same_in_parts() {
        let sound = "1\t5\t9\tw\tx\t1\n# x\n2\t4\t9\ta\ty\t1;\n1\t9\t-1\tr\tx\t\n3\t0\t7\tg\tz\t2;\n1\t10\t11\tp\ty\t3;\n";
        let wrong = [
            ("x\t1\t2\tr\tx\t\n", "`x` is no client"),
            ("4\t1\t2\tg\tx\t\n", "in line 1"),
            ("2\t5\t6\tr\tx\t\n", "two operations"),
            ("5\t1\t1\tr\tx\t\n6\t1\t1\tr\tx\t\n", "more than 6"),
            ("5\t1\t1\ta\tx\t;\n6\t1\n", "in line 1"),
            ("5\t1\t1\tr\tx\t\n6\t1\n", "2 columns"),
        ];
        let texts = wrong.map(|(line, cause)| (sound.to_owned() + line, cause));
        for (text, cause) in [(sound.to_owned(), "")].into_iter().chain(texts) {
            let told = |rows: Result<Rows<'_>, FormatError>| {
                rows.map(|rows| (rows.history(), rows.keys().join(" "))).map_err(|error| error.to_string())
            };
            let whole = told(joined(&text, &[0]));
            assert!(
                whole.as_ref().map_or_else(|error| error.contains(cause), |_| cause.is_empty()),
                "{whole:?}"
            );
            for one in 1..text.lines().count() {
                for other in one..text.lines().count() {
                    assert_eq!(told(joined(&text, &[0, one, other])), whole, "{text}");
                }
            }
        }
    }
}
