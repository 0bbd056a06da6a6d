//! Cycles of dependencies: which kinds there are, and a short one of each strongly connected component.
//!
//! Adya's phenomena are cycles by the kinds of their edges; snapshot isolation allows exactly those in which two reads
//! of what was overwritten are adjacent (Cerone and Gotsman, "Analysing Snapshot Isolation", PODC 2016), which are
//! the ones that vanish when every node is doubled by how it was reached. Whether a kind occurs is decided exactly, in
//! linear time; the shortest cycle is looked for from the nodes with the longest way back first, and within a bound.

use std::collections::VecDeque;

use super::graph::{Edges, Graph, Part, label};
use super::level::{Anomaly, Level, Levels, Tier};

/// Edges that searches for shortest cycles look at, at most, for one component; the first search has no bound.
const EDGES_MAX: usize = 20_000_000;

const RW: u16 = label::RW | label::RW_BY_TIME;
const TIERS: [Tier; 3] = [Tier::Dependencies, Tier::Process, Tier::RealTime];

/// One step of a cycle, from transaction to transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) label: u16,
}

/// The tiers that a level looks at.
fn tiers(level: Level) -> &'static [Tier] {
    match level {
        Level::StrictSerializable => &TIERS,
        Level::StrongSessionSerializable => &TIERS[..2],
        _ => &TIERS[..1],
    }
}

/// The edges of a tier beside those of reads and writes.
fn beside(tier: Tier) -> u16 {
    label::ON
        | match tier {
            Tier::Dependencies => 0,
            Tier::Process => label::PROCESS,
            Tier::RealTime => label::PROCESS | label::REAL_TIME | label::WW_BY_TIME,
        }
}

/// All edges of a tier.
pub(super) fn mask(tier: Tier) -> u16 {
    let by_time = if tier == Tier::RealTime { label::RW_BY_TIME } else { 0 };
    beside(tier) | label::WW | label::WR | label::RW | label::WW_BY_SNAPSHOT | by_time
}

/// All edges that a level looks at.
pub(super) fn mask_of(level: Level) -> u16 {
    mask(*tiers(level).last().expect("every level has dependencies"))
}

/// The edges of a tier without reads of what was overwritten.
fn without_rw(tier: Tier) -> u16 {
    // Levels of sessions and real time imply snapshots.
    let by_snapshot = if tier == Tier::Dependencies { 0 } else { label::WW_BY_SNAPSHOT };
    beside(tier) | label::WW | label::WR | by_snapshot
}

/// Marks every level that a cycle breaks.
pub(super) fn mark(part: &Part, levels: &mut Levels) {
    // Cycles of fewer kinds of edges lie in the components of more.
    let mut wider = Vec::new();
    for tier in TIERS.into_iter().rev() {
        let components: Vec<Part> = match wider.as_slice() {
            [] => part.components(mask(tier)),
            wider => wider.iter().flat_map(|part: &Part| part.components(mask(tier))).collect(),
        };
        if components.is_empty() {
            return;
        }
        levels.broken_by(Anomaly::G2Item(tier));
        if tier == Tier::Dependencies {
            let any = |mask: u16| components.iter().any(|component| !component.components(mask).is_empty());
            if any(without_rw(tier) & !label::WR) {
                levels.broken_by(Anomaly::G0(tier));
            }
            if any(without_rw(tier)) {
                levels.broken_by(Anomaly::G1c(tier));
            }
            if components.iter().any(|component| !nonadjacent(component).is_empty()) {
                levels.broken_by(Anomaly::GNonadjacent(tier));
            }
        }
        wider = components;
    }
}

/// The weakest anomaly of a component that breaks a level, with its cycle as short as was found.
pub(super) fn witness(component: &Part, transactions: u32, level: Level) -> Option<(Anomaly, Vec<Hop>)> {
    let search = |parts: &[Part], walk| Search::shortest(parts, transactions, walk);
    for tier in tiers(level).iter().copied() {
        let whole = component.components(mask(tier));
        let plain =
            [(Anomaly::G0(tier), without_rw(tier) & !label::WR), (Anomaly::G1c(tier), without_rw(tier))];
        for (anomaly, mask) in plain.into_iter().filter(|(anomaly, _)| anomaly.breaks(level)) {
            let parts: Vec<Part> = whole.iter().flat_map(|part| part.components(mask)).collect();
            if let Some(cycle) = search(&parts, Walk::Any) {
                return Some((anomaly, cycle));
            }
        }
        let walks = [
            (Anomaly::GSingle(tier), Walk::OneReadOfOverwritten),
            (Anomaly::GNonadjacent(tier), Walk::Nonadjacent),
            (Anomaly::G2Item(tier), Walk::Any),
        ];
        for (anomaly, walk) in walks.into_iter().filter(|(anomaly, _)| anomaly.breaks(level)) {
            if let Some(cycle) = search(&whole, walk) {
                return Some((anomaly, cycle));
            }
        }
    }
    None
}

