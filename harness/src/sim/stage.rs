//! What turns the simulated time of a run: turmoil, or a bare loop over the built-in cluster's world.
//!
//! The only place that builds a simulation, set up so that runs are deterministic: fixed tick, epoch and seed, our own
//! step loop. One per thread; it is built, used and dropped inside its thread.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, UNIX_EPOCH};

use squall_cluster::node::Micros;

use super::panics::PanicWatch;

/// Simulated time of one step; turmoil is exact only at one millisecond.
const TICK: Duration = Duration::from_millis(1);

/// The host on which the clients of every run live.
pub(crate) const CLIENTS: &str = "clients";

/// A simulation and its step loop.
pub(crate) struct Stage {
    engine: Engine,
    steps: u64,
    panics: PanicWatch,
}

enum Engine {
    /// Hosts any tokio software.
    Turmoil(Box<turmoil::Sim<'static>>),
    /// Runs the servers, then the clients, once per step.
    EventLoop { servers: Box<dyn FnMut()>, clients: Pin<Box<dyn Future<Output = ()>>> },
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("steps", &self.steps).finish_non_exhaustive()
    }
}

impl Stage {
    /// An empty turmoil. Messages take between `latency_ms.0` and `latency_ms.1` milliseconds.
    pub(crate) fn turmoil(key: u64, latency_ms: (u64, u64)) -> Self {
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
        Self::with(Engine::Turmoil(Box::new(builder.build())))
    }

    /// A bare loop: in every step `servers` lets all servers act, then `clients` goes on.
    pub(crate) fn event_loop(servers: Box<dyn FnMut()>, clients: Pin<Box<dyn Future<Output = ()>>>) -> Self {
        Self::with(Engine::EventLoop { servers, clients })
    }

    fn with(engine: Engine) -> Self {
        Self { engine, steps: 0, panics: PanicWatch::start() }
    }

    /// Turmoil itself.
    pub(super) fn sim(&mut self) -> &mut turmoil::Sim<'static> {
        match &mut self.engine {
            Engine::Turmoil(sim) => sim,
            Engine::EventLoop { .. } => unreachable!("a bare loop has a world of its own to act upon"),
        }
    }

    /// Adds a host to turmoil; `software` is called again after every restart.
    pub(crate) fn host<F, Fut>(&mut self, name: &str, software: F)
    where
        F: Fn() -> Fut + 'static,
        Fut: Future<Output = turmoil::Result> + 'static,
    {
        self.sim().host(name, software);
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
        let engine = &mut self.engine;
        let result = catch_unwind(AssertUnwindSafe(|| match engine {
            Engine::Turmoil(sim) => sim.step().map(|_| ()),
            Engine::EventLoop { servers, clients } => {
                servers();
                // The loop itself turns them in every step: nobody need be woken for it.
                let _ = clients.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                Ok(())
            }
        }));
        self.steps += 1;
        let mut failures = self.panics.take();
        match result {
            Ok(Ok(())) => {}
            Ok(Err(error)) if failures.is_empty() => failures.push(format!("a host failed: {error}")),
            Err(_) if failures.is_empty() => failures.push("the simulation panicked".into()),
            Ok(Err(_)) | Err(_) => {}
        }
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }
}
