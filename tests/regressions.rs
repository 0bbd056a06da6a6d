//! Plans that once failed: with the bug they were kept for, each still fails; without it, each is valid.
//!
//! A plan that no longer fails with its bug has lost its use: shorten the life of the bug, not of the test.

use std::fs;
use std::path::Path;

use squall::checker::Verdict;
use squall::soak::{ClusterPlan, Experiment};

fn verdict(plan: &ClusterPlan) -> Verdict {
    Experiment::of_plan(plan).expect("a plan that can be run").run(plan).verdict
}

#[test]
fn kept_plans_fail_with_their_bug_and_only_with_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
    let mut plans = 0;
    for entry in fs::read_dir(&folder).expect("the folder of kept plans") {
        let path = entry.expect("an entry").path();
        let text = fs::read_to_string(&path).expect("a text");
        let mut plan: ClusterPlan =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        if !plan.config.bugs.is_empty() {
            assert_eq!(verdict(&plan), Verdict::Invalid, "{} no longer fails with its bug", path.display());
        }
        plan.config.bugs.clear();
        plan.minima = None;
        assert_eq!(verdict(&plan), Verdict::Valid, "{} fails without any bug", path.display());
        plans += 1;
    }
    assert!(plans > 0, "there are kept plans");
}
