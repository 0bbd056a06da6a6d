//! The check of Jepsen's bank: whether all reads agree on what no transfer changes.
//!
//! A verdict is proven as one on linearizability is, for a specification without state: the first read to return says what
//! the others must show, and each is legal or not by itself.

use std::borrow::Cow;

use super::{Bank, BankAction, BankRet};
use crate::certificate::{Certificate, NotProven, Proof, Reduction, verify_all};
use crate::history::{Completion, History, Indexed, OpId, Operation};
use crate::models::telling::Telling;
use crate::spec::Spec;
use crate::value::Value;
use crate::verdict::{Bounds, Check, CheckOutcome, Partition, Verdict, Violation};
use crate::words::by;

/// The check "bank": every read shows the same total, on the same accounts, and none below zero. Where the total is
/// not given, the first read to return tells it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals;

/// The name of the check.
const NAME: &str = "bank";

impl Check<Bank> for Totals {
    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(NAME)
    }

    fn check(
        &self,
        bank: &Bank,
        history: &History<BankAction, BankRet>,
        bounds: &Bounds<'_>,
    ) -> CheckOutcome {
        let mut reads: Vec<Read<'_>> = history.iter().filter_map(Read::of).collect();
        reads.sort_by_key(|read| (read.operation.returned, read.id));
        let violations = violations(bank, &reads);
        let (verdict, reason) = match () {
            () if !violations.is_empty() => (Verdict::Invalid, None),
            () if reads.is_empty() => {
                (Verdict::Vacuous, Some("no read completed: nothing to judge".to_owned()))
            }
            () => (Verdict::Valid, None),
        };
        let certificate = bounds.certificates.then(|| proof(history, &violations));
        let partition = Partition { key: String::new(), operations: history.len(), verdict, certificate };
        let partitions = if history.is_empty() { Vec::new() } else { vec![partition] };
        CheckOutcome { check: NAME.to_owned(), verdict, violations, reason, partitions }
    }
}

impl Totals {
    /// Checks that a verdict of this check is proven by its certificate.
    ///
    /// # Errors
    /// [`NotProven`] if it is not.
    pub fn verify(
        bank: &Bank,
        history: &History<BankAction, BankRet>,
        outcome: &CheckOutcome,
    ) -> Result<(), NotProven> {
        verify_all(&Shown::of(*bank, history), history, outcome)
    }
}

/// In any order, each is legal; or one is not, whatever the order.
fn proof(history: &History<BankAction, BankRet>, violations: &[Violation]) -> Certificate {
    let proof = match violations.first() {
        Some(violation) => {
            Proof::Reductions(vec![Reduction::ReadOnly { kept: violation.operations.clone() }])
        }
        None => {
            let happened = history.iter().filter(|(_, operation)| operation.completion != Completion::Fail);
            Proof::Order(happened.map(|(id, _)| id).collect())
        }
    };
    Certificate { partition: String::new(), proof }
}

/// What every read must show; transfers do not count.
#[derive(Debug)]
struct Shown {
    bank: Bank,
    /// Accounts and their total; nothing if no read returned.
    first: Option<(Vec<Value>, i128)>,
}

impl Shown {
    /// As the first read that returned has it.
    fn of(bank: Bank, history: &History<BankAction, BankRet>) -> Self {
        let reads = history.iter().filter_map(|(id, operation)| match operation.ret() {
            Some(BankRet::Balances(balances)) => Some(((operation.returned, id), balances)),
            _ => None,
        });
        let first = reads.min_by_key(|(when, _)| *when).map(|(_, balances)| {
            let accounts = balances.iter().map(|(account, _)| account.clone()).collect();
            (accounts, balances.iter().map(|(_, balance)| i128::from(*balance)).sum())
        });
        Self { bank, first }
    }
}

impl Spec for Shown {
    type Op = BankAction;
    type Ret = BankRet;
    type State = ();

    fn init(&self) {}

    fn step(&self, (): &(), _: &BankAction, ret: Option<&BankRet>) -> Option<()> {
        let (Some(BankRet::Balances(balances)), Some((accounts, first))) = (ret, &self.first) else {
            return Some(());
        };
        let total = balances.iter().map(|(_, balance)| i128::from(*balance)).sum::<i128>();
        let same = balances.iter().map(|(account, _)| account).eq(accounts);
        let owes = balances.iter().any(|(_, balance)| *balance < 0);
        let expected = self.bank.total.map_or(*first, i128::from);
        (same && total == expected && (self.bank.negative || !owes)).then_some(())
    }

    fn is_read_only(&self, _: &BankAction, _: Option<&BankRet>) -> bool {
        true
    }
}

/// A read that returned.
struct Read<'h> {
    id: OpId,
    operation: &'h Operation<BankAction, BankRet>,
    balances: &'h [(Value, i64)],
}

impl<'h> Read<'h> {
    fn of((id, operation): Indexed<'h, BankAction, BankRet>) -> Option<Self> {
        match operation.ret() {
            Some(BankRet::Balances(balances)) => Some(Self { id, operation, balances }),
            None | Some(BankRet::Done) => None,
        }
    }

    fn total(&self) -> i128 {
        self.balances.iter().map(|(_, balance)| i128::from(*balance)).sum()
    }

    fn accounts(&self) -> impl Iterator<Item = &'h Value> + Clone {
        self.balances.iter().map(|(account, _)| account)
    }
}

/// What is wrong, each kind once, with the read that returned first.
fn violations(bank: &Bank, reads: &[Read<'_>]) -> Vec<Violation> {
    let Some(first) = reads.first() else { return Vec::new() };
    let words = |read: &Read<'_>| by(bank, read.operation);
    let mut found = Vec::new();
    if let Some(other) = reads.iter().find(|read| !read.accounts().eq(first.accounts())) {
        let message = format!("{} and {} show different accounts", words(first), words(other));
        let told = vec!["accounts are neither opened nor closed, so all reads show the same".to_owned()];
        found.push(Telling::in_steps("wrong-accounts", message, told).violation(
            NAME,
            "",
            vec![first.id, other.id],
        ));
    }
    let expected = bank.total.map_or_else(|| first.total(), i128::from);
    if let Some(wrong) = reads.iter().find(|read| read.total() != expected) {
        let message = format!("{} shows a total of {}, not of {expected}", words(wrong), wrong.total());
        let mut told = vec!["a transfer leaves the total as it is, so all reads show the same".to_owned()];
        let mut ids = vec![wrong.id];
        if bank.total.is_none() {
            told.push(format!("{} shows a total of {expected}", words(first)));
            ids.push(first.id);
        } else {
            told.push(format!("the total was {expected} at first"));
        }
        told.push(message.clone());
        found.push(Telling::in_steps("wrong-total", message, told).violation(NAME, "", ids));
    }
    let below = |read: &&Read<'_>| read.balances.iter().any(|(_, balance)| *balance < 0);
    if let Some(wrong) = reads.iter().find(below).filter(|_| !bank.negative) {
        let owes = wrong.balances.iter().find(|(_, balance)| *balance < 0);
        let (account, balance) = owes.expect("it was found by that");
        let message = format!("{} shows {balance} on account {account}", words(wrong));
        let told = vec![message.clone(), "no transfer may take more than an account holds".to_owned()];
        found.push(Telling::in_steps("negative-balance", message, told).violation(NAME, "", vec![wrong.id]));
    }
    found
}
