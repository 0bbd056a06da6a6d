//! Long forks: two reads of the same registers that see two writes in opposite orders.
//!
//! What parallel snapshot isolation allows and snapshot isolation forbids (Sovran, Power, Aguilera and Li,
//! "Transactional storage for geo-replicated systems", SOSP 2011). Every register is written once, alone; reads of
//! one group of registers must then form a chain, each showing all that the smaller ones show. Real time plays no
//! part, so this asks less than linearizability; it is linear in what was read.

mod chain;

use std::borrow::Cow;
use std::sync::Arc;

use indexmap::IndexMap;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::multi_register::{FUNCTIONS, MultiRegister, MultiRegisterOp, Step};
use super::telling::Telling;
use crate::certificate::{Certificate, NotProven, Proof};
use crate::format::{FormatError, Recorded};
use crate::history::{Completion, History, OpId, Operation};
use crate::judge::Options;
use crate::model::{Answer, Definition, Typed};
use crate::value::Value;
use crate::verdict::{Bounds, Check, CheckOutcome, Edge, EdgeKind, Partition, Verdict, Violation};
use crate::words::{brief, by, edge};

/// The check "long-fork" of histories in which every register is written once.
#[derive(Clone, Copy, Debug, Default)]
pub struct LongFork;

/// The name of the check.
const NAME: &str = "long-fork";

/// Writes of single registers and reads of groups of them.
pub(crate) static LONG_FORK: Definition = Definition {
    name: NAME,
    aliases: &[],
    description: "registers written once and read in groups: no two reads see two writes in opposite orders",
    functions: FUNCTIONS,
    plain: |_| false,
    judge: judge_long_fork,
};

fn judge_long_fork(
    recorded: &Recorded<'_>,
    _: &Options,
    bounds: &Bounds<'_>,
) -> Result<Answer<'static>, FormatError> {
    let history = Arc::new(recorded.typed::<MultiRegister>()?);
    let spec = MultiRegister::default();
    let outcome = LongFork.check(&spec, &history, bounds);
    Ok(Answer { outcome, history: Arc::new(Typed { spec, history, verifier: LongFork::verify }) })
}

type RegisterOperation = Operation<MultiRegisterOp, Arc<[Value]>>;

/// A read of a group: what it saw of each register, in the order of their names.
struct Read<'h> {
    id: OpId,
    operation: &'h RegisterOperation,
    saw: Vec<(&'h Arc<str>, &'h Value)>,
}

impl Read<'_> {
    fn seen(&self) -> usize {
        self.saw.iter().filter(|(_, value)| **value != Value::Nil).count()
    }
}

/// What each register was given, and by whom.
type Writes<'h> = FxHashMap<&'h Arc<str>, (OpId, &'h Value, &'h RegisterOperation)>;

impl Check<MultiRegister> for LongFork {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(NAME)
    }

    fn check(
        &self,
        spec: &MultiRegister,
        history: &History<MultiRegisterOp, Arc<[Value]>>,
        bounds: &Bounds<'_>,
    ) -> CheckOutcome {
        let outcome = |verdict, violations, reason, partitions| CheckOutcome {
            check: NAME.to_owned(),
            verdict,
            violations,
            reason,
            partitions,
        };
        let writes = match writes_of(history) {
            Ok(writes) => writes,
            Err(key) => {
                let reason = format!("{key} is written more than once: which write a read saw is not known");
                return outcome(Verdict::Unknown, Vec::new(), Some(reason), Vec::new());
            }
        };
        let (mut violations, mut partitions) = (Vec::new(), Vec::new());
        for (registers, mut reads) in groups_of(history) {
            let name = registers.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(", ");
            let operations = reads.len();
            let found =
                phantom(spec, &name, &writes, &reads).or_else(|| fork(spec, &name, &writes, &mut reads));
            let verdict = if found.is_some() { Verdict::Invalid } else { Verdict::Valid };
            let certificate = bounds.certificates.then(|| Certificate {
                partition: name.clone(),
                proof: match &found {
                    Some(violation) => chain::none(&violation.operations),
                    None => Proof::Order(reads.iter().map(|read| read.id).collect()),
                },
            });
            partitions.push(Partition { key: name, operations, verdict, certificate });
            violations.extend(found);
        }
        let (verdict, reason) = match () {
            () if !violations.is_empty() => (Verdict::Invalid, None),
            () if partitions.is_empty() => (
                Verdict::Vacuous,
                Some("no read of several registers completed: nothing to judge".to_owned()),
            ),
            () => (Verdict::Valid, None),
        };
        outcome(verdict, violations, reason, partitions)
    }
}

impl LongFork {
    /// Checks that the verdicts of this check are proven by their certificates.
    ///
    /// # Errors
    /// [`NotProven`] if one is not.
    pub fn verify(
        _: &MultiRegister,
        history: &History<MultiRegisterOp, Arc<[Value]>>,
        outcome: &CheckOutcome,
    ) -> Result<(), NotProven> {
        chain::verify(history, outcome)
    }
}

