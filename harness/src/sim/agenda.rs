//! What is due when, per host: datagrams to hand to the wire, timers, syncs, nodes to wake or start.
//!
//! Things due at the same instant happen in the order in which they were planned.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use squall_cluster::node::Micros;

use crate::nemesis::Endpoint;

use super::frame::Datagram;

/// Something that happens at a time.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// A datagram leaves for the host of a node.
    Datagram { to: Endpoint, datagram: Datagram },
    /// A timer runs out, or was armed again and will run out later.
    Timer { place: Endpoint, number: u64 },
    /// A sync ends.
    Sync { place: Endpoint, incarnation: u64 },
    /// A node is no longer busy.
    Wake(Endpoint),
    /// A node that stopped by itself starts again.
    Reboot(Endpoint),
}

/// A place in the order of what happens: the time, then the number of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    pub(crate) due: Micros,
    planned: u64,
}

/// An item in its place.
#[derive(Debug)]
struct Planned {
    turn: Turn,
    item: Item,
}

impl Ord for Planned {
    /// A heap gives its greatest first, which here is the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.turn.cmp(&self.turn)
    }
}

impl PartialOrd for Planned {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Planned {
    fn eq(&self, other: &Self) -> bool {
        self.turn == other.turn
    }
}

impl Eq for Planned {}

/// Planned items of every host. Servers have a host each; all clients share the last one.
#[derive(Debug)]
pub(crate) struct Agenda {
    hosts: Vec<BinaryHeap<Planned>>,
    current: usize,
    planned: u64,
}

impl Agenda {
    pub(crate) fn new(hosts: usize) -> Self {
        assert!(hosts > 0, "a world has hosts");
        Self { hosts: (0..hosts).map(|_| BinaryHeap::new()).collect(), current: 0, planned: 0 }
    }

    /// Turns to the host whose node acts next: what that node plans is planned there.
    pub(crate) fn turn_to(&mut self, host: usize) {
        assert!(host < self.hosts.len(), "host {host} does not exist");
        self.current = host;
    }

    /// Plans an item on the current host.
    pub(crate) fn push(&mut self, due: Micros, item: Item) {
        let turn = self.turn(due);
        self.push_at(turn, item);
    }

    /// Takes the next place in the order at a time, for an item that may never need it.
    pub(crate) fn turn(&mut self, due: Micros) -> Turn {
        self.planned += 1;
        Turn { due, planned: self.planned }
    }

    /// Plans an item on the current host, in a place that was taken before.
    pub(crate) fn push_at(&mut self, turn: Turn, item: Item) {
        assert!(turn.planned <= self.planned, "a place is taken before it is used");
        self.hosts[self.current].push(Planned { turn, item });
    }

    /// The next item of `host` that is due at `now`; turns to that host.
    pub(crate) fn pop(&mut self, host: usize, now: Micros) -> Option<Item> {
        if !self.is_due(host, now) {
            return None;
        }
        self.turn_to(host);
        self.hosts[host].pop().map(|planned| planned.item)
    }

    /// Whether something of `host` is due at `now`.
    pub(crate) fn is_due(&self, host: usize, now: Micros) -> bool {
        self.hosts[host].peek().is_some_and(|planned| planned.turn.due <= now)
    }
}
