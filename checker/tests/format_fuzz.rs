//! Hostile input: samples of every format, mutated in bytes and in structure, are read or refused, never more.
//!
//! Deterministic: a failure names its round, and every round can be had again. `SQUALL_FUZZ_ROUNDS` makes more of
//! them than a test run has time for. What is read is judged and converted, too; what is refused is refused at a
//! place inside the file. Memory is bounded by the size of the input.

use std::fmt::Write as _;

use squall_checker::format::{Format, FormatError, Limits, Recorded, read};
use squall_checker::judge::{JudgeError, Options, judge_recorded};
use squall_checker::{Bounds, Verdict};

/// Rounds in a test run; each reads its input in every format.
const ROUNDS: u64 = 60_000;
/// Bytes of memory per byte of input that reading and judging may take, and what a process takes anyway.
const BYTES_PER_BYTE_MAX: u64 = 60;

const SAMPLES: [&str; 12] = [
    r#"{"index":0,"time":1,"process":3,"type":"invoke","f":"cas","key":"k3","value":[null,7],"node":"n1"}
{"index":1,"process":"nemesis","type":"info","f":"kill","value":{"node":"n3"}}
{"index":2,"process":4,"type":"invoke","f":"read","key":"k3","value":null}
{"index":3,"process":4,"type":"ok","f":"read","key":"k3","value":[1,"a;"]}
{"index":4,"process":3,"type":"fail","f":"cas","key":"k3","value":[null,7],"error":"precondition","actual":3}
"#,
    r#"[{"type":"invoke","f":"txn","value":[["append","x",3],["r","y",null]],"process":0},
 {"type":"ok","f":"txn","value":[["append","x",3],["r","y",[1,2]]],"process":0}]"#,
    r#"{"process":0,"type":"invoke","f":"enqueue","value":1}
{"process":0,"type":"ok","f":"enqueue","value":1}
{"process":1,"type":"invoke","f":"dequeue","value":null}
{"process":1,"type":"ok","f":"dequeue","value":1}
"#,
    "[#jepsen.history.Op{:index 0, :process 0, :type :invoke, :f :read, :value [6 nil]}
 {:process 1, :type :invoke, :f :cas, :value [6 [1 2]]} ; comment
 {:process :nemesis, :type :info, :f :start, :value #{1 \"x\\n\" \\a}}
 {:process 0, :type :ok, :f :read, :value [6 1]}]",
    "{:process 0, :type :invoke, :f :append, :key \"0\", :value \"x 0 0 y\"}
{:process 0, :type :ok, :f :append, :key \"0\", :value \"x 0 0 y\", :time 1.5e3}
",
    "{:type :invoke :process 1 :value [[:append 7 1]]}\n{:type :ok :process 1 :f :txn :value [[:append 7 1]]}\n",
    "[0 :invoke :write 3]\n[1 :invoke :read nil]\n[0 :ok :write 3]\n[1 :ok :read 3]\n",
    "{:process 0 :type :invoke :f :transfer :value {:from 0 :to 1 :amount 5}}
{:process 0 :type :ok :f :transfer :value {:from 0 :to 1 :amount 5}}
{:process 1 :type :invoke :f :read}\n{:process 1 :type :ok :f :read :value {0 5 1 15}}
",
    "INFO  jepsen.util - 0\t:invoke\t:read\tnil\nINFO  jepsen.core - x\nINFO  jepsen.util - 1   :invoke :cas [1 2]
2021-02-26 23:39:01,300{GMT}\tINFO\t[jepsen worker 1] jepsen.util: 1\t:fail\t:cas\t[1 2]\n",
    "0\t:invoke\t:write\t1\n0\t:ok\t:write\t1\n1\t:invoke\t:read\tnil\n1\t:info\t:read\t:timed-out\n",
    "# comment\n0\t0\t10\ta\tx\t0.6;\n1\t5\t-1\tc\ty\t1:2\n2\t20\t30\tg\tx\t0.6;\n",
    "0\t0\t10\tw\tx\t1\n1\t10\t12\tr\tx\t1\n0\t10\t10\tc\tx\t1:2\n2\t20\t30\tr\tx\t\n",
];

