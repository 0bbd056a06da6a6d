//! A bank: money is transferred between accounts, and all balances are read at once.
//!
//! Two questions. Does every read show the same total, on the same accounts, none below zero? That is Jepsen's check
//! ([`Totals`]), and what a bank on snapshots owes. Are transfers and reads linearizable? That is for [`Bank`], the
//! specification, and [`crate::Linearizable`]. What the accounts hold at first may be unknown: the first read in the
//! order tells, and all others must agree with it.

mod order;
mod totals;

pub use totals::Totals;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::replay;
use crate::format::{FormatError, Misread, RawOperation, Recorded, RecordedSpec, pair};
use crate::history::{Completion, Operation};
use crate::judge::{Options, merged};
use crate::model::{Answer, Definition, Typed, judge_linearizable};
use crate::spec::{Direct, Spec};
use crate::value::Value;
use crate::verdict::{Bounds, Check};

/// What is done at a bank.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BankAction {
    /// Move an amount from one account to another.
    Transfer {
        /// The account that pays.
        from: Value,
        /// The account that is paid.
        to: Value,
        /// How much.
        amount: i64,
    },
    /// Read all balances.
    Read,
}

/// What it returned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BankRet {
    /// A transfer.
    Done,
    /// A read: accounts with their balances, in the order of the accounts.
    Balances(Arc<[(Value, i64)]>),
}

/// The specification of a bank.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bank {
    /// What all accounts hold together, if that is known.
    pub total: Option<i64>,
    /// Whether an account may owe.
    pub negative: bool,
}

/// What is known of the accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Accounts {
    /// Whether a read has told the balances; else they are what was moved since the beginning.
    pub told: bool,
    /// Account to balance.
    pub balances: BTreeMap<Value, i128>,
}

impl Spec for Bank {
    type Op = BankAction;
    type Ret = BankRet;
    type State = Accounts;

    fn init(&self) -> Accounts {
        Accounts::default()
    }

    fn step(&self, accounts: &Accounts, op: &BankAction, ret: Option<&BankRet>) -> Option<Accounts> {
        match (op, ret) {
            (BankAction::Transfer { from, to, amount }, None | Some(BankRet::Done)) => {
                let mut next = accounts.clone();
                *next.balances.entry(from.clone()).or_default() -= i128::from(*amount);
                *next.balances.entry(to.clone()).or_default() += i128::from(*amount);
                let opens = next.balances.len() > accounts.balances.len();
                let refused = next.told && (opens || (!self.negative && next.balances[from] < 0));
                // One that nobody knows the outcome of may have been refused.
                if refused { ret.is_none().then(|| accounts.clone()) } else { Some(next) }
            }
            (BankAction::Read, None) => Some(accounts.clone()),
            (BankAction::Read, Some(BankRet::Balances(told))) => {
                let total: i128 = told.iter().map(|(_, balance)| i128::from(*balance)).sum();
                let right = self.total.is_none_or(|expected| i128::from(expected) == total);
                let negative = !self.negative && told.iter().any(|(_, balance)| *balance < 0);
                let told = told.iter().map(|(account, balance)| (account.clone(), i128::from(*balance)));
                let next = Accounts { told: true, balances: told.collect() };
                (right && !negative && (!accounts.told || *accounts == next)).then_some(next)
            }
            _ => None,
        }
    }

    fn decide_directly(&self, operations: &[&Operation<BankAction, BankRet>]) -> Option<Direct> {
        let order = order::propose(operations, self.negative)?;
        replay::is_legal(self, operations, &order).then_some(Direct::Legal(order))
    }

    fn describe(&self, op: &BankAction, ret: Option<&BankRet>) -> String {
        match (op, ret) {
            (BankAction::Transfer { from, to, amount }, _) => {
                format!("transfer {amount} from {from} to {to}")
            }
            (BankAction::Read, Some(BankRet::Balances(told))) => format!("read -> {}", listed(told)),
            (BankAction::Read, _) => "read".to_owned(),
        }
    }

