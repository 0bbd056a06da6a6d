//! Recorded histories of every model: how they are read, guessed and judged, and which errors they get.

use squall_checker::judge::{Model, Options};
use squall_checker::{Bounds, Verdict};

use crate::{lines, recorded_verified};

/// The verdict on a history of Jepsen's, with what is wrong or why it cannot be judged.
fn judged(model: Option<&str>, history: &str) -> String {
    let model = model.map(|name| name.parse::<Model>().unwrap());
    let options = Options { model, ..Options::default() };
    let answer = recorded_verified::judged("history.edn", history, &options, &Bounds::default());
    match answer {
        Err(error) => error.to_string(),
        Ok((_, judged)) => {
            let told: Vec<String> = judged.outcome.violations.iter().map(lines).collect();
            assert_eq!(told.is_empty(), judged.outcome.verdict != Verdict::Invalid);
            let reason = judged.outcome.reason.map_or(String::new(), |reason| format!(" ({reason})"));
            let verdict = format!("{}: {}{reason}", judged.model, judged.outcome.verdict);
            [vec![verdict], told].concat().join("\n")
        }
    }
}

/// Lines `process type function value`, one event each.
fn events(lines: &str) -> String {
    let event = |line: &str| {
        let mut words = line.trim().splitn(4, ' ');
        let mut word = || words.next().unwrap_or("nil");
        let (process, kind, function) = (word(), word(), word());
        format!("{{:process {process}, :type :{kind}, :f :{function}, :value {}}}\n", word())
    };
    lines.trim().lines().map(event).collect()
}

const DRAINED: &str = "0 invoke enqueue 1
    0 ok enqueue 1
    0 invoke enqueue 2
    0 info enqueue 2
    1 invoke drain
    2 invoke enqueue 3
    2 ok enqueue 3
    1 ok drain [1 3]";

#[test]
fn queues() {
    let history = events(DRAINED);
    insta::assert_snapshot!(judged(None, &history), @"queue: valid");
    insta::assert_snapshot!(judged(Some("total-queue"), &history), @"unordered-queue: valid");
    let lost = history.replace("[1 3]", "[3]");
    insta::assert_snapshot!(judged(None, &lost));
    insta::assert_snapshot!(judged(Some("total-queue"), &lost));
    let phantom = history.replace("[1 3]", "[1 3 4]");
    insta::assert_snapshot!(judged(None, &phantom));
    let twice = history.replace("[1 3]", "[1 3 1]");
    insta::assert_snapshot!(judged(Some("unordered-queue"), &twice));
    // Nobody knows what this one took.
    let unknown = events(
        "0 invoke enqueue 1\n0 ok enqueue 1\n0 invoke drain\n0 info drain\n1 invoke dequeue\n1 ok dequeue nil",
    );
    insta::assert_snapshot!(judged(None, &unknown), @"queue: valid");
    insta::assert_snapshot!(judged(None, &unknown.replace(":info, :f :drain", ":fail, :f :drain")));
}

#[test]
fn stacks_of_two_keys() {
    let history = events(
        "0 invoke push [:x 1]\n0 ok push [:x 1]\n0 invoke push [:y 2]\n0 ok push [:y 2]\n1 invoke pop [:x nil]\n1 ok pop [:x 1]",
    );
    insta::assert_snapshot!(judged(None, &history), @"stack: valid");
    insta::assert_snapshot!(judged(
        None,
        &history.replace(":ok, :f :pop, :value [:x 1]", ":ok, :f :pop, :value [:x 2]")
    ));
}

#[test]
fn what_is_no_operation_of_a_container() {
    insta::assert_snapshot!(judged(None, &events("0 invoke enqueue\n0 ok enqueue")));
    insta::assert_snapshot!(judged(None, &events("0 invoke enqueue 1\n0 ok enqueue 2")));
    insta::assert_snapshot!(judged(None, &events("0 invoke drain\n0 ok drain 2")));
    insta::assert_snapshot!(judged(Some("stack"), &events("0 invoke enqueue 1\n0 ok enqueue 1")));
}

