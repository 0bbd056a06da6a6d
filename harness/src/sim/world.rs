//! The simulated world of the built-in cluster: servers, clients, the network between them, their disks and clocks.
//!
//! Shared by every simulator: it is told what arrives and what time it is, and says what is due; *when* it is asked is
//! the simulator's business. Every random decision is keyed, every event goes into the digest.

use std::collections::BTreeMap;
use std::rc::Rc;

use siphasher::sip128::SipHasher13;
use squall_cluster::app::Operation;
use squall_cluster::client::{ClientAnswer, ClientConfig, ClientNode};
use squall_cluster::event::Event;
use squall_cluster::invariants::{Breach, Monitors};
use squall_cluster::message::Message;
use squall_cluster::node::{Input, Micros, Node, NodeId, Output};
use squall_cluster::replica::ServerView;
use squall_cluster::sharded::configuration::Groups;
use squall_workloads::Decide;
use std::hash::Hasher;
use tokio::sync::oneshot;

use crate::nemesis::{DiskLoss, Endpoint, FaultId, Moment, Surface};

use super::agenda::{Agenda, Item, Place};
use super::clock::Clock;
use super::coverage::Watcher;
use super::disk::Disk;
use super::frame::{self, Datagram, Frame, Sent};
use super::milestone::milestone;
use super::network::{Latency, Network};
use super::operator::Operator;
use super::slot::{Slot, Surroundings};
use super::tally::Tally;
use super::traps::Traps;

/// Breaches kept; the first one tells the story.
const BREACHES_MAX: usize = 16;
/// Messages and events kept in a full recording.
pub(super) const TRACE_ENTRIES_MAX: usize = 400_000;
/// Node events kept.
pub(super) const EVENTS_MAX: usize = 100_000;
/// Bytes of a simulated disk.
const DISK_BYTES: usize = 64 << 20;
/// What an event is to the digest.
const NOTE_BYTES: usize = 17;
/// Events that wait for the digest, at most.
const NOTES_MAX: usize = 64;
/// How often the abstract state of the cluster is looked at.
const LOOK_EVERY: Micros = Micros::from_millis(10);

/// What a server of the built-in cluster is to the world.
pub(crate) trait Server: Node<Message = Message, Event = Event> + ServerView {}
impl<N: Node<Message = Message, Event = Event> + ServerView> Server for N {}

/// What distinguishes one world from another.
#[derive(Clone, Debug)]
pub(crate) struct Terrain {
    pub(crate) latency: Latency,
    pub(crate) sync_ms: (u64, u64),
    pub(crate) decide: Decide,
    /// Whether to keep every message and event.
    pub(crate) trace: bool,
    /// Whether datagrams travel as bytes, over a wire that is not the world's.
    pub(crate) wired: bool,
}

/// A server before its first start: its address, its configuration, and what its disk holds.
pub(crate) type NewServer<N> = (NodeId, <N as Node>::Config, Vec<<N as Node>::Record>);

/// Something that happened to a node, for history and report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEvent {
    /// Simulated time.
    pub time: Micros,
    /// The server, from 0.
    pub server: usize,
    /// `boot`, `crash`, `pause`, `resume`, `disk-failed`, or the kind of a protocol event.
    pub kind: &'static str,
    /// Ballot, incarnation and the like, in words.
    pub detail: String,
}

/// A line of a full recording.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TraceEntry {
    /// Simulated microseconds.
    pub time: u64,
    /// `send`, `receive`, `drop`, `event`.
    pub what: &'static str,
    /// The node concerned.
    pub node: String,
    /// What was sent or happened.
    pub detail: String,
}

pub(crate) struct World<N: Server> {
    pub(super) now: Micros,
    pub(super) terrain: Terrain,
    pub(super) network: Network,
    pub(super) agenda: Agenda,
    pub(super) servers: Vec<Slot<N>>,
    pub(super) clients: Vec<Slot<ClientNode>>,
    pub(super) operator: Option<Operator>,
    pub(super) waiting: Vec<Option<oneshot::Sender<ClientAnswer>>>,
    pub(super) monitors: Monitors,
    pub(super) breaches: Vec<(Micros, Breach)>,
    pub(super) events: Vec<NodeEvent>,
    pub(super) messages: Tally,
    /// Where datagrams are put together; it holds the one that was sent last.
    buffer: Vec<u8>,
    last_sent: Option<Datagram>,
    pub(super) bites: Vec<FaultId>,
    pub(super) effective: BTreeMap<FaultId, u64>,
    /// Servers on which, and between which, no fault acts now.
    sheltered: Vec<usize>,
    pub(super) traps: Traps,
    pub(super) watcher: Watcher,
    pub(super) digest: SipHasher13,
    /// Events that are not in the digest yet: several at once take half the time.
    pub(super) notes: Vec<u8>,
    pub(super) trace: Vec<TraceEntry>,
}

