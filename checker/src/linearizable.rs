//! The check "linearizable": judges every partition directly where its specification can, else with the general
//! search, in fair rounds.
//!
//! What no round decides is unknown, with the bound that was reached.

use std::borrow::Cow;

use crate::certificate::{Certificate, Proof};
use crate::explain::explain;
use crate::history::{History, OpId, Operation};
use crate::rounds::{self, Operations, Rounds};
use crate::search::{Decision, Limit};
use crate::spec::{Direct, Spec};
use crate::verdict::{Bounds, Check, CheckOutcome, Partition, Verdict};

/// Operations decided directly between two looks at whether to stop.
const OPERATIONS_PER_LOOK: usize = 10_000;
/// Illegal partitions explained in full; of the others the report says only that they are illegal.
const EXPLAINED_MAX: usize = 10;

/// Whether there is one order of the operations, legal for the specification, that keeps every operation within
/// its interval. For any [`Spec`]; partition by partition.
#[derive(Clone, Copy, Debug, Default)]
pub struct Linearizable;

/// The name of the check.
pub(crate) const NAME: &str = "linearizable";

type OperationOf<S> = Operation<<S as Spec>::Op, <S as Spec>::Ret>;

/// One partition on its way to a verdict.
struct Pending<'h, O, R> {
    key: Cow<'h, str>,
    ids: Vec<OpId>,
    operations: Vec<&'h Operation<O, R>>,
    verdict: Option<Verdict>,
    limit: Option<Limit>,
    /// What proves the verdict, where certificates are asked for.
    proof: Option<Proof>,
}

impl<O, R> Pending<'_, O, R> {
    /// Remembers a legal order, if it is asked for.
    fn legal(&mut self, order: &[u32], bounds: &Bounds<'_>) -> Verdict {
        if bounds.certificates {
            self.proof = Some(Proof::Order(order.iter().map(|index| self.ids[*index as usize]).collect()));
        }
        Verdict::Valid
    }
}

impl<S: Spec> Check<S> for Linearizable {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(NAME)
    }

    fn check(&self, spec: &S, history: &History<S::Op, S::Ret>, bounds: &Bounds<'_>) -> CheckOutcome {
        let mut pending: Vec<_> = history
            .partitions(|op| spec.partition(op))
            .into_iter()
            .map(|(key, ids)| {
                let operations: Vec<_> = ids.iter().map(|id| history.get(*id)).collect();
                let nothing = operations.iter().all(|operation| operation.ret().is_none());
                let verdict = nothing.then_some(Verdict::Vacuous);
                // Where nothing completed, nothing need be ordered.
                let proof = (nothing && bounds.certificates).then(|| Proof::Order(Vec::new()));
                Pending { key, ids, operations, verdict, limit: None, proof }
            })
            .collect();
        let vacuous = pending.iter().all(|partition| partition.verdict == Some(Verdict::Vacuous));
        let illegal = judge_directly(spec, &mut pending, bounds);
        let rounds = judge(spec, &mut pending, illegal, bounds);
        outcome(spec, history, pending, vacuous, bounds, &rounds)
    }
}

