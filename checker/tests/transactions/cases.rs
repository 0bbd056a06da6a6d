//! Random small histories of transactions: taken from a store that runs them one by one, on old snapshots or
//! interleaved, and that sometimes lies; with aborted and indeterminate ones, and ties.

use std::collections::BTreeMap;

use squall_checker::transactions::{Datatype, MicroOperation, Transaction, TransactionHistory};
use squall_checker::{Completion, ProcessId, Value};

use crate::random::Random;

const KEYS: [&str; 3] = ["x", "y", "z"];

type State = BTreeMap<&'static str, Value>;

/// What the store does wrong, beside what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Habits {
    /// Reads come from a snapshot so many transactions old, at most.
    stale: usize,
    /// Of so many reads one is a lie; 0: none.
    lies: u64,
    /// Steps of neighbours are interleaved.
    interleaved: bool,
}

/// A history with at most so many transactions.
pub(crate) fn case(
    random: &mut Random,
    datatype: Datatype,
    count_max: usize,
    repeats: bool,
) -> Vec<Transaction> {
    let count = 2 + random.pick(count_max - 1);
    let keys = 1 + random.pick(3);
    let habits = Habits {
        stale: [0, 0, 0, 1, 2, 4][random.pick(6)],
        lies: [0, 0, 0, 6, 12][random.pick(5)],
        interleaved: random.one_in(4),
    };
    let mut value = 0;
    let asked: Vec<Vec<(bool, &'static str, i64)>> = (0..count)
        .map(|_| {
            (0..1 + random.pick(3))
                .map(|_| {
                    value += 1;
                    let written = if repeats && random.one_in(3) { 1 + value % 2 } else { value };
                    (random.one_in(2), KEYS[random.pick(keys)], written)
                })
                .collect()
        })
        .collect();
    let mut transactions = run(random, datatype, &asked, habits);
    let stretch = 1 + random.below(4);
    for (moment, transaction) in (0u64..).map(|number| 3 * number).zip(&mut transactions) {
        transaction.invoked = moment.saturating_sub(random.below(stretch * 2));
        let returned = moment + random.below(stretch * 2);
        if transaction.completion != Completion::Info {
            transaction.returned = Some(returned);
        }
    }
    issue(random, &mut transactions);
    transactions
}

/// Spreads transactions over processes.
fn issue(random: &mut Random, transactions: &mut [Transaction]) {
    transactions.sort_by_key(|transaction| (transaction.invoked, transaction.returned.unwrap_or(u64::MAX)));
    let mut busy: Vec<u64> = Vec::new();
    for transaction in transactions {
        // Somebody who has nothing else to do; after an indeterminate one some go on, others never do anything again.
        let free = busy.iter().position(|until| *until <= transaction.invoked && random.one_in(2));
        let process = free.unwrap_or(busy.len());
        if process == busy.len() {
            busy.push(0);
        }
        let goes_on = if random.one_in(2) { transaction.invoked } else { u64::MAX };
        busy[process] = transaction.returned.unwrap_or(goes_on);
        transaction.process = ProcessId(process as u64);
    }
}

/// Runs what was asked: one after the other, or a step of each in turn.
fn run(
    random: &mut Random,
    datatype: Datatype,
    asked: &[Vec<(bool, &'static str, i64)>],
    habits: Habits,
) -> Vec<Transaction> {
    let fates: Vec<u64> = asked.iter().map(|_| random.below(10)).collect();
    let mut done: Vec<Vec<MicroOperation>> = vec![Vec::new(); asked.len()];
    let mut states = vec![State::new()];
    let mut at = 0;
    while at < asked.len() {
        let together = if habits.interleaved && at + 1 < asked.len() { 2 } else { 1 };
        let mut snapshots = Vec::new();
        for _ in 0..together {
            let age = if habits.stale == 0 { 0 } else { random.pick(habits.stale + 1) };
            snapshots.push(states[states.len().saturating_sub(1 + age)].clone());
        }
        let stale = habits.stale > 0;
        let mut state = states.last().unwrap().clone();
        let mut next = vec![0; together];
        while let Some(which) = pick_unfinished(random, &next, &asked[at..at + together]) {
            let (reads, key, value) = asked[at + which][next[which]];
            next[which] += 1;
            let fate = fates[at + which];
            let happens = fate > 2 || (fate > 0 && random.one_in(2)) || (fate == 0 && random.one_in(8));
            let step = if reads {
                let shown = if stale { &snapshots[which] } else { &state };
                let shown = shown.get(key).cloned().unwrap_or_default();
                let shown = if habits.lies > 0 && random.one_in(habits.lies) {
                    lie(random, &states, key, shown)
                } else {
                    shown
                };
                let known = fate > 2;
                let shown = if shown == Value::Nil && datatype == Datatype::ListAppend {
                    Value::list([])
                } else {
                    shown
                };
                MicroOperation::Read { key: key.into(), value: known.then_some(shown) }
            } else {
                let write = |state: &mut State| {
                    let old = state.entry(key).or_default();
                    *old = match datatype {
                        Datatype::ListAppend => old.appended(&Value::Int(value)),
                        Datatype::Register => Value::Int(value),
                    };
                };
                if happens {
                    write(&mut state);
                }
                write(&mut snapshots[which]);
                match datatype {
                    Datatype::ListAppend => MicroOperation::append(key, value),
                    Datatype::Register => MicroOperation::write(key, value),
                }
            };
            done[at + which].push(step);
        }
        states.push(state);
        at += together;
    }
    done.into_iter().zip(fates).map(|(micro_operations, fate)| without_time(micro_operations, fate)).collect()
}

fn without_time(micro_operations: Vec<MicroOperation>, fate: u64) -> Transaction {
    let completion = match fate {
        0 => Completion::Fail,
        1 | 2 => Completion::Info,
        _ => Completion::Ok(()),
    };
    Transaction { process: ProcessId(0), micro_operations, invoked: 0, returned: None, completion }
}

fn pick_unfinished(random: &mut Random, next: &[usize], asked: &[Vec<(bool, &str, i64)>]) -> Option<usize> {
    let unfinished: Vec<usize> = (0..next.len()).filter(|which| next[*which] < asked[*which].len()).collect();
    (!unfinished.is_empty()).then(|| unfinished[random.pick(unfinished.len())])
}

fn lie(random: &mut Random, states: &[State], key: &str, truth: Value) -> Value {
    let mut items = truth.as_list().map(<[Value]>::to_vec);
    match (random.below(5), &mut items) {
        (0, Some(items)) if items.len() > 1 => items.swap(0, 1),
        (1, Some(items)) if !items.is_empty() => items.push(items[0].clone()),
        (2, Some(items)) => items.push(Value::Int(1 + i64::try_from(random.below(8)).unwrap())),
        (3, Some(items)) if !items.is_empty() => drop(items.remove(random.pick(items.len()))),
        _ => return states[random.pick(states.len())].get(key).cloned().unwrap_or_default(),
    }
    match truth {
        Value::List(_) => Value::List(items.unwrap_or_default().into()),
        other => other,
    }
}

pub(crate) fn history(datatype: Datatype, transactions: &[Transaction]) -> TransactionHistory {
    let mut builder = TransactionHistory::builder(datatype);
    for transaction in transactions {
        builder.push(transaction).unwrap();
    }
    builder.build().unwrap()
}
