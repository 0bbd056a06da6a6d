//! What a fault does, step by step: from a fault whose targets are known to a list of timed actions.
//!
//! Offsets count from the beginning of the fault and are fixed when it fires, so faults of many steps (flapping,
//! crash loops, rolling restarts, swizzles, strobes) do not drift, however the run's steps fall. Nothing here
//! touches the surface: an action is carried out by the interpreter.

use super::fault::{ClientSide, ClusterChange, DiskLoss, Fault, Links, Target};
use super::surface::{ClockChange, DiskFault, Endpoint, LinkEffect};
use squall_workloads::decide::PPM_ALWAYS;

/// One call of the surface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Cut {
        from: Endpoint,
        to: Endpoint,
    },
    Link {
        from: Endpoint,
        to: Endpoint,
        effect: LinkEffect,
    },
    Crash {
        server: usize,
        loss: DiskLoss,
    },
    Start {
        server: usize,
    },
    Pause {
        server: usize,
    },
    Slow {
        server: usize,
        cost_us: u64,
    },
    CrashClient {
        client: usize,
    },
    Clock {
        server: usize,
        change: ClockChange,
    },
    Disk {
        server: usize,
        change: DiskFault,
    },
    Administer {
        change: ClusterChange,
    },
    /// The fault's standing effects end, for now; its later steps may bring them back.
    Lift,
}

/// An action and when it happens, in milliseconds from the beginning of the fault.
pub(super) type Step = (u64, Action);

/// How many servers there are, and which server each client is bound to.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) servers: usize,
    pub(super) homes: Vec<usize>,
}

/// The steps of a fault whose targets are all resolved, over a window of `for_ms`.
pub(super) fn steps(fault: &Fault, for_ms: u64, layout: &Layout) -> Vec<Step> {
    assert!(for_ms > 0, "a fault has a length");
    let steps = match fault {
        Fault::Isolate { .. }
        | Fault::Split { .. }
        | Fault::Ring { .. }
        | Fault::Bridge { .. }
        | Fault::Deaf { .. }
        | Fault::Mute { .. }
        | Fault::ClientCut { .. } => at_once(cuts(fault, layout)),
        Fault::Flapping { target, cut_ms, connected_ms, clients } => {
            let cut = isolation(index(*target), *clients, layout);
            alternate(for_ms, *cut_ms, *connected_ms, &cut, &[Action::Lift])
        }
        Fault::Swizzle { cut, restore, clients } => swizzle(cut, restore, *clients, for_ms, layout),
        Fault::Loss { links, .. }
        | Fault::Duplication { links, .. }
        | Fault::Reordering { links, .. }
        | Fault::Delay { links, .. }
        | Fault::Corruption { links, .. }
        | Fault::Filter { links, .. } => at_once(link_effects(*links, &effect_of(fault), layout)),
        Fault::ClockJump { .. } | Fault::ClockDrift { .. } | Fault::ClockStrobe { .. } => {
            clocks(fault, for_ms)
        }
        Fault::Crash { .. }
        | Fault::ClientCrash { .. }
        | Fault::CrashLoop { .. }
        | Fault::CrashAll { .. }
        | Fault::RollingRestart { .. }
        | Fault::Pause { .. }
        | Fault::Slow { .. } => machines(fault, for_ms, layout),
        Fault::Reconfigure { change } => vec![(0, Action::Administer { change: *change })],
        Fault::Storm { changes } => {
            let count = changes.len() as u64;
            let at = |(nth, change): (u64, &ClusterChange)| {
                (for_ms * nth / count, Action::Administer { change: *change })
            };
            (0..).zip(changes).map(at).collect()
        }
        _ => disks(fault, for_ms),
    };
    assert!(!steps.is_empty(), "{fault} does nothing on {} servers", layout.servers);
    assert!(steps.is_sorted_by_key(|(offset_ms, _)| *offset_ms), "the steps of {fault} are in order");
    steps
}

/// The server behind a resolved target.
pub(super) fn index(target: Target) -> usize {
    match target {
        Target::Server(server) => server as usize,
        role => unreachable!("{role} is resolved before its steps are made"),
    }
}

fn at_once(actions: Vec<Action>) -> Vec<Step> {
    actions.into_iter().map(|action| (0, action)).collect()
}

