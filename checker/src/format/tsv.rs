//! The compact TSV: `client, call, return (-1: never), kind (g p a r w c), key, value`, `#` comments.
//!
//! The stamps decide, not the order of the lines. Lists (g p a) are concatenated tokens, empty if absent;
//! registers (r w c) hold numbers, texts or, empty, nothing; a cas has `from:to`. A large table is read in parts,
//! side by side; what is wrong first in it is told, whatever part it is in.

use std::ops::Range;

use memchr::{memchr_iter, memrchr};

use super::error::{FormatError, Line, Lines, Source, quote};
use super::rows::{Kind, NEVER, Rows, change};
use super::table::{Cells, Table};
use crate::parallel;

const COLUMNS: usize = 6;
const EXPECTED: &str =
    "expected client, call, return (-1: never), kind (g p a r w c), key, value between tabs";
/// Bytes of a part that is worth a thread's while.
const PART_BYTES_MIN: usize = 1 << 20;

/// Whether a line is one of this format.
pub(super) fn is_row(line: &str) -> bool {
    let columns: Vec<_> = line.split('\t').collect();
    // An editor may have cut the tab before an empty value; that is told when it is read.
    (COLUMNS - 1..=COLUMNS).contains(&columns.len())
        && whole_number(columns[0]).is_some()
        && Kind::of_letter(columns[3]).is_some()
}

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

/// Reads them all.
pub(super) fn parse(source: Source<'_>) -> Result<Rows<'_>, FormatError> {
    let threads = source.limits.threads;
    let parts = parts(source.text, threads);
    let read = |number: usize| part(source, parts[number].clone());
    let mut tables = parallel::in_order(parts.len(), threads, read).into_iter();
    let mut all = tables.next().expect("there is a part");
    for table in tables {
        all.extend(table);
    }
    all.finish()
}

/// Where the parts of a text begin and end, each with whole lines.
fn parts(text: &str, threads: usize) -> Vec<Range<usize>> {
    let count = threads.min(text.len() / PART_BYTES_MIN).max(1);
    let begin = |number: usize| match number {
        _ if number == count => text.len(),
        _ => memrchr(b'\n', &text.as_bytes()[..text.len() / count * number]).map_or(0, |newline| newline + 1),
    };
    (0..count).map(|number| begin(number)..begin(number + 1)).collect()
}

/// Reads a part, up to the first line that is wrong.
fn part(source: Source<'_>, part: Range<usize>) -> Table<'_> {
    let mut table = Table::new(source);
    table.failure = rows(source, source.lines_within(part), &mut table).err();
    table
}

fn rows<'a>(source: Source<'a>, mut lines: Lines<'a>, table: &mut Table<'a>) -> Result<(), FormatError> {
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

/// What a line says, if nothing is wrong with it; see [`wrong`].
fn cells(line: &str) -> Option<Cells<'_>> {
    let [client, call, back, kind, key, value] = columns(line)?;
    let (process, invoked) = (whole_number(client)?, whole_number(call)?);
    let returned = if back == "-1" { NEVER } else { whole_number(back)? };
    let kind = Kind::of_letter(kind)?;
    let sound = invoked <= returned && (kind != Kind::Cas || change(value).is_some());
    sound.then_some(Cells { process, invoked, returned, kind, key, value })
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
    if Kind::of_letter(kind).is_none() {
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
        }
    }

    #[test]
    fn parts_have_whole_lines_and_leave_nothing_out() {
        let line = "x".repeat(99_999) + "\n";
        for (lines, threads) in [(0, 4), (1, 4), (60, 1), (60, 3), (60, 9)] {
            let text = line.repeat(lines) + "last";
            let parts = parts(&text, threads);
            assert!(parts.len() <= threads.max(1) && (parts.len() > 1) == (lines > 1 && threads > 1));
            assert_eq!(parts.iter().map(|part| &text[part.clone()]).collect::<String>(), text);
            assert!(parts.iter().skip(1).all(|part| text[..part.start].ends_with('\n')));
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