/// What people, attackers and broken disks put where it does not belong.
const HOSTILE: [&str; 24] = [
    "</script><script>",
    "<!--",
    "\u{0}",
    "\u{1b}[31m",
    "\u{feff}",
    "\u{202e}",
    "\r",
    "\n",
    "\t",
    "\\",
    "\"",
    "\\u0000",
    ":",
    ";",
    "#",
    "#_",
    "##Inf",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "{\"a\":{\"a\":{\"a\":{\"a\":",
    "99999999999999999999",
    "-9223372036854775808",
    "18446744073709551615",
    "1e400",
    "nil",
];

/// A small generator of its own (splitmix64), so that a round is the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).expect("below a usize")
    }

    fn pick<'t, T: ?Sized>(&mut self, of: &[&'t T]) -> &'t T {
        of[self.below(of.len())]
    }
}

/// A sample after a few changes.
fn mutated(random: &mut Random) -> Vec<u8> {
    let mut bytes = random.pick(&SAMPLES).as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let to = (at + random.below(12)).min(bytes.len());
        match random.below(9) {
            0 => bytes.truncate(at),
            1 => drop(bytes.splice(at..to, [])),
            2 => drop(bytes.splice(at..at, random.pick(&HOSTILE).bytes())),
            3 => drop(bytes.splice(at..to, random.pick(&HOSTILE).bytes())),
            4 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            5 if at < bytes.len() => bytes[at] = u8::try_from(random.below(256)).expect("a byte"),
            6 => {
                // The head of one, the tail of another.
                let other = random.pick(&SAMPLES).as_bytes();
                let from = random.below(other.len());
                bytes.truncate(at);
                bytes.extend(&other[from..]);
            }
            _ => lines_changed(&mut bytes, random),
        }
    }
    bytes
}

/// A line is left out, said twice, moved, or has a word of another one.
fn lines_changed(bytes: &mut Vec<u8>, random: &mut Random) {
    let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if lines.is_empty() {
        return;
    }
    let (one, other) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(4) {
        0 => drop(lines.remove(one)),
        1 => lines.insert(other, lines[one].clone()),
        2 => lines.swap(one, other),
        _ => {
            let separator = *random.pick(&[&b',', &b' ', &b'\t', &b':']);
            let words: Vec<&[u8]> = lines[other].split(|byte| *byte == separator).collect();
            let word = words[random.below(words.len())].to_vec();
            let mut own: Vec<Vec<u8>> =
                lines[one].split(|byte| *byte == separator).map(<[u8]>::to_vec).collect();
            let place = random.below(own.len());
            own[place] = word;
            lines[one] = own.join(&separator);
        }
    }
    *bytes = lines.concat();
}

/// Reads, judges and converts in every way.
fn survives(bytes: &[u8]) {
    for format in [None].into_iter().chain(Format::ALL.map(Some)) {
        match read("fuzz", bytes, format, Limits::default()) {
            Ok(recorded) => {
                judged(&recorded, bytes);
                converted(&recorded);
            }
            Err(error) => stands_inside(&error, bytes),
        }
    }
}

fn judged(recorded: &Recorded<'_>, bytes: &[u8]) {
    let bounds = Bounds { steps_max: 1_000, memory_bytes_max: 1 << 22, ..Bounds::default() };
    match judge_recorded(recorded, &Options::default(), &bounds) {
        Ok(judged) => {
            assert_eq!(recorded.len(), judged.operations.total());
            assert_eq!(judged.outcome.verdict == Verdict::Invalid, !judged.outcome.violations.is_empty());
            for id in judged.outcome.violations.iter().flat_map(|violation| &violation.operations) {
                assert!(!judged.history.words(*id).is_empty() && recorded.line(*id) > 0);
            }
        }
        Err(JudgeError::Format(error)) => stands_inside(&error, bytes),
        Err(JudgeError::Model { .. }) => unreachable!("no model was given"),
    }
}

