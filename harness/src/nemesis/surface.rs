//! What a fault can act upon: the whole of the world that the nemesis sees.
//!
//! Every standing effect belongs to the fault that made it, so that the end of a fault undoes exactly its own
//! effects, however many overlap: a direction is cut while *any* fault cuts it, a server is paused while any
//! fault pauses it. Implemented by the simulated world and by turmoil itself; nothing here knows a protocol.

use std::fmt;

use serde::{Deserialize, Serialize};

use squall_cluster::role::Role;

use super::fault::{ClusterChange, DiskLoss, Fault, FaultId, Target};
use super::trigger::{Sprung, Trigger};

/// One end of a link. Indices count from 0, also where people read names that count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// The server with this index.
    Server(usize),
    /// The client with this index.
    Client(usize),
}

impl fmt::Display for Endpoint {
    /// As in histories: `n1` is server 0, `c0` is client 0.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(index) => write!(f, "n{}", index + 1),
            Self::Client(index) => write!(f, "c{index}"),
        }
    }
}

/// What one fault does to one direction of a link. Effects of several faults add up: a message must survive each
/// of them, and is delayed by each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkEffect {
    /// How many of a million messages are lost.
    pub loss_ppm: u32,
    /// How many of a million messages arrive twice; each copy is delayed, held back and corrupted on its own.
    pub duplicate_ppm: u32,
    /// How many of a million messages are held back so that later ones overtake them.
    pub reorder_ppm: u32,
    /// How many of a million messages have a byte changed on the way (and so fail their checksum).
    pub corrupt_ppm: u32,
    /// The least extra delay of every message, in milliseconds.
    pub delay_min_ms: u64,
    /// The greatest extra delay of every message, in milliseconds; at least `delay_min_ms`.
    pub delay_max_ms: u64,
    /// Only messages of these kinds, named as the protocol names them (`accept`, `heartbeat-ack`); empty: all.
    /// A name that no message has matches nothing.
    pub kinds: Vec<String>,
}

/// How a server's clock departs from true time while a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// Ahead (or, if negative, behind) by this much, at once.
    Offset {
        /// Milliseconds added to the clock.
        by_ms: i64,
    },
    /// Fast (or, if negative, slow) by this rate; the error gathers from the call on and is gone when lifted.
    Drift {
        /// Microseconds gained per second.
        ppm: i32,
    },
}

/// What happens to a disk. The first four stand until lifted; the others happen once, to a server that is down,
/// and show at its next boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// Every sync takes this much longer.
    SlowSync {
        /// Extra time of each sync, in milliseconds.
        delay_ms: u64,
    },
    /// The next sync fails and stops the node; each later one too. The surface does not restart it.
    FailedSync,
    /// A sync reports success and keeps nothing: a crash loses what it covered.
    LyingSync,
    /// Every append fails and stops the node. The surface does not restart it.
    Full,
    /// One bit of one synced record is flipped.
    BitFlip,
    /// The last synced records are gone.
    Truncate {
        /// How many of them, at most.
        records: u32,
    },
    /// Everything is gone.
    Wipe,
}