/// Decides the partitions that need no search; whether one of them is illegal.
fn judge_directly<S: Spec>(
    spec: &S,
    pending: &mut [Pending<'_, S::Op, S::Ret>],
    bounds: &Bounds<'_>,
) -> bool {
    let (mut illegal, mut operations) = (false, 0);
    for partition in pending.iter_mut().filter(|partition| partition.verdict.is_none()) {
        operations += partition.operations.len();
        if operations > OPERATIONS_PER_LOOK {
            operations = 0;
            if (bounds.should_stop)() {
                break;
            }
        }
        partition.verdict = match spec.decide_directly(&partition.operations) {
            Some(Direct::Legal(order)) => Some(partition.legal(&order, bounds)),
            Some(Direct::Illegal(_)) => Some(Verdict::Invalid),
            None => None,
        };
        illegal |= partition.verdict == Some(Verdict::Invalid);
    }
    illegal
}

/// Searches the partitions that are still undecided.
fn judge<S: Spec>(
    spec: &S,
    pending: &mut [Pending<'_, S::Op, S::Ret>],
    illegal: bool,
    bounds: &Bounds<'_>,
) -> Rounds {
    let undecided = || pending.iter().filter(|partition| partition.verdict.is_none());
    let partitions: Vec<Operations<'_, S>> = undecided().map(|partition| &*partition.operations).collect();
    let mut rounds = rounds::judge(spec, &partitions, illegal, bounds);
    let undecided = pending.iter_mut().filter(|partition| partition.verdict.is_none());
    for (partition, decision) in undecided.zip(rounds.decisions.drain(..)) {
        partition.verdict = Some(match decision {
            Decision::Legal(order) => partition.legal(&order, bounds),
            Decision::Illegal { .. } => Verdict::Invalid,
            Decision::Undecided(limit) => {
                partition.limit = Some(limit);
                Verdict::Unknown
            }
        });
    }
    rounds
}

fn outcome<S: Spec>(
    spec: &S,
    history: &History<S::Op, S::Ret>,
    pending: Vec<Pending<'_, S::Op, S::Ret>>,
    vacuous: bool,
    bounds: &Bounds<'_>,
    rounds: &Rounds,
) -> CheckOutcome {
    let mut partitions = Vec::with_capacity(pending.len());
    let mut violations = Vec::new();
    let (mut unknown, mut why) = (0usize, String::new());
    for mut partition in pending {
        let verdict = partition.verdict.unwrap_or(Verdict::Unknown);
        if verdict == Verdict::Invalid {
            let in_full = violations.len() < EXPLAINED_MAX;
            let ids: Vec<(OpId, &OperationOf<S>)> =
                partition.ids.iter().copied().zip(partition.operations.iter().copied()).collect();
            let explanation = explain(spec, &partition.key, &ids, in_full, bounds);
            violations.push(explanation.violation);
            partition.proof = explanation.proof;
        }
        if verdict == Verdict::Unknown {
            if unknown == 0 {
                why = undecided_because(&partition.key, partition.limit, bounds, rounds);
            }
            unknown += 1;
        }
        let (key, operations) = (partition.key.into_owned(), partition.operations.len());
        let certificate = partition.proof.map(|proof| Certificate { partition: key.clone(), proof });
        partitions.push(Partition { key, operations, verdict, certificate });
    }
    let verdict = if !violations.is_empty() {
        Verdict::Invalid
    } else if unknown > 0 {
        Verdict::Unknown
    } else if vacuous {
        Verdict::Vacuous
    } else {
        Verdict::Valid
    };
    let reason = match verdict {
        Verdict::Vacuous if history.is_empty() => Some("the history is empty: nothing to judge".to_owned()),
        Verdict::Vacuous => Some("no operation completed: nothing to judge".to_owned()),
        _ if unknown > 1 => Some(format!("{why}; {} more partitions are undecided", unknown - 1)),
        _ if unknown > 0 => Some(why),
        _ => None,
    };
    CheckOutcome { check: NAME.to_owned(), verdict, violations, reason, partitions }
}

fn undecided_because(key: &str, limit: Option<Limit>, bounds: &Bounds<'_>, rounds: &Rounds) -> String {
    let place = if key.is_empty() { "the history".to_owned() } else { format!("partition {key}") };
    match limit {
        Some(Limit::Steps(_)) | None if rounds.cut_short => {
            format!(
                "{place} is undecided: the search was not carried on after {} steps, another being invalid",
                rounds.steps
            )
        }
        Some(Limit::Steps(_)) | None => {
            format!(
                "{place} is undecided: the bound of {} steps over all partitions was reached",
                bounds.steps_max
            )
        }
        Some(limit) => format!("{place} is undecided: {limit}"),
    }
}
