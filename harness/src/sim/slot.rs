//! The place of one node in the simulated world: its state, clock, disk, timers and held outputs.
//!
//! Keeps the node contract: outputs leave in step order, and only once the records of their step and of every earlier
//! one are durable. Time moves through the agenda of the world; a slot never looks at a real clock.

use std::collections::VecDeque;

use squall_cluster::encoding::encode_onto;
use squall_cluster::node::{Effects, Input, Micros, Node, NodeId, Output, Stored, TimerChange, Write};
use squall_workloads::Decide;

use crate::nemesis::{DiskFault, DiskLoss, Endpoint, FaultId, Moment};

use super::agenda::{Agenda, Item};
use super::clock::Clock;
use super::disk::{Disk, DiskFailed, DiskFaults};
use super::timers::Timers;
use super::traps::{Announced, Traps};

/// Inputs that wait for a paused or busy node, at most; a real socket's buffer overflows too.
const INBOX_MAX: usize = 4_096;
/// How long a node that stopped because its disk failed stays down.
const REBOOT_AFTER: Micros = Micros::from_millis(700);

/// What a slot needs of the world in order to take a step.
#[derive(Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) now: Micros,
    pub(crate) decide: &'a Decide,
    pub(crate) agenda: &'a mut Agenda,
    /// How long a sync takes, in milliseconds.
    pub(crate) sync_ms: (u64, u64),
    /// Faults that changed the time or outcome of something.
    pub(crate) bites: &'a mut Vec<FaultId>,
    /// Triggers in wait.
    pub(crate) traps: &'a mut Traps,
}

#[derive(Clone, Debug)]
struct Held<N: Node> {
    /// Leaves once this many writes are durable.
    writes: u64,
    outputs: Vec<Output<N>>,
    /// Whether triggers have seen that it may leave.
    is_announced: bool,
}

/// A node and everything the world keeps for it.
#[derive(Clone, Debug)]
pub(crate) struct Slot<N: Node> {
    pub(crate) id: NodeId,
    place: Endpoint,
    pub(crate) config: N::Config,
    pub(crate) node: Option<N>,
    pub(crate) incarnation: u64,
    pub(crate) disk: Disk,
    /// Where records are encoded.
    scratch: Vec<u8>,
    pub(crate) clock: Clock,
    timers: Timers<N::Timer>,
    inbox: VecDeque<Input<N>>,
    pub(crate) paused: Vec<FaultId>,
    /// Whether no fault acts on it now, whatever stands.
    pub(crate) sheltered: bool,
    /// The fault at whose trigger it was stopped: it stands still until the nemesis has acted.
    pub(crate) caught: Option<FaultId>,
    /// Simulated CPU time per input, and who is to blame.
    pub(crate) slow: Vec<(FaultId, Micros)>,
    /// Extra milliseconds per sync, and who is to blame.
    pub(crate) slow_sync: Vec<(FaultId, u64)>,
    /// Standing faults of the disk.
    pub(crate) disk_faults: Vec<(FaultId, DiskFault)>,
    /// The fault that brought it down.
    pub(crate) down_by: Option<FaultId>,
    busy_until: Micros,
    held: VecDeque<Held<N>>,
    /// Empty lists, of which the next step makes use.
    spare: Effects<N>,
    writes: u64,
    durable: u64,
    /// How many writes the running sync covers.
    syncing: Option<u64>,
    /// Inputs that were dropped because the inbox was full.
    pub(crate) overflowed: u64,
    /// Writes and syncs that failed.
    pub(crate) disk_failures: u64,
}

impl<N: Node<Event: Announced>> Slot<N> {
    /// A slot whose node has not been started. `place` is its place in the agenda.
    pub(crate) fn new(id: NodeId, place: Endpoint, config: N::Config, disk: Disk) -> Self {
        Self {
            id,
            place,
            config,
            node: None,
            incarnation: 0,
            disk,
            scratch: Vec::new(),
            clock: Clock::default(),
            timers: Timers::new(),
            inbox: VecDeque::new(),
            paused: Vec::new(),
            sheltered: false,
            caught: None,
            slow: Vec::new(),
            slow_sync: Vec::new(),
            disk_faults: Vec::new(),
            down_by: None,
            busy_until: Micros(0),
            held: VecDeque::new(),
            spare: Effects::new(),
            writes: 0,
            durable: 0,
            syncing: None,
            overflowed: 0,
            disk_failures: 0,
        }
    }

    /// Provisions the disk before the first start.
    pub(crate) fn provision(&mut self, records: &[N::Record]) {
        assert_eq!(self.incarnation, 0, "a disk is provisioned once, before the first start");
        for record in records {
            self.disk.append(&encode(record)).expect("an empty disk holds its identity");
        }
        if !records.is_empty() {
            self.disk.sync().expect("an empty disk can be synced");
        }
    }

