//! Operations as they were recorded, before any model: arrays, vectors, maps, sets, keys, times, what is broken.

use insta::assert_snapshot;
use squall_checker::format::{Ending, Limits, RawOperation, Recorded, read};

fn recorded<'a>(name: &'a str, text: &'a str) -> Recorded<'a> {
    read(name, text.as_bytes(), None, Limits::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn words(raw: &RawOperation) -> String {
    let told = raw.told.as_ref().map_or("(no value)".to_owned(), ToString::to_string);
    let asked = if raw.asked.is_none() { " (no value)" } else { "" };
    let ending = match raw.ending {
        Ending::Ok => "ok",
        Ending::Fail => "fail",
        Ending::Info => "info",
    };
    let error = raw.failure.as_ref().and_then(|failure| failure.error.as_deref());
    let error = error.map_or(String::new(), |error| format!(", {error}"));
    let end = raw.completed.map_or("never".to_owned(), |stamp| stamp.to_string());
    let line = raw.invocation.line();
    format!(
        "line {line}, process {}, {} to {end}: {raw}{asked}: {ending} {told}{error}",
        raw.process, raw.invoked
    )
}

/// What a history is read as: one operation per line.
fn read_as(name: &str, text: &str) -> String {
    let recorded = recorded(name, text);
    let mut lines = vec![recorded.format().to_string()];
    lines.extend(recorded.operations().map(|raw| words(&raw)));
    lines.join("\n")
}

fn said_of(name: &str, text: &str) -> String {
    read(name, text.as_bytes(), None, Limits::default()).unwrap_err().to_string()
}

#[test]
fn one_json_array_of_events() {
    let text = r#"[
  {"type":"invoke","f":"txn","value":[["append","x",3],["r","y",null]],"process":0,"index":0},
  {"type":"info", "process":"nemesis", "f":"kill", "value":"]"},
  {
    "type":"ok","f":"txn",
    "value":[["append","x",3],["r","y",[1,2]]],"process":0
  } ,{"process":99,"type":"invoke","f":"cas","value":[3,4]}
]
"#;
    assert_snapshot!(read_as("elle.json", text), @r#"
    jsonl
    line 2, process 0, 0 to 1: txn [["append", "x", 3], ["r", "y", nil]]: ok [["append", "x", 3], ["r", "y", [1, 2]]]
    line 7, process 99, 2 to never: cas [3, 4]: info nil
    "#);
    assert_snapshot!(read_as("none.json", "[]"), @"jsonl");
    assert_snapshot!(read_as("none", "[ ]"), @"edn");
}

#[test]
fn broken_arrays() {
    let event = r#"{"process":1,"type":"invoke","f":"read","value":null}"#;
    let said = |text: &str| said_of("h.json", text);
    assert_snapshot!(said(&format!("[{event}")), @r#"
    h.json:1:55: expected `,` and another event, or the `]` that ends the array, not the end
        [{"process":1,"type":"invoke","f":"read","value":null}
    "#);
    assert_snapshot!(said(&format!("[{event},]")), @r#"
    h.json:1:56: expected an event after the comma, not `]`
        [{"process":1,"type":"invoke","f":"read","value":null},]
    "#);
    assert_snapshot!(said(&format!("[{event}\n {event}]")), @r#"
    h.json:2:2: expected `,` and another event, or the `]` that ends the array, not `{`
         {"process":1,"type":"invoke","f":"read","value":null}]
    "#);
    assert_snapshot!(said(&format!("[{event}]\n{event}")), @r#"
    h.json:2:1: expected nothing after the array of all events, not `{`
        {"process":1,"type":"invoke","f":"read","value":null}
    "#);
    assert_snapshot!(said(&format!("[{event}, 3]")), @r#"
    h.json:1:57: expected an event after the comma, not `3`
        [{"process":1,"type":"invoke","f":"read","value":null}, 3]
    "#);
    assert_snapshot!(said("[\n{\"process\":1,\n \"type\":\"invoke\",\n \"f\":3}]"), @r#"
    h.json:4:6: invalid type: integer `3`, expected a string; expected an event like {"process":1,"type":"invoke","f":"read","key":"x","value":null}
         "f":3}]
    "#);
    assert_snapshot!(said("[{\"process\":1, \"value\": [1}"), @r#"
    h.json:1:27: `}` closes nothing that is open here
        [{"process":1, "value": [1}
    "#);
}

#[test]
fn operations_as_vectors() {
    let text =
        "[[0 :invoke :read nil] [:nemesis :info :start nil]\n [0, :ok, :read, 4]\n [1 :invoke :enqueue 5]]";
    assert_snapshot!(read_as("knossos.edn", text), @"
    edn
    line 1, process 0, 0 to 1: read: ok 4
    line 3, process 1, 2 to never: enqueue 5: info nil
    ");
    let lines = "[0 :invoke :write 3]\n[0 :info :write 3] ; comment\n(0 :invoke)";
    assert_snapshot!(said_of("knossos.edn", lines), @"
    knossos.edn:3:1: expected an operation map like {:process 1, :type :invoke, :f :read, :value nil}, not `(0`
        (0 :invoke)
    ");
    assert_snapshot!(said_of("knossos.edn", "[0 :invoke :write]"), @"
    knossos.edn:1:1: expected an operation map like {:process 1, :type :invoke, :f :read, :value nil}
        [0 :invoke :write]
    ");
    assert_snapshot!(said_of("knossos.edn", "[0 :invoke :write 3"), @"
    knossos.edn:1:1: the operation is never closed; expected its last bracket
        [0 :invoke :write 3
    ");
}

#[test]
fn maps_and_sets_are_values() {
    let text = "{:process 0 :type :invoke :f :transfer :value {:to 1, :from 0, :amount 5}}
{:process 0 :type :ok :f :transfer :value {:from 0 :to 1 :amount 5}}
{:process 0 :type :invoke :f :read}
{:process 0 :type :ok :f :read :value #{3 1 2}}
{:process 0 :type :invoke :f :read :value {1 true}}
{:process 0 :type :info :f :read :value 1.5}";
    assert_snapshot!(read_as("bank.edn", text), @r#"
    edn
    line 1, process 0, 0 to 1: transfer [[":amount", 5], [":from", 0], [":to", 1]]: ok [[":amount", 5], [":from", 0], [":to", 1]]
    line 3, process 0, 2 to 3: read: ok [1, 2, 3]
    line 5, process 0, 4 to 5: read (no value): info (no value)
    "#);
    let json = r#"{"process":0,"type":"invoke","f":"transfer","value":{"to":1,"from":0,"amount":5}}
{"process":0,"type":"ok","f":"transfer","value":{"amount":5,"from":0,"to":1}}
{"process":0,"type":"invoke","f":"read","value":{"a":[1.5]}}
{"process":1,"type":"invoke","f":"read","value":{"a":1,"a":2}}"#;
    assert_snapshot!(read_as("bank.jsonl", json), @r#"
    jsonl
    line 1, process 0, 0 to 1: transfer [["amount", 5], ["from", 0], ["to", 1]]: ok [["amount", 5], ["from", 0], ["to", 1]]
    line 3, process 0, 2 to never: read (no value): info nil
    line 4, process 1, 3 to never: read (no value): info nil
    "#);
}

#[test]
fn independent_keys_of_any_function() {
    let text = "{:process 0 :type :invoke :f :enqueue :value [7 1]}
{:process 0 :type :ok :f :enqueue :value [7 1]}
{:process 0 :type :invoke :f :dequeue :value [\"b\" nil]}
{:process 0 :type :fail :f :dequeue :value [\"b\" nil] :error :empty}
{:process 0 :type :invoke :f :dequeue :value [:c nil]}
{:process 0 :type :info :f :dequeue :value [:timed \"out\"]}";
    assert_snapshot!(read_as("queues.edn", text), @r#"
    edn
    line 1, process 0, 0 to 1: enqueue 7 1: ok 1
    line 3, process 0, 2 to 3: dequeue b: fail nil, empty
    line 5, process 0, 4 to 5: dequeue c: info [":timed", "out"]
    "#);
    let elements = text.replace("[:c nil]", "nil");
    assert_snapshot!(read_as("queue.edn", &elements), @r#"
    edn
    line 1, process 0, 0 to 1: enqueue [7, 1]: ok [7, 1]
    line 3, process 0, 2 to 3: dequeue ["b", nil]: fail ["b", nil], empty
    line 5, process 0, 4 to 5: dequeue: info [":timed", "out"]
    "#);
    // The reads of two keys at once, as long fork has them, are no key and its value.
    let forks = "{:process 0 :type :invoke :f :read :value [[:r 1 nil] [:r 2 nil]]}";
    assert_snapshot!(read_as("fork.edn", forks), @r#"
    edn
    line 1, process 0, 0 to never: read [[":r", 1, nil], [":r", 2, nil]]: info nil
    "#);
}

#[test]
fn a_completion_is_of_its_own_operation() {
    let ends = |end: &str| {
        said_of("h.edn", &format!("{{:process 0 :type :invoke :f :enqueue :key 7 :value 1}}\n{end}"))
    };
    assert_snapshot!(ends("{:process 0 :type :ok :f :enqueue :key 8 :value 1}"), @r#"
    h.edn:2:1: process 0 completes enqueue of "8", but its operation of line 1 is enqueue of "7"
        {:process 0 :type :ok :f :enqueue :key 8 :value 1}
    "#);
    assert_snapshot!(ends("{:process 0 :type :info :f :dequeue :key 7}"), @r#"
    h.edn:2:1: process 0 completes dequeue of "7", but its operation of line 1 is enqueue of "7"
        {:process 0 :type :info :f :dequeue :key 7}
    "#);
}

#[test]
fn logs_with_dates_and_keys() {
    let text = "2021-02-26 23:39:01,300{GMT}\tINFO\t[jepsen worker 1] jepsen.util: 1\t:invoke\t:write\t[0 2]
2021-02-26 23:39:01,302{GMT}\tINFO\t[jepsen worker 2] jepsen.util: 2\t:invoke\t:read\t[0 nil]
2021-02-26 23:39:01,305{GMT}\tINFO\t[jepsen worker 2] jepsen.util: 2\t:ok\t:read\t[0 2]
2021-02-26 23:39:06,305{GMT}\tINFO\t[jepsen worker 1] jepsen.util: 1\t:info\t:write\t[0 2]\t:timeout
";
    assert_snapshot!(read_as("jepsen.log", text), @"
    jepsen-log
    line 1, process 1, 0 to 3: write 0 2: info 2, :timeout
    line 2, process 2, 1 to 2: read 0: ok 2
    ");
}

#[test]
fn stores_of_maelstrom() {
    let text = "{:type :invoke, :f :txn, :value [[:append 9 11] [:r 6 nil]], :time 5246977350, :process 0, :index 1042}
{:type :info, :f :txn, :value [[:append 9 11] [:r 6 nil]], :time 5246977359, :process 0, :error :net-timeout, :index 1043}
{:process :nemesis, :type :info, :f :start-partition, :value nil, :time 5246977399, :index 1044}
";
    let recorded = recorded("history.edn", text);
    assert_snapshot!(read_as("history.edn", text), @r#"
    edn
    line 1, process 0, 0 to 1: txn [[":append", 9, 11], [":r", 6, nil]]: info [[":append", 9, 11], [":r", 6, nil]], net-timeout
    "#);
    assert!(recorded.is_timed());
    let operation = recorded.operations().next().unwrap();
    assert_eq!(operation.invocation.time.map(|time| time.ns()), Some(5_246_977_350));
}
