//! What became of each append, for people: how many of which kind, then those that are not there exactly once.
//!
//! The checker keeps the account; here it is only told. It is no part of the verdict.

use std::fmt::Write as _;

use squall_checker::OpId;
use squall_checker::exactly_once::{Entry, Ledger};
use squall_checker::format::Recorded;

/// Appends, and elements that nobody appended, that are told one by one, at most.
const TOLD_MAX: usize = 5;

/// The account of a history's appends, each line after a line break; nothing if it has none.
pub(super) fn text(recorded: &Recorded<'_>) -> String {
    let Ok(history) = recorded.key_value() else { return String::new() };
    let ledger = Ledger::of(&history);
    if ledger.entries().is_empty() && ledger.strangers().is_empty() {
        return String::new();
    }
    let mut text = format!("\n  ledger:    {ledger}");
    let line = |id: OpId| recorded.line(id);
    let anomalies: Vec<&Entry> = ledger.entries().iter().filter(|entry| entry.status.is_anomaly()).collect();
    for Entry { id, key, element, status, shown_by, evidence } in anomalies.iter().take(TOLD_MAX) {
        let _ = write!(text, "\n    {status}: append {key} {element} (line {})", line(*id));
        if let Some(read) = shown_by.filter(|read| Some(*read) != *evidence) {
            let _ = write!(text, ", there in line {}", line(read));
        }
        if let Some(read) = evidence {
            let _ = write!(text, ", wrong in line {}", line(*read));
        }
    }
    for stranger in ledger.strangers().iter().take(TOLD_MAX) {
        let (key, element) = (&stranger.key, &stranger.element);
        let _ =
            write!(text, "\n    appended by nobody: {key} {element}, there in line {}", line(stranger.read));
    }
    let told = anomalies.len().min(TOLD_MAX) + ledger.strangers().len().min(TOLD_MAX);
    let more = anomalies.len() + ledger.strangers().len() - told;
    if more > 0 {
        let _ = write!(text, "\n    and {more} more");
    }
    if let [first, others @ ..] = ledger.unclear() {
        let others =
            if others.is_empty() { String::new() } else { format!(" and {} more keys", others.len()) };
        let _ = write!(
            text,
            "\n    no account of {first}{others}: elements repeat, or other operations change them"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use squall_checker::format::{Limits, read};

    use super::*;

    fn told(rows: &str) -> String {
        text(&read("h.tsv", rows.as_bytes(), None, Limits::default()).unwrap())
    }

    #[test]
    fn appends_are_accounted_for() {
        let rows = "0\t0\t10\ta\tx\t1;\n1\t0\t-1\ta\tx\t2;\n0\t11\t12\ta\tx\t3;\n2\t20\t30\tg\tx\t2;3;3;\n\
                    2\t31\t32\tg\tx\t2;3;3;9;\n3\t0\t5\ta\ty\t1;\n4\t0\t5\ta\ty\t1;\n";
        insta::assert_snapshot!(told(rows));
        assert_eq!(told("0\t0\t10\tw\tx\t1\n"), "");
        assert_eq!(told("0\t0\t10\tg\tx\t\n"), "");
    }
}
