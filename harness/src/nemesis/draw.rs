//! Draws one fault of a given kind: whom it hits, how hard, and for how long.
//!
//! Lengths are spread over octaves, because elections take 150 to 300 ms and both much shorter and much longer
//! faults find bugs. Everything comes from one [`Draw`], so a fault depends on nothing but its own point.

use std::ops::RangeInclusive;

use super::catalogue::Kind;
use super::fault::{ClientSide, ClusterChange, DiskLoss, Family, Fault, Links, Target};
use super::model::{Mode, SHARD_GROUPS, SHARDS, Topology, protocol_events};
use super::trigger::{Moment, Trigger};
use squall_cluster::message::Message;
use squall_cluster::role::Role;
use squall_workloads::decide::{Draw, PPM_ALWAYS};

/// The shortest fault that is drawn.
pub(super) const SHORTEST_MS: u64 = 50;

/// What the faults of one seed have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    /// How often a fault is aimed at the leader, in parts per million.
    pub(super) leader_ppm: u32,
    /// How often clients share the side of their server, in parts per million.
    pub(super) follow_ppm: u32,
    /// How hard faults of degree are: 1, 2 or 3.
    pub(super) intensity: u64,
}

/// A fault and its length, in milliseconds.
pub(super) type Drawn = (Fault, u64);

/// Draws a fault of this kind.
pub(super) fn draw_fault(kind: &Kind, draw: &mut Draw, style: &Style, topology: &Topology) -> Drawn {
    assert!(kind.fits(topology), "{} does not fit {topology:?}", kind.name);
    let (fault, range_ms) = match kind.family {
        Family::Partition => partition(kind.name, draw, style, topology),
        Family::Link => link(kind.name, draw, style, topology),
        Family::Process => process(kind.name, draw, style, topology),
        Family::Clock => clock(kind.name, draw, style, topology),
        Family::Disk => disk(kind.name, draw, style, topology),
        Family::Cluster => cluster(kind.name, draw),
    };
    assert_eq!(fault.name(), kind.fault, "{} draws what it says", kind.name);
    let for_ms = length_ms(draw, range_ms).min((topology.horizon_ms / 2).max(1));
    (fit(fault, for_ms, topology), for_ms)
}

/// Uniform over the octaves of a range, and uniform within each.
pub(super) fn length_ms(draw: &mut Draw, range_ms: RangeInclusive<u64>) -> u64 {
    let (first, last) = (*range_ms.start(), *range_ms.end());
    assert!(0 < first && first <= last, "lengths run from at least 1 ms: {range_ms:?}");
    let octaves = (0..64).take_while(|octave| first << octave <= last).count();
    let low = first << draw.index(octaves);
    draw.range(low..=(low * 2 - 1).min(last))
}

/// Parts of a fault must fit its window.
fn fit(fault: Fault, for_ms: u64, topology: &Topology) -> Fault {
    match fault {
        Fault::RollingRestart { down_ms, loss } => {
            let each_ms = (for_ms / u64::from(topology.servers)).max(1);
            Fault::RollingRestart { down_ms: down_ms.min(each_ms), loss }
        }
        other => other,
    }
}

/// A server, by role or by name.
pub(super) fn target(draw: &mut Draw, style: &Style, topology: &Topology) -> Target {
    let (wants_leader, by_name) = (draw.chance(style.leader_ppm), draw.chance(500_000));
    let server = small(draw.below(u64::from(topology.servers)));
    match (topology.servers, wants_leader, by_name) {
        (1, _, _) => Target::Server(0),
        (_, true, _) => chief(draw, topology.mode),
        (_, false, true) => Target::Server(server),
        (servers, false, false) => Target::Follower(server % (servers - 1)),
    }
}

/// One of those on whom the most rests.
fn chief(draw: &mut Draw, mode: Mode) -> Target {
    match mode {
        Mode::Single | Mode::Paxos => Target::Leader,
        // Whoever serves, and whoever must be able to from one moment to the next.
        Mode::PrimaryBackup if draw.chance(300_000) => Target::Role { role: Role::Backup, group: None },
        Mode::PrimaryBackup => Target::Leader,
        // The controller is group 0.
        Mode::Sharded => {
            let group = small(draw.range(0..=SHARD_GROUPS.into()));
            Target::Role { role: Role::Leader, group: Some(group) }
        }
    }
}

/// The other party to what happens between groups.
pub(crate) const PARTIES: [Role; 4] = [Role::Coordinator, Role::Participant, Role::Source, Role::Destination];

