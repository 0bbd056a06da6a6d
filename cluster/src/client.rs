//! The client as a node: one outstanding request, retried at every server in turn until one answers or time is up.
//!
//! A retry keeps its number. Rejections only steer it; a stored reply is the only definite end. A client that gives
//! up answers `Indeterminate` and is spent: its operation may still happen, so its user goes on with a new node under
//! a new [`ClientId`]. It keeps nothing on disk. Where a view service or a controller says who answers, the client asks
//! it once, and again only when whom it named does not answer or refuses.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::app::{Operation, Reply};
use crate::bugs::{Bug, Bugs};
use crate::event::Event;
use crate::message::Message;
use crate::node::{Effects, Input, Micros, Node, NodeId, Stored};
use crate::primary_backup;
use crate::session::{ClientId, Outcome, Request};
use crate::sharded::configuration::{Configuration, GroupId};
use crate::sharded::message::{ControllerMessage, GroupMessage};
use crate::view::View;

/// How a client learns whom to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing {
    /// Any server answers, or says who does.
    Anyone,
    /// A view service names the primary.
    Views {
        /// Where it is.
        service: NodeId,
    },
    /// A controller says which group serves a shard; it is asked itself for what only it does.
    Shards {
        /// Its replicas.
        controllers: Vec<NodeId>,
    },
}

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
    /// How it learns which of them to ask.
    pub routing: Routing,
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
        let give_up = Micros::from_millis(1_000);
        let routing = Routing::Anyone;
        Self { id, client, servers, home, routing, resend, give_up, bugs: Bugs::NONE }
    }
}

/// How long a client waits before it asks again where a key is locked: at random, so that two do not meet for ever.
const BACK_OFF: RangeInclusive<Micros> = Micros::from_millis(5)..=Micros::from_millis(50);

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
    /// The server asked last, counted around among those that may answer.
    target: usize,
    /// Whether it answered, if only that it cannot now.
    is_refused: bool,
    /// How many rejections it may still follow before it waits for its timer.
    redirects_left: usize,
}

