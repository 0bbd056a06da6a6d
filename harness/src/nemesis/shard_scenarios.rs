//! Groups of faults around groups of servers: what happens at the seams between two configurations, and between two
//! groups that must agree.
//!
//! As the others ([`super::scenarios`]), each says which mistakes it is after, and is drawn only if all that it needs is
//! selected. A role that nobody plays yet is waited for while the fault's window lasts.

use super::draw::{length_ms, small};
use super::fault::{ClientSide, ClusterChange, DiskLoss, Fault, Links, Target};
use super::model::{SHARD_GROUPS, SHARDS, Topology};
use super::scenarios::{Part, Scenario};
use squall_cluster::node::NodeId;
use squall_cluster::role::Role;
use squall_cluster::sharded::configuration::GroupId;
use squall_cluster::sharded::host::Layout;
use squall_workloads::decide::Draw;

pub(super) const SHARD_SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "whole group down",
        needs: &["crash", "leave", "join"],
        servers_min: 3,
        parts: whole_group_down,
    },
    Scenario {
        name: "missed configurations",
        needs: &["pause", "storm"],
        servers_min: 3,
        parts: missed_configurations,
    },
    Scenario {
        name: "controller cut off",
        needs: &["isolate", "storm"],
        servers_min: 3,
        parts: controller_cut_off,
    },
    Scenario {
        name: "late transfers",
        needs: &["delay", "duplication", "storm"],
        servers_min: 3,
        parts: late_transfers,
    },
    Scenario { name: "dying movers", needs: &["crash", "storm"], servers_min: 3, parts: dying_movers },
    Scenario { name: "dying parties", needs: &["crash"], servers_min: 3, parts: dying_parties },
];

fn some_group(draw: &mut Draw) -> u32 {
    small(draw.range(1..=SHARD_GROUPS.into()))
}

/// Several moves, one soon after the other.
fn moves(draw: &mut Draw, count: u64) -> Fault {
    let one = |draw: &mut Draw| {
        let shard = small(draw.below(SHARDS.into()));
        ClusterChange::Move { shard, to: some_group(draw) }
    };
    Fault::Storm { changes: (0..count).map(|_| one(draw)).collect() }
}

fn plays(role: Role) -> Target {
    Target::Role { role, group: None }
}

fn crash(draw: &mut Draw, target: Target) -> Fault {
    Fault::Crash { target, loss: *draw.pick(&[DiskLoss::Nothing, DiskLoss::Unsynced, DiskLoss::Torn]) }
}

/// All hosts of one group stop as its shards must leave, and are back one by one. After: what was deleted, answered or
/// promised before it was durable in the group.
fn whole_group_down(draw: &mut Draw, topology: &Topology) -> Vec<Part> {
    let group = some_group(draw);
    let hosts: Vec<NodeId> = (0..topology.servers).map(NodeId).collect();
    let members = Layout::spread(&hosts, SHARD_GROUPS).groups[&GroupId(group)].clone();
    let at_ms = draw.range(5..=200);
    let mut parts = vec![(0, 50, Fault::Reconfigure { change: ClusterChange::Leave(group) })];
    for member in members {
        let for_ms = length_ms(draw, 60..=500);
        parts.push((at_ms, for_ms, crash(draw, Target::Server(member.0))));
    }
    let back_ms = at_ms + draw.range(300..=900);
    parts.push((back_ms, 50, Fault::Reconfigure { change: ClusterChange::Join(group) }));
    parts
}

/// A host stands still over several configurations. After: configurations that are skipped.
fn missed_configurations(draw: &mut Draw, topology: &Topology) -> Vec<Part> {
    let target = Target::Server(small(draw.below(topology.servers.into())));
    let (for_ms, count) = (draw.range(800..=2_000), draw.range(3..=6));
    vec![(0, for_ms, Fault::Pause { target }), (50, for_ms - 100, moves(draw, count))]
}

/// The controller's leader is alone with clients while changes are asked for. After: configurations of its own.
fn controller_cut_off(draw: &mut Draw, _topology: &Topology) -> Vec<Part> {
    let (for_ms, at_ms) = (length_ms(draw, 300..=1_200), draw.range(0..=300));
    let isolate = Fault::Isolate { target: plays(Role::Controller), clients: ClientSide::ReachAll };
    vec![(0, 1_500, moves(draw, 4)), (at_ms, for_ms, isolate)]
}

/// What travels between groups comes late, twice and in any order while shards go to and fro. After: copies that are
/// installed over newer ones.
fn late_transfers(draw: &mut Draw, _topology: &Topology) -> Vec<Part> {
    let kinds = || vec!["shard-transfer".to_owned(), "shard-transfer-ack".to_owned()];
    let (max_ms, links, for_ms) = (draw.range(100..=600), Links::Servers, draw.range(1_000..=2_000));
    let shard = small(draw.below(SHARDS.into()));
    let (first, second) = (some_group(draw), some_group(draw));
    let to_and_fro = [first, second, first, second].map(|to| ClusterChange::Move { shard, to });
    vec![
        (0, for_ms, Fault::Duplication { links, ppm: 500_000, kinds: kinds() }),
        (0, for_ms, Fault::Delay { links, min_ms: 0, max_ms, kinds: kinds() }),
        (20, for_ms - 50, Fault::Storm { changes: to_and_fro.to_vec() }),
    ]
}

/// Whoever gives a shard away dies, then whoever gets it, or the other way round. After: shards that are lost or served
/// twice.
fn dying_movers(draw: &mut Draw, _topology: &Topology) -> Vec<Part> {
    let mut roles = [Role::Source, Role::Destination];
    draw.shuffle(&mut roles);
    let second_ms = draw.range(20..=400);
    vec![
        (0, 1_200, moves(draw, 5)),
        (50, length_ms(draw, 60..=500), crash(draw, plays(roles[0]))),
        (50 + second_ms, length_ms(draw, 60..=500), crash(draw, plays(roles[1]))),
    ]
}

/// Whoever coordinates a transaction dies, then whoever takes part in one, or the other way round. After: locks that
/// stay, and halves of transactions.
fn dying_parties(draw: &mut Draw, _topology: &Topology) -> Vec<Part> {
    let mut roles = [Role::Coordinator, Role::Participant];
    draw.shuffle(&mut roles);
    let second_ms = draw.range(1..=200);
    vec![
        (0, length_ms(draw, 60..=500), crash(draw, plays(roles[0]))),
        (second_ms, length_ms(draw, 60..=500), crash(draw, plays(roles[1]))),
    ]
}
