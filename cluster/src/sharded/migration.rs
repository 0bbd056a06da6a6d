//! Changes of configuration, and the shards that they move.
//!
//! A group follows the controller one configuration at a time, and the next only when nothing of the last is left:
//! no shard on its way, no key locked, no decision that a participant might still ask for. A shard that leaves is
//! frozen in the very entry that makes it leave, and kept until the other group has it; one that comes is served from
//! the entry on that brings it. So at most one group serves a shard, and there is always a copy.

use alloc::sync::Arc;

use super::configuration::{Configuration, GroupId, ShardId};
use super::event::ShardEvent;
use super::state::{Consequence, GroupState, Holding, Step};
use crate::bugs::Bug;
use crate::session::{Request, Shard};

impl GroupState {
    /// Whether this configuration can take effect now.
    pub(super) fn admits(&self, configuration: &Configuration, step: &Step) -> bool {
        let is_next = if step.bugs.has(Bug::ConfigurationSkipped) {
            configuration.num > self.configuration.num
        } else {
            configuration.num == self.configuration.num + 1
        };
        let is_open = !self.coordinating.is_empty() || !self.prepared.is_empty();
        is_next && self.is_settled() && (!is_open || step.bugs.has(Bug::ReconfigurationIgnoresLocks))
    }

    pub(super) fn on_configure(&mut self, configuration: &Arc<Configuration>, step: &mut Step) {
        if !self.admits(configuration, step) {
            return;
        }
        let before = core::mem::replace(&mut self.configuration, Arc::clone(configuration));
        let num = configuration.num;
        step.events.push(ShardEvent::Configured { num, digest: configuration.digest() });
        for ((shard, old), (_, new)) in before.assignments().zip(configuration.assignments()) {
            if old == new {
                continue;
            }
            if old == self.group
                && let Some(Holding::Serving(served)) = self.holdings.remove(&shard)
            {
                step.events.push(ShardEvent::Frozen { num, shard, to: new, payload: served.digest() });
                self.holdings.insert(shard, Holding::Outgoing { to: new, frozen: Arc::new(served) });
            } else if new == self.group && old == GroupId::CONTROLLER {
                step.events.push(ShardEvent::Served { num, shard });
                self.holdings.insert(shard, Holding::Serving(Shard::default()));
            } else if new == self.group {
                self.holdings.insert(shard, Holding::Incoming { from: old });
            }
        }
    }

    pub(super) fn on_install(&mut self, num: u64, shard: ShardId, payload: &Arc<Shard>, step: &mut Step) {
        let from = match self.holdings.get(&shard) {
            Some(Holding::Incoming { from }) if num == self.configuration.num => *from,
            Some(Holding::Serving(_)) if step.bugs.has(Bug::StaleInstall) => self.group,
            _ => return,
        };
        step.events.push(ShardEvent::Installed { num, shard, payload: payload.digest() });
        self.holdings.insert(shard, Holding::Serving(Shard::clone(payload)));
        step.consequences.push(Consequence::Installed { num, shard, from });
    }

    pub(super) fn on_gone(&mut self, num: u64, shard: ShardId, step: &mut Step) {
        let is_outgoing = matches!(self.holdings.get(&shard), Some(Holding::Outgoing { .. }));
        if num == self.configuration.num && is_outgoing {
            step.events.push(ShardEvent::Dropped { num, shard });
            self.holdings.remove(&shard);
        }
    }

    /// What leaves for another group.
    pub(super) fn payload(&self, frozen: &Arc<Shard>, step: &Step) -> Arc<Shard> {
        if step.bugs.has(Bug::SessionsNotTransferred) {
            return Arc::new(frozen.without_sessions());
        }
        Arc::clone(frozen)
    }

    /// A mistake: a shard is served before its data has arrived.
    pub(super) fn serve_too_early(&mut self, request: &Request, step: &Step) {
        if !step.bugs.has(Bug::ServedBeforeInstall) {
            return;
        }
        for id in self.shards_of(&request.operation) {
            if let Some(holding @ Holding::Incoming { .. }) = self.holdings.get_mut(&id) {
                *holding = Holding::Serving(Shard::default());
            }
        }
    }

    /// A mistake: a shard is served although it was frozen. Whether the request was answered from it.
    pub(super) fn serve_too_late(&mut self, request: &Request, step: &mut Step) -> bool {
        let shards = self.shards_of(&request.operation);
        let (Some(id), 1, true) = (shards.first(), shards.len(), step.bugs.has(Bug::ServedAfterFreeze))
        else {
            return false;
        };
        let Some(Holding::Outgoing { frozen, .. }) = self.holdings.get_mut(id) else { return false };
        let execution = Arc::make_mut(frozen).execute(request, step.bugs);
        if let (Some(version), Some(outcome)) = (execution.version, &execution.outcome) {
            step.executed(*id, version, request, outcome);
        }
        if let Some(outcome) = execution.outcome {
            step.answer(request, outcome);
        }
        true
    }
}
