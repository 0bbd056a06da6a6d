//! Faults that fall on steps of the protocol, those first on which the fewest have fallen.
//!
//! Most bugs of recovery need a crash between two steps that are a message or a sync apart. Drawn plans rarely hit
//! them; gone through in turn, every event and every moment of it has its fault within some dozens of plans. (Failures
//! at every step in turn: Gunawi et al., "FATE and DESTINI: A framework for cloud recovery testing", NSDI 2011.)

use std::collections::BTreeMap;

use squall_workloads::decide::Draw;

use crate::nemesis::model::protocol_events;
use crate::nemesis::{ClientSide, DiskLoss, Fault, Mode, Moment, PlannedFault, Target, Topology, Trigger};

/// How long whoever is struck is out of service, at most, in milliseconds and as a share of the run.
const STRUCK_MS_MAX: u64 = 600;
const STRUCK_SHARE: u64 = 16;
/// How many of the faults are crashes, in parts per million; the others cut off whose step it was, or make it stand.
const CRASH_PPM: u32 = 700_000;
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
    /// No step of this mode has been aimed at.
    pub(super) fn new(mode: Mode) -> Self {
        let moments = [Moment::After, Moment::BeforeSync, Moment::BeforeSend];
        let steps_of =
            |(event, is_rare): &(&'static str, bool)| moments.map(|moment| (*event, *is_rare, moment));
        Self(protocol_events(mode).iter().flat_map(steps_of).map(|step| (step, 0)).collect())
    }

    /// A fault on one of the steps that have been aimed at least; `None`: the mode has no steps to aim at.
    pub(super) fn fault(&mut self, topology: &Topology, draw: &mut Draw) -> Option<PlannedFault> {
        let fewest = *self.0.values().min()?;
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
        let on = Some(Trigger { event: event.to_owned(), moment, of: None, nth });
        Some(PlannedFault { id: 0, at_ms, for_ms, on, fault: strike(draw) })
    }
}

/// What becomes of whose step it was.
fn strike(draw: &mut Draw) -> Fault {
    let (target, clients) = (Target::Actor, ClientSide::Follow);
    if draw.chance(CRASH_PPM) {
        let loss = *draw.pick(&[DiskLoss::Unsynced, DiskLoss::Unsynced, DiskLoss::Torn, DiskLoss::Nothing]);
        return Fault::Crash { target, loss };
    }
    match draw.below(4) {
        0 => Fault::Isolate { target, clients },
        1 => Fault::Mute { target, clients },
        2 => Fault::Deaf { target, clients },
        _ => Fault::Pause { target },
    }
}
