//! Small recorded histories in every format: what they are read as, and what is said of broken ones.

use insta::assert_snapshot;
use squall_checker::format::{Format, Limits, parse};
use squall_checker::kv::KvSpec;
use squall_checker::{Completion, Spec};

/// What a history is read as: one operation per line.
fn read_as(name: &str, text: &str) -> String {
    let parsed = parse(name, text.as_bytes(), None, Limits::default()).unwrap_or_else(|e| panic!("{e}"));
    let mut lines = vec![parsed.format.to_string()];
    for ((_, operation), line) in parsed.history.iter().zip(&parsed.lines) {
        let words = KvSpec::default().describe(&operation.op, operation.ret());
        let (process, invoked) = (operation.process, operation.invoked);
        let end = match (&operation.completion, operation.returned) {
            (Completion::Ok(_), Some(returned)) => format!("{returned}"),
            (Completion::Fail, Some(returned)) => format!("{returned} failed"),
            _ => "never".to_owned(),
        };
        lines.push(format!("line {line}, process {process}, {invoked} to {end}: {words}"));
    }
    if parsed.fault_events + parsed.log_messages > 0 {
        lines
            .push(format!("left out: {} of faults, {} of the log", parsed.fault_events, parsed.log_messages));
    }
    lines.join("\n")
}

/// What is said of a broken history.
fn said_of(name: &str, text: &str) -> String {
    said_of_bytes(name, text.as_bytes(), None)
}

fn said_of_bytes(name: &str, bytes: &[u8], format: Option<Format>) -> String {
    parse(name, bytes, format, Limits::default()).unwrap_err().to_string()
}

fn said_of_lines(name: &str, lines: &[&str]) -> String {
    said_of(name, &lines.join("\n"))
}

