//! The clock of one simulated node: an offset and a rate against simulated time.
//!
//! Nodes see *their* time. Spans of a node's own time (its timers) are converted with its rate, so a fast clock
//! fires early. Integer arithmetic only.

use squall_cluster::node::Micros;

use crate::nemesis::{ClockChange, FaultId};

/// Parts per million.
const MILLION: i128 = 1_000_000;

/// What a perfect clock shows at the start; far from zero, so that jumps backwards stay positive.
const EPOCH_US: i128 = 1_000_000_000_000;

/// How a node's clock maps simulated time to the node's own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    /// Standing errors: whose, since when, and what.
    errors: Vec<(FaultId, Micros, ClockChange)>,
}

impl Clock {
    /// The node's own time at simulated time `now`; never before its epoch.
    pub(crate) fn own(&self, now: Micros) -> Micros {
        let error = |(_, since, change): &(FaultId, Micros, ClockChange)| match change {
            ClockChange::Offset { by_ms } => i128::from(*by_ms) * 1_000,
            ClockChange::Drift { ppm } => i128::from(now.0 - since.0) * i128::from(*ppm) / MILLION,
        };
        let own = EPOCH_US + i128::from(now.0) + self.errors.iter().map(error).sum::<i128>();
        Micros(u64::try_from(own.max(0)).expect("simulated time fits 64 bits"))
    }

    /// Makes the clock wrong from `now` on; replaces what the same fault did before.
    pub(crate) fn change(&mut self, fault: FaultId, now: Micros, change: ClockChange) {
        self.lift(fault);
        self.errors.push((fault, now, change));
    }

    /// Ends what a fault does to the clock, and the error that it has gathered.
    pub(crate) fn lift(&mut self, fault: FaultId) {
        self.errors.retain(|(by, _, _)| *by != fault);
    }

    /// The first fault that acts on the clock.
    pub(crate) fn changed_by(&self) -> Option<FaultId> {
        self.errors.first().map(|(fault, _, _)| *fault)
    }

    /// The simulated span in which `own` passes on this clock.
    pub(crate) fn simulated_span(&self, own: Micros) -> Micros {
        let ppm = |(_, _, change): &(FaultId, Micros, ClockChange)| match change {
            ClockChange::Offset { .. } => 0,
            ClockChange::Drift { ppm } => i128::from(*ppm),
        };
        // A clock never stands still: at least a tenth of true speed.
        let rate = (MILLION + self.errors.iter().map(ppm).sum::<i128>()).max(MILLION / 10);
        Micros(u64::try_from(i128::from(own.0) * MILLION / rate).expect("spans fit 64 bits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fast_clock_shows_more_and_fires_earlier() {
        let mut clock = Clock::default();
        let start = clock.own(Micros(0));
        clock.change(1, Micros(1_000), ClockChange::Drift { ppm: 100_000 });
        assert_eq!(clock.own(Micros(11_000)).0 - start.0, 1_000 + 11_000);
        assert_eq!(clock.simulated_span(Micros(11_000)), Micros(10_000));
        clock.lift(1);
        assert_eq!(clock.own(Micros(11_000)).0 - start.0, 11_000);
    }

    #[test]
    fn a_jump_moves_the_time_and_not_the_rate() {
        let mut clock = Clock::default();
        let before = clock.own(Micros(5));
        clock.change(1, Micros(5), ClockChange::Offset { by_ms: -3 });
        assert_eq!(before.0 - clock.own(Micros(5)).0, 3_000);
        assert_eq!(clock.simulated_span(Micros(7)), Micros(7));
    }
}
