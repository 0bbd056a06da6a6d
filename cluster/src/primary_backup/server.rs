//! A server: primary, backup or idle, as the view service says; all of its state is volatile.
//!
//! A primary handles one operation at a time, reads too: the backup executes it, acknowledges, and only then the
//! primary executes and answers. So `primary ≤ backup ≤ primary + 1` in operations executed, and whoever is promoted
//! holds everything that was answered. A primary stands by a view (pings its number) only once the backup has its
//! whole state; a server becomes primary only if it held the state in the view before. An operation under way when the
//! view changes stays the next one, so the order of operations never forks.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::{Message as BackupMessage, ViewEvent};
use crate::app::{Operation, Reply};
use crate::bugs::{Bug, Bugs};
use crate::event::Event;
use crate::message::Message;
use crate::node::{Effects, Input, Micros, Node, NodeId, Stored};
use crate::session::{Outcome, Request, Shard};
use crate::view::{Member, Nothing, View};

/// Who a server is, and how it runs.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Its address.
    pub id: NodeId,
    /// Where the view service is.
    pub view_service: NodeId,
    /// How long it waits between two pings, at least and at most.
    pub ping: (Micros, Micros),
    /// How long it waits for an acknowledgement before it sends again.
    pub resend: (Micros, Micros),
    /// Bugs switched on.
    pub bugs: Bugs,
}

impl ServerConfig {
    /// With the usual timing.
    pub fn new(id: NodeId, view_service: NodeId, bugs: Bugs) -> Self {
        assert!(id != view_service, "the view service is no server");
        let ping = (Micros::from_millis(35), Micros::from_millis(45));
        Self { id, view_service, ping, resend: (Micros::from_millis(30), Micros::from_millis(50)), bugs }
    }
}

/// Its timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ServerTimer {
    /// Time to ping.
    Ping,
    /// What was sent to the backup has not been acknowledged.
    Resend,
}

/// Servers keep nothing on disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ServerRecord {}

/// Requests that wait for their turn, at most; further ones are dropped, and retried by their clients.
const WAITING_MAX: usize = 256;
/// After so many resends a primary that skips silent backups does so.
const PATIENCE_RESENDS: u32 = 3;

/// How many bytes of a state travel in one datagram.
const PAGE_BYTES: usize = 24_000;

/// A part of a state on the wire.
struct Page {
    opnum: u64,
    size: u64,
    offset: u64,
    bytes: Arc<[u8]>,
}

/// What a server does in its view.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Role {
    Idle,
    Primary(Partner),
    Backup(Copy),
}

/// How far the primary is with its backup.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Partner {
    /// The view names none, or the one that it names is dead.
    Absent,
    /// It takes over the state as of this operation, and has so many bytes of it.
    Copying { opnum: u64, state: Arc<[u8]>, held: usize },
    /// It executes every operation first.
    InStep,
}

/// How far the backup is with the state of its primary.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Copy {
    in_step: bool,
    /// What has come of the state, until all of it is there.
    bytes: Vec<u8>,
}

/// A request that waits for its turn, and the client that waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Waiting {
    request: Request,
    from: NodeId,
}

/// The state machine of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    boot: u64,
    view: Option<View>,
    role: Role,
    shard: Shard,
    /// The number of the last operation that it executed.
    opnum: u64,
    /// The first one is under way if the backup is in step.
    waiting: VecDeque<Waiting>,
    /// How often the first one has been sent again.
    resends: u32,
}

impl Node for Server {
    type Config = ServerConfig;
    type Message = Message;
    type Timer = ServerTimer;
    type Record = ServerRecord;
    type Invocation = Nothing;
    type Answer = Nothing;
    type Event = Event;

    fn boot(
        config: &ServerConfig,
        incarnation: u64,
        _disk: &[Stored<ServerRecord>],
        effects: &mut Effects<Self>,
    ) -> Self {
        let server = Self {
            boot: incarnation,
            view: None,
            role: Role::Idle,
            shard: Shard::default(),
            opnum: 0,
            waiting: VecDeque::new(),
            resends: 0,
        };
        effects.event(Event::View(ViewEvent::Started { boot: incarnation }));
        server.ping(config, effects);
        server
    }