/// The nodes of a component, each doubled by whether it was reached by a read of what was overwritten, without edges
/// that would make two of these adjacent: what is left of its cycles.
fn nonadjacent(component: &Part) -> Vec<Part> {
    let mut edges = Edges::default();
    for from in 0..component.graph.nodes() {
        for (to, label) in component.graph.edges(from) {
            if label & RW != 0 {
                edges.push(2 * from, 2 * to + 1, label);
            } else {
                let kept = u32::from(label == label::ON);
                edges.push(2 * from, 2 * to, label);
                edges.push(2 * from + 1, 2 * to + kept, label);
            }
        }
    }
    Part::whole(Graph::new(2 * component.graph.nodes(), &edges, u16::MAX)).components(u16::MAX)
}

/// Which walks through a component count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walk {
    /// All.
    Any,
    /// Those whose first edge is a read of what was overwritten, and no other.
    OneReadOfOverwritten,
    /// Those without two adjacent reads of what was overwritten.
    Nonadjacent,
}

impl Walk {
    /// The flag of a node reached by an edge from one with this flag; `None` if the walk may not go there.
    fn step(self, flag: u32, label: u16) -> Option<u32> {
        if label == label::ON {
            return Some(flag);
        }
        let overwritten = label & RW != 0;
        match self {
            Self::Any => Some(0),
            Self::OneReadOfOverwritten => (overwritten == (flag == 0)).then_some(1),
            Self::Nonadjacent => (!overwritten || flag == 0).then_some(u32::from(overwritten)),
        }
    }

    /// The flag with which a walk that closes arrives where it began.
    fn closed(self) -> u32 {
        u32::from(self == Self::OneReadOfOverwritten)
    }
}

/// Breadth-first searches through one component. A step into a helper costs nothing.
struct Search<'p> {
    part: &'p Part,
    transactions: u32,
    walk: Walk,
    /// By node and flag: the distance, and the node, flag and edge it was reached from.
    distances: Vec<u32>,
    parents: Vec<(u32, u16)>,
    touched: Vec<u32>,
    looked_at: usize,
}

const FAR: u32 = u32::MAX;

impl<'p> Search<'p> {
    /// A shortest cycle of these components, within bounds.
    fn shortest(parts: &'p [Part], transactions: u32, walk: Walk) -> Option<Vec<Hop>> {
        let mut best: Option<Vec<Hop>> = None;
        for part in parts {
            let states = 2 * part.graph.nodes() as usize;
            let mut search = Self {
                part,
                transactions,
                walk,
                distances: vec![FAR; states],
                parents: vec![(0, 0); states],
                touched: Vec::new(),
                looked_at: 0,
            };
            for start in search.starts() {
                let shorter_than = best.as_ref().map_or(FAR, |best| u32::try_from(best.len()).unwrap_or(FAR));
                let done = search.looked_at >= EDGES_MAX;
                if done || shorter_than <= 2 {
                    break;
                }
                best = search.from(start, shorter_than).or(best);
            }
        }
        best
    }

    fn is_transaction(&self, node: u32) -> bool {
        self.part.names[node as usize] < self.transactions
    }