    fn describe_state(&self, accounts: &Accounts) -> String {
        let balances: Vec<(Value, i128)> =
            accounts.balances.iter().map(|(account, balance)| (account.clone(), *balance)).collect();
        match (accounts.told, balances.is_empty()) {
            (true, _) => listed(&balances),
            (false, true) => "unknown".to_owned(),
            (false, false) => format!("unknown, but for {} that was moved", listed(&balances)),
        }
    }
}

/// `{1: 5, 2: 10}`.
fn listed<B: std::fmt::Display>(balances: &[(Value, B)]) -> String {
    let entries: Vec<String> =
        balances.iter().map(|(account, balance)| format!("{account}: {balance}")).collect();
    format!("{{{}}}", entries.join(", "))
}

/// A bank.
pub(crate) static BANK: Definition = Definition {
    name: "bank",
    aliases: &[],
    description: "transfer and read: the same total in every read, no account below zero",
    functions: &["transfer", "read"],
    plain: |usage| usage.functions.contains_key("transfer"),
    judge: judge_bank,
};

/// A bank that is one object.
pub(crate) static STRICT_BANK: Definition = Definition {
    name: "strict-bank",
    aliases: &["linearizable-bank"],
    description: "transfer and read, linearizable: what a bank on snapshots does not owe, as well",
    functions: &["transfer", "read"],
    plain: |_| false,
    judge: |recorded, options, bounds| {
        let Answer { outcome: totals, .. } = judge_bank(recorded, options, bounds)?;
        let Answer { outcome, history } = judge_linearizable(recorded, |_| Bank::default(), bounds)?;
        Ok(Answer { outcome: merged(vec![totals, outcome]), history })
    },
};

fn judge_bank(
    recorded: &Recorded<'_>,
    _: &Options,
    bounds: &Bounds<'_>,
) -> Result<Answer<'static>, FormatError> {
    let history = Arc::new(recorded.typed::<Bank>()?);
    let spec = Bank::default();
    let outcome = Totals.check(&spec, &history, bounds);
    Ok(Answer { outcome, history: Arc::new(Typed { spec, history, verifier: Totals::verify }) })
}

impl RecordedSpec for Bank {
    fn read(raw: &RawOperation) -> Result<(BankAction, Completion<BankRet>), Misread> {
        let op = match raw.function.as_ref() {
            "transfer" => transfer(raw.asked()?)?,
            "read" => BankAction::Read,
            other => {
                return Err(Misread::asked(format!(
                    "unknown operation `{other}`; expected transfer or read"
                )));
            }
        };
        let completion = raw.completed(|| match op {
            BankAction::Transfer { .. } => Ok(BankRet::Done),
            BankAction::Read => balances(raw.told()?).map(BankRet::Balances),
        })?;
        Ok((op, completion))
    }
}

/// `{:from 1 :to 2 :amount 5}`.
fn transfer(value: &Value) -> Result<BankAction, Misread> {
    let wrong =
        || Misread::asked(format!("expected the value of a transfer as {{from, to, amount}}, not {value}"));
    let entries = value.as_list().ok_or_else(wrong)?;
    let field = |name: &str| {
        let named = |key: &Value| matches!(key, Value::Text(text) if text.trim_start_matches(':') == name);
        let entry = entries.iter().filter_map(pair).find(|(key, _)| named(key));
        entry.map(|(_, value)| value.clone()).ok_or_else(wrong)
    };
    let Value::Int(amount) = field("amount")? else { return Err(wrong()) };
    Ok(BankAction::Transfer { from: field("from")?, to: field("to")?, amount })
}

/// `{1 5, 2 10}`.
fn balances(value: &Value) -> Result<Arc<[(Value, i64)]>, Misread> {
    let wrong = || {
        let message = format!("a read of a bank returns a map from accounts to balances, not {value}");
        Misread::told(message)
    };
    let Value::List(entries) = value else { return Err(wrong()) };
    let entry = |entry: &Value| match pair(entry) {
        Some((account, Value::Int(balance))) => Ok((account.clone(), *balance)),
        _ => Err(wrong()),
    };
    let mut balances = entries.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
    balances.sort_unstable();
    if balances.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(wrong());
    }
    Ok(balances.into())
}
