//! Judges the rows of a table key by key, as they stand in its text.
//!
//! Operations are made only of keys that need the search or an explanation. The check of exactly-once appends has
//! nothing to add: it judges lists of elements, and those of tables are texts.

use std::borrow::Cow;

use crate::blocks;
use crate::certificate::{NotProven, verify_all};
use crate::format::{ByKey, Ending, Rows};
use crate::history::{OpId, Operation};
use crate::judge::Operations;
use crate::kv::{KvOp, KvRet, KvSpec};
use crate::linearizable::{Known, Pending, Stop, conclude, is_settled};
use crate::model::JudgedHistory;
use crate::parallel::in_order;
use crate::render::Lane;
use crate::spec::Spec;
use crate::verdict::{Bounds, CheckOutcome, Verdict};

/// Whether the rows of every key are linearizable.
pub(crate) fn judge_rows(rows: &Rows<'_>, bounds: &Bounds<'_>) -> CheckOutcome {
    let (spec, by_key) = (rows.spec(), rows.by_key());
    let known = decide(&spec, &by_key, rows.keys().len(), bounds);
    // The operations that are needed, for as long as they are referred to.
    let made: Vec<Vec<Operation<KvOp, KvRet>>> =
        known.iter().enumerate().map(|(key, known)| by_key.operations(key, &known.needed)).collect();
    let pending = rows.keys().iter().zip(known).enumerate();
    let pending = pending.map(|(key, (name, KeyKnown { known, needed }))| {
        let needed: Vec<OpId> = needed.iter().map(|index| by_key.id(key, *index)).collect();
        Pending::part(Cow::Borrowed(*name), by_key.count(key), needed, made[key].iter().collect(), known)
    });
    conclude(&spec, pending.collect(), bounds)
}

/// What is known of a key without a search.
struct KeyKnown {
    known: Known,
    /// Which of its operations the rest of the check needs.
    needed: Vec<u32>,
}

fn decide(spec: &KvSpec, by_key: &ByKey<'_, '_>, keys: usize, bounds: &Bounds<'_>) -> Vec<KeyKnown> {
    let stop = Stop::new(bounds);
    in_order(keys, bounds.threads, |key| {
        let (count, rows) = (by_key.count(key), by_key.rows(key));
        let all = || (0..).take(count).collect();
        let (known, enough) = match () {
            () if rows.is_vacuous() => (Known::vacuous(bounds), None),
            () if stop.after(count) => (Known::NOTHING, None),
            () => {
                let (direct, enough) = blocks::decide_for_telling(spec, &rows).unzip();
                (Known::directly(direct.as_ref(), |index| by_key.id(key, index), bounds), enough.flatten())
            }
        };
        let needed = match known.verdict {
            Some(verdict) if is_settled(verdict) => Vec::new(),
            // A proof is about all operations.
            Some(Verdict::Invalid) if !bounds.certificates => enough.unwrap_or_else(all),
            _ => all(),
        };
        KeyKnown { known, needed }
    })
}

impl JudgedHistory for Rows<'_> {
    fn len(&self) -> usize {
        Rows::len(self)
    }

    fn words(&self, id: OpId) -> String {
        let operation = self.operation(id);
        self.spec().describe(&operation.op, operation.ret())
    }

    fn ending(&self, id: OpId) -> Ending {
        if self.is_ok(id) { Ending::Ok } else { Ending::Info }
    }

    fn lane(&self, id: OpId) -> Lane {
        Lane::new(&self.spec(), id, &self.operation(id))
    }

    fn count(&self) -> Operations {
        let ok = self.completed();
        Operations { ok, fail: 0, info: Rows::len(self) - ok }
    }

    fn verify(&self, outcome: &CheckOutcome) -> Result<(), NotProven> {
        verify_all(&self.spec(), &self.history(), outcome)
    }
}
