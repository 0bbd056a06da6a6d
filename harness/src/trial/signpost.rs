//! The phase of a run, which clients wait for; they are woken in the order in which they began to wait.
//!
//! Tokio's `watch` wakes its waiters in a random order, so clients that all wait for the same phase would act in
//! another order in every run.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

use super::clients::Phase;

/// Where a run stands, shared by the run and its clients.
#[derive(Clone, Debug)]
pub(crate) struct Signpost(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    phase: Cell<Phase>,
    changed: Notify,
}

impl Signpost {
    pub(crate) fn new(phase: Phase) -> Self {
        Self(Rc::new(Shared { phase: Cell::new(phase), changed: Notify::new() }))
    }

    /// The phase now.
    pub(crate) fn phase(&self) -> Phase {
        self.0.phase.get()
    }

    /// The run goes on to this phase.
    pub(crate) fn enter(&self, phase: Phase) {
        assert!(phase > self.phase(), "phases follow each other");
        self.0.phase.set(phase);
        self.0.changed.notify_waiters();
    }

    /// Returns once the run has come to this phase.
    pub(crate) async fn reach(&self, phase: Phase) {
        while self.phase() < phase {
            // One thread: nothing changes between the look at the phase and the wait.
            self.0.changed.notified().await;
        }
    }
}
