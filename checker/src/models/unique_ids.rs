//! Unique ids: no two operations are given the same.
//!
//! A set of what was given out decides; order does not matter, nor does what became of indeterminate operations.

use std::borrow::Cow;
use std::collections::BTreeSet;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::telling::Telling;
use super::{Keyed, replay};
use crate::format::{Misread, RawOperation, RecordedSpec};
use crate::history::{Completion, Indexed, Operation};
use crate::linearizable::NAME;
use crate::model::{Definition, judge_linearizable};
use crate::spec::{Direct, Spec};
use crate::value::Value;
use crate::verdict::Violation;
use crate::words::by;

/// Give out an id that nobody has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Generate;

type IdOperation = Operation<Keyed<Generate>, Value>;

/// The specification of a source of unique ids.
#[derive(Clone, Copy, Debug, Default)]
pub struct UniqueIds;

/// Ids of which none is given out twice.
pub(crate) static UNIQUE_IDS: Definition = Definition {
    name: "unique-ids",
    aliases: &["unique"],
    description: "generate: no id is given out twice",
    functions: &["generate"],
    plain: |_| true,
    judge: |recorded, _, bounds| judge_linearizable(recorded, |_| UniqueIds, bounds),
};

impl Spec for UniqueIds {
    type Op = Keyed<Generate>;
    type Ret = Value;
    type State = BTreeSet<Value>;

    fn init(&self) -> BTreeSet<Value> {
        BTreeSet::new()
    }

    fn step(&self, given: &BTreeSet<Value>, op: &Self::Op, ret: Option<&Value>) -> Option<BTreeSet<Value>> {
        let mut next = given.clone();
        self.advance(&mut next, op, ret).then_some(next)
    }

    fn advance(&self, given: &mut BTreeSet<Value>, _op: &Self::Op, ret: Option<&Value>) -> bool {
        // An id that nobody learned may be one that nobody else has.
        ret.is_none_or(|id| given.insert(id.clone()))
    }

    fn partition<'a>(&self, op: &'a Self::Op) -> Option<Cow<'a, str>> {
        op.partition()
    }

    fn is_read_only(&self, _op: &Self::Op, ret: Option<&Value>) -> bool {
        ret.is_none()
    }

    fn decide_directly(&self, operations: &[&IdOperation]) -> Option<Direct> {
        if let Some((one, other)) = first_twice(operations) {
            return Some(Direct::Illegal(vec![one, other]));
        }
        let given = (0u32..).zip(operations).filter(|(_, operation)| operation.ret().is_some());
        let order: Vec<u32> = given.map(|(index, _)| index).collect();
        replay::is_legal(self, operations, &order).then_some(Direct::Legal(order))
    }

    fn state_bytes(&self, given: &BTreeSet<Value>) -> usize {
        // A node of a tree is about two thirds full.
        given.len() * size_of::<Value>() * 3 / 2
    }

    fn explain(
        &self,
        key: &str,
        operations: &[Indexed<'_, Self::Op, Value>],
        _few: &[Indexed<'_, Self::Op, Value>],
    ) -> Option<Violation> {
        let bare: Vec<&IdOperation> = operations.iter().map(|(_, operation)| *operation).collect();
        let (one, other) = first_twice(&bare)?;
        let ids = vec![operations[one as usize].0, operations[other as usize].0];
        let id = bare[one as usize].ret()?;
        let (one, other) = (by(self, bare[one as usize]), by(self, bare[other as usize]));
        let told = vec![
            format!("{one} was given {id}"),
            format!("{other} was given {id} too, though an id is given out once"),
        ];
        let message = format!("{id} was given out twice: {one} and {other}");
        Some(Telling::in_steps("duplicated", message, told).violation(NAME, key, ids))
    }

    fn describe(&self, op: &Self::Op, ret: Option<&Value>) -> String {
        let words = op.words("generate");
        ret.map_or(words.clone(), |id| format!("{words} -> {id}"))
    }
}

/// The first two operations that were given the same id, by the return of the later one.
fn first_twice(operations: &[&IdOperation]) -> Option<(u32, u32)> {
    let mut given: Vec<(Option<u64>, u32, &Value)> = (0u32..)
        .zip(operations)
        .filter_map(|(index, operation)| Some((operation.returned, index, operation.ret()?)))
        .collect();
    given.sort_unstable_by_key(|(returned, index, _)| (*returned, *index));
    let mut holders: FxHashMap<&Value, u32> = FxHashMap::default();
    given.into_iter().find_map(|(_, index, id)| {
        let holder = holders.insert(id, index)?;
        Some((holder.min(index), holder.max(index)))
    })
}

impl RecordedSpec for UniqueIds {
    fn read(raw: &RawOperation) -> Result<(Keyed<Generate>, Completion<Value>), Misread> {
        if raw.function.as_ref() != "generate" {
            return Err(Misread::asked(format!("unknown operation `{}`; expected generate", raw.function)));
        }
        let completion = raw.completed(|| match raw.told()? {
            Value::Nil => Err(Misread::told("generate returns the id that it gave out, not nil")),
            id => Ok(id.clone()),
        })?;
        Ok((Keyed::new(raw.key.clone().unwrap_or_default(), Generate), completion))
    }
}
