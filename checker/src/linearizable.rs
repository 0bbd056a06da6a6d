//! The check "linearizable": judges every partition directly where its specification can, else with the general
//! search, in fair rounds.
//!
//! What no round decides is unknown, with the bound that was reached.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::certificate::{Certificate, Proof};
use crate::explain::explain;
use crate::history::{History, OpId, Operation};
use crate::parallel::in_order;
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

/// What is known of a partition before any search.
pub(crate) struct Known {
    pub(crate) verdict: Option<Verdict>,
    /// What proves the verdict, where certificates are asked for.
    proof: Option<Proof>,
}

impl Known {
    /// Nothing.
    pub(crate) const NOTHING: Self = Self { verdict: None, proof: None };

    /// That no order is legal; the proof comes with the explanation.
    const ILLEGAL: Self = Self { verdict: Some(Verdict::Invalid), proof: None };

    /// That no operation completed: nothing need be ordered.
    pub(crate) fn vacuous(bounds: &Bounds<'_>) -> Self {
        Self { verdict: Some(Verdict::Vacuous), proof: bounds.certificates.then(|| Proof::Order(Vec::new())) }
    }

    /// That an order of the operations is legal, given the id of each.
    fn legal(order: &[u32], id: impl Fn(u32) -> OpId, bounds: &Bounds<'_>) -> Self {
        let ordered = || order.iter().map(|index| id(*index)).collect();
        Self { verdict: Some(Verdict::Valid), proof: bounds.certificates.then(|| Proof::Order(ordered())) }
    }

    /// What the specification says of operations, given the id of each.
    pub(crate) fn directly(direct: Option<&Direct>, id: impl Fn(u32) -> OpId, bounds: &Bounds<'_>) -> Self {
        match direct {
            Some(Direct::Legal(order)) => Self::legal(order, id, bounds),
            Some(Direct::Illegal(_)) => Self::ILLEGAL,
            None => Self::NOTHING,
        }
    }
}

/// One partition on its way to a verdict.
pub(crate) struct Pending<'h, O, R> {
    key: Cow<'h, str>,
    /// How many operations it has.
    count: usize,
    /// Not all are needed of one whose verdict is known.
    ids: Cow<'h, [OpId]>,
    operations: Vec<&'h Operation<O, R>>,
    known: Known,
    limit: Option<Limit>,
}

impl<'h, O, R> Pending<'h, O, R> {
    /// One with all its operations.
    pub(crate) fn new(
        key: Cow<'h, str>,
        ids: Cow<'h, [OpId]>,
        operations: Vec<&'h Operation<O, R>>,
        known: Known,
    ) -> Self {
        assert_eq!(ids.len(), operations.len(), "one id per operation");
        Self { key, count: ids.len(), ids, operations, known, limit: None }
    }

    /// One of so many operations, with those that are needed: all of one that is searched.
    pub(crate) fn part(
        key: Cow<'h, str>,
        count: usize,
        ids: Vec<OpId>,
        operations: Vec<&'h Operation<O, R>>,
        known: Known,
    ) -> Self {
        let enough = match known.verdict {
            Some(Verdict::Valid | Verdict::Vacuous) => true,
            Some(Verdict::Invalid) => !operations.is_empty(),
            Some(Verdict::Unknown) | None => operations.len() == count,
        };
        assert!(enough, "what is searched or explained needs its operations");
        Self { count, ..Self::new(key, Cow::Owned(ids), operations, known) }
    }
}

/// Whether nothing of a partition with this verdict is left to be searched or explained.
pub(crate) fn is_settled(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Valid | Verdict::Vacuous)
}

impl<S: Spec> Check<S> for Linearizable {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(NAME)
    }

    fn check(&self, spec: &S, history: &History<S::Op, S::Ret>, bounds: &Bounds<'_>) -> CheckOutcome {
        let pending = history.partitions(|op| spec.partition(op)).into_iter().map(|(key, ids)| {
            let operations: Vec<_> = ids.iter().map(|id| history.get(*id)).collect();
            Pending::new(key, Cow::Owned(ids), operations, Known::NOTHING)
        });
        let mut pending: Vec<_> = pending.collect();
        judge_directly(spec, &mut pending, bounds);
        conclude(spec, pending, bounds)
    }
}

