//! What an operation costs: messages and bytes between servers, slots of the log, bytes on the disk.
//!
//! The bounds are close to what a calm run measures, so that a change that makes everything dearer is noticed. A calm
//! run has no faults, and the same plan measures the same in every build.

use squall_cluster::message::Message;
use squall_cluster::node::NodeId;
use squall_cluster::paxos::ReadPath;
use squall_cluster::replica::ServerView;

use crate::plan::{Figures, Plan};
use crate::world::{World, run};

/// What a schedule took, besides time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Messages between servers.
    pub(crate) messages: u64,
    /// Their bytes, without frames.
    pub(crate) bytes: u64,
    /// The most that was on any disk.
    pub(crate) disk_bytes_max: u64,
    /// The most entries that any server held in memory.
    pub(crate) log_entries_max: u64,
    /// Slots that were used.
    pub(crate) slots: u64,
}

impl World {
    /// A message leaves.
    pub(crate) fn weigh_message(&mut self, from: NodeId, to: NodeId, message: &Message) {
        if self.plan.weighed && !from.is_client() && !to.is_client() {
            self.figures.sizes.messages += 1;
            self.figures.sizes.bytes += encoded(message);
        }
    }

    /// A server's disk is about to change, or the schedule ends.
    pub(crate) fn weigh_server(&mut self, id: NodeId) {
        if !self.plan.weighed {
            return;
        }
        let server = &self.servers[&id];
        let disk_bytes: u64 = server.disk.iter().map(|stored| encoded(&stored.record)).sum();
        let Some(node) = &server.node else { return };
        let (entries, slots) = (node.paxos().log().len() as u64, node.commit().0);
        let sizes = &mut self.figures.sizes;
        sizes.disk_bytes_max = sizes.disk_bytes_max.max(disk_bytes);
        sizes.log_entries_max = sizes.log_entries_max.max(entries);
        sizes.slots = sizes.slots.max(slots);
    }
}

fn encoded<T: serde::Serialize>(value: &T) -> u64 {
    postcard::to_allocvec(value).expect("everything can be encoded").len() as u64
}

fn calm(replicas: u32) -> Plan {
    Plan { calm: true, weighed: true, compaction_slots: 40, ..Plan::new(replicas) }
}

fn measure(plan: &Plan) -> Figures {
    let figures = run(plan, 1).unwrap_or_else(|failure| panic!("{plan:?}: {failure}"));
    println!("{} replicas, reads by {}: {figures:?}", plan.replicas, plan.reads.name());
    figures
}

/// An entry is proposed to each peer and answered by each: twice the peers, and heartbeats beside.
#[test]
fn messages_and_bytes_per_operation_are_bounded() {
    for replicas in [3, 5] {
        let Figures { answered, sizes, .. } = measure(&calm(replicas));
        let peers = u64::from(replicas) - 1;
        assert!(sizes.messages <= answered * peers * 5 / 2, "{sizes:?} for {answered} operations");
        assert!(sizes.bytes <= answered * peers * 50, "{sizes:?} for {answered} operations");
        assert!(sizes.slots <= answered * 11 / 10, "{sizes:?} for {answered} operations");
    }
}

/// Reads beside the log leave no entries; a lease costs no messages either.
#[test]
fn reads_beside_the_log_cost_less() {
    let plan = |reads| Plan { reads, clients: 6, readers: 5, ..calm(3) };
    let [log, index, lease] = ReadPath::ALL.map(|reads| measure(&plan(reads)));
    let per_operation = |figures: Figures, what: u64| what * 1_000 / figures.answered;
    assert!(per_operation(log, log.sizes.slots) > 900);
    assert!(per_operation(index, index.sizes.slots) < 300 && per_operation(lease, lease.sizes.slots) < 300);
    assert!(per_operation(lease, lease.sizes.messages) * 2 < per_operation(log, log.sizes.messages));
    assert!(per_operation(index, index.sizes.messages) <= per_operation(log, log.sizes.messages));
}

/// However long a run is, a server holds one snapshot and the entries since. A server that is cut off delays nothing.
#[test]
fn log_and_disk_are_bounded() {
    let calm_run = measure(&Plan { chaos_ms: 20_000, ..calm(3) });
    let cut_off = measure(&Plan { chaos_ms: 5_000, limps: true, ..calm(3) });
    for Figures { sizes, snapshots, .. } in [calm_run, cut_off] {
        assert!(snapshots > 50 && sizes.slots > 1_000, "{sizes:?}");
        assert!(sizes.log_entries_max <= 40 + 128, "{sizes:?}");
    }
    // Two lists with every element ever appended, and what was accepted since.
    assert!(calm_run.sizes.disk_bytes_max < 4 * calm_run.answered + 10_000, "{calm_run:?}");
}
