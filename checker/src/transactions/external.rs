//! What a transaction read from outside, and whether it agrees with itself.
//!
//! Run alone on a snapshot, a transaction sees of each key one state from outside, and on top of it what itself wrote
//! before. So its first read of a key tells that state, and every later one is foretold. Linear in the steps.

use super::history::{Datatype, Step, TransactionHistory};

/// What a transaction did to one key.
#[derive(Debug, Default)]
pub(super) struct Access<'h> {
    /// The key.
    pub(super) key: u32,
    /// What it saw from outside, if it looked: the elements of a list; the value of a register, or none for nil.
    pub(super) outside: Option<&'h [u32]>,
    /// All that its longest read of a list showed, own elements included; of a register, what is outside, if it looked.
    pub(super) shown: Option<&'h [u32]>,
    /// Its writes, in order: positions among the steps of the whole history.
    pub(super) writes: Vec<usize>,
    /// The elements that it wrote.
    elements: Vec<u32>,
    /// Of its steps, the first whose read contradicts what it read or wrote before.
    pub(super) contradiction: Option<usize>,
}

/// Looks at one transaction after the other.
#[derive(Debug)]
pub(super) struct Externals<'h> {
    history: &'h TransactionHistory,
    accesses: Vec<Access<'h>>,
    used: usize,
    /// Per key, where its access stands if it was made by the transaction that is looked at.
    places: Vec<(u32, u32)>,
}

impl<'h> Externals<'h> {
    pub(super) fn new(history: &'h TransactionHistory) -> Self {
        Self { history, accesses: Vec::new(), used: 0, places: vec![(u32::MAX, 0); history.keys()] }
    }

    /// What a transaction did, key by key in the order of first use.
    pub(super) fn of(&mut self, transaction: u32) -> &[Access<'h>] {
        self.used = 0;
        let history = self.history;
        for at in history.range(transaction) {
            let micro = history.all_micros()[at];
            let access = self.access(transaction, micro.key);
            match history.step(micro) {
                Step::Write(element) => {
                    access.writes.push(at);
                    access.elements.push(element);
                }
                Step::Unknown => {}
                Step::Read(shown) if access.contradiction.is_none() => {
                    let outside = match history.datatype() {
                        Datatype::ListAppend => list(access, shown),
                        Datatype::Register => register(access, shown),
                    };
                    match outside {
                        // What it wrote over a register itself, and read, shows nothing of what was there before.
                        Ok(Some(outside)) if history.datatype() == Datatype::Register => {
                            (access.outside, access.shown) = (Some(outside), Some(outside));
                        }
                        Ok(outside) => (access.outside, access.shown) = (outside, Some(shown)),
                        Err(Contradicts) => access.contradiction = Some(at),
                    }
                }
                Step::Read(_) => {}
            }
        }
        self.last()
    }

    /// The same for the transaction that was looked at last.
    pub(super) fn last(&self) -> &[Access<'h>] {
        &self.accesses[..self.used]
    }

    fn access(&mut self, transaction: u32, key: u32) -> &mut Access<'h> {
        let place = &mut self.places[key as usize];
        if place.0 != transaction {
            *place =
                (transaction, u32::try_from(self.used).expect("fewer than the steps, which 32 bits count"));
            if self.used == self.accesses.len() {
                self.accesses.push(Access::default());
            }
            let access = &mut self.accesses[self.used];
            access.writes.clear();
            access.elements.clear();
            (access.key, access.outside, access.shown, access.contradiction) = (key, None, None, None);
            self.used += 1;
        }
        &mut self.accesses[place.1 as usize]
    }
}

/// A read disagrees with what the transaction read or wrote before.
struct Contradicts;

/// What a read of a list tells of the state outside.
fn list<'h>(access: &Access<'h>, shown: &'h [u32]) -> Result<Option<&'h [u32]>, Contradicts> {
    let outside = shown.strip_suffix(access.elements.as_slice()).ok_or(Contradicts)?;
    match access.outside {
        Some(known) if known != outside => Err(Contradicts),
        _ => Ok(Some(outside)),
    }
}

/// What a read of a register tells of the state outside.
fn register<'h>(access: &Access<'h>, shown: &'h [u32]) -> Result<Option<&'h [u32]>, Contradicts> {
    match (access.elements.last(), access.outside) {
        (Some(own), outside) if shown == [*own] => Ok(outside),
        (None, None) => Ok(Some(shown)),
        (None, Some(known)) if known == shown => Ok(Some(known)),
        _ => Err(Contradicts),
    }
}
