//! The ledger of appends against the check, on random lists and texts, and what it says of each append.

use std::collections::BTreeMap;

use squall_checker::exactly_once::{Entry, Ledger, Status};
use squall_checker::kv::{KvOp, KvRet, KvSpec};
use squall_checker::{
    Bounds, Check, Completion, ExactlyOnce, History, OpId, Operation, ProcessId, Value, Verdict,
};

use crate::cases;
use crate::common::{self, Random, history};

type KvOperation = Operation<KvOp, KvRet>;

/// Appends of unique elements and reads of them, on a store that sometimes lies.
fn case(random: &mut Random) -> Vec<KvOperation> {
    let mut list: Vec<i64> = Vec::new();
    let (count, stretch, lies) = (2 + random.below(9), 1 + random.below(6), 4 + random.below(20));
    let mut operations = Vec::new();
    for number in 0..count {
        let (op, ret);
        let fate = random.below(10);
        let element = i64::try_from(number).unwrap();
        if random.one_in(2) {
            op = KvOp::Append { key: "k".into(), value: Value::Int(element) };
            ret = KvRet::Done;
            if (fate > 2 && !random.one_in(lies)) || (fate > 0 && random.one_in(2)) {
                list.push(element);
            }
        } else {
            let mut told = list.clone();
            match random.below(3 * lies) {
                0 => drop(told.pop()),
                1 => told.push(i64::try_from(random.below(count)).unwrap()),
                2 if !told.is_empty() => drop(told.remove(random.pick(told.len()))),
                _ => {}
            }
            op = KvOp::Get { key: "k".into() };
            ret = KvRet::Value(if told.is_empty() { Value::Nil } else { Value::list(told) });
        }
        let completion = match fate {
            0 => Completion::Fail,
            1 | 2 => Completion::Info,
            _ => Completion::Ok(ret),
        };
        let invoked = (3 * number).saturating_sub(random.below(stretch));
        let returned = (completion != Completion::Info).then_some(3 * number + random.below(stretch));
        operations.push(Operation { process: ProcessId(number), op, invoked, returned, completion });
    }
    operations
}

/// The same operations on texts of tokens.
fn as_texts(operations: &[KvOperation]) -> Vec<KvOperation> {
    let token = |value: &Value| format!("<{value}>");
    let changed = |operation: &KvOperation| {
        let mut operation = operation.clone();
        if let KvOp::Append { value, .. } = &mut operation.op {
            *value = Value::text(token(value));
        }
        if let Completion::Ok(KvRet::Value(value)) = &mut operation.completion {
            *value = Value::text(value.as_list().unwrap().iter().map(token).collect::<String>());
        }
        operation
    };
    operations.iter().map(changed).collect()
}

/// What became of an append by what the words say: every read is looked at.
fn became(history: &History<KvOp, KvRet>, append: &KvOperation) -> Status {
    let KvOp::Append { value: element, .. } = &append.op else { unreachable!("an append") };
    let read = |operation: &KvOperation| match operation.ret() {
        Some(KvRet::Value(value)) => Some(value.as_list().unwrap().to_vec()),
        _ => None,
    };
    let reads = history.operations().iter().filter_map(|operation| Some((operation, read(operation)?)));
    let reads: Vec<(&KvOperation, Vec<Value>)> = reads.collect();
    let shows: Vec<&KvOperation> =
        reads.iter().filter(|(_, list)| list.contains(element)).map(|(operation, _)| *operation).collect();
    let twice = |list: &Vec<Value>| list.iter().filter(|item| *item == element).count() > 1;
    if !shows.is_empty() && append.completion == Completion::Fail
        || shows.iter().any(|read| read.precedes(append))
    {
        return Status::Phantom;
    }
    if reads.iter().any(|(_, list)| twice(list)) {
        return Status::Duplicated;
    }
    let acknowledged = append.returned.filter(|_| matches!(append.completion, Completion::Ok(_)));
    let known = acknowledged.into_iter().chain(shows.iter().filter_map(|read| read.returned)).min();
    let Some(known) = known else {
        return if append.completion == Completion::Fail { Status::Refused } else { Status::Absent };
    };
    let later = |(operation, list): &(&KvOperation, Vec<Value>)| {
        let behind = |item: &Value| {
            let appends = |other: &&KvOperation| {
                matches!(&other.op, KvOp::Append { value, .. } if value == item) && other.invoked > known
            };
            history.operations().iter().any(|other| appends(&other))
        };
        let after_all = shows.iter().all(|read| read.invoked < operation.invoked);
        !list.contains(element)
            && (operation.invoked > known && after_all || shows.is_empty() && list.iter().any(behind))
    };
    match () {
        () if reads.iter().any(later) => Status::Missing,
        () if shows.is_empty() => Status::Unread,
        () if acknowledged.is_some() => Status::Once,
        () => Status::Applied,
    }
}