/// The world as the nemesis sees it. Object-safe: a run drives `&mut dyn Surface`.
///
/// Calls between two steps of the run take no simulated time. A second call of one primitive with the same fault
/// and the same link or server replaces the first. Indices are below [`servers`](Self::servers) and
/// [`clients`](Self::clients); anything else is a bug of the caller, and may panic.
pub trait Surface {
    /// How many servers there are.
    fn servers(&self) -> usize;
    /// How many clients there are.
    fn clients(&self) -> usize;
    /// The server that this client is bound to: it shares its side of a cut when clients follow.
    fn home_of(&self, client: usize) -> usize;
    /// The server that leads now: if several believe so, the one with the highest ballot (term, view) among those
    /// that are up. In a mode with one server, that one. `None` if nobody leads or the system does not tell.
    fn leader(&self) -> Option<usize>;
    /// The server that plays this role now, in this group if one is named: of several, the one with the highest
    /// ballot. `None` if nobody does or the system does not tell.
    fn holder(&self, role: Role, group: Option<u32>) -> Option<usize> {
        if role == Role::Leader && group.is_none() { self.leader() } else { None }
    }
    /// The server behind a target now; [`Target::Actor`] is known to whoever saw the event, and to nobody else.
    fn locate(&self, target: Target) -> Option<usize> {
        let leader = self.leader();
        match target {
            Target::Server(server) => Some(server as usize),
            Target::Leader => leader,
            Target::Follower(nth) => {
                let others: Vec<usize> = (0..self.servers()).filter(|other| Some(*other) != leader).collect();
                (!others.is_empty()).then(|| others[nth as usize % others.len()])
            }
            Target::Role { role, group } => self.holder(role, group),
            Target::Actor => None,
        }
    }
    /// Whether the server's process runs. A paused or slow one does.
    fn is_up(&self, server: usize) -> bool;
    /// Why stopping this server now, perhaps with the loss of its disk, would leave the fault model. In most modes the
    /// moment does not matter.
    ///
    /// # Errors
    ///
    /// The reason, in words.
    fn may_stop(&self, _server: usize, _loses_disk: bool) -> Result<(), &'static str> {
        Ok(())
    }
    /// Whether this surface can carry out the fault at all, whatever the moment.
    fn supports(&self, fault: &Fault) -> bool;
    /// Whether nodes emit events that triggers can wait for.
    fn emits_events(&self) -> bool {
        false
    }
    /// Waits for the event of this trigger, on behalf of the fault.
    fn arm(&mut self, _fault: FaultId, _trigger: &Trigger) {}
    /// Waits no longer: what happens from now on pulls nothing.
    fn disarm(&mut self, _fault: FaultId) {}
    /// The triggers that were pulled since the last call, in that order. They are armed no longer.
    fn take_sprung(&mut self) -> Vec<Sprung> {
        Vec::new()
    }
    /// How many events this armed trigger has let pass.
    fn let_pass(&self, _fault: FaultId) -> u32 {
        0
    }
    /// The server that was stopped at the moment of this trigger goes on, if it can.
    fn let_go(&mut self, _fault: FaultId) {}

    /// Nothing passes from `from` to `to`, not even what is under way. The other direction is untouched.
    fn cut(&mut self, fault: FaultId, from: Endpoint, to: Endpoint);
    /// Messages from `from` to `to` suffer `effect`.
    fn link(&mut self, fault: FaultId, from: Endpoint, to: Endpoint, effect: &LinkEffect);
    /// Stops the server's process at once; its disk loses what `loss` says. No effect on one that is down. Not a
    /// standing effect: [`lift`](Self::lift) does not restart it, [`start`](Self::start) does.
    fn crash(&mut self, fault: FaultId, server: usize, loss: DiskLoss);
    /// Boots a server that is down, as a new incarnation, from its disk. No effect on one that is up.
    fn start(&mut self, server: usize);
    /// The server handles no input; what arrives and what times out waits. Survives a crash and restart.
    fn pause(&mut self, fault: FaultId, server: usize);
    /// Every input costs the server this much more simulated time, in microseconds.
    fn slow(&mut self, fault: FaultId, server: usize, cost_us: u64);
    /// Crashes the client and starts it again at once: what it had under way is indeterminate, what it
    /// remembered is gone.
    fn crash_client(&mut self, fault: FaultId, client: usize);
    /// Changes the server's clock.
    fn clock(&mut self, fault: FaultId, server: usize, change: ClockChange);
    /// Harms the server's disk.
    fn disk(&mut self, fault: FaultId, server: usize, change: DiskFault);
    /// Has the operator of a sharded cluster change its configuration.
    fn administer(&mut self, _fault: FaultId, _change: ClusterChange) {}
    /// Ends every standing effect of the fault: cuts, links, pause, slowness, clock, disk.
    fn lift(&mut self, fault: FaultId);
    /// How many messages or operations the fault has changed so far (lost, delayed, held up, failed, an operation
    /// in flight at a server that it stopped). Counted over the whole run; lifting does not reset it.
    fn effective(&self, fault: FaultId) -> u64;
}