/// The writes by register, or one that is written twice.
fn writes_of(history: &History<MultiRegisterOp, Arc<[Value]>>) -> Result<Writes<'_>, &Arc<str>> {
    let mut writes = Writes::default();
    for (id, operation) in history.iter().filter(|(_, done)| done.completion != Completion::Fail) {
        for step in operation.op.iter() {
            let again = match step {
                Step::Read { .. } => false,
                Step::Write { key, value } => writes.insert(key, (id, value, operation)).is_some(),
                Step::Swap { .. } => true,
            };
            if again {
                return Err(step.key());
            }
        }
    }
    Ok(writes)
}

type Groups<'h> = IndexMap<Vec<&'h Arc<str>>, Vec<Read<'h>>, FxBuildHasher>;

/// The reads of several registers, by these.
fn groups_of(history: &History<MultiRegisterOp, Arc<[Value]>>) -> Groups<'_> {
    let mut groups = Groups::default();
    for (id, operation) in history.iter() {
        let only_reads = operation.op.iter().all(|step| matches!(step, Step::Read { .. }));
        let Some(told) = operation.ret().filter(|_| only_reads && operation.op.len() > 1) else { continue };
        let mut saw: Vec<_> = operation.op.iter().map(Step::key).zip(told.iter()).collect();
        saw.sort_unstable();
        let registers = saw.iter().map(|(key, _)| *key).collect();
        groups.entry(registers).or_default().push(Read { id, operation, saw });
    }
    groups
}

/// A read of what nobody wrote.
fn phantom(spec: &MultiRegister, name: &str, writes: &Writes<'_>, reads: &[Read<'_>]) -> Option<Violation> {
    let wrong = |(key, value): &&(&Arc<str>, &Value)| {
        **value != Value::Nil && writes.get(*key).is_none_or(|(_, written, _)| written != value)
    };
    let (read, (key, value)) = reads.iter().find_map(|read| Some((read, read.saw.iter().find(wrong)?)))?;
    let message = format!(
        "{} saw {} in {key}, which nobody wrote",
        by(spec, read.operation),
        brief(&value.to_string())
    );
    Some(Telling::in_steps("phantom", message, Vec::new()).violation(NAME, name, vec![read.id]))
}

/// Two reads of which each saw what the other did not.
fn fork(spec: &MultiRegister, name: &str, writes: &Writes<'_>, reads: &mut [Read<'_>]) -> Option<Violation> {
    reads.sort_by_key(|read| (read.seen(), read.operation.returned, read.id));
    let only = |one: &Read<'_>, other: &Read<'_>| {
        let unseen =
            |(mine, theirs): &(&(_, &Value), &(_, &Value))| *mine.1 != Value::Nil && *theirs.1 == Value::Nil;
        one.saw.iter().zip(&other.saw).position(|(mine, theirs)| unseen(&(mine, theirs)))
    };
    let (one, other, mine, theirs) = reads.windows(2).find_map(|pair| {
        // The second saw as much or more; so if it lacks something it saw something else.
        let mine = only(&pair[0], &pair[1])?;
        Some((&pair[0], &pair[1], mine, only(&pair[1], &pair[0])?))
    })?;
    let (mine, theirs) = (one.saw[mine].0, one.saw[theirs].0);
    let words = Words { spec, writes };
    let edges = vec![
        words.saw(one, mine),
        words.missed(one, theirs),
        words.saw(other, theirs),
        words.missed(other, mine),
    ];
    let message = format!(
        "{} saw {mine} but not yet {theirs}; {} saw {theirs} but not yet {mine}",
        by(spec, one.operation),
        by(spec, other.operation)
    );
    let ids = vec![one.id, other.id, writes[mine].0, writes[theirs].0];
    Some(Telling::round("long-fork", message, edges).violation(NAME, name, ids))
}

struct Words<'w, 'h> {
    spec: &'w MultiRegister,
    writes: &'w Writes<'h>,
}

impl Words<'_, '_> {
    fn saw(&self, read: &Read<'_>, key: &Arc<str>) -> Edge {
        let (id, _, write) = self.writes[key];
        let reason = format!("{} saw {key} of {}", by(self.spec, read.operation), by(self.spec, write));
        edge(id, read.id, EdgeKind::ReadsFrom, reason, Vec::new())
    }

    fn missed(&self, read: &Read<'_>, key: &Arc<str>) -> Edge {
        let (id, _, write) = self.writes[key];
        let reason =
            format!("{} did not see {key} of {}", by(self.spec, read.operation), by(self.spec, write));
        edge(read.id, id, EdgeKind::MustPrecede, reason, Vec::new())
    }
}