    /// Transactions that walks may start from, the one with the longest way back first: it must go through what lies
    /// between, and so is likely to close a short cycle.
    fn starts(&self) -> Vec<u32> {
        let graph = &self.part.graph;
        let name = |node: u32| self.part.names[node as usize];
        let reached = |to: u32| {
            if self.is_transaction(to) {
                Some(name(to))
            } else {
                graph.targets(to).iter().map(|to| name(*to)).min()
            }
        };
        let way_back = |node: u32| {
            let counts = |label: u16| match self.walk {
                Walk::OneReadOfOverwritten => label & RW != 0,
                Walk::Any | Walk::Nonadjacent => label != label::REAL_TIME,
            };
            let edges = graph.edges(node).filter(|(_, label)| counts(*label));
            edges.filter_map(|(to, _)| reached(to)).map(|to| i64::from(name(node)) - i64::from(to)).max()
        };
        let on_cycles = (self.walk == Walk::Nonadjacent).then(|| {
            let mut on_cycles = vec![false; graph.nodes() as usize];
            for part in nonadjacent(self.part) {
                for state in part.names.iter().filter(|state| **state % 2 == 0) {
                    on_cycles[*state as usize / 2] = true;
                }
            }
            on_cycles
        });
        let counts = |node: &u32| {
            self.is_transaction(*node) && on_cycles.as_ref().is_none_or(|on_cycles| on_cycles[*node as usize])
        };
        let mut starts: Vec<(i64, u32)> =
            (0..graph.nodes()).filter(counts).filter_map(|node| Some((way_back(node)?, node))).collect();
        starts.sort_unstable_by_key(|(way_back, node)| (-way_back, *node));
        starts.into_iter().map(|(_, node)| node).collect()
    }

    /// The shortest closed walk from a node, if it is shorter than this.
    fn from(&mut self, start: u32, shorter_than: u32) -> Option<Vec<Hop>> {
        for state in self.touched.drain(..) {
            self.distances[state as usize] = FAR;
        }
        let mut agenda = VecDeque::from([2 * start]);
        self.distances[2 * start as usize] = 0;
        self.touched.push(2 * start);
        while let Some(state) = agenda.pop_front() {
            let (node, flag, distance) = (state / 2, state % 2, self.distances[state as usize]);
            if distance + 1 >= shorter_than {
                return None;
            }
            for (to, label) in self.part.graph.edges(node) {
                self.looked_at += 1;
                let Some(flag) = self.walk.step(flag, label) else { continue };
                if to == start && flag == self.walk.closed() {
                    return Some(self.hops(state, start, label));
                }
                let into_helper = !self.is_transaction(to);
                let (next, far) = (2 * to + flag, distance + u32::from(!into_helper));
                if self.distances[next as usize] <= far {
                    continue;
                }
                if self.distances[next as usize] == FAR {
                    self.touched.push(next);
                }
                (self.distances[next as usize], self.parents[next as usize]) = (far, (state, label));
                if into_helper {
                    agenda.push_front(next);
                } else {
                    agenda.push_back(next);
                }
            }
        }
        None
    }

    /// The walk to `last` and back to the start, without its helpers.
    fn hops(&self, last: u32, start: u32, label: u16) -> Vec<Hop> {
        let mut path = vec![(start, label)];
        let mut state = last;
        while state != 2 * start {
            let (parent, label) = self.parents[state as usize];
            path.push((state / 2, label));
            state = parent;
        }
        path.reverse();
        let mut hops = Vec::new();
        let (mut from, mut kind) = (start, label::ON);
        for (node, label) in path {
            // The edge into a helper says what the way through it means.
            kind = if label == label::ON { kind } else { label };
            if self.is_transaction(node) {
                hops.push(Hop {
                    from: self.part.names[from as usize],
                    to: self.part.names[node as usize],
                    label: kind,
                });
                from = node;
            }
        }
        simple(hops, self.walk)
    }
}

/// A walk may come through a transaction twice; one of its two halves is a walk of the same kind.
fn simple(mut hops: Vec<Hop>, walk: Walk) -> Vec<Hop> {
    let closes = |hops: &[Hop]| match walk {
        Walk::Any | Walk::OneReadOfOverwritten => true,
        Walk::Nonadjacent => {
            let rw = |hop: &Hop| hop.label & RW != 0;
            let after = hops.iter().cycle().skip(1);
            !hops.iter().zip(after).any(|(one, next)| rw(one) && rw(next)) && hops.len() > 1
        }
    };
    'again: loop {
        for first in 0..hops.len() {
            for second in first + 1..hops.len() {
                if hops[first].from == hops[second].from {
                    let inner = hops[first..second].to_vec();
                    let outer = [&hops[..first], &hops[second..]].concat();
                    hops = if closes(&inner) { inner } else { outer };
                    assert!(closes(&hops), "one half is a walk of the same kind");
                    continue 'again;
                }
            }
        }
        return hops;
    }
}
