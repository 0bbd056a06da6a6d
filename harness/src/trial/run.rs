//! One run of a plan: hosts and clients set up, phases stepped through, everything judged at the end.
//!
//! A pure function of system, workload and plan. Single-threaded; shares nothing with another run.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use siphasher::sip128::{Hasher128, SipHasher13};
use squall_checker::Violation;
use squall_cluster::encoding::encode_onto;
use squall_cluster::node::Micros;
use squall_workloads::{Client, Workload};
use std::hash::Hasher;
use tokio::sync::Notify;

use crate::nemesis::{Nemesis, NemesisEvent, Surface};
use crate::sim::{CLIENTS, Stage, Standing, TurmoilSurface};
use crate::system::{NodeContext, NodeName, SimulatedWorld, System};

use super::alarms::Alarms;
use super::clients::{Board, ClientTask, Phase, PhaseBell};
use super::ensemble::{Ensemble, Gong};
use super::judge::{Evidence, judge};
use super::manner::{Manner, Simulator};
use super::outcome::{FaultRecord, Outcome};
use super::plan::Plan;
use super::recorder::Recorder;

/// How long a system may take until it answers for the first time.
const START_MAX: Micros = Micros::from_millis(10_000);
/// A client that knows by itself when to give up is left to say so; after this much longer it is cut off.
const GRACE: Duration = Duration::from_millis(100);
/// What every further operation of a client adds to the bound on recovery, in milliseconds.
const ROUND_MS: u64 = 50;
/// How long the final reads may take.
const QUIET_MAX: Micros = Micros::from_millis(20_000);

/// Runs a plan.
pub fn run<S: System, W: Workload>(
    system: Rc<S>,
    workload: Rc<W>,
    plan: &Plan<W::Step>,
    manner: Manner,
) -> Outcome
where
    S::Client: Client<W::Spec>,
{
    Run::new(system, workload, plan, manner).finish()
}

/// A run under way.
struct Run<'a, S: System, W: Workload> {
    plan: &'a Plan<W::Step>,
    manner: Manner,
    system: Rc<S>,
    workload: Rc<W>,
    world: Option<Rc<RefCell<dyn SimulatedWorld>>>,
    stage: Stage,
    standing: Standing,
    names: Vec<String>,
    bells: Vec<Rc<Notify>>,
    board: Rc<RefCell<Board<W>>>,
    phase: Rc<PhaseBell>,
    alarms: Rc<Alarms>,
    gong: Arc<Gong>,
    phases: Vec<(Phase, u64)>,
    nemesis: Nemesis,
    /// Before this time of the chaos phase it has nothing to do, and waits for no event.
    nemesis_rests_until_ms: u64,
    faults: Vec<FaultRecord>,
    violations: Vec<Violation>,
    /// The first invariant that the system itself found broken.
    breach: Option<Violation>,
    recovery_us: Option<(u64, u64)>,
    /// Since when service has been due: nothing is wrong, and somebody waits.
    due_since: Micros,
    chaos_operations: usize,
}

