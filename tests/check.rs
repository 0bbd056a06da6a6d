//! `squall check` as scripts and people see it: folders, packed files, stores, tables, conversion, exit codes.

use std::io::Write;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

const VALID: &str = "0\t0\t10\tw\tx\t1\n1\t20\t30\tr\tx\t1\n";
const INVALID: &str = "0\t0\t10\tw\tx\t1\n1\t20\t30\tr\tx\t2\n";

fn squall(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("squall").expect("built");
    command.env_remove("SQUALL_JOBS").env("COLUMNS", "100").env("NO_COLOR", "1");
    command.current_dir(folder.path()).args(arguments).output().expect("it runs")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn put(folder: &TempDir, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, bytes).expect("written");
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

/// Exit code, stdout and stderr.
fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (output.status.code().expect("a code"), text(&output.stdout), text(&output.stderr))
}

/// What people are told, and the exit code.
fn said(folder: &TempDir, arguments: &[&str]) -> String {
    let (code, stdout, stderr) = told(&squall(folder, arguments));
    assert_eq!(stdout, "", "{arguments:?}");
    format!("{stderr}exit {code}")
}

fn json_lines(output: &Output) -> Vec<Value> {
    told(output).1.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn folders_are_looked_through_and_the_worst_counts() {
    let folder = folder();
    put(&folder, "all/b.tsv", VALID);
    put(&folder, "all/a/wrong.tsv", INVALID);
    put(&folder, "all/a/torn.jsonl", "{\"process\":0");
    put(&folder, "all/notes.md", "no history");
    put(&folder, "all/z.tsv.gz", gzip(VALID));
    put(&folder, "all/empty.edn", "");
    insta::assert_snapshot!(said(&folder, &["check", "all"]), @r#"
    error: all/a/torn.jsonl:1:12: EOF while parsing an object; expected an event like {"process":1,"type":"invoke","f":"read","key":"x","value":null}
        {"process":0
    invalid: register linearizable, all/a/wrong.tsv (2 operations, 1 key, format tsv, model register, guessed)
      read x -> 2 by process 1 returned 2, which nobody wrote (lines 2)
    valid: register, all/b.tsv (2 operations, 1 key, format tsv, model register, guessed)
    vacuous: register, all/empty.edn (0 operations, 0 keys, format edn, model register, guessed)
      the history is empty: nothing to judge
    valid: register, all/z.tsv.gz (2 operations, 1 key, format tsv, gzip, model register, guessed)
    5 histories, 6 operations: 1 invalid, 1 unreadable, 1 vacuous, 2 valid
    exit 1
    "#);
    let output = squall(&folder, &["check", "all", "--json", "-q"]);
    let lines = json_lines(&output);
    let files: Vec<_> = lines.iter().map(|line| line["file"].as_str().unwrap_or("summary")).collect();
    let separator = std::path::MAIN_SEPARATOR_STR;
    let expected =
        ["all/a/torn.jsonl", "all/a/wrong.tsv", "all/b.tsv", "all/empty.edn", "all/z.tsv.gz", "summary"]
            .map(|name| name.replace('/', separator));
    assert_eq!(files, expected);
    let verdicts: Vec<_> = lines.iter().map(|line| line["verdict"].as_str()).collect();
    assert_eq!(
        verdicts,
        [None, Some("invalid"), Some("valid"), Some("vacuous"), Some("valid"), Some("invalid")]
    );
    let summary = told(&output).1.lines().last().expect("a summary").to_owned();
    insta::assert_snapshot!(summary, @r#"{"schema":1,"verdict":"invalid","files":5,"operations":6,"valid":2,"vacuous":1,"unknown":0,"invalid":1,"unreadable":1}"#);
    put(&folder, "none/notes.md", "no history");
    insta::assert_snapshot!(said(&folder, &["check", "none"]), @"
    error: no history in none; they end in .jsonl, .ndjson, .json, .edn, .log, .txt, .tsv, perhaps with .gz or .zst
    exit 2
    ");
}

#[test]
fn stores_hold_one_history() {
    let folder = folder();
    let edn = "{:type :invoke, :f :write, :value 1, :time 1000, :process 0, :index 0}\n\
               {:type :ok, :f :write, :value 1, :time 3000, :process 0, :index 1}\n";
    put(&folder, "store/lin-kv/20260101T000000/history.edn", edn);
    put(&folder, "store/lin-kv/20260101T000000/history.txt", "something else");
    put(&folder, "store/lin-kv/20260101T000000/results.edn", "{:valid? true}");
    put(&folder, "store/lin-kv/20260101T000000/node-logs/n0.log", "started");
    insta::assert_snapshot!(said(&folder, &["check", "store/lin-kv/20260101T000000"]), @"
    valid: register, store/lin-kv/20260101T000000/history.edn (1 operation, 1 key, format edn, model register, guessed)
    1 history, 1 operation: 1 valid
    exit 0
    ");
    insta::assert_snapshot!(said(&folder, &["check", "store"]), @"
    valid: register, store/lin-kv/20260101T000000/history.edn (1 operation, 1 key, format edn, model register, guessed)
    1 history, 1 operation: 1 valid
    exit 0
    ");
}

#[test]
fn packed_histories_are_read_as_they_are() {
    let folder = folder();
    put(&folder, "h.gz", gzip(VALID));
    put(&folder, "h.zst", zstd::encode_all(INVALID.as_bytes(), 1).expect("memory"));
    put(&folder, "torn.gz", &gzip(VALID)[..20]);
    insta::assert_snapshot!(said(&folder, &["check", "h.gz", "h.zst", "torn.gz"]), @"
    valid: register, h.gz (2 operations, 1 key, format tsv, gzip, model register, guessed)
    invalid: register linearizable, h.zst (2 operations, 1 key, format tsv, zstd, model register, guessed)
      read x -> 2 by process 1 returned 2, which nobody wrote (lines 2)
    error: cannot unpack torn.gz (gzip); is it whole?: incomplete deflate stream
    3 histories, 4 operations: 1 invalid, 1 unreadable, 1 valid
    exit 1
    ");
    assert_eq!(json_lines(&squall(&folder, &["check", "h.gz", "--json"]))[0]["packing"], "gzip");
}

#[test]
fn keys_are_told_worst_first_and_the_rest_is_counted() {
    let folder = folder();
    let mut text = String::new();
    for key in 0..20 {
        let (call, read) = (key * 100, if key % 3 == 0 { 9 } else { 1 });
        text += &format!("0\t{call}\t{}\tw\tk{key}\t1\n", call + 10);
        text += &format!("1\t{}\t{}\tr\tk{key}\t{read}\n", call + 20, call + 30);
    }
    text += "2\t0\t-1\tw\tnever\u{1b}[31m\t1\n";
    put(&folder, "keys.tsv", text);
    insta::assert_snapshot!(said(&folder, &["check", "keys.tsv"]), @r"
    invalid: register linearizable, keys.tsv (41 operations, 21 keys, format tsv, model register, guessed)
      read k0 -> 9 by process 1 returned 9, which nobody wrote (lines 2)
      read k3 -> 9 by process 1 returned 9, which nobody wrote (lines 8)
      read k6 -> 9 by process 1 returned 9, which nobody wrote (lines 14)
      read k9 -> 9 by process 1 returned 9, which nobody wrote (lines 20)
      read k12 -> 9 by process 1 returned 9, which nobody wrote (lines 26)
      and 2 more
      key              operations  verdict
      k0                        2  invalid
      k3                        2  invalid
      k6                        2  invalid
      k9                        2  invalid
      k12                       2  invalid
      k15                       2  invalid
      k18                       2  invalid
      never\u{1b}[31m           1  vacuous
      more keys: 13 valid
    exit 1
    ");
    let verbose = said(&folder, &["check", "keys.tsv", "-v"]);
    assert!(
        verbose.contains("\n  k19                       2  valid") && !verbose.contains("more keys"),
        "{verbose}"
    );
}

#[test]
fn histories_are_converted_there_and_back() {
    let folder = folder();
    put(&folder, "h.tsv", VALID);
    insta::assert_snapshot!(told(&squall(&folder, &["check", "h.tsv", "--convert", "jsonl"])).1, @r#"
    {"index":0,"time":null,"process":0,"type":"invoke","f":"write","key":"x","value":1,"node":null,"error":null}
    {"index":1,"time":null,"process":0,"type":"ok","f":"write","key":"x","value":1,"node":null,"error":null}
    {"index":2,"time":null,"process":1,"type":"invoke","f":"read","key":"x","value":null,"node":null,"error":null}
    {"index":3,"time":null,"process":1,"type":"ok","f":"read","key":"x","value":1,"node":null,"error":null}
    "#);
    insta::assert_snapshot!(said(&folder, &["check", "h.tsv", "--convert", "edn", "-o", "h.edn"]), @"
    h.edn: 2 operations from tsv to edn
    exit 0
    ");
    insta::assert_snapshot!(said(&folder, &["check", "h.edn", "--convert", "again.tsv"]), @"
    again.tsv: 2 operations from edn to tsv
    exit 0
    ");
    let again = std::fs::read_to_string(folder.path().join("again.tsv")).expect("written");
    insta::assert_snapshot!(again, @"
    0	0	1	w	x	1
    1	2	3	r	x	1
    ");
    insta::assert_snapshot!(said(&folder, &["check", "h.tsv", "--convert", "tsv2"]), @r#"
    error: unknown format "tsv2", did you mean tsv?; known are jsonl, edn, tsv, or a file that ends so
    exit 2
    "#);
    insta::assert_snapshot!(said(&folder, &["check", "h.tsv", "--convert", "h.jsonl", "-o", "x"]), @"
    error: --convert names the file h.jsonl and -o another; give one of them
    exit 2
    ");
    insta::assert_snapshot!(said(&folder, &["check", "h.tsv", "h.edn", "--convert", "tsv"]), @"
    error: --convert takes one history, not 2: check them one by one
    exit 2
    ");
    put(&folder, "queue.jsonl", r#"{"process":0,"type":"invoke","f":"enqueue","value":1}"#);
    insta::assert_snapshot!(said(&folder, &["check", "queue.jsonl", "--convert", "tsv"]), @"
    error: queue.jsonl:1: tsv cannot hold this operation: rows are operations of a key-value store, and unknown operation `enqueue`; expected read (get), write (put), cas, append, delete or txn
    exit 2
    ");
}

#[test]
fn reports_are_written_for_any_model_with_the_times_of_the_history() {
    let folder = folder();
    put(
        &folder,
        "queue.jsonl",
        r#"{"process":0,"type":"invoke","f":"enqueue","value":1,"time":5000}
{"process":0,"type":"ok","f":"enqueue","value":1,"time":1005000}
{"process":1,"type":"invoke","f":"dequeue","time":2005000}
{"process":1,"type":"ok","f":"dequeue","value":2,"time":3005000}
"#,
    );
    let (code, _, stderr) = told(&squall(&folder, &["check", "queue.jsonl", "--report", "report.html"]));
    assert_eq!(code, 1, "{stderr}");
    let page = std::fs::read_to_string(folder.path().join("report.html")).expect("a report");
    for part in ["enqueue", "dequeue", "\"simulated_us\":3005"] {
        assert!(page.contains(part), "no {part}");
    }
    assert!(Path::new(&folder.path().join("report.html")).is_file());
}

#[test]
fn a_failed_cas_is_evidence_unless_it_is_said_to_be_none() {
    let folder = folder();
    put(
        &folder,
        "h.log",
        "0\t:invoke\t:write\t1\n0\t:ok\t:write\t1\n1\t:invoke\t:cas\t[1 2]\n1\t:fail\t:cas\t[1 2]\n",
    );
    assert_eq!(told(&squall(&folder, &["check", "h.log"])).0, 1);
    assert_eq!(told(&squall(&folder, &["check", "h.log", "--failed-cas", "ignore"])).0, 0);
}

#[test]
fn what_no_model_has_is_said() {
    let folder = folder();
    put(&folder, "odd.jsonl", r#"{"process":0,"type":"invoke","f":"frobni\u001bcate","value":1}"#);
    insta::assert_snapshot!(said(&folder, &["check", "odd.jsonl"]), @r#"
    error: odd.jsonl:1:1: no model has the operation `frobni\u{1b}cate`; name the model (the list of models says which there are)
        {"process":0,"type":"invoke","f":"frobni\u001bcate","value":1}
    exit 2
    "#);
    put(&folder, "h.tsv", VALID);
    insta::assert_snapshot!(said(&folder, &["check", "h.tsv", "--model", "append"]), @"
    error: h.tsv:1: the model append has no operation like `write x 1`; judge it as register
    exit 2
    ");
}
