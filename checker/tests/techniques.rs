//! Every technique of the search, alone and with the others, against trying everything: histories of up to a dozen
//! operations with many indeterminate ones, ties, and operations that are alike, on a register, a key-value store, a
//! counter, a stack and a queue. Not one difference is allowed, and every order found is replayed.
//! `SQUALL_ORACLE_CASES` asks for more cases than the default.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use squall_checker::kv::{KvOp, KvRet, KvSpec};
use squall_checker::search::{Decision, Search, Techniques};
use squall_checker::{Bounds, Completion, Operation, ProcessId, Spec, Told, Value};

#[path = "common/cases.rs"]
mod cases;
#[path = "common/random.rs"]
mod random;
use cases::cases;
use random::Random;

const NONE: Techniques = Techniques::NONE;
const SETS: [(&str, Techniques); 11] = [
    ("none", NONE),
    ("omission", Techniques { omission: true, ..NONE }),
    ("dominance", Techniques { dominance: true, ..NONE }),
    ("symmetry", Techniques { symmetry: true, ..NONE }),
    ("laziness", Techniques { laziness: true, ..NONE }),
    ("look-ahead", Techniques { look_ahead: true, ..NONE }),
    ("cuts", Techniques { cuts: Some(0), ..NONE }),
    ("without laziness", Techniques { laziness: false, ..Techniques::ALL }),
    ("without look-ahead", Techniques { look_ahead: false, ..Techniques::ALL }),
    ("all, forgetful", Techniques { cuts: Some(0), ..Techniques::ALL }),
    ("all", Techniques::ALL),
];

/// A counter that can be set; an operation adds a number or sets it, and returns the sum.
struct Counter;

impl Spec for Counter {
    type Op = (bool, i64);
    type Ret = Option<i64>;
    type State = i64;

    fn init(&self) -> i64 {
        0
    }

    fn step(&self, sum: &i64, (set, number): &Self::Op, ret: Option<&Self::Ret>) -> Option<i64> {
        let sum = if *set { *number } else { sum + number };
        ret.is_none_or(|ret| ret.is_none_or(|ret| ret == sum)).then_some(sum)
    }

    fn is_read_only(&self, op: &Self::Op, _ret: Option<&Self::Ret>) -> bool {
        *op == (false, 0)
    }

    fn is_overwrite(&self, (set, _): &Self::Op, ret: Option<&Self::Ret>) -> bool {
        *set && matches!(ret, None | Some(None))
    }

    fn is_alike(&self, one: Told<'_, Self>, other: Told<'_, Self>) -> bool {
        one.0 == other.0 && one.1.copied().flatten() == other.1.copied().flatten()
    }
}

/// A stack or a queue of numbers; `None` takes one.
struct Line {
    first_in_first_out: bool,
}

impl Spec for Line {
    type Op = Option<i64>;
    /// What was taken: nothing, if it was empty.
    type Ret = Option<i64>;
    type State = VecDeque<i64>;

    fn init(&self) -> VecDeque<i64> {
        VecDeque::new()
    }

    fn step(&self, line: &Self::State, op: &Self::Op, ret: Option<&Self::Ret>) -> Option<Self::State> {
        let mut line = line.clone();
        let taken = match op {
            Some(number) => {
                line.push_back(*number);
                return Some(line);
            }
            None if self.first_in_first_out => line.pop_front(),
            None => line.pop_back(),
        };
        ret.is_none_or(|ret| *ret == taken).then_some(line)
    }

    fn is_alike(&self, one: Told<'_, Self>, other: Told<'_, Self>) -> bool {
        one.0 == other.0 && (one.0.is_some() || one.1 == other.1)
    }
}

type Operations<S> = Vec<Operation<<S as Spec>::Op, <S as Spec>::Ret>>;

/// Tries every order, remembering which sets of operations lead nowhere from which states.
fn possible<S: Spec>(spec: &S, operations: &Operations<S>) -> bool
where
    S::State: Ord,
{
    let required = |at: usize| matches!(operations[at].completion, Completion::Ok(_));
    let mut known = BTreeSet::new();
    let mut pending = vec![(0u32, spec.init())];
    while let Some((used, state)) = pending.pop() {
        let left = |at: &usize| used >> at & 1 == 0;
        if !(0..operations.len()).any(|at| left(&at) && required(at)) {
            return true;
        }
        if !known.insert((used, state.clone())) {
            continue;
        }
        for at in (0..operations.len()).filter(left) {
            let operation = &operations[at];
            let free = operation.completion != Completion::Fail
                && !(0..operations.len())
                    .any(|other| left(&other) && required(other) && operations[other].precedes(operation));
            let next = spec.step(&state, &operation.op, operation.ret());
            pending.extend(next.filter(|_| free).map(|next| (used | 1 << at, next)));
        }
    }
    false
}

