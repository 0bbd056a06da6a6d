//! What is written in another format is read as the same operations; what a format cannot say is an error.

use insta::assert_snapshot;
use proptest::prelude::*;
use squall_checker::format::{Format, Limits, RawOperation, Recorded, read};
use squall_checker::{Completion, History, Operation, ProcessId};

fn recorded<'a>(name: &'a str, text: &'a str) -> Recorded<'a> {
    read(name, text.as_bytes(), None, Limits::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Everything about an operation but where it stood in its source, and the words of an error that is a mismatch.
fn substance(raw: &RawOperation) -> String {
    let time = |place: squall_checker::format::Place| place.time.map(squall_checker::format::Time::ns);
    let failure = raw.failure.as_ref().map(|failure| {
        let error = failure.error.as_ref().filter(|_| !failure.mismatch);
        (failure.mismatch, failure.actual.clone(), error)
    });
    format!(
        "{} {} {:?} {:?} {:?} {:?} {:?} {} {:?} {:?} {:?}",
        raw.process,
        raw.function,
        raw.key,
        raw.asked,
        raw.ending,
        raw.told,
        failure,
        raw.invoked,
        raw.completed,
        time(raw.invocation),
        raw.completion.map(time),
    )
}

fn substances(recorded: &Recorded<'_>) -> Vec<String> {
    recorded.operations().map(|raw| substance(&raw)).collect()
}

fn json_text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("k1".to_owned()),
        Just(":a".to_owned()),
        Just("</script><!--".to_owned()),
        Just("\u{0}\u{1b}[31m\t\r\n\"\\;#{}".to_owned()),
        any::<String>(),
    ]
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<i64>().prop_map(serde_json::Value::from),
        json_text().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::vec((json_text(), inner), 0..3)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// An event that leaves everything open; what becomes of it depends on the events before.
type Draft = (u64, usize, usize, serde_json::Value, Option<String>, Option<u32>, Option<String>);

fn draft() -> impl Strategy<Value = Draft> {
    let key = prop::option::of(json_text());
    let error = prop_oneof![Just(None), Just(Some("precondition".to_owned())), json_text().prop_map(Some),];
    (0u64..4, 0usize..6, 0usize..3, json(), key, any::<Option<u32>>(), error)
}

/// JSON Lines of events that make a history.
fn lines(drafts: Vec<Draft>, keyed: bool) -> String {
    let mut open: Vec<Option<(String, Option<String>)>> = vec![None; 4];
    let mut text = String::new();
    for (process, function, ending, value, key, time, error) in drafts {
        let slot = &mut open[usize::try_from(process).unwrap()];
        let (kind, function, key) = match slot.take() {
            Some((function, key)) => (["ok", "fail", "info"][ending], function, key),
            None => {
                let names = ["read", "enqueue", "txn", "cas", "transfer now", "\u{1f600}"];
                let key = if keyed { key } else { None };
                *slot = Some((names[function].to_owned(), key.clone()));
                ("invoke", names[function].to_owned(), key)
            }
        };
        let event = serde_json::json!({
            "process": process, "type": kind, "f": function, "key": key, "value": value, "time": time,
            "error": error, "actual": if ending == 1 { value.clone() } else { serde_json::Value::Null },
        });
        text += &format!("{event}\n");
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn event_lists_survive_every_way_of_writing_them(
        drafts in prop::collection::vec(draft(), 0..24),
        keyed in any::<bool>(),
    ) {
        let text = lines(drafts, keyed);
        let first = match read("h.jsonl", text.as_bytes(), None, Limits::default()) {
            Ok(first) => first,
            // Values that all come in pairs name keys where no other key does, and a completion may then be of another one.
            Err(error) => {
                prop_assert!(error.message.contains(" completes "), "{}", error);
                return Ok(());
            }
        };
        let expected = substances(&first);
        for format in [Format::JsonLines, Format::JepsenEdn] {
            let written = first.converted(format).unwrap();
            let again = read("again", written.as_bytes(), Some(format), Limits::default());
            let again = again.unwrap_or_else(|error| panic!("{error}\n{written}"));
            prop_assert_eq!(&substances(&again), &expected, "{}", written);
        }
    }

    #[test]
    fn rows_survive_as_rows_and_keep_their_order_as_events(
        rows in prop::collection::vec((0u64..3, 0u64..3, 0u64..3, 0usize..4, any::<bool>(), 0i64..4), 0..10),
    ) {
        let text = tsv(&rows);
        let first = recorded("h.tsv", &text);
        let before = first.key_value().unwrap();
        let written = first.converted(Format::CompactTsv).unwrap();
        prop_assert_eq!(&recorded("again.tsv", &written).key_value().unwrap(), &before);
        for format in [Format::JsonLines, Format::JepsenEdn] {
            match first.converted(format) {
                Ok(written) => {
                    let again = read("again", written.as_bytes(), Some(format), Limits::default());
                    let again = again.unwrap_or_else(|error| panic!("{error}\n{written}"));
                    prop_assert_eq!(story(&again.key_value().unwrap()), story(&before), "{}", written);
                }
                Err(error) => prop_assert!(error.cause.contains("the two are concurrent")),
            }
        }
    }
}

/// Rows of three processes that do one thing at a time, with many ties.
fn tsv(rows: &[(u64, u64, u64, usize, bool, i64)]) -> String {
    let mut free_at = [0; 3];
    let mut text = String::new();
    for (process, wait, length, kind, returns, value) in rows {
        let index = usize::try_from(*process).unwrap();
        let call = free_at[index] + wait;
        free_at[index] = if *returns { call + length } else { call + 1 };
        let back = if *returns { (call + length).to_string() } else { "-1".to_owned() };
        let (kind, value) = [
            ("r", value.to_string()),
            ("w", value.to_string()),
            ("c", format!("{value}:9")),
            ("r", String::new()),
        ][*kind]
            .clone();
        text += &format!("{process}\t{call}\t{back}\t{kind}\tx\t{value}\n");
    }
    text
}

type KvHistory = History<squall_checker::kv::KvOp, squall_checker::kv::KvRet>;

/// The operations, each with those that it precedes, whatever their numbers.
fn story(history: &KvHistory) -> Vec<String> {
    let words = |operation: &Operation<_, _>| {
        let Operation { process, op, completion, .. } = operation;
        // What an indeterminate read might have returned is nothing.
        format!("{process} {op:?} {completion:?}")
    };
    let mut lines: Vec<String> = history
        .operations()
        .iter()
        .map(|operation| {
            let mut later: Vec<_> =
                history.operations().iter().filter(|other| operation.precedes(other)).map(words).collect();
            later.sort_unstable();
            format!("{} < {later:?}", words(operation))
        })
        .collect();
    lines.sort_unstable();
    lines
}

#[test]
fn a_history_in_every_format() {
    let text = r#"{"index":0,"time":1000,"process":3,"type":"invoke","f":"cas","key":"k3","value":[null,"a b"],"node":"n1"}
{"index":1,"process":"nemesis","type":"info","f":"kill","value":{"node":"n3"}}
{"index":2,"time":2000,"process":4,"type":"invoke","f":"read","key":"k3","value":null}
{"index":3,"time":3000,"process":4,"type":"ok","f":"read","key":"k3","value":[1,":x"]}
{"index":4,"time":4000,"process":3,"type":"fail","f":"cas","key":"k3","value":[null,"a b"],"error":"precondition","actual":3}
"#;
    let recorded = recorded("h.jsonl", text);
    assert_snapshot!(recorded.converted(Format::JsonLines).unwrap(), @r#"
    {"index":0,"time":1000,"process":3,"type":"invoke","f":"cas","key":"k3","value":[null,"a b"],"node":null,"error":null}
    {"index":1,"time":2000,"process":4,"type":"invoke","f":"read","key":"k3","value":null,"node":null,"error":null}
    {"index":2,"time":3000,"process":4,"type":"ok","f":"read","key":"k3","value":[1,":x"],"node":null,"error":null}
    {"index":3,"time":4000,"process":3,"type":"fail","f":"cas","key":"k3","value":[null,"a b"],"node":null,"error":"precondition","actual":3}
    "#);
    assert_snapshot!(recorded.converted(Format::JepsenEdn).unwrap(), @r#"
    {:index 0, :time 1000, :process 3, :type :invoke, :f :cas, :key "k3", :value [nil "a b"]}
    {:index 1, :time 2000, :process 4, :type :invoke, :f :read, :key "k3", :value nil}
    {:index 2, :time 3000, :process 4, :type :ok, :f :read, :key "k3", :value [1 :x]}
    {:index 3, :time 4000, :process 3, :type :fail, :f :cas, :key "k3", :value [nil "a b"], :error :precondition, :actual 3}
    "#);
    assert_snapshot!(recorded.converted(Format::CompactTsv).unwrap_err(), @"h.jsonl:1: tsv cannot hold this operation: it is a cas that saw another value");
    assert_snapshot!(recorded.converted(Format::JepsenLog).unwrap_err(), @"h.jsonl:1: jepsen-log cannot hold this operation: text logs are only read; write jsonl, edn or tsv");
}

#[test]
fn logs_and_lists_of_registers_become_rows() {
    let log = "0\t:invoke\t:write\t1\n0\t:ok\t:write\t1\n1\t:invoke\t:cas\t[1 2]\n2\t:invoke\t:read\tnil\n2\t:ok\t:read\tnil\n";
    assert_snapshot!(recorded("h.log", log).converted(Format::CompactTsv).unwrap(), @"
    0	0	1	w		1
    1	2	-1	c		1:2
    2	3	4	r
    ");
}

#[test]
fn what_rows_cannot_say_is_refused() {
    let said =
        |events: &str| recorded("h.jsonl", events).converted(Format::CompactTsv).unwrap_err().to_string();
    let event = |f: &str, key: &str, value: &str| {
        format!(r#"{{"process":1,"type":"invoke","f":"{f}","key":"{key}","value":{value}}}"#)
    };
    assert_snapshot!(said(&event("write", "a\\tb", "1")), @"h.jsonl:1: tsv cannot hold this operation: its key has a tab or a line break");
    assert_snapshot!(said(&event("delete", "a", "1")), @"h.jsonl:1: tsv cannot hold this operation: it is a delete");
    assert_snapshot!(said(&event("append", "a", "1")), @"h.jsonl:1: tsv cannot hold this operation: its key holds other things than texts, to which rows cannot append");
    assert_snapshot!(said(&event("write", "a", "[1]")), @"h.jsonl:1: tsv cannot hold this operation: its value is a list");
    assert_snapshot!(said(&event("cas", "a", "[\"7\",1]")), @"h.jsonl:1: tsv cannot hold this operation: its value is a text that would be read as a number");
    assert_snapshot!(said(&event("cas", "a", "[\"a:b\",1]")), @"h.jsonl:1: tsv cannot hold this operation: the value that its cas expects has a colon");
    assert_snapshot!(said(&event("cas", "a", "[\"\",1]")), @"h.jsonl:1: tsv cannot hold this operation: its value is an empty text, which rows cannot tell from nothing");
    assert_snapshot!(said(&event("enqueue", "a", "1")), @"h.jsonl:1: tsv cannot hold this operation: rows are operations of a key-value store, and unknown operation `enqueue`; expected read (get), write (put), cas, append, delete or txn");
}

#[test]
fn ties_that_events_cannot_say_are_refused() {
    let touching = "0\t0\t10\tw\tx\t1\n0\t10\t20\tw\tx\t2\n";
    assert_snapshot!(recorded("h.tsv", touching).converted(Format::JsonLines).unwrap_err(), @"h.tsv:2: jsonl cannot hold this operation: it begins at the very stamp at which another operation of its process returns, so that the two are concurrent; in a list of events one would follow the other");
    let instants = "0\t0\t0\tw\tx\t1\n0\t0\t0\tw\tx\t2\n";
    assert!(recorded("h.tsv", instants).converted(Format::JsonLines).is_err());
    let text =
        recorded("h.tsv", &touching.replace("0\t10\t20", "1\t10\t20")).converted(Format::JsonLines).unwrap();
    let again = recorded("again.jsonl", &text).key_value().unwrap();
    assert!(!again.operations()[0].precedes(&again.operations()[1]));
}

#[test]
fn a_row_whose_outcome_is_unknown_ends_before_its_process_goes_on() {
    let rows = "0\t0\t-1\tw\tx\t1\n0\t10\t20\tw\tx\t2\n";
    let text = recorded("h.tsv", rows).converted(Format::JepsenEdn).unwrap();
    assert_snapshot!(text, @r#"
    {:index 0, :process 0, :type :invoke, :f :write, :key "x", :value 1}
    {:index 1, :process 0, :type :info, :f :write, :key "x", :value 1}
    {:index 2, :process 0, :type :invoke, :f :write, :key "x", :value 2}
    {:index 3, :process 0, :type :ok, :f :write, :key "x", :value 2}
    "#);
    let history = recorded("again.edn", &text).key_value().unwrap();
    assert_eq!(history.operations()[0].completion, Completion::Info);
    assert_eq!(history.operations()[1].process, ProcessId(0));
}
