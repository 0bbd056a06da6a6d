//! Histories of hostile sizes and with hostile contents: each is judged, its verdict verified, within a time that is
//! generous for any machine, and what is said of it stays short.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use squall_checker::format::Recorded;
use squall_checker::judge::{Judged, Options};
use squall_checker::render::WIDTH;
use squall_checker::{Bounds, Verdict};

#[path = "common/judged.rs"]
mod judged;
#[path = "common/random.rs"]
mod random;
use random::Random;

/// What any of these may take. The slowest takes a few seconds where nothing is optimised.
const TIME_MAX: Duration = Duration::from_secs(120);
/// Bytes of what is said of one violation.
const SAID_MAX: usize = 20_000;

/// The verdict on a history, and everything that is said of it.
fn judge<'a>(name: &'a str, text: &'a str) -> (Recorded<'a>, Judged<'a>, String) {
    #[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
    let start = Instant::now();
    let (recorded, judged) = judged::judged(name, text, &Options::default(), &Bounds::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let said: Vec<String> =
        judged.outcome.violations.iter().map(|violation| judged.history.render(violation)).collect();
    assert!(start.elapsed() < TIME_MAX, "{name} took {:?}", start.elapsed());
    for said in &said {
        assert!(said.len() <= SAID_MAX, "{} bytes", said.len());
        assert!(said.lines().all(|line| line.chars().count() <= WIDTH), "too wide: {said}");
        assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "a terminal would obey: {said:?}");
    }
    let said = said.concat();
    (recorded, judged, said)
}

fn verdict(name: &str, text: &str) -> Verdict {
    judge(name, text).1.outcome.verdict
}

#[test]
fn nothing_at_all() {
    for (name, text) in
        [("h.jsonl", ""), ("h.edn", "[]"), ("h.log", "\n"), ("h.tsv", "# nothing\n"), ("h.edn", "")]
    {
        assert_eq!(verdict(name, text), Verdict::Vacuous, "{name}");
    }
}

#[test]
fn one_operation() {
    let rows = [
        ("0\t0\t0\tw\tx\t1", Verdict::Valid),
        ("0\t0\t18446744073709551614\tr\tx\t", Verdict::Valid),
        ("18446744073709551614\t1\t2\tr\tx\t1", Verdict::Invalid),
        ("0\t0\t-1\ta\tx\t1;", Verdict::Vacuous),
        ("0\t5\t5\tc\tx\t:1", Verdict::Valid),
        ("0\t5\t5\tc\tx\t1:2", Verdict::Invalid),
        ("0\t5\t5\tg\tx\t1;", Verdict::Invalid),
    ];
    for (row, expected) in rows {
        assert_eq!(verdict("h.tsv", row), expected, "{row}");
    }
}

#[test]
fn a_million_operations_on_one_key_by_one_client() {
    let mut text = String::new();
    for number in 0..500_000u64 {
        let at = number * 10;
        let _ =
            write!(text, "7\t{at}\t{}\tw\tx\t{number}\n7\t{}\t{}\tr\tx\t{number}\n", at + 4, at + 5, at + 9);
    }
    assert_eq!(verdict("h.tsv", &text), Verdict::Valid);
    // The last read sees what was overwritten long ago.
    text.truncate(text.trim_end().rfind('\t').unwrap());
    text += "\t0\n";
    let (_, judged, said) = judge("h.tsv", &text);
    assert_eq!(judged.outcome.verdict, Verdict::Invalid);
    assert_eq!(judged.outcome.violations[0].operations.len(), 3, "{said}");
}

#[test]
fn ten_thousand_clients() {
    for repeated in [false, true] {
        let mut text = String::new();
        for round in 0..5u64 {
            for client in 0..10_000u64 {
                // Each client waits for the one in front of it for a while, so that hundreds are open at any time.
                let (invoked, value) = (round * 10_000_000 + client * 1_000, round * 10_000 + client);
                let value = if repeated { value % 5 } else { value };
                let (kind, returned) =
                    if client % 2 == 0 { ("w", invoked + 900) } else { ("r", invoked + 400_000) };
                let value = if kind == "r" && !repeated { value - 1 } else { value };
                let _ = writeln!(text, "{client}\t{invoked}\t{returned}\t{kind}\tx\t{value}");
            }
        }
        let (_, judged, _) = judge("h.tsv", &text);
        if !repeated {
            assert_eq!(judged.outcome.verdict, Verdict::Valid);
        }
    }
}

