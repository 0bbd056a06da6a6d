//! Faults as one line of text each: `at 1.200s for 0.900s: partition {n1,n2} | {n3,n4,n5}`.
//!
//! People compare plans by these lines, so they are as stable as the JSON. Times are in seconds with three
//! digits; probabilities in per cent, exact. Nothing is said that the plan does not say.

use std::fmt::{self, Display, Formatter};

use super::fault::{ClientSide, ClusterChange, DiskLoss, Fault, Links, PlannedFault, Target};
use super::surface::Endpoint;

/// Milliseconds as `1.200s`.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.0 / 1_000, self.0 % 1_000)
    }
}

/// Parts per million as per cent, without trailing zeros: `12.5%`.
struct Percent(u32);

impl Display for Percent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:04}", self.0 % 10_000);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{}{point}{fraction}%", self.0 / 10_000)
    }
}

impl Display for PlannedFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "at {} for {}: {}", Seconds(self.at_ms), Seconds(self.for_ms), self.fault)
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(index) => write!(f, "n{}", u64::from(*index) + 1),
            Self::Leader => write!(f, "the leader"),
            Self::Follower(nth) => write!(f, "follower {}", u64::from(*nth) + 1),
        }
    }
}

impl Display for Links {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "all links"),
            Self::Servers => write!(f, "links between servers"),
            Self::Requests => write!(f, "requests"),
            Self::Replies => write!(f, "replies"),
            Self::From(target) => write!(f, "what {target} sends"),
            Self::To(target) => write!(f, "what {target} receives"),
            Self::Between { from, to } => write!(f, "{from} -> {to}"),
        }
    }
}

/// What follows a cut: nothing if clients share the side of their server, since most do.
fn side(clients: ClientSide) -> &'static str {
    match clients {
        ClientSide::Follow => "",
        ClientSide::ReachAll => " (clients reach all)",
    }
}

fn loss(loss: DiskLoss) -> &'static str {
    match loss {
        DiskLoss::Nothing => "",
        DiskLoss::Unsynced => ", losing what is not synced",
        DiskLoss::Torn => ", losing what is not synced and tearing a record",
    }
}

fn kinds(kinds: &[String]) -> String {
    if kinds.is_empty() { String::new() } else { format!(" (only {})", kinds.join(", ")) }
}

fn group(targets: &[Target]) -> String {
    if targets.is_empty() {
        return "the rest".to_owned();
    }
    let names: Vec<String> = targets.iter().map(Target::to_string).collect();
    format!("{{{}}}", names.join(","))
}

fn order(servers: &[u32]) -> String {
    let names: Vec<String> = servers.iter().map(|server| Target::Server(*server).to_string()).collect();
    names.join(",")
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Isolate { .. }
            | Self::Split { .. }
            | Self::Ring { .. }
            | Self::Bridge { .. }
            | Self::Deaf { .. }
            | Self::Mute { .. }
            | Self::Flapping { .. }
            | Self::ClientCut { .. }
            | Self::Swizzle { .. } => describe_cut(self, f),
            Self::Loss { .. }
            | Self::Duplication { .. }
            | Self::Reordering { .. }
            | Self::Delay { .. }
            | Self::Corruption { .. }
            | Self::Filter { .. } => describe_link(self, f),
            Self::LoseUnsynced { .. }
            | Self::TornWrite { .. }
            | Self::LyingSync { .. }
            | Self::FailedSync { .. }
            | Self::SlowSync { .. }
            | Self::BitFlip { .. }
            | Self::Truncate { .. }
            | Self::DiskFull { .. }
            | Self::Wipe { .. } => describe_disk(self, f),
            Self::Reconfigure { change } => write!(f, "{change}"),
            Self::Storm { changes } => {
                let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
                write!(f, "one after the other: {}", changes.join(", "))
            }
            _ => describe_machine(self, f),
        }
    }
}

impl Display for ClusterChange {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Join(group) => write!(f, "join g{group}"),
            Self::Leave(group) => write!(f, "leave g{group}"),
            Self::Move { shard, to } => write!(f, "move s{shard} to g{to}"),
        }
    }
}

