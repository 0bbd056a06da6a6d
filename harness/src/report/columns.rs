//! Operations as the page carries them: a column per field, so that 10,000 of them stay small.
//!
//! Repeated words are indices into one table of words; times are differences; an output is what it adds to the
//! previous output on the same key, without which growing lists would take quadratic space. `model.js` undoes it.

use indexmap::{IndexMap, IndexSet};
use serde::Serialize;

use super::data::{OperationOutcome, ReportOperation};

/// The table of words: the first use of a word decides its index.
type Words<'a> = IndexSet<&'a str>;

/// One column per field; position is the operation's id. `-1` is "none" in columns of word indices.
#[derive(Debug, Default, Serialize)]
pub(super) struct Columns<'a> {
    words: Vec<&'a str>,
    process: Vec<u64>,
    client: Vec<u64>,
    function: Vec<i64>,
    key: Vec<i64>,
    input: Vec<i64>,
    node: Vec<i64>,
    error: Vec<i64>,
    /// 0 ok, 1 fail, 2 info.
    outcome: Vec<u8>,
    /// Microseconds since the previous invocation (may be negative where a history is not sorted).
    invoke_us: Vec<i64>,
    invoke_sequence: Vec<i64>,
    /// Microseconds since the invocation; `-1` if it never returned.
    complete_us: Vec<i64>,
    complete_sequence: Vec<i64>,
    /// UTF-16 units shared with the previous output on the same key; `-1` if nothing was returned.
    output_shared: Vec<i64>,
    /// What follows the shared part.
    output_rest: Vec<&'a str>,
}

/// Writes the operations in columns.
pub(super) fn columns(operations: &[ReportOperation]) -> Columns<'_> {
    let mut words = Words::default();
    let mut columns = Columns::default();
    let (mut time, mut sequence) = (0, 0);
    let mut outputs: IndexMap<Option<&str>, &str> = IndexMap::new();
    for (position, operation) in operations.iter().enumerate() {
        assert_eq!(operation.id.index(), position, "an operation's id is its position");
        columns.process.push(operation.process.0);
        columns.client.push(operation.client);
        columns.function.push(word(&mut words, Some(&operation.function)));
        columns.key.push(word(&mut words, operation.key.as_deref()));
        columns.input.push(word(&mut words, Some(&operation.input)));
        columns.node.push(word(&mut words, operation.node.as_deref()));
        columns.error.push(word(&mut words, operation.error.as_deref()));
        columns.outcome.push(match operation.outcome {
            OperationOutcome::Ok => 0,
            OperationOutcome::Fail => 1,
            OperationOutcome::Info => 2,
        });
        columns.invoke_us.push(difference(operation.invoke.time_us, time));
        columns.invoke_sequence.push(difference(operation.invoke.sequence, sequence));
        (time, sequence) = (operation.invoke.time_us, operation.invoke.sequence);
        let complete = operation.complete;
        columns.complete_us.push(complete.map_or(-1, |moment| elapsed(moment.time_us, time)));
        columns.complete_sequence.push(complete.map_or(-1, |moment| elapsed(moment.sequence, sequence)));
        let Some(output) = operation.output.as_deref() else {
            columns.output_shared.push(-1);
            columns.output_rest.push("");
            continue;
        };
        let previous = outputs.insert(operation.key.as_deref(), output).unwrap_or("");
        let (shared_units, rest) = after_shared(previous, output);
        columns.output_shared.push(shared_units);
        columns.output_rest.push(rest);
    }
    columns.words = words.into_iter().collect();
    columns
}

fn word<'a>(words: &mut Words<'a>, text: Option<&'a str>) -> i64 {
    text.map_or(-1, |text| i64::try_from(words.insert_full(text).0).expect("fewer words than 2^63"))
}

fn difference(value: u64, base: u64) -> i64 {
    let signed = i128::from(value) - i128::from(base);
    i64::try_from(signed).expect("times and sequence numbers fit 63 bits")
}

/// How long after `base`; nothing completes before it is invoked.
fn elapsed(value: u64, base: u64) -> i64 {
    assert!(value >= base, "an operation completed before it was invoked");
    difference(value, base)
}

/// The length of the prefix that both share, in the units in which a page counts, and what `text` has after it.
fn after_shared<'a>(previous: &str, text: &'a str) -> (i64, &'a str) {
    let mut units = 0;
    let mut bytes = 0;
    for (left, right) in previous.chars().zip(text.chars()) {
        if left != right {
            break;
        }
        units += i64::from(left.len_utf16() == 2) + 1;
        bytes += left.len_utf8();
    }
    (units, &text[bytes..])
}

#[cfg(test)]
mod tests {
    use super::after_shared;

    #[test]
    fn shared_prefixes_are_counted_in_utf16() {
        assert_eq!(after_shared("[1, 2]", "[1, 2, 3]"), (5, ", 3]"));
        assert_eq!(after_shared("", "x"), (0, "x"));
        assert_eq!(after_shared("a😀b", "a😀c"), (3, "c"));
        assert_eq!(after_shared("😀", "😁"), (0, "😁"));
    }
}