fn reads_begin_at_once(history: &History<KvOp, KvRet>) -> bool {
    let reads = history.operations().iter().filter(|operation| matches!(operation.op, KvOp::Get { .. }));
    let mut begun: Vec<u64> = reads.map(|read| read.invoked).collect();
    begun.sort_unstable();
    begun.windows(2).any(|pair| pair[0] == pair[1])
}

fn statuses(ledger: &Ledger) -> Vec<(OpId, Status, Option<OpId>, Option<OpId>)> {
    ledger.entries().iter().map(|entry| (entry.id, entry.status, entry.shown_by, entry.evidence)).collect()
}

#[test]
fn the_ledger_agrees_with_the_check_and_texts_with_lists() {
    let mut seen = BTreeMap::<Status, u64>::new();
    for number in cases(20_000) {
        let mut random = Random(number);
        let operations = case(&mut random);
        let history = history(&operations);
        let ledger = Ledger::of(&history);
        let outcome = ExactlyOnce.check(&KvSpec::default(), &history, &Bounds::default());
        let told = || format!("case {number}: {ledger:#?} {outcome:#?} {history:#?}");
        for entry in ledger.entries() {
            assert_eq!(entry.status, became(&history, history.get(entry.id)), "{}: {}", entry.id, told());
        }
        assert!(ledger.is_clean() || outcome.verdict == Verdict::Invalid, "{}", told());
        assert_eq!(outcome.reason.is_some(), outcome.verdict == Verdict::Vacuous, "{}", told());
        let kinds: Vec<_> = outcome.violations.iter().map(|violation| violation.kind.as_str()).collect();
        for status in [Status::Missing, Status::Duplicated, Status::Phantom] {
            let acknowledged = |id: OpId| history.get(id).ret().is_some();
            let has = ledger.with(status).any(|entry| status != Status::Missing || acknowledged(entry.id))
                || (status == Status::Phantom && !ledger.strangers().is_empty());
            let kind = status.anomaly().unwrap();
            // One append that is wrong in two ways has the graver status only.
            let graver = ledger.entries().iter().any(|entry| {
                let other = entry.status.is_anomaly() && entry.status > status;
                other && (status != Status::Missing || acknowledged(entry.id))
            });
            // What is shown, and lacking by when it is acknowledged, is told as stale.
            let early = |entry: &Entry| {
                let lacks = entry.evidence.map(|read| history.get(read));
                entry.shown_by.is_some() && !lacks.is_some_and(|lacks| history.get(entry.id).precedes(lacks))
            };
            let mut missing = ledger.with(Status::Missing).filter(|entry| acknowledged(entry.id));
            let stale = status == Status::Missing && missing.all(early) && kinds.contains(&"stale");
            assert!(!has || kinds.contains(&kind) || stale, "{kind}: {}", told());
            // Of two reads that begin at once, one that lacks what the other shows is told as if it were later.
            let tied = status == Status::Missing && reads_begin_at_once(&history);
            assert!(has || !kinds.contains(&kind) || graver || tied, "{kind}: {}", told());
        }
        let texts = Ledger::of(&common::history(&as_texts(&operations)));
        assert_eq!(statuses(&texts), statuses(&ledger), "texts are told apart as lists are: {}", told());
        for (status, count) in ledger.count() {
            *seen.entry(status).or_default() += u64::try_from(count).unwrap();
        }
    }
    println!("{seen:?}");
    assert_eq!(seen.len(), Status::ALL.len(), "every status occurs: {seen:?}");
}

