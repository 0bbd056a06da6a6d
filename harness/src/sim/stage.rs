//! Turmoil, set up so that runs are deterministic: fixed tick, epoch and seed, our own step loop.
//!
//! The only place that builds a simulation. One per thread; it is built, used and dropped inside its thread.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, UNIX_EPOCH};

use squall_cluster::node::Micros;

use super::panics::PanicWatch;

/// Simulated time of one step; turmoil is exact only at one millisecond.
const TICK: Duration = Duration::from_millis(1);

/// The host on which the clients of every run live.
pub(crate) const CLIENTS: &str = "clients";

/// A simulation and its step loop.
pub(crate) struct Stage {
    pub(super) sim: turmoil::Sim<'static>,
    steps: u64,
    panics: PanicWatch,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl Stage {
    /// An empty simulation. Messages take between `latency_ms.0` and `latency_ms.1` milliseconds.
    pub(crate) fn new(key: u64, latency_ms: (u64, u64)) -> Self {
        let mut builder = turmoil::Builder::new();
        builder
            .tick_duration(TICK)
            .epoch(UNIX_EPOCH + Duration::from_secs(1_700_000_000))
            .rng_seed(key)
            .min_message_latency(Duration::from_millis(latency_ms.0))
            .max_message_latency(Duration::from_millis(latency_ms.1))
            .fail_rate(0.0)
            .udp_capacity(1 << 16)
            .tcp_capacity(1 << 10)
            .simulation_duration(Duration::from_secs(1 << 24));
        Self { sim: builder.build(), steps: 0, panics: PanicWatch::start() }
    }

    /// Adds a host; `software` is called again after every restart.
    pub(crate) fn host<F, Fut>(&mut self, name: &str, software: F)
    where
        F: Fn() -> Fut + 'static,
        Fut: Future<Output = turmoil::Result> + 'static,
    {
        self.sim.host(name, software);
    }

    /// Simulated time.
    pub(crate) fn now(&self) -> Micros {
        Micros::from_millis(self.steps)
    }

    /// Simulates one millisecond.
    ///
    /// # Errors
    ///
    /// What panicked or failed, in words: the run is over.
    pub(crate) fn step(&mut self) -> Result<(), Vec<String>> {
        let result = catch_unwind(AssertUnwindSafe(|| self.sim.step()));
        self.steps += 1;
        let mut failures = self.panics.take();
        match result {
            Ok(Ok(_)) => {}
            Ok(Err(error)) if failures.is_empty() => failures.push(format!("a host failed: {error}")),
            Err(_) if failures.is_empty() => failures.push("the simulation panicked".into()),
            Ok(Err(_)) | Err(_) => {}
        }
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }
}
