//! How each workload's operations are put to the store, and what its answers mean to the workload.
//!
//! One operation may take several requests, one after the other; each happens exactly once. An answer of a kind that
//! the request cannot have (a bug may hand a client somebody else's) tells the client nothing.

use std::sync::Arc;

use squall_checker::kv::{KvOp, KvRet};
use squall_checker::models::bank::{BankAction, BankRet};
use squall_checker::models::counter::{CounterAction, CounterOp, CounterRet};
use squall_checker::models::multi_register::{MultiRegisterOp, Step as RegisterStep};
use squall_checker::models::mutex::{MutexAction, MutexOp};
use squall_checker::models::set::{SetAction, SetOp, SetRet};
use squall_checker::{Spec, Value};
use squall_cluster::app::{self, Key, MicroOperation, OPENING_BALANCE, Operation, Reply};
use squall_cluster::bugs::Mode;
use squall_cluster::node::NodeId;
use squall_cluster::sharded::configuration::{Administration, Change, Configuration, GroupId, ShardId};
use squall_workloads::config::{ConfigOp, ConfigRet, SeenConfiguration};
use squall_workloads::transactions::{MicroOp, TransactionOp, TransactionRet};
use squall_workloads::{
    BankWorkload, ConfigWorkload, CounterWorkload, Flavour, KeyValue, MutexWorkload, Registers, SetWorkload,
    Transactions, Workload,
};

use super::built_in::layout;

/// What comes of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next<R> {
    /// The operation is done.
    Done(R),
    /// It did nothing, for this reason.
    Refused(&'static str),
    /// It takes another request.
    Ask(Operation),
    /// The reply is to something else.
    Strange,
}

/// Who asks, and of how large a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// The client, from 0.
    pub client: u32,
    /// Servers.
    pub servers: u32,
}

/// A workload that the built-in cluster can run.
pub trait Served: Workload + Clone + Send + Sync + std::fmt::Debug {
    /// Whether it has something to ask of a cluster in this mode.
    fn suits(&self, _mode: Mode) -> bool {
        true
    }

    /// The first request of an operation.
    fn request(&self, seat: Seat, op: &<Self::Spec as Spec>::Op) -> Operation;

    /// What comes after the reply to `asked`.
    fn follow(
        &self,
        seat: Seat,
        op: &<Self::Spec as Spec>::Op,
        asked: &Operation,
        reply: Reply,
    ) -> Next<<Self::Spec as Spec>::Ret>;
}

/// A value of a workload as the cluster stores it: a list of numbers; a register holds a list of one.
fn stored(value: &Value) -> app::Value {
    let number = |value: &Value| match value {
        Value::Int(number) => *number,
        Value::Nil | Value::Text(_) | Value::List(_) => unreachable!("the workloads write numbers"),
    };
    match value {
        Value::Nil => [].into(),
        Value::Int(number) => [*number].into(),
        Value::List(items) => items.iter().map(number).collect(),
        Value::Text(_) => unreachable!("the workloads write numbers"),
    }
}

/// A list as workloads read it.
fn list(stored: Option<app::Value>) -> Value {
    stored.map_or(Value::Nil, |items| Value::list(items.iter().copied()))
}

/// A register as workloads read it.
fn scalar(stored: Option<app::Value>) -> Value {
    match stored.as_deref() {
        Some([number]) => Value::Int(*number),
        _ => list(stored),
    }
}

impl Served for KeyValue {
    fn request(&self, _seat: Seat, op: &KvOp) -> Operation {
        let key = Arc::clone(op.key());
        match op {
            KvOp::Get { .. } => Operation::Get { key },
            KvOp::Put { value, .. } => Operation::Put { key, value: stored(value) },
            KvOp::Append { value, .. } => {
                Operation::Append { key, element: stored(value).first().copied().unwrap_or(0) }
            }
            KvOp::Cas { expected, new, .. } => {
                let expected = (*expected != Value::Nil).then(|| stored(expected));
                Operation::Cas { key, expected, new: stored(new) }
            }
            KvOp::Delete { .. } => Operation::Delete { key },
        }
    }

    /// A reply of another kind is handed on: no order of a store gives it.
    fn follow(&self, _seat: Seat, _op: &KvOp, _asked: &Operation, reply: Reply) -> Next<KvRet> {
        let shown = if self.flavour() == Flavour::Register { scalar } else { list };
        Next::Done(match reply {
            Reply::Value(value) => KvRet::Value(shown(value)),
            Reply::Done => KvRet::Done,
            Reply::Mismatch(value) => KvRet::Mismatch(Some(shown(value))),
            Reply::Values(_) | Reply::InsufficientFunds | Reply::Configuration(_) | Reply::Refused(_) => {
                return Next::Strange;
            }
        })
    }
}

