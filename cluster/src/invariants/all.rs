//! All monitors of one cluster: one for the servers, or one per group and one for what happens between groups.
//!
//! It hands each event to those whom it concerns. A disk belongs to a server, so what is excused there is excused for
//! every group that has a replica on it.

use alloc::collections::BTreeMap;

use super::{Breach, Monitor, ShardMonitor};
use crate::event::Event;
use crate::node::NodeId;
use crate::sharded::configuration::GroupId;
use crate::sharded::host::Layout;

/// Watches a cluster of any mode.
#[derive(Clone, Debug)]
pub struct Monitors {
    servers: Monitor,
    groups: BTreeMap<GroupId, Monitor>,
    shards: ShardMonitor,
}

impl Monitors {
    /// For servers that form one group.
    pub fn of_one_group(servers: impl IntoIterator<Item = NodeId>) -> Self {
        Self { servers: Monitor::new(servers), groups: BTreeMap::new(), shards: ShardMonitor::default() }
    }

    /// For hosts that carry several groups.
    pub fn of_groups(hosts: impl IntoIterator<Item = NodeId>, layout: &Layout) -> Self {
        let group = |(group, members): (&GroupId, &alloc::vec::Vec<NodeId>)| {
            (*group, Monitor::new(members.iter().copied()))
        };
        let controller = Monitor::new(layout.controllers.iter().copied());
        let mut groups: BTreeMap<GroupId, Monitor> = layout.groups.iter().map(group).collect();
        groups.insert(GroupId::CONTROLLER, controller);
        Self { groups, ..Self::of_one_group(hosts) }
    }

    /// This server's disk lost something that was durable.
    pub fn excuse(&mut self, node: NodeId) {
        self.each_with(node, |monitor| monitor.excuse(node));
    }

    /// This server's disk was wiped, or a record in it damaged.
    pub fn expect_learner(&mut self, node: NodeId) {
        self.each_with(node, |monitor| monitor.expect_learner(node));
    }

    fn each_with(&mut self, node: NodeId, tell: impl FnMut(&mut Monitor)) {
        let all = core::iter::once(&mut self.servers).chain(self.groups.values_mut());
        all.filter(|monitor| monitor.watches(node)).for_each(tell);
    }

    /// Takes one event, in the order of release; events of clients and strangers are ignored.
    ///
    /// # Errors
    ///
    /// The invariant that it breaks.
    pub fn observe(&mut self, node: NodeId, event: &Event) -> Result<(), Breach> {
        let Event::InGroup { group, event } = event else { return self.servers.observe(node, event) };
        self.shards.observe(node, *group, event)?;
        // Sessions of a shard group are those of its shards.
        let is_of_shards = *group != GroupId::CONTROLLER && matches!(**event, Event::ReplySent { .. });
        match self.groups.get_mut(group) {
            Some(monitor) if !is_of_shards => monitor.observe(node, event),
            _ => Ok(()),
        }
    }
}