/// The state machine of a client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientNode {
    seq: u64,
    /// The newest view that it has heard of.
    view: Option<View>,
    /// The newest configuration that it has heard of.
    configuration: Option<Arc<Configuration>>,
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
        Self { seq: 0, view: None, configuration: None, outstanding: None, spent: false }
    }

    fn on(&mut self, config: &ClientConfig, _now: Micros, input: Input<Self>, effects: &mut Effects<Self>) {
        match input {
            Input::Invoke(operation) => self.invoke(config, operation, effects),
            Input::Message { from, message: Message::Response { client, seq, outcome } } => {
                if client == config.client {
                    self.on_response(config, from, seq, outcome, effects);
                }
            }
            Input::Message {
                message: Message::PrimaryBackup(primary_backup::Message::ViewReply { view: Some(view) }),
                ..
            } => self.on_view(config, view, effects),
            Input::Message { message: Message::Configuration(configuration), .. } => {
                self.on_configuration(config, configuration, effects);
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
        let redirects_left = config.servers.len();
        self.outstanding = Some(Outstanding { request, target, is_refused: false, redirects_left });
        effects.arm(ClientTimer::GiveUp, config.give_up..=config.give_up);
        self.ask(config, effects);
    }

    fn ask(&mut self, config: &ClientConfig, effects: &mut Effects<Self>) {
        match self.target(config) {
            Some(target) => effects.send(target, self.question(config)),
            None => self.ask_the_way(config, effects),
        }
        let outstanding = self.outstanding.as_mut().expect("only an outstanding request is sent");
        outstanding.is_refused = false;
        effects.arm(ClientTimer::Resend, config.resend.clone());
    }

    /// Those who may answer the outstanding request; none as long as nobody has said who.
    fn choices<'a>(&'a self, config: &'a ClientConfig) -> &'a [NodeId] {
        match &config.routing {
            Routing::Anyone => &config.servers,
            Routing::Views { .. } => {
                self.view.as_ref().map_or(&[], |view| core::slice::from_ref(&view.primary.server))
            }
            Routing::Shards { controllers } => match self.group(config) {
                Some(GroupId::CONTROLLER) => controllers,
                Some(group) => {
                    let members = self.configuration.as_ref().and_then(|known| known.groups.get(&group));
                    members.map_or(&[], Vec::as_slice)
                }
                None => &[],
            },
        }
    }

    /// The group that the outstanding request is for.
    fn group(&self, config: &ClientConfig) -> Option<GroupId> {
        let operation = &self.outstanding.as_ref()?.request.operation;
        let Routing::Shards { .. } = config.routing else { return None };
        if matches!(operation, Operation::Administer(_)) {
            return Some(GroupId::CONTROLLER);
        }
        let configuration = self.configuration.as_ref()?;
        let home = operation.keys().into_iter().map(|key| configuration.shard_of(key)).min()?;
        Some(configuration.owner(home)).filter(|group| *group != GroupId::CONTROLLER)
    }

    /// Whom the outstanding request goes to; `None`: somebody has yet to say.
    fn target(&self, config: &ClientConfig) -> Option<NodeId> {
        let choices = self.choices(config);
        let outstanding = self.outstanding.as_ref()?;
        choices.get(outstanding.target % choices.len().max(1)).copied()
    }

    /// The outstanding request as its receiver expects it.
    fn question(&self, config: &ClientConfig) -> Message {
        let outstanding = self.outstanding.as_ref().expect("only an outstanding request is sent");
        let request = outstanding.request.clone();
        match self.group(config) {
            None => Message::Request(request),
            Some(GroupId::CONTROLLER) => Message::Controller(ControllerMessage::Request(request)),
            Some(group) => Message::Group { group, message: GroupMessage::Request(request) },
        }
    }

    /// Asks whoever knows who answers.
    fn ask_the_way(&self, config: &ClientConfig, effects: &mut Effects<Self>) {
        match &config.routing {
            Routing::Anyone => {}
            Routing::Views { service } => {
                if self.view.is_none() || !config.bugs.has(Bug::ViewCachedForEver) {
                    effects.send(*service, Message::PrimaryBackup(primary_backup::Message::GetView));
                }
            }
            Routing::Shards { controllers } => {
                let turn = self.outstanding.as_ref().map_or(0, |outstanding| outstanding.target);
                let fetch = ControllerMessage::Fetch { group: None, num: None };
                effects.send(controllers[turn % controllers.len()], Message::Controller(fetch));
            }
        }
    }

    fn on_view(&mut self, config: &ClientConfig, view: View, effects: &mut Effects<Self>) {
        let Routing::Views { .. } = config.routing else { return };
        if self.view.is_some_and(|known| known.num >= view.num) {
            return;
        }
        self.view = Some(view);
        if self.outstanding.is_some() {
            self.ask(config, effects);
        }
    }

    fn on_configuration(
        &mut self,
        config: &ClientConfig,
        configuration: Arc<Configuration>,
        effects: &mut Effects<Self>,
    ) {
        if self.configuration.as_ref().is_some_and(|known| known.num >= configuration.num) {
            return;
        }
        self.configuration = Some(configuration);
        // What goes to the controller goes there in any configuration.
        if self.group(config).is_some_and(|group| group != GroupId::CONTROLLER) {
            self.ask(config, effects);
        }
    }

    fn on_response(
        &mut self,
        config: &ClientConfig,
        from: NodeId,
        seq: u64,
        outcome: Outcome,
        effects: &mut Effects<Self>,
    ) {
        let Some(outstanding) = &self.outstanding else { return };
        assert!(!self.spent, "a spent client has nothing outstanding");
        if seq != outstanding.request.seq && !config.bugs.has(Bug::LateReply) {
            return;
        }
        // A late rejection by another server says nothing about the one asked last.
        let is_of_target = self.target(config) == Some(from);
        match outcome {
            Outcome::Reply(reply) => self.finish(ClientAnswer::Reply(reply), effects),
            _ if !is_of_target => {}
            Outcome::NotLeader { hint } => self.on_not_leader(config, hint, effects),
            Outcome::WrongGroup => {
                if self.may_redirect() {
                    self.ask_the_way(config, effects);
                }
            }
            Outcome::Locked => {
                let outstanding = self.outstanding.as_mut().expect("just seen");
                outstanding.is_refused = true;
                effects.arm(ClientTimer::Resend, BACK_OFF);
            }
        }
    }

    fn on_not_leader(&mut self, config: &ClientConfig, hint: Option<NodeId>, effects: &mut Effects<Self>) {
        if !self.may_redirect() {
            return;
        }
        if let Routing::Views { .. } = config.routing {
            self.ask_the_way(config, effects);
            return;
        }
        let hinted = hint.and_then(|hint| self.choices(config).iter().position(|server| *server == hint));
        let outstanding = self.outstanding.as_mut().expect("only an outstanding request is redirected");
        outstanding.target = hinted.unwrap_or(outstanding.target + 1);
        self.ask(config, effects);
    }

    /// Counts one more rejection; whether it may be followed.
    fn may_redirect(&mut self) -> bool {
        let Some(outstanding) = &mut self.outstanding else { return false };
        let may = outstanding.redirects_left > 0;
        outstanding.redirects_left = outstanding.redirects_left.saturating_sub(1);
        may
    }

    fn on_resend(&mut self, config: &ClientConfig, effects: &mut Effects<Self>) {
        let Some(outstanding) = &mut self.outstanding else { return };
        if !outstanding.is_refused {
            outstanding.target += 1;
        }
        outstanding.redirects_left = config.servers.len();
        if config.bugs.has(Bug::RetryWithNewSequence) {
            self.seq += 1;
            outstanding.request.seq = self.seq;
        }
        if self.target(config).is_some() {
            self.ask_the_way(config, effects);
        }
        self.ask(config, effects);
    }

    fn on_give_up(&mut self, config: &ClientConfig, effects: &mut Effects<Self>) {
        if self.outstanding.is_none() {
            return;
        }
        if config.bugs.has(Bug::TimeoutIsFailure) {
            self.finish(ClientAnswer::Failed, effects);
        } else {
            self.spent = true;
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

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::node::{Output, TimerChange};

    const SERVERS: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];

    struct Script {
        config: ClientConfig,
        node: ClientNode,
    }

    impl Script {
        fn new(bugs: Bugs) -> Self {
            let id = NodeId(NodeId::FIRST_CLIENT);
            let mut config = ClientConfig::new(id, ClientId(7), SERVERS.to_vec(), NodeId(2));
            config.bugs = bugs;
            let node = ClientNode::boot(&config, 1, &[], &mut Effects::new());
            Self { config, node }
        }

        fn step(&mut self, input: Input<ClientNode>) -> Effects<ClientNode> {
            let mut effects = Effects::new();
            self.node.on(&self.config, Micros(0), input, &mut effects);
            effects
        }

        /// Whom it asks, under which number.
        fn asks(&mut self, input: Input<ClientNode>) -> Vec<(u32, u64)> {
            let outputs = self.step(input).outputs.into_iter();
            outputs
                .filter_map(|output| match output {
                    Output::Send { to, message: Message::Request(request) } => Some((to.0, request.seq)),
                    _ => None,
                })
                .collect()
        }

        fn answers(&mut self, input: Input<ClientNode>) -> Vec<ClientAnswer> {
            let outputs = self.step(input).outputs.into_iter();
            outputs
                .filter_map(|output| match output {
                    Output::Answer(answer) => Some(answer),
                    _ => None,
                })
                .collect()
        }
    }

    fn get() -> Input<ClientNode> {
        Input::Invoke(Operation::Get { key: "k".into() })
    }

    fn reply(seq: u64) -> Input<ClientNode> {
        let outcome = Outcome::Reply(Reply::Done);
        Input::Message { from: NodeId(2), message: Message::Response { client: ClientId(7), seq, outcome } }
    }

    fn rejection(from: u32, hint: Option<u32>) -> Input<ClientNode> {
        let outcome = Outcome::NotLeader { hint: hint.map(NodeId) };
        Input::Message {
            from: NodeId(from),
            message: Message::Response { client: ClientId(7), seq: 1, outcome },
        }
    }

    #[test]
    fn asks_home_first_and_numbers_from_one() {
        let mut script = Script::new(Bugs::NONE);
        assert_eq!(script.asks(get()), [(2, 1)]);
        assert_eq!(script.answers(reply(1)), [ClientAnswer::Reply(Reply::Done)]);
        assert_eq!(script.asks(get()), [(2, 2)]);
    }

    #[test]
    fn resends_around_under_the_same_number() {
        let mut script = Script::new(Bugs::NONE);
        script.step(get());
        assert_eq!(script.asks(Input::Timer(ClientTimer::Resend)), [(3, 1)]);
        assert_eq!(script.asks(Input::Timer(ClientTimer::Resend)), [(1, 1)]);
        let mut buggy = Script::new(Bugs::of(&[Bug::RetryWithNewSequence]));
        buggy.step(get());
        assert_eq!(buggy.asks(Input::Timer(ClientTimer::Resend)), [(3, 2)]);
    }

    #[test]
    fn follows_hints_but_not_for_ever() {
        let mut script = Script::new(Bugs::NONE);
        script.step(get());
        assert_eq!(script.asks(rejection(2, Some(1))), [(1, 1)]);
        assert_eq!(script.asks(rejection(2, Some(3))), [], "not asked last");
        assert_eq!(script.asks(rejection(1, None)), [(2, 1)]);
        assert_eq!(script.asks(rejection(2, Some(1))), [(1, 1)]);
        assert_eq!(script.asks(rejection(1, Some(2))), [], "enough");
        assert_eq!(script.asks(Input::Timer(ClientTimer::Resend)), [(2, 1)]);
    }

    #[test]
    fn late_reply_is_ignored() {
        for (bugs, answers) in [(Bugs::NONE, 0), (Bugs::of(&[Bug::LateReply]), 1)] {
            let mut script = Script::new(bugs);
            script.step(get());
            script.step(reply(1));
            script.step(get());
            assert_eq!(script.answers(reply(1)).len(), answers);
        }
    }

    #[test]
    fn gives_up_as_indeterminate_and_is_spent() {
        let mut script = Script::new(Bugs::NONE);
        script.step(get());
        assert_eq!(script.answers(Input::Timer(ClientTimer::GiveUp)), [ClientAnswer::Indeterminate]);
        assert!(script.node.is_spent());
        assert_eq!(script.answers(reply(1)), []);
        let mut buggy = Script::new(Bugs::of(&[Bug::TimeoutIsFailure]));
        buggy.step(get());
        assert_eq!(buggy.answers(Input::Timer(ClientTimer::GiveUp)), [ClientAnswer::Failed]);
    }

    #[test]
    fn end_disarms_both_timers() {
        let mut script = Script::new(Bugs::NONE);
        script.step(get());
        let expected =
            vec![TimerChange::Cancel(ClientTimer::Resend), TimerChange::Cancel(ClientTimer::GiveUp)];
        assert_eq!(script.step(reply(1)).timers, expected);
    }

    #[test]
    fn identities_are_new_unless_reused() {
        assert_ne!(client_identity(Bugs::NONE, 3, 0), client_identity(Bugs::NONE, 3, 1));
        let reused = Bugs::of(&[Bug::SequenceReused]);
        assert_eq!(client_identity(reused, 3, 0), client_identity(reused, 3, 1));
        assert_ne!(client_identity(reused, 3, 0), client_identity(reused, 4, 0));
    }
}
