//! Sets, counters, mutexes, banks, registers and ids against brute force, whose oracle is written apart from the
//! specifications.

use std::collections::BTreeMap;
use std::sync::Arc;

use squall_checker::models::bank::Accounts;
use squall_checker::models::{
    Bank, BankAction, BankRet, Counter, CounterAction, CounterRet, Generate, Keyed, MultiRegister,
    MultiRegisterOp, Mutex, MutexAction, Set, SetAction, SetRet, Step, Totals, UniqueIds,
};
use squall_checker::search::{Decision, Search};
use squall_checker::{
    Bounds, Check, Completion, Direct, OpId, Operation, ProcessId, Reduction, Spec, Value, Verdict,
};

use crate::common::{Random, brute_force, brute_force_by, history};
use crate::proven::{certified, only_the_truth_is_proven};
use crate::{agree, cases, interval, returned};

pub(crate) fn int(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap())
}

/// How an operation of a case ends: 0 of `failing` fail, 1 of `unknown` are indeterminate.
pub(crate) fn ending<R>(random: &mut Random, ret: R, failing: u64, unknown: u64) -> Completion<R> {
    match () {
        () if failing > 0 && random.one_in(failing) => Completion::Fail,
        () if unknown > 0 && random.one_in(unknown) => Completion::Info,
        () => Completion::Ok(ret),
    }
}

/// Whether an operation that ended so took effect.
fn happens<R>(random: &mut Random, completion: &Completion<R>) -> bool {
    match completion {
        Completion::Ok(_) => true,
        Completion::Fail => false,
        Completion::Info => random.one_in(2),
    }
}

pub(crate) fn placed<O, R: PartialEq>(
    random: &mut Random,
    (number, stretch): (u64, u64),
    op: O,
    completion: Completion<R>,
) -> Operation<O, R> {
    let (invoked, end) = interval(random, 3 * number, stretch);
    let returned = returned(&completion, end);
    Operation { process: ProcessId(number), op, invoked, returned, completion }
}

/// What a group of cases has seen: monitor decided or not, illegal and legal; kinds of anomalies.
#[derive(Debug, Default)]
struct Tally {
    verdicts: BTreeMap<bool, [u64; 2]>,
    kinds: BTreeMap<String, u64>,
}

impl Tally {
    fn judge<S: Spec>(
        &mut self,
        spec: &S,
        operations: &[Operation<S::Op, S::Ret>],
        legal: bool,
        number: u64,
    ) -> bool {
        let (direct, violations) = agree(spec, &history(operations), legal, number);
        self.verdicts.entry(direct).or_default()[usize::from(legal)] += 1;
        for violation in violations {
            *self.kinds.entry(violation.kind).or_default() += 1;
        }
        direct
    }

    fn has_seen(&self, direct: bool, kinds: &[&str]) {
        println!("{self:?}");
        let [illegal, legal] = self.verdicts[&direct];
        assert!(illegal > 100 && legal > 100, "both verdicts are common: {self:?}");
        for kind in kinds {
            assert!(self.kinds.contains_key(*kind), "{kind} occurs: {self:?}");
        }
    }
}

type SetOperation = Operation<Keyed<SetAction>, SetRet>;

fn set_case(random: &mut Random, count: u64) -> Vec<SetOperation> {
    let mut inside: Vec<Value> = Vec::new();
    let (stretch, lies) = (1 + random.below(10), 3 + random.below(20));
    let repeated = random.one_in(5);
    let mut operations = Vec::new();
    for number in 0..count {
        let (op, completion);
        if random.one_in(2) {
            let element = int(if repeated { random.below(3) } else { number });
            completion = ending(random, SetRet::Done, 12, 5);
            if happens(random, &completion) && !random.one_in(lies) && !inside.contains(&element) {
                inside.push(element.clone());
            }
            op = SetAction::Add { element };
        } else {
            let mut shown = inside.clone();
            match random.below(4 * lies) {
                0 | 1 if !shown.is_empty() => drop(shown.remove(random.pick(shown.len()))),
                2 if !shown.is_empty() => shown.push(shown[random.pick(shown.len())].clone()),
                3 => shown.push(int(random.below(count))),
                _ => {}
            }
            if shown.len() > 1 && random.one_in(3) {
                shown.swap(0, 1);
            }
            completion = ending(random, SetRet::Elements(shown.into()), 20, 12);
            op = SetAction::Read;
        }
        operations.push(placed(random, (number, stretch), op.into(), completion));
    }
    operations
}

