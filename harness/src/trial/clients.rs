//! The clients of a run: each works through its script, then helps to see the system recover, then reads everything.
//!
//! Closed loop: one operation at a time per client. An operation whose outcome is not learnt ends the process; the
//! client goes on under a new one, over a new connection.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use squall_checker::{Completion, ProcessId, Spec};
use squall_cluster::node::Micros;
use squall_workloads::{Client, ClientScript, Issuer, OpError, Workload};
use tokio::sync::Notify;

use crate::system::{NodeName, System};

use super::alarms::Alarms;
use super::recorder::{By, Recorder};

/// Between two attempts to connect.
const RECONNECT_AFTER: Duration = Duration::from_millis(50);

/// The phases of a run, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Until the system answers.
    Start,
    /// Clients work through their scripts, the nemesis acts.
    Chaos,
    /// Everything has healed; operations must succeed again.
    Liveness,
    /// Final reads of everything by every path.
    Quiet,
    /// Nothing is left to do.
    Done,
}

type OpOf<W> = <<W as Workload>::Spec as Spec>::Op;

/// What clients and the step loop share.
pub(crate) struct Board<W: Workload> {
    pub(crate) now: Micros,
    pub(crate) chaos_began: Micros,
    pub(crate) recorder: Recorder<W>,
    /// Whether the system has answered at all.
    pub(crate) answered: bool,
    /// When an operation last succeeded.
    pub(crate) last_success: Micros,
    /// Operations that must still succeed.
    pub(crate) to_recover: VecDeque<OpOf<W>>,
    /// When the first of them succeeded.
    pub(crate) first_recovery: Option<Micros>,
    /// Per client, what it must still read.
    pub(crate) to_read: Vec<VecDeque<OpOf<W>>>,
    /// Operations in flight.
    pub(crate) busy: usize,
    /// Operations that a client repeats until they succeed.
    pub(crate) owed: usize,
    /// Operations whose key may hold something.
    pub(crate) issued: Vec<OpOf<W>>,
    /// Next id of an operation that is not in the script.
    pub(crate) next_id: u32,
}

/// The phase of the run, and a bell that rings when it changes. (A watch channel of tokio would wake its listeners in
/// random order.)
#[derive(Debug)]
pub(crate) struct PhaseBell {
    now: Cell<Phase>,
    changed: Notify,
}

impl PhaseBell {
    pub(crate) fn new() -> Self {
        Self { now: Cell::new(Phase::Start), changed: Notify::new() }
    }

    /// Enters a phase; whoever waits is woken in the order in which they began to.
    pub(crate) fn enter(&self, phase: Phase) {
        assert!(phase > self.now.get(), "phases only go on");
        self.now.set(phase);
        self.changed.notify_waiters();
    }
}

/// What one client needs.
pub(crate) struct ClientTask<S: System, W: Workload> {
    pub(crate) system: Rc<S>,
    pub(crate) workload: Rc<W>,
    pub(crate) board: Rc<RefCell<Board<W>>>,
    pub(crate) phase: Rc<PhaseBell>,
    pub(crate) alarms: Rc<Alarms>,
    /// Rung when the nemesis crashes this client.
    pub(crate) crash: Rc<Notify>,
    pub(crate) client: u32,
    pub(crate) clients: u32,
    pub(crate) home: NodeName,
    pub(crate) timeout: Duration,
}

/// A connection and the process that uses it.
struct Session<C> {
    process: ProcessId,
    connection: C,
}

/// How one operation ended, as far as the client's own course is concerned.
enum Ended {
    /// With a result, or a certain failure; `ok`: by an answer of the system.
    Known { ok: bool },
    /// Not learnt: the process is spent.
    Unknown,
}