fn converted(recorded: &Recorded<'_>) {
    for format in Format::ALL {
        let Ok(text) = recorded.converted(format) else { continue };
        let again = read("again", text.as_bytes(), Some(format), Limits::default());
        let again = again.unwrap_or_else(|error| panic!("what was written cannot be read: {error}\n{text}"));
        assert_eq!(again.len(), recorded.len(), "{text}");
        let words = |recorded: &Recorded<'_>| -> Vec<String> {
            recorded.operations().map(|raw| format!("{raw} {:?} {:?}", raw.ending, raw.told)).collect()
        };
        if format != Format::CompactTsv && recorded.format() != Format::CompactTsv {
            assert_eq!(words(&again), words(recorded), "{text}");
        }
    }
}

/// Whether an error points at a place of the file, and is fit to be printed.
fn stands_inside(error: &FormatError, bytes: &[u8]) {
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let line = usize::try_from(error.line).expect("a line of memory");
    assert!((1..=lines.len()).contains(&line), "{error:?}");
    let column = usize::try_from(error.column).expect("a column of memory");
    assert!((1..=lines[line - 1].len() + 1).contains(&column), "{error:?}");
    let text = error.to_string();
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    assert!(text.len() < 4_000, "{} bytes: {text}", text.len());
}

/// The most memory that this process ever held, where the system tells.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

#[test]
fn samples_are_histories() {
    for sample in SAMPLES {
        let recorded = read("sample", sample.as_bytes(), None, Limits::default());
        assert!(!recorded.unwrap_or_else(|error| panic!("{error}")).is_empty());
    }
}

#[test]
fn mutated_samples_are_read_or_refused() {
    let rounds = std::env::var("SQUALL_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok());
    for round in 0..rounds.unwrap_or(ROUNDS) {
        let bytes = mutated(&mut Random(round));
        let result = std::panic::catch_unwind(|| survives(&bytes));
        assert!(result.is_ok(), "round {round}: {:?}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn hostile_sizes_end_soon_and_take_little_memory() {
    let megabyte = "x".repeat(1 << 20);
    let mut inputs = Vec::new();
    for text in
        ["[", "{", "(", "#{", "{:a ", "[[", "\"", "#a ", "\\", "#_", "{\"a\":", ";", "[{", ",", "\t", "\n"]
    {
        let many = text.repeat((1 << 18) / text.len());
        for head in [
            "",
            "{:process 1 :value ",
            "{\"process\":1,\"value\":",
            "0\t:invoke\t:write\t",
            "0\t1\t2\tw\tx\t",
        ] {
            inputs.push(format!("{head}{many}"));
        }
    }
    for value in [megabyte.as_str(), &"\u{1f600}".repeat(1 << 18), "</script>"] {
        let mut text = String::new();
        for (process, kind) in [(0, "invoke"), (0, "ok")] {
            let _ = writeln!(
                text,
                r#"{{"process":{process},"type":"{kind}","f":"append","key":"{value}","value":"{value}"}}"#
            );
        }
        inputs.push(text);
        inputs.push(format!("0\t0\t10\ta\t{value}\t{value}\n1\t20\t30\tg\t{value}\t\n"));
        inputs.push(format!("0\t:invoke\t:write\t\"{value}\"\n0\t:ok\t:write\t\"{value}\"\n"));
    }
    let largest = inputs.iter().map(String::len).max().unwrap_or(0) as u64;
    let before = peak_bytes();
    for input in &inputs {
        survives(input.as_bytes());
    }
    if let (Some(before), Some(after)) = (before, peak_bytes()) {
        let taken = after - before;
        assert!(taken < BYTES_PER_BYTE_MAX * largest, "{taken} bytes for inputs of {largest}");
    }
}
