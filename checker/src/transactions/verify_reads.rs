//! Checks anomalies of single reads again: looks for what is said to be wrong in the transactions that are named, and
//! nowhere else. Shares no code with the inference.

use super::history::{Datatype, Status, Step, TransactionHistory};
use super::level::Anomaly;
use crate::verdict::Violation;

/// Anomalies of single reads.
const OF_READS: [Anomaly; 4] =
    [Anomaly::PhantomElement, Anomaly::AbortedRead, Anomaly::IntermediateRead, Anomaly::Internal];
/// The same of lists alone, which show what was there before.
const OF_LISTS: [Anomaly; 4] =
    [Anomaly::DuplicateElements, Anomaly::DirtyUpdate, Anomaly::IncompatibleOrder, Anomaly::FracturedRead];

/// The anomaly after which a violation is called, if its transactions show it.
pub(super) fn shown(history: &TransactionHistory, violation: &Violation) -> Option<Anomaly> {
    let key = history.key_named(violation.key.as_deref()?)?;
    let named = Named { history, key, ids: violation.operations.iter().map(|id| id.0).collect() };
    if named.ids.iter().any(|id| *id >= history.count()) {
        return None;
    }
    let lists = OF_LISTS.into_iter().filter(|_| history.datatype() == Datatype::ListAppend);
    let anomaly = OF_READS.into_iter().chain(lists).find(|anomaly| violation.kind == anomaly.name())?;
    named.show(anomaly).then_some(anomaly)
}

fn count(shown: &[u32], value: u32) -> usize {
    shown.iter().filter(|shown| **shown == value).count()
}

/// The transactions that are named, and the key that it is about.
struct Named<'h> {
    history: &'h TransactionHistory,
    key: u32,
    ids: Vec<u32>,
}

impl<'h> Named<'h> {
    fn steps_on(&self, id: u32, key: u32) -> impl Iterator<Item = Step<'h>> + use<'h> {
        let history = self.history;
        history.micros(id).iter().filter(move |micro| micro.key == key).map(|micro| history.step(*micro))
    }

    fn writes(&self, id: u32, key: u32) -> Vec<u32> {
        let written = self.steps_on(id, key).filter_map(|step| match step {
            Step::Write(value) => Some(value),
            Step::Read(_) | Step::Unknown => None,
        });
        written.collect()
    }

