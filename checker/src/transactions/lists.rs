//! Version orders of append lists, and the dependencies that follow from them.
//!
//! Elements are unique, so a list that was read is the whole history of its key up to then: the longest read of each
//! key orders its versions, every other read must be a prefix of it (Kingsbury and Alvaro, "Elle", VLDB 2020, section
//! 4). Committed appends that no read shows stand behind the longest one, in an order that is free. With these edges
//! a history without flaws is serializable exactly if they form no cycle: in any order that extends them each read
//! finds its prefix.

use rustc_hash::FxHashMap;

use super::external::{Access, Externals};
use super::flawed_lists::{self, Told};
use super::graph::label;
use super::history::{Status, Step, TransactionHistory};
use super::recovered::Recovered;
use super::writers::{Writer, Writers, writes_to};

/// No step, no transaction, no position.
const NONE: u32 = u32::MAX;

/// The longest list that was read of a key.
#[derive(Clone, Copy, Debug)]
struct Longest<'h> {
    shown: &'h [u32],
    reader: u32,
    /// Where its elements' appends stand in [`Lists::appends`].
    base: usize,
    /// It holds elements that are not there once and committed.
    flawed: bool,
    /// Elements of the key were appended more than once, or it shows one twice: it tells no order.
    ambiguous: bool,
}

/// Appends of one key that took effect, but that no read shows.
#[derive(Clone, Debug)]
struct Free {
    /// Their transactions, in the order of their ids.
    transactions: Vec<u32>,
    /// The node for "after the longest read"; the next one is for "after the extension".
    node: u32,
    extension: Extension,
}

/// Whose free append certainly stands first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    Nobody,
    /// It wrote the last element of the longest list, and goes on.
    Last(u32),
    /// It read the longest list and appended to it: first unless there was no snapshot.
    Reader(u32),
}

/// The work in progress.
struct Lists<'h> {
    history: &'h TransactionHistory,
    writers: Writers,
    longest: Vec<Longest<'h>>,
    /// Per key and position in its longest list, the step that appended it if it took effect, or [`NONE`].
    appends: Vec<u32>,
    /// Per step that appends, its position in the longest list, or [`NONE`].
    positions: Vec<u32>,
    free: FxHashMap<u32, Free>,
    told: Told,
    recovered: Recovered,
}

/// Recovers the version orders of a history of lists.
pub(super) fn recover(history: &TransactionHistory) -> Recovered {
    let longest = Longest { shown: &[], reader: NONE, base: 0, flawed: false, ambiguous: false };
    let mut lists = Lists {
        history,
        writers: Writers::new(history),
        longest: vec![longest; history.keys()],
        appends: Vec::new(),
        positions: vec![NONE; history.all_micros().len()],
        free: FxHashMap::default(),
        told: Told::default(),
        recovered: Recovered::new(history),
    };
    lists.find_longest();
    lists.find_appends();
    lists.find_free();
    lists.order_versions();
    lists.order_reads();
    lists.order_free();
    lists.recovered
}

/// The transactions that committed.
pub(super) fn committed(history: &TransactionHistory) -> impl Iterator<Item = u32> + '_ {
    (0..history.count()).filter(|id| history.status(*id) == Status::Ok)
}

