//! The recorder: what clients asked and were told, in the order in which it happened.
//!
//! Order is append order, not time: much happens within one millisecond. Bounded; hitting the bound is said.

use std::fmt::Write as _;

use serde::Serialize;
use squall_checker::history::{Event, EventKind};
use squall_checker::{Completion, History, Malformed, ProcessId, Spec};
use squall_cluster::node::Micros;
use squall_workloads::{Encoded, Workload};

/// Events of one history, at most.
pub(super) const EVENTS_MAX: usize = 1 << 20;

/// Who did something: a process, or the nemesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Actor {
    /// A process.
    Process(u64),
    /// The nemesis, written as such.
    Nemesis(&'static str),
}

/// A line of `history.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HistoryLine {
    /// Position in the history.
    pub index: usize,
    /// Simulated nanoseconds.
    pub time: u64,
    /// Who.
    pub process: Actor,
    /// `invoke`, `ok`, `fail` or `info`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The function.
    pub f: String,
    /// The key.
    pub key: Option<String>,
    /// The argument, or what was returned.
    pub value: serde_json::Value,
    /// The server that the client is bound to, or the nemesis's target.
    pub node: Option<String>,
    /// Why it failed or is not known.
    pub error: Option<String>,
}

impl HistoryLine {
    /// This line as people read it.
    pub fn text(&self) -> String {
        let seconds = self.time / 1_000_000_000;
        let micros = self.time / 1_000 % 1_000_000;
        let actor = match self.process {
            Actor::Process(process) => format!("p{process}"),
            Actor::Nemesis(name) => name.into(),
        };
        let node = self.node.as_deref().unwrap_or("");
        let mut line =
            format!("{:>5}  {seconds:>3}.{micros:06}  {actor:<8}{node:<4}{:<7}", self.index, self.kind);
        let _ = write!(line, "{}", self.f);
        if let Some(key) = &self.key {
            let _ = write!(line, " {}", plain(key));
        }
        if !self.value.is_null() || self.kind == "ok" && self.f == "read" {
            let _ = write!(line, " {}", self.value);
        }
        if let Some(error) = &self.error {
            let _ = write!(line, "  ({})", plain(error));
        }
        line
    }
}

/// A text without control characters, so that it stays on its line.
fn plain(text: &str) -> String {
    if text.chars().any(char::is_control) { text.escape_debug().to_string() } else { text.into() }
}

/// A history as lines of text, one event each.
pub(super) fn history_text(lines: &[HistoryLine]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(&line.text());
        text.push('\n');
    }
    text
}

/// A history as JSON Lines.
pub(super) fn history_jsonl(lines: &[HistoryLine]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str(&serde_json::to_string(line).expect("a line is plain data"));
        text.push('\n');
    }
    text
}

enum Recorded<O, R> {
    Invoke { process: ProcessId, op: O },
    Complete { process: ProcessId, completion: Completion<R> },
    Nemesis,
}

/// When, who, and through which server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct By<'a> {
    pub(crate) at: Micros,
    pub(crate) process: ProcessId,
    pub(crate) node: &'a str,
}

/// Records one run.
pub(crate) struct Recorder<W: Workload> {
    events: Vec<RecordedEvent<W>>,
    lines: Vec<HistoryLine>,
}

type OpOf<W> = <<W as Workload>::Spec as Spec>::Op;
type RetOf<W> = <<W as Workload>::Spec as Spec>::Ret;
type Judgeable<W> = Result<History<OpOf<W>, RetOf<W>>, Malformed>;
type RecordedEvent<W> = Recorded<OpOf<W>, RetOf<W>>;

impl<W: Workload> Recorder<W> {
    /// With room for so many operations; there may be more.
    pub(crate) fn new(operations: usize) -> Self {
        let events = (2 * operations).min(EVENTS_MAX);
        Self { events: Vec::with_capacity(events), lines: Vec::with_capacity(events) }
    }

    /// Whether the bound was hit: from then on no operation may be issued.
    pub(crate) fn is_full(&self) -> bool {
        self.events.len() + 2 * usize::from(u16::MAX) > EVENTS_MAX
    }

    pub(crate) fn invoke(&mut self, workload: &W, by: By<'_>, op: OpOf<W>) {
        let By { at, process, node } = by;
        self.line(
            at,
            Actor::Process(process.0),
            "invoke",
            workload.encode(&op, None),
            Some(node.into()),
            None,
        );
        self.events.push(Recorded::Invoke { process, op });
    }

    pub(crate) fn complete(
        &mut self,
        workload: &W,
        by: By<'_>,
        op: &OpOf<W>,
        completion: Completion<RetOf<W>>,
        error: Option<String>,
    ) {
        let By { at, process, node } = by;
        let ret = match &completion {
            Completion::Ok(ret) => Some(ret),
            Completion::Fail | Completion::Info => None,
        };
        let encoded = workload.encode(op, ret);
        let (kind, error) = match &completion {
            Completion::Ok(ret) if workload.is_mismatch(ret) => ("fail", Some("precondition".into())),
            Completion::Ok(_) => ("ok", None),
            Completion::Fail => ("fail", error),
            Completion::Info => ("info", error),
        };
        self.line(at, Actor::Process(process.0), kind, encoded, Some(node.into()), error);
        self.events.push(Recorded::Complete { process, completion });
    }

    /// A line of the nemesis: `what` begins, ends, or was withheld.
    pub(crate) fn nemesis(&mut self, at: Micros, what: &str, description: String, target: Option<String>) {
        let encoded = Encoded {
            function: what.to_owned().into(),
            key: None,
            value: serde_json::Value::String(description),
        };
        self.line(at, Actor::Nemesis("nemesis"), "info", encoded, target, None);
        self.events.push(Recorded::Nemesis);
    }

    fn line(
        &mut self,
        at: Micros,
        process: Actor,
        kind: &'static str,
        encoded: Encoded,
        node: Option<String>,
        error: Option<String>,
    ) {
        let Encoded { function, key, value } = encoded;
        let index = self.lines.len();
        let f = function.into_owned();
        self.lines.push(HistoryLine { index, time: at.0 * 1_000, process, kind, f, key, value, node, error });
    }

    /// The lines, and the history that the checks judge.
    pub(crate) fn finish(self) -> (Vec<HistoryLine>, Judgeable<W>) {
        let event = |(place, recorded): (usize, RecordedEvent<W>)| {
            let (process, kind) = match recorded {
                Recorded::Invoke { process, op } => (process, EventKind::Invoke(op)),
                Recorded::Complete { process, completion } => (process, EventKind::Complete(completion)),
                Recorded::Nemesis => return None,
            };
            Some(Event { process, kind, place: place as u64 })
        };
        let history = History::from_events(self.events.into_iter().enumerate().filter_map(event));
        (self.lines, history)
    }
}