impl<'a, S: System, W: Workload> Run<'a, S, W>
where
    S::Client: Client<W::Spec>,
{
    fn new(system: Rc<S>, workload: Rc<W>, plan: &'a Plan<W::Step>, manner: Manner) -> Self {
        let board = Rc::new(RefCell::new(Board {
            now: Micros(0),
            chaos_began: Micros(0),
            recorder: Recorder::new(plan.script.iter().map(|script| script.steps.len()).sum()),
            answered: false,
            last_success: Micros(0),
            to_recover: Default::default(),
            first_recovery: None,
            to_read: plan.script.iter().map(|_| Default::default()).collect(),
            busy: 0,
            owed: 0,
            issued: Vec::new(),
            next_id: first_free_id(plan),
        }));
        let bells: Vec<Rc<Notify>> = plan.script.iter().map(|_| Rc::default()).collect();
        let phase = Rc::new(PhaseBell::new());
        let turns_clients = manner.simulator == Simulator::EventLoop;
        let cast = Cast {
            plan,
            system: &system,
            workload: &workload,
            board: &board,
            phase: &phase,
            alarms: &Rc::default(),
            bells: &bells,
            gong: &Arc::new(if turns_clients { Gong::mute() } else { Gong::default() }),
        };
        Self {
            plan,
            manner,
            world: system.world(),
            stage: cast.stage(manner.simulator),
            alarms: Rc::clone(cast.alarms),
            gong: Arc::clone(cast.gong),
            standing: Standing::default(),
            names: system.nodes().iter().map(ToString::to_string).collect(),
            bells,
            board,
            phase,
            phases: vec![(Phase::Start, 0)],
            nemesis: Nemesis::new(plan.faults.clone(), plan.limits),
            nemesis_rests_until_ms: 0,
            faults: Vec::new(),
            violations: Vec::new(),
            breach: None,
            recovery_us: None,
            due_since: Micros(0),
            chaos_operations: 0,
            system,
            workload,
        }
    }

    /// Steps through the phases, then judges.
    fn finish(mut self) -> Outcome {
        let went_well = self.go();
        if let Err(mut violations) = went_well {
            self.violations.append(&mut violations);
        }
        self.end_faults();
        self.judge()
    }

    fn go(&mut self) -> Result<(), Vec<Violation>> {
        self.until(START_MAX, |run| run.board.borrow().answered, "start", "the system never answered")?;
        self.enter(Phase::Chaos);
        let chaos_began = self.now();
        self.board.borrow_mut().chaos_began = chaos_began;
        while self.now().0 - chaos_began.0 < Micros::from_millis(self.plan.config.duration_ms).0 {
            self.tick_nemesis(chaos_began);
            self.step()?;
            self.watch_progress(chaos_began)?;
            self.watch_recovery()?;
        }
        self.heal();
        self.chaos_operations = self.board.borrow().issued.len();
        let healed = self.now();
        self.ask_for_recovery(healed.0 / 1_000 - chaos_began.0 / 1_000);
        self.enter(Phase::Liveness);
        let bound = self.recovery_bound();
        self.until(
            bound,
            |run| {
                let board = run.board.borrow();
                board.to_recover.is_empty() && board.owed == 0 && board.busy == 0
            },
            "recovery",
            "an operation that must succeed after healing has not",
        )?;
        let first = self.board.borrow().first_recovery.unwrap_or(healed);
        self.recovery_us = Some((first.0 - healed.0, self.now().0 - healed.0));
        self.ask_for_final_reads();
        self.enter(Phase::Quiet);
        self.until(
            QUIET_MAX,
            |run| {
                let board = run.board.borrow();
                board.to_read.iter().all(std::collections::VecDeque::is_empty) && board.owed == 0
            },
            "recovery",
            "the final reads have not ended",
        )?;
        self.settle(bound)?;
        self.enter(Phase::Done);
        Ok(())
    }

    /// Where the plan says that service must go on during chaos, no gap may be longer than it allows.
    fn watch_progress(&self, chaos_began: Micros) -> Result<(), Vec<Violation>> {
        let gap_max = Micros::from_millis(self.plan.config.gap_max_ms);
        let last = self.board.borrow().last_success.max(chaos_began);
        if gap_max.0 == 0 || self.now().0 - last.0 <= gap_max.0 {
            return Ok(());
        }
        let complaint = "no operation has succeeded, though the faults leave a majority working,";
        Err(vec![self.stuck("availability", complaint, gap_max)])
    }

    /// Service must come back after *every* healing: while no fault stands and some client waits, an operation must
    /// succeed within the plan's bound.
    fn watch_recovery(&mut self) -> Result<(), Vec<Violation>> {
        let now = self.now();
        let (is_idle, last) = {
            let board = self.board.borrow();
            (board.busy == 0, board.last_success)
        };
        if is_idle || self.nemesis.active().next().is_some() {
            self.due_since = now;
        }
        let since = self.due_since.max(last);
        let bound = Micros::from_millis(self.plan.config.recovery_ms);
        if now.0 - since.0 <= bound.0 {
            return Ok(());
        }
        let complaint = "no fault stands and clients wait, but no operation has succeeded";
        Err(vec![self.stuck("recovery", complaint, bound)])
    }

    /// How long recovery may take: the plan's bound, and more where each client has several operations to do.
    fn recovery_bound(&self) -> Micros {
        let rounds = self.board.borrow().to_recover.len() / self.bells.len().max(1);
        Micros::from_millis(self.plan.config.recovery_ms + ROUND_MS * rounds as u64)
    }

    fn now(&self) -> Micros {
        self.stage.now()
    }

    fn enter(&mut self, phase: Phase) {
        self.phases.push((phase, self.now().0));
        self.phase.enter(phase);
    }

    /// One simulated millisecond.
    fn step(&mut self) -> Result<(), Vec<Violation>> {
        let now = self.now();
        self.board.borrow_mut().now = now;
        self.alarms.ring(now);
        self.system.begin_step(now);
        self.gong.strike();
        self.stage.step().map_err(|panics| -> Vec<_> {
            panics.into_iter().map(|text| panic_violation(now, &text)).collect()
        })?;
        if self.breach.is_none()
            && let Err(breach) = self.system.probe()
        {
            self.breach = Some(breach);
        }
        // What is wrong is told at the end.
        if self.manner.until_breach && self.breach.is_some() { Err(Vec::new()) } else { Ok(()) }
    }

    /// Steps until `done`, for at most `bound`; beyond it the run is invalid.
    fn until(
        &mut self,
        bound: Micros,
        done: impl Fn(&Self) -> bool,
        check: &str,
        complaint: &str,
    ) -> Result<(), Vec<Violation>> {
        let began = self.now();
        while !done(self) {
            if self.now().0 - began.0 > bound.0 {
                return Err(vec![self.stuck(check, complaint, bound)]);
            }
            self.step()?;
        }
        Ok(())
    }

    fn settle(&mut self, bound: Micros) -> Result<(), Vec<Violation>> {
        let began = self.now();
        loop {
            let Err(left_over) = self.system.settled() else { return Ok(()) };
            if self.now().0 - began.0 > bound.0 {
                return Err(vec![left_over]);
            }
            self.step()?;
        }
    }

    fn stuck(&self, check: &str, complaint: &str, bound: Micros) -> Violation {
        let states = self.world.as_ref().map(|world| world.borrow().node_states()).unwrap_or_default();
        Violation {
            check: check.into(),
            kind: "hang".into(),
            key: None,
            message: format!("{complaint} within {} ms", bound.0 / 1_000),
            operations: Vec::new(),
            edges: Vec::new(),
            steps: states,
        }
    }

    fn with_surface<R>(&mut self, act: impl FnOnce(&mut Nemesis, &mut dyn Surface) -> R) -> R {
        if let Some(world) = &self.world {
            return act(&mut self.nemesis, &mut *world.borrow_mut());
        }
        let leads = |name: &&NodeName| self.system.role(name).is_some_and(|role| role == "leader");
        let leader = self.system.nodes().iter().position(|name| leads(&name));
        let mut surface = TurmoilSurface {
            stage: &mut self.stage,
            standing: &mut self.standing,
            names: &self.names,
            leader,
            bells: &self.bells,
            latency_max_ms: self.plan.config.latency_max_ms,
        };
        act(&mut self.nemesis, &mut surface)
    }

    fn tick_nemesis(&mut self, chaos_began: Micros) {
        let elapsed_ms = (self.now().0 - chaos_began.0) / 1_000;
        if elapsed_ms < self.nemesis_rests_until_ms {
            return;
        }
        let next_ms = self.nemesis.next_ms().unwrap_or(u64::MAX);
        if next_ms > elapsed_ms && !self.nemesis.is_watching() {
            self.nemesis_rests_until_ms = next_ms;
            return;
        }
        let events = self.with_surface(|nemesis, surface| nemesis.tick(elapsed_ms, surface));
        self.note_standing(&events);
        self.note_faults(events);
    }

    fn heal(&mut self) {
        let events = self.with_surface(|nemesis, surface| nemesis.heal_all(surface));
        self.note_standing(&events);
        self.note_faults(events);
    }

    /// Tells the world which families have faults that stand, if that has changed.
    fn note_standing(&self, events: &[NemesisEvent]) {
        if let Some(world) = self.world.as_ref().filter(|_| !events.is_empty()) {
            let families = self.nemesis.active().map(|planned| planned.fault.family()).collect();
            world.borrow_mut().stand(families);
        }
    }

    fn end_faults(&mut self) {
        let ids: Vec<u32> = self.faults.iter().map(|fault| fault.id).collect();
        let counts: Vec<u64> =
            self.with_surface(|_, surface| ids.iter().map(|id| surface.effective(*id)).collect());
        for (fault, count) in self.faults.iter_mut().zip(counts) {
            fault.effective = count;
        }
    }

    fn note_faults(&mut self, events: Vec<NemesisEvent>) {
        let now = self.now();
        for event in events {
            let planned = |id: u32| self.plan.faults.iter().find(|fault| fault.id == id).expect("planned");
            let (what, text, target) = match event {
                NemesisEvent::Begin { id, description, targets } => {
                    let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
                    self.faults.retain(|fault| fault.id != id || fault.withheld.is_none());
                    let joined = (!targets.is_empty()).then(|| targets.join(","));
                    self.faults.push(FaultRecord {
                        id,
                        family: planned(id).fault.family(),
                        description: description.clone(),
                        targets,
                        start_us: now.0,
                        end_us: None,
                        effective: 0,
                        withheld: None,
                    });
                    ("begin", description, joined)
                }
                NemesisEvent::End { id } => {
                    let Some(record) = self.faults.iter_mut().rev().find(|fault| fault.id == id) else {
                        continue;
                    };
                    record.end_us = Some(now.0);
                    ("end", record.description.clone(), None)
                }
                NemesisEvent::Withheld { id, reason } => {
                    self.faults.retain(|fault| fault.id != id);
                    let fault = planned(id);
                    let description = fault.to_string();
                    self.faults.push(FaultRecord {
                        id,
                        family: fault.fault.family(),
                        description: description.clone(),
                        targets: Vec::new(),
                        start_us: now.0,
                        end_us: Some(now.0),
                        effective: 0,
                        withheld: Some(reason.clone()),
                    });
                    ("withheld", format!("{description}: {reason}"), None)
                }
            };
            self.board.borrow_mut().recorder.nemesis(now, what, text, target);
        }
    }

    fn ask_for_recovery(&mut self, now_ms: u64) {
        let mut board = self.board.borrow_mut();
        let mut id = board.next_id;
        let mut next_id = || {
            id += 1;
            id - 1
        };
        let operations = self.workload.recovery(now_ms, &mut next_id);
        board.next_id = id;
        board.to_recover = operations.into();
    }

    /// Hands the final reads to one client per server, so that every path is tried.
    fn ask_for_final_reads(&mut self) {
        let mut board = self.board.borrow_mut();
        let reads = self.workload.final_reads(&board.issued);
        let readers = self.names.len().min(board.to_read.len());
        for reader in 0..readers {
            board.to_read[reader] = reads.iter().cloned().collect();
        }
    }

    fn judge(self) -> Outcome {
        let simulated_us = self.now().0;
        let mut violations = self.violations;
        violations.extend(self.breach);
        drop(self.stage);
        let board = Rc::try_unwrap(self.board).ok().expect("clients ended with the stage").into_inner();
        let mut digest = SipHasher13::new_with_keys(self.plan.key, 1);
        let evidence = Evidence {
            violations,
            outside_model: self.nemesis.outside_model(),
            faults: self.faults,
            recorder: board.recorder,
            minima: self.plan.minima,
            chaos_operations: self.chaos_operations,
        };
        let mut outcome = judge(&*self.workload, evidence);
        // The lines of one plan agree on the types of their values: nothing in them need say what it is.
        let mut bytes = Vec::new();
        for line in &outcome.lines {
            bytes.clear();
            encode_onto(line, &mut bytes);
            digest.write(&bytes);
        }
        outcome.phases = self.phases;
        outcome.simulated_us = simulated_us;
        outcome.recovery_us = self.recovery_us;
        outcome.nodes = self.names;
        if let Some(world) = &self.world {
            let mut world = world.borrow_mut();
            digest.write(&world.digest().to_le_bytes());
            outcome.node_events = world.node_events();
            outcome.messages = world.message_counts();
            outcome.node_states = world.node_states();
            outcome.trace = world.take_trace();
            outcome.coverage = world.take_coverage();
            outcome.remarks.extend(world.bounds_hit());
        }
        outcome.digest = format!("{:032x}", digest.finish128().as_u128());
        outcome
    }
}