fn describe_cut(fault: &Fault, f: &mut Formatter<'_>) -> fmt::Result {
    match fault {
        Fault::Isolate { target, clients } => write!(f, "isolate {target}{}", side(*clients)),
        Fault::Split { left, right, clients } => {
            write!(f, "partition {} | {}{}", group(left), group(right), side(*clients))
        }
        Fault::Ring { clients } => write!(f, "ring of majorities{}", side(*clients)),
        Fault::Bridge { over, clients } => write!(f, "halves bridged by {over}{}", side(*clients)),
        Fault::Deaf { target, clients } => write!(f, "{target} hears nobody{}", side(*clients)),
        Fault::Mute { target, clients } => write!(f, "nobody hears {target}{}", side(*clients)),
        Fault::Flapping { target, cut_ms, connected_ms, clients } => {
            let (cut, connected) = (Seconds(*cut_ms), Seconds(*connected_ms));
            write!(f, "flapping: {target} cut off for {cut}, connected for {connected}{}", side(*clients))
        }
        Fault::ClientCut { clients, server } => {
            let names: Vec<String> =
                clients.iter().map(|client| Endpoint::Client(*client as usize).to_string()).collect();
            let who = if names.is_empty() { "all clients".to_owned() } else { names.join(",") };
            let whom = server.map_or("all servers".to_owned(), |server| server.to_string());
            write!(f, "cut {who} off from {whom}")
        }
        Fault::Swizzle { cut, restore, clients } => {
            write!(f, "swizzle: cut off {}, connect {}{}", order(cut), order(restore), side(*clients))
        }
        other => unreachable!("{} is not a cut", other.name()),
    }
}

fn describe_link(fault: &Fault, f: &mut Formatter<'_>) -> fmt::Result {
    match fault {
        Fault::Loss { links, ppm, kinds: only } => {
            write!(f, "lose {} of {links}{}", Percent(*ppm), kinds(only))
        }
        Fault::Duplication { links, ppm, kinds: only } => {
            write!(f, "duplicate {} of {links}{}", Percent(*ppm), kinds(only))
        }
        Fault::Reordering { links, ppm, kinds: only } => {
            write!(f, "reorder {} of {links}{}", Percent(*ppm), kinds(only))
        }
        Fault::Delay { links, min_ms, max_ms, kinds: only } => {
            write!(f, "delay {links} by {min_ms}..{max_ms}ms{}", kinds(only))
        }
        Fault::Corruption { links, ppm, kinds: only } => {
            write!(f, "corrupt {} of {links}{}", Percent(*ppm), kinds(only))
        }
        Fault::Filter { links, kinds } => write!(f, "drop every {} on {links}", kinds.join(", ")),
        other => unreachable!("{} is not a fault of links", other.name()),
    }
}

fn describe_machine(fault: &Fault, f: &mut Formatter<'_>) -> fmt::Result {
    match fault {
        Fault::Crash { target, loss: lost } => write!(f, "crash {target}{}", loss(*lost)),
        Fault::ClientCrash { client } => write!(f, "crash client {}", Endpoint::Client(*client as usize)),
        Fault::CrashLoop { target, down_ms, up_ms, loss: lost } => {
            let (down, up) = (Seconds(*down_ms), Seconds(*up_ms));
            write!(f, "crash {target} again and again, down {down}, up {up}{}", loss(*lost))
        }
        Fault::CrashAll { loss: lost } => write!(f, "crash all servers{}", loss(*lost)),
        Fault::RollingRestart { down_ms, loss: lost } => {
            write!(f, "restart servers in turn, each down {}{}", Seconds(*down_ms), loss(*lost))
        }
        Fault::Pause { target } => write!(f, "pause {target}"),
        Fault::Slow { target, cost_us } => write!(f, "slow {target}: {cost_us}us more per input"),
        Fault::ClockJump { target, by_ms } => write!(f, "clock of {target} off by {by_ms:+}ms"),
        Fault::ClockDrift { target, ppm } => write!(f, "clock of {target} drifts by {ppm:+}ppm"),
        Fault::ClockStrobe { target, by_ms, period_ms } => {
            write!(f, "clock of {target} jumps by {by_ms:+}ms and back every {period_ms}ms")
        }
        other => unreachable!("{} is not a fault of machines or clocks", other.name()),
    }
}

fn describe_disk(fault: &Fault, f: &mut Formatter<'_>) -> fmt::Result {
    match fault {
        Fault::LoseUnsynced { target, sync_ms } => {
            write!(f, "slow syncs of {target} by {sync_ms}ms, then crash it{}", loss(DiskLoss::Unsynced))
        }
        Fault::TornWrite { target, sync_ms } => {
            write!(f, "slow syncs of {target} by {sync_ms}ms, then crash it{}", loss(DiskLoss::Torn))
        }
        Fault::LyingSync { target } => write!(f, "syncs of {target} keep nothing, then crash it"),
        Fault::FailedSync { target } => write!(f, "syncs of {target} fail"),
        Fault::SlowSync { target, sync_ms } => write!(f, "slow syncs of {target} by {sync_ms}ms"),
        Fault::BitFlip { target } => write!(f, "crash {target} and flip a bit on its disk"),
        Fault::Truncate { target, records } => {
            write!(f, "crash {target} and cut {records} synced records off its disk")
        }
        Fault::DiskFull { target } => write!(f, "disk of {target} is full"),
        Fault::Wipe { target } => write!(f, "crash {target} and wipe its disk"),
        other => unreachable!("{} is not a fault of disks", other.name()),
    }
}