impl<N: Server> std::fmt::Debug for World<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now)
            .field("servers", &self.servers.len())
            .finish_non_exhaustive()
    }
}

macro_rules! around {
    ($world:expr) => {
        Surroundings {
            now: $world.now,
            decide: &$world.terrain.decide,
            agenda: &mut $world.agenda,
            sync_ms: $world.terrain.sync_ms,
            bites: &mut $world.bites,
            traps: &mut $world.traps,
        }
    };
}

impl<N: Server> World<N> {
    /// A world of servers that have not been started. `identity` is what each disk holds before the first start.
    pub(crate) fn new(
        terrain: Terrain,
        servers: Vec<NewServer<N>>,
        clients: Vec<ClientConfig>,
        operator: Option<(ClientConfig, Groups)>,
        monitors: Monitors,
    ) -> Self {
        let waiting = clients.iter().map(|_| None).collect::<Vec<_>>();
        let (operating, groups) = operator.unzip();
        let operator = groups.map(|groups| Operator::new(clients.len(), groups));
        let clients: Vec<ClientConfig> = clients.into_iter().chain(operating).collect();
        let network = Network::new(servers.len(), clients.len(), terrain.latency);
        let place = |(index, (id, config, identity)): (usize, NewServer<N>)| {
            let mut slot = Slot::new(id, Endpoint::Server(index), config, Disk::new(DISK_BYTES));
            slot.clock = Clock::of_server(id, &terrain.decide);
            slot.provision(&identity);
            slot
        };
        let servers: Vec<_> = servers.into_iter().enumerate().map(place).collect();
        let clients: Vec<_> = clients
            .into_iter()
            .enumerate()
            .map(|(index, config)| Slot::new(config.id, Endpoint::Client(index), config, Disk::new(0)))
            .collect();
        Self {
            now: Micros(0),
            agenda: Agenda::new(servers.len() + 1),
            network,
            servers,
            clients,
            operator,
            waiting,
            monitors,
            breaches: Vec::new(),
            events: Vec::new(),
            messages: Tally::default(),
            buffer: Vec::new(),
            last_sent: None,
            bites: Vec::new(),
            effective: BTreeMap::new(),
            sheltered: Vec::new(),
            traps: Traps::default(),
            watcher: Watcher::default(),
            digest: SipHasher13::new_with_keys(terrain.decide.key, 0),
            notes: Vec::with_capacity(NOTES_MAX * NOTE_BYTES),
            trace: Vec::new(),
            terrain,
        }
    }

    /// Moves simulated time; it never goes backwards.
    pub(crate) fn set_now(&mut self, now: Micros) {
        assert!(now >= self.now, "simulated time never goes backwards");
        self.now = now;
        for bite in self.bites.drain(..) {
            *self.effective.entry(bite).or_default() += 1;
        }
        self.shelter();
        if !self.traps.is_empty() {
            let servers: Vec<_> = self.traps.roles().into_iter().map(|role| self.locate(role)).collect();
            self.traps.watch(&servers);
        }
        if self.now.0.is_multiple_of(LOOK_EVERY.0) {
            self.look();
        }
    }

    /// Lifts every fault from servers that the model shelters, and lets the faults act again once it no longer does
    /// and all that they wrote meanwhile is durable.
    fn shelter(&mut self) {
        let mut sheltered = N::sheltered(self.servers.iter().map(|slot| slot.node.as_ref()));
        // Most modes shelter nobody, ever. (Comparing two empty lists takes a tenth of a microsecond: they have no
        // memory, and the processor is slow to find that it need not read any.)
        if sheltered.is_empty() && self.sheltered.is_empty() {
            return;
        }
        if sheltered.is_empty() && self.sheltered.iter().any(|index| !self.servers[*index].is_durable()) {
            sheltered.clone_from(&self.sheltered);
        }
        if sheltered == self.sheltered {
            return;
        }
        for index in 0..self.servers.len() {
            let slot = &mut self.servers[index];
            let is_new = sheltered.contains(&index) && !slot.sheltered;
            slot.sheltered = sheltered.contains(&index);
            slot.set_disk_flags();
            if is_new && !slot.paused.is_empty() {
                self.agenda.turn_to(index);
                self.agenda.push(self.now, Item::Wake(Endpoint::Server(index).into()));
            }
        }
        self.sheltered = sheltered;
    }