/// Draws the step of the protocol on which a fault falls; the fault then often strikes whose step it was.
pub(super) fn draw_trigger(draw: &mut Draw, fault: &mut Fault, topology: &Topology) -> Trigger {
    let (event, is_rare) = *draw.pick(protocol_events(topology.mode));
    let moment = *draw.pick(&[Moment::After, Moment::BeforeSync, Moment::BeforeSend, Moment::BeforeSend]);
    // Elections come by the handful, accepted entries by the hundred.
    let most = if is_rare { 3 } else { 60 };
    let nth = small(draw.range(1..=most).min(draw.range(1..=most)));
    let (is_of_one, strikes_actor) = (draw.chance(200_000), draw.chance(700_000));
    let of = is_of_one.then(|| Target::Server(small(draw.below(u64::from(topology.servers)))));
    if strikes_actor && let Some(first) = fault.targets_mut().into_iter().next() {
        let strikes_other = topology.mode == Mode::Sharded && draw.chance(300_000);
        *first = if strikes_other {
            Target::Role { role: *draw.pick(&PARTIES), group: None }
        } else {
            Target::Actor
        };
    }
    Trigger { event: event.to_owned(), moment, of, nth }
}

/// A number that was drawn below another small one.
pub(super) fn small(value: u64) -> u32 {
    u32::try_from(value).expect("a number below a small one is small")
}

fn clients(draw: &mut Draw, style: &Style) -> ClientSide {
    if draw.chance(style.follow_ppm) { ClientSide::Follow } else { ClientSide::ReachAll }
}

/// Some but not all servers, in random order.
fn some_servers(draw: &mut Draw, count: u32, topology: &Topology) -> Vec<Target> {
    assert!(count < topology.servers, "somebody is left");
    let mut servers: Vec<u32> = (0..topology.servers).collect();
    draw.shuffle(&mut servers);
    servers.truncate(count as usize);
    servers.sort_unstable();
    servers.into_iter().map(Target::Server).collect()
}

fn partition(
    name: &str,
    draw: &mut Draw,
    style: &Style,
    topology: &Topology,
) -> (Fault, RangeInclusive<u64>) {
    let side = clients(draw, style);
    let whom = target(draw, style, topology);
    let servers = topology.servers;
    let fault = match name {
        "isolate" => Fault::Isolate { target: whom, clients: side },
        "leader-alone" => Fault::Isolate { target: Target::Leader, clients: side },
        "halves" => {
            let left = (0..servers / 2).map(Target::Server).collect();
            split(left, side, topology)
        }
        "random-halves" => {
            let count = small(draw.range(1..=u64::from(servers / 2)));
            split(some_servers(draw, count, topology), side, topology)
        }
        "majority-minority" => {
            let minority = topology.minority();
            if draw.chance(style.leader_ppm) {
                let companions = (0..minority - 1).map(Target::Follower);
                let left = std::iter::once(Target::Leader).chain(companions).collect();
                Fault::Split { left, right: Vec::new(), clients: side }
            } else {
                split(some_servers(draw, minority, topology), side, topology)
            }
        }
        "ring" => Fault::Ring { clients: side },
        "bridge" => Fault::Bridge { over: whom, clients: side },
        "deaf" => Fault::Deaf { target: whom, clients: side },
        "mute" => Fault::Mute { target: whom, clients: side },
        "flapping" => {
            let (cut_ms, connected_ms) = (length_ms(draw, 30..=400), length_ms(draw, 30..=400));
            Fault::Flapping { target: whom, cut_ms, connected_ms, clients: side }
        }
        "client-cut" => return client_cut(draw, style, topology),
        other => unreachable!("{other} is not a partition"),
    };
    (fault, SHORTEST_MS..=2_500)
}

/// A cut with both sides spelled out, as people read it.
fn split(left: Vec<Target>, clients: ClientSide, topology: &Topology) -> Fault {
    let right = (0..topology.servers).map(Target::Server).filter(|target| !left.contains(target)).collect();
    Fault::Split { left, right, clients }
}

fn client_cut(draw: &mut Draw, style: &Style, topology: &Topology) -> (Fault, RangeInclusive<u64>) {
    let count = u64::from(topology.clients);
    if draw.chance(200_000) {
        // A total cut is a short window.
        return (Fault::ClientCut { clients: Vec::new(), server: None }, SHORTEST_MS..=400);
    }
    let mut chosen: Vec<u32> = (0..topology.clients).collect();
    draw.shuffle(&mut chosen);
    chosen.truncate(small(draw.range(1..=count.div_ceil(2))) as usize);
    chosen.sort_unstable();
    let server = draw.chance(400_000).then(|| target(draw, style, topology));
    (Fault::ClientCut { clients: chosen, server }, SHORTEST_MS..=1_500)
}

