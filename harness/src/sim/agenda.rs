//! What is due when, per host: datagrams to hand to the wire, timers, syncs, nodes to wake or start.
//!
//! Things due at the same instant happen in the order in which they were planned.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use squall_cluster::node::Micros;

use crate::nemesis::Endpoint;

use super::frame::Datagram;

/// No time at all.
const NEVER: Micros = Micros(u64::MAX);

/// Something that happens at a time.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// A datagram leaves for a host.
    Datagram { host: u32, datagram: Datagram },
    /// A timer runs out, or was armed again and will run out later.
    Timer { place: Place, number: u64 },
    /// A sync ends.
    Sync { place: Place, incarnation: u64 },
    /// A node is no longer busy.
    Wake(Place),
    /// A node that stopped by itself starts again.
    Reboot(Place),
}

/// Where a node is, in half the memory: what waits in an agenda is moved about a lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u32);

impl Place {
    /// Clients are counted from here.
    const FIRST_CLIENT: u32 = 1 << 16;
}

impl From<Endpoint> for Place {
    fn from(endpoint: Endpoint) -> Self {
        let number = |index: usize| u32::try_from(index).expect("few nodes");
        match endpoint {
            Endpoint::Server(index) => Self(number(index)),
            Endpoint::Client(index) => Self(Self::FIRST_CLIENT + number(index)),
        }
    }
}

impl From<Place> for Endpoint {
    fn from(Place(number): Place) -> Self {
        match number.checked_sub(Place::FIRST_CLIENT) {
            Some(client) => Self::Client(client as usize),
            None => Self::Server(number as usize),
        }
    }
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
    /// Per host, when the first item is due: asked for in every step.
    soonest: Vec<Micros>,
    current: usize,
    planned: u64,
}

impl Agenda {
    pub(crate) fn new(hosts: usize) -> Self {
        assert!(hosts > 0, "a world has hosts");
        let soonest = vec![NEVER; hosts];
        Self { hosts: (0..hosts).map(|_| BinaryHeap::new()).collect(), soonest, current: 0, planned: 0 }
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
        let soonest = &mut self.soonest[self.current];
        *soonest = turn.due.min(*soonest);
        self.hosts[self.current].push(Planned { turn, item });
    }

    /// The next item of `host` that is due at `now`; turns to that host.
    pub(crate) fn pop(&mut self, host: usize, now: Micros) -> Option<Item> {
        if !self.is_due(host, now) {
            return None;
        }
        self.turn_to(host);
        let items = &mut self.hosts[host];
        let item = items.pop().map(|planned| planned.item);
        self.soonest[host] = items.peek().map_or(NEVER, |planned| planned.turn.due);
        item
    }

    /// Whether something of `host` is due at `now`.
    pub(crate) fn is_due(&self, host: usize, now: Micros) -> bool {
        self.soonest[host] <= now
    }
}
