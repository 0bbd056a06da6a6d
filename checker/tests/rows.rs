//! Rows judged as they stand in their text give the same answer as the operations that they say, whatever the keys
//! hold, on however many threads.

use std::fmt::Write as _;

use squall_checker::format::{Format, Limits, parse};
use squall_checker::judge::{Options, judge, judge_history};
use squall_checker::{Bounds, OpId, Verdict, Violation};

#[path = "common/cases.rs"]
mod cases;
#[path = "common/random.rs"]
mod random;
use cases::cases;
use random::Random;

/// Lines of a table, of a store that sometimes lies: a few keys of several kinds, values that repeat now and then.
fn table(random: &mut Random) -> String {
    let (keys, clients) = (1 + random.pick(4), 1 + random.pick(5));
    let mut states = vec![String::new(); keys];
    let mut free = vec![0; clients];
    let mut lines = Vec::new();
    let lies = 5 + random.below(60);
    for number in 0..random.below(60) {
        let (key, client) = (random.pick(keys), random.pick(clients));
        let list = key % 2 == 0;
        let written = if random.one_in(12) { random.below(4) } else { number + 10 };
        let (began, before) = (free[client] + random.below(8), states[key].clone());
        let returned = began + random.below(12);
        let lie = random.one_in(lies);
        let (kind, value) = match (list, random.below(4)) {
            (true, 0 | 1) => ("g", if lie { before.replacen(';', "", 1) } else { before.clone() }),
            (true, 2) if random.one_in(3) => ("p", format!("{written};")),
            (true, _) => ("a", format!("{written};")),
            (false, 0 | 1) => ("r", if lie { written.to_string() } else { before.clone() }),
            (false, 2) => ("w", if random.one_in(20) { String::new() } else { written.to_string() }),
            (false, _) => ("c", format!("{before}:{written}")),
        };
        match kind {
            "a" => states[key] += &value,
            "p" | "w" => states[key].clone_from(&value),
            "c" => states[key] = written.to_string(),
            _ => {}
        }
        let open = random.one_in(10);
        // Intervals of one client may touch, but where one has no end it is not known which comes first.
        free[client] = returned + u64::from(open || random.one_in(2));
        let end = if open { "-1".to_owned() } else { returned.to_string() };
        lines.push(format!("{client}\t{began}\t{end}\t{kind}\tk{key}\t{value}\n"));
        if random.one_in(15) {
            lines.push("# a comment\n".to_owned());
        }
    }
    // The stamps decide, not the order of the lines.
    for _ in 0..random.pick(2) * lines.len() {
        let (one, other) = (random.pick(lines.len()), random.pick(lines.len()));
        lines.swap(one, other);
    }
    lines.concat()
}

#[test]
fn rows_are_judged_as_the_operations_that_they_say() {
    let numbers = cases(4_000);
    let cases = numbers.end - numbers.start;
    let mut counts = std::collections::BTreeMap::<Verdict, u64>::new();
    for number in numbers {
        let text = table(&mut Random(number));
        let parsed = match parse("t.tsv", text.as_bytes(), Some(Format::CompactTsv), Limits::default()) {
            Ok(parsed) => parsed,
            Err(error) => panic!("{error} in {text}"),
        };
        let bounds = Bounds { steps_max: 50_000, certificates: true, ..Bounds::default() };
        let expected = judge_history(&parsed.history, &bounds);
        for threads in [1, 3] {
            let bounds = Bounds { threads, ..bounds.clone() };
            let options = Options { format: Some(Format::CompactTsv), ..Options::default() };
            let (recorded, judged) = judge("t.tsv", text.as_bytes(), &options, &bounds).unwrap();
            let told = |outcome: &squall_checker::CheckOutcome| {
                (
                    outcome.verdict,
                    outcome.violations.clone(),
                    outcome.partitions.clone(),
                    outcome.reason.clone(),
                )
            };
            assert_eq!(told(&judged.outcome), told(&expected), "case {number} on {threads} threads: {text}");
            judged.history.verify(&judged.outcome).unwrap_or_else(|error| {
                assert_eq!(judged.outcome.verdict, Verdict::Unknown, "case {number}: {error}: {text}");
            });
            // Without proofs only some operations are made: what is told of them must be as early. Where several things
            // are wrong by then, another may be told.
            let bare = Bounds { certificates: false, ..bounds.clone() };
            let (_, bare) = judge("t.tsv", text.as_bytes(), &options, &bare).unwrap();
            // When the operation returned that the last step names.
            let since = |violation: &Violation| {
                let last = violation.steps.last().expect("an argument has steps");
                let named = |id: &&OpId| last.contains(&judged.history.words(**id));
                let returned = |id: &OpId| parsed.history.get(*id).returned;
                violation.operations.iter().filter(named).map(returned).max()
            };
            assert_eq!(bare.outcome.violations.len(), expected.violations.len(), "case {number}: {text}");
            for (told, expected) in bare.outcome.violations.iter().zip(&expected.violations) {
                assert_eq!(told.key, expected.key, "case {number}: {text}");
                assert_eq!(since(told), since(expected), "case {number}: {text}");
                assert!(told == expected || !told.edges.is_empty(), "case {number}: {told:#?} of {text}");
            }
            let mut lines = String::new();
            for (index, line) in (0..).zip(&parsed.lines) {
                let id = OpId(index);
                assert_eq!(recorded.line(id), *line);
                let _ = writeln!(lines, "{}", judged.history.words(id));
            }
            assert_eq!(lines.lines().count(), parsed.history.len());
        }
        *counts.entry(expected.verdict).or_default() += 1;
    }
    println!("{counts:?}");
    assert!(counts[&Verdict::Valid] > cases / 10 && counts[&Verdict::Invalid] > cases / 10, "{counts:?}");
}