/// Everything that takes part, before it is put on a stage.
struct Cast<'a, S: System, W: Workload> {
    plan: &'a Plan<W::Step>,
    system: &'a Rc<S>,
    workload: &'a Rc<W>,
    board: &'a Rc<RefCell<Board<W>>>,
    phase: &'a Rc<PhaseBell>,
    alarms: &'a Rc<Alarms>,
    bells: &'a [Rc<Notify>],
    gong: &'a Arc<Gong>,
}

impl<S: System, W: Workload> Cast<'_, S, W>
where
    S::Client: Client<W::Spec>,
{
    fn stage(&self, simulator: Simulator) -> Stage {
        match simulator {
            Simulator::EventLoop => {
                let system = Rc::clone(self.system);
                Stage::event_loop(Box::new(move || system.run_servers()), Box::pin(self.clients()))
            }
            Simulator::Turmoil => self.under_turmoil(),
        }
    }

    fn under_turmoil(&self) -> Stage {
        let config = &self.plan.config;
        // The simulated world delays messages itself; turmoil's wire then takes one millisecond.
        let own_delays = self.system.world().is_some();
        let latency_ms = if own_delays { (1, 1) } else { (config.latency_min_ms, config.latency_max_ms) };
        let mut stage = Stage::turmoil(self.plan.key, latency_ms);
        let nodes = self.system.nodes();
        for (index, node) in nodes.iter().enumerate() {
            let (system, nodes) = (Rc::clone(self.system), nodes.clone());
            let boots = Rc::new(RefCell::new(0));
            let node = node.clone();
            stage.host(node.clone().as_str(), move || {
                let boot = boots.replace_with(|boots| *boots + 1);
                let context = NodeContext { node: node.clone(), index, nodes: nodes.clone(), boot };
                Rc::clone(&system).serve(context)
            });
        }
        let clients = RefCell::new(Some(self.clients()));
        stage.host(CLIENTS, move || {
            let clients = clients.borrow_mut().take().expect("the clients' host is never restarted");
            // One task plays all clients: it must not be stopped in the middle of a round for having done much.
            let clients = tokio::task::unconstrained(clients);
            async move {
                clients.await;
                Ok(())
            }
        });
        stage
    }

    fn clients(&self) -> Ensemble {
        let clients = u32::try_from(self.plan.script.len()).expect("bounded");
        let nodes = self.system.nodes();
        let life = |client: u32| -> Pin<Box<dyn Future<Output = ()>>> {
            let task = ClientTask {
                system: Rc::clone(self.system),
                workload: Rc::clone(self.workload),
                board: Rc::clone(self.board),
                phase: Rc::clone(self.phase),
                alarms: Rc::clone(self.alarms),
                crash: Rc::clone(&self.bells[client as usize]),
                client,
                clients,
                home: nodes[client as usize % nodes.len()].clone(),
                timeout: Duration::from_millis(self.plan.config.timeout_ms) + GRACE,
            };
            Box::pin(task.live(self.plan.script[client as usize].clone()))
        };
        let system = Rc::clone(self.system);
        let before_round = Box::new(move || system.before_clients());
        Ensemble::new((0..clients).map(life).collect(), before_round, Arc::clone(self.gong))
    }
}

/// The first id that no step of the script has.
fn first_free_id<T>(plan: &Plan<T>) -> u32 {
    let ids = plan.script.iter().flat_map(|script| script.steps.iter().map(|step| step.id));
    ids.max().map_or(0, |id| id + 1)
}

fn panic_violation(now: Micros, text: &str) -> Violation {
    Violation {
        check: "panic".into(),
        kind: "panic".into(),
        key: None,
        message: format!("at {}.{:03} s: {text}", now.0 / 1_000_000, now.0 / 1_000 % 1_000),
        operations: Vec::new(),
        edges: Vec::new(),
        steps: Vec::new(),
    }
}
