//! Histories of a bank that is one object are ordered however many outcomes are unknown; of others nothing is said.

use std::sync::Arc;

use super::super::{Bank, BankAction, BankRet};
use crate::history::{Completion, Operation, ProcessId};
use crate::spec::{Direct, Spec};
use crate::value::Value;

type BankOperation = Operation<BankAction, BankRet>;

/// Numbers that look drawn (xorshift, Marsaglia 2003).
struct Draw(u64);

impl Draw {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

const ACCOUNTS: usize = 4;

/// What a process has under way: when it began, what, and whether it took effect.
struct Open {
    invoked: u64,
    action: BankAction,
    ret: Option<BankRet>,
}

impl Open {
    fn ended(self, who: u64, returned: Option<u64>) -> BankOperation {
        let completion = match self.ret {
            Some(ret) if returned.is_some() => Completion::Ok(ret),
            _ => Completion::Info,
        };
        let (process, op, invoked) = (ProcessId(who), self.action, self.invoked);
        Operation { process, op, invoked, returned, completion }
    }
}

fn account(slot: u64) -> Value {
    Value::Int(i64::try_from(slot).expect("small"))
}

fn drawn_action(draw: &mut Draw) -> BankAction {
    if draw.below(10) < 3 {
        return BankAction::Read;
    }
    let (from, away) = (draw.below(4), 1 + draw.below(3));
    let amount = i64::try_from(1 + draw.below(9)).expect("small");
    BankAction::Transfer { from: account(from), to: account((from + away) % 4), amount }
}

/// Does what is asked, now; what it returns, if it is not refused.
fn happens(action: &BankAction, balances: &mut [i64; ACCOUNTS]) -> Option<BankRet> {
    let place = |account: &Value| match account {
        Value::Int(slot) => usize::try_from(*slot).expect("an account"),
        _ => unreachable!("accounts are numbers"),
    };
    match action {
        BankAction::Read => {
            let told = balances.iter().zip(0..).map(|(balance, slot)| (account(slot), *balance));
            Some(BankRet::Balances(told.collect::<Arc<[_]>>()))
        }
        BankAction::Transfer { from, amount, .. } if balances[place(from)] < *amount => None,
        BankAction::Transfer { from, to, amount } => {
            balances[place(from)] -= amount;
            balances[place(to)] += amount;
            Some(BankRet::Done)
        }
    }
}

/// A run of a bank that is one object, in which `lost` percent of the transfers are never answered: those may happen
/// later, or never.
fn history(seed: u64, steps: u64, processes: u64, lost: u64) -> Vec<BankOperation> {
    let mut draw = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut balances = [100_i64; ACCOUNTS];
    let mut open: Vec<Option<Open>> = (0..processes).map(|_| None).collect();
    let mut pending: Vec<Open> = Vec::new();
    let mut done: Vec<BankOperation> = Vec::new();
    for now in 1..steps {
        let who = draw.below(processes);
        let slot = usize::try_from(who).expect("small");
        open[slot] = match open[slot].take() {
            None => Some(Open { invoked: now, action: drawn_action(&mut draw), ret: None }),
            Some(asked) if asked.ret.is_none() => {
                if asked.action != BankAction::Read && draw.below(100) < lost {
                    pending.push(asked);
                    None
                } else {
                    let ret = happens(&asked.action, &mut balances);
                    ret.is_some().then_some(Open { ret, ..asked })
                }
            }
            Some(answered) => {
                done.push(answered.ended(who, Some(now)));
                None
            }
        };
        if draw.below(12) == 0 && !pending.is_empty() {
            let late = pending.swap_remove(usize::try_from(draw.below(pending.len() as u64)).expect("small"));
            if draw.below(2) == 0 {
                happens(&late.action, &mut balances);
            }
            done.push(late.ended(processes, None));
        }
    }
    // What is under way at the end may have happened.
    let left = open.into_iter().flatten();
    done.extend(left.map(|under_way| under_way.ended(processes, None)));
    done.sort_by_key(|operation| operation.invoked);
    done
}

fn decided(history: &[BankOperation]) -> Option<Direct> {
    let operations: Vec<&BankOperation> = history.iter().collect();
    Bank { total: Some(400), negative: false }.decide_directly(&operations)
}

#[test]
fn many_unknown_outcomes_are_ordered() {
    let undecided: Vec<u64> = (1..200)
        .filter(|seed| {
            let history = history(*seed, 900, 10, 8);
            let unknown = history.iter().filter(|operation| operation.returned.is_none()).count();
            assert!(unknown > 3 && history.len() > 150, "{unknown} of {}", history.len());
            !matches!(decided(&history), Some(Direct::Legal(_)))
        })
        .collect();
    assert!(undecided.is_empty(), "no order was found for {undecided:?}");
}

#[test]
fn of_what_is_no_bank_nothing_is_said() {
    for seed in 1..50 {
        let mut history = history(seed, 300, 6, 5);
        let read = history.iter_mut().rev().find_map(|operation| match &mut operation.completion {
            Completion::Ok(BankRet::Balances(balances)) => Some(balances),
            _ => None,
        });
        let balances = read.expect("somebody read");
        let mut other = balances.to_vec();
        // Nobody moved so much.
        other[0].1 += 1_000;
        other[1].1 -= 1_000;
        *balances = other.into();
        assert_eq!(decided(&history), None, "seed {seed}");
    }
}
