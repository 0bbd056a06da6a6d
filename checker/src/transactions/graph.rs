//! Dependency graphs of millions of nodes: compressed rows, a topological order, and the parts that hold cycles.
//!
//! Nodes are transactions and, behind them, helpers that stand for "everybody after this point", which keep the edges
//! of real time and of free orders linear in number. Nothing recurses. Petgraph finds the strongly connected
//! components, on what a topological sort from both ends leaves over; its own containers want edges sorted and
//! without parallels, or chase pointers, so the rows are ours and only lend themselves to it.

use petgraph::Direction;
use petgraph::visit::{
    GraphBase, GraphRef, IntoNeighbors, IntoNeighborsDirected, IntoNodeIdentifiers, NodeIndexable, VisitMap,
    Visitable,
};

/// Kinds of edges, as bits.
pub(super) mod label {
    /// The first wrote a version, the second a later one.
    pub(crate) const WW: u16 = 1;
    /// The second read what the first wrote.
    pub(crate) const WR: u16 = 2;
    /// The second overwrote what the first read.
    pub(crate) const RW: u16 = 4;
    /// The same process issued them in this order.
    pub(crate) const PROCESS: u16 = 8;
    /// The first finished before the second began.
    pub(crate) const REAL_TIME: u16 = 16;
    /// Out of a helper: of the kind of the edge that led into it.
    pub(crate) const ON: u16 = 32;
    /// Version orders that hold only where the order of writes follows real time.
    pub(crate) const WW_BY_TIME: u16 = 64;
    /// The same for reads of what was overwritten.
    pub(crate) const RW_BY_TIME: u16 = 128;
    /// Version orders that hold under snapshot isolation and above: the first read what stood there and wrote, so
    /// that no other write of the second's kind can have come between.
    pub(crate) const WW_BY_SNAPSHOT: u16 = 256;
}

/// Edges in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Edges {
    list: Vec<(u32, u32, u16)>,
}

impl Edges {
    /// An edge, unless it leads back to where it begins.
    pub(super) fn push(&mut self, from: u32, to: u32, label: u16) {
        debug_assert!(label.is_power_of_two(), "one kind of edge");
        if from != to {
            self.list.push((from, to, label));
        }
    }
}

/// A directed graph in compressed rows.
#[derive(Debug, Default)]
pub(super) struct Graph {
    offsets: Vec<u32>,
    targets: Vec<u32>,
    labels: Vec<u16>,
}

impl Graph {
    /// The graph of so many nodes with those of these edges that the mask allows.
    pub(super) fn new(nodes: u32, edges: &Edges, mask: u16) -> Self {
        let edges = || edges.list.iter().filter(|(_, _, label)| label & mask != 0);
        Self::from_edges(nodes as usize, || edges().copied())
    }

    fn from_edges<I: Iterator<Item = (u32, u32, u16)>>(nodes: usize, edges: impl Fn() -> I) -> Self {
        let mut offsets = vec![0u32; nodes + 1];
        for (from, ..) in edges() {
            offsets[from as usize + 1] += 1;
        }
        for node in 0..nodes {
            offsets[node + 1] =
                offsets[node + 1].checked_add(offsets[node]).expect("a few edges per step of a transaction");
        }
        let count = offsets[nodes] as usize;
        let (mut targets, mut labels) = (vec![0u32; count], vec![0u16; count]);
        let mut next = offsets.clone();
        for (from, to, label) in edges() {
            let at = &mut next[from as usize];
            (targets[*at as usize], labels[*at as usize]) = (to, label);
            *at += 1;
        }
        Self { offsets, targets, labels }
    }

    pub(super) fn nodes(&self) -> u32 {
        u32::try_from(self.offsets.len() - 1).expect("nodes are numbered in 32 bits")
    }

    fn row(&self, node: u32) -> std::ops::Range<usize> {
        self.offsets[node as usize] as usize..self.offsets[node as usize + 1] as usize
    }

    /// Where the edges of a node lead.
    pub(super) fn targets(&self, node: u32) -> &[u32] {
        &self.targets[self.row(node)]
    }

