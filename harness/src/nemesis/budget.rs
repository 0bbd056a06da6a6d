//! How much a plan takes from the service: the time in which it may stand still, and an estimate of lost work.
//!
//! The first is a hard rule (at least 40 % of the chaos phase is free of faults that stop service), counted on
//! the safe side from windows as planned. The second is a rough guide that keeps the median run busy; it is a
//! heuristic, judged by the operations that runs complete, and nothing correct rests on it.

use super::fault::{Fault, Links, PlannedFault, Target};
use super::model::{Mode, Standing, Topology, standing};
use squall_workloads::decide::PPM_ALWAYS;

/// How long the cluster goes without a leader after it lost one: detection and election, in milliseconds.
const ELECTION_MS: u64 = 400;
/// What a client waits between two operations, roughly, in milliseconds.
const THINK_MS: u64 = 100;
/// A loss from which on hardly an operation completes.
const HOPELESS_PPM: u32 = 400_000;

/// What a fault takes away while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Toll {
    /// The service, whatever else happens.
    Service,
    /// This many servers, from whoever is left.
    Servers(u32),
}

/// The milliseconds of the chaos phase in which faults may stop the service: a server is down or paused, its disk
/// is full, clients reach nobody, nothing passes, or so many servers are cut off or lost for good that no majority
/// is left.
pub fn stopped_ms(faults: &[PlannedFault], topology: &Topology) -> u64 {
    // Nobody knows when a trigger is pulled: what it fires counts beside everything else.
    let (triggered, faults): (Vec<&PlannedFault>, Vec<&PlannedFault>) =
        faults.iter().partition(|planned| planned.on.is_some());
    let loses_voter = |planned: &&&PlannedFault| is_damaging(planned, topology);
    let losing_voters = u32::try_from(triggered.iter().filter(loses_voter).count()).expect("faults are few");
    let mut edges: Vec<u64> = faults.iter().flat_map(|planned| [planned.at_ms, planned.end_ms()]).collect();
    edges.push(topology.horizon_ms);
    edges.sort_unstable();
    edges.dedup();
    let mut stopped_ms = 0;
    for pair in edges.windows(2) {
        let (from_ms, to_ms) = (pair[0], pair[1].min(topology.horizon_ms));
        if from_ms < to_ms && is_stopped(&faults, losing_voters, topology, from_ms) {
            stopped_ms += to_ms - from_ms;
        }
    }
    assert!(stopped_ms <= topology.horizon_ms, "the service cannot stop for longer than the run");
    let stops = |planned: &&&PlannedFault| toll(&planned.fault, topology) != Toll::Servers(0);
    stopped_ms += triggered.iter().filter(stops).map(|planned| planned.for_ms).sum::<u64>();
    stopped_ms.min(topology.horizon_ms)
}

/// Whether the service may stand still at this moment.
fn is_stopped(faults: &[&PlannedFault], losing_voters: u32, topology: &Topology, now_ms: u64) -> bool {
    let mut gone = 0;
    let mut damaged = losing_voters;
    for planned in faults.iter().filter(|planned| planned.at_ms <= now_ms) {
        damaged += u32::from(is_damaging(planned, topology));
        if now_ms >= planned.end_ms() {
            continue;
        }
        match toll(&planned.fault, topology) {
            Toll::Service => return true,
            Toll::Servers(count) => gone += count,
        }
    }
    // What is damaged for good never exceeds a minority: more is withheld.
    gone + damaged.min(topology.minority()) > topology.minority()
}

fn is_damaging(planned: &PlannedFault, topology: &Topology) -> bool {
    standing(topology.mode, planned.fault.name()) == Standing::Minority
}

