//! Models: what a recorded history may hold, by name, and how each is judged.
//!
//! A model is an entry of [`Model::ALL`]: the functions that its operations have, a look at whether a history is
//! plainly its, and a function that judges. Everything that is common to all (reading, guessing, counting, naming)
//! is done by [`judge`](crate::judge); a new model is a [`Definition`] and a line here.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::str::FromStr;
use std::sync::Arc;

use crate::certificate::{NotProven, verify_all};
use crate::format::{
    Ending, FormatError, Misread, Recorded, RecordedSpec, TRANSACTION, UnknownName, only_function,
};
use crate::history::{Completion, History, OpId, op_id};
use crate::judge::{FailedCas, Operations, Options, judge_history, spec_of, without_evidence};
use crate::judge_rows::judge_rows;
use crate::kv::{KvOp, KvRet};
use crate::linearizable::Linearizable;
use crate::models::{bank, container, counter, long_fork, multi_register, mutex, set, unique_ids};
use crate::render::{Lane, render};
use crate::spec::Spec;
use crate::transactions::recorded;
use crate::verdict::{Bounds, Check, CheckOutcome, Violation};

/// A kind of history that can be judged, see [`Model::ALL`].
#[derive(Clone, Copy)]
pub struct Model(&'static Definition);

/// What a model is.
#[derive(Debug)]
pub struct Definition {
    /// Its name on the command line.
    pub name: &'static str,
    /// Other names under which it is known.
    pub aliases: &'static [&'static str],
    /// What it is, in one line.
    pub description: &'static str,
    /// Every name that a function of its operations may have. Transactions of a single operation count as that.
    pub functions: &'static [&'static str],
    /// Whether a history that uses only these functions is plainly of this model, so that it may be guessed.
    pub plain: fn(&Usage<'_, '_>) -> bool,
    /// Judges a history that uses only these functions. The operations of the answer are numbered as recorded.
    pub judge: for<'a> fn(&Recorded<'a>, &Options, &Bounds<'_>) -> Result<Answer<'a>, FormatError>,
}

/// What a model's judge answers.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The answers of all checks in one.
    pub outcome: CheckOutcome,
    /// The operations that were judged, in the model's own terms.
    pub history: Arc<dyn JudgedHistory + 'a>,
}

/// A history in the terms of the model that judged it, whatever its types are.
pub trait JudgedHistory: Debug + Send + Sync {
    /// How many operations it has.
    fn len(&self) -> usize;

    /// Whether it has none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An operation in words, with what it returned: `read k3 -> [4, 17]`.
    fn words(&self, id: OpId) -> String;

    /// How an operation ended for the model: one that failed but proves something is [`Ending::Ok`].
    fn ending(&self, id: OpId) -> Ending;

    /// What the drawing of a violation tells of an operation.
    fn lane(&self, id: OpId) -> Lane;

    /// A violation as text for people, see [`crate::render`].
    fn render(&self, violation: &Violation) -> String {
        render(violation, |id| self.lane(id))
    }

    /// How many operations ended how.
    fn count(&self) -> Operations {
        let mut count = Operations::default();
        for index in 0..self.len() {
            match self.ending(op_id(index)) {
                Ending::Ok => count.ok += 1,
                Ending::Fail => count.fail += 1,
                Ending::Info => count.info += 1,
            }
        }
        count
    }

    /// Checks that every verdict of an outcome is proven by its certificate, see [`crate::certificate`].
    ///
    /// # Errors
    /// [`NotProven`] if one is not, or if verdicts of this kind have no certificates.
    fn verify(&self, _outcome: &CheckOutcome) -> Result<(), NotProven> {
        Err(NotProven::NoCertificates("verdicts of this model have none"))
    }
}

/// Checks that the verdicts of a history are proven by their certificates, given what they are about.
pub type Verifier<S> =
    fn(&S, &History<<S as Spec>::Op, <S as Spec>::Ret>, &CheckOutcome) -> Result<(), NotProven>;

/// A specification with the history that it judged.
#[derive(Debug)]
pub struct Typed<S: Spec> {
    /// The specification.
    pub spec: S,
    /// The history.
    pub history: Arc<History<S::Op, S::Ret>>,
    /// How its verdicts are verified: [`verify_all`] where they are about linearizability.
    pub verifier: Verifier<S>,
}

impl<S: Spec + Debug + Send + Sync> JudgedHistory for Typed<S> {
    fn len(&self) -> usize {
        self.history.len()
    }

