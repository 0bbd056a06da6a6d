//! Blocks and zones against brute force and against the search: random histories in which every value has one
//! writer, on a store that sometimes lies. Not one difference is allowed, and none of these may be left undecided.
//! `SQUALL_ORACLE_CASES` asks for more cases than the default.

use std::collections::BTreeMap;
use std::sync::Arc;

use squall_checker::kv::{KvOp, KvRet, KvSpec};
use squall_checker::search::{Decision, Search};
use squall_checker::{
    Bounds, Completion, Direct, History, OpId, Operation, ProcessId, Spec, Value, Violation,
};

mod common;
#[path = "common/forged.rs"]
mod forged;
#[path = "common/verified.rs"]
mod verified;
use common::{Random, brute_force, cases, history, verify_edges, verify_order};
use forged::Forged;
use verified::linearizable;

type KvOperation = Operation<KvOp, KvRet>;

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavour {
    Register,
    Cas,
    Log,
    List,
    /// Lists, put as numbers too.
    Bare,
    Terminated,
    PrefixFree,
}

const FLAVOURS: [Flavour; 7] = [
    Flavour::Register,
    Flavour::Cas,
    Flavour::Log,
    Flavour::List,
    Flavour::Bare,
    Flavour::Terminated,
    Flavour::PrefixFree,
];

/// How a case looks.
struct Shape {
    flavour: Flavour,
    count: usize,
    /// Processes; 0: a new one for each operation.
    processes: usize,
    /// One in so many returns is falsified.
    lies: u64,
    /// How long operations take.
    stretch: u64,
    /// One in so many operations is indeterminate, and one in so many fails.
    info: u64,
    fail: u64,
}

fn written(flavour: Flavour, number: usize) -> Value {
    match flavour {
        Flavour::Terminated => Value::text(format!("{number};")),
        // No one begins with another: they are of one length, or of another first letter.
        Flavour::PrefixFree if number.is_multiple_of(3) => Value::text(format!("b{number:04}")),
        Flavour::PrefixFree => Value::text(format!("a{number:03}")),
        _ => Value::Int(i64::try_from(number).unwrap()),
    }
}

/// Something that the key may have held, or nearly.
fn falsified(random: &mut Random, flavour: Flavour, states: &[Value], count: usize) -> Value {
    let state = states[random.pick(states.len())].clone();
    let other = written(flavour, random.pick(count + 1));
    match state {
        Value::List(items) => {
            let mut items = items.to_vec();
            match random.below(6) {
                0 => drop(items.pop()),
                1 => items.push(other),
                2 => drop(items.remove(random.pick(items.len()))),
                3 if items.len() > 1 => {
                    let at = random.pick(items.len() - 1);
                    items.swap(at, at + 1);
                }
                4 => items.insert(random.pick(items.len() + 1), other),
                _ => {}
            }
            if items.is_empty() { Value::Nil } else { Value::List(items.into()) }
        }
        Value::Text(text) if random.one_in(3) => {
            let cut = random.pick(text.len() + 1);
            match random.below(3) {
                0 => Value::text(&text[..cut]),
                1 => Value::text(&text[cut..]),
                _ => {
                    Value::text(format!("{text}{}", if let Value::Text(other) = &other { other } else { "" }))
                }
            }
        }
        _ if random.one_in(6) && !matches!(flavour, Flavour::List | Flavour::Log) => other,
        state => state,
    }
}

fn op(random: &mut Random, flavour: Flavour, number: usize, states: &[Value]) -> KvOp {
    let key: Arc<str> = "k".into();
    let value = written(flavour, number);
    let put = |value: Value| KvOp::Put { key: key.clone(), value };
    match (flavour, random.below(10)) {
        (_, 0..=3) => KvOp::Get { key },
        (Flavour::Register, _) => put(value),
        (Flavour::Cas, 4 | 5) => put(value),
        (Flavour::Cas, _) => {
            // Mostly what is there.
            let recent = states.len() - 1 - random.pick(states.len().min(2));
            let expected = if random.one_in(8) {
                states[random.pick(states.len())].clone()
            } else {
                states[recent].clone()
            };
            KvOp::Cas { key, expected, new: value }
        }
        (Flavour::Bare, 4) => put(value),
        (Flavour::List | Flavour::Bare, 4 | 5) => put(Value::List([value].into())),
        (Flavour::Terminated | Flavour::PrefixFree, 4 | 5) => put(value),
        _ => KvOp::Append { key, value },
    }
}

