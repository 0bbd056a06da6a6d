//! Applies a plan to a surface, step by step of the run, and says what it did.
//!
//! Each fault that fires is undone at its end and nothing else with it: effects belong to the fault's id, and a
//! server that several faults hold down starts when the last of them lets go. A fault that cannot fire (no leader
//! yet, target down, outside the model) is withheld, tried again while its window lasts, and in the end replaced
//! by a link delay of the same length. Time comes in as a parameter; there is no randomness here.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::fault::{Fault, FaultId, Links, PlannedFault, Target};
use super::model::{Limits, Standing, Topology, standing};
use super::resolve::{resolve, stops_process, stops_target, targets_of};
use super::steps::{Action, Layout, Step, index, steps};
use super::surface::{DiskFault, Endpoint, Surface};

/// How often a withheld fault is tried again, in milliseconds.
pub const RETRY_MS: u64 = 10;
/// The delay that takes the place of a fault that never fitted, in milliseconds.
const INSTEAD_MS: (u64, u64) = (2, 10);

/// What the nemesis did, for the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NemesisEvent {
    /// A fault began.
    Begin {
        /// Which.
        id: FaultId,
        /// The fault in one line, its targets resolved.
        description: String,
        /// Whom it was aimed at, resolved; empty if at the whole network.
        targets: Vec<Endpoint>,
    },
    /// A fault ended, and its effects with it.
    End {
        /// Which.
        id: FaultId,
    },
    /// A fault was due and could not fire; said once per reason.
    Withheld {
        /// Which.
        id: FaultId,
        /// Why.
        reason: String,
    },
}

/// How many faults fired and how many of those changed anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Faults that began.
    pub injected: u64,
    /// Faults that changed at least one message or operation.
    pub effective: u64,
}

/// A plan being carried out.
#[derive(Clone, Debug)]
pub struct Nemesis {
    entries: Vec<Entry>,
    limits: Limits,
    /// Which faults hold each server down.
    holders: BTreeMap<usize, BTreeSet<FaultId>>,
    /// Servers whose disk lost something that was synced, over the whole run.
    damaged: BTreeSet<usize>,
    outside_model: bool,
    healed: bool,
    last_tick_ms: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    planned: PlannedFault,
    /// The server whose event pulled its trigger.
    actor: Option<usize>,
    state: State,
    fired: bool,
}

#[derive(Clone, Debug)]
enum State {
    /// For its time.
    Waiting,
    /// For its trigger.
    Armed,
    Withheld {
        reason: String,
        retry_ms: u64,
    },
    Active(Active),
    Over,
}

#[derive(Clone, Debug)]
struct Active {
    /// What fires, with its targets resolved and its window as it is.
    resolved: PlannedFault,
    steps: Vec<Step>,
    /// How many of the steps are done.
    done: usize,
}

/// Whether a fault may fire now: with its targets resolved, or why not.
struct Permission {
    fault: Fault,
    leaves_model: bool,
    leader: Option<usize>,
}

impl Nemesis {
    /// Carries out these faults. A plan of a file must have passed [`validate`](super::validate()) first.
    pub fn new(mut faults: Vec<PlannedFault>, limits: Limits) -> Self {
        faults.sort_by_key(|planned| (planned.at_ms, planned.id));
        let ids: BTreeSet<FaultId> = faults.iter().map(|planned| planned.id).collect();
        assert_eq!(ids.len(), faults.len(), "ids of faults are unique: validate the plan first");
        assert!(
            faults.iter().all(|planned| planned.for_ms > 0),
            "faults have a length: validate the plan first"
        );
        let entries = faults
            .into_iter()
            .map(|planned| Entry { planned, actor: None, state: State::Waiting, fired: false })
            .collect();
        Self {
            entries,
            limits,
            holders: BTreeMap::new(),
            damaged: BTreeSet::new(),
            outside_model: false,
            healed: false,
            last_tick_ms: 0,
        }
    }

    /// Does everything that is due at `now_ms`, milliseconds after the chaos phase began. Call it once per step
    /// of the run, or at the times of [`next_ms`](Self::next_ms). Ends come before beginnings.
    pub fn tick(&mut self, now_ms: u64, surface: &mut dyn Surface) -> Vec<NemesisEvent> {
        assert!(now_ms >= self.last_tick_ms, "time went back from {} to {now_ms}", self.last_tick_ms);
        self.last_tick_ms = now_ms;
        let mut events = Vec::new();
        if self.healed {
            return events;
        }
        for position in 0..self.entries.len() {
            if let State::Active(_) = self.entries[position].state {
                self.advance(position, now_ms, surface, &mut events);
            }
        }
        self.spring(now_ms, surface, &mut events);
        for position in 0..self.entries.len() {
            let entry = &self.entries[position];
            let is_due = match &entry.state {
                State::Waiting => entry.planned.at_ms <= now_ms,
                State::Withheld { retry_ms, .. } => *retry_ms <= now_ms || entry.planned.end_ms() <= now_ms,
                State::Armed | State::Active(_) | State::Over => false,
            };
            if is_due && matches!(entry.state, State::Waiting) && entry.planned.on.is_some() {
                self.arm(position, surface, &mut events);
            } else if is_due {
                self.attempt(position, now_ms, surface, &mut events);
            }
        }
        events
    }