fn set_oracle(operations: &[SetOperation]) -> bool {
    let step = |inside: &Vec<Value>, operation: &SetOperation| {
        let mut next = inside.clone();
        if let SetAction::Add { element } = &operation.op.action {
            next.push(element.clone());
            next.sort();
            next.dedup();
        }
        let told = operation.ret().and_then(|ret| match ret {
            SetRet::Elements(elements) => Some(elements.to_vec()),
            SetRet::Done => None,
        });
        let fits = told.is_none_or(|mut told| {
            told.sort();
            told == *inside
        });
        if fits { vec![next] } else { Vec::new() }
    };
    brute_force_by(&Vec::new(), &step, operations)
}

#[test]
fn sets() {
    let mut tally = Tally::default();
    for number in cases(20_000) {
        let mut random = Random(number);
        let count = 2 + random.below(7);
        let operations = set_case(&mut random, count);
        let legal = set_oracle(&operations);
        let direct = tally.judge(&Set, &operations, legal, number);
        let added = operations.iter().filter(|operation| operation.completion != Completion::Fail);
        let mut added: Vec<&SetAction> = added.map(|operation| &operation.op.action).collect();
        added.retain(|action| **action != SetAction::Read);
        let once = added.iter().all(|one| added.iter().filter(|other| one == *other).count() == 1);
        assert_eq!(direct, once, "elements that were added once are decided directly: {operations:#?}");
        if legal {
            let whole = history(&operations);
            let reduced: Vec<_> = whole.iter().map(|(id, operation)| (id, operation.clone())).collect();
            let ids: Vec<OpId> = reduced.iter().map(|(id, _)| *id).collect();
            let mut units = Set.units(&reduced, &ids);
            units.retain(|_| random.one_in(2));
            let left = Set.reduce(&reduced, &Reduction::Only { units: units.clone() }).expect("it applies");
            let left: Vec<_> = left.into_iter().map(|(_, operation)| operation).collect();
            assert!(set_oracle(&left), "only {units:?} of {operations:#?}");
        }
    }
    tally.has_seen(true, &["lost", "stale", "duplicated", "phantom", "forked"]);
}

type CounterOperation = Operation<Keyed<CounterAction>, CounterRet>;

fn counter_case(random: &mut Random, count: u64) -> Vec<CounterOperation> {
    let mut sum = 0;
    let (stretch, lies) = (1 + random.below(12), 2 + random.below(20));
    let unit = [1, 1, 2, -1, 0, i64::MIN][random.pick(6)];
    let mut operations = Vec::new();
    for number in 0..count {
        let (op, completion);
        if random.one_in(2) {
            let amount = match unit {
                0 => i64::try_from(random.below(5)).unwrap() - 1,
                i64::MIN => [i64::MIN, i64::MAX, -1][random.pick(3)],
                unit => unit,
            };
            completion = ending(random, CounterRet::Done, 12, 6);
            if happens(random, &completion) && !random.one_in(lies) {
                sum += i128::from(amount);
            }
            op = CounterAction::Add { amount };
        } else {
            let mut told = i64::try_from(sum).unwrap_or(7);
            if random.one_in(lies) {
                told = told.saturating_add(i64::try_from(random.below(5)).unwrap() - 2);
            }
            completion = ending(random, CounterRet::Sum(told), 20, 12);
            op = CounterAction::Read;
        }
        operations.push(placed(random, (number, stretch), op.into(), completion));
    }
    operations
}

fn counter_oracle(operations: &[CounterOperation]) -> bool {
    let step = |sum: &i128, operation: &CounterOperation| match (&operation.op.action, operation.ret()) {
        (CounterAction::Add { amount }, _) => vec![*sum + i128::from(*amount)],
        (CounterAction::Read, Some(CounterRet::Sum(told))) if i128::from(*told) != *sum => Vec::new(),
        (CounterAction::Read, _) => vec![*sum],
    };
    brute_force_by(&0, &step, operations)
}

#[test]
fn counters() {
    let mut tally = Tally::default();
    for number in cases(20_000) {
        let mut random = Random(number);
        let count = 2 + random.below(7);
        let operations = counter_case(&mut random, count);
        tally.judge(&Counter, &operations, counter_oracle(&operations), number);
    }
    tally.has_seen(true, &["too-low", "too-high", "torn"]);
}