impl<'h> Lists<'h> {
    fn keys(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.longest.len()).expect("keys are numbered in 32 bits")
    }

    /// The longest read of each key; transactions that contradict themselves.
    fn find_longest(&mut self) {
        let mut externals = Externals::new(self.history);
        for id in committed(self.history) {
            for access in externals.of(id) {
                if let Some(at) = access.contradiction {
                    super::flaws::internal(self.history, &mut self.recovered.flaws, id, access.key, at);
                }
                let (Some(shown), None) = (access.shown, access.contradiction) else { continue };
                let longest = &mut self.longest[access.key as usize];
                if longest.reader == NONE || shown.len() > longest.shown.len() {
                    (longest.shown, longest.reader) = (shown, id);
                }
            }
        }
    }

    /// Who appended the elements of the longest lists.
    fn find_appends(&mut self) {
        let repeated = self.writers.repeated().min();
        for (key, _) in self.writers.repeated() {
            self.longest[key as usize].ambiguous = true;
        }
        if let Some((key, element)) = repeated {
            let (key, element) = (self.history.key(key), self.history.value(element));
            self.recovered.unrecovered = Some(format!(
                "{element} was appended to {key} more than once, so reads of {key} do not tell the order of its versions"
            ));
        }
        let mut seen = vec![NONE; self.history.values()];
        for key in self.keys() {
            let longest = &mut self.longest[key as usize];
            longest.base = self.appends.len();
            for (position, element) in (0u32..).zip(longest.shown) {
                let again = std::mem::replace(&mut seen[*element as usize], key) == key;
                let append = match self.writers.of(key, *element) {
                    Writer::Step(at) => {
                        self.positions[at as usize] = position;
                        self.recovered.required[self.writers.owner(at) as usize] = true;
                        at
                    }
                    Writer::Several => NONE,
                    Writer::Aborted(_) | Writer::Nobody => {
                        longest.flawed = true;
                        NONE
                    }
                };
                self.appends.push(append);
                longest.flawed |= again;
                longest.ambiguous |= again;
            }
        }
    }

    /// Appends of transactions that took effect, but that no read shows.
    fn find_free(&mut self) {
        for (at, micro) in (0u32..).zip(self.history.all_micros()) {
            let id = self.writers.owner(at);
            let unseen =
                matches!(self.history.step(*micro), Step::Write(_)) && self.positions[at as usize] == NONE;
            if !unseen || !self.recovered.required[id as usize] {
                continue;
            }
            if self.recovered.free.last() != Some(&(micro.key, id)) {
                self.recovered.free.push((micro.key, id));
            }
            let longest = &self.longest[micro.key as usize];
            if longest.ambiguous || longest.reader == NONE {
                continue;
            }
            let nodes = &mut self.recovered.nodes;
            let free = self.free.entry(micro.key).or_insert_with(|| {
                let node = *nodes;
                *nodes += 2;
                Free { transactions: Vec::new(), node, extension: Extension::Nobody }
            });
            if free.transactions.last() != Some(&id) {
                free.transactions.push(id);
            }
            let mut shown = self.appends[longest.base..][..longest.shown.len()].iter().rev();
            if shown.find(|last| **last != NONE).is_some_and(|last| self.writers.owner(*last) == id) {
                free.extension = Extension::Last(id);
            }
        }
    }

    /// Edges along the longest lists; transactions whose own appends stand in another order.
    fn order_versions(&mut self) {
        for key in self.keys() {
            let longest = self.longest[key as usize];
            if longest.ambiguous {
                continue;
            }
            let mut before = NONE;
            for position in 0..longest.shown.len() {
                let append = self.appends[longest.base + position];
                if append == NONE {
                    continue;
                }
                let id = self.writers.owner(append);
                if before != NONE {
                    self.recovered.edges.push(before, id, label::WW);
                }
                before = id;
                let earlier = writes_to(self.history, id, key).rev().find(|at| *at < append);
                // One that is not shown at all has no position, which is later than any.
                if let Some(earlier) =
                    earlier.filter(|earlier| self.positions[*earlier as usize] as usize >= position)
                {
                    let reader = (longest.reader, longest.shown);
                    let flaws = &mut self.recovered.flaws;
                    flawed_lists::out_of_order(self.history, flaws, key, reader, (id, earlier, append));
                }
            }
            if let Some(free) = self.free.get(&key)
                && before != NONE
                && free.extension != Extension::Last(before)
            {
                self.recovered.edges.push(before, free.node, label::WW);
            }
        }
    }

    /// Edges from and to every read.
    fn order_reads(&mut self) {
        let mut externals = Externals::new(self.history);
        for id in committed(self.history) {
            for access in externals.of(id) {
                if access.contradiction.is_none()
                    && let (Some(outside), Some(shown)) = (access.outside, access.shown)
                {
                    self.order_read(id, access, outside.len(), shown);
                }
            }
            self.fractured(id, externals.last());
        }
    }

    /// Whether the transaction saw one write of another, but a version of another key from before its write there.
    fn fractured(&mut self, id: u32, accesses: &[Access<'h>]) {
        let usable = |access: &&Access<'h>| {
            let longest = &self.longest[access.key as usize];
            access.contradiction.is_none()
                && !longest.ambiguous
                && access.shown.is_some_and(|shown| is_prefix(shown, longest.shown))
        };
        let mut found = None;
        for seen in accesses.iter().filter(usable) {
            let outside = seen.outside.map_or(0, <[u32]>::len);
            let appends = &self.appends[self.longest[seen.key as usize].base..][..outside];
            let Some(last) = appends.last().filter(|last| **last != NONE) else { continue };
            let writer = self.writers.owner(*last);
            for missed in accesses.iter().filter(|missed| missed.key != seen.key).filter(usable) {
                let (Some(outside), Some(shown)) = (missed.outside, missed.shown) else { continue };
                let unseen = |at: u32| self.positions[at as usize] as usize >= outside.len();
                if writer != id && writes_to(self.history, writer, missed.key).any(unseen) {
                    found = found.or(Some((missed.key, shown, writer)));
                }
            }
        }
        if let Some((key, shown, writer)) = found {
            super::flaws::fractured(self.history, &mut self.recovered.flaws, id, key, shown, writer);
        }
    }

    /// `outside`: how many of the elements shown are not the transaction's own.
    fn order_read(&mut self, id: u32, access: &Access<'h>, outside: usize, shown: &'h [u32]) {
        let (history, key) = (self.history, access.key);
        let longest = self.longest[key as usize];
        let fits = is_prefix(shown, longest.shown);
        if !fits || longest.flawed {
            let flaws = &mut self.recovered.flaws;
            let reader = (longest.reader, longest.shown);
            flawed_lists::tell(history, &self.writers, &mut self.told, flaws, key, (id, shown), reader);
        }
        if !fits || longest.ambiguous {
            return;
        }
        if access.writes.iter().any(|at| (self.positions[*at] as usize) < outside) {
            super::flaws::own_future(history, &mut self.recovered.flaws, id, key, shown);
            return;
        }
        let appends = &self.appends[longest.base..][..longest.shown.len()];
        let (seen, unseen) = appends.split_at(outside);
        if let Some(last) = seen.last().filter(|last| **last != NONE) {
            let writer = self.writers.owner(*last);
            let hidden = |at: &u32| at > last && self.positions[*at as usize] as usize >= outside;
            let later = writes_to(history, writer, key).find(hidden);
            if let Some(later) = later.filter(|_| writer != id) {
                flawed_lists::intermediate(
                    history,
                    &mut self.recovered.flaws,
                    key,
                    (id, shown),
                    (writer, later),
                );
                return;
            }
            self.recovered.edges.push(writer, id, label::WR);
        }
        if let Some(next) = unseen.iter().find(|next| **next != NONE) {
            self.recovered.edges.push(id, self.writers.owner(*next), label::RW);
        } else if let Some(free) = self.free.get_mut(&key) {
            let own = access.writes.iter().any(|at| self.positions[*at] == NONE);
            match free.extension {
                Extension::Nobody if own => free.extension = Extension::Reader(id),
                // Not through the helper, which leads to its own append too.
                Extension::Last(first) | Extension::Reader(first) if own => {
                    self.recovered.edges.push(id, first, label::RW);
                }
                _ => self.recovered.edges.push(id, free.node, label::RW),
            }
        }
    }

    /// Edges to the appends that no read shows.
    fn order_free(&mut self) {
        let edges = &mut self.recovered.edges;
        for key in 0..u32::try_from(self.longest.len()).expect("keys are numbered in 32 bits") {
            let Some(free) = self.free.get(&key) else { continue };
            let extension = match free.extension {
                Extension::Nobody => NONE,
                Extension::Last(id) => {
                    edges.push(id, free.node + 1, label::WW);
                    id
                }
                Extension::Reader(id) => {
                    edges.push(id, free.node + 1, label::RW);
                    edges.push(id, free.node + 1, label::WW_BY_SNAPSHOT);
                    id
                }
            };
            for id in &free.transactions {
                edges.push(free.node, *id, label::ON);
                if extension != NONE && *id != extension {
                    edges.push(free.node + 1, *id, label::ON);
                }
            }
        }
    }
}

fn is_prefix(shown: &[u32], longest: &[u32]) -> bool {
    longest.get(..shown.len()).is_some_and(|prefix| std::ptr::eq(prefix, shown) || prefix == shown)
}
