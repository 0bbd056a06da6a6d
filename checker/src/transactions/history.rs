//! Histories of transactions: what each read and wrote, in a compact form.
//!
//! Keys and values are interned once, lists lie in one arena, and a read that shows a prefix of the longest list of its
//! key takes no room of its own: a million transactions fit into a few hundred megabytes. Well-formed by
//! construction, as [`History`](crate::History) is. It does not judge anything.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::history::{Completion, Malformed, OpId, ProcessId, op_id};
use crate::value::Value;

/// What keys hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Datatype {
    /// Lists that grow by appends; absent and empty are the same.
    ListAppend,
    /// Registers that are overwritten; nil at first.
    Register,
}

/// One step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MicroOperation {
    /// Adds an element to the end of a list.
    Append {
        /// The list.
        key: Arc<str>,
        /// The element.
        element: Value,
    },
    /// Overwrites a register.
    Write {
        /// The register.
        key: Arc<str>,
        /// Its new value.
        value: Value,
    },
    /// Reads a list or register.
    Read {
        /// Which.
        key: Arc<str>,
        /// What it showed; `None` if that is not known, as in transactions that did not complete.
        value: Option<Value>,
    },
}

impl MicroOperation {
    /// An append.
    pub fn append(key: impl Into<Arc<str>>, element: impl Into<Value>) -> Self {
        Self::Append { key: key.into(), element: element.into() }
    }

    /// A write.
    pub fn write(key: impl Into<Arc<str>>, value: impl Into<Value>) -> Self {
        Self::Write { key: key.into(), value: value.into() }
    }

    /// A read and what it showed.
    pub fn read(key: impl Into<Arc<str>>, value: impl Into<Value>) -> Self {
        Self::Read { key: key.into(), value: Some(value.into()) }
    }

    /// What it is about.
    pub fn key(&self) -> &Arc<str> {
        match self {
            Self::Append { key, .. } | Self::Write { key, .. } | Self::Read { key, .. } => key,
        }
    }
}

impl fmt::Display for MicroOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Append { key, element } => write!(f, "append {key} {element}"),
            Self::Write { key, value } => write!(f, "write {key} {value}"),
            Self::Read { key, value: Some(value) } => write!(f, "read {key} -> {value}"),
            Self::Read { key, value: None } => write!(f, "read {key}"),
        }
    }
}

/// A transaction with its interval, which is closed as those of all operations are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// Who asked.
    pub process: ProcessId,
    /// Its steps, in the order in which it took them.
    pub micro_operations: Vec<MicroOperation>,
    /// When it was invoked: a stamp in the history's total order of events (not a time).
    pub invoked: u64,
    /// When it returned; `None` for [`Completion::Info`].
    pub returned: Option<u64>,
    /// How it ended: committed, aborted, or nobody knows.
    pub completion: Completion<()>,
}

/// Why transactions do not make a history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The intervals are wrong.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// A step that is none of the datatype's.
    #[error("transaction at {place}: `{step}` is no operation on {expected}; keep one datatype in a history")]
    Step {
        /// The transaction's place in the order in which they were given, from 0.
        place: u64,
        /// The step.
        step: String,
        /// What the history holds.
        expected: &'static str,
    },
    /// More than can be numbered.
    #[error("more than {} keys, values, steps or elements of lists; split the history", u32::MAX - 2)]
    TooLarge,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    Fail,
    Info,
}

/// One transaction without its steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) process: u64,
    pub(super) invoked: u64,
    /// [`NEVER`] for indeterminate ones.
    pub(super) returned: u64,
    first: u32,
    end: u32,
    pub(super) status: Status,
}

/// No return.
pub(super) const NEVER: u64 = u64::MAX;

/// The length of a step that writes; its start is the element.
const WRITE: u32 = u32::MAX;
/// The length of a step that reads something unknown.
const UNKNOWN: u32 = u32::MAX - 1;

/// A step in 12 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Micro {
    pub(super) key: u32,
    start: u32,
    len: u32,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step<'h> {
    /// It appends or writes this.
    Write(u32),
    /// It read these: the elements of a list; the value of a register, or none for nil.
    Read(&'h [u32]),
    /// It read, but what is not known.
    Unknown,
}