#[test]
fn json_lines() {
    let text = r#"
{"index":0,"time":12000000,"process":3,"type":"invoke","f":"append","key":"k3","value":17,"node":"n1","error":null}
{"index":1,"process":"nemesis","type":"info","f":"kill","key":null,"value":{"node":"n3","p":0.5}}
{"index":2,"process":4,"type":"invoke","f":"get","key":"k3","more":{"x":[true]}}
{"index":3,"process":4,"type":"ok","f":"get","key":"k3","value":[4,17]}
{"index":4,"process":3,"type":"info","f":"append","key":"k3","value":17,"error":"timeout"}
{"index":5,"process":5,"type":"invoke","f":"cas","key":"k1","value":[null,"a"]}
{"index":6,"process":6,"type":"invoke","f":"cas","key":"k1","value":[4,5]}
{"index":7,"process":"7","type":"invoke","f":"cas","key":"k1","value":[4,5]}
{"index":8,"process":8,"type":"invoke","f":"delete","key":9}
{"index":9,"process":9,"type":"invoke","f":"put","key":"k1","value":"ü\"\n"}
{"index":10,"process":5,"type":"ok","f":"cas","key":"k1","value":[null,"a"]}
{"index":11,"process":6,"type":"fail","f":"cas","key":"k1","value":[4,5],"error":"precondition"}
{"index":12,"process":7,"type":"fail","f":"cas","key":"k1","value":[4,5],"error":["precondition","saw"],"actual":"a"}
{"index":13,"process":8,"type":"ok","f":"delete","key":"9"}
{"index":14,"process":9,"type":"fail","f":"put","key":"k1","value":null,"error":"connect refused"}
"#;
    assert_snapshot!(read_as("history.jsonl", text), @r#"
    jsonl
    line 2, process 3, 0 to never: append k3 17
    line 4, process 4, 1 to 2: read k3 -> [4, 17]
    line 7, process 5, 4 to 9: cas k1 nil -> "a"
    line 8, process 6, 5 to 10: cas k1 4 -> 5 failed
    line 9, process 7, 6 to 11: cas k1 4 -> 5 failed (saw "a")
    line 10, process 8, 7 to 12: delete 9
    line 11, process 9, 8 to 13 failed: write k1 "ü\"\n"
    left out: 1 of faults, 0 of the log
    "#);
}

#[test]
fn carriage_returns_byte_order_marks_and_blank_lines_do_not_matter() {
    let plain = concat!(
        r#"{"process":3,"type":"invoke","f":"read","key":"x","value":null}"#,
        "\n\n",
        r#"{"process":3,"type":"ok","f":"read","key":"x","value":4}"#,
    );
    let parse = |text: &str| parse("h.jsonl", text.as_bytes(), None, Limits::default()).unwrap();
    let expected = parse(plain);
    assert_eq!(expected.lines, [1]);
    assert_eq!(parse(&format!("\u{feff}{plain}\n")), expected);
    assert_eq!(parse(&plain.replace('\n', "\r\n")), expected);
    assert_eq!(parse(&format!("{plain}\n\n  \n")), expected);
    assert!(parse("").history.is_empty());
}

#[test]
fn broken_json_lines() {
    let invoke = r#"{"process":3,"type":"invoke","f":"write","key":"x","value":4}"#;
    let one = |line: &str| said_of_lines("h.jsonl", &[invoke, line]);
    assert_snapshot!(one(r#"{"process":4,"type":"invoke","f":"wri"#), @r#"
    h.jsonl:2:37: EOF while parsing a string; expected an event like {"process":1,"type":"invoke","f":"read","key":"x","value":null}
        {"process":4,"type":"invoke","f":"wri
    "#);
    assert_snapshot!(one(r#"{"process":4,"f":"write","key":"x","value":4}"#), @r#"
    h.jsonl:2:45: missing field `type`; expected an event like {"process":1,"type":"invoke","f":"read","key":"x","value":null}
        {"process":4,"f":"write","key":"x","value":4}
    "#);
    assert_snapshot!(one(r#"{"process":4,"type":"invoked","f":"write","key":"x","value":4}"#), @r#"
    h.jsonl:2:1: unknown type `invoked`; expected invoke, ok, fail or info
        {"process":4,"type":"invoked","f":"write","key":"x","value":4}
    "#);
    assert_snapshot!(one(r#"{"process":4,"type":"invoke","f":"enqueue","key":"x","value":4}"#), @r#"
    h.jsonl:2:1: unknown operation `enqueue`; expected read (get), write (put), cas, append, delete or txn
        {"process":4,"type":"invoke","f":"enqueue","key":"x","value":4}
    "#);
    assert_snapshot!(one(r#"{"process":4,"type":"invoke","key":"x","value":4}"#), @r#"
    h.jsonl:2:1: the event does not say what the operation does; expected f, e.g. read
        {"process":4,"type":"invoke","key":"x","value":4}
    "#);
    assert_snapshot!(one(r#"{"process":-4,"type":"invoke","f":"write","key":"x","value":4}"#), @r#"
    h.jsonl:2:13: invalid type: integer `-4`, expected the number of a process, or a name like nemesis; expected an event like {"process":1,"type":"invoke","f":"read","key":"x","value":null}
        {"process":-4,"type":"invoke","f":"write","key":"x","value":4}
    "#);
    assert_snapshot!(one(r#"{"process":"client-4","type":"invoke","f":"write","key":"x","value":4}"#), @r#"
    h.jsonl:2:1: process `client-4` is neither a number nor `nemesis` nor `monitor`, yet does what clients do
        {"process":"client-4","type":"invoke","f":"write","key":"x","value":4}
    "#);
    assert_snapshot!(one(r#"{"process":4,"type":"invoke","f":"write","key":"x","value":4.5}"#), @r#"
    h.jsonl:2:1: the value is of a kind that no model holds; expected nil, a whole number, a text, a list, a map or a set
        {"process":4,"type":"invoke","f":"write","key":"x","value":4.5}
    "#);
    assert_snapshot!(one(r#"{"process":4,"type":"invoke","f":"write","key":{"x":1},"value":4}"#), @r#"
    h.jsonl:2:1: expected a text or a number as key
        {"process":4,"type":"invoke","f":"write","key":{"x":1},"value":4}
    "#);
    assert_snapshot!(one(r#"{"process":4,"type":"invoke","f":"cas","key":"x","value":4}"#), @r#"
    h.jsonl:2:1: expected the value of a cas as [old new], not `4`
        {"process":4,"type":"invoke","f":"cas","key":"x","value":4}
    "#);
    assert_snapshot!(one(r#"{"process":4,"type":"invoke","f":"append","key":"x","value":null}"#), @r#"
    h.jsonl:2:1: an append needs the value it appends
        {"process":4,"type":"invoke","f":"append","key":"x","value":null}
    "#);
    assert_snapshot!(one(r#"{"process":4,"type":"invoke","f":"read","value":null}"#), @r#"
    h.jsonl:2:1: some operations name a key and others do not; expected the same of all
        {"process":4,"type":"invoke","f":"read","value":null}
    "#);
    assert_snapshot!(one(invoke), @r#"
    h.jsonl:2:1: process 3 invokes an operation while that of line 1 is outstanding; expected its completion first
        {"process":3,"type":"invoke","f":"write","key":"x","value":4}
    "#);
    assert_snapshot!(one(r#"{"process":4,"type":"ok","f":"write","key":"x","value":4}"#), @r#"
    h.jsonl:2:1: process 4 completes an operation that it never invoked; expected its invocation before
        {"process":4,"type":"ok","f":"write","key":"x","value":4}
    "#);
    assert_snapshot!(one(r#"{"process":3,"type":"ok","f":"read","key":"x","value":4}"#), @r#"
    h.jsonl:2:1: process 3 completes read of "x", but its operation of line 1 is write of "x"
        {"process":3,"type":"ok","f":"read","key":"x","value":4}
    "#);
    assert_snapshot!(one(r#"{"process":3,"type":"ok","f":"write","key":"x","value":5}"#), @r#"
    h.jsonl:2:1: the write completes with another value than that of its invocation in line 1; expected the same, or nil
        {"process":3,"type":"ok","f":"write","key":"x","value":5}
    "#);
    assert_snapshot!(one(r#"[{"process":3}]"#), @r#"
    h.jsonl:2:1: expected one JSON object per line, not an array; write one event per line
        [{"process":3}]
    "#);
}

#[test]
fn jepsen_maps_one_per_line() {
    let text = r#"; a comment
{:process 0, :type :invoke, :f :append, :key "0", :value "x 0 0 y"} ; another
{:process :nemesis, :type :info, :f :start, :value {:a 1.5}}
{:process 1, :type :invoke, :f :get, :key "0", :value nil}
{:process 0, :type :ok, :f :append, :key "0", :value "x 0 0 y", :time 3}
{:process 1,
 :type :ok, :f :get, :key "0", :value "x 0 0 y"}
"#;
    assert_snapshot!(read_as("kv.txt", text), @r#"
    edn
    line 2, process 0, 0 to 2: append 0 "x 0 0 y"
    line 4, process 1, 1 to 3: read 0 -> "x 0 0 y"
    left out: 1 of faults, 0 of the log
    "#);
}

#[test]
fn jepsen_records_in_one_vector_with_independent_keys() {
    let text = "[#jepsen.history.Op{:index 0, :process 0, :type :invoke, :f :read, :value [6 nil]}
 #jepsen.history.Op{:index 1, :process 1, :type :invoke, :f :cas, :value [6 [1 2]]}
 #jepsen.history.Op{:index 2, :process 2, :type :invoke, :f :write, :value [:a 2]}
 #jepsen.history.Op{:index 3, :process 0, :type :ok, :f :read, :value [6 1]}
 #jepsen.history.Op{:index 4, :process 1, :type :fail, :f :cas, :value [6 [1 2]], :error :precondition}
 #jepsen.history.Op{:index 5, :process 2, :type :info, :f :write, :value :timed-out}]";
    assert_snapshot!(read_as("history.edn", text), @r#"
    edn
    line 1, process 0, 0 to 3: read 6 -> 1
    line 2, process 1, 1 to 4: cas 6 1 -> 2 failed
    line 3, process 2, 2 to never: write a 2
    "#);
    let tagged = "{:process 0 :type :invoke :f :cas :value #clojure.lang.MapEntry[6 [1 2]]}
{:process 0 :type :ok :f :cas :value #clojure.lang.MapEntry[6 [1 2]]}";
    assert_snapshot!(read_as("history.edn", tagged), @r#"
    edn
    line 1, process 0, 0 to 1: cas 6 1 -> 2
    "#);
}

#[test]
fn one_register_with_cas_or_lists_has_no_independent_keys() {
    let text = "({:process 0, :type :invoke, :f :read, :value nil}
{:process 1, :type :invoke, :f :cas, :value [6 2]}
{:process 2, :type :invoke, :f :write, :value [6 2]}
{:process 0, :type :ok, :f :read, :value [6 2]}
{:process 1, :type :fail, :f :cas, :value [6 2]})";
    assert_snapshot!(read_as("history.edn", text), @r#"
    edn
    line 1, process 0, 0 to 3: read -> [6, 2]
    line 2, process 1, 1 to 4 failed: cas 6 -> 2
    line 3, process 2, 2 to never: write [6, 2]
    "#);
}

#[test]
fn single_operation_transactions() {
    let text = "{:index 0 :type :invoke :process 1 :value [[:append 7 1]]}
{:index 1 :type :invoke :process 2 :f :txn :value [[:r 7 nil]]}
{:index 2 :type :ok :process 2 :f :txn :value [[:r 7 [1 2]]]}
{:index 3 :type :info :process 1 :f :txn :value :net-timeout}";
    assert_snapshot!(read_as("elle.edn", text), @r#"
    edn
    line 1, process 1, 0 to never: append 7 1
    line 2, process 2, 1 to 2: read 7 -> [1, 2]
    "#);
    let json = r#"{"type":"invoke","f":"txn","value":[["w","x",3]],"process":0,"index":4}"#;
    assert_snapshot!(read_as("elle.json", json), @r#"
    jsonl
    line 1, process 0, 0 to never: write x 3
    "#);
}

#[test]
fn broken_edn() {
    let one = |text: &str| said_of("h.edn", text);
    let invoke = "{:process 0, :type :invoke, :f :read, :value nil}";
    assert_snapshot!(one("{:process 0, :type :invoke, :f :read,\n :value nil"), @r#"
    h.edn:1:1: the operation is never closed; expected its last bracket
        {:process 0, :type :invoke, :f :read,
    "#);
    assert_snapshot!(one(&format!("[{invoke}\n")), @r#"
    h.edn:1:1: `[` is never closed; expected the rest of the history
        [{:process 0, :type :invoke, :f :read, :value nil}
    "#);
    assert_snapshot!(one(&format!("[{invoke}]\n{invoke}")), @r#"
    h.edn:2:1: nothing may follow the collection of all operations
        {:process 0, :type :invoke, :f :read, :value nil}
    "#);
    assert_snapshot!(one(&format!("{invoke}\n{{:process 1 :type :invoke :f :read :value}}")), @r#"
    h.edn:2:42: the value ends too early; expected EDN as Jepsen writes it
        {:process 1 :type :invoke :f :read :value}
    "#);
    assert_snapshot!(one(&format!("{invoke}\n{{:process 1 :process 1}}")), @r#"
    h.edn:2:23: a key of the map stands twice; expected EDN as Jepsen writes it
        {:process 1 :process 1}
    "#);
    assert_snapshot!(one(&format!("{invoke}\nok")), @r#"
    h.edn:2:1: expected an operation map like {:process 1, :type :invoke, :f :read, :value nil}, not `ok`
        ok
    "#);
    assert_snapshot!(one(&format!("{invoke})")), @r#"
    h.edn:1:50: expected an operation map like {:process 1, :type :invoke, :f :read, :value nil}, not `)`
        {:process 0, :type :invoke, :f :read, :value nil})
    "#);
}

#[test]
fn broken_operations_in_edn() {
    let one = |text: &str| said_of("h.edn", text);
    assert_snapshot!(one("{:type :invoke :f :read}"), @r#"
    h.edn:1:1: `:process` is missing or no number; expected e.g. :process 1
        {:type :invoke :f :read}
    "#);
    assert_snapshot!(one("{:process 1 :f :read}"), @r#"
    h.edn:1:1: expected `:type` :invoke, :ok, :fail or :info, found nothing
        {:process 1 :f :read}
    "#);
    assert_snapshot!(one("{:process 1 :type :invoke :f :dequeue}"), @r#"
    h.edn:1:1: unknown operation `dequeue`; expected read (get), write (put), cas, append, delete or txn
        {:process 1 :type :invoke :f :dequeue}
    "#);
    assert_snapshot!(one("{:process 1 :type :invoke :f :write :value 1.5}"), @r#"
    h.edn:1:1: the value is of a kind that no model holds; expected nil, a whole number, a text, a list, a map or a set
        {:process 1 :type :invoke :f :write :value 1.5}
    "#);
    assert_snapshot!(one("{:process 1 :type :invoke :f :write :value 99999999999999999999}"), @r#"
    h.edn:1:44: no valid number of at most 64 bits; expected EDN as Jepsen writes it
        {:process 1 :type :invoke :f :write :value 99999999999999999999}
    "#);
    assert_snapshot!(one("{:process :client :type :invoke :f :write :value 1}"), @r#"
    h.edn:1:1: process `client` is neither a number nor :nemesis nor :monitor, yet does what clients do
        {:process :client :type :invoke :f :write :value 1}
    "#);
    assert_snapshot!(one("{:process 1 :type :invoke :f :txn :value [[:append 9 11] [:append 6 3]]}"), @r#"
    h.edn:1:1: this transaction has 2 operations; expected exactly one each, as operations on one key have
        {:process 1 :type :invoke :f :txn :value [[:append 9 11] [:append 6 3]]}
    "#);
    assert_snapshot!(one("{:process 1 :type :invoke :f :txn :value [[:inc 9 11]]}"), @r#"
    h.edn:1:1: `inc` is no operation of transactions; expected :r, :w or :append
        {:process 1 :type :invoke :f :txn :value [[:inc 9 11]]}
    "#);
    assert_snapshot!(one("{:process 1 :type :invoke :value 3}"), @r#"
    h.edn:1:1: expected a transaction like [[:append 7 1]]
        {:process 1 :type :invoke :value 3}
    "#);
    let deep = format!("{{:process {}1{}}}", "[".repeat(50), "]".repeat(50));
    assert_snapshot!(one(&deep), @r#"
    h.edn:1:42: more than 32 collections inside one another
        {:process [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]…
    "#);
    let mixed =
        "{:process 1 :type :invoke :f :write :value [1 2]}\n{:process 2 :type :invoke :f :cas :value [1 2]}";
    assert_snapshot!(read_as("h.edn", mixed), @r#"
    edn
    line 1, process 1, 0 to never: write [1, 2]
    line 2, process 2, 1 to never: cas 1 -> 2
    "#);
}

#[test]
fn jepsen_logs() {
    let text = "INFO  jepsen.core - Starting up
INFO  jepsen.util - 0\t:invoke\t:read\tnil
INFO  jepsen.util - 1   :invoke :cas    [1 2]
INFO  jepsen.util - :nemesis\t:info\t:start\tnil
2021-02-26 23:39:01,300{GMT}\tINFO\t[jepsen worker 1] jepsen.util: 2\t:invoke\t:write\t3
INFO  jepsen.util - 0\t:fail\t:read\t:timed-out
INFO  jepsen.util - 1   :fail   :cas    [1 2]
WARN  jepsen.core - Process 2 crashed
java.lang.RuntimeException: timeout
\tat jepsen.core$worker.invoke(core.clj:1) [na:na]
INFO  jepsen.util - 2\t:info\t:write\t:timed-out
3\t:invoke\t:cas\t[3 4]
3\t:fail\t:cas\t[3 4]\t:connection-refused
";
    assert_snapshot!(read_as("etcd.log", text), @r#"
    jepsen-log
    line 2, process 0, 0 to 3 failed: read
    line 3, process 1, 1 to 4: cas 1 -> 2 failed
    line 5, process 2, 2 to never: write 3
    line 12, process 3, 6 to 7 failed: cas 3 -> 4
    left out: 1 of faults, 4 of the log
    "#);
}

#[test]
fn broken_logs() {
    let one = |line: &str| said_of_lines("etcd.log", &["INFO  jepsen.util - 0\t:invoke\t:read\tnil", line]);
    assert_snapshot!(one("INFO  jepsen.util - 1\t:invoke\t:read"), @r#"
    etcd.log:2:36: the value is missing; expected e.g. nil, 3 or [1 2]
        INFO  jepsen.util - 1\t:invoke\t:read
    "#);
    assert_snapshot!(one("INFO  jepsen.util - 1\t:invoke"), @r#"
    etcd.log:2:23: expected what the operation does after this, e.g. :read
        INFO  jepsen.util - 1\t:invoke
    "#);
    assert_snapshot!(one("INFO  jepsen.util - 1\t:inv"), @r#"
    etcd.log:2:1: neither an operation nor a log message; expected e.g. `INFO  jepsen.util - 3 :invoke :read nil`
        INFO  jepsen.util - 1\t:inv
    "#);
    assert_snapshot!(one("INFO  jepsen.ut"), @r#"
    etcd.log:2:1: neither an operation nor a log message; expected e.g. `INFO  jepsen.util - 3 :invoke :read nil`
        INFO  jepsen.ut
    "#);
    assert_snapshot!(one("INFO  jepsen.util - x\t:invoke\t:read\tnil"), @r#"
    etcd.log:2:21: expected the number of a process or :nemesis, not `x`
        INFO  jepsen.util - x\t:invoke\t:read\tnil
    "#);
    assert_snapshot!(one("INFO  jepsen.util - 1\t:invoke\t:push\tnil"), @r#"
    etcd.log:2:37: unknown operation `push`; expected read (get), write (put), cas, append, delete or txn
        INFO  jepsen.util - 1\t:invoke\t:push\tnil
    "#);
    assert_snapshot!(one("INFO  jepsen.util - 1\t:invoke\t:cas\t[1 2"), @r#"
    etcd.log:2:36: the operation is never closed; expected its last bracket
        INFO  jepsen.util - 1\t:invoke\t:cas\t[1 2
    "#);
    assert_snapshot!(one("INFO  jepsen.util - 1\t:invoke\t:write\t1 2"), @r#"
    etcd.log:2:40: expected the end of the line after the value, not `2`
        INFO  jepsen.util - 1\t:invoke\t:write\t1 2
    "#);
    assert_snapshot!(one("INFO  jepsen.util - 1\t:ok\t:read\t1"), @r#"
    etcd.log:2:33: process 1 completes an operation that it never invoked; expected its invocation before
        INFO  jepsen.util - 1\t:ok\t:read\t1
    "#);
    assert_snapshot!(one("something else"), @r#"
    etcd.log:2:1: neither an operation nor a log message; expected e.g. `INFO  jepsen.util - 3 :invoke :read nil`
        something else
    "#);
}

#[test]
fn compact_rows() {
    let text = "# comment\n1\t20\t30\tg\tk0\t\n0\t0\t10\ta\tk0\t0.6;\n2\t5\t-1\tp\tk0\tx;\n\
                3\t31\t32\tc\tk1\t:4\n3\t33\t34\tr\tk1\t\n4\t33\t35\tw\tk1\t007\n4\t36\t36\tr\tk1\t-7\n";
    assert_snapshot!(read_as("h.tsv", text), @r#"
    tsv
    line 3, process 0, 0 to 10: append k0 "0.6;"
    line 4, process 2, 5 to never: write k0 "x;"
    line 2, process 1, 20 to 30: read k0 -> nil
    line 5, process 3, 31 to 32: cas k1 nil -> 4
    line 6, process 3, 33 to 34: read k1 -> nil
    line 7, process 4, 33 to 35: write k1 "007"
    line 8, process 4, 36 to 36: read k1 -> -7
    "#);
}

#[test]
fn broken_rows() {
    let one = |row: &str| said_of_lines("h.tsv", &["0\t0\t10\tw\tx\t1", row]);
    assert_snapshot!(one("0\t20\t30\tw\tx"), @r#"
    h.tsv:2:1: 5 columns; expected client, call, return (-1: never), kind (g p a r w c), key, value between tabs
        0\t20\t30\tw\tx
    "#);
    assert_snapshot!(one("0\t20\t30\tq\tx\t1"), @r#"
    h.tsv:2:9: unknown kind `q`; expected one of g p a r w c
        0\t20\t30\tq\tx\t1
    "#);
    assert_snapshot!(one("0\t20\t-2\tw\tx\t1"), @r#"
    h.tsv:2:6: `-2` is no stamp of a return (-1: never); expected a whole number from 0
        0\t20\t-2\tw\tx\t1
    "#);
    assert_snapshot!(one("0\t20\t19\tw\tx\t1"), @r#"
    h.tsv:2:6: it returned (19) before it was called (20); expected call <= return
        0\t20\t19\tw\tx\t1
    "#);
    assert_snapshot!(one("a\t20\t30\tw\tx\t1"), @r#"
    h.tsv:2:1: `a` is no client; expected a whole number from 0
        a\t20\t30\tw\tx\t1
    "#);
    assert_snapshot!(one("1\t20\t30\tc\tx\t1"), @r#"
    h.tsv:2:13: `1` is no change; expected from:to
        1\t20\t30\tc\tx\t1
    "#);
    assert_snapshot!(one("1\t20\t30\ta\tx\t1;"), @r#"
    h.tsv:2:1: key `x` is used as a list (g p a) here but as a register (r w c) in line 1; expected one of them
        1\t20\t30\ta\tx\t1;
    "#);
    assert_snapshot!(one("0\t5\t30\tw\tx\t1"), @r#"
    h.tsv:2:1: operation at 2: process 0 has two operations at the same time
        0\t5\t30\tw\tx\t1
    "#);
}

#[test]
fn bounds_are_named() {
    let said = |name: &str, text: &str, limits: Limits| {
        parse(name, text.as_bytes(), None, limits).unwrap_err().to_string()
    };
    let short = Limits { line_bytes_max: 20, ..Limits::default() };
    let few = Limits { operations_max: 1, ..Limits::default() };
    let rows = "0\t0\t10\tw\tx\t1\n0\t20\t30\tw\tx\t1";
    let events = "{:process 0, :type :invoke, :f :read}\n{:process 1, :type :invoke, :f :read}";
    assert_snapshot!(said("h.tsv", &format!("{rows}234567890"), short), @r#"
    h.tsv:2:1: the line has 22 bytes, more than the bound of 20 (line_bytes_max); expected one event
        0\t20\t30\tw\tx\t1234567890
    "#);
    assert_snapshot!(said("h.edn", events, short), @r#"
    h.edn:1:1: more than the bound of 20 bytes (line_bytes_max); expected one event
        {:process 0, :type :invoke, :f :read}
    "#);
    assert_snapshot!(said("h.tsv", rows, few), @r#"
    h.tsv:2:1: more than 1 operations, the bound of one history (operations_max); split it by key
        0\t20\t30\tw\tx\t1
    "#);
    assert_snapshot!(said("h.edn", events, few), @r#"
    h.edn:2:1: more than 1 operations, the bound of one history (operations_max); split it by key
        {:process 1, :type :invoke, :f :read}
    "#);
}

#[test]
fn what_is_no_text_or_no_known_format_is_said_to_be_so() {
    assert_snapshot!(said_of_bytes("h.jsonl", b"{\"process\":\xff}", None), @r#"
    h.jsonl:1:12: byte 0xff is not UTF-8; expected a history as UTF-8 text
        {"process":
    "#);
    assert_snapshot!(said_of_bytes("h.bin", b"hello\nworld", None), @r#"
    h.bin:1:1: cannot tell the format from this content and this name; name it, one of jsonl, edn, jepsen-log, tsv
        hello
    "#);
    assert_snapshot!(said_of_bytes("h", b"", None), @"h:1:1: cannot tell the format from an empty file and this name; name it, one of jsonl, edn, jepsen-log, tsv");
    let long = format!("{{\"process\":1,\"more\":\"{}\u{7}\"}}", "x".repeat(500));
    assert_snapshot!(said_of("h.jsonl", &long), @r#"
    h.jsonl:1:521: control character (\u0000-\u001F) found while parsing a string; expected an event like {"process":1,"type":"invoke","f":"read","key":"x","value":null}
        …xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\u{7}"}
    "#);
}

#[test]
fn formats_have_names() {
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
        for alias in format.aliases() {
            assert_eq!(alias.parse(), Ok(format));
        }
        assert!(!format.description().is_empty());
    }
    assert_snapshot!("jsonlines".parse::<Format>().unwrap_err(), @"unknown format `jsonlines`; expected one of jsonl, edn, jepsen-log, tsv");
}