/// A set is the list of its elements.
impl Served for SetWorkload {
    fn request(&self, _seat: Seat, op: &SetOp) -> Operation {
        let key = Arc::clone(&op.key);
        match &op.action {
            SetAction::Add { element: Value::Int(element) } => Operation::Append { key, element: *element },
            SetAction::Add { .. } => unreachable!("the workload adds numbers"),
            SetAction::Read => Operation::Get { key },
        }
    }

    fn follow(&self, _seat: Seat, op: &SetOp, _asked: &Operation, reply: Reply) -> Next<SetRet> {
        match (&op.action, reply) {
            (SetAction::Add { .. }, Reply::Done) => Next::Done(SetRet::Done),
            (SetAction::Read, Reply::Value(value)) => {
                let elements = value.iter().flat_map(|list| list.iter().copied()).map(Value::Int);
                Next::Done(SetRet::Elements(elements.collect()))
            }
            _ => Next::Strange,
        }
    }
}

impl Served for CounterWorkload {
    fn request(&self, _seat: Seat, op: &CounterOp) -> Operation {
        let key = Arc::clone(&op.key);
        match op.action {
            CounterAction::Add { amount } => Operation::Add { key, amount },
            CounterAction::Read => Operation::Get { key },
        }
    }

    fn follow(&self, _seat: Seat, op: &CounterOp, _asked: &Operation, reply: Reply) -> Next<CounterRet> {
        match (&op.action, reply) {
            (CounterAction::Add { .. }, Reply::Done) => Next::Done(CounterRet::Done),
            (CounterAction::Read, Reply::Value(value)) => {
                let sum = value.and_then(|number| number.first().copied()).unwrap_or(0);
                Next::Done(CounterRet::Sum(sum))
            }
            _ => Next::Strange,
        }
    }
}

/// A lock is free if its key is absent or holds nothing; otherwise it holds the name of its owner.
impl Served for MutexWorkload {
    fn request(&self, seat: Seat, op: &MutexOp) -> Operation {
        let key = Arc::clone(&op.key);
        let owner = owner(seat);
        match op.action {
            MutexAction::Acquire => Operation::Cas { key, expected: None, new: owner },
            MutexAction::Release => Operation::Cas { key, expected: Some(owner), new: [].into() },
        }
    }

    fn follow(&self, seat: Seat, op: &MutexOp, asked: &Operation, reply: Reply) -> Next<()> {
        let never_held = matches!(asked, Operation::Cas { expected: None, .. });
        match (op.action, reply) {
            (_, Reply::Done) => Next::Done(()),
            // It was held before, and is free again.
            (MutexAction::Acquire, Reply::Mismatch(Some(value))) if never_held && value.is_empty() => {
                let (key, new) = (Arc::clone(&op.key), owner(seat));
                Next::Ask(Operation::Cas { key, expected: Some(value), new })
            }
            (MutexAction::Acquire, Reply::Mismatch(_)) => Next::Refused("held"),
            (MutexAction::Release, Reply::Mismatch(_)) => Next::Refused("not held by this client"),
            _ => Next::Strange,
        }
    }
}

/// The name under which a client holds locks.
fn owner(seat: Seat) -> app::Value {
    [i64::from(seat.client) + 1].into()
}

impl Served for BankWorkload {
    fn request(&self, _seat: Seat, op: &BankAction) -> Operation {
        match op {
            BankAction::Transfer { from, to, amount } => Operation::Transfer {
                from: account(from),
                to: account(to),
                amount: u32::try_from(*amount).expect("amounts are small"),
            },
            BankAction::Read => {
                let accounts = (0..self.accounts()).map(|number| account(&Value::Int(number.into())));
                Operation::MultiGet { keys: accounts.collect() }
            }
        }
    }

    fn follow(&self, _seat: Seat, op: &BankAction, _asked: &Operation, reply: Reply) -> Next<BankRet> {
        match (op, reply) {
            (BankAction::Transfer { .. }, Reply::Done) => Next::Done(BankRet::Done),
            (BankAction::Transfer { .. }, Reply::InsufficientFunds) => Next::Refused("insufficient funds"),
            (BankAction::Read, Reply::Values(values)) if values.len() == self.accounts() as usize => {
                let balance = |value: &Option<app::Value>| match value {
                    None => OPENING_BALANCE,
                    Some(number) => number.first().copied().unwrap_or(0),
                };
                let balances = (0..).map(Value::Int).zip(values.iter().map(balance));
                Next::Done(BankRet::Balances(balances.collect()))
            }
            _ => Next::Strange,
        }
    }
}