/// `first` for `first_ms`, `second` for `second_ms`, and again, as long as the window lasts.
fn alternate(for_ms: u64, first_ms: u64, second_ms: u64, first: &[Action], second: &[Action]) -> Vec<Step> {
    assert!(first_ms > 0 && second_ms > 0, "a phase has a length");
    let mut steps = Vec::new();
    let mut begin_ms = 0;
    while begin_ms < for_ms {
        steps.extend(first.iter().map(|action| (begin_ms, action.clone())));
        if begin_ms + first_ms < for_ms {
            steps.extend(second.iter().map(|action| (begin_ms + first_ms, action.clone())));
        }
        begin_ms += first_ms + second_ms;
    }
    steps
}

fn cuts(fault: &Fault, layout: &Layout) -> Vec<Action> {
    let all = 0..layout.servers;
    match fault {
        Fault::Isolate { target, clients } => isolation(index(*target), *clients, layout),
        Fault::Split { left, right, clients } => {
            let left: Vec<usize> = left.iter().map(|target| index(*target)).collect();
            let named = |server: &usize| right.iter().any(|target| index(*target) == *server);
            let right: Vec<usize> =
                all.filter(|server| !left.contains(server) && (right.is_empty() || named(server))).collect();
            both_ways(&side(&left, *clients, layout), &side(&right, *clients, layout))
        }
        Fault::Ring { clients } => ring(*clients, layout),
        Fault::Bridge { over, clients } => {
            let others: Vec<usize> = all.filter(|server| *server != index(*over)).collect();
            let (left, right) = others.split_at(others.len() / 2);
            both_ways(&side(left, *clients, layout), &side(right, *clients, layout))
        }
        Fault::Deaf { target, clients } => {
            let (alone, others) = sides_of(index(*target), *clients, layout);
            one_way(&others, &alone)
        }
        Fault::Mute { target, clients } => {
            let (alone, others) = sides_of(index(*target), *clients, layout);
            one_way(&alone, &others)
        }
        Fault::ClientCut { clients, server } => {
            let whole: Vec<u32> = (0..).take(layout.homes.len()).collect();
            let clients = if clients.is_empty() { &whole } else { clients };
            let clients: Vec<Endpoint> =
                clients.iter().map(|client| Endpoint::Client(*client as usize)).collect();
            let servers: Vec<Endpoint> = match server {
                Some(target) => vec![Endpoint::Server(index(*target))],
                None => all.map(Endpoint::Server).collect(),
            };
            both_ways(&clients, &servers)
        }
        other => unreachable!("{} is not one cut", other.name()),
    }
}

/// These servers and, if clients follow, those bound to them.
fn side(servers: &[usize], clients: ClientSide, layout: &Layout) -> Vec<Endpoint> {
    let mut members: Vec<Endpoint> = servers.iter().copied().map(Endpoint::Server).collect();
    if clients == ClientSide::Follow {
        let bound = |client: &usize| servers.contains(&layout.homes[*client]);
        members.extend((0..layout.homes.len()).filter(bound).map(Endpoint::Client));
    }
    members
}

/// The side of one server, and the other side.
fn sides_of(server: usize, clients: ClientSide, layout: &Layout) -> (Vec<Endpoint>, Vec<Endpoint>) {
    let others: Vec<usize> = (0..layout.servers).filter(|other| *other != server).collect();
    (side(&[server], clients, layout), side(&others, clients, layout))
}

fn isolation(server: usize, clients: ClientSide, layout: &Layout) -> Vec<Action> {
    let (alone, others) = sides_of(server, clients, layout);
    both_ways(&alone, &others)
}

/// Each server sees its nearest neighbours on both sides, just enough for a majority with itself.
fn ring(clients: ClientSide, layout: &Layout) -> Vec<Action> {
    let count = layout.servers;
    // A majority is `count / 2 + 1` with itself: half of the others on each side, rounded up.
    let reach = (count / 2).div_ceil(2);
    let mut actions = Vec::new();
    for server in 0..count {
        let far: Vec<usize> = (0..count)
            .filter(|other| {
                let around = (count + other - server) % count;
                around.min(count - around) > reach
            })
            .collect();
        let far = side(&far, ClientSide::ReachAll, layout);
        actions.extend(one_way(&[Endpoint::Server(server)], &far));
        if clients == ClientSide::Follow {
            let bound = (0..layout.homes.len()).filter(|client| layout.homes[*client] == server);
            let bound: Vec<Endpoint> = bound.map(Endpoint::Client).collect();
            actions.extend(both_ways(&bound, &far));
        }
    }
    actions
}

