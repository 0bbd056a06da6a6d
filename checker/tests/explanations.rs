//! What people read of an illegal history, one per kind of anomaly, and the verdicts of minimal histories in which
//! one detail decides.

use std::fmt::Write;
use std::sync::Arc;

use squall_checker::kv::{KvOp, KvRet, KvSpec};
use squall_checker::{
    Bounds, Check, CheckOutcome, Completion, ExactlyOnce, History, Operation, ProcessId, Value, Verdict,
    render,
};

#[path = "common/verified.rs"]
mod verified;

/// A history from lines of `process invoked returned words`; `-` for an unknown return; `!` before the words: it
/// failed. Words: `w 1`, `a 1`, `d`, `r nil`, `a 1 saw [2]` (a reply to
/// something else), `r 1`, `r [1,2]`, `c 1:2`, `c 1:2 saw 3`, `c 1:2 no`.
fn history(lines: &str) -> History<KvOp, KvRet> {
    let operations = lines.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate();
    let operations = operations.map(|(place, line)| (place as u64, operation(line))).collect();
    History::from_intervals(operations).unwrap()
}

fn value(text: &str) -> Value {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(items) => {
            Value::list(items.split(',').filter(|item| !item.is_empty()).map(|n| n.parse().unwrap()))
        }
        None => text.parse().map_or(Value::Nil, Value::Int),
    }
}

fn operation(line: &str) -> Operation<KvOp, KvRet> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (failed, words) =
        if words[3] == "!" { (true, [&words[..3], &words[4..]].concat()) } else { (false, words) };
    let key: Arc<str> = "x".into();
    let (op, ret) = match words[3..] {
        ["r", read] => (KvOp::Get { key }, KvRet::Value(value(read))),
        ["w", written] => (KvOp::Put { key, value: value(written) }, KvRet::Done),
        ["a", element] => (KvOp::Append { key, value: value(element) }, KvRet::Done),
        ["a", element, "saw", seen] => {
            (KvOp::Append { key, value: value(element) }, KvRet::Mismatch(Some(value(seen))))
        }
        ["d"] => (KvOp::Delete { key }, KvRet::Done),
        ["c", swap, ref rest @ ..] => {
            let (expected, new) = swap.split_once(':').unwrap();
            let ret = match rest {
                [] => KvRet::Done,
                ["saw", seen] => KvRet::Mismatch(Some(value(seen))),
                _ => KvRet::Mismatch(None),
            };
            (KvOp::Cas { key, expected: value(expected), new: value(new) }, ret)
        }
        _ => panic!("no such operation: {line}"),
    };
    let returned = words[2].parse().ok();
    let completion = match returned {
        None => Completion::Info,
        Some(_) if failed => Completion::Fail,
        Some(_) => Completion::Ok(ret),
    };
    let (process, invoked) = (ProcessId(words[0].parse().unwrap()), words[1].parse().unwrap());
    Operation { process, op, invoked, returned, completion }
}

fn linearizable(lines: &str) -> CheckOutcome {
    verified::linearizable(&KvSpec::default(), &history(lines), &Bounds::default())
}

/// The first violation of a history, as people read it.
fn shown(lines: &str) -> String {
    told(lines, &linearizable(lines))
}

fn told(lines: &str, outcome: &CheckOutcome) -> String {
    let text = outcome.violations[0].render(&KvSpec::default(), &history(lines));
    assert!(text.lines().all(|line| line.chars().count() <= render::WIDTH), "{text}");
    text
}

