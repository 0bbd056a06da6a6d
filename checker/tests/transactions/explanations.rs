//! What people read of each anomaly, which levels it breaks, and the minimal histories in which one detail decides.

use std::fmt::Write;

use squall_checker::transactions::{self, Datatype, Level, TransactionHistory, verify};
use squall_checker::{EdgeKind, OpId, Verdict};

use crate::script::script;
use crate::verified::verified;

fn judge(history: &TransactionHistory, level: Level) -> transactions::Judgement {
    verified(history, level)
}

/// The only violation, in words, with what became of the levels.
fn shown(datatype: Datatype, kind: &str, lines: &str) -> String {
    let history = script(datatype, lines);
    let judged = judge(&history, Level::StrictSerializable);
    assert_eq!(judged.outcome.verdict, Verdict::Invalid, "{judged:#?}");
    let kinds: Vec<&str> = judged.outcome.violations.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(kinds, [kind], "{judged:#?}");
    let violation = &judged.outcome.violations[0];
    verify::violation(&history, Level::StrictSerializable, violation).unwrap();
    let mut text = format!("{}: {}\n", violation.kind, violation.message);
    for (number, step) in (1..).zip(&violation.steps) {
        writeln!(text, "{number}. {step}").unwrap();
    }
    text + &judged.levels.to_string()
}

macro_rules! anomalies {
    ($datatype:expr, $($name:ident: $kind:literal = $lines:literal;)*) => {
        $(
            #[test]
            fn $name() {
                insta::assert_snapshot!(shown($datatype, $kind, $lines));
            }
        )*
    };
}

mod lists {
    use super::*;

    anomalies! {
        Datatype::ListAppend,
        duplicate_elements: "duplicate-elements" = "0 0 9 a x 1\n1 0 9 r x 1 1";
        phantom_element: "phantom-element" = "0 0 9 a x 1\n1 0 9 r x 1 7";
        aborted_read: "G1a" = "0 0 9 ! a x 1\n1 0 9 r x 1";
        intermediate_read: "G1b" = "0 0 9 a x 1, a x 2\n1 0 9 r x 1\n2 0 9 r x 1 2";
        dirty_update: "dirty-update" = "0 0 9 ! a x 1\n1 0 9 a x 2\n2 0 9 r x 1 2";
        incompatible_order: "incompatible-order" = "0 0 9 a x 1\n1 0 9 a x 2\n2 0 9 r x 1 2\n3 0 9 r x 2 1";
        own_appends_out_of_order: "incompatible-order" = "0 0 9 a x 1, a x 2\n1 0 9 r x 2 1";
        internal: "internal" = "0 0 9 a x 1, r x";
        own_future: "internal" = "0 0 9 r x 1, a x 1";
        two_reads_differ: "internal" = "0 0 9 r x, r x 1\n1 0 9 a x 1";
        lost_update: "lost-update" = "0 0 9 r x, a x 1\n1 0 9 r x, a x 2\n2 0 9 r x 1 2";
        lost_update_unseen: "lost-update" = "0 0 9 r x 3, a x 1\n1 0 9 r x 3, a x 2\n2 0 9 a x 3";
        lost_append: "lost-append" = "0 0 9 a x 17\n1 10 20 r x";
        lost_append_of_one_process: "lost-append" = "0 0 9 a x 17\n0 9 20 r x";
        write_cycle: "G0" = "0 0 9 a x 1, a y 2\n1 0 9 a x 3, a y 4\n2 0 9 r x 1 3\n3 0 9 r y 4 2";
        circular_information: "G1c" = "0 0 9 a x 1, r y 2\n1 0 9 a y 2, r x 1";
        read_skew: "G-single" = "0 0 9 a x 1, a y 2\n1 0 9 r x 1, r y\n2 0 9 r y 2";
        long_fork: "G-nonadjacent" = "0 0 9 a x 1\n1 0 9 a y 2\n2 0 9 r x 1, r y\n3 0 9 r x, r y 2";
        write_skew: "G2-item" = "0 0 9 r x, a y 1\n1 0 9 r y, a x 2\n2 0 9 r x 2, r y 1";
        write_cycle_of_a_process: "G0-process" = "0 0 9 a x 1\n0 9 18 a x 2\n1 0 18 r x 2 1";
        write_cycle_in_time: "G0-realtime" = "0 0 9 a x 1\n1 10 18 a x 2\n2 0 18 r x 2 1";
        future_read_of_a_process: "G1c-process" = "0 0 9 r x 1\n0 9 18 a x 1";
        future_read: "G1c-realtime" = "0 0 9 r x 1\n1 10 18 a x 1";
        stale_read_of_a_process: "G-single-process" = "0 0 9 a x 1\n0 9 18 r x\n1 0 18 r x 1";
        stale_read: "G-single-realtime" = "0 0 9 a k5 17\n1 0 9 r k5 17\n2 20 29 r k5";
        two_stale_reads: "G-nonadjacent-realtime" =
            "0 0 9 a x 1\n1 10 18 r y\n2 0 18 a y 2\n3 0 18 r x, r y 2";
        two_stale_reads_of_a_process: "G-nonadjacent-process" =
            "0 0 9 a x 1\n0 9 18 r y\n1 0 18 a y 2\n2 0 18 r x, r y 2";
        write_skew_of_a_process: "G2-item-process" =
            "0 0 9 r x, a y 1\n1 0 9 a x 2\n1 9 18 r y\n2 0 18 r x 2, r y 1";
        write_skew_in_time: "G2-item-realtime" =
            "0 0 18 r x, a y 1\n1 0 9 a x 2\n2 10 18 r y\n3 0 18 r x 2, r y 1";
        an_indeterminate_transaction_that_was_seen: "G-single-realtime" =
            "0 0 - a x 1, a y 2\n1 0 9 r x 1\n2 10 18 r y";
    }
}