/// Every completed operation once, in real time, legal.
fn verify<S: Spec>(spec: &S, operations: &Operations<S>, order: &[u32], what: &str) {
    let mut state = spec.init();
    for (position, index) in order.iter().enumerate() {
        let operation = &operations[*index as usize];
        assert!(operation.completion != Completion::Fail && !order[..position].contains(index), "{what}");
        let later = &order[position + 1..];
        assert!(!later.iter().any(|other| operations[*other as usize].precedes(operation)), "{what}");
        state = spec.step(&state, &operation.op, operation.ret()).unwrap_or_else(|| panic!("{what}"));
    }
    for (index, operation) in operations.iter().enumerate() {
        let required = matches!(operation.completion, Completion::Ok(_));
        assert!(!required || order.contains(&u32::try_from(index).unwrap()), "{what}");
    }
}

/// Judges with every set of techniques; whether it is legal.
fn judged<S: Spec>(spec: &S, operations: &Operations<S>, what: &str) -> bool
where
    S::State: Ord,
{
    let legal = possible(spec, operations);
    let refs: Vec<_> = operations.iter().collect();
    for (name, techniques) in SETS {
        let what = || format!("{what} with {name}: {operations:#?}");
        let mut search = Search::new(spec).with(techniques);
        match search.decide(&refs, &Bounds::default()) {
            Decision::Legal(order) => {
                assert!(legal, "accepted {}", what());
                verify(spec, operations, &order, &what());
            }
            Decision::Illegal { .. } => assert!(!legal, "refused {}", what()),
            Decision::Undecided(limit) => panic!("{limit} {}", what()),
        }
    }
    legal
}

/// How the operations of a case lie in time.
struct Times {
    now: u64,
    stretch: u64,
    /// One in so many is indeterminate.
    info: u64,
}

impl Times {
    fn new(random: &mut Random) -> Self {
        Self { now: 0, stretch: 1 + random.below(12), info: 2 + random.below(6) }
    }

    /// An operation that takes effect now, if at all; `tells` what it returned.
    fn operation<O, R>(&mut self, random: &mut Random, op: O, ret: R, happened: bool) -> Operation<O, R> {
        self.now += random.below(4);
        let invoked = self.now.saturating_sub(random.below(self.stretch));
        let returned = self.now + random.below(self.stretch);
        let completion = if happened && !random.one_in(self.info) {
            Completion::Ok(ret)
        } else if random.one_in(8) && !happened {
            Completion::Fail
        } else {
            Completion::Info
        };
        let returned = (!matches!(completion, Completion::Info)).then_some(returned);
        Operation { process: ProcessId(0), op, invoked, returned, completion }
    }
}

/// A history of a specification, on an object that sometimes lies: `next` draws an operation, what it returns where the
/// object stands, and what the liar says instead.
fn case<S: Spec>(
    spec: &S,
    random: &mut Random,
    next: impl Fn(&mut Random, &S::State) -> (S::Op, S::Ret, S::Ret),
) -> Operations<S> {
    let count = 4 + random.pick(8);
    let lies = 3 + random.below(20);
    let mut times = Times::new(random);
    let mut state = spec.init();
    let mut operations = Vec::new();
    for _ in 0..count {
        let (op, truth, lie) = next(random, &state);
        let happened = !random.one_in(5);
        let ret = if random.one_in(lies) { lie } else { truth };
        let after = spec.step(&state, &op, None).expect("any outcome is acceptable");
        operations.push(times.operation(random, op, ret, happened));
        if happened {
            state = after;
        }
    }
    operations.sort_by_key(|operation| operation.invoked);
    operations
}

