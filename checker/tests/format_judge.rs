//! From bytes to a verdict: what was assumed is said, what cannot be judged is refused.

use insta::assert_snapshot;
use squall_checker::format::{Format, Recorded};
use squall_checker::judge::{FailedCas, Judged, Model, Options, judge};
use squall_checker::{Bounds, Verdict};

#[path = "common/judged.rs"]
mod verified;

fn read_and_judged<'a>(name: &'a str, text: &'a str, options: &Options) -> (Recorded<'a>, Judged<'a>) {
    verified::judged(name, text, options, &Bounds::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn judged<'a>(name: &'a str, text: &'a str, options: &Options) -> Judged<'a> {
    read_and_judged(name, text, options).1
}

/// Verdict, model and what is wrong, in lines.
fn told(name: &str, text: &str) -> String {
    let (recorded, judged) = read_and_judged(name, text, &Options::default());
    let operations = judged.operations;
    let mut lines = vec![format!(
        "{} ({}, {}): {} ok, {} fail, {} info",
        judged.outcome.verdict,
        recorded.format(),
        judged.model,
        operations.ok,
        operations.fail,
        operations.info
    )];
    lines.extend(judged.outcome.reason.clone());
    lines.extend(judged.outcome.violations.iter().map(|violation| {
        // How the search explains itself is pinned where the explanations are.
        if violation.check != "exactly-once" {
            return violation.check.clone();
        }
        let places: Vec<_> = violation.operations.iter().map(|id| recorded.line(*id)).collect();
        format!("{} {}, lines {places:?}", violation.check, violation.kind)
    }));
    lines.extend(judged.outcome.partitions.iter().map(|partition| {
        format!("{:?}: {}, {} operations", partition.key, partition.verdict, partition.operations)
    }));
    lines.join("\n")
}

fn appended(read: &str) -> String {
    [
        r#"{"process":1,"type":"invoke","f":"append","key":"k","value":4}"#,
        r#"{"process":1,"type":"ok","f":"append","key":"k","value":4}"#,
        r#"{"process":1,"type":"invoke","f":"append","key":"k","value":17}"#,
        r#"{"process":1,"type":"ok","f":"append","key":"k","value":17}"#,
        r#"{"process":2,"type":"invoke","f":"read","key":"k","value":null}"#,
        &format!(r#"{{"process":2,"type":"ok","f":"read","key":"k","value":{read}}}"#),
    ]
    .join("\n")
}

#[test]
fn verdicts_of_append_histories() {
    assert_snapshot!(told("h.jsonl", &appended("[4,17]")), @r#"
    valid (jsonl, append): 3 ok, 0 fail, 0 info
    "k": valid, 3 operations
    "#);
    assert_snapshot!(told("h.jsonl", &appended("[4]")), @r#"
    invalid (jsonl, append): 3 ok, 0 fail, 0 info
    exactly-once lost, lines [3, 5]
    "k": invalid, 3 operations
    "#);
    assert_snapshot!(told("h.jsonl", &appended("[4,17,4]")), @r#"
    invalid (jsonl, append): 3 ok, 0 fail, 0 info
    exactly-once duplicated, lines [1, 5]
    exactly-once reordered, lines [1, 3, 5]
    "k": invalid, 3 operations
    "#);
    assert_snapshot!(told("h.jsonl", &appended("[]")), @r#"
    invalid (jsonl, append): 3 ok, 0 fail, 0 info
    exactly-once lost, lines [1, 5]
    "k": invalid, 3 operations
    "#);
}

#[test]
fn what_needs_no_search_is_decided_within_any_bounds() {
    let text = appended("[4,17]");
    let bounds = Bounds { steps_max: 0, ..Bounds::default() };
    let verdict = |text: &str| {
        let (_, judged) = verified::judged("h.jsonl", text, &Options::default(), &bounds).unwrap();
        judged.outcome.verdict
    };
    assert_eq!(verdict(&text), Verdict::Valid);
    let written = text.replace("append", "write").replace("[4,17]", "17");
    assert_eq!(verdict(&written), Verdict::Valid);
    let repeated = written.replace(":4}", ":17}");
    assert_eq!(verdict(&repeated), Verdict::Unknown);
}

#[test]
fn empty_histories_are_vacuous() {
    assert_snapshot!(told("h.jsonl", ""), @r#"
    vacuous (jsonl, register): 0 ok, 0 fail, 0 info
    the history is empty: nothing to judge
    "#);
    assert_snapshot!(told("h.log", "INFO  jepsen.util - 0\t:invoke\t:read\tnil"), @r#"
    vacuous (jepsen-log, register): 0 ok, 0 fail, 1 info
    none of 1 operations completed: nothing to judge
    "": vacuous, 1 operations
    "#);
    let faults = r#"{"process":"nemesis","type":"info","f":"kill","value":null}"#;
    let (recorded, judged) = read_and_judged("h.jsonl", faults, &Options::default());
    assert_eq!((judged.outcome.verdict, recorded.fault_events()), (Verdict::Vacuous, 1));
}

#[test]
fn a_failed_cas_tells_that_the_value_differed() {
    let log = "0\t:invoke\t:write\t1\n0\t:ok\t:write\t1\n1\t:invoke\t:cas\t[1 2]\n1\t:fail\t:cas\t[1 2]\n";
    assert_snapshot!(told("h.log", log), @r#"
    invalid (jepsen-log, cas-register): 2 ok, 0 fail, 0 info
    linearizable
    "": invalid, 2 operations
    "#);
    assert_snapshot!(told("h.log", &log.replace("[1 2]", "[3 2]")), @r#"
    valid (jepsen-log, cas-register): 2 ok, 0 fail, 0 info
    "": valid, 2 operations
    "#);
    let options = Options { failed_cas: FailedCas::Ignore, ..Options::default() };
    let judged = judged("h.log", log, &options);
    assert_eq!((judged.outcome.verdict, judged.operations.fail), (Verdict::Valid, 1));
}

#[test]
fn absent_and_empty_are_the_same_unless_empty_was_written() {
    let rows = |written: &str| {
        format!(
        "{{:process 1 :type :invoke :f :put :key 1 :value {written}}}\n{{:process 2 :type :invoke :f :get :key 2}}
         {{:process 2 :type :ok :f :get :key 2 :value \"\"}}"
    )
    };
    let verdict = |written| judged("h.edn", &rows(written), &Options::default()).outcome.verdict;
    assert_eq!(verdict("\"a\""), Verdict::Valid);
    assert_eq!(verdict("\"\""), Verdict::Invalid);
}

#[test]
fn models_are_guessed_or_checked() {
    let guessed = |kinds: &[&str]| {
        let row = |kind: &&str| format!("0\t{0}\t{0}\t{kind}\t{kind}\t1:1", kind.as_bytes()[0]);
        let text: Vec<_> = kinds.iter().map(row).collect();
        let text = text.join("\n");
        let judged = judged("h.tsv", &text, &Options::default());
        assert!(judged.model_guessed);
        judged.model
    };
    assert_eq!(guessed(&["r", "w"]), Model::REGISTER);
    assert_eq!(guessed(&["c", "r", "w"]), Model::CAS_REGISTER);
    assert_eq!(guessed(&["a", "g"]), Model::APPEND);
    assert_eq!(guessed(&["a", "g", "p"]), Model::KEY_VALUE);
    let rows = "# rows\n0\t0\t10\tw\tx\t1\n0\t20\t30\tc\tx\t1:2\n";
    let options = Options { model: Some(Model::REGISTER), ..Options::default() };
    let error = judge("h.tsv", rows.as_bytes(), &options, &Bounds::default()).unwrap_err();
    assert_snapshot!(error, @"h.tsv:3: the model register has no operation like `cas x [1, 2]`; judge it as cas-register");
    let options = Options { model: Some(Model::KEY_VALUE), format: Some(Format::CompactTsv), ..options };
    let judged = judged("history", rows, &options);
    assert_eq!((judged.outcome.verdict, judged.model_guessed), (Verdict::Valid, false));
}

#[test]
fn models_have_names() {
    for model in Model::ALL {
        assert_eq!(model.name().parse(), Ok(*model));
        for alias in model.aliases() {
            assert_eq!(alias.parse(), Ok(*model));
        }
        assert!(!model.description().is_empty());
    }
    assert_snapshot!("mutexes".parse::<Model>().unwrap_err(), @"unknown model `mutexes`; expected one of register, cas-register, append, kv, list-append, rw-register, queue, unordered-queue, stack, set, counter, unique-ids, mutex, bank, strict-bank, multi-register, long-fork");
}

#[test]
fn transactions_are_proven_to_be_what_they_are_and_not_the_opposite() {
    let events = |seen: &str| {
        let event = |process: u8, kind: &str, value: &str| {
            format!("{{:process {process}, :type :{kind}, :f :txn, :value [{value}]}}\n")
        };
        let (append, read) = ("[:append :x 1]", format!("[:r :x {seen}]"));
        let events =
            [(0, "invoke", append), (0, "ok", append), (1, "invoke", "[:r :x nil]"), (1, "ok", &read)];
        events.map(|(process, kind, value)| event(process, kind, value)).concat()
    };
    for (seen, verdict) in [("[1]", Verdict::Valid), ("[]", Verdict::Invalid), ("[2]", Verdict::Invalid)] {
        let text = events(seen);
        let options = Options { model: Some(Model::LIST_APPEND), ..Options::default() };
        let judged = judged("h.edn", &text, &options);
        assert_eq!(judged.outcome.verdict, verdict, "{seen}");
        let mut lie = judged.outcome.clone();
        lie.verdict = if verdict == Verdict::Valid { Verdict::Invalid } else { Verdict::Valid };
        assert!(judged.history.verify(&lie).is_err(), "{seen}");
        if verdict == Verdict::Invalid {
            lie.verdict = verdict;
            lie.violations.clear();
            assert!(judged.history.verify(&lie).is_err(), "{seen}: nothing is said to be wrong");
        }
    }
}