#[test]
fn counters_of_equal_additions_are_always_decided_directly() {
    let mut tally = [0u64; 2];
    for number in cases(5_000) {
        let mut random = Random(number ^ 0xC0);
        let count = 10 + random.below(60);
        let mut operations = counter_case(&mut random, count);
        let amount = if random.one_in(2) { 1 } else { 3 };
        let mut sum = 0;
        for operation in &mut operations {
            let told = operation.ret().is_some();
            match &mut operation.op.action {
                CounterAction::Add { amount: added } => {
                    *added = amount;
                    sum += i64::from(operation.completion != Completion::Fail) * amount;
                }
                CounterAction::Read if told => {
                    let off = if random.one_in(40) { 1 } else { 0 };
                    operation.completion = Completion::Ok(CounterRet::Sum(sum + off));
                }
                CounterAction::Read => {}
            }
        }
        let history = history(&operations);
        let operations: Vec<_> = history.operations().iter().collect();
        let direct = Counter.decide_directly(&operations).expect("decided directly");
        let bounds = Bounds { steps_max: 100_000, ..Bounds::default() };
        let legal = match Search::new(&Counter).decide(&operations, &bounds) {
            Decision::Legal(_) => true,
            Decision::Illegal { .. } => false,
            Decision::Undecided(_) => continue,
        };
        assert_eq!(matches!(direct, Direct::Legal(_)), legal, "case {number}: {history:#?}");
        tally[usize::from(legal)] += 1;
    }
    assert!(tally.iter().all(|count| *count > 50), "both verdicts are common: {tally:?}");
}

type MutexOperation = Operation<Keyed<MutexAction>, ()>;

fn mutex_case(random: &mut Random, count: u64) -> Vec<MutexOperation> {
    let mut held = false;
    let (stretch, lies) = (1 + random.below(14), 2 + random.below(20));
    let unknown = [0, 4, 12][random.pick(3)];
    let mut operations = Vec::new();
    for number in 0..count {
        let action = if held != random.one_in(lies) { MutexAction::Release } else { MutexAction::Acquire };
        let completion = ending(random, (), 12, unknown);
        if happens(random, &completion) {
            held = action == MutexAction::Acquire;
        }
        operations.push(placed(random, (number, stretch), action.into(), completion));
    }
    operations
}

#[test]
fn mutexes() {
    let mut tally = Tally::default();
    for number in cases(20_000) {
        let mut random = Random(number);
        let count = 2 + random.below(7);
        let operations = mutex_case(&mut random, count);
        let step = |held: &bool, operation: &MutexOperation| {
            let acquires = operation.op.action == MutexAction::Acquire;
            if *held == acquires { Vec::new() } else { vec![acquires] }
        };
        let legal = brute_force_by(&false, &step, &operations);
        tally.judge(&Mutex, &operations, legal, number);
    }
    tally.has_seen(true, &["double-grant", "not-held"]);
    let searched = tally.verdicts.get(&false).map_or(0, |verdicts| verdicts.iter().sum());
    assert!(searched <= cases(20_000).count() as u64 / 1_000, "nearly all are decided directly: {tally:?}");
}

#[test]
fn longer_histories_of_mutexes_are_decided_as_the_search_does() {
    let mut tally = [0u64; 2];
    for number in cases(5_000) {
        let mut random = Random(number ^ 0x3C7);
        let count = 10 + random.below(50);
        let history = history(&mutex_case(&mut random, count));
        let operations: Vec<_> = history.operations().iter().collect();
        let Some(direct) = Mutex.decide_directly(&operations) else { continue };
        let bounds = Bounds { steps_max: 100_000, ..Bounds::default() };
        let legal = match Search::new(&Mutex).decide(&operations, &bounds) {
            Decision::Legal(_) => true,
            Decision::Illegal { .. } => false,
            Decision::Undecided(_) => continue,
        };
        assert_eq!(matches!(direct, Direct::Legal(_)), legal, "case {number}: {history:#?}");
        tally[usize::from(legal)] += 1;
    }
    assert!(tally.iter().all(|count| *count > 50), "both verdicts are common: {tally:?}");
}

#[test]
fn unique_ids() {
    let mut tally = Tally::default();
    for number in cases(5_000) {
        let mut random = Random(number);
        let (count, ids) = (1 + random.below(7), 5 + random.below(60));
        let mut operations = Vec::new();
        for number in 0..count {
            let id = int(random.below(ids));
            let completion = ending(&mut random, id, 10, 10);
            operations.push(placed(&mut random, (number, 6), Keyed::from(Generate), completion));
        }
        let mut given: Vec<_> = operations.iter().filter_map(Operation::ret).collect();
        given.sort();
        let legal = given.windows(2).all(|pair| pair[0] != pair[1]);
        tally.judge(&UniqueIds, &operations, legal, number);
    }
    tally.has_seen(true, &["duplicated"]);
}

