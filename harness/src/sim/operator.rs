//! The operator of a sharded cluster: the client who founds it and changes its configuration.
//!
//! One change is asked for at a time, through the controller's log like any client's request, and the next when that
//! is answered. The cluster is founded once every server has been started: all groups join. What faults ask for waits
//! in order, up to a bound.

use std::collections::VecDeque;

use squall_cluster::app::{Operation, Reply};
use squall_cluster::client::ClientAnswer;
use squall_cluster::node::Input;
use squall_cluster::sharded::configuration::{Administration, Change, GroupId, Groups, ShardId};

use crate::nemesis::{ClusterChange, FaultId};

use super::world::{Server, World};

/// Changes that wait, at most: more than any plan asks for.
const WAITING_MAX: usize = 64;

/// A client that administers.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    /// Its place among the clients: the last.
    index: usize,
    /// All groups, to begin with.
    groups: Groups,
    is_founded: bool,
    waiting: VecDeque<(Option<FaultId>, Change)>,
    /// What is being asked for.
    current: Option<(Option<FaultId>, Change)>,
}

impl Operator {
    /// An operator who will found a cluster of these groups.
    pub(crate) fn new(index: usize, groups: Groups) -> Self {
        Self { index, groups, is_founded: false, waiting: VecDeque::new(), current: None }
    }
}

impl<N: Server> World<N> {
    /// Founds the cluster, if it has an operator and all of its servers have been started.
    pub(super) fn found(&mut self) {
        let all_started = self.servers.iter().all(|slot| slot.incarnation > 0);
        let Some(operator) = self.operator.as_mut().filter(|operator| all_started && !operator.is_founded)
        else {
            return;
        };
        operator.is_founded = true;
        let founding = Change::Join(operator.groups.clone());
        let index = operator.index;
        self.boot_client(index);
        self.administer(None, founding);
    }

    /// Changes the configuration on behalf of a fault.
    pub(super) fn change_cluster(&mut self, fault: FaultId, change: ClusterChange) {
        let Some(operator) = &self.operator else { return };
        let members = |group: u32| operator.groups.get(&GroupId(group)).cloned().unwrap_or_default();
        let change = match change {
            ClusterChange::Join(group) => Change::Join([(GroupId(group), members(group))].into()),
            ClusterChange::Leave(group) => Change::Leave([GroupId(group)].into()),
            ClusterChange::Move { shard, to } => Change::Move { shard: ShardId(shard), to: GroupId(to) },
        };
        self.administer(Some(fault), change);
    }

    /// Asks for a change of configuration.
    fn administer(&mut self, fault: Option<FaultId>, change: Change) {
        let Some(operator) = &mut self.operator else { return };
        if operator.waiting.len() < WAITING_MAX {
            operator.waiting.push_back((fault, change));
        }
        self.ask_operator();
    }

    /// Whether a client is the operator.
    pub(super) fn is_operator(&self, client: usize) -> bool {
        self.operator.as_ref().is_some_and(|operator| operator.index == client)
    }

    /// The operator has an answer.
    pub(super) fn operator_answered(&mut self, answer: &ClientAnswer) {
        let Some(operator) = &mut self.operator else { return };
        let Some((fault, _)) = operator.current.take() else { return };
        match answer {
            ClientAnswer::Reply(Reply::Done) => self.bites.extend(fault),
            ClientAnswer::Reply(_) => {}

            ClientAnswer::Indeterminate | ClientAnswer::Failed => unreachable!("an operator never gives up"),
        }
        self.ask_operator();
    }

    fn ask_operator(&mut self) {
        let Some(operator) = self.operator.as_mut().filter(|operator| operator.current.is_none()) else {
            return;
        };
        let Some((fault, change)) = operator.waiting.pop_front() else { return };
        operator.current = Some((fault, change.clone()));
        let index = operator.index;
        let operation = Operation::Administer(Administration::Change(change));
        self.feed_client(index, Input::Invoke(operation));
    }
}
