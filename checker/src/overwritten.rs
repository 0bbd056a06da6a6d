//! Anomalies of lists that are also overwritten, where the exactly-once check does not judge.
//!
//! Only what is certain is named: elements that nobody wrote or that one append cannot have put there twice, and
//! elements missing from a read though every overwrite came before they were there. All else is left to words.

use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashSet};

use crate::contradiction::{seen, violation};
use crate::history::{Completion, OpId, Operation};
use crate::kv::{KvOp, KvRet, KvSpec};
use crate::value::Value;
use crate::verdict::{EdgeKind, Violation};
use crate::words::{asked_by, brief, by, edge, real_time};

type KvOperation = Operation<KvOp, KvRet>;
type Indexed<'h> = (OpId, &'h KvOperation);

/// The list that a read returned.
fn shown(operation: &KvOperation) -> Option<&[Value]> {
    match (&operation.op, operation.ret()) {
        (KvOp::Get { .. }, Some(KvRet::Value(Value::List(items)))) => Some(items),
        (KvOp::Get { .. }, Some(KvRet::Value(Value::Nil))) => Some(&[]),
        _ => None,
    }
}

/// What is wrong with one read by itself: an element that nobody wrote, or one twice that was written once.
pub(crate) fn plain(spec: &KvSpec, key: &str, operations: &[Indexed<'_>]) -> Option<Violation> {
    let mut writers: IndexMap<&Value, Vec<OpId>, FxBuildHasher> = IndexMap::default();
    for (id, operation) in operations {
        let elements = match &operation.op {
            // A text joins the one before it: where it ends is not to be seen.
            KvOp::Append { value: Value::Text(_), .. } => return None,
            KvOp::Put { value: Value::List(items), .. } | KvOp::Cas { new: Value::List(items), .. } => items,
            KvOp::Append { value, .. } | KvOp::Put { value, .. } | KvOp::Cas { new: value, .. } => {
                std::slice::from_ref(value)
            }
            KvOp::Get { .. } | KvOp::Delete { .. } => &[][..],
        };
        if operation.completion != Completion::Fail {
            elements.iter().for_each(|element| writers.entry(element).or_default().push(*id));
        }
    }
    let mut seen = FxHashSet::default();
    for (id, read) in operations {
        seen.clear();
        for item in shown(read).unwrap_or_default() {
            let writers = writers.get(item).map_or(&[][..], Vec::as_slice);
            let twice = !seen.insert(item);
            let words = || by(spec, read);
            if writers.is_empty() {
                let message = format!("{} shows {item}, which nobody wrote", words());
                return Some(violation(key, "phantom", message, [*id].into(), Vec::new()));
            }
            if let (true, [writer]) = (twice, writers) {
                let message = format!("{} shows {item} twice, though it was written once at most", words());
                return Some(violation(key, "duplicated", message, [*writer, *id].into(), Vec::new()));
            }
        }
    }
    None
}

/// A read that lacks an element that was there before it began, every overwrite having come earlier still.
/// Judged on the few operations; told with what they really returned.
pub(crate) fn missing(
    spec: &KvSpec,
    key: &str,
    operations: &[Indexed<'_>],
    few: &[Indexed<'_>],
) -> Option<Violation> {
    let overwrites = |operation: &KvOperation| {
        matches!(operation.op, KvOp::Put { .. } | KvOp::Cas { .. } | KvOp::Delete { .. })
    };
    let last = |before: &KvOperation| {
        few.iter().all(|(_, operation)| !overwrites(operation) || operation.precedes(before))
    };
    for (id, append) in few {
        let KvOp::Append { value: element, .. } = &append.op else { continue };
        if matches!(element, Value::Text(_)) {
            return None;
        }
        let lacks = |read: &KvOperation| shown(read).is_some_and(|items| !items.contains(element));
        let shows = |read: &KvOperation| shown(read).is_some_and(|items| items.contains(element));
        for reader in few.iter().filter(|(_, read)| lacks(read)) {
            let mut witnesses = few.iter().filter(|(witness, operation)| {
                let there = witness == id && operation.ret().is_some() || shows(operation);
                there && operation.precedes(reader.1) && last(operation)
            });
            let Some(witness) = witnesses.next() else { continue };
            let real = |id: OpId| operations.iter().find(|(other, _)| *other == id).copied();
            let (Some(witness), Some(reader)) = (real(witness.0), real(reader.0)) else { continue };
            // A wrong reply may make a reader of what never asked for a value: that is for others to tell.
            let Some(value) = seen(reader.1) else { continue };
            return Some(lacking(spec, key, (element, value), (operations, few), witness, reader));
        }
    }
    None
}

fn lacking(
    spec: &KvSpec,
    key: &str,
    (element, value): (&Value, &Value),
    (operations, few): (&[Indexed<'_>], &[Indexed<'_>]),
    witness: Indexed<'_>,
    reader: Indexed<'_>,
) -> Violation {
    let returned = brief(&value.to_string());
    let appended = matches!(witness.1.op, KvOp::Append { .. });
    let had = if appended { "had been acknowledged".to_owned() } else { format!("had shown {element}") };
    let message = format!(
        "{} returned {returned} although {} {had} before it began, after every overwrite",
        asked_by(spec, reader.1),
        by(spec, witness.1),
    );
    let reason = format!(
        "{} does not show {element}, and nothing overwrote the list after {}",
        by(spec, reader.1),
        by(spec, witness.1)
    );
    let evidence: Vec<OpId> =
        few.iter().map(|(id, _)| *id).filter(|id| *id != witness.0 && *id != reader.0).collect();
    let edges = vec![
        real_time(spec, witness, reader),
        edge(reader.0, witness.0, EdgeKind::MustPrecede, reason, evidence),
    ];
    // What a later read shows again was not lost.
    let shows = |operation: &KvOperation| shown(operation).is_some_and(|items| items.contains(element));
    let back = operations.iter().any(|(_, later)| later.invoked > reader.1.invoked && shows(later));
    let kind = if appended && !back { "lost" } else { "stale" };
    violation(key, kind, message, few.iter().map(|(id, _)| *id).collect(), edges)
}