type BankOperation = Operation<BankAction, BankRet>;

fn bank_case(random: &mut Random, count: u64) -> Vec<BankOperation> {
    let mut balances: Vec<i64> = (0..2 + random.below(2)).map(|_| 3).collect();
    let (stretch, lies) = (1 + random.below(10), 3 + random.below(20));
    let mut operations = Vec::new();
    for number in 0..count {
        let (op, completion);
        if random.one_in(2) {
            let (from, to) = (random.pick(balances.len()), random.pick(balances.len()));
            let amount = i64::try_from(random.below(4)).unwrap();
            completion = ending(random, BankRet::Done, 12, 6);
            if happens(random, &completion) && balances[from] >= amount && !random.one_in(lies) {
                balances[from] -= amount;
                balances[to] += if random.one_in(lies) { 0 } else { amount };
            }
            op = BankAction::Transfer { from: int(from as u64), to: int(to as u64), amount };
        } else {
            let shown = balances.iter().enumerate().map(|(account, balance)| (int(account as u64), *balance));
            let mut shown: Vec<(Value, i64)> = shown.collect();
            match random.below(3 * lies) {
                0 => shown[0].1 -= 1,
                1 => drop(shown.pop()),
                _ => {}
            }
            completion = ending(random, BankRet::Balances(shown.into()), 20, 12);
            op = BankAction::Read;
        }
        operations.push(placed(random, (number, stretch), op, completion));
    }
    operations
}

/// The balances, none before a read told them; what was moved until then is of no account.
fn bank_oracle(bank: Bank, operations: &[BankOperation]) -> bool {
    type Told = Option<BTreeMap<Value, i64>>;
    let step = |balances: &Told, operation: &BankOperation| match (&operation.op, operation.ret()) {
        (BankAction::Transfer { from, to, amount }, ret) => {
            let Some(balances) = balances else { return vec![None] };
            let mut next = balances.clone();
            *next.entry(from.clone()).or_default() -= amount;
            *next.entry(to.clone()).or_default() += amount;
            let refused = (next[from] < 0 && !bank.negative) || next.len() > balances.len();
            match () {
                () if !refused => vec![Some(next)],
                () if ret.is_none() => vec![Some(balances.clone())],
                () => Vec::new(),
            }
        }
        (BankAction::Read, Some(BankRet::Balances(told))) => {
            let told: BTreeMap<Value, i64> = told.iter().cloned().collect();
            let fits = balances.as_ref().is_none_or(|balances| *balances == told);
            let owes = !bank.negative && told.values().any(|balance| *balance < 0);
            let total = bank.total.is_none_or(|total| total == told.values().sum::<i64>());
            if fits && total && !owes { vec![Some(told)] } else { Vec::new() }
        }
        (BankAction::Read, _) => vec![balances.clone()],
    };
    brute_force_by(&None, &step, operations)
}

/// Whether any two reads show the same accounts and totals, and none a balance that must not be.
fn totals_oracle(bank: Bank, operations: &[BankOperation]) -> Verdict {
    let told = operations.iter().filter_map(|operation| match operation.ret() {
        Some(BankRet::Balances(told)) => Some(told.iter().cloned().collect::<BTreeMap<Value, i64>>()),
        _ => None,
    });
    let reads: Vec<BTreeMap<Value, i64>> = told.collect();
    let total = |read: &BTreeMap<Value, i64>| read.values().sum::<i64>();
    let alone = |read: &BTreeMap<Value, i64>| {
        bank.total.is_none_or(|expected| expected == total(read))
            && (bank.negative || read.values().all(|balance| *balance >= 0))
    };
    let together = |one: &BTreeMap<Value, i64>, other: &BTreeMap<Value, i64>| {
        one.keys().eq(other.keys()) && total(one) == total(other)
    };
    match () {
        () if reads.is_empty() => Verdict::Vacuous,
        () if !reads.iter().all(alone) => Verdict::Invalid,
        () if !reads.iter().all(|one| reads.iter().all(|other| together(one, other))) => Verdict::Invalid,
        () => Verdict::Valid,
    }
}

