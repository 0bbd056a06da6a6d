//! Who is meant: roles give way to the servers that play them at the moment a fault fires.
//!
//! Roles may turn out to be one and the same server, so the sides of a cut are made disjoint here. A fault whose
//! role nobody plays is withheld, in words that say so.

use super::fault::{Fault, Links, Target};
use super::steps::{Layout, index};
use super::surface::{Endpoint, Surface};

/// The one server that this fault stops or damages, if it is aimed at one: firing at a server that is down would
/// do nothing.
pub(super) fn stops_target(fault: &Fault) -> Option<Target> {
    match fault {
        Fault::Crash { target, .. }
        | Fault::CrashLoop { target, .. }
        | Fault::Pause { target }
        | Fault::LoseUnsynced { target, .. }
        | Fault::TornWrite { target, .. }
        | Fault::LyingSync { target }
        | Fault::FailedSync { target }
        | Fault::DiskFull { target }
        | Fault::BitFlip { target }
        | Fault::Truncate { target, .. }
        | Fault::Wipe { target } => Some(*target),
        _ => None,
    }
}

/// The one server whose process this fault stops, and whether its disk is lost.
pub(super) fn stops_process(fault: &Fault) -> Option<(usize, bool)> {
    match fault {
        Fault::Crash { target, .. }
        | Fault::CrashLoop { target, .. }
        | Fault::LoseUnsynced { target, .. }
        | Fault::TornWrite { target, .. }
        | Fault::LyingSync { target }
        | Fault::FailedSync { target }
        | Fault::DiskFull { target } => Some((index(*target), false)),
        Fault::BitFlip { target } | Fault::Truncate { target, .. } | Fault::Wipe { target } => {
            Some((index(*target), true))
        }
        _ => None,
    }
}

/// Puts servers in the place of roles; says why that is not possible now. `actor` is the server whose event pulled
/// the trigger.
pub(super) fn resolve(fault: &Fault, surface: &dyn Surface, actor: Option<usize>) -> Result<Fault, String> {
    let servers = surface.servers();
    let mut resolved = fault.clone();
    for target in resolved.targets_mut() {
        let found = if *target == Target::Actor { actor } else { surface.locate(*target) };
        let server = found.ok_or_else(|| nobody(*target))?;
        assert!(server < servers, "{} is not a server: validate the plan first", Endpoint::Server(server));
        *target = Target::Server(u32::try_from(server).expect("servers are few"));
    }
    separate(&mut resolved, servers)?;
    Ok(resolved)
}

fn nobody(target: Target) -> String {
    match target {
        Target::Leader => "no server leads now".to_owned(),
        Target::Follower(_) => "there is no follower".to_owned(),
        other => format!("no server is {other} now"),
    }
}

/// Roles may turn out to be one and the same server: sides of a cut are made disjoint, if that leaves anything.
fn separate(fault: &mut Fault, servers: usize) -> Result<(), String> {
    if let Some(Links::Between { from, to }) = links_of(fault)
        && from == to
    {
        return Err(format!("both ends of the link are {from}"));
    }
    if let Fault::Split { left, right, .. } = fault {
        let had_right = !right.is_empty();
        left.sort_unstable();
        left.dedup();
        right.sort_unstable();
        right.dedup();
        right.retain(|target| !left.contains(target));
        if left.len() == servers || (had_right && right.is_empty()) {
            return Err("nobody is on the other side of the cut".to_owned());
        }
        let all = u32::try_from(servers).expect("servers are few");
        if !had_right {
            right.extend((0..all).map(Target::Server).filter(|target| !left.contains(target)));
        }
    }
    Ok(())
}

fn links_of(fault: &Fault) -> Option<Links> {
    match fault {
        Fault::Loss { links, .. }
        | Fault::Duplication { links, .. }
        | Fault::Reordering { links, .. }
        | Fault::Delay { links, .. }
        | Fault::Corruption { links, .. }
        | Fault::Filter { links, .. } => Some(*links),
        _ => None,
    }
}

/// Whom a resolved fault is aimed at.
pub(super) fn targets_of(fault: &Fault, layout: &Layout) -> Vec<Endpoint> {
    let client = |client: &u32| Endpoint::Client(*client as usize);
    let server = |server: &u32| Endpoint::Server(*server as usize);
    let mut targets: Vec<Endpoint> = match fault {
        Fault::Ring { .. } | Fault::CrashAll { .. } | Fault::RollingRestart { .. } => {
            (0..layout.servers).map(Endpoint::Server).collect()
        }
        Fault::Swizzle { cut, .. } => cut.iter().map(server).collect(),
        Fault::ClientCrash { client: one } => vec![client(one)],
        Fault::ClientCut { clients, .. } if clients.is_empty() => {
            (0..layout.homes.len()).map(Endpoint::Client).collect()
        }
        Fault::ClientCut { clients, .. } => clients.iter().map(client).collect(),
        _ => Vec::new(),
    };
    targets.extend(fault.targets().into_iter().map(|target| Endpoint::Server(index(target))));
    targets.sort_unstable();
    targets.dedup();
    targets
}
