//! The workload `bank`: transfers between a few accounts, and reads of all balances at once.
//!
//! Every read must show the same total and no account below zero, and the whole must be linearizable: a bank that
//! serves old snapshots keeps its total, too. The accounts are the same throughout, and every account is in every
//! read; what a client does not learn of a transfer is told by the next read. A transfer of more than the account
//! holds is refused; that the refusal was right is not judged.

use serde::{Deserialize, Serialize};
use serde_json::json;
use squall_checker::models::{Bank, BankAction, BankRet, Totals};
use squall_checker::{Check, Linearizable, Value};

use crate::decide::Decide;
use crate::script::{Keys, drawn_scripts, weighted};
use crate::workload::{ClientScript, Encoded, Issuer, Scripted, Shape, Workload};

/// The largest amount of a transfer.
const AMOUNT_MAX: u32 = 40;

/// The workload `bank`.
#[derive(Clone, Debug)]
pub struct BankWorkload {
    accounts: Keys,
    opening_balance: i64,
}

/// Transfers between `accounts` accounts, each of which holds `opening_balance` before it is first used; reads of all.
///
/// # Panics
///
/// If `accounts` is 0.
pub fn bank(accounts: u32, opening_balance: i64) -> BankWorkload {
    BankWorkload { accounts: Keys::new(accounts), opening_balance }
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", rename_all = "lowercase", deny_unknown_fields)]
pub enum BankStep {
    /// Move an amount.
    Transfer {
        /// From this account.
        slot: u32,
        /// To this one.
        other: u32,
        /// How much.
        amount: u32,
    },
    /// Read all balances.
    Read,
}

impl BankWorkload {
    /// How many accounts there are.
    pub fn accounts(&self) -> u32 {
        self.accounts.count()
    }

    fn transfer(from: u32, to: u32, amount: u32) -> BankAction {
        let account = |slot: u32| Value::Int(slot.into());
        BankAction::Transfer { from: account(from), to: account(to), amount: amount.into() }
    }
}

impl Workload for BankWorkload {
    type Spec = Bank;
    type Step = BankStep;
    type Memory = ();

    fn name(&self) -> &str {
        "bank"
    }

    fn keys(&self) -> u32 {
        self.accounts.count()
    }

    fn spec(&self) -> Bank {
        let total = self.opening_balance * i64::from(self.accounts.count());
        Bank { total: Some(total), negative: false }
    }

    fn script(&self, shape: &Shape, decide: &Decide) -> Vec<ClientScript<BankStep>> {
        drawn_scripts(shape, decide, |draw| {
            if weighted(draw, &[(50, true), (50, false)]) {
                return BankStep::Read;
            }
            let (slot, other) = (self.accounts.slot(draw), self.accounts.slot(draw));
            let amount = draw.range(1..=u64::from(AMOUNT_MAX));
            BankStep::Transfer { slot, other, amount: u32::try_from(amount).expect("small") }
        })
    }

    fn check_step(&self, step: &BankStep) -> Result<(), String> {
        match step {
            BankStep::Transfer { slot, other, .. } => self.accounts.check([*slot, *other]),
            BankStep::Read => Ok(()),
        }
    }

    fn operation(&self, step: &Scripted<BankStep>, _issuer: &Issuer<'_, ()>) -> BankAction {
        match step.step {
            BankStep::Transfer { slot, other, amount } => Self::transfer(slot, other, amount),
            BankStep::Read => BankAction::Read,
        }
    }

    fn ping(&self) -> BankAction {
        BankAction::Read
    }

    /// A transfer from each account to the next: to be refused is an answer, too.
    fn recovery(&self, _now_ms: u64, _next_id: &mut dyn FnMut() -> u32) -> Vec<BankAction> {
        let accounts = self.accounts.count();
        (0..accounts).map(|slot| Self::transfer(slot, (slot + 1) % accounts, 1)).collect()
    }

    fn final_reads(&self, _issued: &[BankAction]) -> Vec<BankAction> {
        vec![BankAction::Read]
    }

    fn checks(&self) -> Vec<Box<dyn Check<Bank>>> {
        vec![Box::new(Totals), Box::new(Linearizable)]
    }

    fn encode(&self, op: &BankAction, ret: Option<&BankRet>) -> Encoded {
        let (function, value) = match (op, ret) {
            (BankAction::Transfer { from, to, amount }, _) => {
                ("transfer", json!({ "from": from, "to": to, "amount": amount }))
            }
            (BankAction::Read, Some(BankRet::Balances(balances))) => ("read", json!(&balances[..])),
            (BankAction::Read, Some(BankRet::Done) | None) => ("read", json!(null)),
        };
        Encoded { function: function.into(), key: None, value }
    }
}
