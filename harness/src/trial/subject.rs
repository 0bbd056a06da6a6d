//! What a trial runs: the built-in cluster, or a closure that makes a user's system afresh for every run.

use std::rc::Rc;

use squall_workloads::{Client, Workload};

use crate::system::System;

use super::manner::{Manner, Simulator};
use super::outcome::Outcome;
use super::plan::Plan;
use super::run::run;

/// Something that can be run under a plan, any number of times, on any thread.
///
/// Every `Fn() -> impl System` is one: it is called for every run, so that no run inherits another's state.
pub trait Subject<W: Workload>: Sync {
    /// The mode, as plans name it.
    fn mode(&self) -> String;

    /// Servers.
    fn nodes(&self) -> u32;

    /// Runs a plan.
    ///
    /// # Panics
    ///
    /// If the simulator cannot host it: everything but the built-in cluster runs under turmoil alone.
    fn run(&self, workload: &W, plan: &Plan<W::Step>, manner: Manner) -> Outcome;

    /// Whether `squall replay` can run this again (it knows the built-in cluster only).
    fn is_built_in(&self) -> bool {
        false
    }
}

impl<F, S, W> Subject<W> for F
where
    F: Fn() -> S + Sync,
    S: System,
    S::Client: Client<W::Spec>,
    W: Workload + Clone,
{
    fn mode(&self) -> String {
        "own".into()
    }

    fn nodes(&self) -> u32 {
        u32::try_from(self().nodes().len()).expect("few nodes")
    }

    fn run(&self, workload: &W, plan: &Plan<W::Step>, manner: Manner) -> Outcome {
        assert!(
            manner.simulator == Simulator::Turmoil,
            "only turmoil hosts software that is not made of nodes"
        );
        run(Rc::new(self()), Rc::new(workload.clone()), plan, manner)
    }
}
