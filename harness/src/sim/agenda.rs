//! What is due when, per host: datagrams to hand to the wire, timers, syncs, nodes to wake or start.
//!
//! Things due at the same instant happen in the order in which they were planned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use squall_cluster::node::Micros;

use crate::nemesis::Endpoint;

/// Something that happens at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Item {
    /// A datagram leaves for the host of a node.
    Datagram { to: Endpoint, bytes: Vec<u8> },
    /// A timer runs out.
    Timer { place: Endpoint, number: u64 },
    /// A sync ends.
    Sync { place: Endpoint, incarnation: u64 },
    /// A node is no longer busy.
    Wake(Endpoint),
    /// A node that stopped by itself starts again.
    Reboot(Endpoint),
}

/// Planned items of every host. Servers have a host each; all clients share the last one.
#[derive(Debug)]
pub(crate) struct Agenda {
    hosts: Vec<BinaryHeap<Reverse<(Micros, u64, Item)>>>,
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
        self.planned += 1;
        self.hosts[self.current].push(Reverse((due, self.planned, item)));
    }

    /// The next item of `host` that is due at `now`.
    pub(crate) fn pop(&mut self, host: usize, now: Micros) -> Option<Item> {
        if !self.is_due(host, now) {
            return None;
        }
        self.hosts[host].pop().map(|Reverse((_, _, item))| item)
    }

    /// Whether something of `host` is due at `now`.
    pub(crate) fn is_due(&self, host: usize, now: Micros) -> bool {
        self.hosts[host].peek().is_some_and(|Reverse((due, _, _))| *due <= now)
    }
}
