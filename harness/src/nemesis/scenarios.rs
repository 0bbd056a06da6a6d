//! Groups of faults that belong together: a mistake often shows only when a second fault hits the traces of the
//! first, and independent draws seldom meet within an election.
//!
//! Each scenario says which mistakes it is after. It is drawn only if every kind of fault in it is selected, so a
//! selection means what it says. Offsets and lengths vary; the cluster's timing is not assumed beyond elections
//! of a few hundred milliseconds.

use super::draw::{length_ms, small};
use super::fault::{ClientSide, DiskLoss, Fault, Links, Target};
use super::model::{Mode, Topology};
use super::shard_scenarios::SHARD_SCENARIOS;
use super::view_scenarios::VIEW_SCENARIOS;
use squall_workloads::decide::Draw;

/// When it begins after the scenario does, how long it lasts (both in milliseconds), and what.
pub(super) type Part = (u64, u64, Fault);

/// A group of faults.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// The kinds that must be selected.
    pub(super) needs: &'static [&'static str],
    pub(super) servers_min: u32,
    pub(super) parts: fn(&mut Draw, &Topology) -> Vec<Part>,
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "acknowledged before durable",
        needs: &["majority-minority", "lose-unsynced", "leader-alone"],
        servers_min: 3,
        parts: acknowledged_before_durable,
    },
    Scenario {
        name: "power failure",
        needs: &["slow-sync", "crash-all", "crash"],
        servers_min: 2,
        parts: power_failure,
    },
    Scenario {
        name: "half sent, then cut off",
        needs: &["loss", "leader-alone"],
        servers_min: 3,
        parts: half_sent_then_cut_off,
    },
    Scenario {
        name: "half sent, then down",
        needs: &["loss", "crash", "pause"],
        servers_min: 3,
        parts: half_sent_then_down,
    },
    Scenario {
        name: "stale accepts",
        needs: &["slow-direction", "crash"],
        servers_min: 3,
        parts: stale_accepts,
    },
    Scenario {
        name: "echoed quorum",
        needs: &["duplication", "majority-minority"],
        servers_min: 3,
        parts: echoed_quorum,
    },
    Scenario {
        name: "late twins",
        needs: &["duplication", "delay", "loss"],
        servers_min: 1,
        parts: late_twins,
    },
    Scenario {
        name: "crowded ballots",
        needs: &["reordering", "leader-alone"],
        servers_min: 3,
        parts: crowded_ballots,
    },
    Scenario { name: "one-way leader", needs: &["deaf", "mute"], servers_min: 3, parts: one_way_leader },
    Scenario { name: "torn twice", needs: &["torn-write"], servers_min: 1, parts: torn_twice },
    Scenario { name: "rot", needs: &["bit-flip", "leader-alone"], servers_min: 3, parts: rot },
    Scenario { name: "sleeping leader", needs: &["pause"], servers_min: 2, parts: sleeping_leader },
    Scenario {
        name: "forgetful clients",
        needs: &["client-crash"],
        servers_min: 1,
        parts: forgetful_clients,
    },
];

/// Those that are drawn in a mode.
pub(super) fn scenarios(mode: Mode) -> impl Iterator<Item = &'static Scenario> {
    let own = match mode {
        Mode::PrimaryBackup => VIEW_SCENARIOS,
        Mode::Sharded => SHARD_SCENARIOS,
        Mode::Single | Mode::Paxos => &[],
    };
    SCENARIOS.iter().chain(own)
}

fn cut_leader(clients: ClientSide) -> Fault {
    Fault::Isolate { target: Target::Leader, clients }
}

/// The others see nothing; those who acknowledged forget; then the leader is gone, and a new majority knows
/// nothing of what clients were told. After: a value or promise acknowledged before it is durable.
fn acknowledged_before_durable(draw: &mut Draw, topology: &Topology) -> Vec<Part> {
    let forgetful = topology.majority() - 1;
    let unaware: Vec<Target> = (forgetful..topology.servers - 1).map(Target::Follower).collect();
    let (sync_ms, crash_ms) = (draw.range(40..=150), draw.range(150..=300));
    let cut_ms = crash_ms + draw.range(0..=100);
    let mut parts =
        vec![(0, cut_ms, Fault::Split { left: unaware, right: Vec::new(), clients: ClientSide::ReachAll })];
    let lose = |nth| Fault::LoseUnsynced { target: Target::Follower(nth), sync_ms };
    parts.extend((0..forgetful).map(|nth| (0, crash_ms * 2, lose(nth))));
    parts.push((crash_ms - 10, length_ms(draw, 500..=1_500), cut_leader(ClientSide::Follow)));
    parts
}