/// Lines of the compact format, without the key and in any order of time.
fn ledger(lines: &str) -> Ledger {
    let operation = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let values = words[4..].iter().map(|word| word.parse().unwrap());
        let (op, ret) = match words[3] {
            "a" => {
                let value = values.map(Value::Int).next().unwrap();
                (KvOp::Append { key: "x".into(), value }, KvRet::Done)
            }
            _ => (KvOp::Get { key: "x".into() }, KvRet::Value(Value::list(values))),
        };
        let (returned, completion) = match words[2].strip_suffix('!') {
            Some(stamp) => (Some(stamp.parse().unwrap()), Completion::Fail),
            None if words[2] == "-" => (None, Completion::Info),
            None => (Some(words[2].parse().unwrap()), Completion::Ok(ret)),
        };
        let (process, invoked) = (ProcessId(words[0].parse().unwrap()), words[1].parse().unwrap());
        Operation { process, op, invoked, returned, completion }
    };
    let history: History<KvOp, KvRet> = history(&lines.trim().lines().map(operation).collect::<Vec<_>>());
    Ledger::of(&history)
}

#[test]
fn every_status_has_its_reads() {
    let all = ledger(
        "0 0 10 a 1
         1 0 10 a 2
         2 0 10 a 3
         3 0 - a 4
         4 0 - a 5
         5 0 10! a 6
         6 0 10! a 7
         8 20 30 r 1 3 3 4 6 9
         9 40 50 a 8",
    );
    let shown: Vec<String> = all
        .entries()
        .iter()
        .map(|entry| format!("{} {} {:?} {:?}", entry.element, entry.status, entry.shown_by, entry.evidence))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r"
    1 once Some(OpId(7)) None
    2 missing None Some(OpId(7))
    3 duplicated Some(OpId(7)) Some(OpId(7))
    6 phantom Some(OpId(7)) Some(OpId(7))
    7 failed, absent None None
    4 indeterminate, applied Some(OpId(7)) None
    5 indeterminate, absent None None
    8 unread None None
    ");
    insta::assert_snapshot!(all, @"8 appends: 1 once; 1 indeterminate, applied; 1 indeterminate, absent; 1 failed, absent; 1 unread; 1 missing; 1 duplicated; 1 phantom; 1 element that nobody appended");
    assert_eq!(all.strangers()[0].element, Value::Int(9));
    assert_eq!(all.entry(OpId(1)).unwrap().status, Status::Missing);
    assert_eq!(all.entry(OpId(7)), None, "a read");
}

#[test]
fn what_is_seen_must_stay() {
    // Indeterminate, seen, and gone; acknowledged, and behind it one that is seen alone.
    let gone = ledger("0 0 - a 1\n1 20 30 r 1\n2 40 50 r");
    assert_eq!(statuses(&gone), [(OpId(0), Status::Missing, Some(OpId(1)), Some(OpId(2)))]);
    let overtaken = ledger("2 5 90 r 2\n0 0 10 a 1\n1 20 30 a 2");
    assert_eq!(overtaken.entries()[0].status, Status::Missing);
    let back = ledger("0 0 10 a 1\n1 20 30 r\n2 40 50 r 1");
    assert_eq!(back.entries()[0].status, Status::Once, "stale, but not lost");
}

#[test]
fn keys_that_cannot_be_judged_are_named() {
    let append = |value: &str, number: u64| Operation {
        process: ProcessId(number),
        op: KvOp::Append { key: "x".into(), value: value.into() },
        invoked: number,
        returned: Some(number),
        completion: Completion::Ok(KvRet::Done),
    };
    for values in [["a", "ab"], ["a", "a"], ["", "b"]] {
        let ledger = Ledger::of(&history(&[append(values[0], 0), append(values[1], 1)]));
        assert_eq!(ledger.unclear(), ["x"], "{values:?}");
        assert!(ledger.entries().is_empty() && ledger.is_clean());
        assert_eq!(ledger.to_string(), "0 appends (key x could not be judged)");
    }
    assert_eq!(Ledger::of(&history(&[append("a", 0), append("ba", 1)])).unclear(), [""; 0]);
}
