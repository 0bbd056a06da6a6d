//! Specifications that are not the key-value store: the search and the general explanation ask for two methods only.

use squall_checker::search::{Decision, Search};
use squall_checker::{Bounds, Completion, Event, EventKind, History, Operation, ProcessId, Spec, Verdict};

#[path = "common/verified.rs"]
mod verified;
use verified::linearizable;

/// A counter; an operation adds a number and returns the sum.
struct Counter;

impl Spec for Counter {
    type Op = i64;
    type Ret = i64;
    type State = i64;

    fn init(&self) -> i64 {
        0
    }

    fn step(&self, sum: &i64, add: &i64, ret: Option<&i64>) -> Option<i64> {
        let sum = sum + add;
        ret.is_none_or(|ret| *ret == sum).then_some(sum)
    }
}

fn history(events: &[(u64, Option<Completion<i64>>, i64)]) -> History<i64, i64> {
    let events = events.iter().enumerate().map(|(place, (process, completion, add))| Event {
        process: ProcessId(*process),
        kind: completion.clone().map_or(EventKind::Invoke(*add), EventKind::Complete),
        place: place as u64,
    });
    History::from_events(events).unwrap()
}

#[test]
fn a_counter_is_judged_and_explained() {
    let ok = |sum| Some(Completion::Ok(sum));
    let legal = history(&[(1, None, 5), (2, None, 7), (1, ok(12), 0), (2, ok(7), 0)]);
    assert_eq!(linearizable(&Counter, &legal, &Bounds::default()).verdict, Verdict::Valid);
    let illegal =
        history(&[(1, None, 5), (1, ok(5), 0), (2, None, 7), (2, ok(7), 0), (3, None, 1), (3, ok(13), 0)]);
    let outcome = linearizable(&Counter, &illegal, &Bounds::default());
    assert_eq!(outcome.verdict, Verdict::Invalid);
    let violation = &outcome.violations[0];
    assert_eq!((violation.key.as_ref(), violation.operations.len()), (None, 2), "the third one came later");
    insta::assert_snapshot!(violation.render(&Counter, &illegal));
}

#[test]
fn more_open_operations_than_one_word_holds() {
    for open in [60, 64, 65, 130, 300, 2000] {
        // Additions of one nobody knows the end of, and one sum that needs all of them.
        let mut events: Vec<_> = (0..open).map(|process| (process, None, 1)).collect();
        events.extend([(open, None, 1), (open, Some(Completion::Ok(i64::try_from(open).unwrap() + 1)), 0)]);
        let history = history(&events);
        let operations: Vec<&Operation<i64, i64>> = history.operations().iter().collect();
        let mut search = Search::new(&Counter);
        let Decision::Legal(order) = search.decide(&operations, &Bounds::default()) else { panic!("legal") };
        assert_eq!(order.len() as u64, open + 1);
    }
    let events: Vec<_> =
        (0..5000).map(|process| (process, None, 1)).chain([(1, Some(Completion::Ok(9)), 0)]).collect();
    let outcome = linearizable(&Counter, &history(&events), &Bounds::default());
    assert_eq!(outcome.verdict, Verdict::Unknown);
    insta::assert_snapshot!(outcome.reason.unwrap(), @"the history is undecided: more than 4096 operations are open at once");
}

#[test]
fn the_longest_legal_order_is_told_with_its_states() {
    let ok = |sum| Some(Completion::Ok(sum));
    let history = history(&[(1, None, 5), (1, ok(5), 0), (2, None, 7), (2, ok(7), 0)]);
    let operations: Vec<&Operation<i64, i64>> = history.operations().iter().collect();
    let mut search = Search::new(&Counter);
    let order = search.longest_legal(&operations, &Bounds::default()).unwrap();
    assert_eq!(order, [(0, "5".to_owned())]);
    assert!(search.steps() > 0);
}