/// Disks lag, then the power goes, and the one server whose disk did not lag comes back last. After: anything not durable in time.
fn power_failure(draw: &mut Draw, topology: &Topology) -> Vec<Part> {
    let spared = small(draw.below(u64::from(topology.servers)));
    let crash_ms = draw.range(150..=500);
    let sync_ms = draw.range(30..=150);
    let loss = *draw.pick(&[DiskLoss::Unsynced, DiskLoss::Unsynced, DiskLoss::Torn]);
    let lagging = (0..topology.servers).filter(|server| *server != spared).map(Target::Server);
    let mut parts: Vec<Part> =
        lagging.map(|target| (0, crash_ms, Fault::SlowSync { target, sync_ms })).collect();
    parts.push((crash_ms - 1, draw.range(50..=150), Fault::CrashAll { loss }));
    let target = Target::Server(spared);
    // It goes down a moment before the others, and stays down when they are back.
    let crash = Fault::Crash { target, loss: DiskLoss::Nothing };
    parts.push((crash_ms - 2, length_ms(draw, 400..=1_000), crash));
    parts
}

/// Some followers have a slot and some do not when the leader goes. After: the choice in phase 1, holes that
/// nobody fills, slots applied out of order, replies for what is overwritten later.
fn half_sent(draw: &mut Draw, topology: &Topology, gone: Fault) -> Vec<Part> {
    let (lossy_ms, gone_ms) = (draw.range(200..=600), length_ms(draw, 200..=1_000));
    let proposal = if topology.mode == Mode::PrimaryBackup { "forward" } else { "accept" };
    let kinds = if draw.chance(500_000) { vec![proposal.to_owned()] } else { Vec::new() };
    let ppm = small(draw.range(300_000..=700_000));
    let follower = Target::Follower(small(draw.below(u64::from(topology.servers - 1))));
    let links = if draw.chance(500_000) {
        Links::From(Target::Leader)
    } else {
        Links::Between { from: Target::Leader, to: follower }
    };
    vec![(0, lossy_ms, Fault::Loss { links, ppm, kinds }), (lossy_ms.saturating_sub(20), gone_ms, gone)]
}

fn half_sent_then_cut_off(draw: &mut Draw, topology: &Topology) -> Vec<Part> {
    half_sent(draw, topology, cut_leader(ClientSide::Follow))
}

fn half_sent_then_down(draw: &mut Draw, topology: &Topology) -> Vec<Part> {
    let crash = Fault::Crash { target: Target::Leader, loss: DiskLoss::Unsynced };
    let gone = draw.pick(&[crash, Fault::Pause { target: Target::Leader }]).clone();
    half_sent(draw, topology, gone)
}

/// What the old leader sent arrives after its successor was elected, at servers that have just restarted.
/// After: promises forgotten or ignored, acknowledgements counted across ballots.
fn stale_accepts(draw: &mut Draw, topology: &Topology) -> Vec<Part> {
    let (min_ms, slow_ms) = (draw.range(150..=300), length_ms(draw, 400..=1_000));
    let delay =
        Fault::Delay { links: Links::From(Target::Leader), min_ms, max_ms: min_ms + 200, kinds: Vec::new() };
    let mut parts = vec![(0, slow_ms, delay)];
    for nth in 0..small(draw.range(1..=2)).min(topology.servers - 1) {
        let loss = *draw.pick(&[DiskLoss::Nothing, DiskLoss::Unsynced]);
        let crash = Fault::Crash { target: Target::Follower(nth), loss };
        parts.push((draw.range(150..=600), length_ms(draw, 50..=150), crash));
    }
    parts
}

/// The leader is left with one server too few, and every acknowledgement comes twice. After: one peer counted
/// twice, quorums of one half.
fn echoed_quorum(draw: &mut Draw, topology: &Topology) -> Vec<Part> {
    let for_ms = length_ms(draw, 400..=1_500);
    let ppm = small(draw.range(300_000..=900_000));
    let companions = (0..topology.minority() - 1).map(Target::Follower);
    let left = std::iter::once(Target::Leader).chain(companions).collect();
    vec![
        (0, for_ms + 100, Fault::Duplication { links: Links::All, ppm, kinds: Vec::new() }),
        (50, for_ms, Fault::Split { left, right: Vec::new(), clients: ClientSide::Follow }),
    ]
}

