//! Plans as text: a line per fault and per step, so that people can read, change and compare them.

use serde::Serialize;

use crate::trial::Plan;

/// A value on one line.
fn compact(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a plan is plain data")
}

/// Items one per line, at this depth.
fn lines(items: &[String], depth: usize) -> String {
    if items.is_empty() {
        return "[]".into();
    }
    let inner = "  ".repeat(depth + 1);
    let outer = "  ".repeat(depth);
    format!("[\n{inner}{}\n{outer}]", items.join(&format!(",\n{inner}")))
}

/// A plan as the text of `plan.json`.
pub fn plan_text<T: Serialize>(plan: &Plan<T>) -> String {
    let config = serde_json::to_string_pretty(&plan.config).expect("plain data").replace('\n', "\n  ");
    let faults: Vec<String> = plan.faults.iter().map(compact).collect();
    let client =
        |steps: &[squall_workloads::Scripted<T>]| lines(&steps.iter().map(compact).collect::<Vec<_>>(), 2);
    let script: Vec<String> = plan.script.iter().map(|script| client(&script.steps)).collect();
    format!(
        "{{\n  \"schema\": {},\n  \"seed\": {},\n  \"key\": {},\n  \"config\": {config},\n  \"minima\": {},\n  \
         \"limits\": {},\n  \"faults\": {},\n  \"script\": {}\n}}\n",
        plan.schema,
        plan.seed,
        plan.key,
        compact(&plan.minima),
        compact(&plan.limits),
        lines(&faults, 1),
        lines(&script, 1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::{ClusterPlan, Wanted};

    #[test]
    fn a_plan_survives_being_written_and_read() {
        let wanted = Wanted { clients: Some(2), operations: Some(4), ..Wanted::default() };
        let experiment = wanted.experiment().expect("possible");
        for seed in 0..8 {
            let plan = experiment.plan(seed);
            let text = plan_text(&plan);
            assert_eq!(serde_json::from_str::<ClusterPlan>(&text).expect("its own text"), plan);
            assert_eq!(
                plan_text(&ClusterPlan { faults: Vec::new(), script: Vec::new(), ..plan }).lines().count(),
                30
            );
        }
    }
}