    fn words(&self, id: OpId) -> String {
        let operation = self.history.get(id);
        self.spec.describe(&operation.op, operation.ret())
    }

    fn ending(&self, id: OpId) -> Ending {
        match self.history.get(id).completion {
            Completion::Ok(_) => Ending::Ok,
            Completion::Fail => Ending::Fail,
            Completion::Info => Ending::Info,
        }
    }

    fn lane(&self, id: OpId) -> Lane {
        Lane::new(&self.spec, id, self.history.get(id))
    }

    fn verify(&self, outcome: &CheckOutcome) -> Result<(), NotProven> {
        (self.verifier)(&self.spec, &self.history, outcome)
    }
}

/// The functions that a recorded history uses.
#[derive(Debug)]
pub struct Usage<'r, 'a> {
    /// The history.
    pub recorded: &'r Recorded<'a>,
    /// Each function with the first operation that has it. Where all transactions have a single operation, they
    /// count as that (`r`, `w`, `append`).
    pub functions: BTreeMap<Arc<str>, OpId>,
}

impl<'r, 'a> Usage<'r, 'a> {
    /// Looks at every operation.
    pub fn of(recorded: &'r Recorded<'a>) -> Self {
        let (mut functions, mut steps) = (BTreeMap::new(), BTreeMap::new());
        let mut single = true;
        let note = |functions: &mut BTreeMap<Arc<str>, OpId>, name: &str, id: OpId| {
            if !functions.contains_key(name) {
                functions.insert(Arc::from(name), id);
            }
        };
        if let Some(operations) = recorded.raw() {
            for (index, raw) in operations.iter().enumerate() {
                note(&mut functions, &raw.function, op_id(index));
                if raw.function.as_ref() == TRANSACTION && single {
                    match raw.asked.as_ref().and_then(only_function) {
                        Some(step) => note(&mut steps, step, op_id(index)),
                        None => single = false,
                    }
                }
            }
        }
        for (name, id) in recorded.rows().into_iter().flat_map(|rows| rows.functions()) {
            note(&mut functions, name, id);
        }
        if single && functions.remove(TRANSACTION).is_some() {
            for (name, id) in steps {
                functions.entry(name).or_insert(id);
            }
        }
        Self { recorded, functions }
    }

    /// The first operation that the model does not have.
    pub fn foreign(&self, model: Model) -> Option<OpId> {
        let foreign = self.functions.iter().filter(|(name, _)| !model.0.functions.contains(&name.as_ref()));
        foreign.map(|(_, id)| *id).min()
    }

    /// The first model that the history is plainly of.
    pub fn guess(&self) -> Option<Model> {
        Model::ALL.iter().copied().find(|model| self.foreign(*model).is_none() && (model.0.plain)(self))
    }

    /// Why there is no guess.
    pub(crate) fn no_guess(&self) -> FormatError {
        let known = |name: &str| Model::ALL.iter().any(|model| model.0.functions.contains(&name));
        let first = |unknown: bool| {
            let of_that_kind = self.functions.iter().filter(|(name, _)| known(name) != unknown);
            of_that_kind.map(|(name, id)| (*id, name)).min()
        };
        let used: Vec<&str> = self.functions.keys().map(AsRef::as_ref).collect();
        let advice = "name the model (the list of models says which there are)";
        match (first(true), first(false)) {
            (Some((id, name)), _) => {
                let message = format!("no model has the operation `{}`; {advice}", brief(name));
                self.recorded.misread(id, &Misread::asked(message))
            }
            (None, Some((id, _))) => {
                let message = format!("it is not plain which model has {}; {advice}", used.join(", "));
                self.recorded.misread(id, &Misread::asked(message))
            }
            (None, None) => unreachable!("a history without operations is plainly of the first model"),
        }
    }
}

fn brief(name: &str) -> String {
    crate::words::brief(name).escape_debug().to_string()
}

/// The four models that share [`crate::kv::KvSpec`].
const fn key_value(
    name: &'static str,
    aliases: &'static [&'static str],
    description: &'static str,
    functions: &'static [&'static str],
) -> Definition {
    Definition { name, aliases, description, functions, plain: |_| true, judge: judge_key_value }
}

static REGISTER: Definition =
    key_value("register", &[], "read and write, key by key", &["read", "get", "r", "write", "put", "w"]);