#[test]
fn one_detail_decides() {
    use Verdict::{Invalid, Valid};
    let cases = [
        ("a read of the old value during the write", "0 0 100 w 1\n1 5 20 r nil\n2 30 40 r 1", Valid),
        ("a read after a newer write", "0 0 10 w 1\n0 20 30 w 2\n1 40 50 r 1", Invalid),
        ("new, then old", "0 0 10 w 1\n1 20 100 w 2\n2 30 40 r 2\n3 50 60 r 1", Invalid),
        ("nil after a write", "0 0 10 w 1\n1 20 30 r nil", Invalid),
        ("a value from the future", "0 0 5 r 1\n1 6 9 w 1", Invalid),
        ("a value from nowhere", "0 0 5 w 1\n1 6 9 r 7", Invalid),
        ("touching intervals are concurrent", "0 0 10 w 1\n1 10 20 r nil", Valid),
        ("an indeterminate write shows late", "0 0 - w 1\n1 5 8 r nil\n1 1000 1010 r 1", Valid),
        ("an indeterminate write never shows", "0 0 - w 1\n1 5 8 r nil\n1 1000 1010 r nil", Valid),
        ("an indeterminate write is undone", "0 0 - w 1\n1 5 8 r 1\n1 1000 1010 r nil", Invalid),
        ("and takes effect twice", "0 0 - w 1\n1 5 8 r 1\n1 10 20 w 2\n1 30 40 r 2\n1 50 60 r 1", Invalid),
        ("to and fro", "0 0 10 w 1\n1 0 10 w 2\n2 20 30 r 1\n3 40 50 r 2\n2 60 70 r 1", Invalid),
        ("a hidden write between two reads", "0 0 10 w 1\n1 11 15 r 1\n2 20 30 w 2\n1 40 50 r 1", Invalid),
        ("two cas from one value", "0 0 10 w 1\n1 20 30 c 1:2\n2 20 30 c 1:3", Invalid),
        ("a chain of cas", "0 0 10 w 1\n1 20 60 c 2:3\n2 20 60 c 1:2\n3 70 80 r 3", Valid),
        ("a chain out of order", "0 0 10 w 1\n1 20 30 c 2:3\n2 40 60 c 1:2", Invalid),
        ("an indeterminate link", "0 0 10 w 1\n1 20 - c 1:2\n2 40 60 c 2:3", Valid),
        ("a failed cas thanks to an indeterminate write", "0 0 - w 2\n1 5 8 c nil:1 no", Valid),
        ("a failed cas without a reason", "1 5 8 c nil:1 no", Invalid),
        ("a failed cas that saw what it expected", "0 0 1 w 1\n1 5 8 c 1:2 saw 1", Invalid),
        ("a deleted key is nil", "0 0 1 w 1\n1 5 8 d\n1 9 10 r nil", Valid),
        ("an append hidden by a put", "0 0 10 a 1\n1 5 20 w [2]\n2 30 40 r [2]", Valid),
        ("an append lost to a later put", "0 0 10 a 1\n1 15 20 w [2]\n2 30 40 r [2]", Valid),
        ("a lost append", "0 0 10 w [1]\n1 20 30 a 2\n2 40 50 r [1]", Invalid),
        (
            "lost, then overwritten",
            "0 0 10 w [1]\n2 11 15 r [1]\n1 20 30 a 2\n2 40 50 r [1]\n3 60 70 w [3]",
            Invalid,
        ),
        (
            "seen under two puts",
            "0 0 10 w [1]\n1 0 100 a 9\n2 20 30 r [1,9]\n0 40 50 w [2]\n2 60 70 r [2,9]",
            Invalid,
        ),
        ("a list goes on over a put", "0 0 10 a 1\n1 20 30 w [2]\n2 40 50 r [1,2]", Invalid),
        (
            "epochs interleave",
            "0 0 10 w [1]\n1 0 10 w [2]\n2 20 30 r [1]\n2 40 50 r [2]\n2 60 70 r [1]",
            Invalid,
        ),
        (
            "an indeterminate append lands late",
            "0 0 - a 1\n1 10 20 a 2\n1 30 40 a 3\n2 50 60 r [2,3,1]",
            Valid,
        ),
        ("a failed write that shows", "0 0 1 ! w 1\n1 5 8 r 1", Invalid),
    ];
    for (name, lines, verdict) in cases {
        let outcome = linearizable(lines);
        assert_eq!(outcome.verdict, verdict, "{name}");
        assert_eq!(outcome.violations.is_empty(), verdict == Valid, "{name}");
    }
}

