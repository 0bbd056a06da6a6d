//! A violation as a person reads it: its operations on lanes, then the argument in which they are called A, B, C.
//!
//! Plain text of at most [`WIDTH`] columns, from the violation and what its operations were; it decides nothing, and
//! says nothing that the violation does not. Operations stand in the order of their invocations; the lanes show the
//! order of events, not spans of time.

mod aligned;
mod lanes;
mod names;

use crate::history::{Completion, History, OpId, Operation, ProcessId};
use crate::spec::Spec;
use crate::verdict::{Edge, EdgeKind, Violation};
use crate::words::{IMPOSSIBLE, TOGETHER, step};

use names::Names;

/// Columns of a rendering, at most.
pub const WIDTH: usize = 100;
/// Operations drawn, at most.
const LANES_MAX: usize = 24;
/// Characters of a sentence that names operations by their descriptions, at most; a longer one names them by letters.
const MESSAGE_MAX: usize = 200;
/// Columns of the labels before the steps of the argument.
const LABEL_WIDTH: usize = 15;

/// What a rendering tells of one operation.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The operation.
    pub id: OpId,
    /// Who asked.
    pub process: ProcessId,
    /// What for, and what was returned, see [`Spec::describe`].
    pub words: String,
    /// When it was invoked.
    pub invoked: u64,
    /// When it returned.
    pub returned: Option<u64>,
    /// Whether it certainly did not take effect.
    pub failed: bool,
}

impl Lane {
    /// What is told of an operation of a specification.
    pub fn new<S: Spec>(spec: &S, id: OpId, operation: &Operation<S::Op, S::Ret>) -> Self {
        Self {
            id,
            process: operation.process,
            words: spec.describe(&operation.op, operation.ret()),
            invoked: operation.invoked,
            returned: operation.returned,
            failed: matches!(operation.completion, Completion::Fail),
        }
    }
}

impl Violation {
    /// This violation as text of at most [`WIDTH`] columns: what is wrong, the operations on lanes, the argument.
    ///
    /// # Panics
    /// If it is of another history.
    pub fn render<S: Spec>(&self, spec: &S, history: &History<S::Op, S::Ret>) -> String {
        render(self, |id| Lane::new(spec, id, history.get(id)))
    }
}

/// A violation as text, see [`Violation::render`]; what is told of its operations is asked for.
pub fn render(violation: &Violation, lane: impl Fn(OpId) -> Lane) -> String {
    let violation = &visible_in(violation);
    let visible_lane = |id: &OpId| {
        let lane = lane(*id);
        Lane { words: visible(&lane.words), ..lane }
    };
    let lanes: Vec<Lane> = violation.operations.iter().take(LANES_MAX).map(visible_lane).collect();
    let lanes = lanes.as_slice();
    let mut text = title(violation);
    let names = Names::new(lanes);
    let long = violation.message.chars().count() > MESSAGE_MAX;
    let message = if long { names.instead_of_values(&violation.message) } else { violation.message.clone() };
    paragraph(&mut text, "", &sentence(&message));
    if !lanes.is_empty() {
        text.push('\n');
        lanes::draw(&mut text, lanes);
        if violation.operations.len() > lanes.len() {
            text += &format!("  … and {} more\n", violation.operations.len() - lanes.len());
        }
        aligned::draw(&mut text, violation, lanes);
    }
    argue(&mut text, violation, &names);
    text
}

/// The same without characters that a terminal would obey, wherever names of keys may have brought some.
fn visible_in(violation: &Violation) -> Violation {
    let mut violation = violation.clone();
    violation.message = visible(&violation.message);
    violation.steps.iter_mut().for_each(|step| *step = visible(step));
    violation.edges.iter_mut().for_each(|edge| edge.reason = visible(&edge.reason));
    violation
}

/// What cannot be printed is escaped; quotes and backslashes are left alone.
fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '\'' | '\\') {
            visible.push(c);
        } else {
            visible.extend(c.escape_debug());
        }
    }
    visible
}