    /// Whether no fault acts on this link now.
    fn is_sheltered(&self, from: Endpoint, to: Endpoint) -> bool {
        let is_in =
            |place: Endpoint| matches!(place, Endpoint::Server(index) if self.sheltered.contains(&index));
        is_in(from) && is_in(to)
    }

    /// The nodes that run, in order.
    pub(super) fn running(&self) -> Vec<Option<&N>> {
        self.servers.iter().map(|slot| slot.node.as_ref()).collect()
    }

    /// The host on which all clients live.
    pub(crate) fn client_host(&self) -> usize {
        self.servers.len()
    }

    fn host_of(&self, place: Endpoint) -> usize {
        match place {
            Endpoint::Server(index) => index,
            Endpoint::Client(_) => self.client_host(),
        }
    }

    /// Whether something of `host` is due.
    pub(crate) fn is_due(&self, host: usize) -> bool {
        self.agenda.is_due(host, self.now)
    }

    /// Does everything of `host` that is due; hands the wire each datagram that leaves, with the host it goes to.
    pub(crate) fn advance(&mut self, host: usize, wire: &mut impl FnMut(usize, Datagram)) {
        while let Some(item) = self.agenda.pop(host, self.now) {
            match item {
                Item::Datagram { host, datagram } => wire(host as usize, datagram),
                Item::Timer { place, number } => self.timer_due(place, number),
                Item::Sync { place, incarnation } => self.sync_due(place, incarnation),
                Item::Wake(place) => self.wake(place),
                Item::Reboot(place) => self.reboot(place),
            }
        }
    }

    /// A datagram arrived.
    pub(crate) fn receive(&mut self, datagram: Datagram) {
        match Rc::unwrap_or_clone(datagram) {
            Sent::Bytes(bytes) => self.receive_bytes(&bytes),
            Sent::Whole { frame, checksum } => self.arrive(frame, checksum),
        }
    }

    /// A datagram arrived from a wire.
    pub(crate) fn receive_bytes(&mut self, bytes: &[u8]) {
        match frame::decode(bytes) {
            Some(frame) => self.arrive(frame, frame::checksum(bytes)),
            None => self.note(4, u64::from(frame::checksum(bytes))),
        }
    }

    fn arrive(&mut self, frame: Frame, checksum: u32) {
        let (Some(from), Some(to)) = (self.endpoint(frame.from), self.endpoint(frame.to)) else { return };
        self.note(5, u64::from(frame.to.0) << 32 | u64::from(checksum));
        let cut = if self.is_sheltered(from, to) { None } else { self.network.cut_by(from, to) };
        if let Some(cut) = cut {
            self.bites.push(cut);
            self.drop_message(&frame.message);
            self.record("drop", frame.to, || {
                format!("{} from {}: cut in flight by fault {cut}", frame.message.kind(), frame.from)
            });
            return;
        }
        self.record("receive", frame.to, || format!("from {}: {:?}", frame.from, frame.message));
        let host = self.host_of(to);
        self.agenda.turn_to(host);
        let (from, message) = (frame.from, frame.message);
        match to {
            Endpoint::Server(index) => {
                if self.servers[index].node.is_none() {
                    self.drop_message(&message);
                }
                let outputs = self.servers[index].feed(Input::Message { from, message }, &mut around!(self));
                self.server_outputs(index, outputs);
            }
            Endpoint::Client(index) => {
                let outputs = self.clients[index].feed(Input::Message { from, message }, &mut around!(self));
                self.client_outputs(index, outputs);
            }
        }
    }

    /// Counts a message that reached nobody.
    fn drop_message(&mut self, message: &Message) {
        let kind = self.messages.kind(message.kind());
        self.messages.of(kind).dropped += 1;
    }

    fn timer_due(&mut self, place: Place, number: u64) {
        match place.into() {
            Endpoint::Server(index) => {
                let Some(timer) = self.servers[index].timer_due(number, &mut self.agenda) else { return };
                self.note(1, (index as u64) << 32 | number);
                let outputs = self.servers[index].feed(Input::Timer(timer), &mut around!(self));
                self.server_outputs(index, outputs);
            }
            Endpoint::Client(index) => {
                let Some(timer) = self.clients[index].timer_due(number, &mut self.agenda) else { return };
                let outputs = self.clients[index].feed(Input::Timer(timer), &mut around!(self));
                self.client_outputs(index, outputs);
            }
        }
    }