    fn on(&mut self, config: &ServerConfig, _now: Micros, input: Input<Self>, effects: &mut Effects<Self>) {
        match input {
            Input::Message { from, message: Message::Request(request) } => {
                self.on_request(config, from, request, effects);
            }
            Input::Message { from, message: Message::PrimaryBackup(message) } => {
                self.on_message(config, from, message, effects);
            }
            Input::Message { .. } => {}
            Input::Timer(ServerTimer::Ping) => self.ping(config, effects),
            Input::Timer(ServerTimer::Resend) => self.on_resend(config, effects),
            Input::Invoke(nothing) => match nothing {},
        }
        assert!(
            self.waiting.is_empty() || matches!(self.role, Role::Primary(_)),
            "only a primary has clients"
        );
    }
}

/// What others may know.
impl Server {
    /// Which of its starts this is.
    pub fn boot_number(&self) -> u64 {
        self.boot
    }

    /// The newest view that it has heard of.
    pub fn view(&self) -> Option<View> {
        self.view
    }

    /// What it holds.
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    /// The number of the last operation that it executed.
    pub fn opnum(&self) -> u64 {
        self.opnum
    }

    /// The name of its role.
    pub fn role(&self) -> &'static str {
        match &self.role {
            Role::Idle => "idle",
            Role::Primary(_) => "primary",
            Role::Backup(_) => "backup",
        }
    }

    /// Whether it answers clients.
    pub fn is_serving(&self) -> bool {
        matches!(self.role, Role::Primary(Partner::Absent | Partner::InStep))
    }

    /// Whether it plays its part in this view: a primary that serves, or a backup in step.
    pub fn holds(&self, view: u64) -> bool {
        let in_step = matches!(&self.role, Role::Backup(copy) if copy.in_step);
        self.view.is_some_and(|own| own.num == view) && (in_step || self.is_serving())
    }
}

/// Views.
impl Server {
    fn view_num(&self) -> u64 {
        self.view.map_or(0, |view| view.num)
    }

    /// The view that it stands by: the one before, until its own part in the present one is played.
    fn acknowledged(&self, bugs: Bugs) -> u64 {
        match &self.role {
            Role::Idle => 0,
            Role::Primary(Partner::Copying { .. }) if !bugs.has(Bug::AcknowledgedBeforeTransfer) => {
                self.view_num() - 1
            }
            Role::Backup(Copy { in_step: false, .. }) => 0,
            Role::Primary(_) | Role::Backup(_) => self.view_num(),
        }
    }

    fn ping(&self, config: &ServerConfig, effects: &mut Effects<Self>) {
        let ping = BackupMessage::Ping { view: self.acknowledged(config.bugs), boot: self.boot };
        effects.send(config.view_service, Message::PrimaryBackup(ping));
        effects.arm(ServerTimer::Ping, config.ping.0..=config.ping.1);
    }

    fn enter(&mut self, config: &ServerConfig, view: View, effects: &mut Effects<Self>) {
        if view.num <= self.view_num() {
            return;
        }
        let own = Member { server: config.id, boot: self.boot };
        let held_before = self.holds(view.num - 1) || view.num == 1;
        self.view = Some(view);
        self.resends = 0;
        effects.cancel(ServerTimer::Resend);
        if view.primary == own && held_before {
            let partner = match view.backup {
                None => Partner::Absent,
                Some(_) => Partner::Copying { opnum: self.opnum, state: self.encoded(config.bugs), held: 0 },
            };
            self.role = Role::Primary(partner);
        } else {
            // What it holds is no longer the newest; what it has promised no client, it forgets.
            self.waiting.clear();
            let is_backup = view.backup == Some(own);
            let copy = Copy { in_step: false, bytes: Vec::new() };
            self.role = if is_backup { Role::Backup(copy) } else { Role::Idle };
        }
        effects.event(Event::View(ViewEvent::Entered { num: view.num, role: self.role() }));
        match &self.role {
            Role::Primary(Partner::Absent) => self.serve(config, effects),
            Role::Primary(_) => self.send_to_backup(config, effects),
            Role::Idle | Role::Backup(_) => {}
        }
    }