fn one_way(senders: &[Endpoint], receivers: &[Endpoint]) -> Vec<Action> {
    pairs(senders, receivers).map(|(from, to)| Action::Cut { from, to }).collect()
}

fn both_ways(left: &[Endpoint], right: &[Endpoint]) -> Vec<Action> {
    let mut actions = one_way(left, right);
    actions.extend(one_way(right, left));
    actions
}

/// Every link from one group to another; clients do not talk to clients, nor anybody to itself.
fn pairs(senders: &[Endpoint], receivers: &[Endpoint]) -> impl Iterator<Item = (Endpoint, Endpoint)> {
    let are_linked = |from: Endpoint, to: Endpoint| {
        from != to && !matches!((from, to), (Endpoint::Client(_), Endpoint::Client(_)))
    };
    senders
        .iter()
        .flat_map(move |from| receivers.iter().map(move |to| (*from, *to)))
        .filter(move |(from, to)| are_linked(*from, *to))
}

fn swizzle(cut: &[u32], restore: &[u32], clients: ClientSide, for_ms: u64, layout: &Layout) -> Vec<Step> {
    assert!(cut.len() == restore.len() && !cut.is_empty(), "a swizzle restores what it cuts");
    let count = cut.len() as u64;
    let half_ms = for_ms / 2;
    let mut steps = Vec::new();
    for (nth, server) in (0..).zip(cut) {
        let actions = isolation(*server as usize, clients, layout);
        steps.extend(actions.into_iter().map(|action| (half_ms * nth / count, action)));
    }
    for (nth, _) in (0..).zip(restore) {
        let offset_ms = half_ms + (for_ms - half_ms) * nth / count;
        // A link between two servers stays cut while either is cut off: lift everything, cut what remains.
        steps.push((offset_ms, Action::Lift));
        for server in restore.iter().skip(usize::try_from(nth).expect("a position in a list") + 1) {
            let actions = isolation(*server as usize, clients, layout);
            steps.extend(actions.into_iter().map(|action| (offset_ms, action)));
        }
    }
    steps
}

fn effect_of(fault: &Fault) -> LinkEffect {
    let none = LinkEffect::default();
    match fault.clone() {
        Fault::Loss { ppm, kinds, .. } => LinkEffect { loss_ppm: ppm, kinds, ..none },
        Fault::Duplication { ppm, kinds, .. } => LinkEffect { duplicate_ppm: ppm, kinds, ..none },
        Fault::Reordering { ppm, kinds, .. } => LinkEffect { reorder_ppm: ppm, kinds, ..none },
        Fault::Delay { min_ms, max_ms, kinds, .. } => {
            LinkEffect { delay_min_ms: min_ms, delay_max_ms: max_ms, kinds, ..none }
        }
        Fault::Corruption { ppm, kinds, .. } => LinkEffect { corrupt_ppm: ppm, kinds, ..none },
        Fault::Filter { kinds, .. } => LinkEffect { loss_ppm: PPM_ALWAYS, kinds, ..none },
        other => unreachable!("{} is not a fault of links", other.name()),
    }
}

fn link_effects(links: Links, effect: &LinkEffect, layout: &Layout) -> Vec<Action> {
    let servers: Vec<Endpoint> = (0..layout.servers).map(Endpoint::Server).collect();
    let clients: Vec<Endpoint> = (0..layout.homes.len()).map(Endpoint::Client).collect();
    let everybody: Vec<Endpoint> = servers.iter().chain(&clients).copied().collect();
    let one = |target: Target| vec![Endpoint::Server(index(target))];
    let (senders, receivers) = match links {
        Links::All => (everybody.clone(), everybody),
        Links::Servers => (servers.clone(), servers),
        Links::Requests => (clients, servers),
        Links::Replies => (servers, clients),
        Links::From(target) => (one(target), everybody),
        Links::To(target) => (everybody, one(target)),
        Links::Between { from, to } => (one(from), one(to)),
    };
    pairs(&senders, &receivers).map(|(from, to)| Action::Link { from, to, effect: effect.clone() }).collect()
}

