//! What is said of the other objects that are wrong, for somebody who has never seen the tool.

use std::sync::Arc;

use squall_checker::models::{
    Bank, BankAction, BankRet, Counter, CounterAction, CounterRet, Generate, Keyed, LongFork, MultiRegister,
    MultiRegisterOp, Mutex, MutexAction, Set, SetAction, SetRet, Step, Totals, UniqueIds,
};
use squall_checker::{Bounds, Check, Completion, Operation, ProcessId, Value};

use crate::common::history;
use crate::{lines, told};

/// An operation for each line `process invoked returned words`: `-` for a return that nobody saw, `!` after the stamp
/// of a failure.
fn operations<O, R>(lines: &str, read: impl Fn(&[&str]) -> (O, R)) -> Vec<Operation<O, R>> {
    let operation = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (op, ret) = read(&words[3..]);
        let (returned, completion) = match words[2].strip_suffix('!') {
            Some(stamp) => (Some(stamp.parse().unwrap()), Completion::Fail),
            None if words[2] == "-" => (None, Completion::Info),
            None => (Some(words[2].parse().unwrap()), Completion::Ok(ret)),
        };
        let (process, invoked) = (ProcessId(words[0].parse().unwrap()), words[1].parse().unwrap());
        Operation { process, op, invoked, returned, completion }
    };
    lines.lines().map(operation).collect()
}

fn numbers(words: &[&str]) -> Vec<i64> {
    words.iter().map(|word| word.parse().unwrap()).collect()
}

/// `add 3`, `read 1 2`.
fn set(lines: &str) -> String {
    let read = |words: &[&str]| match (words[0], numbers(&words[1..])) {
        ("add", element) => (SetAction::Add { element: element[0].into() }.into(), SetRet::Done),
        (_, shown) => (SetAction::Read.into(), SetRet::Elements(shown.into_iter().map(Value::Int).collect())),
    };
    told(&Set, &history(&operations::<Keyed<SetAction>, SetRet>(lines, read)))
}

#[test]
fn sets() {
    insta::assert_snapshot!("lost", set("0 0 10 add 1\n1 20 30 add 2\n2 40 50 read 2\n2 60 70 read 2"));
    insta::assert_snapshot!("lost_before_another", set("2 5 50 read 2\n0 0 10 add 1\n1 20 30 add 2"));
    insta::assert_snapshot!("stale", set("0 0 10 add 1\n1 20 30 read\n1 40 50 read 1"));
    insta::assert_snapshot!("gone_again", set("0 0 - add 1\n1 20 30 read 1\n2 40 50 read"));
    insta::assert_snapshot!("forked", set("0 0 90 add 1\n1 0 90 add 2\n2 10 20 read 1\n3 10 20 read 2"));
    insta::assert_snapshot!("set_duplicated", set("0 0 10 add 1\n1 20 30 read 1 1"));
    insta::assert_snapshot!("set_phantom", set("0 0 10 add 1\n1 20 30 read 1 2"));
    insta::assert_snapshot!("failed_addition", set("0 0 10! add 1\n1 20 30 read 1"));
    insta::assert_snapshot!("early", set("1 20 30 read 1\n0 40 50 add 1"));
}

/// `add 3`, `read 3`.
fn counter(lines: &str) -> String {
    let read = |words: &[&str]| match (words[0], numbers(&words[1..])[0]) {
        ("add", amount) => (CounterAction::Add { amount }.into(), CounterRet::Done),
        (_, sum) => (CounterAction::Read.into(), CounterRet::Sum(sum)),
    };
    told(&Counter, &history(&operations::<Keyed<CounterAction>, CounterRet>(lines, read)))
}

#[test]
fn counters() {
    insta::assert_snapshot!("too_low", counter("0 0 10 add 3\n1 0 - add 2\n2 20 30 read 2"));
    insta::assert_snapshot!("too_high", counter("0 0 10 add 3\n1 0 - add 2\n2 20 30 read 6\n3 40 50 add 3"));
    insta::assert_snapshot!(
        "too_low_after_a_read",
        counter("0 0 10 add 1\n1 0 - add 1\n2 20 30 read 2\n0 40 50 add 1\n2 60 70 read 2")
    );
    insta::assert_snapshot!("torn", counter("0 0 10 add 2\n1 0 - add 2\n2 20 30 read 3"));
}