#[test]
fn what_cannot_be_judged_is_never_valid() {
    assert_eq!(linearizable("").verdict, Verdict::Vacuous);
    let outcome = linearizable("0 0 - w 1");
    assert_eq!((outcome.verdict, outcome.reason.is_some()), (Verdict::Vacuous, true));
    // Cas from each of seven values to each other but one, all at once: a path that takes them all begins at 1.
    let mut lines = "99 0 1 w 0\n".to_owned();
    for cas in (0..49).filter(|cas| cas % 8 > 0 && *cas != 1) {
        writeln!(lines, "{cas} 10 1000 c {}:{}", cas / 7, cas % 7).unwrap();
    }
    let bounds = Bounds { steps_max: 1_000, ..Bounds::default() };
    let outcome = verified::linearizable(&KvSpec::default(), &history(&lines), &bounds);
    insta::assert_snapshot!(outcome.reason.unwrap(), @"partition x is undecided: the bound of 1000 steps over all partitions was reached");
    let bounds = Bounds { memory_bytes_max: 10_000, ..Bounds::default() };
    let outcome = verified::linearizable(&KvSpec::default(), &history(&lines), &bounds);
    insta::assert_snapshot!(outcome.reason.unwrap(), @"partition x is undecided: the bound of 10000 bytes of memory was reached");
    let bounds = Bounds { should_stop: &|| true, ..Bounds::default() };
    let outcome = verified::linearizable(&KvSpec::default(), &history(&lines), &bounds);
    insta::assert_snapshot!(outcome.reason.unwrap(), @"partition x is undecided: the caller stopped the search");
    assert_eq!(outcome.verdict, Verdict::Unknown);
}

const NOISE: &str = "
    7 0 2 w 100
    7 3 4 r 100
    7 5 6 c 100:101
    8 7 9 r 101";

#[test]
fn a_stale_read() {
    let lines =
        format!("{NOISE}\n0 10 20 w 1\n4 21 22 r 1\n1 30 40 w 2\n3 30 60 r 2\n5 50 60 r 1\n6 70 80 w 3");
    insta::assert_snapshot!(shown(&lines));
}

#[test]
fn a_lost_write() {
    insta::assert_snapshot!(shown(&format!("{NOISE}\n0 10 20 w 1\n1 30 40 w 2\n5 50 60 r 1")));
}

#[test]
fn a_lost_first_write() {
    insta::assert_snapshot!(shown("0 10 20 w 1\n5 50 60 r nil"));
}

#[test]
fn a_lost_update() {
    let lines = format!("{NOISE}\n0 10 20 w 1\n1 30 40 c 1:2\n2 35 45 c 1:3\n2 50 60 r 3");
    insta::assert_snapshot!(shown(&lines));
}

#[test]
fn a_new_value_then_the_old_one() {
    insta::assert_snapshot!(shown("0 0 10 w 1\n1 20 100 w 2\n2 30 40 r 2\n3 50 60 r 1"));
}

#[test]
fn a_reordered_chain_of_cas() {
    insta::assert_snapshot!(shown("0 0 10 w 1\n1 20 30 c 2:3\n2 40 60 c 1:2"));
}

#[test]
fn phantoms() {
    insta::assert_snapshot!(shown("0 0 5 w 1\n1 6 9 r 7"));
    insta::assert_snapshot!(shown("0 0 1 ! w 1\n1 5 8 r 1"));
    insta::assert_snapshot!(shown("0 0 5 r 1\n1 6 9 w 1"));
}

#[test]
fn values_to_and_fro() {
    let lines = "0 0 10 w 1\n1 0 10 w 2\n2 20 30 r 1\n3 40 50 r 2\n2 60 70 r 1";
    insta::assert_snapshot!(shown(lines));
}

#[test]
fn a_lost_append() {
    let lines = "0 0 1 a 4\n1 2 3 r [4]\n2 5 9 a 9\n1 6 7 a 17\n5 20 30 r [4,17]\n6 40 50 r [4,17]";
    insta::assert_snapshot!(shown(lines));
    let outcome = ExactlyOnce.check(&KvSpec::default(), &history(lines), &Bounds::default());
    assert_eq!(outcome.violations.len(), 1);
    insta::assert_snapshot!(told(lines, &outcome));
}

#[test]
fn a_duplicated_append() {
    insta::assert_snapshot!(shown("0 0 - a 1\n1 10 20 a 2\n2 50 60 r [1,2,1]"));
}

#[test]
fn reordered_appends() {
    insta::assert_snapshot!(shown("0 0 10 a 1\n1 20 30 a 2\n2 40 50 r [2,1]"));
}

