//! Groups of faults around a view service: what happens at the seams between two views.
//!
//! As the others ([`super::scenarios`]), each says which mistakes it is after, and is drawn only if all that it needs is
//! selected. The view service is the first server. Views change within some 300 ms of silence.

use super::draw::{length_ms, small};
use super::fault::{ClientSide, DiskLoss, Fault, Links, Target};
use super::model::Topology;
use super::scenarios::{Part, Scenario};
use squall_cluster::role::Role;
use squall_workloads::decide::Draw;

/// The view service.
const VIEW_SERVICE: Target = Target::Server(0);

pub(super) const VIEW_SCENARIOS: &[Scenario] = &[
    Scenario { name: "unheard primary", needs: &["isolate"], servers_min: 3, parts: unheard_primary },
    Scenario { name: "late forwards", needs: &["isolate", "delay"], servers_min: 3, parts: late_forwards },
    Scenario { name: "two failovers", needs: &["crash"], servers_min: 3, parts: two_failovers },
    Scenario {
        name: "troubled transfer",
        needs: &["crash", "delay", "duplication"],
        servers_min: 3,
        parts: troubled_transfer,
    },
    Scenario {
        name: "unsynced view",
        needs: &["isolate", "lose-unsynced"],
        servers_min: 3,
        parts: unsynced_view,
    },
    Scenario { name: "old pings", needs: &["crash", "delay"], servers_min: 3, parts: old_pings },
];

/// The primary and the view service do not hear each other; all else is well.
fn cut_from_view_service(primary: Target) -> Fault {
    Fault::Split { left: vec![primary], right: vec![VIEW_SERVICE], clients: ClientSide::ReachAll }
}

/// The primary is deposed and does not know. After: reads that ask nobody, backups that obey an old primary,
/// primaries that go on alone.
fn unheard_primary(draw: &mut Draw, _topology: &Topology) -> Vec<Part> {
    let (first_ms, second_ms) = (length_ms(draw, 400..=1_500), length_ms(draw, 400..=1_000));
    let cut = cut_from_view_service(Target::Leader);
    vec![(0, first_ms, cut.clone()), (first_ms + draw.range(0..=300), second_ms, cut)]
}

/// What the old primary sent arrives when the backup is primary already. After: views that are not compared.
fn late_forwards(draw: &mut Draw, _topology: &Topology) -> Vec<Part> {
    let (min_ms, cut_ms) = (draw.range(100..=300), length_ms(draw, 400..=1_000));
    let kinds = vec!["forward".to_owned()];
    let delay = Fault::Delay { links: Links::From(Target::Leader), min_ms, max_ms: min_ms + 300, kinds };
    vec![(0, cut_ms, cut_from_view_service(Target::Leader)), (draw.range(50..=250), 400, delay)]
}

/// A primary dies, and soon its successor. After: promotions without state.
fn two_failovers(draw: &mut Draw, _topology: &Topology) -> Vec<Part> {
    let crash = |loss| Fault::Crash { target: Target::Leader, loss };
    let (first_ms, second_ms) = (length_ms(draw, 50..=600), length_ms(draw, 50..=600));
    vec![
        (0, first_ms, crash(DiskLoss::Nothing)),
        (draw.range(400..=1_000), second_ms, crash(DiskLoss::Unsynced)),
    ]
}

/// Somebody restarts, and what a new backup is sent comes late and twice. After: service before the transfer,
/// transfers installed twice.
fn troubled_transfer(draw: &mut Draw, topology: &Topology) -> Vec<Part> {
    let kinds = || vec!["forward".to_owned(), "transfer".to_owned(), "transfer-ack".to_owned()];
    let (links, for_ms) = (Links::Servers, draw.range(800..=1_500));
    let ppm = small(draw.range(200_000..=700_000));
    let nth = small(draw.below(u64::from(topology.servers - 1)));
    let target = *draw.pick(&[Target::Leader, Target::Follower(nth)]);
    vec![
        (0, for_ms, Fault::Delay { links, min_ms: 0, max_ms: draw.range(40..=150), kinds: kinds() }),
        (0, for_ms, Fault::Duplication { links, ppm, kinds: kinds() }),
        (draw.range(0..=300), length_ms(draw, 50..=300), Fault::Crash { target, loss: DiskLoss::Nothing }),
    ]
}

/// The view service moves on, its disk lags, and it crashes. After: views told before they are durable.
fn unsynced_view(draw: &mut Draw, _topology: &Topology) -> Vec<Part> {
    let (sync_ms, crash_ms) = (draw.range(30..=150), draw.range(250..=450));
    let lose = Fault::LoseUnsynced { target: VIEW_SERVICE, sync_ms };
    vec![(0, crash_ms + 200, cut_from_view_service(Target::Leader)), (0, crash_ms * 2, lose)]
}

/// The backup is back, twice, before the last pings of its earlier lives arrive. After: lives that are confused.
fn old_pings(draw: &mut Draw, _topology: &Topology) -> Vec<Part> {
    let (kinds, max_ms) = (vec!["ping".to_owned()], draw.range(200..=500));
    let late = Fault::Delay { links: Links::To(VIEW_SERVICE), min_ms: 0, max_ms, kinds };
    let crash =
        Fault::Crash { target: Target::Role { role: Role::Backup, group: None }, loss: DiskLoss::Nothing };
    let (first_ms, pause_ms) = (draw.range(300..=600), draw.range(300..=600));
    vec![
        (0, first_ms + pause_ms + 600, late),
        (first_ms, draw.range(30..=80), crash.clone()),
        (first_ms + pause_ms, draw.range(30..=80), crash),
    ]
}