fn machines(fault: &Fault, for_ms: u64, layout: &Layout) -> Vec<Step> {
    match fault {
        Fault::Crash { target, loss } => {
            vec![(0, Action::Crash { server: index(*target), loss: *loss })]
        }
        Fault::CrashLoop { target, down_ms, up_ms, loss } => {
            let server = index(*target);
            let crash = [Action::Crash { server, loss: *loss }];
            alternate(for_ms, *down_ms, *up_ms, &crash, &[Action::Start { server }])
        }
        Fault::CrashAll { loss } => {
            at_once((0..layout.servers).map(|server| Action::Crash { server, loss: *loss }).collect())
        }
        Fault::RollingRestart { down_ms, loss } => {
            let count = layout.servers as u64;
            let mut steps = Vec::new();
            for (nth, server) in (0..).zip(0..layout.servers) {
                let begin_ms = for_ms * nth / count;
                // A window that begins late is shorter than planned; each server is still up before the next.
                let down_ms = (*down_ms).min((for_ms / count).max(1));
                steps.push((begin_ms, Action::Crash { server, loss: *loss }));
                steps.push((begin_ms + down_ms, Action::Start { server }));
            }
            steps.sort_by_key(|(offset_ms, _)| *offset_ms);
            steps
        }
        Fault::Pause { target } => vec![(0, Action::Pause { server: index(*target) })],
        Fault::Slow { target, cost_us } => {
            vec![(0, Action::Slow { server: index(*target), cost_us: *cost_us })]
        }
        Fault::ClientCrash { client } => vec![(0, Action::CrashClient { client: *client as usize })],
        other => unreachable!("{} is not a fault of machines", other.name()),
    }
}

fn clocks(fault: &Fault, for_ms: u64) -> Vec<Step> {
    let change = |target: &Target, change| Action::Clock { server: index(*target), change };
    match fault {
        Fault::ClockJump { target, by_ms } => {
            vec![(0, change(target, ClockChange::Offset { by_ms: *by_ms }))]
        }
        Fault::ClockDrift { target, ppm } => vec![(0, change(target, ClockChange::Drift { ppm: *ppm }))],
        Fault::ClockStrobe { target, by_ms, period_ms } => {
            let jump = [change(target, ClockChange::Offset { by_ms: *by_ms })];
            alternate(for_ms, *period_ms, *period_ms, &jump, &[Action::Lift])
        }
        other => unreachable!("{} is not a fault of clocks", other.name()),
    }
}

/// Faults that show at boot bring their own crash; the restart is the end of every fault.
fn disks(fault: &Fault, for_ms: u64) -> Vec<Step> {
    let disk = |target: &Target, change| Action::Disk { server: index(*target), change };
    let crash = |target: &Target, loss| Action::Crash { server: index(*target), loss };
    // Lose or lie first, so that there is something to lose; down for the second half.
    let half_ms = for_ms / 2;
    let damaged =
        |target: &Target, change| vec![(0, crash(target, DiskLoss::Nothing)), (0, disk(target, change))];
    match fault {
        Fault::LoseUnsynced { target, sync_ms } => vec![
            (0, disk(target, DiskFault::SlowSync { delay_ms: *sync_ms })),
            (half_ms, crash(target, DiskLoss::Unsynced)),
        ],
        Fault::TornWrite { target, sync_ms } => vec![
            (0, disk(target, DiskFault::SlowSync { delay_ms: *sync_ms })),
            (half_ms, crash(target, DiskLoss::Torn)),
        ],
        Fault::LyingSync { target } => {
            vec![(0, disk(target, DiskFault::LyingSync)), (half_ms, crash(target, DiskLoss::Unsynced))]
        }
        Fault::FailedSync { target } => vec![(0, disk(target, DiskFault::FailedSync))],
        Fault::SlowSync { target, sync_ms } => {
            vec![(0, disk(target, DiskFault::SlowSync { delay_ms: *sync_ms }))]
        }
        Fault::DiskFull { target } => vec![(0, disk(target, DiskFault::Full))],
        Fault::BitFlip { target } => damaged(target, DiskFault::BitFlip),
        Fault::Truncate { target, records } => damaged(target, DiskFault::Truncate { records: *records }),
        Fault::Wipe { target } => damaged(target, DiskFault::Wipe),
        other => unreachable!("{} is not a fault of disks", other.name()),
    }
}
