//! The same plan must give the same run: runs one again and compares digests.
//!
//! Also the way from the fast run to the full recording of it: the second run keeps everything, and counts only if it
//! was the same run. Where two runs differ, the plan is run twice more with everything recorded, and the first event
//! that differs is named. Knows nothing of seeds, files or why a run failed.

use std::fmt;

use squall_workloads::Workload;

use crate::sim::TraceEntry;
use crate::trial::{Actor, HistoryLine, Manner, Outcome, Plan, Subject};

/// Events before the first that differs that are told.
const BEFORE: usize = 5;
/// Recorded pairs of runs that are compared, at most: what differs now and then may not differ at once.
const ATTEMPTS: usize = 3;

/// Two runs of one plan that differ.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not deterministic: one plan gave digest {first}, then {second}; {difference}\nusual suspects: an unbiased select!, \
     the order of a HashMap, thread_rng, a wall clock"
)]
pub struct NotDeterministic {
    /// The digest of the first run.
    pub first: String,
    /// That of the second.
    pub second: String,
    /// Where they part.
    pub difference: Difference,
}

/// Where two runs part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// At an event.
    At(Box<Divergence>),
    /// Nowhere that can be seen: what they leave behind is equal, and their digests are not; or the plan did not give
    /// two different runs again.
    Hidden,
}

/// The first event in which two runs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// Simulated microseconds.
    pub time_us: u64,
    /// The node, process or nemesis concerned.
    pub node: String,
    /// The event in one run; `None`: it has no more events.
    pub one: Option<String>,
    /// The event in the other.
    pub other: Option<String>,
    /// The last events before it, the same in both.
    pub before: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::At(divergence) = self else {
            return f
                .write_str("recorded runs show no difference, so what differs is rare or leaves no trace");
        };
        let Divergence { time_us, node, one, other, before } = &**divergence;
        let text = |event: &Option<String>| event.clone().unwrap_or_else(|| "nothing more".into());
        write!(f, "the first event that differs is at {} on {node}:", seconds(*time_us))?;
        write!(f, "\n  in one run     {}\n  in the other   {}", text(one), text(other))?;
        if !before.is_empty() {
            write!(f, "\n  before it      {}", before.join("\n                 "))?;
        }
        Ok(())
    }
}

/// Runs a plan once more, in this manner, and returns that run if it is the same.
///
/// # Errors
///
/// The first place where the two runs differ.
pub fn again<S: Subject<W>, W: Workload>(
    subject: &S,
    workload: &W,
    plan: &Plan<W::Step>,
    first: &Outcome,
    manner: Manner,
) -> Result<Outcome, Box<NotDeterministic>> {
    again_by(&|manner| subject.run(workload, plan, manner), first, manner)
}

/// The same, where only `run` knows what is run.
pub(crate) fn again_by(
    run: &dyn Fn(Manner) -> Outcome,
    first: &Outcome,
    manner: Manner,
) -> Result<Outcome, Box<NotDeterministic>> {
    let second = run(manner);
    if second.digest == first.digest && second.verdict == first.verdict {
        return Ok(second);
    }
    let recorded = || run(manner.traced());
    let found = (0..ATTEMPTS).find_map(|_| divergence(&recorded(), &recorded()));
    // A recording may hide the difference; the histories of the two runs may still show it.
    let found = found.or_else(|| divergence(&untraced(first), &untraced(&second)));
    let difference = found.map_or(Difference::Hidden, |found| Difference::At(Box::new(found)));
    Err(Box::new(NotDeterministic { first: first.digest.clone(), second: second.digest, difference }))
}

/// Only one of two runs may have been recorded.
fn untraced(outcome: &Outcome) -> Outcome {
    Outcome { trace: Vec::new(), ..outcome.clone() }
}

/// An event of a recording or of a history.
trait Told: PartialEq {
    fn time_us(&self) -> u64;
    fn node(&self) -> String;
    fn text(&self) -> String;
}

impl Told for TraceEntry {
    fn time_us(&self) -> u64 {
        self.time
    }

    fn node(&self) -> String {
        self.node.clone()
    }

    fn text(&self) -> String {
        format!("{} {} {} {}", seconds(self.time), self.node, self.what, self.detail)
    }
}

impl Told for HistoryLine {
    fn time_us(&self) -> u64 {
        self.time / 1_000
    }

    fn node(&self) -> String {
        match self.process {
            Actor::Nemesis(name) => name.into(),
            Actor::Process(process) => format!("p{process}"),
        }
    }

    fn text(&self) -> String {
        HistoryLine::text(self).split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    }
}

/// Where two runs part: among the messages and events of nodes, or in what clients saw, whichever is earlier.
fn divergence(one: &Outcome, other: &Outcome) -> Option<Divergence> {
    let inside = parted(&one.trace, &other.trace);
    let outside = parted(&one.lines, &other.lines);
    match (inside, outside) {
        (Some(inside), Some(outside)) => {
            Some(if outside.time_us < inside.time_us { outside } else { inside })
        }
        (inside, outside) => inside.or(outside),
    }
}

fn parted<T: Told>(one: &[T], other: &[T]) -> Option<Divergence> {
    let at = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let (here, there) = (one.get(at), other.get(at));
    // The earlier of the two is what the other run lacks.
    let first = [here, there].into_iter().flatten().min_by_key(|event| event.time_us())?;
    Some(Divergence {
        time_us: first.time_us(),
        node: first.node(),
        one: here.map(Told::text),
        other: there.map(Told::text),
        before: one[at.saturating_sub(BEFORE)..at].iter().map(Told::text).collect(),
    })
}

fn seconds(time_us: u64) -> String {
    format!("{}.{:06} s", time_us / 1_000_000, time_us % 1_000_000)
}
