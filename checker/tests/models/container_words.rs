//! What is said of queues, stacks and bags that are wrong, for somebody who has never seen the tool.

use squall_checker::models::{Container, ContainerAction, ContainerRet};
use squall_checker::{Completion, Operation, ProcessId, Value};

use crate::common::history;
use crate::told;

/// Lines `process invoked returned operation`: `-` for a return that nobody saw, `!` after one of a failure;
/// `+3` inserts 3, `-3` takes it, `-` finds nothing, `-?` is not told what it took.
fn shown(container: Container, lines: &str) -> String {
    let mut operations = Vec::new();
    for line in lines.lines() {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap();
        let process = ProcessId(word().parse().unwrap());
        let invoked = word().parse().unwrap();
        let end = word();
        let (kind, value) = word().split_at(1);
        let (op, ret) = match (kind, value.parse::<i64>()) {
            ("+", value) => {
                (ContainerAction::Insert { value: Value::Int(value.unwrap()) }, ContainerRet::Done)
            }
            (_, Ok(value)) => (ContainerAction::Remove, ContainerRet::Taken(Value::Int(value))),
            (_, Err(_)) => (ContainerAction::Remove, ContainerRet::Empty),
        };
        let (returned, completion) = match end.strip_suffix('!') {
            Some(stamp) => (Some(stamp.parse().unwrap()), Completion::Fail),
            None if end == "-" => (None, Completion::Info),
            None => (Some(end.parse().unwrap()), Completion::Ok(ret)),
        };
        operations.push(Operation { process, op: op.into(), invoked, returned, completion });
    }
    told(&container, &history(&operations))
}

#[test]
fn phantoms() {
    insta::assert_snapshot!(shown(Container::queue(), "0 0 10 +3\n1 20 30 -4"));
    insta::assert_snapshot!(shown(Container::queue(), "0 0 10! +3\n1 20 30 -3"));
    insta::assert_snapshot!(shown(Container::stack(), "1 0 10 -3\n0 20 30 +3"));
}

#[test]
fn an_element_taken_twice() {
    insta::assert_snapshot!(shown(Container::bag(), "0 0 10 +3\n1 20 30 -3\n2 25 35 -3"));
}

#[test]
fn elements_out_of_order() {
    insta::assert_snapshot!(shown(Container::queue(), "0 0 10 +1\n0 20 30 +2\n1 40 50 -2\n1 60 70 -1"));
    insta::assert_snapshot!(shown(Container::stack(), "0 0 10 +1\n0 20 30 +2\n1 40 50 -1\n1 60 70 -2"));
}

#[test]
fn elements_of_which_none_lies_below_the_others() {
    let lines = "0 0 10 +1\n1 20 30 +2\n2 50 60 -1\n3 5 65 +3\n2 70 80 -2\n4 40 90 -3\n";
    insta::assert_snapshot!(shown(Container::stack(), lines));
    let lines = "0 0 10 +1\n1 0 20 +2\n0 30 40 -1\n1 35 50 +3\n0 60 70 -2\n0 80 90 -3\n";
    insta::assert_snapshot!(shown(Container::stack(), lines));
}

#[test]
fn lost_elements() {
    insta::assert_snapshot!(shown(Container::queue(), "0 0 10 +1\n0 20 30 +2\n1 40 50 -2"));
    insta::assert_snapshot!(shown(Container::stack(), "0 0 10 +1\n0 20 30 +2\n1 40 50 -1"));
    insta::assert_snapshot!(shown(Container::bag(), "0 0 10 +1\n1 20 30 -\n2 40 - -?"));
}

#[test]
fn nothing_found_though_there_was_something() {
    insta::assert_snapshot!(shown(Container::queue(), "0 0 10 +1\n1 20 30 -\n1 40 50 -1"));
    insta::assert_snapshot!(shown(
        Container::queue(),
        "0 0 10 +1\n2 15 60 -\n0 20 30 +2\n1 40 50 -1\n1 70 80 -2"
    ));
}

#[test]
fn states_and_operations_are_described() {
    use squall_checker::Spec;
    let bag = Container::bag();
    let mut state = bag.init();
    for value in [7, 4, 7] {
        let insert = ContainerAction::Insert { value: Value::Int(value) };
        assert!(bag.advance(&mut state, &insert.into(), Some(&ContainerRet::Done)));
    }
    assert!(bag.advance(&mut state, &ContainerAction::Remove.into(), None));
    insta::assert_snapshot!(bag.describe_state(&state), @"[4, 7, 7], of which 1 may be gone");
    let drained = ContainerRet::Drained([Value::Int(4)].into());
    insta::assert_snapshot!(bag.describe(&ContainerAction::Drain.into(), Some(&drained)), @"drain -> [4]");
    let pop = Container::stack().describe(&ContainerAction::Remove.into(), Some(&ContainerRet::Empty));
    insta::assert_snapshot!(pop, @"pop -> nothing");
}