/// `acquire`, `release`.
fn mutex(lines: &str) -> String {
    let read = |words: &[&str]| {
        let action = if words[0] == "acquire" { MutexAction::Acquire } else { MutexAction::Release };
        (action.into(), ())
    };
    told(&Mutex, &history(&operations::<Keyed<MutexAction>, ()>(lines, read)))
}

#[test]
fn mutexes() {
    insta::assert_snapshot!("double_grant", mutex("0 0 10 acquire\n1 20 30 acquire\n0 40 50 release"));
    insta::assert_snapshot!("not_held", mutex("0 0 10 release\n1 20 30 acquire"));
    insta::assert_snapshot!(
        "granted_too_often",
        mutex("0 0 10 acquire\n1 5 20 acquire\n0 15 25 release\n2 12 30 acquire\n1 40 50 release")
    );
}

#[test]
fn unique_ids() {
    let read = |words: &[&str]| (Keyed::from(Generate), Value::text(words[0]));
    insta::assert_snapshot!(
        "twice",
        told(&UniqueIds, &history(&operations("0 0 10 a1\n1 0 10 b1\n2 20 30 a1", read)))
    );
}

/// `transfer from to amount`, `read balance balance …`.
fn bank(lines: &str) -> String {
    let read = |words: &[&str]| match (words[0], numbers(&words[1..])) {
        ("transfer", numbers) => (
            BankAction::Transfer { from: numbers[0].into(), to: numbers[1].into(), amount: numbers[2] },
            BankRet::Done,
        ),
        (_, balances) => {
            let balances = (0i64..).map(Value::Int).zip(balances);
            (BankAction::Read, BankRet::Balances(balances.collect()))
        }
    };
    let history = history(&operations(lines, read));
    let outcome = Totals.check(&Bank::default(), &history, &Bounds::default());
    let totals: Vec<String> = outcome.violations.iter().map(super::lines).collect();
    format!("{}\n--\n{}", totals.join("\n"), told(&Bank::default(), &history))
}

#[test]
fn banks() {
    insta::assert_snapshot!("totals", bank("0 0 10 read 5 5\n1 20 30 transfer 0 1 2\n0 40 50 read 3 5"));
    insta::assert_snapshot!(
        "below_zero",
        bank("0 0 10 read 5 5\n1 20 30 transfer 0 1 6\n0 40 50 read -1 11")
    );
    insta::assert_snapshot!("accounts", bank("0 0 10 read 5 5\n0 40 50 read 5 5 0"));
    insta::assert_snapshot!(
        "stale_balances",
        bank("0 0 10 read 5 5\n1 20 30 transfer 0 1 2\n0 40 50 read 5 5")
    );
}

/// `write x 1`, `read x 1 y -`.
fn registers(words: &[&str]) -> (MultiRegisterOp, Arc<[Value]>) {
    let value = |word: &str| word.parse().map_or(Value::Nil, Value::Int);
    let pairs = words[1..].chunks(2);
    if words[0] == "write" {
        let steps = pairs.map(|pair| Step::Write { key: pair[0].into(), value: value(pair[1]) });
        return (steps.collect(), [].into());
    }
    let told = pairs.clone().map(|pair| value(pair[1])).collect();
    (pairs.map(|pair| Step::Read { key: pair[0].into() }).collect(), told)
}

#[test]
fn several_registers() {
    let torn =
        history(&operations("0 0 10 write x 1 y 1\n1 20 30 write x 2 y 2\n2 40 50 read x 2 y 1", registers));
    insta::assert_snapshot!("torn_registers", told(&MultiRegister::of(&torn), &torn));
    let forked = "0 0 90 write x 1\n1 0 90 write y 1\n2 10 20 read x 1 y -\n3 10 20 read x - y 1";
    let check = |lines: &str| {
        let history = history(&operations(lines, registers));
        LongFork.check(&MultiRegister::default(), &history, &Bounds::default())
    };
    let violations = check(forked).violations;
    insta::assert_snapshot!("long_fork", lines(&violations[0]));
    let phantom = check("0 0 90 write x 1\n2 10 20 read x 2 y -").violations;
    insta::assert_snapshot!("long_fork_phantom", lines(&phantom[0]));
    let twice = check("0 0 90 write x 1\n0 91 92 write x 2\n2 10 20 read x 2 y -");
    insta::assert_snapshot!(twice.reason.unwrap(), @"x is written more than once: which write a read saw is not known");
}
