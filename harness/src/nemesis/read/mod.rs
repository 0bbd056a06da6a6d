//! Plans in words, read: one fault per line, `#` begins a comment, empty lines mean nothing.
//!
//! ```text
//! at 1.2s: isolate leader for 300ms
//! on leader-elected nth 2: crash it losing unsynced for 300ms     # the second election from the start
//! [7] on accepted-sent before send of follower 1 from 500ms: pause it for 1s
//! ```
//!
//! `[7]` gives a fault its number, on which its random decisions hang; without one, faults are numbered by their
//! place. What [`in_words`](super::in_words) prints reads back as the same plan. Errors name line, column and remedy;
//! whether the plan fits a cluster is asked afterwards, and the answer is traced to the line too.

mod fault;
mod line;

use std::collections::BTreeMap;

use super::fault::{FaultId, PlannedFault, Target};
use super::model::Topology;
use super::trigger::{Moment, NTH_MAX, Trigger};
use super::validate::{FAULTS_MAX, PlanError, contradictions, validate};
use line::{Line, nearest_of};
use squall_cluster::event::Event;

/// Why a text is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct ReadError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A plan that was read, and where each fault stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The faults, in the order of their lines.
    pub faults: Vec<PlannedFault>,
    lines: BTreeMap<FaultId, usize>,
}

/// Reads a plan in words.
///
/// # Errors
///
/// The first thing that means nothing.
pub fn read(text: &str) -> Result<Written, ReadError> {
    let mut written = Written { faults: Vec::new(), lines: BTreeMap::new() };
    for (number, text) in (1..).zip(text.lines()) {
        let mut line = Line::new(number, text);
        if line.is_empty() {
            continue;
        }
        let position = FaultId::try_from(written.faults.len() + 1).expect("bounded");
        let id_column = line.column();
        let id = if line.takes("[") { number_in_brackets(&mut line)? } else { position };
        if let Some(other) = written.lines.insert(id, number) {
            let message = format!(
                "fault {id} is already on line {other}: give it another number, as in [{}]",
                id + 100
            );
            return Err(ReadError { line: number, column: id_column, message });
        }
        let planned = planned_fault(id, &mut line)?;
        written.faults.push(planned);
        if written.faults.len() > FAULTS_MAX {
            let message = format!("more than {FAULTS_MAX} faults: split the plan");
            return Err(ReadError { line: number, column: 1, message });
        }
    }
    if written.faults.is_empty() {
        let message =
            "the plan has no fault: write one per line, as in at 1s: crash leader for 300ms".to_owned();
        return Err(ReadError { line: 1, column: 1, message });
    }
    Ok(written)
}

impl Written {
    /// Checks that the plan can run on this topology, and that no fault makes another pointless.
    ///
    /// # Errors
    ///
    /// The first reason why not, with its line.
    pub fn check(&self, topology: &Topology) -> Result<(), ReadError> {
        let at = |error: PlanError| {
            let line = error.fault().and_then(|id| self.lines.get(&id)).copied().unwrap_or(1);
            ReadError { line, column: 1, message: error.to_string() }
        };
        validate(&self.faults, topology).and_then(|()| contradictions(&self.faults)).map_err(at)
    }
}

fn number_in_brackets(line: &mut Line<'_>) -> Result<FaultId, ReadError> {
    let id = line.count("the number of the fault", u64::from(FaultId::MAX - 100))?;
    line.expect("]")?;
    Ok(FaultId::try_from(id).expect("just bounded"))
}

/// `at TIME: FAULT for TIME` or `on TRIGGER: FAULT for TIME`.
fn planned_fault(id: FaultId, line: &mut Line<'_>) -> Result<PlannedFault, ReadError> {
    let (at_ms, on) = match line.word("at or on, as in at 1.2s: crash n1 for 300ms")? {
        "at" => (line.time()?, None),
        "on" => trigger(line)?,
        other => {
            let meant = nearest_of(other, &["at", "on"]);
            return Err(line.complain(format!(
                "a fault begins with at or on, not {other:?}{meant}: write at 1.2s: … or on leader-elected: …"
            )));
        }
    };
    line.expect(":")?;
    let fault = fault::fault(line)?;
    line.expect("for")?;
    let for_ms = line.time()?;
    line.end()?;
    Ok(PlannedFault { id, at_ms, for_ms, on, fault })
}

/// `EVENT [before sync|before send] [of TARGET] [nth NUMBER] [from TIME]`.
fn trigger(line: &mut Line<'_>) -> Result<(u64, Option<Trigger>), ReadError> {
    let event = line.word("an event, as in leader-elected")?;
    if !Event::KINDS.contains(&event) {
        let meant = nearest_of(event, Event::KINDS);
        return Err(
            line.complain(format!("unknown event {event:?}{meant}; known are {}", Event::KINDS.join(", ")))
        );
    }
    let mut trigger = Trigger::first(event);
    if line.takes("before") {
        trigger.moment = match line.word("sync or send")? {
            "sync" => Moment::BeforeSync,
            "send" => Moment::BeforeSend,
            other => {
                return Err(
                    line.complain(format!("before {other:?} is no moment: write before sync or before send"))
                );
            }
        };
    }
    if line.takes("of") {
        trigger.of = Some(line.target()?);
        if trigger.of == Some(Target::Actor) {
            return Err(
                line.complain("of it says nothing: leave it out, or name a server or a role".to_owned())
            );
        }
    }
    if line.takes("nth") {
        let nth = line.count("which of the events", u64::from(NTH_MAX))?;
        if nth == 0 {
            return Err(line.complain("events are counted from 1: write nth 1, or nothing".to_owned()));
        }
        trigger.nth = u32::try_from(nth).expect("just bounded");
    }
    let from_ms = if line.takes("from") { line.time()? } else { 0 };
    Ok((from_ms, Some(trigger)))
}
