//! The clock of one simulated node: an offset and a rate against simulated time.
//!
//! Nodes see *their* time. Spans of a node's own time (its timers) are converted with its rate, so a fast clock
//! fires early. No two clocks show the same, and what a wrong rate has gathered stays when the rate is right again: a
//! clock jumps only if a fault says so. Integer arithmetic only.

use squall_cluster::node::{Micros, NodeId};
use squall_workloads::Decide;

use crate::nemesis::{ClockChange, FaultId};

/// Parts per million.
const MILLION: i128 = 1_000_000;

/// About what a perfect clock shows at the start; far from zero, so that jumps backwards stay positive.
const EPOCH_US: i128 = 1_000_000_000_000;

/// Clocks of different servers have nothing to do with each other: they start up to so much apart.
const START_US_MAX: u64 = 10_000_000;

/// How a node's clock maps simulated time to the node's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    /// What it showed beyond the epoch at the start.
    start_us: i128,
    /// Standing errors: whose, and what.
    errors: Vec<(FaultId, ClockChange)>,
    /// What wrong rates had gathered at the last change of the rate, and when that was.
    gathered_us: i128,
    rated_at: Micros,
}

impl Clock {
    /// The clock of a server.
    pub(crate) fn of_server(id: NodeId, decide: &Decide) -> Self {
        Self::starting_at(Micros(decide.at("clock", &[u64::from(id.0)]).below(START_US_MAX)))
    }

    /// A clock that showed so much beyond the epoch at the start.
    fn starting_at(start: Micros) -> Self {
        Self { start_us: i128::from(start.0), ..Self::default() }
    }

    /// The node's own time at simulated time `now`; never before its epoch.
    pub(crate) fn own(&self, now: Micros) -> Micros {
        let offset = |(_, change): &(FaultId, ClockChange)| match change {
            ClockChange::Offset { by_ms } => i128::from(*by_ms) * 1_000,
            ClockChange::Drift { .. } => 0,
        };
        let offsets: i128 = self.errors.iter().map(offset).sum();
        let own = EPOCH_US + self.start_us + i128::from(now.0) + self.gathered_by(now) + offsets;
        Micros(u64::try_from(own.max(0)).expect("simulated time fits 64 bits"))
    }

    /// Makes the clock wrong from `now` on; replaces what the same fault did before.
    pub(crate) fn change(&mut self, fault: FaultId, now: Micros, change: ClockChange) {
        self.lift(fault, now);
        self.errors.push((fault, change));
    }

    /// Ends what a fault does to the clock.
    pub(crate) fn lift(&mut self, fault: FaultId, now: Micros) {
        self.gathered_us = self.gathered_by(now);
        self.rated_at = now;
        self.errors.retain(|(by, _)| *by != fault);
    }

    /// The first fault that acts on the clock.
    pub(crate) fn changed_by(&self) -> Option<FaultId> {
        self.errors.first().map(|(fault, _)| *fault)
    }

    /// The simulated span in which `own` passes on this clock.
    pub(crate) fn simulated_span(&self, own: Micros) -> Micros {
        // A clock never stands still: at least a tenth of true speed.
        let rate = (MILLION + self.drift_ppm()).max(MILLION / 10);
        Micros(u64::try_from(i128::from(own.0) * MILLION / rate).expect("spans fit 64 bits"))
    }

    /// The latest wrong rate counts: errors that are each within a bound must not add up to one that is not.
    fn drift_ppm(&self) -> i128 {
        let drift = |(_, change): &(FaultId, ClockChange)| match change {
            ClockChange::Offset { .. } => None,
            ClockChange::Drift { ppm } => Some(i128::from(*ppm)),
        };
        self.errors.iter().rev().find_map(drift).unwrap_or(0)
    }

    fn gathered_by(&self, now: Micros) -> i128 {
        assert!(now >= self.rated_at, "simulated time never goes backwards");
        self.gathered_us + i128::from(now.0 - self.rated_at.0) * self.drift_ppm() / MILLION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_shows_more_and_fires_earlier() {
        let mut clock = Clock::starting_at(Micros(7));
        let start = clock.own(Micros(0));
        clock.change(1, Micros(1_000), ClockChange::Drift { ppm: 100_000 });
        assert_eq!(clock.own(Micros(11_000)).0 - start.0, 1_000 + 11_000);
        assert_eq!(clock.simulated_span(Micros(11_000)), Micros(10_000));
    }

    /// Otherwise the end of a small error of the rate would be a large jump.
    #[test]
    fn what_a_wrong_rate_has_gathered_stays() {
        let mut clock = Clock::default();
        let start = clock.own(Micros(0));
        clock.change(1, Micros(0), ClockChange::Drift { ppm: -100_000 });
        clock.lift(1, Micros(10_000));
        assert_eq!(clock.own(Micros(12_000)).0 - start.0, 9_000 + 2_000);
        assert_eq!(clock.simulated_span(Micros(7)), Micros(7));
    }

    #[test]
    fn rates_do_not_add_up() {
        let mut clock = Clock::default();
        clock.change(1, Micros(0), ClockChange::Drift { ppm: 50_000 });
        clock.change(2, Micros(0), ClockChange::Drift { ppm: 50_000 });
        assert_eq!(clock.simulated_span(Micros(105)), Micros(100));
    }

    #[test]
    fn a_jump_moves_the_time_and_not_the_rate() {
        let mut clock = Clock::default();
        let before = clock.own(Micros(5));
        clock.change(1, Micros(5), ClockChange::Offset { by_ms: -3 });
        assert_eq!(before.0 - clock.own(Micros(5)).0, 3_000);
        assert_eq!(clock.simulated_span(Micros(7)), Micros(7));
        clock.lift(1, Micros(5));
        assert_eq!(clock.own(Micros(5)), before);
    }
}