/// A well-formed history of transactions, in the order of their invocations, so that [`OpId`] is the index.
///
/// ```
/// use squall_checker::transactions::{Datatype, MicroOperation, Transaction, TransactionHistory};
/// use squall_checker::{Completion, ProcessId};
/// let mut builder = TransactionHistory::builder(Datatype::ListAppend);
/// builder.push(&Transaction {
///     process: ProcessId(0),
///     micro_operations: vec![MicroOperation::append("x", 1)],
///     invoked: 0,
///     returned: Some(1),
///     completion: Completion::Ok(()),
/// })?;
/// assert_eq!(builder.build()?.len(), 1);
/// # Ok::<(), squall_checker::transactions::Unfit>(())
/// ```
#[derive(Clone, Debug)]
pub struct TransactionHistory {
    datatype: Datatype,
    transactions: Vec<Stored>,
    micros: Vec<Micro>,
    arena: Vec<u32>,
    keys: IndexSet<Arc<str>, FxBuildHasher>,
    values: IndexSet<Value, FxBuildHasher>,
}

impl TransactionHistory {
    /// Begins a history of this datatype.
    pub fn builder(datatype: Datatype) -> TransactionHistoryBuilder {
        TransactionHistoryBuilder {
            history: Self {
                datatype,
                transactions: Vec::new(),
                micros: Vec::new(),
                arena: Vec::new(),
                keys: IndexSet::default(),
                values: IndexSet::default(),
            },
            longest: Vec::new(),
        }
    }

    /// What its keys hold.
    pub fn datatype(&self) -> Datatype {
        self.datatype
    }

    /// How many transactions it has.
    pub fn len(&self) -> usize {
        self.transactions.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    /// One transaction.
    ///
    /// # Panics
    /// If the id is of another history.
    pub fn get(&self, id: OpId) -> Transaction {
        let stored = self.stored(id.0);
        Transaction {
            process: ProcessId(stored.process),
            micro_operations: self.micros(id.0).iter().map(|micro| self.micro_operation(*micro)).collect(),
            invoked: stored.invoked,
            returned: (stored.returned != NEVER).then_some(stored.returned),
            completion: match stored.status {
                Status::Ok => Completion::Ok(()),
                Status::Fail => Completion::Fail,
                Status::Info => Completion::Info,
            },
        }
    }

    /// All transactions with their ids, in the order of their invocations.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (OpId, Transaction)> + '_ {
        (0..self.len()).map(|index| (op_id(index), self.get(op_id(index))))
    }

    fn micro_operation(&self, micro: Micro) -> MicroOperation {
        let key = Arc::clone(self.key(micro.key));
        match (self.step(micro), self.datatype) {
            (Step::Write(element), Datatype::ListAppend) => {
                MicroOperation::Append { key, element: self.value(element).clone() }
            }
            (Step::Write(value), Datatype::Register) => {
                MicroOperation::Write { key, value: self.value(value).clone() }
            }
            (Step::Read(shown), _) => MicroOperation::Read { key, value: Some(self.shown(shown)) },
            (Step::Unknown, _) => MicroOperation::Read { key, value: None },
        }
    }

    /// What a read showed, as a value.
    pub(super) fn shown(&self, shown: &[u32]) -> Value {
        match (self.datatype, shown) {
            (Datatype::ListAppend, _) => {
                Value::List(shown.iter().map(|element| self.value(*element).clone()).collect())
            }
            (Datatype::Register, []) => Value::Nil,
            (Datatype::Register, [value, ..]) => self.value(*value).clone(),
        }
    }

    pub(super) fn count(&self) -> u32 {
        op_id(self.transactions.len()).0
    }

