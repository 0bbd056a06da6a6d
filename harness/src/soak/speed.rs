//! How fast the simulators are, side by side: the same plans in each, seed by seed on one thread.
//!
//! In turns, so that what disturbs the machine disturbs all of them alike; only ratios and processor times mean
//! anything. Checks are part of a run. The runs must be the same, or comparing them would mean nothing.

use std::ops::Range;
use std::time::Duration;

use crate::trial::{Manner, Outcome, Simulator};

use super::distribution::{Distribution, Percentiles};
use super::experiment::Experiment;

/// How fast one simulator was.
#[derive(Clone, Debug)]
pub struct Speed {
    /// Which one.
    pub simulator: Simulator,
    /// Runs.
    pub seeds: u64,
    /// Processor time of all runs.
    pub cpu: Duration,
    /// Messages sent in all runs.
    pub messages: u64,
    /// Simulated time of all runs.
    pub simulated: Duration,
    /// Operations that succeeded, per run.
    pub completed: Percentiles,
}

impl Speed {
    /// So many of something per minute of processor time.
    #[expect(clippy::cast_precision_loss, reason = "rates for people")]
    pub fn per_cpu_minute(&self, amount: u64) -> f64 {
        let minutes = self.cpu.as_secs_f64() / 60.0;
        if minutes > 0.0 { amount as f64 / minutes } else { 0.0 }
    }
}

/// Two simulators gave different runs of one plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "seed {seed:#x}: {one} and {other} gave different runs; squall run --check-determinism may tell more"
)]
pub struct RunsDiffer {
    /// The seed.
    pub seed: u64,
    /// A simulator.
    pub one: Simulator,
    /// Another.
    pub other: Simulator,
}

/// Runs every seed in every simulator; `processor` is the processor time of the calling thread.
///
/// # Errors
///
/// If their runs differ.
pub fn speeds(
    experiment: &Experiment,
    seeds: Range<u64>,
    processor: &dyn Fn() -> Duration,
    tell: &mut dyn FnMut(),
) -> Result<Vec<Speed>, RunsDiffer> {
    let mut measured: Vec<(Speed, Distribution)> = Simulator::ALL
        .map(|simulator| {
            let (cpu, simulated) = (Duration::ZERO, Duration::ZERO);
            let completed = Percentiles::default();
            (Speed { simulator, seeds: 0, cpu, messages: 0, simulated, completed }, Distribution::default())
        })
        .into();
    for seed in seeds {
        let mut first: Option<(Simulator, String)> = None;
        for (speed, completed) in &mut measured {
            let manner = Manner { simulator: speed.simulator, ..experiment.manner() };
            let experiment = experiment.clone().in_manner(manner);
            let began = processor();
            let outcome: Outcome = experiment.run(&experiment.plan(seed));
            speed.cpu += processor().saturating_sub(began);
            speed.seeds += 1;
            speed.messages += outcome.messages.iter().map(|(_, counts)| counts.sent).sum::<u64>();
            speed.simulated += Duration::from_micros(outcome.simulated_us);
            completed.add(outcome.operations.ok);
            let (one, digest) = first.get_or_insert_with(|| (speed.simulator, outcome.digest.clone()));
            if *digest != outcome.digest {
                return Err(RunsDiffer { seed, one: *one, other: speed.simulator });
            }
        }
        tell();
    }
    let speed =
        |(speed, completed): (Speed, Distribution)| Speed { completed: completed.percentiles(), ..speed };
    Ok(measured.into_iter().map(speed).collect())
}