/// `x is not linearizable: LOST, what was acknowledged is gone`.
fn title(violation: &Violation) -> String {
    let place = violation.key.as_deref().filter(|key| !key.is_empty()).unwrap_or("the history");
    let broken = match violation.check.as_str() {
        "exactly-once" => "did not see every append exactly once".to_owned(),
        check => format!("is not {check}"),
    };
    let kind = match violation.kind.as_str() {
        "not-linearizable" => "NO ORDER of its operations is possible",
        "stale" => "STALE, an older state was read after a newer one",
        "lost" => "LOST, what was acknowledged is gone",
        "duplicated" => "DUPLICATED, what was done once took effect twice",
        "reordered" => "REORDERED, effects stand in another order than time allows",
        "phantom" => "PHANTOM, what was read was not there to be read",
        "forked" => "FORKED, two reads exclude each other",
        "false-mismatch" => "FALSE MISMATCH, a cas failed although it saw what it expected",
        "lost-update" => "LOST UPDATE, one value was replaced twice",
        kind => &kind.to_uppercase().replace('-', " "),
    };
    let words = format!(" {broken}: {kind}\n");
    let room = (WIDTH / 3).min(WIDTH.saturating_sub(words.chars().count()));
    let place: String = place.chars().flat_map(char::escape_debug).take(room).collect();
    place + &words
}

/// A sentence has a full stop.
fn sentence(message: &str) -> String {
    if message.ends_with(['.', '!', '?']) { message.to_owned() } else { format!("{message}.") }
}

/// The steps of the argument, each with the kind of its reason.
fn argue(text: &mut String, violation: &Violation, names: &Names) {
    if violation.steps.iter().any(|words| *words != violation.message) {
        text.push('\n');
    }
    let edges: Vec<(String, &Edge)> = violation.edges.iter().map(|edge| (step(edge), edge)).collect();
    for (number, words) in violation.steps.iter().enumerate() {
        if *words == violation.message {
            continue;
        }
        let edge = edges.iter().find(|(step, _)| step == words).map(|(_, edge)| *edge);
        let label = match edge {
            Some(edge) => label(edge.kind).to_owned(),
            None if words.starts_with(TOGETHER) => "contradiction".to_owned(),
            None if words.starts_with(IMPOSSIBLE) => "when".to_owned(),
            None if edges.is_empty() => format!("{:>2}.", number + 1),
            None => "given".to_owned(),
        };
        let words = words.strip_prefix(TOGETHER).unwrap_or(words);
        let ends = edge.map(|edge| [edge.from, edge.to]);
        let width = if edges.is_empty() { 6 } else { LABEL_WIDTH };
        paragraph(text, &format!("{label:<width$}"), &names.instead(words, ends));
    }
}

fn label(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::RealTime => "real time",
        EdgeKind::ReadsFrom => "reads from",
        EdgeKind::MustPrecede => "order",
        EdgeKind::WriteWrite => "write, write",
        EdgeKind::WriteRead => "write, read",
        EdgeKind::ReadWrite => "read, write",
        EdgeKind::Process => "same process",
    }
}

/// Words, wrapped, behind a label; the further lines are indented as far.
fn paragraph(text: &mut String, label: &str, words: &str) {
    let indent = 2 + label.chars().count();
    let mut line = format!("  {label}");
    let mut used = indent;
    for word in words.split(' ') {
        let mut rest: Vec<char> = word.chars().collect();
        while !rest.is_empty() {
            let gap = usize::from(used > indent);
            if used + gap + rest.len() <= WIDTH {
                line.extend(std::iter::repeat_n(' ', gap).chain(rest.drain(..)));
                used = line.chars().count();
            } else if used > indent {
                *text += line.trim_end();
                text.push('\n');
                (line, used) = (" ".repeat(indent), indent);
            } else {
                // One word that is longer than a line.
                line.extend(rest.drain(..WIDTH - indent));
                used = WIDTH;
            }
        }
    }
    *text += line.trim_end();
    text.push('\n');
}