fn kv_operation(random: &mut Random, state: &Value, store: u64) -> (KvOp, KvRet, KvRet) {
    let key: Arc<str> = "k".into();
    let number = |random: &mut Random| Value::Int(i64::try_from(random.below(3)).unwrap());
    let choice = match store {
        0 => [0, 0, 2][random.pick(3)],
        1 => [0, 1, 2, 3, 3, 3][random.pick(6)],
        2 => [0, 0, 2, 5, 5, 5][random.pick(6)],
        _ => random.below(7),
    };
    let read = |random: &mut Random| match state {
        Value::List(items) if random.one_in(2) => Value::List(items[..items.len() - 1].into()),
        Value::List(_) => state.appended(&number(random)),
        _ => number(random),
    };
    match choice {
        0 | 1 => (KvOp::Get { key }, KvRet::Value(state.clone()), KvRet::Value(read(random))),
        2 => (KvOp::Put { key, value: number(random) }, KvRet::Done, KvRet::Done),
        3 | 4 => {
            let expected = if random.one_in(3) { state.clone() } else { number(random) };
            let seen = random.one_in(3).then(|| state.clone());
            let lie = if random.one_in(2) { KvRet::Done } else { KvRet::Mismatch(None) };
            let truth = if expected == *state { KvRet::Done } else { KvRet::Mismatch(seen) };
            (KvOp::Cas { key, expected, new: number(random) }, truth, lie)
        }
        5 => (KvOp::Append { key, value: number(random) }, KvRet::Done, KvRet::Done),
        _ => (KvOp::Delete { key }, KvRet::Done, KvRet::Done),
    }
}

fn line_operation(
    line: &Line,
    random: &mut Random,
    state: &VecDeque<i64>,
) -> (Option<i64>, Option<i64>, Option<i64>) {
    let number = i64::try_from(random.below(2)).unwrap();
    if random.one_in(2) {
        return (Some(number), None, None);
    }
    let taken = if line.first_in_first_out { state.front() } else { state.back() };
    (None, taken.copied(), random.one_in(2).then_some(number))
}

/// The writes of 2 and 1 must both be hidden in front of the cas, in this order, although it fits at once: what
/// overwrites may be worth ordering where it changes nothing.
#[test]
fn a_write_of_what_is_there_hides_another() {
    let spec = KvSpec::default();
    let key: Arc<str> = "k".into();
    let operation = |op, invoked, returned, ret| {
        let (returned, completion) = (Some(returned), Completion::Ok(ret));
        Operation { process: ProcessId(0), op, invoked, returned, completion }
    };
    let put = |value: i64, invoked, returned| {
        operation(KvOp::Put { key: key.clone(), value: value.into() }, invoked, returned, KvRet::Done)
    };
    let cas = KvOp::Cas { key: key.clone(), expected: 1.into(), new: 3.into() };
    let get = KvOp::Get { key: key.clone() };
    let operations = vec![
        put(1, 0, 1),
        put(2, 2, 10),
        put(1, 2, 10),
        operation(cas, 2, 5, KvRet::Done),
        operation(get, 11, 12, KvRet::Value(3.into())),
    ];
    assert!(judged(&spec, &operations, "hidden"));
}

#[test]
fn no_technique_changes_a_verdict() {
    let numbers = cases(8_000);
    let cases = numbers.end - numbers.start;
    let mut counts = BTreeMap::<(&str, bool), u64>::new();
    for number in numbers {
        let mut random = Random(number ^ 0x007e_c421);
        let random = &mut random;
        let shape = random.below(8);
        let what = format!("case {number}");
        let (name, legal) = match shape {
            0..=4 => {
                let spec = KvSpec { empty_is_absent: random.one_in(2) };
                let operations = case(&spec, random, |random, state| kv_operation(random, state, shape));
                let name = ["register", "cas register", "list", "everything", "everything"];
                (name[usize::try_from(shape).unwrap()], judged(&spec, &operations, &what))
            }
            5 => {
                let operations = case(&Counter, random, |random, sum| {
                    let op = (random.one_in(4), i64::try_from(random.below(3)).unwrap());
                    let after = Counter.step(sum, &op, None).unwrap();
                    let told = |sum: i64| (!op.0 || sum % 2 == 0).then_some(sum);
                    (op, told(after), told(after + 1))
                });
                ("counter", judged(&Counter, &operations, &what))
            }
            _ => {
                let spec = Line { first_in_first_out: shape == 6 };
                let operations = case(&spec, random, |random, state| line_operation(&spec, random, state));
                (if shape == 6 { "queue" } else { "stack" }, judged(&spec, &operations, &what))
            }
        };
        *counts.entry((name, legal)).or_default() += 1;
    }
    println!("{counts:?}");
    assert_eq!(counts.len(), 14, "seven shapes, legal and not: {counts:?}");
    assert!(counts.values().all(|count| *count > cases / 200), "both verdicts are common: {counts:?}");
}