/// Where a fault of links acts. Replies alone are frequent: they make clients repeat what was done.
fn links(draw: &mut Draw, style: &Style, topology: &Topology) -> Links {
    let whom = target(draw, style, topology);
    let one_way = draw.chance(500_000);
    let choice = draw.below(if topology.servers > 1 { 7 } else { 5 });
    match choice {
        0 | 1 => Links::All,
        2 => Links::Requests,
        3 | 4 => Links::Replies,
        5 => Links::Servers,
        _ if one_way => Links::From(whom),
        _ => Links::To(whom),
    }
}

/// Rarely a fault hits only some kinds of messages, of those that travel there.
fn some_kinds(draw: &mut Draw, ppm: u32, links: Links, mode: Mode) -> Vec<String> {
    let travels = |kind: &&str| match links {
        Links::Requests => *kind == "request",
        Links::Replies => *kind == "reply",
        Links::Servers | Links::Between { .. } => *kind != "request" && *kind != "reply",
        Links::From(_) => *kind != "request",
        Links::To(_) => *kind != "reply",
        Links::All => true,
    };
    let mut travelling = Message::kinds(mode);
    travelling.retain(travels);
    assert!(!travelling.is_empty(), "something travels on {links:?}");
    let (is_some, first, second) = (draw.chance(ppm), *draw.pick(&travelling), *draw.pick(&travelling));
    let mut kinds = vec![first.to_owned(), second.to_owned()];
    kinds.sort_unstable();
    kinds.dedup();
    if is_some { kinds } else { Vec::new() }
}

fn link(name: &str, draw: &mut Draw, style: &Style, topology: &Topology) -> (Fault, RangeInclusive<u64>) {
    let links = links(draw, style, topology);
    let kinds = some_kinds(draw, 150_000, links, topology.mode);
    // 1 to 8 %, 2 to 16 %, 4 to 32 %.
    let mut ppm = |factor: u64| small((draw.range(10_000..=80_000) * factor) << (style.intensity - 1));
    let fault = match name {
        "loss" => Fault::Loss { links, ppm: ppm(1), kinds },
        "duplication" => Fault::Duplication { links, ppm: ppm(3), kinds },
        "reordering" => Fault::Reordering { links, ppm: ppm(2), kinds },
        "corruption" => Fault::Corruption { links, ppm: ppm(1), kinds },
        "delay" => {
            let max_ms = length_ms(draw, 4..=60) << (style.intensity - 1);
            Fault::Delay { links, min_ms: draw.below(max_ms), max_ms, kinds }
        }
        "slow-direction" => {
            let (whom, outward) = (target(draw, style, topology), draw.chance(600_000));
            let links = if outward { Links::From(whom) } else { Links::To(whom) };
            let max_ms = length_ms(draw, 10..=100) << (style.intensity - 1);
            Fault::Delay { links, min_ms: max_ms / 2, max_ms, kinds: Vec::new() }
        }
        "filter" => {
            let kinds = some_kinds(draw, PPM_ALWAYS, links, topology.mode);
            return (Fault::Filter { links, kinds }, SHORTEST_MS..=600);
        }
        "swizzle" => {
            let count = draw.range(1..=u64::from(topology.servers));
            let mut cut: Vec<u32> = (0..topology.servers).collect();
            draw.shuffle(&mut cut);
            cut.truncate(usize::try_from(count).expect("servers are few"));
            let mut restore = cut.clone();
            draw.shuffle(&mut restore);
            return (Fault::Swizzle { cut, restore, clients: clients(draw, style) }, 200..=1_500);
        }
        other => unreachable!("{other} is not a fault of links"),
    };
    (fault, 200..=4_000)
}

fn loss(draw: &mut Draw) -> DiskLoss {
    *draw.pick(&[DiskLoss::Nothing, DiskLoss::Unsynced, DiskLoss::Unsynced, DiskLoss::Torn])
}

fn process(name: &str, draw: &mut Draw, style: &Style, topology: &Topology) -> (Fault, RangeInclusive<u64>) {
    let whom = target(draw, style, topology);
    let loss = loss(draw);
    match name {
        "crash" => (Fault::Crash { target: whom, loss }, SHORTEST_MS..=1_500),
        "client-crash" => {
            let client = small(draw.below(u64::from(topology.clients)));
            (Fault::ClientCrash { client }, SHORTEST_MS..=SHORTEST_MS)
        }
        "crash-loop" => {
            let (down_ms, up_ms) = (length_ms(draw, 20..=150), length_ms(draw, 50..=400));
            (Fault::CrashLoop { target: whom, down_ms, up_ms, loss }, 300..=1_200)
        }
        "crash-all" => (Fault::CrashAll { loss }, SHORTEST_MS..=400),
        "rolling-restart" => {
            let down_ms = length_ms(draw, 30..=200);
            let servers = u64::from(topology.servers);
            (Fault::RollingRestart { down_ms, loss }, servers * 60..=servers * 350)
        }
        "pause" => (Fault::Pause { target: whom }, SHORTEST_MS..=1_500),
        "slow" => {
            let cost_us = length_ms(draw, 100..=600) << (style.intensity - 1);
            (Fault::Slow { target: whom, cost_us }, 200..=4_000)
        }
        other => unreachable!("{other} is not a fault of processes"),
    }
}

