//! How operations on queues, stacks and bags are recorded, and the models of them.
//!
//! A removal that returned nil found nothing. One that failed proves nothing: tools disagree on what it means, and
//! most record a timeout of the server the same way.

use std::sync::Arc;

use super::{Container, ContainerAction, ContainerOp, ContainerRet, drains};
use crate::format::{FormatError, Misread, RawOperation, Recorded, RecordedSpec};
use crate::history::Completion;
use crate::judge::Options;
use crate::model::{Answer, Definition, Typed};
use crate::models::Keyed;
use crate::value::Value;
use crate::verdict::Bounds;

/// First in, first out.
pub(crate) static QUEUE: Definition = Definition {
    name: "queue",
    aliases: &["fifo", "fifo-queue"],
    description: "enqueue, dequeue and drain: first in, first out, no element lost or doubled",
    functions: &["enqueue", "dequeue", "drain"],
    plain: |_| true,
    judge: |recorded, _: &Options, bounds| judge(recorded, Container::queue(), bounds),
};

/// In any order.
pub(crate) static BAG: Definition = Definition {
    name: "unordered-queue",
    aliases: &["total-queue", "bag"],
    description: "enqueue, dequeue and drain in any order: no element lost or doubled",
    functions: &["enqueue", "dequeue", "drain"],
    plain: |_| false,
    judge: |recorded, _: &Options, bounds| judge(recorded, Container::bag(), bounds),
};

/// Last in, first out.
pub(crate) static STACK: Definition = Definition {
    name: "stack",
    aliases: &["lifo"],
    description: "push and pop: last in, first out, no element lost or doubled",
    functions: &["push", "pop"],
    plain: |_| true,
    judge: |recorded, _: &Options, bounds| judge(recorded, Container::stack(), bounds),
};

fn judge<'a>(
    recorded: &Recorded<'a>,
    spec: Container,
    bounds: &Bounds<'_>,
) -> Result<Answer<'a>, FormatError> {
    let history = Arc::new(recorded.typed::<Container>()?);
    let outcome = drains::check(&spec, &history, bounds);
    Ok(Answer { outcome, history: Arc::new(Typed { spec, history, verifier: drains::verify }) })
}

impl RecordedSpec for Container {
    fn read(raw: &RawOperation) -> Result<(ContainerOp, Completion<ContainerRet>), Misread> {
        let action = match raw.function.as_ref() {
            "enqueue" | "push" => match raw.asked()? {
                Value::Nil => return Err(Misread::asked(format!("{} needs an element", raw.function))),
                value => ContainerAction::Insert { value: value.clone() },
            },
            "dequeue" | "pop" => ContainerAction::Remove,
            "drain" => ContainerAction::Drain,
            other => {
                let message =
                    format!("unknown operation `{other}`; expected enqueue, dequeue, drain, push or pop");
                return Err(Misread::asked(message));
            }
        };
        let completion = raw.completed(|| match (&action, raw.told()?) {
            (ContainerAction::Insert { value }, told) if *told == Value::Nil || told == value => {
                Ok(ContainerRet::Done)
            }
            (ContainerAction::Insert { value }, told) => Err(Misread::told(format!(
                "the {} of {value} completes with {told}; expected the same, or nil",
                raw.function
            ))),
            (ContainerAction::Remove, Value::Nil) => Ok(ContainerRet::Empty),
            (ContainerAction::Remove, value) => Ok(ContainerRet::Taken(value.clone())),
            (ContainerAction::Drain, told) => match told {
                Value::Nil => Ok(ContainerRet::Drained([].into())),
                Value::List(items) => Ok(ContainerRet::Drained(Arc::clone(items))),
                other => Err(Misread::told(format!("a drain returns the list of what it took, not {other}"))),
            },
        })?;
        Ok((Keyed::new(raw.key.clone().unwrap_or_default(), action), completion))
    }
}