    fn sync_due(&mut self, place: Place, incarnation: u64) {
        let Endpoint::Server(index) = place.into() else { unreachable!("clients have no disk") };
        self.note(2, index as u64);
        let failures = self.servers[index].disk_failures;
        let outputs = self.servers[index].sync_due(incarnation, &mut around!(self));
        self.after_step(index, failures);
        self.server_outputs(index, outputs);
    }

    fn wake(&mut self, place: Place) {
        match place.into() {
            Endpoint::Server(index) => {
                let outputs = self.servers[index].wake(&mut around!(self));
                self.server_outputs(index, outputs);
            }
            Endpoint::Client(index) => {
                let outputs = self.clients[index].wake(&mut around!(self));
                self.client_outputs(index, outputs);
            }
        }
    }

    fn after_step(&mut self, index: usize, failures_before: u64) {
        if self.servers[index].disk_failures > failures_before {
            self.node_event(index, "disk-failed", "a write or sync failed: stopped".into());
        }
    }

    fn server_outputs(&mut self, index: usize, mut outputs: Vec<Output<N>>) {
        let (id, incarnation) = (self.servers[index].id, self.servers[index].incarnation);
        for output in outputs.drain(..) {
            match output {
                Output::Send { to, message } => self.send(Frame { from: id, to, incarnation, message }),
                Output::Answer(_) => unreachable!("servers are not invoked"),
                Output::Event(event) => self.observe(index, &event),
            }
        }
        self.servers[index].reuse(outputs);
    }

    fn client_outputs(&mut self, index: usize, outputs: Vec<Output<ClientNode>>) {
        let (id, incarnation) = (self.clients[index].id, self.clients[index].incarnation);
        for output in outputs {
            match output {
                Output::Send { to, message } => self.send(Frame { from: id, to, incarnation, message }),
                Output::Answer(answer) if self.is_operator(index) => self.operator_answered(&answer),
                Output::Answer(answer) => {
                    if let Some(waiting) = self.waiting[index].take() {
                        // The one who asked may be gone: a client that crashed.
                        let _ = waiting.send(answer);
                    }
                }
                Output::Event(_) => {}
            }
        }
    }

    fn send(&mut self, frame: Frame) {
        let (Some(source), Some(target)) = (self.endpoint(frame.from), self.endpoint(frame.to)) else {
            return;
        };
        let kind = self.messages.kind(frame.message.kind());
        self.put_together(&frame);
        let faulty = !self.is_sheltered(source, target);
        let now_ms = self.now.0 / 1_000;
        let fate = self.network.decide(&self.terrain.decide, (source, target), kind, now_ms, faulty);
        let counts = self.messages.of(kind);
        counts.sent += 1;
        counts.bytes += self.buffer.len() as u64;
        counts.dropped += u64::from(fate.arrivals().next().is_none());
        counts.delayed += u64::from(fate.delayed);
        counts.duplicated += u64::from(fate.arrivals().nth(1).is_some());
        self.bites.extend(&fate.causes);
        self.record("send", frame.from, || {
            let arrivals: Vec<u64> = fate.arrivals().map(|arrival| arrival.after_ms).collect();
            let (to, causes) = (frame.to, &fate.causes);
            format!("to {to}, arriving after {arrivals:?} ms, faults {causes:?}: {:?}", frame.message)
        });
        let bytes = &self.buffer;
        let intact = Rc::new(if self.terrain.wired {
            Sent::Bytes(bytes.clone())
        } else {
            Sent::Whole { frame, checksum: frame::checksum(bytes) }
        });
        if !self.terrain.wired {
            self.last_sent = Some(Rc::clone(&intact));
        }
        let host = u32::try_from(self.host_of(target)).expect("few hosts");
        for arrival in fate.arrivals() {
            let datagram = match arrival.corrupt {
                Some(bit) => Rc::new(Sent::Bytes(damaged(bytes, bit))),
                None => Rc::clone(&intact),
            };
            // The wire itself takes one millisecond.
            let due = Micros(self.now.0 + Micros::from_millis(arrival.after_ms - 1).0);
            self.agenda.push(due, Item::Datagram { host, datagram });
        }
    }

