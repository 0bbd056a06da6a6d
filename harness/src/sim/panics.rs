//! Panics of the software under test, caught with their place.
//!
//! A simulator swallows the panic of a spawned task and the run would end green. A hook notes every panic of a thread
//! that is running a simulation; the run looks at the notes after every step.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    /// `Some` while this thread runs a simulation.
    static NOTES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Notes panics of this thread until dropped.
#[derive(Debug)]
pub(crate) struct PanicWatch(());

impl PanicWatch {
    /// Starts noting. One at a time per thread.
    pub(crate) fn start() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                let noted = NOTES.with_borrow_mut(|notes| {
                    let Some(notes) = notes else { return false };
                    notes.push(info.to_string().replace('\n', " "));
                    true
                });
                if !noted {
                    before(info);
                }
            }));
        });
        NOTES.with_borrow_mut(|notes| {
            assert!(notes.is_none(), "one simulation at a time per thread");
            *notes = Some(Vec::new());
        });
        Self(())
    }

    /// What was noted since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        NOTES.with_borrow_mut(|notes| notes.as_mut().map(std::mem::take).unwrap_or_default())
    }
}

impl Drop for PanicWatch {
    fn drop(&mut self) {
        NOTES.with_borrow_mut(|notes| *notes = None);
    }
}
