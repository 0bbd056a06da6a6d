//! Primary and backup: one server answers clients, another executes everything first, spares wait; a view service says
//! who is who.
//!
//! Every host runs the same node type: on the first one it is the [`ViewService`], on all others a [`Server`]. What a
//! server holds is volatile, so a restart is a new life with nothing; as long as one of two copies survives until a
//! third has been made, nothing that a client was told is lost. Losing both loses the data: that is the limit of the
//! design, and `judgement.rs` says when a fault would go beyond it.

mod event;
mod judgement;
mod message;
mod server;

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::bugs::Bugs;
use crate::event::Event;
use crate::node::{Effects, Input, Micros, Node, NodeId, Stored};
use crate::view::{self, Nothing, ViewConfig, ViewRecord, ViewService, ViewTimer};

pub use event::ViewEvent;
pub use message::Message;
pub use server::{Server, ServerConfig, ServerTimer};

/// How long the view service waits between two judgements.
const INTERVAL: Micros = Micros::from_millis(100);

/// What a host is, and how it runs.
#[derive(Clone, Debug)]
pub enum HostConfig {
    /// The view service.
    ViewService(ViewConfig),
    /// A server.
    Server(ServerConfig),
}

impl HostConfig {
    /// With the usual timing: the first of the hosts is the view service, the others are servers.
    pub fn new(id: NodeId, hosts: &[NodeId], bugs: Bugs) -> Self {
        let (view_service, servers) = hosts.split_first().expect("there is a view service");
        assert!(hosts.contains(&id), "{id} is one of the hosts");
        if id == *view_service {
            Self::ViewService(ViewConfig { id, servers: servers.to_vec(), interval: INTERVAL, bugs })
        } else {
            Self::Server(ServerConfig::new(id, *view_service, bugs))
        }
    }
}

/// What the host writes to a new disk before the first boot: servers keep nothing.
pub fn identity_records(config: &HostConfig) -> Vec<ViewRecord> {
    match config {
        HostConfig::ViewService(config) => view::identity_records(config),
        HostConfig::Server(_) => Vec::new(),
    }
}

/// The timers of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HostTimer {
    /// Of the view service.
    ViewService(ViewTimer),
    /// Of a server.
    Server(ServerTimer),
}

/// The state machine of a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// The view service.
    ViewService(ViewService),
    /// A server.
    Server(Server),
}

impl Node for Host {
    type Config = HostConfig;
    type Message = crate::message::Message;
    type Timer = HostTimer;
    type Record = ViewRecord;
    type Invocation = Nothing;
    type Answer = Nothing;
    type Event = Event;

    fn boot(
        config: &HostConfig,
        incarnation: u64,
        disk: &[Stored<ViewRecord>],
        effects: &mut Effects<Self>,
    ) -> Self {
        match config {
            HostConfig::ViewService(config) => {
                let mut inner = Effects::new();
                let service = ViewService::boot(config, incarnation, disk, &mut inner);
                effects.absorb(inner, |message| message, |record| record, HostTimer::ViewService);
                Self::ViewService(service)
            }
            HostConfig::Server(config) => {
                let mut inner = Effects::new();
                let server = Server::boot(config, incarnation, &[], &mut inner);
                effects.absorb(inner, |message| message, |record| match record {}, HostTimer::Server);
                Self::Server(server)
            }
        }
    }

    fn on(&mut self, config: &HostConfig, now: Micros, input: Input<Self>, effects: &mut Effects<Self>) {
        match (self, config) {
            (Self::ViewService(service), HostConfig::ViewService(config)) => {
                let input = match input {
                    Input::Message { from, message } => Input::Message { from, message },
                    Input::Timer(HostTimer::ViewService(timer)) => Input::Timer(timer),
                    Input::Timer(HostTimer::Server(_)) => {
                        unreachable!("the view service has timers of its own")
                    }
                    Input::Invoke(nothing) => match nothing {},
                };
                let mut inner = Effects::new();
                service.on(config, now, input, &mut inner);
                effects.absorb(inner, |message| message, |record| record, HostTimer::ViewService);
            }
            (Self::Server(server), HostConfig::Server(config)) => {
                let input = match input {
                    Input::Message { from, message } => Input::Message { from, message },
                    Input::Timer(HostTimer::Server(timer)) => Input::Timer(timer),
                    Input::Timer(HostTimer::ViewService(_)) => unreachable!("a server has timers of its own"),
                    Input::Invoke(nothing) => match nothing {},
                };
                let mut inner = Effects::new();
                server.on(config, now, input, &mut inner);
                effects.absorb(inner, |message| message, |record| match record {}, HostTimer::Server);
            }
            _ => unreachable!("a host keeps its part"),
        }
    }
}

#[cfg(test)]
mod tests;