    /// Writes a datagram into the buffer. Much is said to several servers in a row: then only the address is new.
    fn put_together(&mut self, frame: &Frame) {
        match self.last_sent.as_deref() {
            Some(Sent::Whole { frame: last, .. }) if last.says_the_same_as(frame) => {
                frame.address(&mut self.buffer);
            }
            _ => frame.encode_into(&mut self.buffer),
        }
    }

    fn observe(&mut self, index: usize, event: &Event) {
        let observed = self.monitors.observe(self.servers[index].id, event);
        if let Err(breach) = observed
            && self.breaches.len() < BREACHES_MAX
        {
            self.breaches.push((self.now, breach));
        }
        if !self.traps.is_empty() {
            self.traps.meet(index, Moment::After, event.kind());
        }
        self.watcher.event(event.kind());
        if let Some(detail) = milestone(event) {
            self.node_event(index, event.kind(), detail);
        }
        let id = self.servers[index].id;
        self.record("event", id, || format!("{event:?}"));
    }

    pub(super) fn node_event(&mut self, server: usize, kind: &'static str, detail: String) {
        if self.events.len() >= EVENTS_MAX {
            return;
        }
        self.events.push(NodeEvent { time: self.now, server, kind, detail });
    }

    fn record(&mut self, what: &'static str, node: NodeId, detail: impl FnOnce() -> String) {
        if self.terrain.trace && self.trace.len() < TRACE_ENTRIES_MAX {
            let entry = TraceEntry { time: self.now.0, what, node: node.to_string(), detail: detail() };
            self.trace.push(entry);
        }
    }

    /// Adds an event to the digest.
    pub(crate) fn note(&mut self, what: u8, detail: u64) {
        let mut bytes = [what; NOTE_BYTES];
        bytes[1..9].copy_from_slice(&self.now.0.to_le_bytes());
        bytes[9..].copy_from_slice(&detail.to_le_bytes());
        self.notes.extend_from_slice(&bytes);
        if self.notes.len() >= NOTES_MAX * NOTE_BYTES {
            self.digest.write(&self.notes);
            self.notes.clear();
        }
    }

    fn endpoint(&self, id: NodeId) -> Option<Endpoint> {
        if id.is_client() {
            let index = (id.0 - NodeId::FIRST_CLIENT) as usize;
            (index < self.clients.len()).then_some(Endpoint::Client(index))
        } else {
            let index = (id.0 as usize).checked_sub(1)?;
            (index < self.servers.len()).then_some(Endpoint::Server(index))
        }
    }

    fn reboot(&mut self, place: Place) {
        match place.into() {
            Endpoint::Server(index) => self.start(index),
            Endpoint::Client(_) => unreachable!("clients have no disk that fails"),
        }
    }

    /// Starts a server that is down; nothing if it runs.
    pub(crate) fn start(&mut self, index: usize) {
        if self.servers[index].node.is_some() {
            return;
        }
        self.agenda.turn_to(index);
        let outputs = self.servers[index].boot(&mut around!(self));
        let incarnation = self.servers[index].incarnation;
        self.note(6, (index as u64) << 32 | incarnation);
        self.node_event(index, "boot", format!("incarnation {incarnation}"));
        self.server_outputs(index, outputs);
        self.found();
    }

    /// Replaces a client by a new one under a new configuration (client id).
    pub(crate) fn connect(&mut self, index: usize, config: ClientConfig) {
        let slot = &mut self.clients[index];
        slot.crash(DiskLoss::Nothing, &self.terrain.decide);
        slot.config = config;
        self.waiting[index] = None;
        self.boot_client(index);
    }

    pub(super) fn boot_client(&mut self, index: usize) {
        self.agenda.turn_to(self.servers.len());
        let outputs = self.clients[index].boot(&mut around!(self));
        self.client_outputs(index, outputs);
    }

    pub(super) fn feed_client(&mut self, index: usize, input: Input<ClientNode>) {
        self.agenda.turn_to(self.servers.len());
        let outputs = self.clients[index].feed(input, &mut around!(self));
        self.client_outputs(index, outputs);
    }

    /// Hands a client an operation; the answer comes through the channel.
    pub(crate) fn invoke(&mut self, index: usize, operation: Operation) -> oneshot::Receiver<ClientAnswer> {
        let (sender, receiver) = oneshot::channel();
        self.waiting[index] = Some(sender);
        self.feed_client(index, Input::Invoke(operation));
        receiver
    }
}

/// A datagram with one bit flipped.
fn damaged(bytes: &[u8], bit: u64) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let bit = usize::try_from(bit % (bytes.len() as u64 * 8)).expect("a bit of the datagram");
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}