mod registers {
    use super::*;

    anomalies! {
        Datatype::Register,
        phantom_value: "phantom-element" = "0 0 9 w x 1\n1 0 9 r x 7";
        aborted_read: "G1a" = "0 0 9 ! w x 1\n1 0 9 r x 1";
        intermediate_read: "G1b" = "0 0 9 w x 1, w x 2\n1 0 9 r x 1";
        internal: "internal" = "0 0 9 w x 1, r x 2\n1 0 9 w x 2";
        lost_update: "lost-update" = "0 0 9 r x, w x 1\n1 0 9 r x, w x 2";
        circular_information: "G1c" = "0 0 9 w x 1, r y 2\n1 0 9 w y 2, r x 1";
        read_skew: "G-single" = "0 0 9 w x 1, w y 2\n1 0 9 r x 1, r y";
        write_skew: "G2-item" = "0 0 9 r x, w y 1\n1 0 9 r y, w x 2";
        stale_read: "G-single-realtime" = "0 0 9 w x 1\n1 10 19 w x 2\n2 20 29 r x 1";
        stale_nil: "G-single-realtime" = "0 0 9 w x 1\n1 10 19 r x";
        a_chain: "G-single" = "0 0 9 r x, w x 1\n1 0 9 r x 1, w x 2\n2 0 9 w x 3, w y 4\n3 0 9 r y 4, r x 2";
        a_chain_in_time: "G-single-realtime" =
            "0 0 9 w x 1\n1 0 9 r x 1, w x 2\n2 10 19 w x 3\n3 20 29 r x 2";
        an_indeterminate_write_that_its_reader_overwrote: "G-single-realtime" =
            "0 0 1 w y 5\n1 8 - w x 6, w y 7\n2 11 12 r x 6, w x 10, r x 10\n2 15 16 r y 5";
        writes_behind_a_chain: "G0-realtime" = "0 0 9 r x, w x 1\n1 0 9 w x 3\n2 10 19 r x 1, w x 2";
        of_the_key_that_both_wrote: "G0-realtime" =
            "0 0 3 r x, w y 2, w x 3\n1 0 12 r y 2, w x 8, w y 9\n2 14 19 r y 2, r x 3, w x 16";
        an_effect_shown_by_what_it_alone_wrote: "G-single-process" =
            "0 0 - w z 1, w x 3\n1 1 5 r x 3\n1 5 9 r z\n2 8 9 w z 1\n1 9 15 r z 1";
        versions_in_time: "G1c-realtime" = "0 0 9 w x 1\n1 10 19 r x 2\n2 20 29 w x 2";
    }
}

/// An element that must not be there at all may be there twice as well, which breaks more.
#[test]
fn an_aborted_element_twice() {
    let history = script(Datatype::ListAppend, "0 0 9 ! a x 1\n1 0 9 r x 1\n2 0 9 r x 1 1");
    let judged = judge(&history, Level::StrictSerializable);
    let kinds: Vec<&str> = judged.outcome.violations.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(kinds, ["G1a", "duplicate-elements"]);
    assert_eq!(judged.levels.weakest_violated(), [Level::ReadUncommitted]);
}

/// What no level weaker than read atomic forbids, and no stronger one tells in this way.
#[test]
fn a_fractured_read() {
    let history = script(Datatype::ListAppend, "0 0 9 a x 1, a y 2\n1 0 9 r x 1, r y\n2 0 9 r y 2");
    let judged = judge(&history, Level::ReadAtomic);
    assert_eq!(judged.outcome.violations.len(), 1);
    insta::assert_snapshot!(judged.outcome.violations[0].message);
    assert_eq!(judged.levels.strongest_held(), [Level::ReadCommitted]);
    assert_eq!(judge(&history, Level::ReadCommitted).outcome.verdict, Verdict::Valid);
}