    fn encoded(&self, bugs: Bugs) -> Arc<[u8]> {
        let lacks_sessions = bugs.has(Bug::TransferWithoutSessions);
        let shard = if lacks_sessions { self.shard.without_sessions() } else { self.shard.clone() };
        postcard::to_allocvec(&shard).expect("a shard can always be encoded").into()
    }

    /// The backup has everything, or there is none: acknowledge the view, and go on with what waits.
    fn serve(&mut self, config: &ServerConfig, effects: &mut Effects<Self>) {
        assert!(self.is_serving(), "only a primary whose backup is settled serves");
        let (num, opnum, state) = (self.view_num(), self.opnum, self.shard.digest());
        effects.event(Event::View(ViewEvent::Acknowledged { num, opnum, state }));
        self.ping(config, effects);
        self.advance(config, effects);
    }
}

/// What primary and backup say to each other.
impl Server {
    fn on_message(
        &mut self,
        config: &ServerConfig,
        from: NodeId,
        message: BackupMessage,
        effects: &mut Effects<Self>,
    ) {
        match message {
            BackupMessage::ViewReply { view: Some(view) } => self.enter(config, view, effects),
            BackupMessage::Forward { view, opnum, request } => {
                self.on_forward(config, from, view, opnum, &request, effects);
            }
            BackupMessage::Transfer { view, opnum, size, offset, bytes } => {
                let page = Page { opnum, size, offset, bytes };
                self.on_transfer(config, from, view, &page, effects);
            }
            BackupMessage::ForwardAck { view, opnum } => {
                let is_awaited =
                    matches!(self.role, Role::Primary(Partner::InStep)) && !self.waiting.is_empty();
                if is_awaited && view == self.view_num() && opnum == self.opnum + 1 {
                    self.complete(config, effects);
                    self.advance(config, effects);
                }
            }
            BackupMessage::TransferAck { view, held } if view == self.view_num() => {
                self.on_transfer_ack(config, held, effects);
            }
            BackupMessage::Refused { view, boot } if view == self.view_num() => {
                self.on_refused(config, Member { server: from, boot }, effects);
            }
            _ => {}
        }
    }

    fn send_to_backup(&self, config: &ServerConfig, effects: &mut Effects<Self>) {
        let Role::Primary(partner) = &self.role else { return };
        let view = self.view.expect("a primary has a view");
        let Some(backup) = view.backup else { return };
        let message = match partner {
            Partner::Absent => return,
            Partner::Copying { opnum, state, held } => BackupMessage::Transfer {
                view: view.num,
                opnum: *opnum,
                size: state.len() as u64,
                offset: *held as u64,
                bytes: state[*held..state.len().min(held + PAGE_BYTES)].into(),
            },
            Partner::InStep => {
                let Some(first) = self.waiting.front() else { return };
                BackupMessage::Forward {
                    view: view.num,
                    opnum: self.opnum + 1,
                    request: first.request.clone(),
                }
            }
        };
        effects.send(backup.server, Message::PrimaryBackup(message));
        effects.arm(ServerTimer::Resend, config.resend.0..=config.resend.1);
    }

    fn on_resend(&mut self, config: &ServerConfig, effects: &mut Effects<Self>) {
        self.resends += 1;
        if config.bugs.has(Bug::SilentBackupSkipped)
            && self.resends > PATIENCE_RESENDS
            && matches!(self.role, Role::Primary(Partner::InStep))
        {
            self.role = Role::Primary(Partner::Absent);
            self.advance(config, effects);
        }
        self.send_to_backup(config, effects);
    }

    fn on_forward(
        &mut self,
        config: &ServerConfig,
        from: NodeId,
        view: u64,
        opnum: u64,
        request: &Request,
        effects: &mut Effects<Self>,
    ) {
        let is_ours = matches!(&self.role, Role::Backup(copy) if copy.in_step)
            && self.view.is_some_and(|own| own.num == view && own.primary.server == from);
        let obeys_anyone = config.bugs.has(Bug::BackupIgnoresView) && self.role() != "idle";
        if !is_ours && !obeys_anyone {
            self.refuse(from, view, effects);
            return;
        }
        let is_repeated = opnum == self.opnum && !config.bugs.has(Bug::ForwardExecutedAgain);
        if opnum == self.opnum + 1 || (opnum == self.opnum && !is_repeated) {
            self.execute(config, view, request, effects);
        } else if !is_repeated {
            return;
        }
        effects.send(from, Message::PrimaryBackup(BackupMessage::ForwardAck { view, opnum }));
    }