fn toll(fault: &Fault, topology: &Topology) -> Toll {
    match fault {
        Fault::Isolate { .. } | Fault::Deaf { .. } | Fault::Mute { .. } | Fault::Flapping { .. } => {
            Toll::Servers(1)
        }
        Fault::Split { left, right, .. } => {
            let left = u32::try_from(left.len()).expect("servers are few");
            let right = u32::try_from(right.len()).expect("servers are few");
            let right = if right == 0 { topology.servers.saturating_sub(left) } else { right };
            Toll::Servers(left.min(right))
        }
        // Everybody still sees a majority; but whoever else goes may be the bridge.
        Fault::Ring { .. } | Fault::Bridge { .. } => Toll::Servers(topology.minority()),
        Fault::ClientCut { clients, server } => match (clients.is_empty(), server, topology.mode) {
            (true, None, _) | (true, _, Mode::Single) => Toll::Service,
            _ => Toll::Servers(0),
        },
        Fault::Loss { links, ppm, .. } | Fault::Corruption { links, ppm, .. } => {
            if *ppm >= HOPELESS_PPM {
                loss_toll(*links)
            } else {
                Toll::Servers(0)
            }
        }
        Fault::Filter { links, .. } => loss_toll(*links),
        Fault::Delay { links, min_ms, max_ms, .. } => {
            if (min_ms + max_ms) / 2 >= 150 {
                loss_toll(*links)
            } else {
                Toll::Servers(0)
            }
        }
        Fault::Duplication { .. } | Fault::Reordering { .. } => Toll::Servers(0),
        Fault::Slow { .. }
        | Fault::SlowSync { .. }
        | Fault::ClientCrash { .. }
        | Fault::ClockJump { .. }
        | Fault::ClockDrift { .. }
        | Fault::ClockStrobe { .. }
        | Fault::Reconfigure { .. }
        | Fault::Storm { .. } => Toll::Servers(0),
        // Down, paused, full, or about to be; and a swizzle ends with everybody cut off.
        _ => Toll::Service,
    }
}

/// What it takes if next to nothing passes these links.
fn loss_toll(links: Links) -> Toll {
    match links {
        Links::All | Links::Servers | Links::Requests | Links::Replies => Toll::Service,
        Links::From(_) | Links::To(_) | Links::Between { .. } => Toll::Servers(1),
    }
}

/// About how many milliseconds' worth of operations the fault costs.
pub(super) fn cost_ms(planned: &PlannedFault, topology: &Topology) -> u64 {
    let (fault, for_ms) = (&planned.fault, planned.for_ms);
    let servers = u64::from(topology.servers);
    let stalled_ms = match fault {
        Fault::CrashAll { .. } => for_ms + ELECTION_MS,
        Fault::RollingRestart { .. } | Fault::Swizzle { .. } => for_ms * 3 / 4,
        Fault::ClientCut { clients, server } => {
            let share = if clients.is_empty() { 1 } else { u64::from(topology.clients) };
            for_ms * clients.len().max(1) as u64 / share / if server.is_some() { 2 } else { 1 }
        }
        Fault::Loss { links, ppm, .. } | Fault::Corruption { links, ppm, .. } => {
            // An operation takes several messages; the loss of any of them costs a resend.
            let lost_ppm = u64::from(*ppm) * 3 / reach(*links, servers);
            for_ms * lost_ppm.min(u64::from(PPM_ALWAYS)) / u64::from(PPM_ALWAYS)
        }
        Fault::Filter { links, .. } => for_ms / reach(*links, servers),
        Fault::Delay { links, min_ms, max_ms, .. } => {
            let slower_ms = (min_ms + max_ms) * 2 / reach(*links, servers);
            for_ms * slower_ms / (THINK_MS + slower_ms)
        }
        Fault::Reordering { .. } => for_ms / 10,
        Fault::SlowSync { sync_ms, .. } => {
            let slower_ms = if topology.servers == 1 { sync_ms * 2 } else { sync_ms / servers };
            for_ms * slower_ms / (THINK_MS + slower_ms)
        }
        Fault::Slow { cost_us, .. } => for_ms * (cost_us / 20).min(100) / 100 / servers.div_ceil(2),
        Fault::Duplication { .. } | Fault::ClientCrash { .. } => 0,
        Fault::ClockJump { .. } | Fault::ClockDrift { .. } | Fault::ClockStrobe { .. } => 0,
        Fault::Ring { .. } | Fault::Bridge { .. } | Fault::Split { .. } => for_ms / 2 + ELECTION_MS / 2,
        // One server goes: for long if it is the only one, for an election if it leads.
        _ if servers == 1 => for_ms,
        _ => (for_ms / 3 + ELECTION_MS) / if leads(fault) { 1 } else { servers.min(3) },
    };
    stalled_ms.min(for_ms + ELECTION_MS)
}

fn leads(fault: &Fault) -> bool {
    fault.targets().contains(&Target::Leader)
}

/// One direction of one server concerns about this fraction of the operations.
fn reach(links: Links, servers: u64) -> u64 {
    match links {
        Links::All | Links::Servers | Links::Requests | Links::Replies => 1,
        Links::From(Target::Leader) | Links::To(Target::Leader) => 1,
        Links::From(_) | Links::To(_) | Links::Between { .. } => servers.min(3),
    }
}
