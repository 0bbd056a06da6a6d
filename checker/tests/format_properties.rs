//! Whatever bytes there are: reading them ends in a history or in an error, and what we wrote reads the same.

use std::sync::Arc;

use proptest::prelude::*;
use squall_checker::format::{Format, Happening, Limits, Line, parse, write_event, write_fault};
use squall_checker::history::{Event, EventKind};
use squall_checker::judge::{Options, judge};
use squall_checker::kv::{KvOp, KvRet};
use squall_checker::{Bounds, Completion, History, ProcessId, Value};

/// One small history per format; mutations start from these.
const SEEDS: [&str; 6] = [
    r#"{"index":0,"time":1,"process":3,"type":"invoke","f":"cas","key":"k3","value":[null,7],"node":"n1"}
{"index":1,"process":"nemesis","type":"info","f":"kill","value":{"node":"n3"}}
{"index":2,"process":4,"type":"invoke","f":"read","key":"k3","value":null}
{"index":3,"process":4,"type":"ok","f":"read","key":"k3","value":[1,"a;"]}
{"index":4,"process":3,"type":"fail","f":"cas","key":"k3","value":[null,7],"error":"precondition","actual":3}"#,
    "[#jepsen.history.Op{:index 0, :process 0, :type :invoke, :f :read, :value [6 nil]}\n\
     {:process 1, :type :invoke, :f :cas, :value [6 [1 2]]} ; comment\n\
     {:process :nemesis, :type :info, :f :start, :value #{1 \"x\\n\" \\a}}\n\
     {:process 0, :type :ok, :f :read, :value [6 1]}]",
    "{:process 0, :type :invoke, :f :append, :key \"0\", :value \"x 0 0 y\"}\n\
     {:process 0, :type :ok, :f :append, :key \"0\", :value \"x 0 0 y\", :time 1.5e3}",
    "{:type :invoke :process 1 :value [[:append 7 1]]}\n{:type :ok :process 1 :f :txn :value [[:append 7 1]]}",
    "INFO  jepsen.util - 0\t:invoke\t:read\tnil\nINFO  jepsen.core - x\nINFO  jepsen.util - 1   :invoke :cas [1 2]\n\
     2021-02-26 23:39:01,300{GMT}\tINFO\t[jepsen worker 1] jepsen.util: 1\t:fail\t:cas\t[1 2]\n",
    "# comment\n0\t0\t10\ta\tx\t0.6;\n1\t5\t-1\tc\ty\t1:2\n2\t20\t30\tg\tx\t0.6;\n",
];