fn clock(name: &str, draw: &mut Draw, style: &Style, topology: &Topology) -> (Fault, RangeInclusive<u64>) {
    let whom = target(draw, style, topology);
    let is_behind = draw.chance(500_000);
    let signed = |size: u64| {
        let size = i64::try_from(size).expect("clocks are off by little");
        if is_behind { -size } else { size }
    };
    let fault = match name {
        "clock-jump" => Fault::ClockJump { target: whom, by_ms: signed(length_ms(draw, 10..=20_000)) },
        "clock-drift" => {
            let most = topology.clock_error_ppm_max.map_or(100_000, u64::from);
            let ppm = i32::try_from(signed(length_ms(draw, 100..=most))).expect("drifts are small");
            Fault::ClockDrift { target: whom, ppm }
        }
        "clock-strobe" => {
            let period_ms = length_ms(draw, 5..=200);
            Fault::ClockStrobe { target: whom, by_ms: signed(length_ms(draw, 10..=2_000)), period_ms }
        }
        other => unreachable!("{other} is not a fault of clocks"),
    };
    (fault, 200..=4_000)
}

fn disk(name: &str, draw: &mut Draw, style: &Style, topology: &Topology) -> (Fault, RangeInclusive<u64>) {
    let whom = match (topology.mode, name) {
        // Servers keep nothing on disk: what a wipe takes from one is its memory.
        (Mode::PrimaryBackup, "wipe") => {
            Target::Server(1 + small(draw.below(u64::from(topology.servers - 1))))
        }
        (Mode::PrimaryBackup, _) => Target::Server(0),
        _ => target(draw, style, topology),
    };
    let sync_ms = length_ms(draw, 5..=60) << (style.intensity - 1);
    match name {
        "lose-unsynced" => (Fault::LoseUnsynced { target: whom, sync_ms }, 100..=1_200),
        "torn-write" => (Fault::TornWrite { target: whom, sync_ms }, 100..=1_200),
        "lying-sync" => (Fault::LyingSync { target: whom }, 200..=1_500),
        "failed-sync" => (Fault::FailedSync { target: whom }, SHORTEST_MS..=800),
        "slow-sync" => (Fault::SlowSync { target: whom, sync_ms }, 200..=4_000),
        "bit-flip" => (Fault::BitFlip { target: whom }, SHORTEST_MS..=600),
        "truncate" => {
            let records = small(draw.range(1..=10));
            (Fault::Truncate { target: whom, records }, SHORTEST_MS..=600)
        }
        "disk-full" => (Fault::DiskFull { target: whom }, SHORTEST_MS..=600),
        "wipe" => (Fault::Wipe { target: whom }, SHORTEST_MS..=600),
        other => unreachable!("{other} is not a fault of disks"),
    }
}

/// Changes that a storm has, at most: with those of other faults, few enough for one run.
const STORM_CHANGES_MAX: u64 = 6;

fn cluster(name: &str, draw: &mut Draw) -> (Fault, RangeInclusive<u64>) {
    let change = match name {
        "storm" => {
            let count = draw.range(2..=STORM_CHANGES_MAX);
            let changes = (0..count).map(|_| {
                let kind = *draw.pick(&["join", "leave", "move", "move"]);
                cluster_change(kind, draw)
            });
            return (Fault::Storm { changes: changes.collect() }, 200..=2_000);
        }
        _ => cluster_change(name, draw),
    };
    (Fault::Reconfigure { change }, SHORTEST_MS..=SHORTEST_MS)
}

fn cluster_change(name: &str, draw: &mut Draw) -> ClusterChange {
    let group = small(draw.range(1..=u64::from(SHARD_GROUPS)));
    let shard = small(draw.below(u64::from(SHARDS)));
    match name {
        "join" => ClusterChange::Join(group),
        "leave" => ClusterChange::Leave(group),
        "move" => ClusterChange::Move { shard, to: group },
        other => unreachable!("{other} is not a change of a cluster"),
    }
}