    pub(super) fn keys(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn values(&self) -> usize {
        self.values.len()
    }

    pub(super) fn key(&self, key: u32) -> &Arc<str> {
        &self.keys[key as usize]
    }

    pub(super) fn key_named(&self, name: &str) -> Option<u32> {
        self.keys.get_index_of(name).and_then(|index| u32::try_from(index).ok())
    }

    pub(super) fn value(&self, value: u32) -> &Value {
        &self.values[value as usize]
    }

    pub(super) fn stored(&self, transaction: u32) -> &Stored {
        &self.transactions[transaction as usize]
    }

    pub(super) fn status(&self, transaction: u32) -> Status {
        self.stored(transaction).status
    }

    /// The steps of a transaction.
    pub(super) fn micros(&self, transaction: u32) -> &[Micro] {
        &self.micros[self.range(transaction)]
    }

    /// Where the steps of a transaction lie among those of all.
    pub(super) fn range(&self, transaction: u32) -> std::ops::Range<usize> {
        let stored = self.stored(transaction);
        stored.first as usize..stored.end as usize
    }

    /// The steps of all transactions.
    pub(super) fn all_micros(&self) -> &[Micro] {
        &self.micros
    }

    pub(super) fn step(&self, micro: Micro) -> Step<'_> {
        match micro.len {
            WRITE => Step::Write(micro.start),
            UNKNOWN => Step::Unknown,
            len => Step::Read(&self.arena[micro.start as usize..micro.start as usize + len as usize]),
        }
    }
}