#[test]
fn banks() {
    let mut tally = Tally::default();
    let mut totals = BTreeMap::<Verdict, u64>::new();
    for number in cases(20_000) {
        let mut random = Random(number);
        let count = 2 + random.below(6);
        let operations = bank_case(&mut random, count);
        let bank = Bank { total: random.one_in(4).then_some(6), negative: random.one_in(4) };
        let legal = bank_oracle(bank, &operations);
        tally.judge(&bank, &operations, legal, number);
        let history = history(&operations);
        let outcome = Totals.check(&bank, &history, &certified());
        assert_eq!(
            outcome.verdict,
            totals_oracle(bank, &operations),
            "case {number}: {outcome:#?} {operations:#?}"
        );
        assert!(!legal || outcome.verdict != Verdict::Invalid, "totals ask for less: {operations:#?}");
        only_the_truth_is_proven(&outcome, &mut random, |outcome| Totals::verify(&bank, &history, outcome));
        *totals.entry(outcome.verdict).or_default() += 1;
    }
    println!("{totals:?}");
    tally.has_seen(false, &["not-linearizable"]);
    assert!(totals[&Verdict::Valid] > 500 && totals[&Verdict::Invalid] > 500, "{totals:?}");
    let known = Bank { total: Some(6), negative: true };
    let read = |balances: [i64; 2]| BankRet::Balances([(int(0), balances[0]), (int(1), balances[1])].into());
    assert!(known.step(&Accounts::default(), &BankAction::Read, Some(&read([7, -1]))).is_some());
    assert!(known.step(&Accounts::default(), &BankAction::Read, Some(&read([7, 0]))).is_none());
}

pub(crate) type RegisterOperation = Operation<MultiRegisterOp, Arc<[Value]>>;

pub(crate) const KEYS: [&str; 4] = ["x", "y", "z", "u"];

fn register_case(random: &mut Random, count: u64) -> Vec<RegisterOperation> {
    let mut state = BTreeMap::<&str, Value>::new();
    let (stretch, lies) = (1 + random.below(10), 4 + random.below(20));
    let mut operations = Vec::new();
    for number in 0..count {
        let mut told = Vec::new();
        let mut next = state.clone();
        let steps = (0..1 + random.below(3)).map(|_| {
            // The last two have nothing to do with the others.
            let first = 2 * usize::try_from(number % 2).unwrap();
            let (key, other) = (KEYS[first + random.pick(2)], KEYS[first + random.pick(2)]);
            if random.one_in(4) {
                exchange(&mut next, key, other);
                return Step::Swap { key: key.into(), other: other.into() };
            }
            if random.one_in(2) {
                let value = int(random.below(3));
                next.insert(key, value.clone());
                return Step::Write { key: key.into(), value };
            }
            let lie = random.one_in(lies).then(|| int(random.below(3)));
            told.push(lie.unwrap_or_else(|| next.get(key).cloned().unwrap_or_default()));
            Step::Read { key: key.into() }
        });
        let op: MultiRegisterOp = steps.collect();
        let completion = ending(random, told.into(), 12, 6);
        if happens(random, &completion) {
            state = next;
        }
        operations.push(placed(random, (number, stretch), op, completion));
    }
    operations
}

/// What one key holds, the other one holds afterwards.
fn exchange<K: Ord>(state: &mut BTreeMap<K, Value>, key: K, other: K) {
    if key != other {
        let (one, another) = (state.remove(&key), state.remove(&other));
        state.extend(another.map(|value| (key, value)));
        state.extend(one.map(|value| (other, value)));
    }
}

#[test]
fn registers_of_which_one_operation_touches_several() {
    let mut tally = Tally::default();
    for number in cases(20_000) {
        let mut random = Random(number);
        let count = 2 + random.below(6);
        let operations = register_case(&mut random, count);
        let step = |state: &BTreeMap<Arc<str>, Value>, operation: &RegisterOperation| {
            let mut state = state.clone();
            let mut told = operation.ret().map(|ret| ret.iter());
            for step in operation.op.iter() {
                match step {
                    Step::Write { key, value } => drop(state.insert(key.clone(), value.clone())),
                    Step::Swap { key, other } => exchange(&mut state, key.clone(), other.clone()),
                    Step::Read { key } => {
                        let fits = told.as_mut().is_none_or(|told| {
                            *told.next().unwrap() == state.get(key).cloned().unwrap_or_default()
                        });
                        if !fits {
                            return Vec::new();
                        }
                    }
                }
            }
            vec![state]
        };
        let legal = brute_force_by(&BTreeMap::new(), &step, &operations);
        // All as one object, and in groups.
        assert_eq!(brute_force(&MultiRegister::default(), &operations), legal);
        tally.judge(&MultiRegister::of(&history(&operations)), &operations, legal, number);
    }
    tally.has_seen(false, &["not-linearizable"]);
}