    /// Ends every fault that stands, drops those still to come, and starts every server that is down.
    pub fn heal_all(&mut self, surface: &mut dyn Surface) -> Vec<NemesisEvent> {
        let mut events = Vec::new();
        for position in 0..self.entries.len() {
            if let State::Active(_) = self.entries[position].state {
                self.end(position, surface, &mut events);
            }
            let entry = &mut self.entries[position];
            if let (State::Armed, Some(trigger)) = (&entry.state, &entry.planned.on) {
                let id = entry.planned.id;
                let reason = format!("its event was not seen: {} of {}", surface.let_pass(id), trigger.nth);
                // Nobody would let a server go that is stopped from now on.
                surface.disarm(id);
                events.push(NemesisEvent::Withheld { id, reason });
            }
            entry.state = State::Over;
        }
        for sprung in surface.take_sprung() {
            surface.let_go(sprung.fault);
        }
        for server in 0..surface.servers() {
            if !surface.is_up(server) {
                surface.start(server);
            }
        }
        self.healed = true;
        assert!(self.holders.values().all(BTreeSet::is_empty), "nothing is held down after healing");
        events
    }

    /// When the next call of [`tick`](Self::tick) has something to do; `None` if never again.
    pub fn next_ms(&self) -> Option<u64> {
        let due = |entry: &Entry| match &entry.state {
            State::Waiting => Some(entry.planned.at_ms),
            State::Withheld { retry_ms, .. } => Some((*retry_ms).min(entry.planned.end_ms())),
            State::Active(active) => {
                let step =
                    active.steps.get(active.done).map(|(offset_ms, _)| active.resolved.at_ms + offset_ms);
                Some(step.unwrap_or(active.resolved.end_ms()).min(active.resolved.end_ms()))
            }
            State::Armed | State::Over => None,
        };
        self.entries.iter().filter_map(due).min()
    }