impl<S: System, W: Workload> ClientTask<S, W>
where
    S::Client: Client<W::Spec>,
{
    /// The client's whole life.
    pub(crate) async fn live(self, script: ClientScript<W::Step>) {
        let mut processes = 0;
        let mut session = self.connect(&mut processes).await;
        if self.client == 0 {
            self.ping(&mut session, &mut processes).await;
        }
        self.reach(Phase::Chaos).await;
        self.work(script, &mut session, &mut processes).await;
        self.reach(Phase::Liveness).await;
        self.recover(&mut session, &mut processes).await;
        self.reach(Phase::Quiet).await;
        self.read_everything(&mut session, &mut processes).await;
        self.reach(Phase::Done).await;
    }

    async fn reach(&self, phase: Phase) {
        while self.phase() < phase {
            self.phase.changed.notified().await;
        }
    }

    fn phase(&self) -> Phase {
        self.phase.now.get()
    }

    /// Opens a connection for this client's next process; tries until it succeeds.
    async fn connect(&self, processes: &mut u64) -> Session<S::Client> {
        loop {
            let process = ProcessId(*processes * u64::from(self.clients) + u64::from(self.client));
            *processes += 1;
            let attempt = Rc::clone(&self.system).connect(self.home.clone(), process);
            if let Some(Ok(connection)) = self.alarms.timeout(self.timeout, attempt).await {
                return Session { process, connection };
            }
            self.alarms.sleep(RECONNECT_AFTER).await;
        }
    }

    /// Asks until the system answers. Not part of the history: nothing is changed.
    async fn ping(&self, session: &mut Session<S::Client>, processes: &mut u64) {
        while self.phase() == Phase::Start {
            let asked = session.connection.invoke(self.workload.ping());
            match self.alarms.timeout(self.timeout, asked).await {
                Some(Ok(_) | Err(OpError::Refused(_))) => {
                    self.board.borrow_mut().answered = true;
                    return;
                }
                Some(Err(OpError::Definite(_))) => self.alarms.sleep(RECONNECT_AFTER).await,
                Some(Err(OpError::Indeterminate(_))) | None => *session = self.connect(processes).await,
            }
        }
    }

    async fn work(
        &self,
        script: ClientScript<W::Step>,
        session: &mut Session<S::Client>,
        processes: &mut u64,
    ) {
        let mut memory = W::Memory::default();
        for step in script.steps {
            self.alarms.sleep(Duration::from_millis(u64::from(step.pause_ms))).await;
            if self.phase() != Phase::Chaos || self.board.borrow().recorder.is_full() {
                return;
            }
            let now_ms = {
                let board = self.board.borrow();
                (board.now.0 - board.chaos_began.0) / 1_000
            };
            let issuer = Issuer { client: self.client, now_ms, seen: &memory };
            let op = self.workload.operation(&step, &issuer);
            if let Ended::Unknown = self.issue(op, session, Some(&mut memory)).await {
                *session = self.connect(processes).await;
            }
        }
    }

    /// Takes operations that must succeed off the board and repeats each until it does.
    async fn recover(&self, session: &mut Session<S::Client>, processes: &mut u64) {
        loop {
            let next = self.board.borrow_mut().to_recover.pop_front();
            let Some(op) = next else { return };
            if !self.repeat(op, Phase::Liveness, session, processes).await {
                return;
            }
            let mut board = self.board.borrow_mut();
            let now = board.now;
            board.first_recovery.get_or_insert(now);
        }
    }

    async fn read_everything(&self, session: &mut Session<S::Client>, processes: &mut u64) {
        loop {
            let next = self.board.borrow_mut().to_read[self.client as usize].pop_front();
            let Some(op) = next else { return };
            if !self.repeat(op, Phase::Quiet, session, processes).await {
                return;
            }
        }
    }

    /// Repeats an operation until it is answered; `false` if the phase is over before.
    async fn repeat(
        &self,
        op: OpOf<W>,
        phase: Phase,
        session: &mut Session<S::Client>,
        processes: &mut u64,
    ) -> bool {
        // Between two attempts nothing is in flight, but something is owed.
        self.board.borrow_mut().owed += 1;
        loop {
            match self.issue(op.clone(), session, None).await {
                Ended::Known { ok: true } => {
                    self.board.borrow_mut().owed -= 1;
                    return true;
                }
                Ended::Known { ok: false } => self.alarms.sleep(RECONNECT_AFTER).await,
                Ended::Unknown => *session = self.connect(processes).await,
            }
            if self.phase() > phase {
                return false;
            }
        }
    }

    /// Runs one operation and records it.
    async fn issue(
        &self,
        op: OpOf<W>,
        session: &mut Session<S::Client>,
        memory: Option<&mut W::Memory>,
    ) -> Ended {
        let process = session.process;
        {
            let mut board = self.board.borrow_mut();
            let now = board.now;
            board.busy += 1;
            board.issued.push(op.clone());
            board.recorder.invoke(
                &self.workload,
                By { at: now, process, node: self.home.as_str() },
                op.clone(),
            );
        }
        let outcome = tokio::select! {
            biased;
            () = self.crash.notified() => Err(OpError::Indeterminate("client crashed".into())),
            outcome = self.alarms.timeout(self.timeout, session.connection.invoke(op.clone())) => {
                outcome.unwrap_or_else(|| Err(OpError::Indeterminate("timed out".into())))
            }
        };
        let (completion, error, ended) = match outcome {
            Ok(ret) => (Completion::Ok(ret), None, Ended::Known { ok: true }),
            Err(OpError::Definite(why)) => (Completion::Fail, Some(why), Ended::Known { ok: false }),
            Err(OpError::Refused(why)) => (Completion::Fail, Some(why), Ended::Known { ok: true }),
            Err(OpError::Indeterminate(why)) => (Completion::Info, Some(why), Ended::Unknown),
        };
        if let Some(memory) = memory {
            let ret = if let Completion::Ok(ret) = &completion { Some(ret) } else { None };
            self.workload.remember(memory, &op, ret);
        }
        let mut board = self.board.borrow_mut();
        let now = board.now;
        board.busy -= 1;
        if let Ended::Known { ok: true } = ended {
            board.last_success = now;
        }
        let by = By { at: now, process, node: self.home.as_str() };
        board.recorder.complete(&self.workload, by, &op, completion, error);
        ended
    }
}
