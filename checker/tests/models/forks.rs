//! Long forks against what they are by definition: any two reads of the same registers are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use squall_checker::models::{LongFork, MultiRegister, MultiRegisterOp, Step};
use squall_checker::{Check, Completion, Value, Verdict};

use crate::cases;
use crate::common::{Random, history, verify_edges};
use crate::objects::{KEYS, RegisterOperation, ending, int, placed};
use crate::proven::{certified, only_the_truth_is_proven};

/// Registers written once at most, some of them by nobody for certain, and reads of groups of them: along one order of
/// the writes or, now and then, along another.
fn forked_case(random: &mut Random) -> Vec<RegisterOperation> {
    let mut operations = Vec::new();
    for (number, key) in (0..).zip(KEYS) {
        let op: MultiRegisterOp = [Step::Write { key: key.into(), value: int(number) }].into();
        let completion = ending(random, [].into(), 12, 12);
        operations.push(placed(random, (number, 4), op, completion));
        if random.one_in(60) {
            let again = KEYS[random.pick(4)];
            let op: MultiRegisterOp = [Step::Write { key: again.into(), value: int(9) }].into();
            let completion = ending(random, [].into(), 2, 4);
            operations.push(placed(random, (20 + number, 4), op, completion));
        }
    }
    let order = if random.one_in(2) { [0, 1, 2, 3] } else { [2, 0, 3, 1] };
    for number in 0..random.below(7) {
        let group = &KEYS[..1 + random.pick(4)];
        let reached = random.pick(5);
        let mut saw: Vec<bool> = (0..4).map(|key| order[..reached].contains(&key)).collect();
        if random.one_in(3) {
            let key = random.pick(4);
            saw[key] = !saw[key];
        }
        let shown = (0u64..).zip(&saw).map(|(key, saw)| match saw {
            true if random.one_in(60) => int(7),
            true => int(key),
            false => Value::Nil,
        });
        let ret: Arc<[Value]> = shown.take(group.len()).collect();
        let mut reads: Vec<(Step, Value)> = group
            .iter()
            .zip(ret.iter())
            .map(|(key, value)| (Step::Read { key: (*key).into() }, value.clone()))
            .collect();
        if random.one_in(3) {
            reads.reverse();
        }
        let (op, ret): (Vec<Step>, Vec<Value>) = reads.into_iter().unzip();
        let completion = ending(random, ret.into(), 20, 20);
        operations.push(placed(random, (10 + number, 4), op.into(), completion));
    }
    operations
}

/// What each completed read of several registers shows, by register.
fn groups_read(operations: &[RegisterOperation]) -> Vec<BTreeMap<Arc<str>, Value>> {
    let reads = operations.iter().filter(|operation| operation.op.len() > 1);
    let shown = reads.filter_map(|operation| {
        let keys = operation.op.iter().map(|step| step.key().clone());
        Some(keys.zip(operation.ret()?.iter().cloned()).collect())
    });
    shown.collect()
}

fn fork_oracle(operations: &[RegisterOperation]) -> Verdict {
    let happened = operations.iter().filter(|operation| operation.completion != Completion::Fail);
    let mut written = Vec::new();
    for step in happened.flat_map(|operation| operation.op.iter()) {
        if let Step::Write { key, value } = step {
            written.push((key.clone(), value.clone()));
        }
    }
    let keys: BTreeSet<_> = written.iter().map(|(key, _)| key).collect();
    if keys.len() < written.len() {
        return Verdict::Unknown;
    }
    let reads = groups_read(operations);
    let real = |(key, value): (&Arc<str>, &Value)| {
        *value == Value::Nil || written.contains(&(key.clone(), value.clone()))
    };
    let fork = |one: &BTreeMap<Arc<str>, Value>, other: &BTreeMap<Arc<str>, Value>| {
        let only = |one: &BTreeMap<Arc<str>, Value>, other: &BTreeMap<Arc<str>, Value>| {
            one.iter().any(|(key, value)| *value != Value::Nil && other[key] == Value::Nil)
        };
        one.keys().eq(other.keys()) && only(one, other) && only(other, one)
    };
    match () {
        () if reads.is_empty() => Verdict::Vacuous,
        () if !reads.iter().flatten().all(real) => Verdict::Invalid,
        () if reads.iter().any(|one| reads.iter().any(|other| fork(one, other))) => Verdict::Invalid,
        () => Verdict::Valid,
    }
}

#[test]
fn long_forks_are_reads_that_do_not_form_a_chain() {
    let mut tally = BTreeMap::<(Verdict, String), u64>::new();
    for number in cases(10_000) {
        let mut random = Random(number);
        let operations = forked_case(&mut random);
        let history = history(&operations);
        let spec = MultiRegister::default();
        let outcome = LongFork.check(&spec, &history, &certified());
        only_the_truth_is_proven(&outcome, &mut random, |outcome| LongFork::verify(&spec, &history, outcome));
        let verdict = fork_oracle(&operations);
        assert_eq!(outcome.verdict, verdict, "case {number}: {outcome:#?} {history:#?}");
        outcome.violations.iter().for_each(|violation| verify_edges(&history, violation));
        let kind = outcome.violations.first().map_or(String::new(), |violation| violation.kind.clone());
        *tally.entry((verdict, kind)).or_default() += 1;
    }
    println!("{tally:?}");
    assert!(tally.values().all(|count| *count > 100) && tally.len() == 5, "{tally:?}");
}
