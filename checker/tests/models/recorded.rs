//! Recorded histories of every model: how they are read, guessed and judged, and which errors they get.

use squall_checker::judge::{Model, Options, judge};
use squall_checker::{Bounds, Verdict};

use crate::lines;

/// The verdict on a history of Jepsen's, with what is wrong or why it cannot be judged.
fn judged(model: Option<&str>, history: &str) -> String {
    let model = model.map(|name| name.parse::<Model>().unwrap());
    let options = Options { model, ..Options::default() };
    let answer = judge("history.edn", history.as_bytes(), &options, &Bounds::default());
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