/// Requests arrive twice, the second time late, and replies are lost. After: repeated effects, replies taken for
/// those of later requests, sessions forgotten too early.
fn late_twins(draw: &mut Draw, _topology: &Topology) -> Vec<Part> {
    let for_ms = length_ms(draw, 500..=2_000);
    let (twice_ppm, lost_ppm) = (small(draw.range(200_000..=600_000)), small(draw.range(50_000..=250_000)));
    let max_ms = length_ms(draw, 50..=280);
    let links = *draw.pick(&[Links::Requests, Links::Requests, Links::All]);
    vec![
        (0, for_ms, Fault::Duplication { links, ppm: twice_ppm, kinds: Vec::new() }),
        (0, for_ms, Fault::Delay { links, min_ms: 0, max_ms, kinds: Vec::new() }),
        (0, for_ms, Fault::Loss { links: Links::Replies, ppm: lost_ppm, kinds: Vec::new() }),
    ]
}

/// Leaders follow each other while messages overtake each other. After: ballots mixed up.
fn crowded_ballots(draw: &mut Draw, _topology: &Topology) -> Vec<Part> {
    let ppm = small(draw.range(150_000..=400_000));
    let each_ms = draw.range(250..=450);
    let mut parts =
        vec![(0, each_ms * 4, Fault::Reordering { links: Links::Servers, ppm, kinds: Vec::new() })];
    let cut = |clients| cut_leader(clients);
    let side = *draw.pick(&[ClientSide::Follow, ClientSide::ReachAll]);
    parts.extend((0..draw.range(2..=3)).map(|nth| (each_ms * nth, each_ms * 2 / 3, cut(side))));
    parts
}

/// The leader speaks but does not hear, or hears but does not speak. After: leaders that hold the others, duels,
/// reads by who leads no more.
fn one_way_leader(draw: &mut Draw, _topology: &Topology) -> Vec<Part> {
    let clients = *draw.pick(&[ClientSide::Follow, ClientSide::ReachAll]);
    let (first_ms, second_ms) = (length_ms(draw, 400..=1_500), length_ms(draw, 200..=800));
    let (deaf, mute) =
        (Fault::Deaf { target: Target::Leader, clients }, Fault::Mute { target: Target::Leader, clients });
    if draw.chance(500_000) {
        vec![(0, first_ms, deaf), (first_ms + 100, second_ms, mute)]
    } else {
        vec![(0, first_ms, mute), (first_ms + 100, second_ms, deaf)]
    }
}

/// A disk is torn, used again, and torn again. After: tails read as valid, valid tails dropped.
fn torn_twice(draw: &mut Draw, topology: &Topology) -> Vec<Part> {
    let target = Target::Server(small(draw.below(u64::from(topology.servers))));
    let sync_ms = draw.range(10..=100);
    let torn = Fault::TornWrite { target, sync_ms };
    let (first_ms, second_ms) = (length_ms(draw, 150..=500), length_ms(draw, 150..=500));
    vec![(0, first_ms, torn.clone()), (first_ms + draw.range(50..=400), second_ms, torn)]
}

/// A disk rots on a follower, and soon its server is needed for a majority. After: damage taken for data.
fn rot(draw: &mut Draw, topology: &Topology) -> Vec<Part> {
    let target = Target::Server(small(draw.below(u64::from(topology.servers))));
    let later_ms = draw.range(300..=900);
    let cut = cut_leader(*draw.pick(&[ClientSide::Follow, ClientSide::ReachAll]));
    vec![
        (0, length_ms(draw, 50..=200), Fault::BitFlip { target }),
        (later_ms, length_ms(draw, 300..=1_000), cut),
    ]
}

/// The leader sleeps through an election or two and wakes up with full queues. After: reads and decisions of who
/// leads no more.
fn sleeping_leader(draw: &mut Draw, _topology: &Topology) -> Vec<Part> {
    let (first_ms, second_ms) = (length_ms(draw, 300..=900), length_ms(draw, 300..=600));
    let pause = Fault::Pause { target: Target::Leader };
    vec![(0, first_ms, pause.clone()), (first_ms + draw.range(0..=300), second_ms, pause)]
}

/// Clients restart one after the other. After: numbers used again.
fn forgetful_clients(draw: &mut Draw, topology: &Topology) -> Vec<Part> {
    let count = draw.range(1..=4);
    let crash = |draw: &mut Draw| {
        let client = small(draw.below(u64::from(topology.clients)));
        (draw.range(0..=600), super::draw::SHORTEST_MS, Fault::ClientCrash { client })
    };
    (0..count).map(|_| crash(draw)).collect()
}
