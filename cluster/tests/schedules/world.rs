//! The simulated world of one schedule: a queue of timed events, a lossy network, disks with an unsynced part.
//!
//! It hosts the nodes by their contract: outputs wait until the writes of their step and of every earlier one are
//! durable; a crash keeps a prefix of the pending writes and none of the held outputs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use squall_cluster::app::Operation;
use squall_cluster::client::{ClientAnswer, ClientConfig, ClientNode, ClientTimer, client_identity};
use squall_cluster::digest::mix;
use squall_cluster::invariants::{Breach, Monitor};
use squall_cluster::message::Message;
use squall_cluster::node::{Effects, Input, Micros, Node, NodeId, Output, Stored, TimerChange, Write};
use squall_cluster::paxos::{Ballot, Entry, Slot};
use squall_cluster::replica::{
    Replica, ReplicaConfig, ReplicaRecord, ReplicaTimer, ServerView, identity_records,
};
use squall_cluster::session::{ClientId, Request};

use crate::clients::{Book, Complaint};
use crate::plan::{Figures, Plan};

/// How a schedule went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Breach(Breach),
    Client(Complaint),
    NoRecovery(String),
    Diverged(String),
    Panic,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Breach(breach) => write!(f, "monitor {breach}"),
            Self::Client(complaint) => write!(f, "client: {complaint}"),
            Self::NoRecovery(text) => write!(f, "no recovery: {text}"),
            Self::Diverged(text) => write!(f, "diverged: {text}"),
            Self::Panic => write!(f, "panic"),
        }
    }
}

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "a range is not empty");
        self.next() % bound
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("an index fits")
    }

    pub(crate) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }
}

/// One step's writes and outputs, on their way to the disk.
pub(crate) struct Batch {
    pub(crate) writes: Vec<Write<ReplicaRecord>>,
    pub(crate) outputs: Vec<Output<Replica>>,
}

pub(crate) struct Server {
    pub(crate) config: ReplicaConfig,
    pub(crate) node: Option<Replica>,
    pub(crate) incarnation: u64,
    pub(crate) disk: Vec<Stored<ReplicaRecord>>,
    pub(crate) pending: VecDeque<Batch>,
    pub(crate) synced_at: u64,
    pub(crate) timers: BTreeMap<ReplicaTimer, u64>,
    pub(crate) paused_until: u64,
    /// Its own microseconds in a true second.
    pub(crate) clock_ppm: u64,
    /// What it showed, or would have shown, at the start.
    pub(crate) clock_start: u64,
}

pub(crate) struct Client {
    pub(crate) config: ClientConfig,
    pub(crate) node: ClientNode,
    pub(crate) connection: u32,
    pub(crate) timers: BTreeMap<ClientTimer, u64>,
    pub(crate) done_after_heal: u32,
}

pub(crate) enum Happening {
    Deliver { from: NodeId, to: NodeId, message: Message },
    ServerTimer { id: NodeId, timer: ReplicaTimer, armed: u64 },
    ClientTimer { id: NodeId, timer: ClientTimer, armed: u64 },
    Synced { id: NodeId, incarnation: u64 },
    Invoke { id: NodeId },
    Fault,
    Restart { id: NodeId },
}

/// Rates of one schedule.
pub(crate) struct Weather {
    pub(crate) loss: u64,
    pub(crate) duplication: u64,
    pub(crate) delay_us: u64,
    pub(crate) tail: u64,
    pub(crate) sync_us: u64,
    pub(crate) fault_gap_us: u64,
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    pub(crate) now: u64,
    pub(crate) order: u64,
    pub(crate) queue: BTreeMap<(u64, u64), Happening>,
    pub(crate) servers: BTreeMap<NodeId, Server>,
    pub(crate) clients: BTreeMap<NodeId, Client>,
    pub(crate) cuts: BTreeSet<(NodeId, NodeId)>,
    /// The server that hears the others late.
    pub(crate) lagging: Option<NodeId>,
    pub(crate) weather: Weather,
    pub(crate) healed: bool,
    pub(crate) wiped: BTreeSet<NodeId>,
    pub(crate) monitor: Monitor,
    pub(crate) book: Book,
    pub(crate) failure: Option<Failure>,
    pub(crate) figures: Figures,
}

/// The rate of a perfect clock, in parts per million.
const MILLION: u64 = 1_000_000;
const LIVENESS_MS: u64 = 6_000;
const DONE_AFTER_HEAL: u32 = 6;

