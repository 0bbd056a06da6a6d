//! A search for a serial order of transactions on registers, where the order of versions is not known.
//!
//! Transactions are placed one after the other, each once everything is placed that must stand before it, its reads show
//! the current state, and nobody still has to read what it overwrites (if that value was written only once). What
//! only reads, and what reads everything that it writes, is placed as soon as it can be: nothing is lost by that. So
//! only blind writes are choices; the one whose last reader began first is tried first. Bounded in steps; it does not
//! recurse.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::external::Externals;
use super::graph::Graph;
use super::history::{Status, TransactionHistory};
use super::writers::{Writer, Writers, writes_to, written};
use crate::history::OpId;
use crate::verdict::Bounds;

/// Steps between two questions whether to stop.
const STEPS_BETWEEN: u64 = 4096;

/// No value: nil, or nothing read or written.
const NIL: u32 = u32::MAX;
const NOTHING: u32 = u32::MAX - 1;

/// What came of a search.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A serial order.
    Order(Vec<OpId>),
    /// There is none.
    Nothing,
    /// A bound was reached.
    Undecided,
}

/// What a transaction does to one key.
#[derive(Clone, Copy, Debug)]
struct Touch {
    key: u32,
    reads: u32,
    writes: u32,
}

/// What is to be undone when a choice was wrong.
#[derive(Debug)]
enum Undo {
    /// The value of a key.
    Value(u32, u32),
    /// A read of a value was placed.
    Read(u32, u32),
    /// An edge into a node was used up.
    Edge(u32),
    /// A transaction became ready.
    Ready(u32),
    /// A transaction was placed.
    Placed(u32),
}

/// A point at which one of several transactions was chosen.
struct Choice {
    others: Vec<u32>,
    undo: usize,
}

struct Search<'s> {
    graph: &'s Graph,
    touches: Vec<Touch>,
    /// Per transaction, where its touches begin; one more at the end.
    first: Vec<u32>,
    required: &'s [bool],
    /// Per key and value, how many transactions that are not placed read it, and the latest begin of a reader.
    readers: FxHashMap<(u32, u32), (u32, u64)>,
    /// Keys and values that were written more than once.
    repeated: BTreeSet<(u32, u32)>,
    state: Vec<u32>,
    incoming: Vec<u32>,
    ready: BTreeSet<u32>,
    order: Vec<u32>,
    log: Vec<Undo>,
}

/// Looks for a serial order of the transactions that took effect, which goes along the edges of a graph.
pub(super) fn search(
    history: &TransactionHistory,
    writers: &Writers,
    required: &[bool],
    graph: &Graph,
    bounds: &Bounds<'_>,
) -> Found {
    let mut search = Search::new(history, writers, required, graph);
    let count = required.iter().filter(|required| **required).count();
    let (mut steps, mut choices) = (0u64, Vec::new());
    loop {
        steps += 1 + search.place_forced();
        if search.order.len() == count {
            return Found::Order(search.order.into_iter().map(OpId).collect());
        }
        let mut candidates = search.candidates(history);
        steps += 1 + search.ready.len() as u64;
        while candidates.is_empty() {
            let Some(Choice { others, undo }) = choices.pop() else { return Found::Nothing };
            search.undo(undo);
            candidates = others;
        }
        let next = candidates.pop().expect("not empty");
        choices.push(Choice { others: candidates, undo: search.log.len() });
        search.place(next);
        let stop = || steps % STEPS_BETWEEN < 64 && (bounds.should_stop)();
        if steps > bounds.steps_max || stop() {
            return Found::Undecided;
        }
    }
}

impl<'s> Search<'s> {
    fn new(history: &TransactionHistory, writers: &Writers, required: &'s [bool], graph: &'s Graph) -> Self {
        let mut search = Self {
            graph,
            touches: Vec::new(),
            first: vec![0],
            required,
            readers: FxHashMap::default(),
            repeated: writers.repeated().collect(),
            state: vec![NIL; history.keys()],
            incoming: vec![0; graph.nodes() as usize],
            ready: BTreeSet::new(),
            order: Vec::new(),
            log: Vec::new(),
        };
        let mut externals = Externals::new(history);
        for id in 0..history.count() {
            if required[id as usize] {
                for access in externals.of(id) {
                    let committed = history.status(id) == Status::Ok;
                    let reads = access.outside.filter(|_| committed);
                    let reads = reads.map_or(NOTHING, |shown| shown.first().copied().unwrap_or(NIL));
                    let last = writes_to(history, id, access.key).next_back();
                    let writes = last.map_or(NOTHING, |at| written(history, at));
                    search.touches.push(Touch { key: access.key, reads, writes });
                    if reads != NOTHING {
                        let readers = search.readers.entry((access.key, reads)).or_default();
                        *readers = (readers.0 + 1, readers.1.max(history.stored(id).invoked));
                    }
                }
            }
            search.first.push(u32::try_from(search.touches.len()).expect("fewer than steps"));
        }
        for node in 0..graph.nodes() {
            for target in graph.targets(node) {
                search.incoming[*target as usize] += 1;
            }
        }
        let free: Vec<u32> = (0..graph.nodes()).filter(|node| search.incoming[*node as usize] == 0).collect();
        search.enable(free);
        search.log.clear();
        search
    }

