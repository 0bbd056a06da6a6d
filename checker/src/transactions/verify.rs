//! Checks verdicts on transactions again, without trusting how they were found.
//!
//! A serial order is replayed; a cycle's edges are looked up one by one in what the transactions themselves say. This
//! file shares no code with the inference, only the history.

use rustc_hash::FxHashMap;

use super::history::{Datatype, NEVER, Status, Step, TransactionHistory};
use super::level::{Anomaly, Level, Tier};
use super::verify_reads;
use crate::history::OpId;
use crate::verdict::{Edge, EdgeKind, Violation};

/// Why a certificate proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate is wrong: {0}")]
pub struct Refuted(String);

fn refuted<T>(why: String) -> Result<T, Refuted> {
    Err(Refuted(why))
}

/// Replays a serial order: every committed transaction stands in it once, no aborted one does, an indeterminate one
/// at most once; each read shows what the transactions before it left behind; and the order of processes and real time
/// is kept where the level asks for it.
///
/// # Errors
/// [`Refuted`] if that is not so.
pub fn serial_order(history: &TransactionHistory, level: Level, order: &[OpId]) -> Result<(), Refuted> {
    let mut placed = vec![false; history.len()];
    for OpId(id) in order {
        match placed.get_mut(*id as usize) {
            Some(placed) if !*placed => *placed = true,
            _ => return refuted(format!("T{id} does not exist, or stands in the order twice")),
        }
        if history.status(*id) == Status::Fail {
            return refuted(format!("T{id} aborted"));
        }
    }
    if let Some(id) =
        (0..history.count()).find(|id| !placed[*id as usize] && history.status(*id) == Status::Ok)
    {
        return refuted(format!("T{id} committed, but is not in the order"));
    }
    in_time(history, level, order)?;
    replay(history, order)
}

fn in_time(history: &TransactionHistory, level: Level, order: &[OpId]) -> Result<(), Refuted> {
    let sessions = level.implies(Level::StrongSessionSerializable);
    let real_time = level.implies(Level::StrictSerializable);
    let mut latest: FxHashMap<u64, u32> = FxHashMap::default();
    let mut latest_invoked = 0;
    for OpId(id) in order {
        let stored = history.stored(*id);
        let last = latest.entry(stored.process).or_insert(*id);
        if sessions && stored.status == Status::Ok && *id < *last {
            return refuted(format!("T{id} stands behind T{last}, which its process issued later"));
        }
        *last = (*last).max(*id);
        if real_time && stored.returned != NEVER && stored.returned < latest_invoked {
            return refuted(format!("T{id} stands behind one that began after it had finished"));
        }
        latest_invoked = latest_invoked.max(stored.invoked);
    }
    Ok(())
}

fn replay(history: &TransactionHistory, order: &[OpId]) -> Result<(), Refuted> {
    let mut states: Vec<Vec<u32>> = vec![Vec::new(); history.keys()];
    for OpId(id) in order {
        for micro in history.micros(*id) {
            let state = &mut states[micro.key as usize];
            match history.step(*micro) {
                Step::Write(value) => {
                    if history.datatype() == Datatype::Register {
                        state.clear();
                    }
                    state.push(value);
                }
                Step::Read(shown) if history.status(*id) == Status::Ok && shown != state.as_slice() => {
                    let (key, shown) = (history.key(micro.key), history.shown(shown));
                    return refuted(format!("T{id} would not read {key} as {shown} there"));
                }
                Step::Read(_) | Step::Unknown => {}
            }
        }
    }
    Ok(())
}

/// Looks up what is said to be wrong in the transactions that are named: every edge of a cycle, or the read that
/// cannot be; and whether a history in which that is so can be one of this level.
///
/// # Errors
/// [`Refuted`] if the edges do not close, or are not those of such an anomaly, or one does not follow from what its
/// transactions and its evidence say; if no read is wrong in that way; if the level allows it; and for what only says
/// that every order was tried.
pub fn violation(history: &TransactionHistory, level: Level, violation: &Violation) -> Result<(), Refuted> {
    let edges = &violation.edges;
    let anomaly = if edges.is_empty() { verify_reads::shown(history, violation) } else { circle(violation) };
    let Some(anomaly) = anomaly else {
        return refuted(format!("these transactions do not show {}", violation.kind));
    };
    if !anomaly.breaks(level) {
        return refuted(format!("{level} allows {anomaly}"));
    }
    for (edge, next) in edges.iter().zip(edges.iter().cycle().skip(1)) {
        if edge.to != next.from {
            return refuted(format!("after {} comes {}: no cycle", edge.to, next.from));
        }
        let ids = [edge.from, edge.to].into_iter().chain(edge.evidence.iter().copied());
        if let Some(id) = ids.clone().find(|id| id.index() >= history.len()) {
            return refuted(format!("{id} does not exist"));
        }
        if let Some(id) = ids.clone().find(|id| !violation.operations.contains(id)) {
            return refuted(format!("{id} is not told"));
        }
        if edge.from == edge.to || !follows(history, edge, anomaly) {
            return refuted(format!("{} does not follow: {}", edge.reason, edge.from));
        }
    }
    Ok(())
}