/// What a step that is being recorded does to its key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Access<'v> {
    /// It appends or writes this.
    Write(&'v Value),
    /// It reads this, if that is known.
    Read(Option<&'v Value>),
}

/// A history in the making.
#[derive(Debug)]
pub struct TransactionHistoryBuilder {
    history: TransactionHistory,
    /// Where the longest list read of each key lies.
    longest: Vec<(u32, u32)>,
}

impl TransactionHistoryBuilder {
    /// Adds a transaction, in any order.
    ///
    /// # Errors
    /// [`Unfit`] for a return before its invocation or without its stamp, steps that are not of the datatype, and
    /// what cannot be numbered. What was added of it is dropped.
    pub fn push(&mut self, transaction: &Transaction) -> Result<(), Unfit> {
        for step in &transaction.micro_operations {
            let (expected, access) = match step {
                MicroOperation::Append { element, .. } => (Datatype::ListAppend, Access::Write(element)),
                MicroOperation::Write { value, .. } => (Datatype::Register, Access::Write(value)),
                MicroOperation::Read { value, .. } => (self.history.datatype, Access::Read(value.as_ref())),
            };
            let added = match expected == self.history.datatype {
                true => self.step(step.key(), access),
                false => Err(self.unfit(step.to_string())),
            };
            if let Err(unfit) = added {
                self.drop_steps();
                return Err(unfit);
            }
        }
        let (status, returned) = match transaction.completion {
            Completion::Ok(()) => (Status::Ok, transaction.returned),
            Completion::Fail => (Status::Fail, transaction.returned),
            Completion::Info => (Status::Info, None),
        };
        self.end(transaction.process, transaction.invoked, returned, status).map_err(Unfit::from)
    }

    /// What its keys hold.
    pub(super) fn datatype(&self) -> Datatype {
        self.history.datatype
    }

    /// Ends the transaction to which the latest steps belong.
    pub(super) fn end(
        &mut self,
        process: ProcessId,
        invoked: u64,
        returned: Option<u64>,
        status: Status,
    ) -> Result<(), Malformed> {
        let place = self.history.transactions.len() as u64;
        let first = self.first_step();
        let returned = match (status, returned) {
            (Status::Info, _) => Ok(NEVER),
            (_, None) => Err(Malformed::NoReturn { place }),
            (_, Some(returned)) if returned < invoked => {
                Err(Malformed::Backwards { place, invoked, returned })
            }
            (_, Some(returned)) => Ok(returned),
        };
        let returned = returned.inspect_err(|_| self.drop_steps())?;
        if place >= u64::from(UNKNOWN) {
            return Err(Malformed::TooLarge { max: UNKNOWN as usize });
        }
        let end = u32::try_from(self.history.micros.len()).expect("steps are counted as they are added");
        self.history.transactions.push(Stored { process: process.0, invoked, returned, first, end, status });
        Ok(())
    }

    /// Where the steps begin that belong to no transaction yet.
    fn first_step(&self) -> u32 {
        self.history.transactions.last().map_or(0, |last| last.end)
    }

    fn drop_steps(&mut self) {
        let first = self.first_step() as usize;
        self.history.micros.truncate(first);
    }

    /// The history.
    ///
    /// # Errors
    /// [`Unfit`] if a process has two transactions at the same time; they may touch.
    pub fn build(mut self) -> Result<TransactionHistory, Unfit> {
        let transactions = &mut self.history.transactions;
        let by_time = |stored: &Stored| (stored.invoked, stored.returned);
        if !transactions.is_sorted_by_key(by_time) {
            transactions.sort_by_key(by_time);
        }
        let mut busy_until: FxHashMap<u64, u64> = FxHashMap::default();
        for (place, stored) in (0u64..).zip(transactions.iter()) {
            let busy = busy_until.entry(stored.process).or_default();
            if stored.invoked < *busy {
                return Err(Malformed::Overlap { place, process: ProcessId(stored.process) }.into());
            }
            *busy = if stored.returned == NEVER { stored.invoked } else { stored.returned };
        }
        Ok(self.history)
    }

    /// Adds a step to the transaction that is ended next.
    pub(super) fn step(&mut self, key: &str, access: Access<'_>) -> Result<(), Unfit> {
        let micro = match (access, self.history.datatype) {
            (Access::Read(None), _) => Micro { key: self.key(key)?, start: 0, len: UNKNOWN },
            (Access::Write(Value::Nil), _) => return Err(self.unfit(format!("write {key} nil"))),
            (Access::Write(value), _) => {
                let (key, start) = (self.key(key)?, self.value(value)?);
                Micro { key, start, len: WRITE }
            }
            (Access::Read(Some(value)), Datatype::ListAppend) => match value.as_list() {
                Some(items) => {
                    let key = self.key(key)?;
                    self.list(key, items)?
                }
                None => return Err(self.unfit(format!("read {key} -> {value}"))),
            },
            (Access::Read(Some(Value::Nil)), Datatype::Register) => {
                Micro { key: self.key(key)?, start: 0, len: 0 }
            }
            (Access::Read(Some(value)), Datatype::Register) => {
                let (key, start) = (self.key(key)?, number(self.history.arena.len())?);
                let value = self.value(value)?;
                self.history.arena.push(value);
                Micro { key, start, len: 1 }
            }
        };
        number(self.history.micros.len())?;
        self.history.micros.push(micro);
        Ok(())
    }

    fn unfit(&self, step: String) -> Unfit {
        let expected = match self.history.datatype {
            Datatype::ListAppend => "lists, whose elements are not nil",
            Datatype::Register => "registers, to which nil is never written",
        };
        Unfit::Step { place: self.history.transactions.len() as u64, step, expected }
    }

    /// A list that was read: where it is a prefix of the longest of its key so far, it lies there.
    fn list(&mut self, key: u32, items: &[Value]) -> Result<Micro, Unfit> {
        let start = self.history.arena.len();
        for item in items {
            let item = self.value(item)?;
            self.history.arena.push(item);
        }
        number(self.history.arena.len())?;
        let (start, len) = (number(start)?, number(items.len())?);
        let longest = &mut self.longest[key as usize];
        let (known, new) = self.history.arena.split_at(start as usize);
        let known = &known[longest.0 as usize..(longest.0 + longest.1) as usize];
        if known.starts_with(new) {
            self.history.arena.truncate(start as usize);
            return Ok(Micro { key, start: longest.0, len });
        }
        if len > longest.1 {
            *longest = (start, len);
        }
        Ok(Micro { key, start, len })
    }

    fn key(&mut self, key: &str) -> Result<u32, Unfit> {
        if let Some(index) = self.history.keys.get_index_of(key) {
            return number(index);
        }
        self.longest.push((0, 0));
        number(self.history.keys.insert_full(Arc::from(key)).0)
    }

    fn value(&mut self, value: &Value) -> Result<u32, Unfit> {
        if let Some(index) = self.history.values.get_index_of(value) {
            return number(index);
        }
        number(self.history.values.insert_full(value.clone()).0)
    }
}

/// An index in 32 bits, leaving room for the marks.
fn number(index: usize) -> Result<u32, Unfit> {
    u32::try_from(index).ok().filter(|number| *number < UNKNOWN).ok_or(Unfit::TooLarge)
}