    /// Starts the node from what the disk holds; returns what it lets out.
    pub(crate) fn boot(&mut self, around: &mut Surroundings<'_>) -> Vec<Output<N>> {
        assert!(self.node.is_none(), "{} is already running", self.id);
        self.incarnation += 1;
        self.down_by = None;
        self.busy_until = around.now;
        let stored: Vec<Stored<N::Record>> = self.disk.open().into_iter().map(decode).collect();
        let mut effects = Effects::new();
        self.node = Some(N::boot(&self.config, self.incarnation, &stored, &mut effects));
        self.apply(effects, around)
    }

    /// Takes the node down. What its disk keeps of the unsynced part is decided by (node, incarnation).
    pub(crate) fn crash(&mut self, loss: DiskLoss, decide: &Decide) {
        self.node = None;
        self.timers.clear();
        self.inbox.clear();
        self.held.clear();
        self.caught = None;
        self.writes = 0;
        self.durable = 0;
        self.syncing = None;
        let mut draw = decide.at("crash", &[u64::from(self.id.0), self.incarnation]);
        self.disk.crash(loss, |choices| draw.below(choices));
    }

    /// Hands the node an input, or keeps it while the node is paused or busy.
    pub(crate) fn feed(&mut self, input: Input<N>, around: &mut Surroundings<'_>) -> Vec<Output<N>> {
        if self.node.is_none() {
            around.bites.extend(self.down_by);
            return Vec::new();
        }
        if !self.is_free() || around.now < self.busy_until {
            around.bites.extend(self.paused.first().or(self.slow.first().map(|(fault, _)| fault)));
            if self.inbox.len() < INBOX_MAX {
                self.inbox.push_back(input);
            } else {
                self.overflowed += 1;
            }
            return Vec::new();
        }
        self.step(input, around)
    }

    /// Goes on with what waited, after a pause or when the node is no longer busy.
    pub(crate) fn wake(&mut self, around: &mut Surroundings<'_>) -> Vec<Output<N>> {
        if self.node.is_none() || !self.is_free() {
            return Vec::new();
        }
        let mut outputs = self.release(around);
        while around.now >= self.busy_until && self.is_free() {
            let Some(input) = self.inbox.pop_front() else { break };
            outputs.extend(self.step(input, around));
            if self.node.is_none() {
                break;
            }
        }
        outputs
    }

    fn step(&mut self, input: Input<N>, around: &mut Surroundings<'_>) -> Vec<Output<N>> {
        let cost: u64 = self.slow.iter().filter(|_| !self.sheltered).map(|(_, cost)| cost.0).sum();
        if cost > 0 {
            self.busy_until = Micros(around.now.0 + cost);
            around.agenda.push(self.busy_until, Item::Wake(self.place.into()));
        }
        let own = self.clock.own(around.now);
        let mut effects = std::mem::take(&mut self.spare);
        self.node.as_mut().expect("only running nodes step").on(&self.config, own, input, &mut effects);
        self.apply(effects, around)
    }

    /// Gives back a list of outputs that have left.
    pub(crate) fn reuse(&mut self, mut outputs: Vec<Output<N>>) {
        outputs.clear();
        if outputs.capacity() > self.spare.outputs.capacity() {
            self.spare.outputs = outputs;
        }
    }

    /// Makes the disk behave as the standing faults say.
    pub(crate) fn set_disk_flags(&mut self) {
        let stands =
            |kind: DiskFault| !self.sheltered && self.disk_faults.iter().any(|(_, fault)| *fault == kind);
        self.disk.set_faults(DiskFaults {
            lies: stands(DiskFault::LyingSync),
            full: stands(DiskFault::Full),
            sync_fails: stands(DiskFault::FailedSync),
        });
    }

    /// A timer of the agenda ran out; `None` if it was disarmed or armed again since.
    pub(crate) fn timer_due(&mut self, number: u64, agenda: &mut Agenda) -> Option<N::Timer> {
        self.timers.due(number, self.place, agenda)
    }

    /// A sync of the agenda ended. `incarnation` is the one that started it.
    pub(crate) fn sync_due(&mut self, incarnation: u64, around: &mut Surroundings<'_>) -> Vec<Output<N>> {
        if self.node.is_none() || incarnation != self.incarnation {
            return Vec::new();
        }
        let covers = self.syncing.take().expect("a sync that ends was started");
        if self.disk.sync().is_err() {
            self.fail(around);
            return Vec::new();
        }
        self.durable = covers;
        self.start_sync(around);
        if self.is_paused() { Vec::new() } else { self.release(around) }
    }

    fn is_paused(&self) -> bool {
        !self.sheltered && !self.paused.is_empty()
    }

    /// Whether all that it has written is durable.
    pub(crate) fn is_durable(&self) -> bool {
        self.durable == self.writes
    }

    /// Whether nothing makes it stand still.
    fn is_free(&self) -> bool {
        !self.is_paused() && self.caught.is_none()
    }

    fn release(&mut self, around: &mut Surroundings<'_>) -> Vec<Output<N>> {
        let mut outputs = Vec::new();
        while self.caught.is_none() && self.held.front().is_some_and(|held| held.writes <= self.durable) {
            let held = self.held.front_mut().expect("just seen");
            if !std::mem::replace(&mut held.is_announced, true) {
                self.caught = meet(self.place, Moment::BeforeSend, &held.outputs, around);
                if self.caught.is_some() {
                    break;
                }
            }
            let mut next = self.held.pop_front().expect("just seen").outputs;
            if outputs.is_empty() {
                outputs = next;
            } else {
                outputs.append(&mut next);
            }
        }
        outputs
    }