#[test]
fn a_weaker_level_forbids_less() {
    let write_skew = script(Datatype::ListAppend, "0 0 9 r x, a y 1\n1 0 9 r y, a x 2\n2 0 9 r x 2, r y 1");
    for level in Level::ALL {
        let judged = judge(&write_skew, level);
        let forbids = level.implies(Level::RepeatableRead);
        let verdict = if forbids { Verdict::Invalid } else { Verdict::Valid };
        assert_eq!(judged.outcome.verdict, verdict, "{level}");
        assert_eq!(judged.outcome.reason.unwrap(), "snapshot-isolation holds; repeatable-read does not");
    }
    let stale = script(Datatype::ListAppend, "0 0 9 a x 1\n1 0 9 r x 1\n2 20 29 r x");
    let judged = judge(&stale, Level::Serializable);
    assert_eq!(judged.outcome.verdict, Verdict::Valid);
    let (level, order) = judged.order.unwrap();
    assert_eq!((level, order), (Level::StrongSessionSerializable, vec![OpId(2), OpId(0), OpId(1)]));
}

#[test]
fn one_detail_decides() {
    let verdict =
        |lines| judge(&script(Datatype::ListAppend, lines), Level::StrictSerializable).outcome.verdict;
    // An append that nobody saw may stand behind a read that was not over when it began.
    assert_eq!(
        verdict("0 0 9 a x 1\n1 9 20 r x"),
        Verdict::Valid,
        "closed intervals that touch are concurrent"
    );
    assert_eq!(verdict("0 0 9 a x 1\n1 10 20 r x"), Verdict::Invalid);
    assert_eq!(
        verdict("0 0 - a x 1\n1 10 20 r x"),
        Verdict::Valid,
        "an indeterminate one need not take effect"
    );
    assert_eq!(verdict("0 0 - a x 1, a y 1\n1 10 20 r x\n2 30 40 r x 1\n3 50 60 r y"), Verdict::Invalid);
    // A retry of what aborted is another append of the same.
    assert_eq!(verdict("0 0 9 ! a x 1\n0 10 19 a x 1\n1 20 29 r x 1"), Verdict::Valid);
    // Elements that were appended twice tell no order; if the order that is known replays, that is enough.
    assert_eq!(verdict("0 0 9 a x 1\n1 10 19 a x 1\n2 20 29 r x 1 1"), Verdict::Valid);
    assert_eq!(verdict("0 0 9 a x 1\n1 0 9 a x 1\n2 0 9 r x 1"), Verdict::Unknown);
    assert_eq!(verdict("0 0 9 a x 1\n1 0 9 a x 1\n2 0 9 r x 1 1 1"), Verdict::Invalid);
    // Transactions that did not commit show nothing.
    assert_eq!(verdict("0 0 9 ! a x 1, r x 7"), Verdict::Vacuous);
    assert_eq!(verdict(""), Verdict::Vacuous);
}

#[test]
fn a_false_edge_is_refuted() {
    let lines = "0 0 9 a x 1, a y 2\n1 0 9 r x 1, r y\n2 20 29 r y 2\n1 30 39 a x 3\n3 0 9 r x 1 3";
    let history = script(Datatype::ListAppend, lines);
    let honest = judge(&history, Level::StrictSerializable).outcome.violations.remove(0);
    assert_eq!(verify::violation(&history, Level::StrictSerializable, &honest), Ok(()));
    let ids = || (0..5).map(OpId);
    let kinds = [
        EdgeKind::WriteWrite,
        EdgeKind::WriteRead,
        EdgeKind::ReadWrite,
        EdgeKind::Process,
        EdgeKind::RealTime,
    ];
    // What is true of the pairs of this history, by kind; nothing else may pass.
    let mut accepted = Vec::new();
    for (from, to) in ids().flat_map(|from| ids().map(move |to| (from, to))) {
        for kind in kinds {
            let mut violation = honest.clone();
            violation.operations = ids().collect();
            // What any circle is called, whatever its edges.
            violation.kind = "G2-item-realtime".to_owned();
            let mut edge = violation.edges[0].clone();
            (edge.from, edge.to, edge.kind, edge.evidence) = (from, to, kind, ids().collect());
            // The way back is not looked at: a pair of edges closes, and the first that is wrong is told.
            let mut back = edge.clone();
            (back.from, back.to) = (to, from);
            violation.edges = vec![edge, back];
            let refuted = verify::violation(&history, Level::StrictSerializable, &violation)
                .err()
                .map(|refuted| refuted.to_string());
            if from != to && refuted.is_none_or(|why| why.contains(&format!("follow: {to}"))) {
                accepted.push(format!("{} {kind:?} {}", from.0, to.0));
            }
        }
    }
    insta::assert_snapshot!(accepted.join("\n"));
}