/// Runs one schedule.
pub(crate) fn run(plan: &Plan, seed: u64) -> Result<Figures, Failure> {
    let mut world = World::new(plan, seed);
    let chaos_end = plan.chaos_ms * 1_000;
    world.run_until(chaos_end, false)?;
    world.heal();
    let deadline = chaos_end + LIVENESS_MS * 1_000;
    world.run_until(deadline, true)?;
    if let Some((id, client)) = world.clients.iter().find(|(_, c)| c.done_after_heal < DONE_AFTER_HEAL) {
        let state: Vec<String> = world.servers.values().map(describe).collect();
        let done = client.done_after_heal;
        return Err(Failure::NoRecovery(format!("{id} got {done} answers; {}", state.join(" "))));
    }
    world.run_until(world.now + 500_000, false)?;
    world.servers.keys().copied().collect::<Vec<_>>().into_iter().for_each(|id| world.weigh_server(id));
    world.book.finish().map_err(Failure::Client)?;
    world.compare()?;
    Ok(world.figures)
}

/// An entry that was accepted long ago.
fn old_record(slot: u64) -> ReplicaRecord {
    let value = [i64::try_from(slot).expect("few slots")].into();
    let operation = Operation::Put { key: "old".into(), value };
    let request = Request { client: ClientId(1 << 40), seq: slot, operation };
    let ballot = Ballot { round: 1, node: NodeId(1) };
    ReplicaRecord::Accept { slot: Slot(slot), ballot, entry: Entry::Command(request) }
}

pub(crate) fn describe(server: &Server) -> String {
    match &server.node {
        None => format!("{} is down", server.config.id),
        Some(node) => {
            format!(
                "{}: {} {} {}/{}",
                server.config.id,
                node.role(),
                node.ballot(),
                node.applied(),
                node.commit()
            )
        }
    }
}

impl World {
    fn new(plan: &Plan, seed: u64) -> Self {
        let mut random = Random(mix(seed ^ 0x5ca1_ab1e));
        let members: Vec<NodeId> = (1..=plan.replicas).map(NodeId).collect();
        let weather = Weather {
            loss: random.pick(&[0, 0, 20, 100, 250]),
            duplication: random.pick(&[0, 20, 200]),
            delay_us: random.pick(&[500, 2_000, 8_000]),
            tail: random.pick(&[0, 10, 60]),
            sync_us: random.pick(&[100, 2_000, 10_000]),
            fault_gap_us: random.pick(&[60_000, 200_000, 500_000]),
        };
        let mut world = Self {
            plan: plan.clone(),
            random,
            now: 0,
            order: 0,
            queue: BTreeMap::new(),
            servers: BTreeMap::new(),
            clients: BTreeMap::new(),
            cuts: BTreeSet::new(),
            lagging: None,
            weather,
            healed: false,
            wiped: BTreeSet::new(),
            monitor: Monitor::new(members.iter().copied()),
            book: Book::default(),
            failure: None,
            figures: Figures::default(),
        };
        for id in &members {
            world.add_server(*id, &members);
        }
        for slot in 0..plan.clients {
            world.add_client(slot, &members);
        }
        if plan.calm {
            world.weather =
                Weather { loss: 0, duplication: 0, delay_us: 500, tail: 0, sync_us: 100, ..world.weather };
        } else {
            world.schedule(300_000, Happening::Fault);
        }
        world
    }

    fn add_server(&mut self, id: NodeId, members: &[NodeId]) {
        let mut config = ReplicaConfig::new(id, members.to_vec());
        config.bugs = self.plan.bugs;
        config.limits.batch_entries_max = self.plan.page_entries;
        config.limits.batch_bytes_max = self.plan.page_bytes;
        config.limits.compaction_slots = self.plan.compaction_slots;
        config.reads = self.plan.reads;
        let records = identity_records(&config).into_iter().chain((1..=self.plan.old_slots).map(old_record));
        let disk = records.map(|record| Stored { record: Some(record), intact: true }).collect();
        let server = Server {
            config,
            node: None,
            incarnation: 0,
            disk,
            pending: VecDeque::new(),
            synced_at: 0,
            timers: BTreeMap::new(),
            paused_until: 0,
            clock_ppm: self.clock_ppm(),
            clock_start: 100_000_000 + self.random.below(MILLION),
        };
        self.servers.insert(id, server);
        self.boot(id);
    }

    fn add_client(&mut self, slot: u32, members: &[NodeId]) {
        let id = NodeId(NodeId::FIRST_CLIENT + slot);
        let home = members[slot as usize % members.len()];
        let name = client_identity(self.plan.bugs, slot, 0);
        let mut config = ClientConfig::new(id, name, members.to_vec(), home);
        config.bugs = self.plan.bugs;
        let node = ClientNode::boot(&config, 1, &[], &mut Effects::new());
        let client = Client { config, node, connection: 0, timers: BTreeMap::new(), done_after_heal: 0 };
        self.clients.insert(id, client);
        self.schedule(u64::from(slot) * 1_000 + 1, Happening::Invoke { id });
    }