#[test]
fn all_operations_at_once() {
    let mut text = String::new();
    for client in 0..20_000u64 {
        let kind = if client < 10_000 { "w" } else { "r" };
        let _ = writeln!(text, "{client}\t0\t1000\t{kind}\tx\t{}", client % 10_000);
    }
    assert_eq!(verdict("h.tsv", &text), Verdict::Valid);
    // Of few values, which need the search; and of many that change into each other.
    let mut random = Random(1);
    let (mut few, mut cas) = (String::new(), String::new());
    for client in 0..300u64 {
        let _ = writeln!(
            few,
            "{client}\t0\t1000\t{}\tx\t{}",
            if random.one_in(2) { "w" } else { "r" },
            random.below(5)
        );
        let _ = writeln!(cas, "{client}\t0\t1000\tc\tx\t{}:{}", random.pick(5), random.pick(5));
    }
    for text in [few, cas] {
        let (_, judged, _) = judge("h.tsv", &text);
        assert!(judged.outcome.verdict != Verdict::Unknown || judged.outcome.reason.is_some());
    }
}

#[test]
fn nothing_has_a_known_outcome() {
    let mut text = String::new();
    for client in 0..100_000u64 {
        let (kind, value) = match client % 3 {
            0 => ("w", "1"),
            1 => ("r", ""),
            _ => ("c", "1:2"),
        };
        let _ = writeln!(text, "{client}\t{client}\t-1\t{kind}\tx\t{value}");
    }
    assert_eq!(verdict("h.tsv", &text), Verdict::Vacuous);
    // One read at the end, which any of the writes may explain.
    let mut text = String::new();
    for client in 0..50_000u64 {
        let _ = writeln!(text, "{client}\t{client}\t-1\tw\tx\t{}", client % 7);
    }
    assert_eq!(verdict("h.tsv", &format!("{text}60000\t60000\t60001\tr\tx\t3\n")), Verdict::Valid);
    let never = format!("{text}60000\t60000\t60001\tr\tx\t8\n");
    assert_eq!(verdict("h.tsv", &never), Verdict::Invalid);
}

#[test]
fn values_of_a_megabyte() {
    let value = |number: u64| format!("{number}{}", "x".repeat(1 << 20));
    let mut text = String::new();
    for number in 0..10 {
        let at = number * 10;
        let _ = write!(
            text,
            "1\t{at}\t{}\tw\tx\t{v}\n1\t{}\t{}\tr\tx\t{v}\n",
            at + 4,
            at + 5,
            at + 9,
            v = value(number)
        );
    }
    assert_eq!(verdict("h.tsv", &text), Verdict::Valid);
    text += &format!("2\t100\t101\tr\tx\t{}\n", value(3));
    let (_, judged, said) = judge("h.tsv", &text);
    assert_eq!(judged.outcome.verdict, Verdict::Invalid, "{said}");
    let mut lists = String::new();
    for number in 0..6 {
        let _ = writeln!(lists, "1\t{}\t{}\ta\tx\t{};", number * 10, number * 10 + 5, value(number));
    }
    let all: String = (0..6).filter(|number| *number != 2).map(|number| value(number) + ";").collect();
    let lists = format!("{lists}2\t100\t101\tg\tx\t{all}\n");
    assert_eq!(verdict("h.tsv", &lists), Verdict::Invalid);
}

#[test]
fn keys_that_terminals_and_browsers_would_obey() {
    for key in
        ["</script><script>alert(1)</script>", "\u{1b}[31mred\u{7}", "a\u{0}b\nc\td", "\u{202e}\u{feff}", ""]
    {
        let event = |process: u64, kind: &str, function: &str, value: u64| {
            serde_json::json!({"process": process, "type": kind, "f": function, "key": key, "value": value})
                .to_string()
        };
        let events = [
            event(0, "invoke", "write", 1),
            event(0, "ok", "write", 1),
            event(1, "invoke", "read", 0),
            event(1, "ok", "read", 7),
        ];
        let text = events.join("\n");
        let (_, judged, said) = judge("h.jsonl", &text);
        assert_eq!(judged.outcome.verdict, Verdict::Invalid, "{said}");
        assert_eq!(judged.outcome.partitions[0].key, key);
    }
}