fn case(random: &mut Random, spec: &KvSpec, shape: &Shape) -> Vec<KvOperation> {
    let flavour = shape.flavour;
    let mut state = spec.init();
    let mut states = vec![state.clone()];
    let mut operations: Vec<KvOperation> = Vec::new();
    let mut busy = vec![0; shape.processes];
    let (mut now, mut renamed) = (0, 1000);
    for number in 0..shape.count {
        let op = op(random, flavour, number, &states);
        let (failed, info) = (random.one_in(shape.fail), random.one_in(shape.info));
        let before = state.clone();
        // One of a list's own flavour begins as a list.
        if !failed && (!info || random.one_in(2)) || random.one_in(shape.lies * 4) {
            state = spec.step(&before, &op, None).expect("any outcome is acceptable");
            states.push(state.clone());
        }
        let lie = random.one_in(shape.lies);
        let told = if lie { falsified(random, flavour, &states, shape.count) } else { before.clone() };
        let ret = match &op {
            KvOp::Get { .. } => KvRet::Value(told),
            KvOp::Cas { expected, .. } if spec.same(&before, expected) || lie => KvRet::Done,
            KvOp::Cas { expected, .. } if !spec.same(&told, expected) => KvRet::Mismatch(Some(told)),
            _ => KvRet::Done,
        };
        // The moment at which it takes effect lies in its interval.
        now += 1 + random.below(3);
        let process = if shape.processes == 0 { 0 } else { random.pick(shape.processes) };
        let free = busy.get(process).copied().unwrap_or(0);
        let now_here = now.max(free);
        now = now_here;
        let invoked = now_here.saturating_sub(random.below(shape.stretch)).max(free);
        let returned = now_here + random.below(shape.stretch);
        let completion = match (failed, info) {
            (true, _) => Completion::Fail,
            (_, true) => Completion::Info,
            _ => Completion::Ok(ret),
        };
        let mut id = if shape.processes == 0 { number as u64 } else { process as u64 };
        let returned = (completion != Completion::Info).then_some(returned);
        match (busy.get_mut(process), returned) {
            (Some(busy), Some(returned)) => *busy = returned,
            (Some(_), None) => {
                renamed += 1;
                id = renamed;
            }
            (None, _) => {}
        }
        operations.push(Operation { process: ProcessId(id), op, invoked, returned, completion });
    }
    operations
}

/// The fast path's answer, verified as far as it can be by itself.
fn directly(spec: &KvSpec, history: &History<KvOp, KvRet>) -> Option<bool> {
    let operations: Vec<&KvOperation> = history.operations().iter().collect();
    match spec.decide_directly(&operations)? {
        Direct::Legal(order) => {
            verify_order(spec, &operations, &order);
            Some(true)
        }
        Direct::Illegal(witnesses) => {
            assert!(!witnesses.is_empty() && witnesses.is_sorted());
            Some(false)
        }
    }
}

fn explained(spec: &KvSpec, history: &History<KvOp, KvRet>) -> Violation {
    let indexed: Vec<_> = history.iter().collect();
    let violation = spec.explain("k", &indexed, &[]).expect("what is refuted is explained");
    verify_edges(history, &violation);
    violation
}

/// When the history was illegal at first, by brute force.
fn illegal_at(spec: &KvSpec, history: &History<KvOp, KvRet>) -> u64 {
    let mut returns: Vec<u64> =
        history.operations().iter().filter_map(|operation| operation.returned).collect();
    returns.sort_unstable();
    let illegal = |stamp: &u64| {
        let begun = history.operations().iter().filter(|operation| operation.invoked <= *stamp);
        let mut known: Vec<KvOperation> = begun.cloned().collect();
        for operation in known.iter_mut().filter(|operation| operation.returned > Some(*stamp)) {
            if operation.completion != Completion::Fail {
                (operation.returned, operation.completion) = (None, Completion::Info);
            }
        }
        !brute_force(spec, &known)
    };
    returns.into_iter().find(illegal).expect("the whole history is illegal")
}

/// The proof needs no read that completed after the history was illegal already.
fn is_earliest(spec: &KvSpec, history: &History<KvOp, KvRet>, violation: &Violation) {
    let stamp = illegal_at(spec, history);
    let edges = violation.edges.iter();
    let mut proof: Vec<OpId> =
        edges.flat_map(|edge| [&[edge.from, edge.to], &edge.evidence[..]].concat()).collect();
    let cas = history.operations().iter().any(|operation| matches!(operation.op, KvOp::Cas { .. }));
    if proof.is_empty() && !cas {
        proof.clone_from(&violation.operations);
    }
    for operation in proof.into_iter().map(|id| history.get(id)) {
        let read = matches!(operation.op, KvOp::Get { .. });
        assert!(!read || operation.returned <= Some(stamp), "at {stamp}: {violation:#?} of {history:#?}");
    }
}

