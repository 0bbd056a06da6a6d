//! The view service: who is primary and who is backup, decided by one durable node.
//!
//! Views are numbered, name *incarnations* of servers, and change only after their primary has acknowledged them: so a
//! primary never is anyone but the last one or its backup, and whoever is promoted holds the state. A view is durable
//! before anyone hears of it. Servers ping; one that is silent for two full intervals, or pings under a larger boot
//! number than the view names, is dead. It does not know what servers store. The design is that of the first labs of
//! many courses on distributed systems; its weak spot, a single view service, is deliberate.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::bugs::{Bug, Bugs};
use crate::event::Event;
use crate::message::Message;
use crate::node::{Effects, Input, Micros, Node, NodeId, Stored};
use crate::paxos::{Ballot, Slot};
use crate::primary_backup::{self, ViewEvent};

/// One life of a server: it starts with nothing, and what it holds ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Member {
    /// Its address.
    pub server: NodeId,
    /// Which of its starts.
    pub boot: u64,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.server, self.boot)
    }
}

/// Who plays which role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct View {
    /// Its number, from 1.
    pub num: u64,
    /// Who answers clients.
    pub primary: Member,
    /// Who executes everything first.
    pub backup: Option<Member>,
}

impl View {
    /// Who is named.
    pub fn members(&self) -> impl Iterator<Item = Member> {
        [Some(self.primary), self.backup].into_iter().flatten()
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "view {}: primary {}", self.num, self.primary)?;
        match self.backup {
            Some(backup) => write!(f, ", backup {backup}"),
            None => write!(f, ", no backup"),
        }
    }
}

/// Who the view service is, and for whom.
#[derive(Clone, Debug)]
pub struct ViewConfig {
    /// Its address.
    pub id: NodeId,
    /// The servers, in the order in which they are chosen.
    pub servers: Vec<NodeId>,
    /// The interval at whose end it judges who is dead.
    pub interval: Micros,
    /// Bugs switched on.
    pub bugs: Bugs,
}

/// One durable write.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ViewRecord {
    /// Whose disk this is; written once, before the first boot.
    Identity {
        /// Its address.
        node: NodeId,
    },
    /// A new view.
    View(View),
    /// The primary of this view acknowledged it.
    Acked {
        /// Its number.
        num: u64,
    },
}

/// Its timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ViewTimer {
    /// An interval is over.
    Interval,
}

/// Nobody invokes or answers anything at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Nothing {}

/// Every so many views the disk is written anew, so that it stays small.
const VIEWS_PER_DISK: u64 = 64;
/// Silence for so many full intervals is death.
const SILENT_INTERVALS: u32 = 2;

/// What the host writes to a new disk before the first boot.
pub fn identity_records(config: &ViewConfig) -> Vec<ViewRecord> {
    assert!(!config.id.is_client(), "a server has a server's address");
    vec![ViewRecord::Identity { node: config.id }]
}

/// The state machine of the view service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ViewService {
    /// Whether it has its disk; one that lost it refuses to serve for good.
    serves: bool,
    view: Option<View>,
    acked: bool,
    /// Who pinged in this interval, under which boot number.
    current: BTreeMap<NodeId, u64>,
    /// Who did in the last one.
    last: BTreeMap<NodeId, u64>,
    /// Full intervals since the start, as far as they matter.
    intervals: u32,
    deferred: Vec<ViewRecord>,
}

impl Node for ViewService {
    type Config = ViewConfig;
    type Message = Message;
    type Timer = ViewTimer;
    type Record = ViewRecord;
    type Invocation = Nothing;
    type Answer = Nothing;
    type Event = Event;

