//! Runs under faults that are written in words, and what came of them.

use squall::checker::Verdict;
use squall::soak::{PlanText, Wanted};
use squall::trial::Outcome;

/// A valid run of a mode under a workload, with these faults; `adjust` says what else differs from the defaults.
pub(crate) fn run(
    (mode, workload, seed): (&str, &str, u64),
    faults: &str,
    adjust: impl FnOnce(&mut Wanted),
) -> Outcome {
    let mut wanted = Wanted {
        mode: Some(mode.into()),
        workload: Some(workload.into()),
        nemesis: Some("none".into()),
        plan: (!faults.is_empty()).then(|| PlanText { path: "faults".into(), text: faults.into() }),
        simulator: Some("event-loop".into()),
        duration_ms: Some(6_000),
        ..Wanted::default()
    };
    adjust(&mut wanted);
    let experiment = wanted.experiment().expect("possible");
    let outcome = experiment.run(&experiment.plan(seed));
    assert_eq!(outcome.verdict, Verdict::Valid, "{workload}: {:?} {:?}", outcome.violations, outcome.remarks);
    outcome
}