/// A history that brute force can judge.
fn small(random: &mut Random, flavour: Flavour) -> Shape {
    Shape {
        flavour,
        count: 2 + random.pick(7),
        processes: 0,
        lies: 1 + random.below(4),
        stretch: 1 + random.below(8),
        info: 2 + random.below(6),
        fail: 8,
    }
}

#[test]
fn blocks_and_zones_agree_with_brute_force() {
    let numbers = cases(60_000);
    let cases = numbers.end - numbers.start;
    let (mut legal, mut illegal) = ([0; 7], [0; 7]);
    let mut kinds = BTreeMap::<String, u64>::new();
    let mut forged = Forged::default();
    for number in numbers {
        let mut random = Random(number);
        let flavour = random.pick(7);
        let spec = KvSpec { empty_is_absent: random.one_in(2) };
        let shape = small(&mut random, FLAVOURS[flavour]);
        let history = history(&case(&mut random, &spec, &shape));
        let expected = brute_force(&spec, history.operations());
        let counter = if expected { &mut legal } else { &mut illegal };
        counter[flavour] += 1;
        let answer =
            directly(&spec, &history).unwrap_or_else(|| panic!("case {number} is decided: {history:#?}"));
        assert_eq!(answer, expected, "case {number}: {history:#?}");
        let outcome = linearizable(&spec, &history, &Bounds::default());
        forged.forge(&spec, &history, (&outcome, expected), &mut random);
        if !answer {
            let violation = explained(&spec, &history);
            is_earliest(&spec, &history, &violation);
            *kinds.entry(violation.kind).or_default() += 1;
        }
    }
    println!("legal {legal:?}, illegal {illegal:?}, {kinds:?}, {forged:?}");
    for flavour in 0..7 {
        assert!(legal[flavour] > cases / 80 && illegal[flavour] > cases / 80, "both verdicts are common");
    }
    assert_eq!(kinds.len(), 8, "every kind occurs: {kinds:?}, {forged:?}");
}

/// The same without what proves and explains a verdict, so that hundreds of millions of histories can be judged.
#[test]
fn bare_verdicts_agree_with_brute_force() {
    let (mut legal, mut illegal) = ([0_u64; 7], [0_u64; 7]);
    for number in cases(100_000) {
        let mut random = Random(number ^ 0xbace);
        let flavour = random.pick(7);
        let spec = KvSpec { empty_is_absent: random.one_in(2) };
        let shape = small(&mut random, FLAVOURS[flavour]);
        let operations = case(&mut random, &spec, &shape);
        let expected = brute_force(&spec, &operations);
        let counter = if expected { &mut legal } else { &mut illegal };
        counter[flavour] += 1;
        let mut borrowed: Vec<&KvOperation> = operations.iter().collect();
        borrowed.sort_by_key(|operation| operation.invoked);
        let answer = match spec.decide_directly(&borrowed) {
            Some(Direct::Legal(order)) => {
                verify_order(&spec, &borrowed, &order);
                Some(true)
            }
            Some(Direct::Illegal(_)) => Some(false),
            None => None,
        };
        assert_eq!(answer, Some(expected), "case {number}: {operations:#?}");
    }
    println!("legal {legal:?}, illegal {illegal:?}");
}

#[test]
fn blocks_and_zones_agree_with_the_search_on_larger_histories() {
    let numbers = cases(60_000);
    let cases = (numbers.end - numbers.start) / 100;
    let (mut legal, mut illegal, mut undecided) = (0, 0, 0);
    let mut kinds = BTreeMap::<String, u64>::new();
    for number in numbers.step_by(100) {
        let mut random = Random(number ^ 0xb10c);
        let flavour = FLAVOURS[random.pick(7)];
        let spec = KvSpec { empty_is_absent: random.one_in(2) };
        let shape = Shape {
            flavour,
            count: 50 + random.pick(350),
            processes: 2 + random.pick(4),
            lies: if random.one_in(2) { u64::MAX / 8 } else { 20 + random.below(400) },
            stretch: 2 + random.below(8),
            info: if random.one_in(2) { u64::MAX } else { 40 },
            fail: 30,
        };
        let history = history(&case(&mut random, &spec, &shape));
        let operations: Vec<&KvOperation> = history.operations().iter().collect();
        let bounds = Bounds { steps_max: 300_000, ..Bounds::default() };
        let expected = match Search::new(&spec).decide(&operations, &bounds) {
            Decision::Legal(_) => true,
            Decision::Illegal { .. } => false,
            Decision::Undecided(_) => {
                undecided += 1;
                continue;
            }
        };
        let answer = directly(&spec, &history).unwrap_or_else(|| panic!("case {number} is decided"));
        assert_eq!(answer, expected, "case {number}: {history:#?}");
        linearizable(&spec, &history, &Bounds::default());
        if expected {
            legal += 1;
        } else {
            illegal += 1;
            *kinds.entry(explained(&spec, &history).kind).or_default() += 1;
        }
    }
    println!("legal {legal}, illegal {illegal}, too hard for the search {undecided}, {kinds:?}");
    assert!(legal > cases / 8 && illegal > cases / 8);
}