    /// The edges of a node: where they lead, and of which kind they are.
    pub(super) fn edges(&self, node: u32) -> impl Iterator<Item = (u32, u16)> + '_ {
        self.row(node).map(|at| (self.targets[at], self.labels[at]))
    }

    fn all_edges(&self) -> impl Iterator<Item = (u32, u32, u16)> + '_ {
        (0..self.nodes()).flat_map(|from| self.edges(from).map(move |(to, label)| (from, to, label)))
    }

    fn transposed(&self) -> Self {
        Self::from_edges(self.nodes() as usize, || {
            self.all_edges().map(|(from, to, label)| (to, from, label))
        })
    }

    /// Nodes one after the other, each after everything that leads to it over edges that the mask allows (Kahn 1962).
    /// Those in cycles, and behind cycles, are missing.
    pub(super) fn sorted(&self, mask: u16) -> Vec<u32> {
        let nodes = self.nodes();
        let mut incoming = vec![0u32; nodes as usize];
        for (target, label) in self.targets.iter().zip(&self.labels) {
            incoming[*target as usize] += u32::from(label & mask != 0);
        }
        let mut order = Vec::with_capacity(nodes as usize);
        order.extend((0..nodes).filter(|node| incoming[*node as usize] == 0));
        let mut at = 0;
        while let Some(node) = order.get(at).copied() {
            at += 1;
            for (target, _) in self.edges(node).filter(|(_, label)| label & mask != 0) {
                let left = &mut incoming[target as usize];
                *left -= 1;
                if *left == 0 {
                    order.push(target);
                }
            }
        }
        order
    }

    /// The nodes that a topological sort does not reach.
    fn unsorted(&self, mask: u16) -> Vec<u32> {
        let mut reached = vec![false; self.nodes() as usize];
        for node in self.sorted(mask) {
            reached[node as usize] = true;
        }
        (0..self.nodes()).filter(|node| !reached[*node as usize]).collect()
    }
}

/// No node of a part.
const GONE: u32 = u32::MAX;

/// A part of a larger graph, with its nodes numbered anew.
#[derive(Debug)]
pub(super) struct Part {
    /// The graph of the part.
    pub(super) graph: Graph,
    /// What its nodes are called in the whole, in ascending order.
    pub(super) names: Vec<u32>,
}

impl Part {
    /// The whole.
    pub(super) fn whole(graph: Graph) -> Self {
        let names = (0..graph.nodes()).collect();
        Self { graph, names }
    }

    /// What is left if only these nodes (ascending) and only edges that the mask allows stay.
    pub(super) fn restricted(&self, kept: &[u32], mask: u16) -> Self {
        let renamed = self.renamed(&[kept]);
        self.renamed_part(kept, mask, |node| renamed[node as usize])
    }

    /// The same for each of several disjoint parts.
    fn split(&self, parts: &[Vec<u32>], mask: u16) -> Vec<Self> {
        let renamed = self.renamed(parts);
        let mut part_of = vec![GONE; self.graph.nodes() as usize];
        for (number, part) in (0u32..).zip(parts) {
            part.iter().for_each(|node| part_of[*node as usize] = number);
        }
        let (renamed, part_of) = (&renamed, &part_of);
        let part = |(number, kept): (u32, &Vec<u32>)| {
            let name =
                |node: u32| if part_of[node as usize] == number { renamed[node as usize] } else { GONE };
            self.renamed_part(kept, mask, name)
        };
        (0u32..).zip(parts).map(part).collect()
    }

    /// The new name of each node, counted part by part; [`GONE`] in none.
    fn renamed(&self, parts: &[impl AsRef<[u32]>]) -> Vec<u32> {
        let mut renamed = vec![GONE; self.graph.nodes() as usize];
        for part in parts {
            debug_assert!(part.as_ref().is_sorted());
            for (name, node) in (0u32..).zip(part.as_ref()) {
                renamed[*node as usize] = name;
            }
        }
        renamed
    }

    fn renamed_part(&self, kept: &[u32], mask: u16, name: impl Fn(u32) -> u32) -> Self {
        let name = &name;
        let edges = || {
            (0u32..).zip(kept).flat_map(|(from_name, from)| {
                let edges = self.graph.edges(*from).filter(|(_, label)| label & mask != 0);
                let edges = edges.map(|(to, label)| (name(to), label)).filter(|(to, _)| *to != GONE);
                edges.map(move |(to, label)| (from_name, to, label))
            })
        };
        Self {
            graph: Graph::from_edges(kept.len(), edges),
            names: kept.iter().map(|node| self.names[*node as usize]).collect(),
        }
    }

    /// Its strongly connected components of more than one node, over the edges that the mask allows; in the order
    /// of their first nodes. Every cycle lies in one of them.
    pub(super) fn components(&self, mask: u16) -> Vec<Self> {
        let unsorted = self.graph.unsorted(mask);
        if unsorted.is_empty() {
            return Vec::new();
        }
        let ahead = self.restricted(&unsorted, mask);
        let backward = ahead.graph.transposed();
        let core = ahead.restricted(&backward.unsorted(mask), mask);
        drop((ahead, backward));
        let backward = core.graph.transposed();
        let both = Both { forward: &core.graph, backward: &backward };
        let mut components: Vec<Vec<u32>> =
            petgraph::algo::kosaraju_scc(both).into_iter().filter(|nodes| nodes.len() > 1).collect();
        for nodes in &mut components {
            nodes.sort_unstable();
        }
        components.sort_unstable_by_key(|nodes| nodes[0]);
        core.split(&components, mask)
    }
}

