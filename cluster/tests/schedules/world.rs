//! The simulated world of one schedule: a queue of timed events, a lossy network, disks with an unsynced part.
//!
//! It hosts the nodes by their contract: outputs wait until the writes of their step and of every earlier one are
//! durable; a crash keeps a prefix of the pending writes and none of the held outputs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use squall_cluster::bugs::Bugs;
use squall_cluster::client::{ClientAnswer, ClientConfig, ClientNode, ClientTimer, client_identity};
use squall_cluster::digest::mix;
use squall_cluster::invariants::{Breach, Monitor};
use squall_cluster::message::Message;
use squall_cluster::node::{Effects, Input, Micros, Node, NodeId, Output, Stored, TimerChange, Write};
use squall_cluster::replica::{
    Replica, ReplicaConfig, ReplicaRecord, ReplicaTimer, ServerView, identity_records,
};

use crate::clients::{Book, Complaint};

/// What a schedule consists of.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub replicas: u32,
    pub clients: u32,
    pub bugs: Bugs,
    pub wipes: bool,
    pub limps: bool,
    /// Whether the monitors watch; without them only clients judge.
    pub monitored: bool,
    pub page_entries: usize,
    pub chaos_ms: u64,
}

impl Plan {
    pub(crate) fn new(replicas: u32) -> Self {
        Self {
            replicas,
            clients: 5,
            bugs: Bugs::NONE,
            wipes: false,
            limps: false,
            monitored: true,
            page_entries: 256,
            chaos_ms: 2_500,
        }
    }
}

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

/// What a clean schedule did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub steps: u64,
    pub answered: u64,
    pub indeterminate: u64,
    pub crashes: u64,
    pub leaders: u64,
    pub digest: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.answered += other.answered;
        self.indeterminate += other.indeterminate;
        self.crashes += other.crashes;
        self.leaders += other.leaders;
        self.digest ^= other.digest;
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "a range is not empty");
        self.next() % bound
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }
}

/// One step's writes and outputs, on their way to the disk.
struct Batch {
    writes: Vec<Write<ReplicaRecord>>,
    outputs: Vec<Output<Replica>>,
}

struct Server {
    config: ReplicaConfig,
    node: Option<Replica>,
    incarnation: u64,
    disk: Vec<Stored<ReplicaRecord>>,
    pending: VecDeque<Batch>,
    synced_at: u64,
    timers: BTreeMap<ReplicaTimer, u64>,
    paused_until: u64,
}

struct Client {
    config: ClientConfig,
    node: ClientNode,
    connection: u32,
    timers: BTreeMap<ClientTimer, u64>,
    done_after_heal: u32,
}

enum Happening {
    Deliver { from: NodeId, to: NodeId, message: Message },
    ServerTimer { id: NodeId, timer: ReplicaTimer, armed: u64 },
    ClientTimer { id: NodeId, timer: ClientTimer, armed: u64 },
    Synced { id: NodeId, incarnation: u64 },
    Invoke { id: NodeId },
    Fault,
    Restart { id: NodeId },
}

/// Rates of one schedule.
struct Weather {
    loss: u64,
    duplication: u64,
    delay_us: u64,
    tail: u64,
    sync_us: u64,
    fault_gap_us: u64,
}

pub(crate) struct World {
    plan: Plan,
    random: Random,
    now: u64,
    order: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    servers: BTreeMap<NodeId, Server>,
    clients: BTreeMap<NodeId, Client>,
    cuts: BTreeSet<(NodeId, NodeId)>,
    weather: Weather,
    healed: bool,
    wiped: BTreeSet<NodeId>,
    monitor: Monitor,
    book: Book,
    failure: Option<Failure>,
    figures: Figures,
}

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
    world.book.finish().map_err(Failure::Client)?;
    world.compare()?;
    Ok(world.figures)
}

