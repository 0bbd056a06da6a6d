//! When one plan gives two runs, the first event that differs is named, with its node, its time and what was before.
//!
//! The software that wavers here is made for it: every second run differs from the first in one thing.

use std::sync::atomic::{AtomicUsize, Ordering};

use squall::determinism::{self, Difference, Divergence, NotDeterministic};
use squall::node::BuiltIn;
use squall::trial::{Manner, Outcome, Plan, Simulator, Subject};
use squall::workloads::key_value::KeyValueStep;
use squall::workloads::{KeyValue, append};
use squall::{paxos, trial};

/// The built-in cluster, whose every second run is of a plan that was changed.
struct Wavering<F> {
    cluster: BuiltIn,
    runs: AtomicUsize,
    change: F,
}

impl<F: Fn(&mut Plan<KeyValueStep>) + Sync> Subject<KeyValue> for Wavering<F> {
    fn mode(&self) -> String {
        Subject::<KeyValue>::mode(&self.cluster)
    }

    fn nodes(&self) -> u32 {
        Subject::<KeyValue>::nodes(&self.cluster)
    }

    fn run(&self, workload: &KeyValue, plan: &Plan<KeyValueStep>, manner: Manner) -> Outcome {
        let mut plan = plan.clone();
        if self.runs.fetch_add(1, Ordering::Relaxed) % 2 == 1 {
            (self.change)(&mut plan);
        }
        self.cluster.run(workload, &plan, manner)
    }
}

fn differing(change: impl Fn(&mut Plan<KeyValueStep>) + Sync) -> Box<NotDeterministic> {
    let (subject, workload) = (Wavering { cluster: paxos(3), runs: AtomicUsize::new(0), change }, append(2));
    let plan = trial(paxos(3), append(2)).nemesis("none").clients(3).duration_ms(800).plan(4);
    let manner = Manner { simulator: Simulator::EventLoop, ..Manner::default() };
    let first = subject.run(&workload, &plan, manner);
    determinism::again(&subject, &workload, &plan, &first, manner).expect_err("it wavers")
}

fn divergence(found: &NotDeterministic) -> &Divergence {
    match &found.difference {
        Difference::At(divergence) => divergence,
        Difference::Hidden => panic!("it can be seen: {found}"),
    }
}

#[test]
fn a_node_that_wavers_is_named_with_the_time_and_the_events_before() {
    let found = differing(|plan| plan.config.bugs.push("reply-before-commit".into()));
    let divergence = divergence(&found);
    assert!(divergence.node.starts_with('n'), "{found}");
    assert_ne!(divergence.one, divergence.other);
    assert_eq!(divergence.before.len(), 5, "{found}");
    let mut text = found.to_string();
    for digest in [&found.first, &found.second] {
        text = text.replace(digest.as_str(), "<digest>");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_client_that_wavers_is_named_by_its_process() {
    let found = differing(|plan| {
        plan.script[1].steps.truncate(3);
    });
    let divergence = divergence(&found);
    assert!(divergence.time_us > 500_000, "the first three steps are the same: {found}");
    assert!(divergence.one.is_some() && divergence.before.len() == 5, "{found}");
}

#[test]
fn what_is_the_same_is_returned_and_what_leaves_no_trace_is_said_to_be_hidden() {
    let (cluster, workload) = (paxos(3), append(2));
    let plan = trial(cluster.clone(), workload.clone()).nemesis("none").duration_ms(300).plan(1);
    let manner = Manner { simulator: Simulator::EventLoop, ..Manner::default() };
    let mut first = cluster.run(&workload, &plan, manner);
    assert!(determinism::again(&cluster, &workload, &plan, &first, manner).is_ok());
    first.digest = "another".into();
    let found = determinism::again(&cluster, &workload, &plan, &first, manner).expect_err("another digest");
    assert_eq!(found.difference, Difference::Hidden);
    assert!(found.to_string().contains("leaves no trace"), "{found}");
}