/// The anomaly after which a circle is called, if its edges are of the kinds that make it one: the anomaly is no
/// stronger than they are.
fn circle(violation: &Violation) -> Option<Anomaly> {
    let has = |kind: EdgeKind| violation.edges.iter().any(|edge| edge.kind == kind);
    let overwritten: Vec<bool> =
        violation.edges.iter().map(|edge| edge.kind == EdgeKind::ReadWrite).collect();
    let once = overwritten.iter().filter(|overwritten| **overwritten).count() == 1;
    let apart = !overwritten.iter().zip(overwritten.iter().cycle().skip(1)).any(|(one, next)| *one && *next);
    let of_tier = |tier: Tier| {
        let mut anomalies = vec![Anomaly::G2Item(tier)];
        anomalies.extend(apart.then_some(Anomaly::GNonadjacent(tier)));
        anomalies.extend(once.then_some(Anomaly::GSingle(tier)));
        anomalies.extend(once.then_some(Anomaly::LostAppend(tier)));
        anomalies.extend((once && tier == Tier::Dependencies).then_some(Anomaly::LostUpdate));
        if !has(EdgeKind::ReadWrite) {
            anomalies.push(Anomaly::G1c(tier));
            anomalies.extend((!has(EdgeKind::WriteRead)).then_some(Anomaly::G0(tier)));
        }
        anomalies
    };
    let tiers: &[Tier] = match () {
        () if has(EdgeKind::RealTime) => &[Tier::RealTime],
        () if has(EdgeKind::Process) => &[Tier::Process, Tier::RealTime],
        () => &[Tier::Dependencies, Tier::Process, Tier::RealTime],
    };
    tiers.iter().flat_map(|tier| of_tier(*tier)).find(|anomaly| anomaly.name() == violation.kind)
}

fn follows(history: &TransactionHistory, edge: &Edge, anomaly: Anomaly) -> bool {
    let (from, to) = (history.stored(edge.from.0), history.stored(edge.to.0));
    if [from, to].iter().any(|stored| stored.status == Status::Fail) {
        return false;
    }
    let (ends, evidence) = ((edge.from.0, edge.to.0), &edge.evidence);
    let in_time = !anomaly.breaks(Level::StrongSessionSerializable);
    let snapshots = !anomaly.breaks(Level::ReadAtomic);
    let facts = Facts { history, from: ends.0, to: ends.1, evidence, in_time, snapshots };
    match edge.kind {
        EdgeKind::RealTime => from.returned < to.invoked && from.status == Status::Ok,
        EdgeKind::Process => from.process == to.process && edge.from < edge.to && from.status == Status::Ok,
        EdgeKind::WriteRead => facts.saw_last_of(edge.to.0, edge.from.0),
        EdgeKind::ReadWrite | EdgeKind::WriteWrite if !facts.took_effect(edge.to.0) => false,
        EdgeKind::ReadWrite | EdgeKind::WriteWrite => match history.datatype() {
            Datatype::ListAppend => facts.lists(edge.kind),
            Datatype::Register => facts.registers(edge.kind),
        },
        EdgeKind::ReadsFrom | EdgeKind::MustPrecede => false,
    }
}

/// What two transactions and those that show something about them say.
struct Facts<'a> {
    history: &'a TransactionHistory,
    from: u32,
    to: u32,
    evidence: &'a [OpId],
    /// Only levels of real time are said to be broken: there, versions stand in the order of time.
    in_time: bool,
    /// Only levels of snapshots are: there, who read a version and wrote stands right behind it.
    snapshots: bool,
}

