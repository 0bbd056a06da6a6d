//! What a host is to the harness: its role, and when a fault on it would go beyond what the mode promises.
//!
//! Servers hold their state in memory, so a primary or backup may stop only while the other one is sure to take over:
//! the view is acknowledged and names the living incarnations of both, the other is in step, and the view service has
//! just heard of it. From then until the view service has moved on, the one copy and the view service are sheltered.
//! It judges what is so, all at once, as no node could.

use alloc::vec;
use alloc::vec::Vec;

use super::{Host, Server};
use crate::node::NodeId;
use crate::paxos::{Ballot, Slot};
use crate::replica::ServerView;
use crate::view::{Member, ViewService};

impl Host {
    fn as_server(&self) -> Option<&Server> {
        match self {
            Self::Server(server) => Some(server),
            Self::ViewService(_) => None,
        }
    }

    fn as_view_service(&self) -> Option<&ViewService> {
        match self {
            Self::ViewService(service) => Some(service),
            Self::Server(_) => None,
        }
    }
}

/// The place of a server among the hosts: hosts count from 1.
fn place_of(server: NodeId) -> usize {
    server.0 as usize - 1
}

/// The server of this incarnation, if it runs.
fn living<'a>(servers: &[Option<&'a Host>], member: Member) -> Option<&'a Server> {
    let server = servers[place_of(member.server)].and_then(Host::as_server)?;
    (server.boot_number() == member.boot).then_some(server)
}

impl ServerView for Host {
    fn role(&self) -> &'static str {
        match self {
            Self::ViewService(service) if service.serves() => "view-service",
            Self::ViewService(_) => "refusing",
            Self::Server(server) => server.role(),
        }
    }

    fn is_leader(&self) -> bool {
        self.as_server().is_some_and(Server::is_serving)
    }

    /// The view as a ballot: its number, and its primary.
    fn ballot(&self) -> Ballot {
        let view = match self {
            Self::ViewService(service) => service.view(),
            Self::Server(server) => server.view(),
        };
        view.map_or(Ballot::ZERO, |view| Ballot { round: view.num, node: view.primary.server })
    }

    fn commit(&self) -> Slot {
        self.applied()
    }

    fn applied(&self) -> Slot {
        Slot(self.as_server().map_or(0, Server::opnum))
    }

    fn state_digest(&self) -> u64 {
        self.as_server().map_or(0, |server| server.shard().digest())
    }

    /// The view is acknowledged, its members live and are in step, and no living spare is left out of a view that
    /// has no backup.
    fn are_settled(servers: &[Option<&Self>]) -> bool {
        let Some(service) = servers[0].and_then(Host::as_view_service) else { return false };
        let Some(view) = service.view().filter(|_| service.is_acked()) else { return false };
        let has_spares = servers.len() > 2;
        if servers.iter().any(Option::is_none) || (view.backup.is_none() && has_spares) {
            return false;
        }
        let copies: Vec<_> = view.members().map(|member| living(servers, member)).collect();
        let in_step = |server: &Option<&Server>| {
            server
                .filter(|server| server.holds(view.num))
                .map(|server| (server.opnum(), server.shard().digest()))
        };
        copies.iter().all(|copy| in_step(copy).is_some() && in_step(copy) == in_step(&copies[0]))
    }

    fn may_stop(servers: &[Option<&Self>], server: usize, loses_disk: bool) -> Result<(), &'static str> {
        if server == 0 {
            return if loses_disk {
                Err("the disk of the view service is its only copy")
            } else if Self::sheltered(servers.iter().copied()).is_empty() {
                Ok(())
            } else {
                Err("the view service has yet to take note of a dead server")
            };
        }
        let Some(service) = servers[0].and_then(Host::as_view_service) else {
            return Err("the view service is down, and could not take note");
        };
        let Some(view) = service.view() else { return Ok(()) };
        let named = |member: &Member| place_of(member.server) == server && living(servers, *member).is_some();
        let Some(own) = view.members().find(named) else { return Ok(()) };
        if !service.is_acked() {
            return Err("its view is not acknowledged yet");
        }
        let Some(other) = view.members().find(|member| *member != own) else {
            return Err("it holds the last copy");
        };
        match living(servers, other) {
            None => Err("it holds the last copy"),
            Some(server) if !server.holds(view.num) => Err("the other copy is not in step yet"),
            Some(_) if !service.heard(other) => {
                Err("the view service has not heard of the other copy just now")
            }
            Some(_) => Ok(()),
        }
    }

    fn sheltered<'a>(servers: impl Iterator<Item = Option<&'a Self>>) -> Vec<usize> {
        let servers: Vec<_> = servers.collect();
        let service = servers[0].and_then(Host::as_view_service);
        let Some(view) = service.and_then(ViewService::view) else { return Vec::new() };
        let living: Vec<_> = view.members().filter(|member| living(&servers, *member).is_some()).collect();
        if living.len() == view.members().count() {
            return Vec::new();
        }
        let mut sheltered = vec![0];
        sheltered.extend(living.iter().map(|member| place_of(member.server)));
        sheltered
    }
}