    fn touches(&self, id: u32) -> &[Touch] {
        &self.touches[self.first[id as usize] as usize..self.first[id as usize + 1] as usize]
    }

    /// Nodes to which all edges are used up: transactions are ready, helpers lead on.
    fn enable(&mut self, mut nodes: Vec<u32>) {
        while let Some(node) = nodes.pop() {
            if let Some(required) = self.required.get(node as usize) {
                if *required {
                    self.ready.insert(node);
                    self.log.push(Undo::Ready(node));
                }
                continue;
            }
            self.leave(node, &mut nodes);
        }
    }

    /// Uses up the edges out of a node; what they were the last to lead to is added.
    fn leave(&mut self, node: u32, nodes: &mut Vec<u32>) {
        for target in self.graph.targets(node) {
            let left = &mut self.incoming[*target as usize];
            *left -= 1;
            self.log.push(Undo::Edge(*target));
            if *left == 0 {
                nodes.push(*target);
            }
        }
    }

    /// Whether a transaction reads the current state, and overwrites nothing that others have to read.
    fn fits(&self, id: u32) -> bool {
        self.touches(id).iter().all(|touch| {
            let current = self.state[touch.key as usize];
            let reads = touch.reads != NOTHING;
            if reads && touch.reads != current {
                return false;
            }
            if touch.writes == NOTHING || self.repeated.contains(&(touch.key, current)) {
                return true;
            }
            let waiting = self.readers.get(&(touch.key, current)).map_or(0, |(waiting, _)| *waiting);
            waiting == u32::from(reads)
        })
    }

    /// Whether nothing is lost if a transaction that fits is placed at once.
    fn is_forced(&self, id: u32) -> bool {
        self.touches(id).iter().all(|touch| {
            let once = !self.repeated.contains(&(touch.key, touch.reads));
            touch.writes == NOTHING || (touch.reads != NOTHING && once)
        })
    }

    /// Places what can be placed at once; tells how many were looked at.
    fn place_forced(&mut self) -> u64 {
        let mut looked_at = 0;
        loop {
            looked_at += self.ready.len() as u64;
            let forced = self.ready.iter().copied().find(|id| self.fits(*id) && self.is_forced(*id));
            match forced {
                Some(id) => self.place(id),
                None => return looked_at,
            }
        }
    }

    /// The transactions that may come next, the best last.
    fn candidates(&self, history: &TransactionHistory) -> Vec<u32> {
        let last_reader = |id: u32| {
            let written = self.touches(id).iter().filter(|touch| touch.writes != NOTHING);
            let readers = written.filter_map(|touch| self.readers.get(&(touch.key, touch.writes)));
            readers.map(|(_, invoked)| *invoked).fold(history.stored(id).invoked, u64::max)
        };
        let fitting = self.ready.iter().copied().filter(|id| self.fits(*id));
        let mut candidates: Vec<(u64, u32)> = fitting.map(|id| (last_reader(id), id)).collect();
        candidates.sort_unstable_by(|one, other| other.cmp(one));
        candidates.into_iter().map(|(_, id)| id).collect()
    }

    fn place(&mut self, id: u32) {
        self.ready.remove(&id);
        self.order.push(id);
        self.log.push(Undo::Placed(id));
        for at in self.first[id as usize]..self.first[id as usize + 1] {
            let Touch { key, reads, writes } = self.touches[at as usize];
            if reads != NOTHING {
                self.readers.entry((key, reads)).or_default().0 -= 1;
                self.log.push(Undo::Read(key, reads));
            }
            if writes != NOTHING {
                let old = std::mem::replace(&mut self.state[key as usize], writes);
                self.log.push(Undo::Value(key, old));
            }
        }
        let mut nodes = Vec::new();
        self.leave(id, &mut nodes);
        self.enable(nodes);
    }

    /// Undoes everything since the log had this length.
    fn undo(&mut self, length: usize) {
        while self.log.len() > length {
            match self.log.pop().expect("longer than that") {
                Undo::Value(key, old) => self.state[key as usize] = old,
                Undo::Read(key, value) => self.readers.entry((key, value)).or_default().0 += 1,
                Undo::Edge(node) => self.incoming[node as usize] += 1,
                Undo::Ready(id) => {
                    self.ready.remove(&id);
                }
                Undo::Placed(id) => {
                    assert_eq!(self.order.pop(), Some(id), "undone in reverse");
                    self.ready.insert(id);
                }
            }
        }
    }
}

/// Whether an indeterminate transaction may have been seen without anybody being able to tell.
pub(super) fn hidden(history: &TransactionHistory, writers: &Writers, required: &[bool]) -> bool {
    let open =
        (0..history.count()).filter(|id| history.status(*id) == Status::Info && !required[*id as usize]);
    let mut steps = open.flat_map(|id| history.micros(id));
    steps.any(|micro| match history.step(*micro) {
        super::history::Step::Write(value) => writers.of(micro.key, value) == Writer::Several,
        _ => false,
    })
}