#[test]
fn sets_and_counters() {
    let set = events("0 invoke add 1\n0 ok add 1\n1 invoke read\n1 ok read #{1}");
    insta::assert_snapshot!(judged(None, &set), @"set: valid");
    insta::assert_snapshot!("set_lost", judged(None, &set.replace("#{1}", "[]")));
    let counter = events("0 invoke add 1\n0 ok add 1\n1 invoke read\n1 ok read 1");
    insta::assert_snapshot!(judged(None, &counter), @"counter: valid");
    insta::assert_snapshot!(
        "counter_low",
        judged(None, &counter.replace(":read, :value 1", ":read, :value 0"))
    );
    let counter =
        events("0 invoke increment\n0 ok increment\n0 invoke dec 3\n0 ok dec 3\n1 invoke read\n1 ok read -2");
    insta::assert_snapshot!(judged(None, &counter), @"counter: valid");
    insta::assert_snapshot!(judged(Some("counter"), &set), @r"
    history.edn:4:1: a read of a counter returns a whole number, not [1]
        {:process 1, :type :ok, :f :read, :value #{1}}
    ");
    insta::assert_snapshot!(judged(Some("set"), &counter), @"history.edn:1: the model set has no operation like `increment`; judge it as counter");
}

#[test]
fn ids_and_mutexes() {
    let ids = events(
        "0 invoke generate\n0 ok generate 7\n1 invoke generate\n1 info generate\n2 invoke generate\n2 ok generate 8",
    );
    insta::assert_snapshot!(judged(None, &ids), @"unique-ids: valid");
    insta::assert_snapshot!("same_id", judged(None, &ids.replace("8", "7")));
    insta::assert_snapshot!(judged(None, &ids.replace("8", "nil")), @r"
    history.edn:6:1: generate returns the id that it gave out, not nil
        {:process 2, :type :ok, :f :generate, :value nil}
    ");
    let mutex = events(
        "0 invoke acquire\n0 ok acquire\n1 invoke acquire\n0 invoke release\n0 ok release\n1 ok acquire",
    );
    insta::assert_snapshot!(judged(None, &mutex), @"mutex: valid");
    insta::assert_snapshot!(
        "double_grant",
        judged(None, &mutex.replace(":ok, :f :release", ":fail, :f :release"))
    );
}

#[test]
fn banks() {
    let bank = events(
        "0 invoke read\n0 ok read {0 5, 1 5}\n1 invoke transfer {:from 0, :to 1, :amount 2}\n1 ok transfer {:from 0, :to 1, :amount 2}\n0 invoke read\n0 ok read {0 3, 1 7}",
    );
    insta::assert_snapshot!(judged(None, &bank), @"bank: valid");
    insta::assert_snapshot!("bank_total", judged(None, &bank.replace("1 7", "1 5")));
    insta::assert_snapshot!(judged(None, &bank.replace(", :amount 2", "")), @r#"
    history.edn:3:1: expected the value of a transfer as {from, to, amount}, not [[":from", 0], [":to", 1]]
        {:process 1, :type :invoke, :f :transfer, :value {:from 0, :to 1}}
    "#);
    // Old balances keep the total.
    let old = bank.replace("{0 3, 1 7}", "{0 5, 1 5}");
    insta::assert_snapshot!(judged(None, &old), @"bank: valid");
    insta::assert_snapshot!(judged(Some("strict-bank"), &bank), @"strict-bank: valid");
    insta::assert_snapshot!("bank_old", judged(Some("strict-bank"), &old));
    insta::assert_snapshot!(judged(None, &bank.replace("{0 3, 1 7}", "8")), @r"
    history.edn:6:1: a read of a bank returns a map from accounts to balances, not 8
        {:process 0, :type :ok, :f :read, :value 8}
    ");
}

#[test]
fn several_registers() {
    let registers = events(
        "0 invoke txn [[:w :x 1] [:w :y 1]]\n0 ok txn [[:w :x 1] [:w :y 1]]\n1 invoke txn [[:r :x nil] [:r :y nil]]\n1 ok txn [[:r :x 1] [:r :y 1]]",
    );
    insta::assert_snapshot!(judged(Some("multi-register"), &registers), @"multi-register: valid");
    insta::assert_snapshot!(
        "torn",
        judged(Some("multi-register"), &registers.replace("[:r :y 1]", "[:r :y nil]"))
    );
    insta::assert_snapshot!(judged(Some("multi-register"), &registers.replace("[:r :y 1]", "[:r :z 1]")), @r"
    history.edn:4:1: it completes with other registers or written values than it began with in line 3
        {:process 1, :type :ok, :f :txn, :value [[:r :x 1] [:r :z 1]]}
    ");
    let maps = events(
        "0 invoke write {:x 1, :y 2}\n0 ok write {:x 1, :y 2}\n1 invoke read {:x nil, :y nil}\n1 ok read {:x 1, :y 2}",
    );
    insta::assert_snapshot!(judged(Some("multi-register"), &maps), @"multi-register: valid");
    let swapped = events(
        "0 invoke txn [[:w :x 1] [:w :y 2]]\n0 ok txn [[:w :x 1] [:w :y 2]]\n1 invoke txn [[:swap :x :y]]\n1 ok txn [[:swap :x :y]]\n0 invoke txn [[:r :x nil] [:r :y nil]]\n0 ok txn [[:r :x 2] [:r :y 1]]",
    );
    insta::assert_snapshot!(judged(None, &swapped), @"multi-register: valid");
    insta::assert_snapshot!("half_a_swap", judged(None, &swapped.replace("[:r :y 1]", "[:r :y 2]")));
    insta::assert_snapshot!(judged(Some("long-fork"), &swapped), @"long-fork: unknown (x is written more than once: which write a read saw is not known)");
    let forked = events(
        "0 invoke txn [[:w :x 1]]\n1 invoke txn [[:w :y 1]]\n2 invoke txn [[:r :x nil] [:r :y nil]]\n2 ok txn [[:r :x 1] [:r :y nil]]\n3 invoke txn [[:r :x nil] [:r :y nil]]\n3 ok txn [[:r :x nil] [:r :y 1]]",
    );
    insta::assert_snapshot!("fork", judged(Some("long-fork"), &forked));
    insta::assert_snapshot!(judged(Some("long-fork"), &forked.replace("[:r :y 1]", "[:r :y nil]")), @"long-fork: valid");
}