    fn boot(
        config: &ViewConfig,
        incarnation: u64,
        disk: &[Stored<ViewRecord>],
        effects: &mut Effects<Self>,
    ) -> Self {
        let intact = disk.iter().all(|stored| stored.intact && stored.record.is_some());
        let identity = ViewRecord::Identity { node: config.id };
        let known = disk.iter().any(|stored| stored.record.as_ref() == Some(&identity));
        let mut service = Self {
            serves: intact && known,
            view: None,
            acked: false,
            current: BTreeMap::new(),
            last: BTreeMap::new(),
            intervals: 0,
            deferred: Vec::new(),
        };
        if service.serves {
            for record in disk.iter().filter_map(|stored| stored.record.as_ref()) {
                service.recall(record);
            }
        }
        let (promised, accepted) = (Ballot::ZERO, Vec::new().into());
        effects.event(Event::Booted {
            incarnation,
            promised,
            accepted,
            snapshot: Slot::ZERO,
            learner: !service.serves,
        });
        if let Some(view) = service.view {
            // Perhaps it was chosen by a life that ended before anybody heard of it.
            effects.event(Event::View(ViewEvent::Chosen { view }));
        }
        effects.arm(ViewTimer::Interval, config.interval..=config.interval);
        service
    }

    fn on(&mut self, config: &ViewConfig, _now: Micros, input: Input<Self>, effects: &mut Effects<Self>) {
        if !self.serves {
            return;
        }
        match input {
            Input::Message { from, message: Message::PrimaryBackup(message) } => match message {
                primary_backup::Message::Ping { view, boot } => {
                    self.on_ping(config, Member { server: from, boot }, view, effects);
                }
                primary_backup::Message::GetView => self.tell(from, effects),
                _ => {}
            },
            Input::Timer(ViewTimer::Interval) => self.on_interval(config, effects),
            Input::Message { .. } => {}
            Input::Invoke(nothing) => match nothing {},
        }
    }
}

impl ViewService {
    /// The newest view.
    pub fn view(&self) -> Option<View> {
        self.view
    }

    /// Whether its primary has acknowledged it.
    pub fn is_acked(&self) -> bool {
        self.acked
    }

    /// Whether it has its disk.
    pub fn serves(&self) -> bool {
        self.serves
    }

    /// Whether this incarnation pinged in the present interval: it counts as alive for another one at least.
    pub fn heard(&self, member: Member) -> bool {
        self.current.get(&member.server) == Some(&member.boot)
    }

    fn recall(&mut self, record: &ViewRecord) {
        match record {
            ViewRecord::Identity { .. } => {}
            ViewRecord::View(view) => (self.view, self.acked) = (Some(*view), false),
            ViewRecord::Acked { num } => self.acked |= self.view.is_some_and(|view| view.num == *num),
        }
    }

    fn on_ping(&mut self, config: &ViewConfig, from: Member, acknowledged: u64, effects: &mut Effects<Self>) {
        if !config.servers.contains(&from.server) {
            return;
        }
        // An old message: what a dead incarnation said says nothing about the living one.
        let is_old = self.newest_boot(from.server) > from.boot;
        if is_old && !config.bugs.has(Bug::OldBootTaken) {
            return;
        }
        self.current.insert(from.server, from.boot);
        if let Some(view) = self.view
            && !self.acked
            && view.primary == from
            && view.num == acknowledged
        {
            self.acked = true;
            self.persist(config, ViewRecord::Acked { num: view.num }, effects);
            effects.event(Event::View(ViewEvent::Acked { num: view.num }));
        }
        if self.view.is_none() {
            self.choose(config, effects);
        }
        self.tell(from.server, effects);
    }

    fn on_interval(&mut self, config: &ViewConfig, effects: &mut Effects<Self>) {
        self.intervals = (self.intervals + 1).min(SILENT_INTERVALS);
        self.deferred.drain(..).for_each(|record| effects.persist(record));
        self.choose(config, effects);
        self.last = core::mem::take(&mut self.current);
        effects.arm(ViewTimer::Interval, config.interval..=config.interval);
    }