    /// Those that did not abort.
    fn alive(&self) -> impl Iterator<Item = u32> + '_ {
        self.ids.iter().copied().filter(|id| self.history.status(*id) != Status::Fail)
    }

    /// What committed ones read of the key.
    fn reads(&self) -> impl Iterator<Item = (u32, &'h [u32])> + '_ {
        let committed = self.ids.iter().copied().filter(|id| self.history.status(*id) == Status::Ok);
        committed.flat_map(|id| {
            self.steps_on(id, self.key).filter_map(move |step| match step {
                Step::Read(shown) => Some((id, shown)),
                Step::Write(_) | Step::Unknown => None,
            })
        })
    }

    fn show(&self, anomaly: Anomaly) -> bool {
        let mut reads = self.reads();
        match anomaly {
            Anomaly::DuplicateElements => reads.any(|(_, shown)| {
                shown.iter().any(|value| count(shown, *value) > self.writers(*value).0.max(1))
            }),
            Anomaly::PhantomElement => {
                reads.any(|(_, shown)| shown.iter().any(|value| self.writers(*value) == (0, 0)))
            }
            Anomaly::AbortedRead => reads.any(|(_, shown)| shown.iter().any(|value| self.is_aborted(*value))),
            Anomaly::DirtyUpdate => reads.any(|(_, shown)| {
                let first = shown.iter().position(|value| self.is_aborted(*value));
                first.is_some_and(|first| shown[first..].iter().any(|value| self.writers(*value).0 > 0))
            }),
            Anomaly::IntermediateRead => self.ids.iter().any(|id| self.reads_intermediate(*id)),
            Anomaly::Internal => self.ids.iter().any(|id| self.contradicts_itself(*id)),
            Anomaly::IncompatibleOrder => self.fork() || self.reorders(),
            Anomaly::FracturedRead => self.ids.iter().any(|id| self.sees_half(*id)),
            _ => false,
        }
    }

    /// How often a value was written to the key: by transactions that may have committed, and by aborted ones.
    fn writers(&self, value: u32) -> (usize, usize) {
        self.writers_of(self.key, value)
    }

    fn writers_of(&self, key: u32, value: u32) -> (usize, usize) {
        let mut writers = (0, 0);
        for id in 0..self.history.count() {
            let times = count(&self.writes(id, key), value);
            match self.history.status(id) {
                Status::Ok | Status::Info => writers.0 += times,
                Status::Fail => writers.1 += times,
            }
        }
        writers
    }

    fn is_aborted(&self, value: u32) -> bool {
        let (alive, aborted) = self.writers(value);
        alive == 0 && aborted > 0
    }

    /// The state of a key in which a transaction began, by its first read; `None` if that cannot be.
    fn start(&self, id: u32, key: u32) -> Option<Vec<u32>> {
        let mut own = Vec::new();
        for step in self.steps_on(id, key).filter(|_| self.history.status(id) == Status::Ok) {
            match step {
                Step::Write(value) => own.push(value),
                Step::Read(shown) if self.history.datatype() == Datatype::ListAppend => {
                    return shown.strip_suffix(own.as_slice()).map(<[u32]>::to_vec);
                }
                Step::Read(shown) => return own.is_empty().then(|| shown.to_vec()),
                Step::Unknown => {}
            }
        }
        None
    }

    fn reads_intermediate(&self, id: u32) -> bool {
        let Some(start) = self.start(id, self.key) else { return false };
        let Some(last) = start.last() else { return false };
        self.alive().filter(|writer| *writer != id).any(|writer| {
            let written = self.writes(writer, self.key);
            let at = written.iter().position(|value| value == last && self.writers(*value).0 == 1);
            at.is_some_and(|at| written[at + 1..].iter().any(|later| !start.contains(later)))
        })
    }

    fn contradicts_itself(&self, id: u32) -> bool {
        if self.history.status(id) != Status::Ok {
            return false;
        }
        let lists = self.history.datatype() == Datatype::ListAppend;
        let own = self.writes(id, self.key);
        let unique = |value: &u32| self.writers(*value).0 == 1;
        // It cannot have seen what only itself wrote, before it did.
        let start = self.start(id, self.key);
        if start.as_ref().is_some_and(|start| start.iter().any(|value| own.contains(value) && unique(value)))
        {
            return true;
        }
        let (mut state, mut known) = (start.clone().unwrap_or_default(), start.is_some());
        for step in self.steps_on(id, self.key) {
            match step {
                Step::Write(value) => {
                    if !lists {
                        state.clear();
                        known = true;
                    }
                    state.push(value);
                }
                Step::Read(shown) if known && shown != state.as_slice() => return true,
                Step::Read(shown) if !known && !shown.ends_with(&state) => return true,
                Step::Read(_) | Step::Unknown => {}
            }
        }
        false
    }

    /// Two reads of which neither continues the other.
    fn fork(&self) -> bool {
        let reads: Vec<&[u32]> = self.reads().map(|(_, shown)| shown).collect();
        let mut pairs = reads.iter().flat_map(|one| reads.iter().map(move |other| (one, other)));
        pairs.any(|(one, other)| !one.starts_with(other) && !other.starts_with(one))
    }

    /// A read shows a transaction's later append without its earlier one before it.
    fn reorders(&self) -> bool {
        self.alive().any(|id| {
            let written = self.writes(id, self.key);
            // What was appended twice may stand there because of either.
            written.windows(2).filter(|pair| self.writers(pair[1]).0 == 1).any(|pair| {
                self.reads().any(|(_, shown)| {
                    let later = shown.iter().position(|value| *value == pair[1]);
                    later.is_some_and(|later| !shown[..later].contains(&pair[0]))
                })
            })
        })
    }

    /// It saw a write of another on another key, but not the one on this.
    fn sees_half(&self, id: u32) -> bool {
        let Some(start) = self.start(id, self.key) else { return false };
        let seen_elsewhere = |other: u32| {
            self.history.micros(id).iter().filter(|micro| micro.key != self.key).any(|micro| {
                let last = self.start(id, micro.key).and_then(|start| start.last().copied());
                let only = |last: &u32| self.writers_of(micro.key, *last).0 == 1;
                last.filter(only).is_some_and(|last| self.writes(other, micro.key).contains(&last))
            })
        };
        self.alive().filter(|other| *other != id).any(|other| {
            let unseen = self.writes(other, self.key).iter().any(|value| !start.contains(value));
            unseen && seen_elsewhere(other)
        })
    }
}
