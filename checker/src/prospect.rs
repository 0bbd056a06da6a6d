//! What can still become of a key's value: which operations may lead from one state to where another operation fits.
//!
//! For the search's look-ahead. Where in doubt the answer is that it may be: that is always sound.

use crate::kv::{KvOp, KvRet, KvSpec, is_empty};
use crate::spec::{Help, Reach, Told};
use crate::value::Value;

/// What an operation needs the key to hold.
enum Needs<'o> {
    Value(&'o Value),
    AnythingBut(&'o Value),
    Nothing,
}

fn needs<'o>(op: &'o KvOp, ret: &'o KvRet) -> Needs<'o> {
    match (op, ret) {
        (KvOp::Get { .. }, KvRet::Value(value)) => Needs::Value(value),
        (KvOp::Cas { expected, .. }, KvRet::Done) => Needs::Value(expected),
        (KvOp::Cas { .. }, KvRet::Mismatch(Some(seen))) => Needs::Value(seen),
        (KvOp::Cas { expected, .. }, KvRet::Mismatch(None)) => Needs::AnythingBut(expected),
        _ => Needs::Nothing,
    }
}

/// Whether appends alone may make `goal` of `state`.
fn grows_to(state: &Value, goal: &Value) -> bool {
    match (state, goal) {
        (Value::Nil, Value::Text(_) | Value::List(_)) => true,
        (Value::Text(state), Value::Text(goal)) => goal.starts_with(&**state),
        (Value::List(state), Value::List(goal)) => goal.starts_with(state),
        // A text grows before it becomes the first element of a list.
        (Value::Text(state), Value::List(goal)) => {
            matches!(goal.first(), Some(Value::Text(first)) if first.starts_with(&**state))
        }
        (Value::Int(_), Value::List(goal)) => goal.first() == Some(state),
        _ => false,
    }
}

/// See [`crate::Spec::reach`]. Only appends extend. If a series of operations leads to a value, then what follows the
/// last operation of it that is no append and takes effect are appends: if there is none, `state` itself grows to the
/// value, else what that operation wrote does.
pub(crate) fn reach(spec: &KvSpec, state: &Value, (op, ret): (&KvOp, &KvRet)) -> Reach {
    match needs(op, ret) {
        Needs::Value(value) if spec.same(state, value) => Reach::Unclear,
        Needs::Value(value) if grows_to(state, value) => Reach::Extending,
        Needs::Value(_) => Reach::Replacing,
        Needs::AnythingBut(value) if spec.same(state, value) => Reach::Extending,
        Needs::AnythingBut(_) | Needs::Nothing => Reach::Unclear,
    }
}

/// See [`crate::Spec::help`].
pub(crate) fn help(spec: &KvSpec, (op, ret): Told<'_, KvSpec>, (goal, goal_ret): (&KvOp, &KvRet)) -> Help {
    let written = match (op, ret) {
        (KvOp::Get { .. }, _) | (KvOp::Cas { .. }, Some(KvRet::Mismatch(_))) => return Help::Never,
        (KvOp::Append { .. }, _) => return Help::Extends,
        (KvOp::Put { value, .. }, _) => value,
        (KvOp::Cas { new, .. }, _) => new,
        (KvOp::Delete { .. }, _) => &Value::Nil,
    };
    let nil = spec.empty_is_absent && is_empty(written);
    let written = if nil { &Value::Nil } else { written };
    let helps = match needs(goal, goal_ret) {
        Needs::Value(value) => spec.same(written, value) || grows_to(written, value),
        Needs::AnythingBut(value) => !spec.same(written, value),
        Needs::Nothing => true,
    };
    if helps { Help::Replaces } else { Help::Never }
}
