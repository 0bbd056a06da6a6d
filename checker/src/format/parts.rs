//! Parts of a large source, which are read side by side: what is read does not depend on how many there are.
//!
//! A part of a list of events is only known to begin where an event does if the one before it ends there. So if anything
//! is wrong in any part, all is read once more in one piece, which tells what is wrong first.

use std::ops::Range;

use memchr::{memchr_iter, memrchr};

use super::error::{FormatError, Source};
use super::events::{Events, Reader, all};
use crate::parallel;

/// Bytes of a part that is worth a thread's while.
const PART_BYTES_MIN: usize = 1 << 20;

/// Where the parts of a text begin and end, each with whole lines.
pub(super) fn whole_lines(text: &str, threads: usize) -> Vec<Range<usize>> {
    let count = threads.min(text.len() / PART_BYTES_MIN).max(1);
    let begin = |number: usize| match number {
        _ if number == count => text.len(),
        _ => memrchr(b'\n', &text.as_bytes()[..text.len() / count * number]).map_or(0, |newline| newline + 1),
    };
    (0..count).map(|number| begin(number)..begin(number + 1)).collect()
}

/// Reads all events, with one reader for each part. `whole`: they stand in one collection, which cannot be parted.
pub(super) fn events<'a, R: Reader>(
    source: Source<'a>,
    whole: bool,
    reader: impl Fn(Source<'a>, Range<usize>) -> R + Sync,
) -> Result<Events, FormatError> {
    let threads = if whole { 1 } else { source.limits.threads };
    read_parts(source, &whole_lines(source.text, threads), reader)
}

fn read_parts<'a, R: Reader>(
    source: Source<'a>,
    parts: &[Range<usize>],
    reader: impl Fn(Source<'a>, Range<usize>) -> R + Sync,
) -> Result<Events, FormatError> {
    if parts.len() > 1 {
        let read = |number: usize| all(reader(source, parts[number].clone()));
        let pieces = parallel::in_order(parts.len(), parts.len(), read);
        if let Ok(pieces) = pieces.into_iter().collect::<Result<Vec<_>, _>>() {
            return Ok(joined(source, parts, pieces));
        }
    }
    all(reader(source, 0..source.text.len()))
}

/// The events of all parts, with the lines at which they stand in the whole.
fn joined(source: Source<'_>, parts: &[Range<usize>], pieces: Vec<Events>) -> Events {
    let mut joined = Events::default();
    let mut lines_before = 0;
    for (part, mut piece) in parts.iter().zip(pieces) {
        piece.events.iter_mut().flatten().for_each(|event| event.line += lines_before);
        lines_before += memchr_iter(b'\n', &source.text.as_bytes()[part.clone()]).count() as u64;
        joined.events.append(&mut piece.events);
        joined.fault_events += piece.fault_events;
        joined.log_messages += piece.log_messages;
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, edn, jepsen_log, json_lines};
    use super::*;

    #[test]
    fn parts_have_whole_lines_and_leave_nothing_out() {
        let line = "x".repeat(99_999) + "\n";
        for (lines, threads) in [(0, 4), (1, 4), (60, 1), (60, 3), (60, 9)] {
            let text = line.repeat(lines) + "last";
            let parts = whole_lines(&text, threads);
            assert!(parts.len() <= threads.max(1) && (parts.len() > 1) == (lines > 1 && threads > 1));
            assert_eq!(parts.iter().map(|part| &text[part.clone()]).collect::<String>(), text);
            assert!(parts.iter().skip(1).all(|part| text[..part.start].ends_with('\n')));
        }
    }

    /// What is read of a text in every way of cutting it into three parts must be what is read of it in one piece; how
    /// many of them could be read without starting anew.
    fn read_in_parts<'a, R: Reader>(
        text: &'a str,
        reader: impl Fn(Source<'a>, Range<usize>) -> R + Sync,
    ) -> usize {
        let source = Source::new("t", text.as_bytes(), Limits::default()).unwrap();
        let told = |events: Result<Events, FormatError>| {
            events.map(|Events { events, fault_events, log_messages }| {
                format!("{:?}, {fault_events}, {log_messages}", events.iter().flatten().collect::<Vec<_>>())
            })
        };
        let whole = told(read_parts(source, std::slice::from_ref(&(0..text.len())), &reader));
        let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        let mut apart = 0;
        for one in &ends {
            for other in ends.iter().filter(|other| *other >= one) {
                let parts = [0..*one, *one..*other, *other..text.len()];
                assert_eq!(told(read_parts(source, &parts, &reader)), whole, "{parts:?} of {text}");
                let alone = |part: &Range<usize>| all(reader(source, part.clone())).is_ok();
                apart += usize::from(parts.iter().all(alone));
            }
        }
        apart
    }

    #[test]
    fn events_are_the_same_in_parts() {
        let json = |kind: &str| {
            format!(r#"{{"process":1,"type":"{kind}","f":"read","key":"x","value":null}}"#) + "\n"
        };
        let lines = json("invoke") + "\n" + &json("info").replace('1', "\"nemesis\"") + &json("ok");
        assert_eq!(read_in_parts(&lines, json_lines::Reader::new), 10);
        assert_eq!(read_in_parts(&(lines.clone() + "{\n" + &lines), json_lines::Reader::new), 0);
        let log = "INFO  jepsen.util - 0\t:invoke\t:read\tnil\nINFO  jepsen.db - up\n\nINFO  jepsen.util - 0\t:ok\t:read\tnil\n";
        assert_eq!(read_in_parts(log, jepsen_log::Reader::new), 10);
        assert_eq!(read_in_parts(&(log.to_owned() + "x\n"), jepsen_log::Reader::new), 0);
        let maps =
            "; all\n{:process 0, :type :invoke, :f :read, :value nil}\n{:process :nemesis, :type :info}\n";
        assert_eq!(read_in_parts(&(maps.to_owned() + maps), edn::Reader::new), 21);
        let string =
            "{:process 0, :type :invoke,\n :f :read, :value \"\n{:process 1, :type :ok, :f :read}\n\"}\n";
        let apart = read_in_parts(&(maps.to_owned() + string + maps), edn::Reader::new);
        assert!((1..45).contains(&apart), "it must not be cut within a map or a string: {apart}");
        assert_eq!(
            read_in_parts("[{:process 0, :type :invoke, :f :read, :value nil}\n]\n", edn::Reader::new),
            1
        );
    }
}