#[test]
fn a_phantom_element() {
    insta::assert_snapshot!(shown("0 0 10 a 1\n2 40 50 r [1,8]"));
    insta::assert_snapshot!(shown("0 0 10 ! a 1\n2 40 50 r [1]"));
    insta::assert_snapshot!(shown("2 0 10 r [1]\n0 20 30 a 1"));
}

#[test]
fn stale_lists() {
    insta::assert_snapshot!(shown("0 0 10 a 1\n0 20 100 a 2\n1 30 40 r [1,2]\n2 50 60 r [1]"));
    insta::assert_snapshot!(shown("0 0 10 a 1\n1 30 40 r nil\n2 50 60 r [1]"));
}

#[test]
fn forked_lists() {
    insta::assert_snapshot!(shown("0 0 10 a 1\n1 0 10 a 2\n2 20 30 r [1,2]\n3 20 30 r [2,1]"));
}

#[test]
fn an_append_under_two_overwrites() {
    let lines = "0 0 10 w [1]\n4 0 1 a 50\n1 0 100 a 9\n2 20 30 r [1,9]\n0 40 50 w [2]\n2 60 70 r [2,9]\n5 80 90 r [2,9]";
    insta::assert_snapshot!(shown(lines));
}

#[test]
fn an_overwrite_that_overwrote_nothing() {
    insta::assert_snapshot!(shown("0 0 10 a 1\n1 20 30 w [2]\n2 40 50 r [1,2]"));
}

#[test]
fn cas_that_go_round() {
    insta::assert_snapshot!(shown("0 0 10 c 1:2\n1 0 10 c 2:3\n2 5 15 c 3:1"));
}

#[test]
fn failed_cas_as_evidence() {
    insta::assert_snapshot!(shown("0 0 1 w 1\n1 5 8 c 1:2 saw 1"));
    insta::assert_snapshot!(shown("0 0 9 w 1\n3 2 3 w 2\n1 10 18 c 1:5 no\n2 12 20 c 2:6 no"));
    insta::assert_snapshot!(shown("1 5 8 c nil:1 no"));
}

#[test]
fn a_deleted_key_that_is_read() {
    insta::assert_snapshot!(shown("0 0 1 w 1\n3 2 3 d\n1 5 8 r 1"));
}

#[test]
fn where_nothing_names_it() {
    // Three writes at once of values that repeat, and reads that would need a fourth.
    let lines = "0 0 9 w 1\n1 0 9 w 2\n2 0 9 w 1\n3 1 2 r 1\n3 3 4 r 2\n3 5 6 r 1\n3 7 8 r 2\n4 20 30 w 5";
    insta::assert_snapshot!(shown(lines));
}

#[test]
fn long_lists_are_cut_to_where_they_part() {
    let items = |last: &str| (100..140).map(|item| format!("{item},")).collect::<String>() + last;
    let appends: String = (100..140).map(|item| format!("0 {0} {0} a {item}\n", item - 100)).collect();
    let reads = format!("2 60 70 r [{}]\n3 60 70 r [{}]", items("1,2"), items("2,1"));
    insta::assert_snapshot!(shown(&format!("{appends}1 50 59 a 1\n4 50 59 a 2\n{reads}")));
    let twice = format!("2 60 70 r [{}]", items("1,2,1"));
    insta::assert_snapshot!(shown(&format!("{appends}1 50 59 a 1\n4 50 59 a 2\n{twice}")));
}

#[test]
fn lists_that_are_overwritten() {
    let lost = "0 0 10 w [1]\n4 11 12 a 5\n1 20 30 a 2\n2 40 50 r [1,5]\n3 60 70 w [3]";
    insta::assert_snapshot!(shown(lost));
    let stale = "0 0 10 w [1]\n1 20 90 a 2\n2 40 50 r [1,2]\n2 60 70 r [1]\n3 80 90 w [3]";
    insta::assert_snapshot!(shown(stale));
    insta::assert_snapshot!(shown("0 0 10 w [1]\n1 20 30 a 2\n2 40 50 r [1,2,2]"));
    insta::assert_snapshot!(shown("0 0 10 w [1]\n1 20 30 a 2\n2 40 50 r [1,2,7]"));
}

#[test]
fn a_reply_to_something_else_is_told_without_a_value_that_was_asked_for() {
    let said = shown("0 1 2 a 1\n1 3 4 a 2 saw []");
    assert!(said.contains("append"), "{said}");
}
