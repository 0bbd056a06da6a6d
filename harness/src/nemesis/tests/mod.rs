//! Tests of the nemesis as a whole, over a surface that only keeps books.

mod generated;
mod interpreted;
mod mock;
mod triggered;
mod words;
mod written;

use super::*;

/// One fault of every kind of fault, on five servers and three clients, each alone in its window.
pub(super) fn one_of_each() -> Vec<PlannedFault> {
    let (leader, n2) = (Target::Leader, Target::Server(1));
    let follow = ClientSide::Follow;
    let kinds = Vec::new;
    let faults = vec![
        Fault::Isolate { target: leader, clients: follow },
        Fault::Split {
            left: vec![Target::Server(0), n2],
            right: vec![Target::Server(2), Target::Server(3), Target::Server(4)],
            clients: follow,
        },
        Fault::Split { left: vec![leader], right: Vec::new(), clients: ClientSide::ReachAll },
        Fault::Ring { clients: follow },
        Fault::Bridge { over: Target::Follower(0), clients: ClientSide::ReachAll },
        Fault::Deaf { target: leader, clients: follow },
        Fault::Mute { target: n2, clients: ClientSide::ReachAll },
        Fault::Flapping { target: leader, cut_ms: 100, connected_ms: 50, clients: follow },
        Fault::ClientCut { clients: vec![0, 2], server: None },
        Fault::ClientCut { clients: Vec::new(), server: Some(leader) },
        Fault::Loss { links: Links::All, ppm: 125_000, kinds: kinds() },
        Fault::Duplication { links: Links::Replies, ppm: 1_000_000, kinds: kinds() },
        Fault::Reordering { links: Links::Servers, ppm: 30_001, kinds: kinds() },
        Fault::Delay { links: Links::From(leader), min_ms: 5, max_ms: 20, kinds: vec!["accept".to_owned()] },
        Fault::Corruption { links: Links::Between { from: leader, to: n2 }, ppm: 10, kinds: kinds() },
        Fault::Filter { links: Links::To(n2), kinds: vec!["accepted".to_owned(), "promise".to_owned()] },
        Fault::Swizzle { cut: vec![0, 1, 2], restore: vec![1, 2, 0], clients: follow },
        Fault::Crash { target: leader, loss: DiskLoss::Unsynced },
        Fault::ClientCrash { client: 2 },
        Fault::CrashLoop { target: n2, down_ms: 50, up_ms: 100, loss: DiskLoss::Nothing },
        Fault::CrashAll { loss: DiskLoss::Torn },
        Fault::RollingRestart { down_ms: 40, loss: DiskLoss::Unsynced },
        Fault::Pause { target: leader },
        Fault::Slow { target: n2, cost_us: 250 },
        Fault::ClockJump { target: n2, by_ms: -1_500 },
        Fault::ClockDrift { target: leader, ppm: 200 },
        Fault::ClockStrobe { target: n2, by_ms: 300, period_ms: 100 },
        Fault::LoseUnsynced { target: Target::Follower(1), sync_ms: 30 },
        Fault::TornWrite { target: n2, sync_ms: 0 },
        Fault::LyingSync { target: n2 },
        Fault::FailedSync { target: leader },
        Fault::SlowSync { target: n2, sync_ms: 15 },
        Fault::BitFlip { target: n2 },
        Fault::Truncate { target: n2, records: 3 },
        Fault::DiskFull { target: leader },
        Fault::Wipe { target: n2 },
    ];
    let planned =
        |(id, fault)| PlannedFault { id, at_ms: u64::from(id) * 1_000, for_ms: 900, on: None, fault };
    (1..).zip(faults).map(planned).collect()
}

/// Five servers under Paxos and three clients, for a minute.
pub(super) fn five() -> Topology {
    Topology { mode: Mode::Paxos, servers: 5, clients: 3, horizon_ms: 60_000, clock_error_ppm_max: None }
}