static CAS_REGISTER: Definition = key_value(
    "cas-register",
    &[],
    "read, write and compare-and-set, key by key",
    &["read", "get", "r", "write", "put", "w", "cas"],
);
static APPEND: Definition = key_value(
    "append",
    &[],
    "read and append, key by key: no element lost, doubled or out of order",
    &["read", "get", "r", "append"],
);
static KEY_VALUE: Definition = key_value(
    "kv",
    &["key-value"],
    "get, put, append, compare-and-set and delete, key by key",
    &["read", "get", "r", "write", "put", "w", "cas", "append", "delete"],
);

fn judge_key_value<'a>(
    recorded: &Recorded<'a>,
    options: &Options,
    bounds: &Bounds<'_>,
) -> Result<Answer<'a>, FormatError> {
    if let Some(rows) = recorded.rows() {
        let outcome = judge_rows(rows, bounds);
        return Ok(Answer { outcome, history: Arc::clone(rows) as Arc<dyn JudgedHistory + 'a> });
    }
    let mut history: Arc<History<KvOp, KvRet>> = recorded.key_value()?;
    if options.failed_cas == FailedCas::Ignore {
        history = Arc::new(without_evidence(&history));
    }
    let outcome = judge_history(&history, bounds);
    Ok(Answer {
        outcome,
        history: Arc::new(Typed { spec: spec_of(&history), history, verifier: verify_all }),
    })
}

/// Judges a recorded history by the check [`Linearizable`]; the specification may depend on the whole history.
///
/// # Errors
/// At the first operation that is none of the specification.
pub fn judge_linearizable<'a, S: RecordedSpec + Debug + Send + 'static>(
    recorded: &Recorded<'a>,
    spec_of: impl FnOnce(&History<S::Op, S::Ret>) -> S,
    bounds: &Bounds<'_>,
) -> Result<Answer<'a>, FormatError> {
    let history = Arc::new(recorded.typed::<S>()?);
    let spec = spec_of(&history);
    let outcome = Linearizable.check(&spec, &history, bounds);
    Ok(Answer { outcome, history: Arc::new(Typed { spec, history, verifier: verify_all }) })
}

impl Model {
    /// Read and write.
    pub const REGISTER: Self = Self(&REGISTER);
    /// Read, write and compare-and-set.
    pub const CAS_REGISTER: Self = Self(&CAS_REGISTER);
    /// Read and append.
    pub const APPEND: Self = Self(&APPEND);
    /// All operations of a key-value store.
    pub const KEY_VALUE: Self = Self(&KEY_VALUE);

    /// Transactions of reads and appends.
    pub const LIST_APPEND: Self = Self(&recorded::LIST_APPEND);
    /// Transactions of reads and writes.
    pub const RW_REGISTER: Self = Self(&recorded::RW_REGISTER);

    /// All models; the first that a history is plainly of is the guess.
    pub const ALL: &'static [Self] = &[
        Self::REGISTER,
        Self::CAS_REGISTER,
        Self::APPEND,
        Self::KEY_VALUE,
        Self::LIST_APPEND,
        Self::RW_REGISTER,
        Self(&container::QUEUE),
        Self(&container::BAG),
        Self(&container::STACK),
        Self(&set::SET),
        Self(&counter::COUNTER),
        Self(&unique_ids::UNIQUE_IDS),
        Self(&mutex::MUTEX),
        Self(&bank::BANK),
        Self(&bank::STRICT_BANK),
        Self(&multi_register::MULTI_REGISTER),
        Self(&long_fork::LONG_FORK),
    ];

    /// A model of its own, beside those that are known by name.
    pub const fn new(definition: &'static Definition) -> Self {
        Self(definition)
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// Other names under which it is known.
    pub fn aliases(self) -> &'static [&'static str] {
        self.0.aliases
    }

    /// What it is, in one line.
    pub fn description(self) -> &'static str {
        self.0.description
    }

    /// Judges a history that holds only operations of this model.
    ///
    /// # Errors
    /// At the first operation that is none of it.
    pub fn judge<'a>(
        self,
        recorded: &Recorded<'a>,
        options: &Options,
        bounds: &Bounds<'_>,
    ) -> Result<Answer<'a>, FormatError> {
        let answer = (self.0.judge)(recorded, options, bounds)?;
        assert_eq!(answer.history.len(), recorded.len(), "models number operations as they were recorded");
        Ok(answer)
    }
}

impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Model {}

impl Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Model({})", self.name())
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Model {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let of_that_name = |model: &&Self| model.name() == name || model.aliases().contains(&name);
        let names: Vec<_> = Self::ALL.iter().map(|model| model.name()).collect();
        Self::ALL.iter().find(of_that_name).copied().ok_or_else(|| UnknownName::new("model", name, &names))
    }
}
