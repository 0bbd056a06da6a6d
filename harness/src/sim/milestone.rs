//! What of a node's events is worth a place in every history, in words.
//!
//! Few enough to be read: elections, views, snapshots, configurations and shards on the move, but no single entry of a
//! log. Everything else is in the trace.

use squall_cluster::event::Event;
use squall_cluster::primary_backup::ViewEvent;
use squall_cluster::sharded::event::ShardEvent;

/// What is worth a place in every history, in words.
pub(super) fn milestone(event: &Event) -> Option<String> {
    match event {
        Event::Candidate { ballot } | Event::Leader { ballot, .. } => Some(format!("ballot {ballot}")),
        Event::StepDown { ballot, reason } => Some(format!("ballot {ballot}: {reason:?}")),
        Event::LogFull { slot } => Some(format!("the log is full at slot {slot}")),
        Event::Booted { learner: true, .. } => Some("lost its records: learns, never votes".into()),
        Event::View(ViewEvent::Chosen { view }) => Some(view.to_string()),
        Event::View(ViewEvent::Entered { num, role }) => Some(format!("{role} in view {num}")),
        Event::View(ViewEvent::Installed { num, opnum, .. }) => {
            Some(format!("took over the state after operation {opnum} in view {num}"))
        }
        Event::View(ViewEvent::Acknowledged { num, .. }) => Some(format!("serves in view {num}")),
        Event::InGroup { group, event } => milestone(event).map(|text| format!("{group}: {text}")),
        Event::Shard(event) => shard_milestone(event),
        _ => None,
    }
}

fn shard_milestone(event: &ShardEvent) -> Option<String> {
    match event {
        ShardEvent::ConfigurationMade { num, shards, .. } => {
            let shards: Vec<String> = shards.iter().map(ToString::to_string).collect();
            Some(format!("configuration {num}: {}", shards.join(" ")))
        }
        ShardEvent::Configured { num, .. } => Some(format!("configuration {num}")),
        ShardEvent::Frozen { num, shard, to, .. } => {
            Some(format!("{shard} leaves for {to} in configuration {num}"))
        }
        ShardEvent::Installed { num, shard, .. } => Some(format!("{shard} arrived in configuration {num}")),
        ShardEvent::Dropped { num, shard } => {
            Some(format!("dropped its copy of {shard} of configuration {num}"))
        }
        _ => None,
    }
}