/// Reads and judges in every way; nothing may panic.
fn survives(bytes: &[u8]) {
    let bounds = Bounds { steps_max: 2_000, ..Bounds::default() };
    for format in [None].into_iter().chain(Format::ALL.map(Some)) {
        let options = Options { format, ..Options::default() };
        match judge("fuzz", bytes, &options, &bounds) {
            Ok((recorded, judged)) => assert_eq!(recorded.len(), judged.operations.total()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// A change of a valid input: at a place, of so many bytes, to these.
fn mutated(seed: &str, changes: &[(usize, usize, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = seed.as_bytes().to_vec();
    for (place, removed, inserted) in changes {
        let from = place % (bytes.len() + 1);
        let to = (from + removed).min(bytes.len());
        bytes.splice(from..to, inserted.iter().copied());
    }
    bytes
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<i64>().prop_map(Value::Int),
        any::<String>().prop_map(|text| Value::text(text.as_str())),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(|items| Value::List(items.into()))
    })
}

fn operation() -> impl Strategy<Value = KvOp> {
    let key = || prop_oneof![Just("k1".to_owned()), any::<String>()].prop_map(Arc::<str>::from);
    prop_oneof![
        key().prop_map(|key| KvOp::Get { key }),
        (key(), value()).prop_map(|(key, value)| KvOp::Put { key, value }),
        (key(), value().prop_filter("appends append something", |value| *value != Value::Nil))
            .prop_map(|(key, value)| KvOp::Append { key, value }),
        (key(), value(), value()).prop_map(|(key, expected, new)| KvOp::Cas { key, expected, new }),
        key().prop_map(|key| KvOp::Delete { key }),
    ]
}

fn completion(op: &KvOp, choice: u8, seen: Value) -> Completion<KvRet> {
    match (choice, op) {
        (0, _) => Completion::Fail,
        (1, _) => Completion::Info,
        (_, KvOp::Get { .. }) => Completion::Ok(KvRet::Value(seen)),
        (2, KvOp::Cas { .. }) => Completion::Ok(KvRet::Mismatch(None)),
        (3, KvOp::Cas { .. }) => Completion::Ok(KvRet::Mismatch(Some(seen))),
        _ => Completion::Ok(KvRet::Done),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        survives(&bytes);
    }

    #[test]
    fn any_text_of_the_formats_characters_is_read_or_refused(text in "[\\[\\](){}#:;\"\\\\,0-9a-z_ \t\r\n.\\-/^rx]{0,200}") {
        survives(text.as_bytes());
    }

    #[test]
    fn mutated_histories_are_read_or_refused(
        seed in prop::sample::select(&SEEDS[..]),
        changes in prop::collection::vec(
            (any::<usize>(), 0usize..6, prop::collection::vec(prop::sample::select(&b"{}[]()\":;#\\ \t\n\r,-0199aokr\xffn"[..]), 0..4)),
            1..6,
        ),
    ) {
        survives(&mutated(seed, &changes));
    }

    #[test]
    fn what_is_written_reads_the_same(
        script in prop::collection::vec((0u64..5, operation(), 0u8..6, value(), any::<Option<String>>()), 0..30),
    ) {
        let mut open: Vec<Option<(KvOp, u8, Value)>> = vec![None; 5];
        let (mut events, mut text, mut faults) = (Vec::new(), String::new(), 0);
        for (index, (process, op, choice, seen, words)) in (0u64..).zip(script) {
            let slot = &mut open[usize::try_from(process).unwrap()];
            let ended = slot.take();
            let outcome = ended.as_ref().map(|(op, choice, seen)| completion(op, *choice, seen.clone()));
            let process = ProcessId(process);
            let (happening, kind) = match (&ended, &outcome) {
                (Some((op, ..)), Some(outcome)) => {
                    (Happening::Complete(op, outcome), EventKind::Complete(outcome.clone()))
                }
                _ => (Happening::Invoke(&op), EventKind::Invoke(op.clone())),
            };
            let (node, error) = (words.as_deref(), words.as_deref());
            write_event(&mut text, &Line { index, time_ns: index * 7, process, happening, node, error });
            events.push(Event { process, kind, place: index });
            if choice == 5 {
                faults += 1;
                write_fault(&mut text, index, index * 7, "partition", &vec![vec!["n1"], vec!["n2", "n3"]]);
            }
            if ended.is_none() {
                *slot = Some((op, choice, seen));
            }
        }
        let parsed = parse("history.jsonl", text.as_bytes(), Some(Format::JsonLines), Limits::default()).unwrap();
        prop_assert_eq!(parsed.history, History::from_events(events).unwrap());
        prop_assert_eq!(parsed.fault_events, faults);
    }
}

#[test]
fn seeds_are_histories() {
    for seed in SEEDS {
        assert!(!parse("seed", seed.as_bytes(), None, Limits::default()).unwrap().history.is_empty());
    }
}

#[test]
fn hostile_nesting_and_size_end_soon() {
    for text in ["[", "{", "(", "#{", "{:a ", "[[", "\"", "#a ", "\\", "#_", "{\"a\":"] {
        survives(text.repeat(20_000).as_bytes());
        survives(format!("{{:process 1 :value {}", text.repeat(20_000)).as_bytes());
        survives(format!("{{\"process\":1,\"value\":{}", text.repeat(20_000)).as_bytes());
    }
}

#[test]
fn a_failure_that_did_not_run_never_reads_as_a_mismatch() {
    let cas = KvOp::Cas { key: "k".into(), expected: Value::Nil, new: Value::Int(1) };
    let mut text = String::new();
    let line = |index, happening, error| Line {
        index,
        time_ns: 0,
        process: ProcessId(1),
        happening,
        node: Some("n1"),
        error,
    };
    write_event(&mut text, &line(0, Happening::Invoke(&cas), None));
    write_event(&mut text, &line(1, Happening::Complete(&cas, &Completion::Fail), Some("precondition")));
    let parsed = parse("h.jsonl", text.as_bytes(), None, Limits::default()).unwrap();
    assert_eq!(parsed.history.operations()[0].completion, Completion::Fail);
    insta::assert_snapshot!(text, @r#"
    {"index":0,"time":0,"process":1,"type":"invoke","f":"cas","key":"k","value":[null,1],"node":"n1","error":null}
    {"index":1,"time":0,"process":1,"type":"fail","f":"cas","key":"k","value":[null,1],"node":"n1","error":"refused"}
    "#);
}