    fn tell(&self, to: NodeId, effects: &mut Effects<Self>) {
        let message = primary_backup::Message::ViewReply { view: self.view };
        effects.send(to, Message::PrimaryBackup(message));
    }

    /// The boot number under which a server pinged last, if that was in this interval or in the one before.
    fn heard_boot(&self, server: NodeId) -> Option<u64> {
        self.current.get(&server).or(self.last.get(&server)).copied()
    }

    /// The largest boot number of a server that it has heard of.
    fn newest_boot(&self, server: NodeId) -> u64 {
        let named = self.view.iter().flat_map(View::members).filter(|member| member.server == server);
        named.map(|member| member.boot).chain(self.heard_boot(server)).max().unwrap_or(0)
    }

    fn is_alive(&self, member: Member) -> bool {
        self.heard_boot(member.server) == Some(member.boot)
    }

    fn is_dead(&self, config: &ViewConfig, member: Member) -> bool {
        match self.heard_boot(member.server) {
            // Another incarnation pings: this one ended.
            Some(boot) => boot != member.boot && !config.bugs.has(Bug::RestartUnnoticed),
            None => self.intervals >= SILENT_INTERVALS,
        }
    }

    /// Goes on to the next view if the present one was acknowledged and another would be better.
    fn choose(&mut self, config: &ViewConfig, effects: &mut Effects<Self>) {
        let Some(view) = self.view else {
            if let Some(primary) = self.spare(config, &[]) {
                self.enter(config, View { num: 1, primary, backup: None }, effects);
            }
            return;
        };
        if !self.acked && !config.bugs.has(Bug::ViewChangedUnacknowledged) {
            return;
        }
        let mut primary = view.primary;
        let mut backup = view.backup.filter(|backup| !self.is_dead(config, *backup));
        if self.is_dead(config, primary) {
            let heir = if config.bugs.has(Bug::SparePromoted) {
                self.spare(config, &[Some(primary), backup])
            } else {
                backup.take().filter(|backup| self.is_alive(*backup))
            };
            // Nobody else holds the state: wait for the one who does.
            let Some(heir) = heir else { return };
            primary = heir;
        }
        let backup = backup.or_else(|| self.spare(config, &[Some(primary)]));
        let next = View { num: view.num + 1, primary, backup };
        if (next.primary, next.backup) != (view.primary, view.backup) {
            self.enter(config, next, effects);
        }
    }

    /// The first living server but these.
    fn spare(&self, config: &ViewConfig, taken: &[Option<Member>]) -> Option<Member> {
        let is_taken = |server: &NodeId| taken.iter().flatten().any(|member| member.server == *server);
        let others = config.servers.iter().filter(|server| !is_taken(server));
        others.copied().find_map(|server| Some(Member { server, boot: self.heard_boot(server)? }))
    }

    fn enter(&mut self, config: &ViewConfig, view: View, effects: &mut Effects<Self>) {
        assert!(self.view.is_none_or(|before| view.num == before.num + 1), "views are numbered without gaps");
        assert!(
            view.backup.is_none_or(|backup| backup.server != view.primary.server),
            "roles are of two servers"
        );
        (self.view, self.acked) = (Some(view), false);
        if view.num.is_multiple_of(VIEWS_PER_DISK) {
            self.deferred.clear();
            effects.replace(vec![ViewRecord::Identity { node: config.id }, ViewRecord::View(view)]);
        } else {
            self.persist(config, ViewRecord::View(view), effects);
        }
        effects.event(Event::View(ViewEvent::Chosen { view }));
        view.members().for_each(|member| self.tell(member.server, effects));
    }

    fn persist(&mut self, config: &ViewConfig, record: ViewRecord, effects: &mut Effects<Self>) {
        if config.bugs.has(Bug::ViewToldBeforeSync) {
            self.deferred.push(record);
            return;
        }
        effects.persist(record);
    }
}

#[cfg(test)]
mod tests;
