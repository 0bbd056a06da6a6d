//! How operations on sets are recorded, and the model of them.

use std::sync::Arc;

use super::{Set, SetAction, SetOp, SetRet};
use crate::format::{Misread, RawOperation, RecordedSpec};
use crate::history::Completion;
use crate::model::{Definition, judge_linearizable};
use crate::models::Keyed;
use crate::value::Value;

/// A set that only grows.
pub(crate) static SET: Definition = Definition {
    name: "set",
    aliases: &["set-full"],
    description: "add and read: no element lost, stale or out of nowhere",
    functions: &["add", "read"],
    plain: |usage| {
        let shows_lists = usage
            .recorded
            .operations()
            .any(|raw| raw.function.as_ref() == "read" && matches!(raw.told, Some(Value::List(_))));
        usage.functions.contains_key("add") && shows_lists
    },
    judge: |recorded, _, bounds| judge_linearizable(recorded, |_| Set, bounds),
};

impl RecordedSpec for Set {
    fn read(raw: &RawOperation) -> Result<(SetOp, Completion<SetRet>), Misread> {
        let action = match raw.function.as_ref() {
            "add" => match raw.asked()? {
                Value::Nil => return Err(Misread::asked("add needs an element")),
                element => SetAction::Add { element: element.clone() },
            },
            "read" => SetAction::Read,
            other => {
                return Err(Misread::asked(format!("unknown operation `{other}`; expected add or read")));
            }
        };
        let completion = raw.completed(|| match (&action, raw.told()?) {
            (SetAction::Add { element }, told) if *told == Value::Nil || told == element => Ok(SetRet::Done),
            (SetAction::Add { element }, told) => {
                let message =
                    format!("the add of {element} completes with {told}; expected the same, or nil");
                Err(Misread::told(message))
            }
            (SetAction::Read, Value::Nil) => Ok(SetRet::Elements([].into())),
            (SetAction::Read, Value::List(elements)) => Ok(SetRet::Elements(Arc::clone(elements))),
            (SetAction::Read, told) => {
                Err(Misread::told(format!("a read of a set returns its elements, not {told}")))
            }
        })?;
        Ok((Keyed::new(raw.key.clone().unwrap_or_default(), action), completion))
    }
}
