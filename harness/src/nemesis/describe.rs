//! Faults in words, one per line: `at 1.2s: isolate leader for 300ms`. What is printed here can be read again.
//!
//! A plan in words is what people write, compare and paste into bug reports, so its grammar is as stable as the JSON:
//! the name of the fault, whom or what it strikes, how, and for how long. Nothing is said that the plan does not
//! say. [`read`](super::read) is the other half.

use std::fmt::{self, Display, Formatter, Write};

use super::fault::{ClientSide, ClusterChange, DiskLoss, Fault, Links, PlannedFault, Target};
use super::surface::Endpoint;
use super::trigger::{Moment, Trigger};

/// Milliseconds as `300ms` or `1.2s`.
pub(super) struct Time(pub(super) u64);

impl Display for Time {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0 < 1_000 {
            return write!(f, "{}ms", self.0);
        }
        let fraction = format!("{:03}", self.0 % 1_000);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{}{point}{fraction}s", self.0 / 1_000)
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

/// The lines of a plan. Numbers are said where they are not those that the reader would give.
pub fn in_words(faults: &[PlannedFault]) -> String {
    let mut text = String::new();
    for (position, planned) in (1..).zip(faults) {
        if planned.id != position {
            write!(text, "[{}] ", planned.id).expect("a string takes everything");
        }
        writeln!(text, "{planned}").expect("a string takes everything");
    }
    text
}

impl Display for PlannedFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.on {
            None => write!(f, "at {}", Time(self.at_ms))?,
            Some(trigger) if self.at_ms == 0 => write!(f, "on {trigger}")?,
            Some(trigger) => write!(f, "on {trigger} from {}", Time(self.at_ms))?,
        }
        write!(f, ": {} for {}", self.fault, Time(self.for_ms))
    }
}

impl Display for Trigger {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let moment = match self.moment {
            Moment::After => "",
            Moment::BeforeSync => " before sync",
            Moment::BeforeSend => " before send",
        };
        write!(f, "{}{moment}", self.event)?;
        if let Some(target) = self.of {
            write!(f, " of {target}")?;
        }
        if self.nth > 1 { write!(f, " nth {}", self.nth) } else { Ok(()) }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(index) => write!(f, "n{}", u64::from(*index) + 1),
            Self::Leader => write!(f, "leader"),
            Self::Follower(nth) => write!(f, "follower {}", u64::from(*nth) + 1),
            Self::Role { role, group: None } => write!(f, "{}", role.name()),
            Self::Role { role, group: Some(group) } => write!(f, "{} of group {group}", role.name()),
            Self::Actor => write!(f, "it"),
        }
    }
}

impl Display for Links {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "on all links"),
            Self::Servers => write!(f, "between servers"),
            Self::Requests => write!(f, "on requests"),
            Self::Replies => write!(f, "on replies"),
            Self::From(target) => write!(f, "from {target}"),
            Self::To(target) => write!(f, "to {target}"),
            Self::Between { from, to } => write!(f, "from {from} to {to}"),
        }
    }
}

/// What follows a cut: nothing if clients share the side of their server, since most do.
fn side(clients: ClientSide) -> &'static str {
    match clients {
        ClientSide::Follow => "",
        ClientSide::ReachAll => ", clients reach all",
    }
}

fn loss(loss: DiskLoss) -> &'static str {
    match loss {
        DiskLoss::Nothing => "",
        DiskLoss::Unsynced => " losing unsynced",
        DiskLoss::Torn => " tearing unsynced",
    }
}

fn only(kinds: &[String]) -> String {
    if kinds.is_empty() { String::new() } else { format!(" only {}", kinds.join(", ")) }
}