/// A graph and its transpose, as petgraph's algorithms walk them.
#[derive(Clone, Copy)]
struct Both<'g> {
    forward: &'g Graph,
    backward: &'g Graph,
}

/// Which nodes were visited.
struct Visited(Vec<bool>);

impl VisitMap<u32> for Visited {
    fn visit(&mut self, node: u32) -> bool {
        !std::mem::replace(&mut self.0[node as usize], true)
    }

    fn is_visited(&self, node: &u32) -> bool {
        self.0[*node as usize]
    }

    fn unvisit(&mut self, node: u32) -> bool {
        std::mem::replace(&mut self.0[node as usize], false)
    }
}

impl GraphBase for Both<'_> {
    type EdgeId = u32;
    type NodeId = u32;
}

impl GraphRef for Both<'_> {}

impl Visitable for Both<'_> {
    type Map = Visited;

    fn visit_map(&self) -> Visited {
        Visited(vec![false; self.forward.nodes() as usize])
    }

    fn reset_map(&self, map: &mut Visited) {
        map.0.fill(false);
    }
}

impl NodeIndexable for Both<'_> {
    fn node_bound(&self) -> usize {
        self.forward.nodes() as usize
    }

    fn to_index(&self, node: u32) -> usize {
        node as usize
    }

    fn from_index(&self, index: usize) -> u32 {
        u32::try_from(index).expect("nodes are numbered in 32 bits")
    }
}

impl IntoNodeIdentifiers for Both<'_> {
    type NodeIdentifiers = std::ops::Range<u32>;

    fn node_identifiers(self) -> Self::NodeIdentifiers {
        0..self.forward.nodes()
    }
}

impl<'g> IntoNeighbors for Both<'g> {
    type Neighbors = std::iter::Copied<std::slice::Iter<'g, u32>>;

    fn neighbors(self, node: u32) -> Self::Neighbors {
        self.forward.targets(node).iter().copied()
    }
}

impl<'g> IntoNeighborsDirected for Both<'g> {
    type NeighborsDirected = std::iter::Copied<std::slice::Iter<'g, u32>>;

    fn neighbors_directed(self, node: u32, direction: Direction) -> Self::NeighborsDirected {
        match direction {
            Direction::Outgoing => self.forward.targets(node).iter().copied(),
            Direction::Incoming => self.backward.targets(node).iter().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: u32, list: &[(u32, u32)]) -> Graph {
        let mut edges = Edges::default();
        for (from, to) in list {
            edges.push(*from, *to, label::WW);
        }
        Graph::new(nodes, &edges, label::WW)
    }

    #[test]
    fn an_order_puts_everything_after_what_leads_to_it() {
        let sorted = graph(5, &[(3, 1), (1, 0), (3, 0), (0, 4)]).sorted(label::WW);
        assert_eq!(sorted, [2, 3, 1, 0, 4]);
        assert_eq!(
            graph(4, &[(0, 1), (1, 2), (2, 1), (2, 3)]).sorted(label::WW),
            [0],
            "what lies behind a cycle is missing"
        );
    }

    #[test]
    fn components_are_found_without_recursion_and_named_as_in_the_whole() {
        let mut list = vec![(2, 3), (3, 2), (3, 5)];
        let last = 300_000;
        list.extend((5..last).map(|node| (node, node + 1)));
        list.push((last, 6));
        let components = Part::whole(graph(last + 1, &list)).components(label::WW);
        assert_eq!(components.len(), 2);
        assert_eq!(components[0].names, [2, 3]);
        assert_eq!((components[1].names[0], components[1].names.len()), (6, last as usize - 5));
        assert!(Part::whole(graph(last + 1, &list)).components(label::WR).is_empty(), "the mask counts");
    }

    #[test]
    fn so_many_components_take_no_longer_than_one() {
        let pairs = 100_000;
        let pair = |at: u32| {
            // Every other one leads to the next, and some to an earlier one.
            let next = if at % 4 == 3 { at - 2 } else { at + 1 };
            let leads = (at.is_multiple_of(2) || at % 4 == 3).then_some((2 * at, 2 * next));
            [(2 * at, 2 * at + 1), (2 * at + 1, 2 * at)].into_iter().chain(leads)
        };
        let list: Vec<(u32, u32)> = (0..pairs).flat_map(pair).collect();
        let components = Part::whole(graph(2 * pairs + 1, &list)).components(label::WW);
        assert_eq!(components.len(), pairs as usize);
        for (component, at) in components.iter().zip(0..) {
            assert_eq!(component.names, [2 * at, 2 * at + 1]);
            assert_eq!(
                (component.graph.targets(0), component.graph.targets(1)),
                ([1].as_slice(), [0].as_slice())
            );
        }
    }
}