fn describe(server: &Server) -> String {
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
            loss: [0, 0, 20, 100, 250][random.below(5) as usize],
            duplication: [0, 20, 200][random.below(3) as usize],
            delay_us: [500, 2_000, 8_000][random.below(3) as usize],
            tail: [0, 10, 60][random.below(3) as usize],
            sync_us: [100, 2_000, 10_000][random.below(3) as usize],
            fault_gap_us: [60_000, 200_000, 500_000][random.below(3) as usize],
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
        world.schedule(300_000, Happening::Fault);
        world
    }

    fn add_server(&mut self, id: NodeId, members: &[NodeId]) {
        let mut config = ReplicaConfig::new(id, members.to_vec());
        config.bugs = self.plan.bugs;
        config.limits.batch_entries_max = self.plan.page_entries;
        let records = identity_records(&config).into_iter();
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

    fn schedule(&mut self, delay_us: u64, happening: Happening) {
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
                let operation = self.book.invoke(id, self.random.next(), self.now);
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

    fn server_mut(&mut self, id: NodeId) -> &mut Server {
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
        let now = Micros(self.now);
        let server = self.server_mut(id);
        let Some(node) = &mut server.node else { return };
        let mut effects = Effects::new();
        node.on(&server.config, now, input, &mut effects);
        assert!(node.applied() <= node.commit() || !server.config.bugs.is_empty(), "applied is chosen");
        self.take_effects(id, effects);
    }

    fn boot(&mut self, id: NodeId) {
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
                    let delay = range.start().0 + self.random.below(spread);
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
        write(&mut server.disk, batch.writes);
        self.release(id, batch.outputs);
    }

    fn release(&mut self, id: NodeId, outputs: Vec<Output<Replica>>) {
        for output in outputs {
            match output {
                Output::Send { to, message } => self.send(id, to, message),
                Output::Answer(nothing) => match nothing {},
                Output::Event(event) => {
                    self.figures.leaders += u64::from(event.kind() == "leader");
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
        if self.cuts.contains(&(from, to)) {
            return;
        }
        if self.random.chance(self.weather.loss) {
            return;
        }
        let copies = 1 + u64::from(self.random.chance(self.weather.duplication));
        for _ in 0..copies {
            let tail = if self.random.chance(self.weather.tail) { 400_000 } else { 1 };
            let delay = 200 + self.random.below(self.weather.delay_us) + self.random.below(tail);
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

    /// One random fault, and the appointment for the next.
    fn fault(&mut self) {
        if self.healed {
            return;
        }
        let gap = self.weather.fault_gap_us;
        let wait = gap / 2 + self.random.below(gap);
        self.schedule(wait, Happening::Fault);
        let count = u64::from(self.plan.replicas);
        let leader = self.leader();
        let any = NodeId(u32::try_from(1 + self.random.below(count)).expect("few servers"));
        let target = leader.filter(|_| self.random.chance(500)).unwrap_or(any);
        match self.random.below(10) {
            0 | 1 => self.crash(target),
            2 => (1..=self.plan.replicas).for_each(|id| self.crash(NodeId(id))),
            3 => self.cut(|from, to| from == target || to == target),
            4 => self.cut(|from, _| from == target),
            5 => self.cut(|_, to| to == target && !to.is_client()),
            6 => {
                let side = self.random.next();
                self.cut(|from, to| (side >> (from.0 % 64)) & 1 != (side >> (to.0 % 64)) & 1);
            }
            7 => {
                let until = self.now + 50_000 + self.random.below(600_000);
                self.server_mut(target).paused_until = until;
            }
            _ => self.cuts.clear(),
        }
    }

    fn cut(&mut self, cuts: impl Fn(NodeId, NodeId) -> bool) {
        let ids: Vec<NodeId> = self.servers.keys().chain(self.clients.keys()).copied().collect();
        for from in &ids {
            for to in &ids {
                if from != to && cuts(*from, *to) {
                    self.cuts.insert((*from, *to));
                }
            }
        }
    }

    fn crash(&mut self, id: NodeId) {
        if self.servers[&id].node.is_none() {
            return;
        }
        self.figures.crashes += 1;
        let kept = self.random.below(self.servers[&id].pending.len() as u64 + 1);
        let server = self.server_mut(id);
        server.node = None;
        server.timers.clear();
        server.paused_until = 0;
        server.synced_at = 0;
        let pending = std::mem::take(&mut server.pending);
        for batch in pending.into_iter().take(kept as usize) {
            write(&mut server.disk, batch.writes);
        }
        let budget = (self.plan.replicas as usize - 1) / 2;
        if self.plan.wipes && self.wiped.len() < budget && self.random.chance(300) && self.wiped.insert(id) {
            self.spoil(id);
        }
        let down = 5_000 + self.random.below(300_000);
        self.schedule(down, Happening::Restart { id });
    }

    /// Loses the disk, or damages one record.
    fn spoil(&mut self, id: NodeId) {
        let wipe = self.random.chance(500);
        let draw = self.random.next();
        let server = self.server_mut(id);
        if wipe || server.disk.is_empty() {
            server.disk.clear();
        } else {
            let index = draw as usize % server.disk.len();
            server.disk[index].intact = false;
            if draw & 256 != 0 {
                server.disk[index].record = None;
            }
        }
        self.monitor.expect_learner(id);
    }

    fn heal(&mut self) {
        self.healed = true;
        self.cuts.clear();
        self.weather.loss = 0;
        self.weather.tail = 0;
        self.weather.duplication = 0;
        let ids: Vec<NodeId> = self.servers.keys().copied().collect();
        for id in ids {
            self.boot(id);
        }
        if self.plan.limps {
            self.limp();
        }
    }

    fn leader(&self) -> Option<NodeId> {
        let leader = self.servers.values().find(|s| s.node.as_ref().is_some_and(ServerView::is_leader));
        leader.map(|server| server.config.id)
    }

    /// One server, the leader if there is one, stays cut off from the other servers in one direction or both.
    fn limp(&mut self) {
        let target = self.leader().unwrap_or(NodeId(1));
        let (deaf, mute) = [(true, false), (false, true), (true, true)][self.random.below(3) as usize];
        self.cut(|from, to| {
            !from.is_client() && !to.is_client() && ((mute && from == target) || (deaf && to == target))
        });
    }

    /// Everybody ends in the same state, at the same slot.
    fn compare(&self) -> Result<(), Failure> {
        if self.plan.limps {
            return Ok(());
        }
        let furthest = self.servers.values().filter_map(|s| s.node.as_ref()).map(Replica::applied).max();
        for server in self.servers.values() {
            let node = server.node.as_ref().expect("everybody is up after healing");
            let lag = furthest.map_or(0, |slot| slot.0) - node.applied().0;
            if lag > 200 {
                return Err(Failure::Diverged(describe(server)));
            }
        }
        Ok(())
    }
}

fn write(disk: &mut Vec<Stored<ReplicaRecord>>, writes: Vec<Write<ReplicaRecord>>) {
    for write in writes {
        let stored = |record| Stored { record: Some(record), intact: true };
        match write {
            Write::Append(record) => disk.push(stored(record)),
            Write::Replace(records) => *disk = records.into_iter().map(stored).collect(),
        }
    }
}