    fn apply(&mut self, effects: Effects<N>, around: &mut Surroundings<'_>) -> Vec<Output<N>> {
        let Effects { mut writes, outputs, mut timers } = effects;
        for change in timers.drain(..) {
            self.change_timer(change, around);
        }
        self.spare.timers = timers;
        for write in writes.drain(..) {
            self.writes += 1;
            let done = match &write {
                Write::Append(record) => {
                    self.scratch.clear();
                    encode_onto(record, &mut self.scratch);
                    self.disk.append(&self.scratch)
                }
                Write::Replace(records) => {
                    let records: Vec<_> = records.iter().map(encode).collect();
                    self.disk.replace(&records)
                }
            };
            if done == Err(DiskFailed) {
                self.fail(around);
                return Vec::new();
            }
        }
        self.spare.writes = writes;
        self.start_sync(around);
        let waits_for_nothing = self.is_durable() && self.held.is_empty() && self.caught.is_none();
        if waits_for_nothing && around.traps.is_empty() {
            return outputs;
        }
        if !outputs.is_empty() {
            if self.durable < self.writes {
                self.caught = self.caught.or(meet(self.place, Moment::BeforeSync, &outputs, around));
            }
            self.held.push_back(Held { writes: self.writes, outputs, is_announced: false });
        }
        self.release(around)
    }

    fn start_sync(&mut self, around: &mut Surroundings<'_>) {
        if self.syncing.is_some() || self.durable == self.writes {
            return;
        }
        let mut draw = around.decide.at("sync", &[u64::from(self.id.0), self.incarnation, around.now.0]);
        let (min, max) = around.sync_ms;
        let slow_sync = self.slow_sync.iter().filter(|_| !self.sheltered);
        let extra: u64 = slow_sync.clone().map(|(_, extra)| extra).sum();
        around.bites.extend(slow_sync.map(|(fault, _)| *fault));
        let due = Micros(around.now.0 + Micros::from_millis(draw.range(min..=max) + extra).0);
        self.syncing = Some(self.writes);
        around.agenda.push(due, Item::Sync { place: self.place.into(), incarnation: self.incarnation });
    }

    fn change_timer(&mut self, change: TimerChange<N::Timer>, around: &mut Surroundings<'_>) {
        match change {
            TimerChange::Cancel(timer) => self.timers.cancel(timer),
            TimerChange::Arm(timer, range) => {
                let (shortest, longest) = (range.start().0, range.end().0);
                let own = Micros(if shortest == longest {
                    shortest
                } else {
                    let point = [u64::from(self.id.0), around.now.0, hash_of(timer)];
                    around.decide.at("timer", &point).range(shortest..=longest)
                });
                let span = self.clock.simulated_span(own);
                if span != own {
                    around.bites.extend(self.clock.changed_by());
                }
                self.timers.arm(timer, Micros(around.now.0 + span.0), self.place, around.agenda);
            }
        }
    }

    /// Stops the node because its disk failed. Whoever made the disk fail starts it again; if nobody did (the disk
    /// reached its capacity), it starts by itself, after a while.
    fn fail(&mut self, around: &mut Surroundings<'_>) {
        self.disk_failures += 1;
        self.crash(DiskLoss::Unsynced, around.decide);
        if let Some((fault, _)) = self.disk_faults.first() {
            around.bites.push(*fault);
            self.down_by = Some(*fault);
            return;
        }
        around.agenda.push(Micros(around.now.0 + REBOOT_AFTER.0), Item::Reboot(self.place.into()));
    }
}

/// Tells the traps which events have come to this moment; the fault at whose trigger the server stands still.
fn meet<N: Node<Event: Announced>>(
    place: Endpoint,
    moment: Moment,
    outputs: &[Output<N>],
    around: &mut Surroundings<'_>,
) -> Option<FaultId> {
    let Endpoint::Server(server) = place else { return None };
    if around.traps.is_empty() {
        return None;
    }
    let mut caught = None;
    for output in outputs {
        if let Output::Event(event) = output {
            caught = caught.or(around.traps.meet(server, moment, event.kind()));
        }
    }
    caught
}

/// A timer's name as a number that is the same in every process.
fn hash_of<T: std::hash::Hash>(timer: T) -> u64 {
    use std::hash::Hasher;
    let mut hasher = siphasher::sip::SipHasher13::new();
    timer.hash(&mut hasher);
    hasher.finish()
}

fn encode<R: serde::Serialize>(record: &R) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_onto(record, &mut bytes);
    bytes
}

fn decode<R: serde::de::DeserializeOwned>(stored: Stored<Vec<u8>>) -> Stored<R> {
    let record = stored.record.and_then(|bytes| postcard::from_bytes(&bytes).ok());
    let intact = stored.intact && record.is_some();
    Stored { record, intact }
}
