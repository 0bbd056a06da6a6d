//! A shrunk plan as a Rust test that replays it: to be copied into the tests of whoever keeps it. Pure text.

use crate::soak::ClusterPlan;
use crate::store::plan_text;

use super::Cause;

/// The text of a test that holds the plan, and passes once the plan no longer fails.
pub fn rust_test(plan: &ClusterPlan, cause: &Cause) -> String {
    let config = &plan.config;
    let name =
        format!("{}_{}_{}_{:#x}", config.workload, cause.check, config.mode, plan.seed).replace('-', "_");
    let text = plan_text(plan);
    // As many marks as no text of the plan can close.
    let marks = "#".repeat(3);
    assert!(!text.contains(&format!("\"{marks}")), "names in plans hold no marks");
    format!(
        "//! A plan that failed: {} ({}), shrunk until nothing could be taken away.\n\n#[test]\nfn {name}() \
         {{\n    squall::replay::assert_valid(PLAN);\n}}\n\nconst PLAN: &str = r{marks}\"{text}\"{marks};\n",
        cause.check, cause.kind
    )
}
