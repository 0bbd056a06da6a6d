//! What others ask of a world: who plays which role, how nodes look from afar, what has gone wrong, what is left over.

use siphasher::sip128::Hasher128;
use squall_checker::Violation;
use squall_cluster::invariants::Breach;
use squall_cluster::node::Micros;
use squall_cluster::replica::ServerView;
use squall_cluster::role::Role;
use std::hash::Hasher;

use crate::nemesis::{Endpoint, Family, FaultId};
use crate::system::SimulatedWorld;

use super::agenda::Item;
use super::coverage::{Coverage, Glimpse, octave};
use super::slot::Slot;
use super::tally::MessageCounts;
use super::world::{EVENTS_MAX, NodeEvent, Server, TRACE_ENTRIES_MAX, TraceEntry, World};

/// What the nemesis, the run and the report ask of a world, whatever its servers are.
impl<N: Server> World<N> {
    pub(crate) fn servers(&self) -> usize {
        self.servers.len()
    }

    /// The running leader of the highest ballot.
    pub(crate) fn leader(&self) -> Option<usize> {
        self.holder(Role::Leader, None)
    }

    /// The running server of the highest ballot that plays this role, in this group if one is named.
    pub(crate) fn holder(&self, role: Role, group: Option<u32>) -> Option<usize> {
        let plays = |node: &&N| node.plays(role, group);
        let holds = |slot: &Slot<N>| slot.node.as_ref().filter(plays).map(ServerView::ballot);
        let holders = self.servers.iter().enumerate().filter_map(|(index, slot)| Some((holds(slot)?, index)));
        holders.max().map(|(_, index)| index)
    }

    /// A server that was stopped at the moment of this fault's trigger goes on.
    pub(super) fn let_go_of(&mut self, fault: FaultId) {
        for index in 0..self.servers.len() {
            let slot = &mut self.servers[index];
            if slot.caught == Some(fault) {
                slot.caught = None;
                self.agenda.turn_to(index);
                self.agenda.push(self.now, Item::Wake(Endpoint::Server(index).into()));
            }
        }
    }

    pub(super) fn lift_from_server(&mut self, fault: FaultId, index: usize) {
        let slot = &mut self.servers[index];
        slot.slow.retain(|(by, _)| *by != fault);
        slot.slow_sync.retain(|(by, _)| *by != fault);
        slot.disk_faults.retain(|(by, _)| *by != fault);
        slot.set_disk_flags();
        slot.clock.lift(fault, self.now);
        if slot.paused.contains(&fault) {
            slot.paused.retain(|by| *by != fault);
            if slot.paused.is_empty() {
                self.agenda.turn_to(index);
                self.agenda.push(self.now, Item::Wake(Endpoint::Server(index).into()));
                self.node_event(index, "resume", String::new());
            }
        }
    }

    /// Notes the abstract state that the cluster is in.
    pub(super) fn look(&mut self) {
        let running = || self.servers.iter().filter_map(|slot| slot.node.as_ref());
        let ballot = running().map(ServerView::ballot).max();
        let commit = running().map(|node| node.commit().0).max().unwrap_or(0);
        let glimpse = |slot: &Slot<N>| {
            let node = slot.node.as_ref();
            let commits = node.map_or(0, |node| node.commit().0);
            Glimpse {
                is_up: node.is_some(),
                is_paused: !slot.paused.is_empty(),
                role: node.map_or("down", ServerView::role),
                is_ahead: node.map(ServerView::ballot) == ballot,
                behind: octave(commit - commits),
                unapplied: octave(commits.saturating_sub(node.map_or(0, |node| node.applied().0))),
            }
        };
        let glimpses = self.servers.iter().map(glimpse).collect();
        self.watcher.look(glimpses);
    }

    /// What the monitors have found so far.
    pub(crate) fn breaches(&self) -> &[(Micros, Breach)] {
        &self.breaches
    }

    /// Whether every replica has applied everything and all agree; else what is left over.
    pub(crate) fn settled(&self) -> Result<(), Violation> {
        if N::are_settled(&self.running()) {
            return Ok(());
        }
        Err(Violation {
            check: "settled".into(),
            kind: "replicas-differ".into(),
            key: None,
            message: "after healing and with no client active, the replicas' states do not become equal"
                .into(),
            operations: Vec::new(),
            edges: Vec::new(),
            steps: self.node_states(),
        })
    }
}

impl<N: Server> SimulatedWorld for World<N> {
    fn digest(&self) -> u128 {
        let mut digest = self.digest;
        digest.write(&self.notes);
        digest.finish128().as_u128()
    }

    fn node_events(&self) -> Vec<NodeEvent> {
        self.events.clone()
    }

    fn message_counts(&self) -> Vec<(String, MessageCounts)> {
        self.messages.counts()
    }

    fn stand(&mut self, families: Vec<Family>) {
        self.watcher.stand(families);
    }

    fn take_coverage(&mut self) -> Coverage {
        self.watcher.take()
    }

    fn take_trace(&mut self) -> Vec<TraceEntry> {
        std::mem::take(&mut self.trace)
    }

    fn bounds_hit(&self) -> Vec<String> {
        let mut hit = Vec::new();
        let overflowed: u64 = self.servers.iter().map(|slot| slot.overflowed).sum();
        if overflowed > 0 {
            hit.push(format!(
                "{overflowed} messages were dropped because a paused or slow server's inbox was full"
            ));
        }
        if self.trace.len() >= TRACE_ENTRIES_MAX {
            hit.push(format!(
                "the recording reached its bound of {TRACE_ENTRIES_MAX} entries and stops there"
            ));
        }
        if self.events.len() >= EVENTS_MAX {
            hit.push(format!("more than {EVENTS_MAX} node events; later ones are not kept"));
        }
        hit
    }

    fn node_states(&self) -> Vec<String> {
        let state = |slot: &Slot<N>| match &slot.node {
            None => format!("{}: down", slot.id),
            Some(node) => format!(
                "{}: {}, ballot {}, commit {}, applied {}, state {:016x}, disk {} bytes",
                slot.id,
                node.role(),
                node.ballot(),
                node.commit(),
                node.applied(),
                node.state_digest(),
                slot.disk.len(),
            ),
        };
        self.servers.iter().map(state).collect()
    }
}
