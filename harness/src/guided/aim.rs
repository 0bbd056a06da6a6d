//! Faults that fall on steps of the protocol, those first on which the fewest have fallen.
//!
//! Most bugs of recovery need a crash between two steps that are a message or a sync apart. Drawn plans rarely hit
//! them; gone through in turn, every event and every moment of it has its fault within some dozens of plans. (Failures
//! at every step in turn: Gunawi et al., "FATE and DESTINI: A framework for cloud recovery testing", NSDI 2011.) Some
//! crashes come in the middle of what is sent, and some strike another party to the step.

use std::collections::BTreeMap;

use squall_workloads::decide::Draw;

use crate::nemesis::model::protocol_events;
use crate::nemesis::{
    ClientSide, DiskLoss, Fault, Links, Mode, Moment, PARTIES, PlannedFault, Target, Topology, Trigger,
};

/// How long whoever is struck is out of service, at most, in milliseconds and as a share of the run.
const STRUCK_MS_MAX: u64 = 600;
const STRUCK_SHARE: u64 = 16;
/// How many are struck by a crash, and how many by one in the middle of what they send, in parts per million; the
/// others are cut off, or made to stand.
const CRASH_PPM: u32 = 600_000;
const HALF_SENT_PPM: u32 = 200_000;
/// How often another party is struck, where there are several.
const OTHER_PPM: u32 = 400_000;
/// Of a rare event one of the first is struck.
const NTH_RARE_MAX: u64 = 3;
/// Of a common event one of these is struck.
const NTH_COMMON_MAX: u64 = 60;

/// A step of the protocol: what happens, whether it is rare, and the moment of it.
type Step = (&'static str, bool, Moment);

/// How often each step has been aimed at.
#[derive(Clone, Debug)]
pub(super) struct Aims(BTreeMap<Step, u64>);

impl Aims {
    /// No step of this mode has been aimed at. Starting is a step of every protocol: of recovery the first.
    pub(super) fn new(mode: Mode) -> Self {
        let moments = [Moment::After, Moment::BeforeSync, Moment::BeforeSend];
        let events = protocol_events(mode).iter().copied().chain([("booted", true)]);
        let steps_of = |(event, is_rare)| moments.map(|moment| (event, is_rare, moment));
        Self(events.flat_map(steps_of).map(|step| (step, 0)).collect())
    }

    /// What strikes one of the steps that have been aimed at least.
    pub(super) fn faults(&mut self, topology: &Topology, draw: &mut Draw) -> Vec<PlannedFault> {
        let fewest = self.0.values().min().copied().expect("every protocol has steps");
        let least: Vec<Step> =
            self.0.iter().filter(|(_, aimed)| **aimed == fewest).map(|(step, _)| *step).collect();
        let step = *draw.pick(&least);
        *self.0.entry(step).or_default() += 1;
        let (event, is_rare, moment) = step;
        let most = if is_rare { NTH_RARE_MAX } else { NTH_COMMON_MAX };
        // The smaller of two draws: what comes early leaves time for what follows from it.
        let nth = u32::try_from(draw.range(1..=most).min(draw.range(1..=most))).expect("below 61");
        let for_ms = draw.range(1..=STRUCK_MS_MAX.min(topology.horizon_ms / STRUCK_SHARE).max(1));
        let at_ms = draw.range(0..=topology.horizon_ms.saturating_sub(for_ms) / 2);
        let target = struck(topology.mode, draw);
        let planned = |nth, fault| {
            let on = Some(Trigger { event: event.to_owned(), moment, of: None, nth });
            PlannedFault { id: 0, at_ms, for_ms, on, fault }
        };
        match draw.below(1_000_000) {
            at if at < CRASH_PPM.into() => vec![planned(nth, crash(target, draw))],
            // What is sent from this step on arrives in part; a few steps later who sent it is gone.
            at if at < (CRASH_PPM + HALF_SENT_PPM).into() => {
                let ppm = u32::try_from(draw.range(300_000..=900_000)).expect("below a million");
                let lost = Fault::Loss { links: Links::From(target), ppm, kinds: Vec::new() };
                let later = u32::try_from(draw.range(1..=8)).expect("below 9");
                vec![planned(nth, lost), planned(nth + later, crash(target, draw))]
            }
            _ => vec![planned(nth, cut_off(target, draw))],
        }
    }
}

/// Whose step it was; where several groups take part, sometimes another party to it.
fn struck(mode: Mode, draw: &mut Draw) -> Target {
    let is_other = mode == Mode::Sharded && draw.chance(OTHER_PPM);
    if is_other { Target::Role { role: *draw.pick(&PARTIES), group: None } } else { Target::Actor }
}

fn crash(target: Target, draw: &mut Draw) -> Fault {
    let loss = *draw.pick(&[DiskLoss::Unsynced, DiskLoss::Unsynced, DiskLoss::Torn, DiskLoss::Nothing]);
    Fault::Crash { target, loss }
}

fn cut_off(target: Target, draw: &mut Draw) -> Fault {
    let clients = ClientSide::Follow;
    match draw.below(4) {
        0 => Fault::Isolate { target, clients },
        1 => Fault::Mute { target, clients },
        2 => Fault::Deaf { target, clients },
        _ => Fault::Pause { target },
    }
}
