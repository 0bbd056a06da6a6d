//! Who wrote what: every element or value of every key, with the step that wrote it.
//!
//! Values are unique per key as a rule; those that several transactions wrote are known as such. What an aborted
//! transaction wrote counts only where nobody else wrote the same.

use rustc_hash::FxHashMap;

use super::history::{Status, Step, TransactionHistory};

/// Who wrote a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// This step of a transaction that committed, or may have.
    Step(u32),
    /// Several such steps.
    Several,
    /// Only this step of an aborted transaction.
    Aborted(u32),
    /// Nobody.
    Nobody,
}

/// All writes of a history.
#[derive(Debug)]
pub(super) struct Writers {
    /// Per step, its transaction.
    owners: Vec<u32>,
    alive: FxHashMap<u64, u32>,
    aborted: FxHashMap<u64, u32>,
    /// How often, where more than once.
    repeats: FxHashMap<u64, u32>,
}

fn place(key: u32, value: u32) -> u64 {
    (u64::from(key) << 32) | u64::from(value)
}

impl Writers {
    pub(super) fn new(history: &TransactionHistory) -> Self {
        let mut owners = vec![0; history.all_micros().len()];
        let mut writers = Self {
            owners: Vec::new(),
            alive: FxHashMap::with_capacity_and_hasher(owners.len() / 2, rustc_hash::FxBuildHasher),
            aborted: FxHashMap::default(),
            repeats: FxHashMap::default(),
        };
        for id in 0..history.count() {
            let aborted = history.status(id) == Status::Fail;
            for at in history.range(id) {
                owners[at] = id;
                let micro = history.all_micros()[at];
                let Step::Write(value) = history.step(micro) else { continue };
                let (place, at) =
                    (place(micro.key, value), u32::try_from(at).expect("steps fit into 32 bits"));
                if aborted {
                    writers.aborted.entry(place).or_insert(at);
                } else if writers.alive.insert(place, at).is_some() {
                    *writers.repeats.entry(place).or_insert(1) += 1;
                }
            }
        }
        writers.owners = owners;
        writers
    }

    /// Who wrote a value to a key.
    pub(super) fn of(&self, key: u32, value: u32) -> Writer {
        let place = place(key, value);
        match self.alive.get(&place) {
            Some(_) if self.repeats.contains_key(&place) => Writer::Several,
            Some(at) => Writer::Step(*at),
            None => self.aborted.get(&place).map_or(Writer::Nobody, |at| Writer::Aborted(*at)),
        }
    }

    /// How often a value may be in a list: as often as it was appended.
    pub(super) fn times(&self, key: u32, value: u32) -> u32 {
        self.repeats.get(&place(key, value)).copied().unwrap_or(1)
    }

    /// Keys and values that were written more than once, in no particular order.
    pub(super) fn repeated(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let half = |bits: u64| u32::try_from(bits).expect("half of 64 bits");
        let halves = move |place: &u64| (half(place >> 32), half(place & u64::from(u32::MAX)));
        self.repeats.keys().map(halves)
    }

    /// The transaction of a step.
    pub(super) fn owner(&self, step: u32) -> u32 {
        self.owners[step as usize]
    }
}

/// The steps in which a transaction writes to a key.
pub(super) fn writes_to(
    history: &TransactionHistory,
    id: u32,
    key: u32,
) -> impl DoubleEndedIterator<Item = u32> + '_ {
    let writes = move |at: &usize| {
        let micro = history.all_micros()[*at];
        micro.key == key && matches!(history.step(micro), Step::Write(_))
    };
    history.range(id).filter(writes).map(|at| u32::try_from(at).expect("steps fit into 32 bits"))
}

/// What a step wrote.
pub(super) fn written(history: &TransactionHistory, step: u32) -> u32 {
    match history.step(history.all_micros()[step as usize]) {
        Step::Write(value) => value,
        Step::Read(_) | Step::Unknown => unreachable!("it writes"),
    }
}