/// The key of an account.
fn account(number: &Value) -> Key {
    format!("account{number}").into()
}

impl Served for Registers {
    fn request(&self, _seat: Seat, op: &MultiRegisterOp) -> Operation {
        if let [RegisterStep::Swap { key, other }] = &op[..] {
            return Operation::Swap { first: Arc::clone(key), second: Arc::clone(other) };
        }
        let write = |step: &RegisterStep| match step {
            RegisterStep::Write { key, value } => Some((Arc::clone(key), stored(value))),
            RegisterStep::Read { .. } | RegisterStep::Swap { .. } => None,
        };
        match op.iter().map(write).collect() {
            Some(pairs) => Operation::MultiPut { pairs },
            None => Operation::MultiGet { keys: op.iter().map(|step| Arc::clone(step.key())).collect() },
        }
    }

    fn follow(
        &self,
        _seat: Seat,
        op: &MultiRegisterOp,
        _asked: &Operation,
        reply: Reply,
    ) -> Next<Arc<[Value]>> {
        let reads = op.iter().filter(|step| matches!(step, RegisterStep::Read { .. })).count();
        match reply {
            Reply::Done if reads == 0 => Next::Done([].into()),
            Reply::Values(values) if values.len() == reads => {
                Next::Done(values.iter().cloned().map(scalar).collect())
            }
            _ => Next::Strange,
        }
    }
}

impl Served for Transactions {
    fn request(&self, _seat: Seat, op: &TransactionOp) -> Operation {
        let step = |micro: &MicroOp| match micro {
            MicroOp::Read { key } => MicroOperation::Read { key: Arc::clone(key) },
            MicroOp::Append { key, element } => {
                MicroOperation::Append { key: Arc::clone(key), element: *element }
            }
        };
        Operation::Transaction { steps: op.iter().map(step).collect() }
    }

    fn follow(
        &self,
        _seat: Seat,
        op: &TransactionOp,
        _asked: &Operation,
        reply: Reply,
    ) -> Next<TransactionRet> {
        let reads = op.iter().filter(|micro| matches!(micro, MicroOp::Read { .. })).count();
        match reply {
            Reply::Values(values) if values.len() == reads => {
                Next::Done(values.iter().cloned().map(list).collect())
            }
            _ => Next::Strange,
        }
    }
}

/// The controller is asked what only it does.
impl Served for ConfigWorkload {
    fn suits(&self, mode: Mode) -> bool {
        mode == Mode::Sharded
    }

    fn request(&self, seat: Seat, op: &ConfigOp) -> Operation {
        let change = match *op {
            ConfigOp::Query { num } => return Operation::Administer(Administration::Query { num }),
            ConfigOp::Join { group } => {
                let hosts: Vec<NodeId> = (1..=seat.servers).map(NodeId).collect();
                let members = layout(&hosts).groups.remove(&GroupId(group)).unwrap_or_default();
                Change::Join([(GroupId(group), members)].into())
            }
            ConfigOp::Leave { group } => Change::Leave([GroupId(group)].into()),
            ConfigOp::Move { shard, group } => Change::Move { shard: ShardId(shard), to: GroupId(group) },
        };
        Operation::Administer(Administration::Change(change))
    }

    fn follow(&self, _seat: Seat, op: &ConfigOp, _asked: &Operation, reply: Reply) -> Next<ConfigRet> {
        match (op, reply) {
            (ConfigOp::Query { .. }, Reply::Configuration(configuration)) => {
                Next::Done(ConfigRet::Seen(Arc::new(seen(&configuration))))
            }
            (ConfigOp::Join { .. } | ConfigOp::Leave { .. } | ConfigOp::Move { .. }, Reply::Done) => {
                Next::Done(ConfigRet::Done)
            }
            (_, Reply::Refused(_)) => Next::Refused("the controller refuses"),
            _ => Next::Strange,
        }
    }
}

/// A configuration as the workload reads it.
fn seen(configuration: &Configuration) -> SeenConfiguration {
    SeenConfiguration {
        num: configuration.num,
        shards: configuration.shards.iter().map(|group| group.0).collect(),
        groups: configuration.groups.keys().map(|group| group.0).collect(),
    }
}
