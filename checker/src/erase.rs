//! What can be erased from a key's history so that a legal one stays legal: the sound reductions by value.
//!
//! Leaving out a write makes its readers illegal, so values go with all that touches them: on registers a value
//! with its writes, reads and the cas that link it to others; on lists an element with its appends, out of every
//! list that shows it. Nothing is erased where an operation observes the absence of a value.

use std::ops::Range;

use indexmap::IndexMap;
use petgraph::unionfind::UnionFind;
use rustc_hash::{FxBuildHasher, FxHashSet};

use crate::history::Operation;
use crate::kv::{KvOp, KvRet, KvSpec, is_empty};
use crate::value::Value;

type KvOperation = Operation<KvOp, KvRet>;

/// What the units of a key's history are.
enum Units<'h> {
    /// Per operation the unit with which it goes, and how many units there are.
    Classes(Vec<Option<usize>>, usize),
    /// Elements of lists.
    Elements(Vec<&'h Value>),
    /// Nothing can be erased.
    None,
}

/// See [`crate::Spec::erasable`].
pub(crate) fn erasable(spec: &KvSpec, operations: &[&KvOperation]) -> usize {
    match units(spec, operations) {
        Units::Classes(_, count) => count,
        Units::Elements(elements) => elements.len(),
        Units::None => 0,
    }
}

/// See [`crate::Spec::erase`].
pub(crate) fn erase(
    spec: &KvSpec,
    operations: &[&KvOperation],
    erased: Range<usize>,
) -> Vec<Option<KvOperation>> {
    match units(spec, operations) {
        Units::None => operations.iter().map(|operation| Some((*operation).clone())).collect(),
        Units::Classes(classes, _) => operations
            .iter()
            .zip(classes)
            .map(|(operation, class)| {
                let goes = class.is_some_and(|class| erased.contains(&class));
                (!goes).then(|| (*operation).clone())
            })
            .collect(),
        Units::Elements(elements) => {
            let gone: FxHashSet<&Value> = elements
                .iter()
                .enumerate()
                .filter(|(unit, _)| erased.contains(unit))
                .map(|(_, e)| *e)
                .collect();
            operations.iter().map(|operation| without_elements(operation, &gone)).collect()
        }
    }
}

fn units<'h>(spec: &KvSpec, operations: &[&'h KvOperation]) -> Units<'h> {
    let observes_absence =
        operations.iter().any(|operation| matches!(operation.ret(), Some(KvRet::Mismatch(None))));
    if observes_absence {
        return Units::None;
    }
    let appends = operations.iter().any(|operation| matches!(operation.op, KvOp::Append { .. }));
    if appends { elements(spec, operations) } else { classes(operations) }
}

/// Registers. Two values are of one class if a cas leads from one to the other. In a legal order every stretch of
/// states of a class is entered by one of its puts (any cas into it is its own) and left by a put of another
/// class, a delete or the end, which are legal in any state; between, only operations of the class observe
/// anything. So the order without the class is legal. The class of the empty values is not erased: the initial
/// state is one.
fn classes<'h>(operations: &[&'h KvOperation]) -> Units<'h> {
    let mut numbers: IndexMap<&Value, usize, FxBuildHasher> = IndexMap::default();
    let mut number = |value: &'h Value| {
        let next = numbers.len() + 1;
        // All empty values are number 0, lest it matter whether they are the same.
        if is_empty(value) { 0 } else { *numbers.entry(value).or_insert(next) }
    };
    let touched: Vec<Option<(usize, usize)>> = operations
        .iter()
        .map(|operation| match (&operation.op, operation.ret()) {
            (_, Some(KvRet::Value(seen) | KvRet::Mismatch(Some(seen)))) => Some((number(seen), number(seen))),
            (KvOp::Put { value, .. }, _) => Some((number(value), number(value))),
            (KvOp::Cas { expected, new, .. }, _) => Some((number(expected), number(new))),
            _ => None,
        })
        .collect();
    let mut linked = UnionFind::new(numbers.len() + 1);
    for &(one, other) in touched.iter().flatten() {
        linked.union(one, other);
    }
    let mut units: IndexMap<usize, (), FxBuildHasher> = IndexMap::default();
    let classes = touched
        .into_iter()
        .map(|touched| {
            let class = linked.find(touched?.0);
            (class != linked.find(0)).then(|| units.insert_full(class, ()).0)
        })
        .collect();
    Units::Classes(classes, units.len())
}

/// Lists. Without an element that is only ever appended, every state of a legal order loses it, and so does every
/// read. Only where states are lists throughout: a put of a bare value would turn into a list when appended to.
fn elements<'h>(spec: &KvSpec, operations: &[&'h KvOperation]) -> Units<'h> {
    let mut put: FxHashSet<&Value> = FxHashSet::default();
    let mut appended: IndexMap<&Value, (), FxBuildHasher> = IndexMap::default();
    for operation in operations {
        match (&operation.op, operation.ret()) {
            (KvOp::Append { value: Value::Text(_), .. } | KvOp::Cas { .. }, _) => return Units::None,
            (KvOp::Append { value, .. }, _) => {
                appended.insert(value, ());
            }
            (KvOp::Put { value: Value::List(items), .. }, _) if spec.empty_is_absent || !items.is_empty() => {
                put.extend(items.iter());
            }
            (KvOp::Put { value: Value::Nil, .. } | KvOp::Delete { .. }, _) => {}
            (KvOp::Put { .. }, _) => return Units::None,
            (KvOp::Get { .. }, Some(KvRet::Value(Value::Nil | Value::List(_))) | None) => {}
            (KvOp::Get { .. }, Some(_)) => return Units::None,
        }
    }
    Units::Elements(appended.into_keys().filter(|element| !put.contains(element)).collect())
}

fn without_elements(operation: &KvOperation, gone: &FxHashSet<&Value>) -> Option<KvOperation> {
    if let KvOp::Append { value, .. } = &operation.op
        && gone.contains(value)
    {
        return None;
    }
    let mut operation = operation.clone();
    if let crate::Completion::Ok(KvRet::Value(Value::List(items))) = &mut operation.completion {
        let left: Vec<Value> = items.iter().filter(|item| !gone.contains(item)).cloned().collect();
        if left.len() < items.len() {
            let list = if left.is_empty() { Value::Nil } else { Value::List(left.into()) };
            operation.completion = crate::Completion::Ok(KvRet::Value(list));
        }
    }
    Some(operation)
}
