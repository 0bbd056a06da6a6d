//! The client as a node: one outstanding request, retried at every server in turn until one answers or time is up.
//!
//! A retry keeps its number. Rejections only steer it; a stored reply is the only definite end. A client that gives
//! up answers `Indeterminate` and is spent: its operation may still happen, so its user goes on with a new node under
//! a new [`ClientId`]. It keeps nothing on disk.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::app::{Operation, Reply};
use crate::bugs::{Bug, Bugs};
use crate::event::Event;
use crate::message::Message;
use crate::node::{Effects, Input, Micros, Node, NodeId, Stored};
use crate::session::{ClientId, Outcome, Request};

/// Who a client is and whom it asks.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Its address.
    pub id: NodeId,
    /// The name it gives in requests; see [`client_identity`].
    pub client: ClientId,
    /// Every server.
    pub servers: Vec<NodeId>,
    /// The server that it is bound to: each operation tries this one first.
    pub home: NodeId,
    /// How long it waits for an answer before it asks the next server.
    pub resend: RangeInclusive<Micros>,
    /// How long it tries.
    pub give_up: Micros,
    /// Bugs switched on.
    pub bugs: Bugs,
}

impl ClientConfig {
    /// With the usual timing.
    pub fn new(id: NodeId, client: ClientId, servers: Vec<NodeId>, home: NodeId) -> Self {
        assert!(id.is_client() && servers.contains(&home), "a client is bound to one of its servers");
        let resend = Micros::from_millis(60)..=Micros::from_millis(120);
        Self { id, client, servers, home, resend, give_up: Micros::from_millis(1_000), bugs: Bugs::NONE }
    }
}

/// The name of a client's `connection`-th life (from 0), never used before.
pub fn client_identity(bugs: Bugs, client_slot: u32, connection: u32) -> ClientId {
    let life = if bugs.has(Bug::SequenceReused) { 0 } else { connection };
    ClientId((u64::from(client_slot) << 32) | u64::from(life))
}

/// How an operation ended for the client.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ClientAnswer {
    /// It was executed, exactly once, with this reply.
    Reply(Reply),
    /// It may have happened, may yet happen, or may never happen. The node is spent.
    Indeterminate,
    /// It certainly did not happen; a correct client never says so.
    Failed,
}

/// The client's timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ClientTimer {
    /// The server asked last has not answered in time.
    Resend,
    /// Time is up.
    GiveUp,
}

/// Clients keep nothing on disk.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ClientRecord {}

/// The request under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Outstanding {
    request: Request,
    /// The server asked last, as an index.
    target: usize,
    /// How many rejections it may still follow before it waits for its timer.
    redirects_left: usize,
}

/// The state machine of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientNode {
    seq: u64,
    outstanding: Option<Outstanding>,
    spent: bool,
}

impl Node for ClientNode {
    type Config = ClientConfig;
    type Message = Message;
    type Timer = ClientTimer;
    type Record = ClientRecord;
    type Invocation = Operation;
    type Answer = ClientAnswer;
    type Event = Event;

    fn boot(
        config: &ClientConfig,
        _incarnation: u64,
        disk: &[Stored<ClientRecord>],
        _effects: &mut Effects<Self>,
    ) -> Self {
        assert!(disk.is_empty(), "a client keeps nothing on disk");
        assert!(config.servers.contains(&config.home), "a client is bound to one of its servers");
        Self { seq: 0, outstanding: None, spent: false }
    }

    fn on(&mut self, config: &ClientConfig, _now: Micros, input: Input<Self>, effects: &mut Effects<Self>) {
        match input {
            Input::Invoke(operation) => self.invoke(config, operation, effects),
            Input::Message { from, message: Message::Response { client, seq, outcome } } => {
                if client == config.client {
                    self.on_response(config, from, seq, outcome, effects);
                }
            }
            Input::Message { .. } => {}
            Input::Timer(ClientTimer::Resend) => self.on_resend(config, effects),
            Input::Timer(ClientTimer::GiveUp) => self.on_give_up(config, effects),
        }
    }
}

impl ClientNode {
    /// Whether it gave up; a spent client takes no further operation.
    pub fn is_spent(&self) -> bool {
        self.spent
    }

    /// The request under way.
    pub fn outstanding(&self) -> Option<&Request> {
        self.outstanding.as_ref().map(|outstanding| &outstanding.request)
    }

    fn invoke(&mut self, config: &ClientConfig, operation: Operation, effects: &mut Effects<Self>) {
        assert!(!self.spent, "a spent client takes no operation: make a new one under a new id");
        assert!(self.outstanding.is_none(), "a client has one request outstanding");
        self.seq += 1;
        let request = Request { client: config.client, seq: self.seq, operation };
        let home = config.servers.iter().position(|server| *server == config.home);
        let target = home.expect("the home is one of the servers");
        self.outstanding = Some(Outstanding { request, target, redirects_left: config.servers.len() });
        effects.arm(ClientTimer::GiveUp, config.give_up..=config.give_up);
        self.ask(config, effects);
    }

    fn ask(&self, config: &ClientConfig, effects: &mut Effects<Self>) {
        let outstanding = self.outstanding.as_ref().expect("only an outstanding request is sent");
        assert!(outstanding.target < config.servers.len(), "the target is one of the servers");
        effects.send(config.servers[outstanding.target], Message::Request(outstanding.request.clone()));
        effects.arm(ClientTimer::Resend, config.resend.clone());
    }

    fn on_response(
        &mut self,
        config: &ClientConfig,
        from: NodeId,
        seq: u64,
        outcome: Outcome,
        effects: &mut Effects<Self>,
    ) {
        let Some(outstanding) = &mut self.outstanding else { return };
        assert!(!self.spent, "a spent client has nothing outstanding");
        if seq != outstanding.request.seq && !config.bugs.has(Bug::LateReply) {
            return;
        }
        match outcome {
            Outcome::Reply(reply) => self.finish(ClientAnswer::Reply(reply), effects),
            Outcome::NotLeader { hint } => {
                // A late rejection by another server says nothing about the one asked last.
                if config.servers[outstanding.target] != from || outstanding.redirects_left == 0 {
                    return;
                }
                let hinted = hint.and_then(|hint| config.servers.iter().position(|server| *server == hint));
                outstanding.redirects_left -= 1;
                outstanding.target = hinted.unwrap_or((outstanding.target + 1) % config.servers.len());
                self.ask(config, effects);
            }
        }
    }

    fn on_resend(&mut self, config: &ClientConfig, effects: &mut Effects<Self>) {
        let Some(outstanding) = &mut self.outstanding else { return };
        outstanding.target = (outstanding.target + 1) % config.servers.len();
        outstanding.redirects_left = config.servers.len();
        if config.bugs.has(Bug::RetryWithNewSequence) {
            self.seq += 1;
            outstanding.request.seq = self.seq;
        }
        self.ask(config, effects);
    }

    fn on_give_up(&mut self, config: &ClientConfig, effects: &mut Effects<Self>) {
        if self.outstanding.is_none() {
            return;
        }
        self.spent = true;
        if config.bugs.has(Bug::TimeoutIsFailure) {
            self.finish(ClientAnswer::Failed, effects);
        } else {
            self.finish(ClientAnswer::Indeterminate, effects);
        }
    }

    fn finish(&mut self, answer: ClientAnswer, effects: &mut Effects<Self>) {
        assert!(self.outstanding.is_some(), "only an outstanding request ends");
        self.outstanding = None;
        effects.cancel(ClientTimer::Resend);
        effects.cancel(ClientTimer::GiveUp);
        effects.answer(answer);
    }
}
