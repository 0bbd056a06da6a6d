//! The answer does not depend on how many threads judge: histories of many keys, easy and hard, legal and not, under
//! bounds of steps and memory that some of the keys reach.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use squall_checker::kv::{KvOp, KvRet, KvSpec};
use squall_checker::{
    Bounds, Check, Completion, History, Linearizable, Operation, ProcessId, Spec, Value, Verdict,
};

#[path = "common/random.rs"]
mod random;
use random::Random;

type KvOperation = Operation<KvOp, KvRet>;

fn int(random: &mut Random, below: u64) -> Value {
    Value::Int(i64::try_from(random.below(below)).unwrap())
}

/// A register with repeated values, on a store that may lie once.
fn easy(random: &mut Random, key: &Arc<str>, lies: bool) -> Vec<KvOperation> {
    let spec = KvSpec::default();
    let mut state = spec.init();
    let count = 20 + random.below(60);
    let mut operations = Vec::new();
    for number in 0..count {
        let key = Arc::clone(key);
        let op = match random.below(3) {
            0 => KvOp::Get { key },
            1 => KvOp::Put { key, value: int(random, 4) },
            _ => KvOp::Cas { key, expected: int(random, 4), new: int(random, 4) },
        };
        let ret = match &op {
            KvOp::Get { .. } if lies && number > count / 2 => KvRet::Value(int(random, 9)),
            KvOp::Get { .. } => KvRet::Value(state.clone()),
            KvOp::Cas { expected, .. } if *expected != state => KvRet::Mismatch(None),
            _ => KvRet::Done,
        };
        state = spec.step(&state, &op, None).expect("any outcome is acceptable");
        let invoked = (10 * number).saturating_sub(random.below(60));
        let returned = Some(10 * number + random.below(60));
        let completion = Completion::Ok(ret);
        operations.push(Operation { process: ProcessId(0), op, invoked, returned, completion });
    }
    operations
}

/// Cas from each of so many values to each other but one, all at once: they make no path.
fn hard(key: &Arc<str>, values: i64) -> Vec<KvOperation> {
    let operation = |op, invoked, returned| {
        let (returned, completion) = (Some(returned), Completion::Ok(KvRet::Done));
        Operation { process: ProcessId(0), op, invoked, returned, completion }
    };
    let key = || Arc::clone(key);
    let mut operations = vec![operation(KvOp::Put { key: key(), value: 0.into() }, 0, 1)];
    let pairs = (0..values).flat_map(|from| (0..values).map(move |to| (from, to)));
    for (from, to) in pairs.filter(|(from, to)| from != to && (*from, *to) != (0, 1)) {
        operations.push(operation(KvOp::Cas { key: key(), expected: from.into(), new: to.into() }, 10, 1000));
    }
    operations
}

fn history(random: &mut Random) -> History<KvOp, KvRet> {
    let mut operations = Vec::new();
    for number in 0..3 + random.below(12) {
        let key: Arc<str> = format!("k{number}").into();
        operations.extend(match random.below(8) {
            0 => hard(&key, 3 + i64::try_from(random.below(4)).unwrap()),
            1 => easy(random, &key, true),
            _ => easy(random, &key, false),
        });
    }
    for (process, operation) in (0..).zip(&mut operations) {
        operation.process = ProcessId(process);
    }
    History::from_intervals((0..).zip(operations).collect()).unwrap()
}

#[test]
fn the_answer_does_not_depend_on_the_threads() {
    let mut verdicts = [0; 3];
    let mut reasons = [0; 3];
    for number in 0..50 {
        let mut random = Random(number ^ 0x7472_6561);
        let history = history(&mut random);
        let steps_max = if random.one_in(3) { 3_000 } else { [100_000, 1_000_000][random.pick(2)] };
        let memory_bytes_max = [100_000, 1 << 20, 1 << 30][random.pick(3)];
        let judged = |threads| {
            let bounds = Bounds { steps_max, memory_bytes_max, threads, ..Bounds::default() };
            Linearizable.check(&KvSpec::default(), &history, &bounds)
        };
        let outcome = judged(1);
        for threads in [2, 3, 8] {
            assert_eq!(judged(threads), outcome, "case {number} on {threads} threads");
        }
        match outcome.verdict {
            Verdict::Valid => verdicts[0] += 1,
            Verdict::Unknown => verdicts[1] += 1,
            Verdict::Invalid => verdicts[2] += 1,
            Verdict::Vacuous => panic!("operations completed"),
        }
        let reason = outcome.reason.unwrap_or_default();
        for (count, words) in
            reasons.iter_mut().zip(["steps over all", "bytes of memory", "another being invalid"])
        {
            *count += u32::from(reason.contains(words));
        }
    }
    println!("{verdicts:?} {reasons:?}");
    assert!(verdicts.iter().all(|count| *count > 3), "every verdict is common: {verdicts:?}");
    assert!(reasons.iter().all(|count| *count > 0), "every bound is reached: {reasons:?}");
}

#[test]
fn all_threads_stop_when_asked_to() {
    let keys: Vec<KvOperation> = (0..6).flat_map(|key| hard(&format!("k{key}").into(), 7)).collect();
    let placed = (0..)
        .zip(keys)
        .map(|(place, operation)| (place, Operation { process: ProcessId(place), ..operation }));
    let history = History::from_intervals(placed.collect()).unwrap();
    for threads in [1, 2, 4] {
        let asked = AtomicU64::new(0);
        let should_stop = || asked.fetch_add(1, Ordering::Relaxed) > 40;
        let bounds = Bounds { threads, should_stop: &should_stop, ..Bounds::default() };
        let outcome = Linearizable.check(&KvSpec::default(), &history, &bounds);
        assert_eq!(outcome.verdict, Verdict::Unknown);
        let reason = outcome.reason.unwrap();
        assert!(reason.contains("the caller stopped the search"), "{reason}");
    }
}