/// The operations of these lines, see the cases below: `invoked returned words`.
fn key(lines: &str) -> History<KvOp, KvRet> {
    let key: Arc<str> = "k".into();
    let value = |word: &str| word.parse().map_or_else(|_| Value::text(word), Value::Int);
    let operations = lines.lines().enumerate().map(|(number, line)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (op, ret) = match words[2..] {
            ["r"] => (KvOp::Get { key: key.clone() }, KvRet::Value(Value::Nil)),
            ["r", read] => (KvOp::Get { key: key.clone() }, KvRet::Value(value(read))),
            ["w", written] => (KvOp::Put { key: key.clone(), value: value(written) }, KvRet::Done),
            ["a", element] => (KvOp::Append { key: key.clone(), value: value(element) }, KvRet::Done),
            ["d"] => (KvOp::Delete { key: key.clone() }, KvRet::Done),
            ["c", expected, new] => {
                (KvOp::Cas { key: key.clone(), expected: value(expected), new: value(new) }, KvRet::Done)
            }
            ["c", expected, new, ..] => (
                KvOp::Cas { key: key.clone(), expected: value(expected), new: value(new) },
                KvRet::Mismatch(None),
            ),
            _ => panic!("no such operation: {line}"),
        };
        let returned = words[1].parse().ok();
        let completion = if returned.is_some() { Completion::Ok(ret) } else { Completion::Info };
        let process = ProcessId(number as u64);
        (number as u64, Operation { process, op, invoked: words[0].parse().unwrap(), returned, completion })
    });
    History::from_intervals(operations.collect()).unwrap()
}

#[test]
fn what_is_not_clear_is_left_to_the_search() {
    let spec = KvSpec { empty_is_absent: true };
    let cases = [
        ("a value written twice and read", "0 9 w 1\n0 9 w 1\n10 11 r 1", None),
        ("a value written twice and never read", "0 9 w 1\n0 9 w 1\n0 9 w 2\n10 11 r 2", Some(true)),
        ("absence observed of what nobody wrote", "0 - w 2\n5 8 c 9 1 no", Some(true)),
        ("absence observed of what was written twice", "0 1 w 1\n0 1 w 1\n5 8 c 1 2 no", None),
        ("a delete", "0 1 w 1\n2 3 d\n4 5 r", None),
        ("tokens that run together", "0 1 a ab;\n2 3 a a\n4 5 a b;\n6 7 r ab;ab;", None),
        ("an empty text that was written", "0 1 a x;\n2 3 w \"\"\n4 5 a y;", Some(true)),
        ("a list with cas", "0 1 a 1\n2 3 c 1 2\n4 5 r 2", None),
        ("texts and numbers", "0 1 a 1\n2 3 a x;\n4 5 r 2", None),
        ("a token appended twice and read", "0 1 a x;\n2 3 a x;\n4 5 r x;x;", None),
        ("nil written again", "0 1 w 1\n0 9 w nil\n4 5 r", Some(false)),
    ];
    for (name, lines, expected) in cases {
        let history = key(lines);
        assert_eq!(directly(&spec, &history), expected, "{name}");
        let outcome = linearizable(&spec, &history, &Bounds::default());
        let legal = brute_force(&spec, history.operations());
        assert_eq!(outcome.violations.is_empty(), legal, "{name}");
    }
}

#[test]
fn the_anomaly_that_is_complete_first_is_told() {
    // Two stale reads, the second of them of a value that is written first; then many more operations.
    let mut lines = "0 9 w 1\n10 19 w 2\n20 29 r 1\n30 39 r 1\n40 49 w 3\n50 59 r 1\n".to_owned();
    for number in 10..200 {
        lines += &format!(
            "{0} {1} w {number}\n{1} {2} r {number}\n",
            number * 20,
            number * 20 + 5,
            number * 20 + 9
        );
    }
    let history = key(lines.trim_end());
    let indexed: Vec<_> = history.iter().collect();
    let violation = KvSpec::default().explain("k", &indexed, &[]).unwrap();
    assert_eq!(violation.operations, [OpId(0), OpId(1), OpId(2)]);
    assert_eq!(violation.kind, "lost");
}