    fn on_transfer(
        &mut self,
        config: &ServerConfig,
        from: NodeId,
        view: u64,
        page: &Page,
        effects: &mut Effects<Self>,
    ) {
        let is_ours = self.view.is_some_and(|own| own.num == view && own.primary.server == from);
        let Role::Backup(copy) = &mut self.role else {
            self.refuse(from, view, effects);
            return;
        };
        if !is_ours {
            self.refuse(from, view, effects);
            return;
        }
        if config.bugs.has(Bug::TransferInstalledTwice) && copy.in_step && page.offset == 0 {
            *copy = Copy { in_step: false, bytes: Vec::new() };
        }
        // A repeated page is acknowledged and ignored.
        if !copy.in_step && copy.bytes.len() as u64 == page.offset {
            copy.bytes.extend_from_slice(&page.bytes);
            if copy.bytes.len() as u64 == page.size {
                self.install(page.opnum, effects);
            }
        }
        let Role::Backup(copy) = &self.role else { unreachable!("a backup stays one") };
        let held = if copy.in_step { page.size } else { copy.bytes.len() as u64 };
        effects.send(from, Message::PrimaryBackup(BackupMessage::TransferAck { view, held }));
    }

    /// All of the state is there: what its primary holds is what it holds.
    fn install(&mut self, opnum: u64, effects: &mut Effects<Self>) {
        let Role::Backup(copy) = &mut self.role else { unreachable!("only a backup takes over a state") };
        let bytes = core::mem::take(&mut copy.bytes);
        self.shard = postcard::from_bytes(&bytes).expect("a primary sends what it encoded");
        copy.in_step = true;
        self.opnum = opnum;
        let (num, version, state) = (self.view_num(), self.shard.version(), self.shard.digest());
        effects.event(Event::View(ViewEvent::Installed { num, opnum, version, state }));
    }

    fn refuse(&self, to: NodeId, view: u64, effects: &mut Effects<Self>) {
        effects.send(to, Message::PrimaryBackup(BackupMessage::Refused { view, boot: self.boot }));
    }

    fn on_transfer_ack(&mut self, config: &ServerConfig, now_held: u64, effects: &mut Effects<Self>) {
        let Role::Primary(Partner::Copying { state, held, .. }) = &mut self.role else { return };
        if now_held <= *held as u64 {
            return;
        }
        assert!(now_held <= state.len() as u64, "nobody has more of a state than there is");
        *held = usize::try_from(now_held).expect("below a length");
        if *held < state.len() {
            self.send_to_backup(config, effects);
        } else {
            effects.cancel(ServerTimer::Resend);
            self.role = Role::Primary(Partner::InStep);
            self.serve(config, effects);
        }
    }

    /// A server under a larger boot number than the view names cannot be its backup: that one is dead. As long as this
    /// primary has not acknowledged the view, there can be no later one, and it goes on alone. Once it has, the backup
    /// may have been promoted before it died: only the view service knows, and will tell.
    fn on_refused(&mut self, config: &ServerConfig, by: Member, effects: &mut Effects<Self>) {
        let may_go_on = match &self.role {
            Role::Primary(Partner::Copying { .. }) => true,
            Role::Primary(Partner::InStep) => config.bugs.has(Bug::RestartedBackupSkipped),
            _ => false,
        };
        let Some(backup) = self.view.and_then(|view| view.backup).filter(|_| may_go_on) else { return };
        let is_dead = by.boot > backup.boot || config.bugs.has(Bug::RefusalTakenForDeath);
        if by.server == backup.server && is_dead {
            self.role = Role::Primary(Partner::Absent);
            effects.cancel(ServerTimer::Resend);
            self.serve(config, effects);
        }
    }
}

