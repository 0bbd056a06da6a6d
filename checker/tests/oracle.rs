//! The search against brute force: random small histories of every operation and every kind of completion, with
//! ties, judged by trying all orders of all subsets. Not one difference is allowed. `SQUALL_ORACLE_CASES` asks
//! for more cases than the default.

use std::collections::BTreeMap;
use std::sync::Arc;

use squall_checker::certificate::{self, Proof, Reduction};
use squall_checker::kv::{KvOp, KvRet, KvSpec};
use squall_checker::search::{Decision, Search};
use squall_checker::{
    Bounds, Check, CheckOutcome, Completion, Direct, ExactlyOnce, History, OpId, Operation, ProcessId, Spec,
    Value, Verdict,
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

/// What a case may contain.
#[derive(Clone, Copy, Debug)]
enum Flavour {
    Register,
    Cas,
    List,
    Text,
    Everything,
}

const FLAVOURS: [Flavour; 5] =
    [Flavour::Register, Flavour::Cas, Flavour::List, Flavour::Text, Flavour::Everything];

fn value(random: &mut Random, flavour: Flavour) -> Value {
    let number = i64::try_from(random.below(4)).unwrap();
    match flavour {
        Flavour::Text if random.one_in(8) => "".into(),
        Flavour::Text => ["a", "b", "ab", "ba"][random.pick(4)].into(),
        Flavour::Everything if random.one_in(6) => Value::Nil,
        Flavour::Everything if random.one_in(6) => Value::list([number]),
        Flavour::Everything if random.one_in(6) => Value::list([]),
        Flavour::Everything if random.one_in(6) => "a".into(),
        _ => Value::Int(number),
    }
}

fn op(random: &mut Random, flavour: Flavour) -> KvOp {
    let key: Arc<str> = "k".into();
    let choice = match flavour {
        Flavour::Register => random.below(5),
        Flavour::Cas => [0, 1, 3, 5, 6, 7, 8][random.pick(7)],
        Flavour::List | Flavour::Text => [0, 1, 2, 4, 9, 9, 9][random.pick(7)],
        Flavour::Everything => random.below(12),
    };
    match choice {
        0..=2 => KvOp::Get { key },
        3 | 4 => {
            let value = value(random, flavour);
            let wrapped = matches!(flavour, Flavour::List) && !random.one_in(4);
            KvOp::Put { key, value: if wrapped { Value::List([value].into()) } else { value } }
        }
        5..=8 => {
            let expected = if random.one_in(4) { Value::Nil } else { value(random, flavour) };
            KvOp::Cas { key, expected, new: value(random, flavour) }
        }
        9 | 10 => KvOp::Append { key, value: value(random, flavour) },
        _ => KvOp::Delete { key },
    }
}

/// A history that is usually legal or nearly so: operations take effect one after the other in a random order
/// on a real store, get intervals around that moment, and sometimes a return is falsified.
fn case(random: &mut Random, spec: &KvSpec, flavour: Flavour) -> Vec<KvOperation> {
    let count = 2 + random.pick(6);
    let stretch = 1 + random.below(4);
    let mut state = spec.init();
    let mut seen = vec![state.clone()];
    let mut operations = Vec::new();
    for number in 0..count {
        let op = op(random, flavour);
        let fate = random.below(10);
        let happens = fate > 2 || (fate > 0 && random.one_in(2));
        let before = state.clone();
        if happens {
            state = spec.step(&before, &op, None).expect("any outcome is acceptable");
            seen.push(state.clone());
        }
        let lie = random.one_in(2);
        let told = if lie { seen[random.pick(seen.len())].clone() } else { before.clone() };
        let ret = match &op {
            KvOp::Get { .. } => KvRet::Value(told),
            KvOp::Cas { expected, .. } => {
                let swapped = spec.same(&before, expected) != (lie && random.one_in(2));
                let seen = if random.one_in(2) { Some(told) } else { None };
                if swapped { KvRet::Done } else { KvRet::Mismatch(seen) }
            }
            _ => KvRet::Done,
        };
        let moment = 3 * number as u64;
        let invoked = moment.saturating_sub(random.below(stretch * 2));
        let returned = moment + random.below(stretch * 2);
        let completion = match fate {
            0 => Completion::Fail,
            1 | 2 => Completion::Info,
            _ => Completion::Ok(ret),
        };
        let returned = (completion != Completion::Info).then_some(returned);
        operations.push(Operation { process: ProcessId(number as u64), op, invoked, returned, completion });
    }
    operations
}

/// Of a legal history no contradiction is ever found, and whatever reduces it, it stays legal.
fn nothing_is_wrong_with(spec: &KvSpec, operations: &[&KvOperation], random: &mut Random) {
    let indexed: Vec<_> =
        operations.iter().enumerate().map(|(id, op)| (OpId(u32::try_from(id).unwrap()), *op)).collect();
    assert_eq!(spec.explain("k", &indexed, &[]), None, "{operations:#?}");
    assert_eq!(spec.explain("k", &indexed, &indexed), None, "{operations:#?}");
    let left: Vec<_> = indexed.iter().map(|(id, operation)| (*id, (*operation).clone())).collect();
    let reductions: Vec<Reduction> =
        (0..1 + random.pick(5)).map(|_| reduction(spec, &left, random)).collect();
    // One that does not apply here ends the sequence.
    for end in 1..=reductions.len() {
        let Ok(left) = certificate::left(spec, &indexed, &reductions[..end]) else { return };
        let left: Vec<KvOperation> = left.into_iter().map(|(_, operation)| operation).collect();
        assert!(brute_force(spec, &left), "{reductions:?} of {operations:#?} left {left:#?}");
    }
}

/// What the operations say that had begun, and returned, by this stamp.
fn until(history: &History<KvOp, KvRet>, stamp: u64) -> Vec<KvOperation> {
    let indexed: Vec<_> = history.iter().collect();
    let left = certificate::left(&KvSpec::default(), &indexed, &[Reduction::Until { stamp }]).unwrap();
    left.into_iter().map(|(_, operation)| operation).collect()
}

/// No reduction can be taken a single step further, and the history is cut off as early as can be.
fn is_minimal(spec: &KvSpec, history: &History<KvOp, KvRet>, outcome: &CheckOutcome) {
    let Some(Proof::Reductions(reductions)) = outcome.partitions[0].certificate.as_ref().map(|it| &it.proof)
    else {
        return;
    };
    let indexed: Vec<_> = history.iter().collect();
    let still_illegal = |tried: &[Reduction]| {
        let mut sound = Vec::new();
        let mut left = certificate::left(spec, &indexed, &sound).unwrap();
        for reduction in tried {
            // Where nothing is left of what it is about, a reduction no longer applies.
            sound.push(reduction.clone());
            match certificate::left(spec, &indexed, &sound) {
                Ok(fewer) => left = fewer,
                Err(_) => drop(sound.pop()),
            }
        }
        let left: Vec<KvOperation> = left.into_iter().map(|(_, operation)| operation).collect();
        (!brute_force(spec, &left)).then_some(left)
    };
    let few = still_illegal(reductions).expect("it is a proof");
    let further = |tried: &[Reduction]| still_illegal(tried).is_some_and(|left| left != few);
    for (id, _) in &indexed {
        for of_writes in [false, true] {
            let mut tried = reductions.clone();
            for reduction in &mut tried {
                match reduction {
                    Reduction::ReadOnly { kept } | Reduction::Blind { kept } if !of_writes => {
                        kept.retain(|other| other != id);
                    }
                    Reduction::Unseen { kept } if of_writes => kept.retain(|other| other != id),
                    _ => {}
                }
            }
            assert!(!further(&tried), "without {id}: {tried:?} of {history:#?}");
        }
    }
    let units = reductions.iter().find_map(|reduction| match reduction {
        Reduction::Only { units } => Some(units),
        _ => None,
    });
    for unit in units.into_iter().flatten() {
        let mut tried = reductions.clone();
        for reduction in &mut tried {
            if let Reduction::Only { units } = reduction {
                units.retain(|other| other != unit);
            }
        }
        assert!(!further(&tried), "without {unit}: {tried:?} of {history:#?}");
    }
    // Blocks tell the earliest of what they can judge; what cas show earlier they may have to leave to the search.
    let cas = |operation: &KvOperation| matches!(operation.op, KvOp::Cas { .. });
    let told = |step: &String| step.starts_with("the history is impossible once");
    if let (Some(Reduction::Until { stamp }), true, false) = (
        reductions.first(),
        outcome.violations[0].steps.iter().any(told),
        history.operations().iter().any(cas),
    ) {
        let before = stamp.checked_sub(1).map_or_else(Vec::new, |before| until(history, before));
        assert!(brute_force(spec, &before), "it is illegal before {stamp}: {reductions:?} of {history:#?}");
    }
}

/// Any reduction, with anything to be kept.
fn reduction(spec: &KvSpec, operations: &[(OpId, KvOperation)], random: &mut Random) -> Reduction {
    let ids: Vec<OpId> = operations.iter().map(|(id, _)| *id).collect();
    let kept: Vec<OpId> = ids.iter().copied().filter(|_| random.one_in(2)).collect();
    match random.below(6) {
        5 => Reduction::Overwritten,
        0 => Reduction::Until { stamp: random.below(30) },
        1 => Reduction::ReadOnly { kept },
        2 => Reduction::Blind { kept },
        3 => Reduction::Unseen { kept },
        _ => {
            let units = spec.units(operations, &ids);
            Reduction::Only { units: units.into_iter().filter(|_| random.one_in(2)).collect() }
        }
    }
}

#[test]
fn the_search_agrees_with_brute_force() {
    let numbers = cases(40_000);
    let cases = numbers.end - numbers.start;
    let (mut legal, mut illegal) = ([0; 5], [0; 5]);
    let mut kinds = BTreeMap::<String, u64>::new();
    let mut forged = Forged::default();
    for number in numbers {
        let mut random = Random(number);
        let flavour = random.pick(5);
        let spec = KvSpec { empty_is_absent: random.one_in(2) };
        let history = history(&case(&mut random, &spec, FLAVOURS[flavour]));
        let expected = brute_force(&spec, history.operations());
        let operations: Vec<&KvOperation> = history.operations().iter().collect();
        let mut search = Search::new(&spec);
        match search.decide(&operations, &Bounds::default()) {
            Decision::Legal(order) => {
                assert!(expected, "case {number}: the search accepts {history:#?}");
                verify_order(&spec, &operations, &order);
                legal[flavour] += 1;
            }
            Decision::Illegal { .. } => {
                assert!(!expected, "case {number}: the search refuses {history:#?}");
                illegal[flavour] += 1;
            }
            Decision::Undecided(limit) => panic!("case {number}: {limit}"),
        }
        let outcome = linearizable(&spec, &history, &Bounds::default());
        let nothing = operations.iter().all(|operation| operation.ret().is_none());
        let verdict = match expected {
            _ if nothing => Verdict::Vacuous,
            true => Verdict::Valid,
            false => Verdict::Invalid,
        };
        assert_eq!(outcome.verdict, verdict, "case {number}");
        assert_eq!(outcome.violations.is_empty(), verdict != Verdict::Invalid);
        for violation in &outcome.violations {
            verify_edges(&history, violation);
            *kinds.entry(violation.kind.clone()).or_default() += 1;
        }
        is_minimal(&spec, &history, &outcome);
        forged.forge(&spec, &history, (&outcome, expected), &mut random);
        if expected {
            nothing_is_wrong_with(&spec, &operations, &mut random);
        }
    }
    println!("legal {legal:?}, illegal {illegal:?}, {kinds:?}, {forged:?}");
    assert!(forged.refused > cases, "forged certificates are refused");
    for flavour in 0..5 {
        assert!(legal[flavour] > cases / 80 && illegal[flavour] > cases / 80, "both verdicts are common");
    }
}

/// The same without what proves and explains a verdict, so that hundreds of millions of histories can be judged.
#[test]
fn bare_verdicts_agree_with_brute_force() {
    let (mut legal, mut illegal) = ([0_u64; 5], [0_u64; 5]);
    for number in cases(100_000) {
        let mut random = Random(number ^ 0xbace);
        let flavour = random.pick(5);
        let spec = KvSpec { empty_is_absent: random.one_in(2) };
        let operations = case(&mut random, &spec, FLAVOURS[flavour]);
        let expected = brute_force(&spec, &operations);
        let counter = if expected { &mut legal } else { &mut illegal };
        counter[flavour] += 1;
        let mut borrowed: Vec<&KvOperation> = operations.iter().collect();
        borrowed.sort_by_key(|operation| operation.invoked);
        let wrong = |who: &str| panic!("case {number}: {who} is wrong about {operations:#?}");
        match Search::new(&spec).decide(&borrowed, &Bounds::default()) {
            Decision::Legal(order) => {
                verify_order(&spec, &borrowed, &order);
                assert!(expected, "case {number}: the search accepts {operations:#?}");
            }
            Decision::Illegal { .. } if !expected => {}
            _ => wrong("the search"),
        }
        match spec.decide_directly(&borrowed) {
            Some(Direct::Legal(order)) => {
                verify_order(&spec, &borrowed, &order);
                assert!(expected, "case {number}: blocks accept {operations:#?}");
            }
            Some(Direct::Illegal(_)) if expected => wrong("the monitor of blocks"),
            Some(Direct::Illegal(_)) | None => {}
        }
    }
    println!("legal {legal:?}, illegal {illegal:?}");
}

#[test]
fn what_brings_overwritten_writes_back_lets_others_go() {
    // A swap that must stay, unless the value it swaps is told: then it may be an overwrite.
    let key: Arc<str> = "k".into();
    let operation = |process, (invoked, returned), op, completion| Operation {
        process: ProcessId(process),
        op,
        invoked,
        returned,
        completion,
    };
    let put = KvOp::Put { key: key.clone(), value: Value::Int(1) };
    let append = KvOp::Append { key: key.clone(), value: Value::Int(0) };
    let cas = KvOp::Cas { key: key.clone(), expected: Value::Int(1), new: Value::Int(0) };
    let shown = KvRet::Value(Value::list([1, 0]));
    let operations = [
        operation(0, (0, Some(0)), put, Completion::Ok(KvRet::Done)),
        operation(1, (2, None), append, Completion::Info),
        operation(2, (6, Some(7)), cas, Completion::Ok(KvRet::Done)),
        operation(3, (14, Some(16)), KvOp::Get { key }, Completion::Ok(shown)),
    ];
    let (spec, history) = (KvSpec::default(), history(&operations));
    let outcome = linearizable(&spec, &history, &Bounds::default());
    assert_eq!(outcome.verdict, Verdict::Invalid);
    is_minimal(&spec, &history, &outcome);
}

/// Appends of unique elements and reads of them, on a store that sometimes lies.
fn log_case(random: &mut Random) -> Vec<KvOperation> {
    let key: Arc<str> = "k".into();
    let mut list: Vec<i64> = Vec::new();
    let count = 2 + random.below(6);
    let stretch = 1 + random.below(4);
    let mut operations = Vec::new();
    for number in 0..count {
        let (op, ret);
        let fate = random.below(10);
        if random.one_in(2) {
            op = KvOp::Append { key: key.clone(), value: Value::Int(i64::try_from(number).unwrap()) };
            ret = KvRet::Done;
            if fate > 2 || (fate > 0 && random.one_in(2)) {
                let behind = if random.one_in(6) { random.pick(list.len() + 1) } else { 0 };
                list.insert(list.len() - behind, i64::try_from(number).unwrap());
            }
        } else {
            let mut told = list.clone();
            match random.below(12) {
                0 => drop(told.pop()),
                1 => told.push(i64::try_from(random.below(count)).unwrap()),
                2 if !told.is_empty() => drop(told.remove(random.pick(told.len()))),
                3 if told.len() > 1 => told.swap(0, 1),
                _ => {}
            }
            op = KvOp::Get { key: key.clone() };
            ret = KvRet::Value(if told.is_empty() { Value::Nil } else { Value::list(told) });
        }
        let completion = match fate {
            0 => Completion::Fail,
            1 | 2 => Completion::Info,
            _ => Completion::Ok(ret),
        };
        let moment = 3 * number;
        let invoked = moment.saturating_sub(random.below(stretch * 2));
        let returned = (completion != Completion::Info).then_some(moment + random.below(stretch * 2));
        operations.push(Operation { process: ProcessId(number), op, invoked, returned, completion });
    }
    operations
}

#[test]
fn exactly_once_and_linearizable_are_the_same_on_lists_of_unique_elements() {
    let mut kinds = BTreeMap::<String, u64>::new();
    let mut valid = 0;
    for number in cases(20_000) {
        let mut random = Random(number);
        let history = history(&log_case(&mut random));
        let spec = KvSpec::default();
        let legal = brute_force(&spec, history.operations());
        let outcome = ExactlyOnce.check(&spec, &history, &Bounds::default());
        let again = ExactlyOnce.check(&spec, &history, &Bounds::default());
        assert_eq!(outcome, again, "deterministic");
        assert_eq!(outcome.verdict != Verdict::Invalid, legal, "case {number}: {outcome:#?} of {history:#?}");
        for violation in &outcome.violations {
            verify_edges(&history, violation);
            *kinds.entry(violation.kind.clone()).or_default() += 1;
        }
        valid += u64::from(legal);
    }
    println!("valid {valid}, {kinds:?}");
    assert_eq!(kinds.len(), 6, "every kind occurs: {kinds:?}");
}
