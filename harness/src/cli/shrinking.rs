//! From a failing plan to the folder `shrunk/` beside it: what `shrink`, `run`, `soak` and the main job have in common.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clocks::{Moment, Stopwatch};
use crate::shrink::{Effort, RUNS_MAX, Shrunk, Size, regression, shrink};
use crate::soak::ClusterPlan;
use crate::store::{RunRecord, Store, StoreError, StoredRun, with_run};
use crate::trial::failure::{counted, replay_command};

use super::console::{Console, complain_error};
use super::progress::Progress;

/// How long a failure is shrunk that nobody asked to shrink.
pub(crate) const BUDGET: Duration = Duration::from_secs(20);

/// Whether failures are shrunk, and for how long.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct ShrinkFlags {
    /// Shrink a failure for at most this much time; 0s: not at all
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = super::flags::duration)]
    pub(crate) shrink: Duration,
}

/// A plan that was shrunk and stored.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) shrunk: Shrunk,
    pub(crate) folder: PathBuf,
    pub(crate) record: RunRecord,
}

/// Shrinks a failing plan and stores the result in `shrunk/` below `folder`; `None` if it does not fail, or there is no
/// time.
pub(crate) fn shrunk_into(
    console: &Console,
    plan: &ClusterPlan,
    folder: &Path,
    jobs: usize,
    budget: Duration,
) -> Result<Option<Kept>, StoreError> {
    if budget.is_zero() {
        return Ok(None);
    }
    let (began, stopwatch) = (Moment::now(), Stopwatch::start());
    let progress = RefCell::new(Progress::new(console, "steps of shrinking", 0));
    let effort = Effort {
        jobs,
        runs_max: RUNS_MAX,
        should_stop: &|| stopwatch.wall() >= budget,
        tell: &|size, runs| {
            progress.borrow_mut().step(|| format!("{} after {runs} runs", size_text(size)));
        },
    };
    let shrunk = shrink(plan, &effort);
    progress.into_inner().finish();
    let Some(shrunk) = shrunk else { return Ok(None) };
    let test = regression::rust_test(&shrunk.plan, &shrunk.cause);
    let stored = with_run(&shrunk.plan, &shrunk.outcome, stopwatch.wall_ms(), &began, |run| {
        Store::write_shrunk(folder, &StoredRun { rust_test: Some(&test), ..*run })
    });
    stored.map(|(folder, record)| Some(Kept { shrunk, folder, record }))
}

/// The same where shrinking is an extra: what goes wrong is said, and takes nothing from the verdict.
pub(crate) fn shrunk_besides(
    console: &Console,
    plan: &ClusterPlan,
    folder: &Path,
    jobs: usize,
    budget: Duration,
) -> Option<Kept> {
    shrunk_into(console, plan, folder, jobs, budget).unwrap_or_else(|error| {
        complain_error(&format!("the failure was not shrunk: {error}"));
        None
    })
}

/// Says where the shrunk plan is, and what it still holds.
pub(crate) fn tell_shrunk(console: &Console, kept: &Kept) {
    let Kept { shrunk, folder, .. } = kept;
    let folder = folder.display().to_string();
    let still = if shrunk.is_minimal { "" } else { "; more could be taken away with more time" };
    console.say(format!("  shrunk:    {} ({} runs{still})", replay_command(&folder), shrunk.runs));
    console.say(format!("  as a test: {folder}/replay.rs"));
    for fault in &shrunk.plan.faults {
        console.detail(format!("    {fault}"));
    }
    for line in shrunk.outcome.history_text().lines() {
        console.detail(format!("    {line}"));
    }
}

/// A size in words.
pub(crate) fn size_text(size: Size) -> String {
    let Size { nodes, clients, operations, faults } = size;
    let parts = [
        counted(u64::from(nodes), "node"),
        counted(u64::from(clients), "client"),
        counted(operations, "operation"),
        counted(faults, "fault"),
    ];
    parts.join(", ")
}