    /// Whether a fault waits for its trigger: then [`tick`](Self::tick) may have something to do at any time.
    pub fn is_watching(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.state, State::Armed))
    }

    /// Whether a fault has fired that the mode does not promise to survive.
    pub fn outside_model(&self) -> bool {
        self.outside_model
    }

    /// The faults that stand now, with their targets resolved.
    pub fn active(&self) -> impl Iterator<Item = &PlannedFault> {
        self.entries.iter().filter_map(|entry| match &entry.state {
            State::Active(active) => Some(&active.resolved),
            _ => None,
        })
    }

    /// How many faults fired, and how many of them bit.
    pub fn tally(&self, surface: &dyn Surface) -> Tally {
        let mut tally = Tally::default();
        for entry in self.entries.iter().filter(|entry| entry.fired) {
            tally.injected += 1;
            tally.effective += u64::from(surface.effective(entry.planned.id) > 0);
        }
        assert!(tally.effective <= tally.injected, "only what fired can bite");
        tally
    }

    /// From now on the events of the trigger at this position count.
    fn arm(&mut self, position: usize, surface: &mut dyn Surface, events: &mut Vec<NemesisEvent>) {
        let entry = &mut self.entries[position];
        let id = entry.planned.id;
        let trigger = entry.planned.on.as_ref().expect("only faults with a trigger are armed");
        if surface.emits_events() {
            surface.arm(id, trigger);
            entry.state = State::Armed;
        } else {
            let reason = "this system emits no events".to_owned();
            events.push(NemesisEvent::Withheld { id, reason });
            entry.state = State::Over;
        }
    }

    /// Fires the faults whose triggers were pulled, then lets the servers go that were stopped at the moment.
    fn spring(&mut self, now_ms: u64, surface: &mut dyn Surface, events: &mut Vec<NemesisEvent>) {
        for sprung in surface.take_sprung() {
            let pulled =
                |entry: &Entry| entry.planned.id == sprung.fault && matches!(entry.state, State::Armed);
            if let Some(position) = self.entries.iter().position(pulled) {
                let entry = &mut self.entries[position];
                entry.planned.at_ms = now_ms;
                entry.actor = Some(sprung.server);
                entry.state = State::Waiting;
                self.attempt(position, now_ms, surface, events);
            }
            surface.let_go(sprung.fault);
        }
    }

    /// Tries to fire the fault at this position.
    fn attempt(
        &mut self,
        position: usize,
        now_ms: u64,
        surface: &mut dyn Surface,
        events: &mut Vec<NemesisEvent>,
    ) {
        let entry = &self.entries[position];
        let (id, end_ms) = (entry.planned.id, entry.planned.end_ms());
        if now_ms >= end_ms {
            self.replace(position, now_ms, surface, events);
            return;
        }
        match self.permission(&entry.planned.fault, entry.actor, &*surface) {
            Ok(permission) => {
                let fault = permission.fault;
                let planned = PlannedFault { id, at_ms: now_ms, for_ms: end_ms - now_ms, on: None, fault };
                self.outside_model |= permission.leaves_model;
                self.begin(position, planned, permission.leader, surface, events);
            }
            Err(reason) => {
                let known = matches!(&entry.state, State::Withheld { reason: known, .. } if *known == reason);
                if !known {
                    events.push(NemesisEvent::Withheld { id, reason: reason.clone() });
                }
                self.entries[position].state = State::Withheld { reason, retry_ms: now_ms + RETRY_MS };
            }
        }
    }

    /// The window is over and the fault never fitted: a delay of the same length instead.
    fn replace(
        &mut self,
        position: usize,
        now_ms: u64,
        surface: &mut dyn Surface,
        events: &mut Vec<NemesisEvent>,
    ) {
        let entry = &mut self.entries[position];
        let PlannedFault { id, for_ms, .. } = entry.planned;
        if matches!(entry.state, State::Waiting) {
            let reason = "its window passed between two steps of the run".to_owned();
            events.push(NemesisEvent::Withheld { id, reason });
        }
        let (min_ms, max_ms) = INSTEAD_MS;
        let fault = Fault::Delay { links: Links::All, min_ms, max_ms, kinds: Vec::new() };
        if surface.supports(&fault) {
            let planned = PlannedFault { id, at_ms: now_ms, for_ms, on: None, fault };
            self.begin(position, planned, None, surface, events);
        } else {
            entry.state = State::Over;
        }
    }

    /// Begins a fault whose targets are resolved.
    fn begin(
        &mut self,
        position: usize,
        planned: PlannedFault,
        leader: Option<usize>,
        surface: &mut dyn Surface,
        events: &mut Vec<NemesisEvent>,
    ) {
        let layout = layout_of(&*surface);
        let steps = steps(&planned.fault, planned.for_ms, &layout);
        let mut description = planned.fault.to_string();
        if let Some(server) = leader {
            description = format!("{description} ({} leads)", Endpoint::Server(server));
        }
        let targets = targets_of(&planned.fault, &layout);
        events.push(NemesisEvent::Begin { id: planned.id, description, targets });
        let now_ms = planned.at_ms;
        let entry = &mut self.entries[position];
        entry.fired = true;
        entry.state = State::Active(Active { resolved: planned, steps, done: 0 });
        self.advance(position, now_ms, surface, events);
    }

    /// Does the steps that are due, and ends the fault if its time is over.
    fn advance(
        &mut self,
        position: usize,
        now_ms: u64,
        surface: &mut dyn Surface,
        events: &mut Vec<NemesisEvent>,
    ) {
        let id = self.entries[position].planned.id;
        loop {
            let State::Active(active) = &mut self.entries[position].state else {
                unreachable!("only active faults advance");
            };
            if now_ms >= active.resolved.end_ms() {
                return self.end(position, surface, events);
            }
            let Some((offset_ms, action)) = active.steps.get(active.done) else { return };
            if active.resolved.at_ms + offset_ms > now_ms {
                return;
            }
            let action = action.clone();
            active.done += 1;
            self.act(id, action, surface);
        }
    }

    fn act(&mut self, id: FaultId, action: Action, surface: &mut dyn Surface) {
        match action {
            Action::Cut { from, to } => surface.cut(id, from, to),
            Action::Link { from, to, effect } => surface.link(id, from, to, &effect),
            Action::Crash { server, loss } => {
                // A fault of many steps asks anew at each.
                let leaves_model = surface.is_up(server) && surface.may_stop(server, false).is_err();
                if leaves_model && !self.limits.may_leave {
                    return;
                }
                self.outside_model |= leaves_model;
                self.holders.entry(server).or_default().insert(id);
                if surface.is_up(server) {
                    surface.crash(id, server, loss);
                }
                assert!(!surface.is_up(server), "n{} runs after a crash", server + 1);
            }
            Action::Start { server } => self.release(id, server, surface),
            Action::Pause { server } => surface.pause(id, server),
            Action::Slow { server, cost_us } => surface.slow(id, server, cost_us),
            Action::CrashClient { client } => surface.crash_client(id, client),
            Action::Clock { server, change } => surface.clock(id, server, change),
            Action::Disk { server, change } => {
                if matches!(change, DiskFault::BitFlip | DiskFault::Truncate { .. } | DiskFault::Wipe) {
                    assert!(!surface.is_up(server), "n{} is down while its disk is damaged", server + 1);
                    self.damaged.insert(server);
                }
                surface.disk(id, server, change);
            }
            Action::Administer { change } => surface.administer(id, change),
            Action::Lift => surface.lift(id),
        }
    }

    /// The fault holds the server down no longer; it starts unless another one does.
    fn release(&mut self, id: FaultId, server: usize, surface: &mut dyn Surface) {
        let holders = self.holders.entry(server).or_default();
        holders.remove(&id);
        if holders.is_empty() && !surface.is_up(server) {
            surface.start(server);
        }
    }

    fn end(&mut self, position: usize, surface: &mut dyn Surface, events: &mut Vec<NemesisEvent>) {
        let entry = &mut self.entries[position];
        let id = entry.planned.id;
        let State::Active(active) = std::mem::replace(&mut entry.state, State::Over) else {
            unreachable!("only active faults end");
        };
        surface.lift(id);
        let stopped: BTreeSet<usize> =
            active.steps.iter().filter_map(|(_, action)| stopped_by(action)).collect();
        for server in stopped {
            self.release(id, server, surface);
        }
        events.push(NemesisEvent::End { id });
    }

    /// Whether the fault may fire now, and at whom.
    fn permission(
        &self,
        fault: &Fault,
        actor: Option<usize>,
        surface: &dyn Surface,
    ) -> Result<Permission, String> {
        if !surface.supports(fault) {
            return Err("not supported here".to_owned());
        }
        let leader = surface.leader();
        let resolved = resolve(fault, surface, actor)?;
        if let Some(server) = stops_target(&resolved).map(index).filter(|server| !surface.is_up(*server)) {
            return Err(format!("{} is down already", Endpoint::Server(server)));
        }
        let leaves_model = match standing(self.limits.mode, resolved.name()) {
            Standing::Inside if !self.limits.trusts_clock_under(&resolved) => {
                Some("leases rest on clocks that are right within a bound and never jump".to_owned())
            }
            Standing::Inside => None,
            Standing::Minority => self.beyond_minority(&resolved, surface.servers()),
            Standing::OnlyNamed => Some("the mode does not promise to survive it".to_owned()),
        };
        let leaves_model = leaves_model.or_else(|| {
            let (server, loses_disk) = stops_process(&resolved)?;
            surface.may_stop(server, loses_disk).err().map(str::to_owned)
        });
        if let Some(reason) = &leaves_model
            && !self.limits.may_leave
        {
            return Err(format!("outside the fault model of {}: {reason}", self.limits.mode.name()));
        }
        let names_leader = |target: &Target| matches!(target, Target::Leader | Target::Follower(_));
        let names_roles = fault.targets().iter().any(names_leader);
        let leaves_model = leaves_model.is_some();
        Ok(Permission { fault: resolved, leaves_model, leader: leader.filter(|_| names_roles) })
    }

    /// Why damaging this disk too would leave no majority that never lost anything.
    fn beyond_minority(&self, fault: &Fault, servers: usize) -> Option<String> {
        let count = u32::try_from(servers).expect("servers are few");
        let topology = Topology {
            mode: self.limits.mode,
            servers: count,
            clients: 1,
            horizon_ms: 1,
            clock_error_ppm_max: None,
        };
        let mut damaged = self.damaged.clone();
        damaged.extend(fault.targets().into_iter().map(index));
        if damaged.len() <= topology.minority() as usize {
            return None;
        }
        Some(format!("{} of {servers} servers would have lost what they had synced", damaged.len()))
    }
}

fn layout_of(surface: &dyn Surface) -> Layout {
    let homes: Vec<usize> = (0..surface.clients()).map(|client| surface.home_of(client)).collect();
    let servers = surface.servers();
    assert!(homes.iter().all(|home| *home < servers), "every client is bound to a server");
    Layout { servers, homes }
}

/// The server that this action stops, or may stop later.
fn stopped_by(action: &Action) -> Option<usize> {
    match action {
        Action::Crash { server, .. }
        | Action::Disk { server, change: DiskFault::FailedSync | DiskFault::Full } => Some(*server),
        _ => None,
    }
}
