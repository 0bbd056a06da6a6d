//! How operations on counters are recorded, and the model of them.

use super::{Counter, CounterAction, CounterOp, CounterRet};
use crate::format::{Misread, RawOperation, RecordedSpec};
use crate::history::Completion;
use crate::model::{Definition, judge_linearizable};
use crate::models::Keyed;
use crate::value::Value;

/// A counter.
pub(crate) static COUNTER: Definition = Definition {
    name: "counter",
    aliases: &[],
    description: "add (increment, decrement) and read: no sum too low or too high",
    functions: &["add", "increment", "inc", "decrement", "dec", "read"],
    plain: |usage| {
        let sums = |raw: &RawOperation| match raw.function.as_ref() {
            "read" => matches!(raw.told, Some(Value::Int(_) | Value::Nil)),
            _ => matches!(raw.asked, Some(Value::Int(_) | Value::Nil)),
        };
        usage.functions.len() > 1 && usage.recorded.operations().all(|raw| sums(&raw))
    },
    judge: |recorded, _, bounds| judge_linearizable(recorded, |_| Counter, bounds),
};

impl RecordedSpec for Counter {
    fn read(raw: &RawOperation) -> Result<(CounterOp, Completion<CounterRet>), Misread> {
        let amount = |default: Option<i64>| match (raw.asked()?, default) {
            (Value::Int(amount), _) => Ok(*amount),
            (Value::Nil, Some(default)) => Ok(default),
            (other, _) => Err(Misread::asked(format!("{} takes a whole number, not {other}", raw.function))),
        };
        let action = match raw.function.as_ref() {
            "add" => CounterAction::Add { amount: amount(None)? },
            "increment" | "inc" => CounterAction::Add { amount: amount(Some(1))? },
            "decrement" | "dec" => {
                let amount = amount(Some(1))?;
                let negated = amount.checked_neg();
                let amount = negated.ok_or_else(|| Misread::asked(format!("{amount} is out of range")))?;
                CounterAction::Add { amount }
            }
            "read" => CounterAction::Read,
            other => {
                let message =
                    format!("unknown operation `{other}`; expected add, increment, decrement or read");
                return Err(Misread::asked(message));
            }
        };
        let completion = raw.completed(|| match (&action, raw.told()?) {
            (CounterAction::Add { .. }, _) => Ok(CounterRet::Done),
            (CounterAction::Read, Value::Int(sum)) => Ok(CounterRet::Sum(*sum)),
            (CounterAction::Read, told) => {
                Err(Misread::told(format!("a read of a counter returns a whole number, not {told}")))
            }
        })?;
        Ok((Keyed::new(raw.key.clone().unwrap_or_default(), action), completion))
    }
}