impl Facts<'_> {
    fn writes(&self, id: u32, key: u32) -> Vec<u32> {
        let micros = self.history.micros(id).iter().filter(|micro| micro.key == key);
        let written = micros.filter_map(|micro| match self.history.step(*micro) {
            Step::Write(value) => Some(value),
            Step::Read(_) | Step::Unknown => None,
        });
        written.collect()
    }

    /// What a transaction's reads show, key by key; none for those that did not commit.
    fn reads(&self, id: u32) -> Vec<(u32, &[u32])> {
        let committed = self.history.status(id) == Status::Ok;
        let micros = self.history.micros(id).iter().filter(|_| committed);
        let shown = micros.filter_map(|micro| match self.history.step(*micro) {
            Step::Read(shown) => Some((micro.key, shown)),
            Step::Write(_) | Step::Unknown => None,
        });
        shown.collect()
    }

    /// The state from which a transaction started on a key, by its first read: without its own writes before.
    fn start(&self, id: u32, key: u32) -> Option<Vec<u32>> {
        let mut own = Vec::new();
        for micro in self.history.micros(id).iter().filter(|micro| micro.key == key) {
            match self.history.step(*micro) {
                Step::Write(value) => own.push(value),
                Step::Read(shown) if self.history.status(id) == Status::Ok => match self.history.datatype() {
                    Datatype::ListAppend => return shown.strip_suffix(own.as_slice()).map(<[u32]>::to_vec),
                    Datatype::Register => return own.is_empty().then(|| shown.to_vec()),
                },
                Step::Read(_) | Step::Unknown => {}
            }
        }
        None
    }

    /// Of who wrote the value that it started from, if nobody else can have written that.
    fn saw_last_of(&self, reader: u32, writer: u32) -> bool {
        self.reads(reader).iter().any(|(key, _)| {
            let start = self.start(reader, *key);
            let last = start.and_then(|start| start.last().copied());
            last.is_some_and(|last| self.only_writer(*key, last) == Some(writer))
        })
    }

    /// It committed, or somebody saw what only it can have written.
    fn took_effect(&self, id: u32) -> bool {
        let witnesses = || self.evidence.iter().map(|id| id.0).chain([self.from]);
        let seen = |reader: u32| {
            self.reads(reader).iter().any(|(key, shown)| {
                let mut written = self.writes(id, *key).into_iter().filter(|value| shown.contains(value));
                written.any(|value| self.only_writer(*key, value) == Some(id))
            })
        };
        self.history.status(id) == Status::Ok || witnesses().any(|reader| reader != id && seen(reader))
    }

    /// The only transaction that can have written a value.
    fn only_writer(&self, key: u32, value: u32) -> Option<u32> {
        let alive = (0..self.history.count()).filter(|id| self.history.status(*id) != Status::Fail);
        let mut writers = alive.filter(|id| self.writes(*id, key).contains(&value));
        writers.next().filter(|_| writers.next().is_none())
    }

    /// A list with an element of `from`, or the start of `from` itself, and behind it, or not at all, one of `to`.
    fn lists(&self, kind: EdgeKind) -> bool {
        let keys = self.history.micros(self.to).iter().map(|micro| micro.key);
        let read_by_from =
            |key: u32, other: u32| self.start(self.from, key).is_some_and(|start| !start.contains(&other));
        let ordered = |key: u32, other: u32| {
            let own = self.writes(self.from, key);
            let ids = self.evidence.iter().map(|id| id.0).chain([self.from, self.to]);
            let only = |element: u32, id: u32| self.only_writer(key, element) == Some(id);
            ids.flat_map(|id| self.reads(id)).filter(|(shown_key, _)| *shown_key == key).any(|(_, shown)| {
                let found = shown.iter().position(|element| *element == other);
                let mut before = shown[..found.unwrap_or(shown.len())].iter();
                before.any(|element| own.contains(element) && only(*element, self.from))
                    && (found.is_none() || only(other, self.to))
            })
        };
        let mut pairs =
            keys.flat_map(|key| self.writes(self.to, key).into_iter().map(move |other| (key, other)));
        match kind {
            EdgeKind::ReadWrite => pairs.any(|(key, other)| read_by_from(key, other)),
            _ => pairs.any(|(key, other)| {
                let on_top = !self.writes(self.from, key).is_empty() && read_by_from(key, other);
                ordered(key, other) || (self.snapshots && on_top)
            }),
        }
    }
}

/// Registers: an argument about one state of a key, what `from` read or left behind, which `to` did not lead to.
impl Facts<'_> {
    fn registers(&self, kind: EdgeKind) -> bool {
        if !self.snapshots {
            return false;
        }
        let keys = self.history.micros(self.to).iter().map(|micro| micro.key);
        keys.filter(|key| !self.writes(self.to, *key).is_empty()).any(|key| {
            let read = self.start(self.from, key);
            let left = self.writes(self.from, key).last().map(|value| vec![*value]);
            let wrote = left.is_some();
            // Both read the same, which was there once, and `to` overwrote it.
            let once =
                |read: &Vec<u32>| read.first().is_none_or(|value| self.only_writer(key, *value).is_some());
            let same = read.as_ref().is_some_and(once) && read == self.start(self.to, key);
            // What `from` wrote stands right behind what it read.
            let write = left.is_some_and(|left| self.before(key, &left));
            let reads = same || read.is_some_and(|read| self.before(key, &read));
            if kind == EdgeKind::WriteWrite { write || (wrote && reads) } else { reads }
        })
    }

    /// Whether `to` certainly wrote after a state came to be, so that the state must be read before that: the chain
    /// of transactions that led to it, each overwriting what it read, begins with nil, or had a member that finished
    /// before `to` began.
    fn before(&self, key: u32, state: &[u32]) -> bool {
        let invoked = self.history.stored(self.to).invoked;
        let ids = || self.evidence.iter().map(|id| id.0).chain([self.from]);
        let mut state = state.to_vec();
        for _ in 0..=self.evidence.len() + 1 {
            let reads_it = |id: &u32| self.start(*id, key).as_ref() == Some(&state);
            let finished = |id: u32| self.in_time && self.history.stored(id).returned < invoked;
            let Some(value) = state.first() else { return true };
            let Some(writer) = self.only_writer(key, *value).filter(|writer| *writer != self.to) else {
                return false;
            };
            if ids().filter(reads_it).any(finished) {
                return true;
            }
            if !ids().any(|id| id == writer) {
                return false;
            }
            if finished(writer) {
                return true;
            }
            match self.start(writer, key) {
                Some(before) => state = before,
                None => return false,
            }
        }
        false
    }
}