/// Operations.
impl Server {
    fn on_request(
        &mut self,
        config: &ServerConfig,
        from: NodeId,
        request: Request,
        effects: &mut Effects<Self>,
    ) {
        if !matches!(self.role, Role::Primary(_)) {
            let hint = self.view.map(|view| view.primary.server).filter(|primary| *primary != config.id);
            let outcome = Outcome::NotLeader { hint };
            effects.send(from, Message::Response { client: request.client, seq: request.seq, outcome });
            return;
        }
        if config.bugs.has(Bug::ReadNotForwarded) && !request.operation.is_mutation() {
            let outcome = Outcome::Reply(self.shard.data().evaluate(&request.operation));
            self.respond(from, &request, outcome, effects);
            return;
        }
        // What was executed need not be executed again. This saves a turn; what makes execution unique is the session.
        if !config.bugs.has(Bug::NoDeduplication) {
            if let Some(outcome) = self.shard.stored(&request, config.bugs) {
                self.respond(from, &request, outcome, effects);
                return;
            }
            if self.shard.session(request.client).is_some_and(|session| session.seq > request.seq) {
                return;
            }
        }
        let is_same =
            |one: &&mut Waiting| (one.request.client, one.request.seq) == (request.client, request.seq);
        if let Some(waiting) = self.waiting.iter_mut().find(is_same) {
            waiting.from = from;
        } else if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(Waiting { request, from });
            let serves = self.is_serving() || config.bugs.has(Bug::ServesBeforeTransfer);
            if self.waiting.len() == 1 && serves {
                self.advance(config, effects);
            }
        }
    }

    /// Begins the next operation; a primary without backup does all of them.
    fn advance(&mut self, config: &ServerConfig, effects: &mut Effects<Self>) {
        self.resends = 0;
        effects.cancel(ServerTimer::Resend);
        let alone = match &self.role {
            Role::Primary(Partner::Absent) => true,
            Role::Primary(Partner::Copying { .. }) if config.bugs.has(Bug::ServesBeforeTransfer) => true,
            _ => false,
        };
        while alone && !self.waiting.is_empty() {
            self.complete(config, effects);
        }
        if let (Role::Primary(Partner::InStep), Some(first)) = (&self.role, self.waiting.front()) {
            let operation = &first.request.operation;
            let can_guess = operation.is_mutation() && !matches!(operation, Operation::Cas { .. });
            if config.bugs.has(Bug::ReplyBeforeForwardAck) && can_guess {
                self.respond(first.from, &first.request, Outcome::Reply(Reply::Done), effects);
            }
        }
        self.send_to_backup(config, effects);
    }

    /// Executes the first operation that waits, and answers it.
    fn complete(&mut self, config: &ServerConfig, effects: &mut Effects<Self>) {
        let Waiting { request, from } = self.waiting.pop_front().expect("an operation is under way");
        let outcome = self.execute(config, self.view_num(), &request, effects);
        let (num, opnum) = (self.view_num(), self.opnum);
        effects.event(Event::View(ViewEvent::Completed { num, opnum }));
        if let Some(outcome) = outcome {
            self.respond(from, &request, outcome, effects);
        }
    }

    fn execute(
        &mut self,
        config: &ServerConfig,
        num: u64,
        request: &Request,
        effects: &mut Effects<Self>,
    ) -> Option<Outcome> {
        self.opnum += 1;
        let execution = self.shard.execute(request, config.bugs);
        let (state, primary) = (self.shard.digest(), matches!(self.role, Role::Primary(_)));
        effects.event(Event::View(ViewEvent::Performed { num, opnum: self.opnum, state, primary }));
        if let (Some(version), Some(outcome)) = (execution.version, &execution.outcome) {
            effects.event(Event::Executed {
                client: request.client,
                seq: request.seq,
                version,
                mutation: true,
                reply: outcome.digest(),
            });
        }
        execution.outcome
    }

    fn respond(&self, to: NodeId, request: &Request, outcome: Outcome, effects: &mut Effects<Self>) {
        effects.event(Event::ReplySent {
            client: request.client,
            seq: request.seq,
            mutation: request.operation.is_mutation(),
            reply: outcome.digest(),
        });
        effects.send(to, Message::Response { client: request.client, seq: request.seq, outcome });
    }
}
