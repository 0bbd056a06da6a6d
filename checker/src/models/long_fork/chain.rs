//! Proofs that the reads of a group form a chain, or that they do not.
//!
//! A chain is an order in which each read shows all that was shown before it, whatever their times: so it is proven as an
//! order of operations that all ran at once, for a specification whose state is what was shown. That there is none is
//! proven by one read or two, the others having forgotten what they saw. Shares no code with the check.

use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashSet};

use crate::certificate::{NotProven, Proof, Reduction, check, follows_from_parts};
use crate::history::{Completion, History, Indexed, OpId, Operation, Reduced};
use crate::models::multi_register::{MultiRegisterOp, Step};
use crate::spec::Spec;
use crate::value::Value;
use crate::verdict::{CheckOutcome, Verdict};

type RegisterHistory = History<MultiRegisterOp, Arc<[Value]>>;

/// That these reads, among others, are in no chain.
pub(super) fn none(operations: &[OpId]) -> Proof {
    Proof::Reductions(vec![Reduction::Blind { kept: operations.to_vec() }])
}

/// What a read of a group saw of each register, in the order of their names.
type Seen = Vec<(Arc<str>, Value)>;

/// The reads by group, as if all had run at once.
type Groups = IndexMap<Vec<Arc<str>>, Vec<Reduced<Seen, ()>>, FxBuildHasher>;

/// Reads of one group, each of which shows all that was shown before.
#[derive(Debug)]
struct Chain {
    /// What registers may show beside nil.
    written: FxHashSet<(Arc<str>, Value)>,
}

impl Spec for Chain {
    type Op = Seen;
    type Ret = ();
    type State = Seen;

    fn init(&self) -> Seen {
        Seen::new()
    }

    fn step(&self, shown: &Seen, seen: &Seen, _: Option<&()>) -> Option<Seen> {
        let written = seen.iter().all(|pair| pair.1 == Value::Nil || self.written.contains(pair));
        // Nothing was shown at first.
        let grown = shown.iter().zip(seen).all(|(before, now)| before.1 == Value::Nil || now.1 != Value::Nil);
        (written && grown).then(|| seen.clone())
    }

    /// Without some of its reads a chain is one.
    fn reduce(
        &self,
        operations: &[Reduced<Seen, ()>],
        reduction: &Reduction,
    ) -> Option<Vec<Reduced<Seen, ()>>> {
        let Reduction::Blind { kept } = reduction else { return None };
        Some(operations.iter().filter(|(id, _)| kept.contains(id)).cloned().collect())
    }
}

/// See [`super::LongFork::verify`].
pub(super) fn verify(history: &RegisterHistory, outcome: &CheckOutcome) -> Result<(), NotProven> {
    follows_from_parts(outcome)?;
    if outcome.verdict == Verdict::Unknown {
        return Ok(());
    }
    let spec = Chain { written: written(history) };
    let mut judged = outcome.partitions.iter();
    for (group, reads) in groups(history) {
        let name = group.join(", ");
        let part = judged.next().filter(|part| part.key == name);
        let verdict = part.map(|part| part.verdict);
        let proof = part.and_then(|part| Some(&part.certificate.as_ref()?.proof));
        let reads: Vec<Indexed<'_, Seen, ()>> = reads.iter().map(|(id, read)| (*id, read)).collect();
        match (verdict, proof) {
            (Some(Verdict::Valid), Some(proof @ Proof::Order(_)))
            | (Some(Verdict::Invalid), Some(proof @ Proof::Reductions(_))) => check(&spec, &reads, proof)?,
            _ => return Err(NotProven::Unsupported { partition: name, verdict }),
        }
    }
    match judged.next() {
        None => Ok(()),
        Some(part) => {
            Err(NotProven::Unsupported { partition: part.key.clone(), verdict: Some(part.verdict) })
        }
    }
}

fn written(history: &RegisterHistory) -> FxHashSet<(Arc<str>, Value)> {
    let happened = history.operations().iter().filter(|operation| operation.completion != Completion::Fail);
    let steps = happened.flat_map(|operation| operation.op.iter());
    let writes = steps.filter_map(|step| match step {
        Step::Write { key, value } => Some((Arc::clone(key), value.clone())),
        Step::Read { .. } | Step::Swap { .. } => None,
    });
    writes.collect()
}

fn groups(history: &RegisterHistory) -> Groups {
    let mut groups = Groups::default();
    for (id, operation) in history.iter() {
        let reads = operation.op.iter().all(|step| matches!(step, Step::Read { .. }));
        let Some(told) = operation.ret().filter(|_| reads && operation.op.len() > 1) else { continue };
        let registers = operation.op.iter().map(|step| Arc::clone(step.key()));
        let mut op: Seen = registers.zip(told.iter().cloned()).collect();
        op.sort_unstable();
        let group = op.iter().map(|(register, _)| Arc::clone(register)).collect();
        let (invoked, returned, completion) = (0, Some(0), Completion::Ok(()));
        let read = Operation { process: operation.process, op, invoked, returned, completion };
        groups.entry(group).or_default().push((id, read));
    }
    groups
}