fn list<T>(items: &[T], name: impl Fn(&T) -> String) -> String {
    items.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn servers(servers: &[u32]) -> String {
    list(servers, |server| Target::Server(*server).to_string())
}

fn clients(clients: &[u32]) -> String {
    if clients.is_empty() {
        return "all clients".to_owned();
    }
    list(clients, |client| Endpoint::Client(*client as usize).to_string())
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())?;
        match self {
            Self::Isolate { target, clients }
            | Self::Deaf { target, clients }
            | Self::Mute { target, clients } => write!(f, " {target}{}", side(*clients)),
            Self::Bridge { over, clients } => write!(f, " over {over}{}", side(*clients)),
            Self::Ring { clients } => write!(f, "{}", side(*clients)),
            Self::Split { left, right, clients } => {
                let rest = if right.is_empty() { "rest".to_owned() } else { list(right, Target::to_string) };
                write!(f, " {} | {rest}{}", list(left, Target::to_string), side(*clients))
            }
            Self::Flapping { target, cut_ms, connected_ms, clients } => {
                let (cut, connected) = (Time(*cut_ms), Time(*connected_ms));
                write!(f, " {target} cut {cut} connected {connected}{}", side(*clients))
            }
            Self::ClientCut { clients: cut, server } => {
                let server = server.map_or("all servers".to_owned(), |server| server.to_string());
                write!(f, " {} from {server}", clients(cut))
            }
            Self::Swizzle { cut, restore, clients } => {
                write!(f, " {} restore {}{}", servers(cut), servers(restore), side(*clients))
            }
            Self::Loss { links, ppm, kinds }
            | Self::Duplication { links, ppm, kinds }
            | Self::Reordering { links, ppm, kinds }
            | Self::Corruption { links, ppm, kinds } => {
                write!(f, " {} {links}{}", Percent(*ppm), only(kinds))
            }
            Self::Delay { links, min_ms, max_ms, kinds } => {
                write!(f, " {}..{} {links}{}", Time(*min_ms), Time(*max_ms), only(kinds))
            }
            Self::Filter { links, kinds } => write!(f, " {} {links}", kinds.join(", ")),
            Self::Reconfigure { change } => write!(f, " {change}"),
            Self::Storm { changes } => write!(f, " {}", list(changes, ClusterChange::to_string)),
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

fn describe_machine(fault: &Fault, f: &mut Formatter<'_>) -> fmt::Result {
    match fault {
        Fault::Crash { target, loss: lost } => write!(f, " {target}{}", loss(*lost)),
        Fault::ClientCrash { client } => write!(f, " {}", Endpoint::Client(*client as usize)),
        Fault::CrashLoop { target, down_ms, up_ms, loss: lost } => {
            write!(f, " {target} down {} up {}{}", Time(*down_ms), Time(*up_ms), loss(*lost))
        }
        Fault::CrashAll { loss: lost } => write!(f, "{}", loss(*lost)),
        Fault::RollingRestart { down_ms, loss: lost } => {
            write!(f, " down {}{}", Time(*down_ms), loss(*lost))
        }
        Fault::Slow { target, cost_us } => write!(f, " {target} by {cost_us}us"),
        Fault::ClockJump { target, by_ms } => write!(f, " {target} by {by_ms:+}ms"),
        Fault::ClockDrift { target, ppm } => write!(f, " {target} by {ppm:+}ppm"),
        Fault::ClockStrobe { target, by_ms, period_ms } => {
            write!(f, " {target} by {by_ms:+}ms every {}", Time(*period_ms))
        }
        Fault::LoseUnsynced { target, sync_ms }
        | Fault::TornWrite { target, sync_ms }
        | Fault::SlowSync { target, sync_ms } => write!(f, " {target} by {}", Time(*sync_ms)),
        Fault::Truncate { target, records } => write!(f, " {target} by {records} records"),
        Fault::Pause { target }
        | Fault::LyingSync { target }
        | Fault::FailedSync { target }
        | Fault::BitFlip { target }
        | Fault::DiskFull { target }
        | Fault::Wipe { target } => write!(f, " {target}"),
        other => unreachable!("{} is not a fault of machines, clocks or disks", other.name()),
    }
}