/// Decides the partitions that need no search.
fn judge_directly<S: Spec>(spec: &S, pending: &mut [Pending<'_, S::Op, S::Ret>], bounds: &Bounds<'_>) {
    let stop = Stop::new(bounds);
    let known = in_order(pending.len(), bounds.threads, |number| {
        let Pending { operations, ids, count, .. } = &pending[number];
        match () {
            () if operations.iter().all(|operation| operation.ret().is_none()) => Known::vacuous(bounds),
            () if stop.after(*count) => Known::NOTHING,
            () => {
                let direct = spec.decide_directly(operations);
                Known::directly(direct.as_ref(), |index| ids[index as usize], bounds)
            }
        }
    });
    for (partition, known) in pending.iter_mut().zip(known) {
        partition.known = known;
    }
}

/// Asks now and then whether to stop, on any thread.
pub(crate) struct Stop<'b> {
    bounds: &'b Bounds<'b>,
    operations: AtomicUsize,
    stopped: AtomicBool,
}

impl<'b> Stop<'b> {
    pub(crate) fn new(bounds: &'b Bounds<'b>) -> Self {
        Self { bounds, operations: AtomicUsize::new(0), stopped: AtomicBool::new(false) }
    }

    /// Whether to stop, so many operations later.
    pub(crate) fn after(&self, operations: usize) -> bool {
        let before = self.operations.fetch_add(operations, Ordering::Relaxed);
        if before / OPERATIONS_PER_LOOK != (before + operations) / OPERATIONS_PER_LOOK
            && (self.bounds.should_stop)()
        {
            self.stopped.store(true, Ordering::Relaxed);
        }
        self.stopped.load(Ordering::Relaxed)
    }
}

/// The answer for partitions of which those without verdict need the search.
pub(crate) fn conclude<S: Spec>(
    spec: &S,
    mut pending: Vec<Pending<'_, S::Op, S::Ret>>,
    bounds: &Bounds<'_>,
) -> CheckOutcome {
    let rounds = judge(spec, &mut pending, bounds);
    outcome(spec, pending, bounds, &rounds)
}

/// Searches the partitions that are still undecided.
fn judge<S: Spec>(spec: &S, pending: &mut [Pending<'_, S::Op, S::Ret>], bounds: &Bounds<'_>) -> Rounds {
    let illegal = pending.iter().any(|partition| partition.known.verdict == Some(Verdict::Invalid));
    let undecided = || pending.iter().filter(|partition| partition.known.verdict.is_none());
    let partitions: Vec<Operations<'_, S>> = undecided().map(|partition| &*partition.operations).collect();
    if let Some(progress) = bounds.progress {
        progress.begin(partitions.len());
    }
    let mut rounds = rounds::judge(spec, &partitions, illegal, bounds);
    let undecided = pending.iter_mut().filter(|partition| partition.known.verdict.is_none());
    for (partition, decision) in undecided.zip(rounds.decisions.drain(..)) {
        partition.known = match decision {
            Decision::Legal(order) => Known::legal(&order, |index| partition.ids[index as usize], bounds),
            Decision::Illegal { .. } => Known::ILLEGAL,
            Decision::Undecided(limit) => {
                partition.limit = Some(limit);
                Known { verdict: Some(Verdict::Unknown), proof: None }
            }
        };
    }
    rounds
}

fn outcome<S: Spec>(
    spec: &S,
    pending: Vec<Pending<'_, S::Op, S::Ret>>,
    bounds: &Bounds<'_>,
    rounds: &Rounds,
) -> CheckOutcome {
    let vacuous = pending.iter().all(|partition| partition.known.verdict == Some(Verdict::Vacuous));
    let mut partitions = Vec::with_capacity(pending.len());
    let mut violations = Vec::new();
    let (mut unknown, mut why) = (0usize, String::new());
    for mut partition in pending {
        let verdict = partition.known.verdict.unwrap_or(Verdict::Unknown);
        if verdict == Verdict::Invalid {
            let in_full = violations.len() < EXPLAINED_MAX;
            let ids: Vec<(OpId, &OperationOf<S>)> =
                partition.ids.iter().copied().zip(partition.operations.iter().copied()).collect();
            let explanation = explain(spec, &partition.key, &ids, in_full, bounds);
            violations.push(explanation.violation);
            partition.known.proof = explanation.proof;
        }
        if verdict == Verdict::Unknown {
            if unknown == 0 {
                why = undecided_because(&partition.key, partition.limit, bounds, rounds);
            }
            unknown += 1;
        }
        let (key, operations) = (partition.key.into_owned(), partition.count);
        let certificate = partition.known.proof.map(|proof| Certificate { partition: key.clone(), proof });
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
        Verdict::Vacuous if partitions.is_empty() => {
            Some("the history is empty: nothing to judge".to_owned())
        }
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