    /// The rate of a new server's clock: extremes are as likely as all the rest.
    fn clock_ppm(&mut self) -> u64 {
        let error = self.plan.clock_error_ppm;
        if error == 0 {
            return MILLION;
        }
        let any = MILLION - error + self.random.below(2 * error);
        self.random.pick(&[MILLION - error, MILLION + error, any, any])
    }

    pub(crate) fn schedule(&mut self, delay_us: u64, happening: Happening) {
        self.order += 1;
        self.queue.insert((self.now + delay_us, self.order), happening);
    }

    fn run_until(&mut self, end: u64, stop_early: bool) -> Result<(), Failure> {
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            if at > end {
                self.schedule(at - self.now, happening);
                break;
            }
            self.now = at;
            self.figures.steps += 1;
            self.happen(happening);
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if stop_early && self.clients.values().all(|client| client.done_after_heal >= DONE_AFTER_HEAL) {
                return Ok(());
            }
        }
        self.now = self.now.max(end);
        Ok(())
    }

    fn happen(&mut self, happening: Happening) {
        if let Some(id) = self.paused(&happening) {
            let delay = self.servers[&id].paused_until - self.now;
            self.schedule(delay, happening);
            return;
        }
        match happening {
            Happening::Deliver { from, to, message } => self.deliver(from, to, message),
            Happening::ServerTimer { id, timer, armed } => {
                if self.servers[&id].timers.get(&timer) == Some(&armed) {
                    self.server_mut(id).timers.remove(&timer);
                    self.step_server(id, Input::Timer(timer));
                }
            }
            Happening::ClientTimer { id, timer, armed } => {
                if self.clients[&id].timers.get(&timer) == Some(&armed) {
                    self.client_mut(id).timers.remove(&timer);
                    self.step_client(id, Input::Timer(timer));
                }
            }
            Happening::Synced { id, incarnation } => self.synced(id, incarnation),
            Happening::Invoke { id } => {
                let only_reads = id.0 - NodeId::FIRST_CLIENT < self.plan.readers;
                let operation = self.book.invoke(id, only_reads, self.random.next(), self.now);
                self.step_client(id, Input::Invoke(operation));
            }
            Happening::Fault => self.fault(),
            Happening::Restart { id } => self.boot(id),
        }
    }

    fn paused(&self, happening: &Happening) -> Option<NodeId> {
        let id = match happening {
            Happening::Deliver { to, .. } => *to,
            Happening::ServerTimer { id, .. } | Happening::Synced { id, .. } => *id,
            _ => return None,
        };
        self.servers.get(&id).filter(|server| server.paused_until > self.now).map(|_| id)
    }

    pub(crate) fn server_mut(&mut self, id: NodeId) -> &mut Server {
        self.servers.get_mut(&id).expect("the server exists")
    }

    fn client_mut(&mut self, id: NodeId) -> &mut Client {
        self.clients.get_mut(&id).expect("the client exists")
    }

    fn deliver(&mut self, from: NodeId, to: NodeId, message: Message) {
        if self.cuts.contains(&(from, to)) {
            return;
        }
        if to.is_client() {
            self.step_client(to, Input::Message { from, message });
        } else {
            self.step_server(to, Input::Message { from, message });
        }
    }

    fn step_server(&mut self, id: NodeId, input: Input<Replica>) {
        let now = Micros(self.servers[&id].clock_start + self.now * self.servers[&id].clock_ppm / MILLION);
        let server = self.server_mut(id);
        let Some(node) = &mut server.node else { return };
        let mut effects = Effects::new();
        node.on(&server.config, now, input, &mut effects);
        assert!(node.applied() <= node.commit() || !server.config.bugs.is_empty(), "applied is chosen");
        self.take_effects(id, effects);
    }

    pub(crate) fn boot(&mut self, id: NodeId) {
        let server = self.server_mut(id);
        if server.node.is_some() {
            return;
        }
        server.incarnation += 1;
        let mut effects = Effects::new();
        server.node = Some(Replica::boot(&server.config, server.incarnation, &server.disk, &mut effects));
        self.take_effects(id, effects);
    }

    fn take_effects(&mut self, id: NodeId, effects: Effects<Replica>) {
        for change in effects.timers {
            match change {
                TimerChange::Arm(timer, range) => {
                    let spread = range.end().0 - range.start().0 + 1;
                    let own = range.start().0 + self.random.below(spread);
                    let delay = own * MILLION / self.servers[&id].clock_ppm;
                    self.order += 1;
                    let armed = self.order;
                    self.server_mut(id).timers.insert(timer, armed);
                    self.schedule(delay, Happening::ServerTimer { id, timer, armed });
                }
                TimerChange::Cancel(timer) => drop(self.server_mut(id).timers.remove(&timer)),
            }
        }
        let batch = Batch { writes: effects.writes, outputs: effects.outputs };
        if batch.writes.is_empty() && self.servers[&id].pending.is_empty() {
            self.release(id, batch.outputs);
            return;
        }
        let sync_us = self.weather.sync_us;
        let delay = if batch.writes.is_empty() { 0 } else { 1 + self.random.below(sync_us) };
        let now = self.now;
        let server = self.server_mut(id);
        server.synced_at = server.synced_at.max(now + delay);
        server.pending.push_back(batch);
        let (wait, incarnation) = (server.synced_at - now, server.incarnation);
        self.schedule(wait, Happening::Synced { id, incarnation });
    }

    fn synced(&mut self, id: NodeId, incarnation: u64) {
        let server = self.server_mut(id);
        if server.incarnation != incarnation || server.node.is_none() {
            return;
        }
        let batch = server.pending.pop_front().expect("each sync belongs to a batch");
        if batch.writes.iter().any(|write| matches!(write, Write::Replace(_))) {
            self.weigh_server(id);
        }
        let server = self.server_mut(id);
        write(&mut server.disk, batch.writes);
        self.release(id, batch.outputs);
    }

    fn release(&mut self, id: NodeId, outputs: Vec<Output<Replica>>) {
        for output in outputs {
            match output {
                Output::Send { to, message } => self.send(id, to, message),
                Output::Answer(nothing) => match nothing {},
                Output::Event(event) => {
                    self.figures.count(event.kind());
                    self.figures.digest = mix(self.figures.digest ^ self.now ^ u64::from(id.0));
                    if let Err(breach) = self.monitor.observe(id, &event)
                        && self.plan.monitored
                    {
                        self.failure.get_or_insert(Failure::Breach(breach));
                    }
                }
            }
        }
    }

    fn send(&mut self, from: NodeId, to: NodeId, message: Message) {
        self.weigh_message(from, to, &message);
        if self.cuts.contains(&(from, to)) {
            return;
        }
        if self.random.chance(self.weather.loss) {
            return;
        }
        let copies = 1 + u64::from(self.random.chance(self.weather.duplication));
        for _ in 0..copies {
            let tail = if self.random.chance(self.weather.tail) { 400_000 } else { 1 };
            let late = if self.lagging == Some(to) && !from.is_client() { 400_000 } else { 0 };
            let delay = late + 200 + self.random.below(self.weather.delay_us) + self.random.below(tail);
            self.schedule(delay, Happening::Deliver { from, to, message: message.clone() });
        }
    }

    fn step_client(&mut self, id: NodeId, input: Input<ClientNode>) {
        let now = Micros(self.now);
        let client = self.client_mut(id);
        let mut effects = Effects::new();
        client.node.on(&client.config, now, input, &mut effects);
        assert!(effects.writes.is_empty(), "clients write nothing");
        for change in effects.timers {
            match change {
                TimerChange::Arm(timer, range) => {
                    let spread = range.end().0 - range.start().0 + 1;
                    let delay = range.start().0 + self.random.below(spread);
                    self.order += 1;
                    let armed = self.order;
                    self.client_mut(id).timers.insert(timer, armed);
                    self.schedule(delay, Happening::ClientTimer { id, timer, armed });
                }
                TimerChange::Cancel(timer) => drop(self.client_mut(id).timers.remove(&timer)),
            }
        }
        for output in effects.outputs {
            match output {
                Output::Send { to, message } => self.send(id, to, message),
                Output::Answer(answer) => self.answered(id, &answer),
                Output::Event(_) => {}
            }
        }
    }

    fn answered(&mut self, id: NodeId, answer: &ClientAnswer) {
        if let Err(complaint) = self.book.answer(id, answer, self.now) {
            self.failure.get_or_insert(Failure::Client(complaint));
        }
        let (healed, bugs) = (self.healed, self.plan.bugs);
        let slot = id.0 - NodeId::FIRST_CLIENT;
        let client = self.client_mut(id);
        if let ClientAnswer::Reply(_) = answer {
            client.done_after_heal += u32::from(healed);
            self.figures.answered += 1;
        } else {
            client.connection += 1;
            client.config.client = client_identity(bugs, slot, client.connection);
            client.node = ClientNode::boot(&client.config, 1, &[], &mut Effects::new());
            client.timers.clear();
            self.figures.indeterminate += 1;
        }
        let pause = 500 + self.random.below(15_000);
        self.schedule(pause, Happening::Invoke { id });
    }
}

pub(crate) fn write(disk: &mut Vec<Stored<ReplicaRecord>>, writes: Vec<Write<ReplicaRecord>>) {
    for write in writes {
        let stored = |record| Stored { record: Some(record), intact: true };
        match write {
            Write::Append(record) => disk.push(stored(record)),
            Write::Replace(records) => *disk = records.into_iter().map(stored).collect(),
        }
    }
}
