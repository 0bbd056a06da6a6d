//! An order for a bank, built and not searched for operation by operation.
//!
//! Transfers commute but for overdrafts, so between two reads only *which* of them happened matters. Going through the
//! returns in their order, a transfer is put into the order when it must be, or when a read needs it: what is missing
//! from the present balances to those of a read is a sum over some of the open transfers, indeterminate ones among them.
//! Such sums are found account by account, so that transfers whose outcome nobody knows cost next to nothing, where a
//! general search tries all their subsets. Every choice can be taken back. The order that comes out is only a proposal:
//! whoever asks checks it, and where none comes out nothing is known.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashSet, FxHasher};

use super::{BankAction, BankRet};
use crate::history::Operation;
use crate::value::Value;

/// Longer histories are not tried.
const OPERATIONS_MAX: usize = 20_000;
/// Choices made before giving up.
const CHOICES_MAX: usize = 50_000;
/// Steps of the search for sums before giving up.
const SUM_STEPS_MAX: usize = 20_000_000;
/// Steps of the search for the sums of one read in one state.
const SUM_STEPS_EACH: usize = 20_000;
/// Of so many transfers every set is tried before the first read.
const UNTOLD_MAX: usize = 10;
/// Sums tried for one read in one state.
const SUMS_EACH: usize = 12;

/// An operation as it counts here.
#[derive(Debug)]
enum Act {
    Transfer { from: usize, to: usize, amount: i128 },
    Read(Vec<i128>),
}

/// What is done next: these, in this order.
type Series = Vec<u32>;

/// A choice that can be taken back.
#[derive(Debug)]
struct Frame {
    event: usize,
    order_len: usize,
    balances: Vec<i128>,
    told: bool,
    left: Vec<Series>,
}

#[derive(Debug)]
struct Builder<'o> {
    operations: &'o [&'o Operation<BankAction, BankRet>],
    acts: Vec<Option<Act>>,
    negative: bool,
    /// Who must return, in that order.
    returns: Vec<u32>,
    /// For each of them, who may be put into the order before it returns.
    open: Vec<Vec<u32>>,
    done: Vec<bool>,
    order: Vec<u32>,
    balances: Vec<i128>,
    told: bool,
    seen: FxHashSet<u64>,
    sum_steps: usize,
}

/// An order, if one is found soon; operations are given in the order of their invocations.
pub(super) fn propose(operations: &[&Operation<BankAction, BankRet>], negative: bool) -> Option<Vec<u32>> {
    let mut builder = Builder::new(operations, negative)?;
    builder.build().then_some(builder.order)
}

impl<'o> Builder<'o> {
    /// `None` where reads show different accounts, or transfers touch others.
    fn new(operations: &'o [&'o Operation<BankAction, BankRet>], negative: bool) -> Option<Self> {
        if operations.len() > OPERATIONS_MAX {
            return None;
        }
        let first = operations.iter().find_map(|operation| balances_of(operation))?;
        let accounts: BTreeMap<&Value, usize> =
            first.iter().enumerate().map(|(place, (account, _))| (account, place)).collect();
        let acts = operations.iter().map(|operation| act(operation, &accounts));
        let acts: Vec<Option<Act>> = acts.collect::<Option<_>>()?;
        let number = |index: usize| u32::try_from(index).expect("few operations");
        let mut returns: Vec<u32> =
            (0..operations.len()).filter(|index| operations[*index].ret().is_some()).map(number).collect();
        returns.sort_by_key(|index| operations[*index as usize].returned);
        let open = open_at(operations, &acts, &returns);
        Some(Self {
            operations,
            negative,
            open,
            returns,
            done: vec![false; acts.len()],
            acts,
            order: Vec::new(),
            balances: vec![0; accounts.len()],
            told: false,
            seen: FxHashSet::default(),
            sum_steps: 0,
        })
    }

    fn build(&mut self) -> bool {
        let mut frames: Vec<Frame> = Vec::new();
        let (mut event, mut choices) = (0, 0);
        loop {
            self.settle(&mut event);
            if event == self.returns.len() {
                return true;
            }
            if self.is_new(event) {
                let left = self.series(event);
                let (balances, order_len) = (self.balances.clone(), self.order.len());
                frames.push(Frame { event, order_len, balances, told: self.told, left });
            }
            // The next choice of the last frame that has one.
            loop {
                choices += 1;
                let Some(frame) = frames.last_mut() else { return false };
                if choices > CHOICES_MAX || self.sum_steps > SUM_STEPS_MAX {
                    return false;
                }
                for undone in self.order.drain(frame.order_len..) {
                    self.done[undone as usize] = false;
                }
                self.balances.clone_from(&frame.balances);
                (event, self.told) = (frame.event, frame.told);
                let Some(series) = frame.left.pop() else {
                    frames.pop();
                    continue;
                };
                series.into_iter().for_each(|index| self.take(index));
                break;
            }
        }
    }

    /// Takes in every open read that shows the present balances, and passes the returns of what is in the order.
    fn settle(&mut self, event: &mut usize) {
        while let Some(due) = self.returns.get(*event) {
            if self.done[*due as usize] {
                *event += 1;
                continue;
            }
            let shows = |index: &u32| match &self.acts[*index as usize] {
                Some(Act::Read(balances)) => {
                    self.told && !self.done[*index as usize] && *balances == self.balances
                }
                _ => false,
            };
            let reads: Vec<u32> = self.open[*event].iter().copied().filter(shows).collect();
            if reads.is_empty() {
                return;
            }
            reads.into_iter().for_each(|index| self.take(index));
        }
    }

    fn take(&mut self, index: u32) {
        match self.acts[index as usize].as_ref().expect("it is open") {
            Act::Transfer { from, to, amount } => {
                self.balances[*from] -= amount;
                self.balances[*to] += amount;
            }
            Act::Read(balances) => {
                self.balances.clone_from(balances);
                self.told = true;
            }
        }
        self.done[index as usize] = true;
        self.order.push(index);
    }

    /// Whether nobody has been here before with the same balances and the same operations in the order.
    fn is_new(&mut self, event: usize) -> bool {
        let mut hasher = FxHasher::default();
        (event, self.told, &self.balances).hash(&mut hasher);
        for index in &self.open[event] {
            self.done[*index as usize].hash(&mut hasher);
        }
        self.seen.insert(hasher.finish())
    }

    /// What may come next, the likeliest last.
    fn series(&mut self, event: usize) -> Vec<Series> {
        let due = self.returns[event];
        let mut found = Vec::new();
        let is_open = |index: &u32| !self.done[*index as usize];
        let open: Vec<u32> = self.open[event].iter().copied().filter(is_open).collect();
        let mut goals: Vec<u32> = open
            .iter()
            .copied()
            .filter(|index| matches!(self.acts[*index as usize], Some(Act::Read(_))))
            .collect();
        // What returns first is tried first.
        goals.sort_by_key(|goal| std::cmp::Reverse(self.operations[*goal as usize].returned));
        for goal in goals {
            found.extend(self.series_to(goal, &open));
        }
        if let Some(Act::Transfer { from, amount, .. }) = &self.acts[due as usize] {
            if self.is_covered(self.balances[*from], *amount) {
                found.push(vec![due]);
            } else {
                found.extend(open.iter().filter(|other| self.pays(**other, *from)).map(|other| vec![*other]));
            }
        }
        found
    }

    /// Whether this is a transfer to an account that can be made now.
    fn pays(&self, index: u32, account: usize) -> bool {
        match &self.acts[index as usize] {
            Some(Act::Transfer { from, to, amount }) => {
                *to == account && self.is_covered(self.balances[*from], *amount)
            }
            _ => false,
        }
    }

    fn is_covered(&self, balance: i128, amount: i128) -> bool {
        self.negative || !self.told || balance >= amount
    }

    /// The series of open transfers that lead to a read, and it.
    fn series_to(&mut self, goal: u32, open: &[u32]) -> Vec<Series> {
        let Some(Act::Read(wanted)) = &self.acts[goal as usize] else { unreachable!("a read is the goal") };
        let transfers: Vec<(u32, usize, usize, i128)> = open
            .iter()
            .filter_map(|index| match &self.acts[*index as usize] {
                Some(Act::Transfer { from, to, amount }) => Some((*index, *from, *to, *amount)),
                _ => None,
            })
            .collect();
        if !self.told {
            // Nobody knows what was there before: any of them may have been made, most likely none.
            let some = (1_usize << transfers.len().min(UNTOLD_MAX)) - 1;
            let chosen = |set: usize| {
                let bits = transfers.iter().enumerate().filter(move |(place, _)| set >> place & 1 == 1);
                bits.map(|(_, (index, ..))| *index).chain([goal]).collect()
            };
            return (0..=some).rev().map(chosen).collect();
        }
        let mut missing: Vec<i128> =
            wanted.iter().zip(&self.balances).map(|(wanted, balance)| wanted - balance).collect();
        let mut sums =
            Sums::new(&transfers, missing.len(), |index| self.operations[index as usize].ret().is_some());
        sums.find(&mut missing);
        self.sum_steps += sums.steps;
        let mut found: Vec<Series> = Vec::new();
        for chosen in sums.found {
            if let Some(mut series) = self.affordable(&chosen) {
                series.push(goal);
                found.push(series);
            }
        }
        found.reverse();
        found
    }

    /// The transfers in an order in which no account is overdrawn.
    fn affordable(&self, chosen: &[u32]) -> Option<Series> {
        let (mut balances, mut left) = (self.balances.clone(), chosen.to_vec());
        let mut series = Vec::with_capacity(left.len() + 1);
        while !left.is_empty() {
            let next = left.iter().position(|index| match &self.acts[*index as usize] {
                Some(Act::Transfer { from, amount, .. }) => self.is_covered(balances[*from], *amount),
                _ => false,
            })?;
            let index = left.remove(next);
            if let Some(Act::Transfer { from, to, amount }) = &self.acts[index as usize] {
                balances[*from] -= amount;
                balances[*to] += amount;
            }
            series.push(index);
        }
        Some(series)
    }
}

/// Sets of transfers that add up to given differences.
struct Sums<'t> {
    transfers: &'t [(u32, usize, usize, i128)],
    /// Whether each is certain to have happened.
    certain: Vec<bool>,
    /// For each place, the least and the most that it and those after it can add to each account.
    reach: Vec<Vec<(i128, i128)>>,
    chosen: Vec<u32>,
    found: Vec<Vec<u32>>,
    steps: usize,
}

impl<'t> Sums<'t> {
    fn new(
        transfers: &'t [(u32, usize, usize, i128)],
        accounts: usize,
        is_certain: impl Fn(u32) -> bool,
    ) -> Self {
        let mut reach = vec![vec![(0, 0); accounts]; transfers.len() + 1];
        for (place, (_, from, to, amount)) in transfers.iter().enumerate().rev() {
            let mut here = reach[place + 1].clone();
            for (account, moved) in [(*from, -amount), (*to, *amount)] {
                here[account].0 += moved.min(0);
                here[account].1 += moved.max(0);
            }
            reach[place] = here;
        }
        let certain = transfers.iter().map(|(index, ..)| is_certain(*index)).collect();
        Self { transfers, certain, reach, chosen: Vec::new(), found: Vec::new(), steps: 0 }
    }

    /// Goes through the sets, those first that leave out what nobody is certain of and take what somebody is.
    fn find(&mut self, missing: &mut [i128]) {
        self.steps += 1;
        let place = self.chosen.len();
        let can_be = missing
            .iter()
            .zip(&self.reach[place])
            .all(|(missing, (least, most))| (least..=most).contains(&missing));
        if !can_be || self.steps > SUM_STEPS_EACH || self.found.len() >= SUMS_EACH {
            return;
        }
        let Some((index, from, to, amount)) = self.transfers.get(place).copied() else {
            self.found.push(self.taken());
            return;
        };
        for takes in [self.certain[place], !self.certain[place]] {
            if takes {
                missing[from] += amount;
                missing[to] -= amount;
            }
            self.chosen.push(if takes { index } else { u32::MAX });
            self.find(missing);
            self.chosen.pop();
            if takes {
                missing[from] -= amount;
                missing[to] += amount;
            }
        }
    }

    fn taken(&self) -> Vec<u32> {
        self.chosen.iter().copied().filter(|index| *index != u32::MAX).collect()
    }
}

fn balances_of(operation: &Operation<BankAction, BankRet>) -> Option<&[(Value, i64)]> {
    match operation.ret() {
        Some(BankRet::Balances(balances)) => Some(balances),
        _ => None,
    }
}

/// What an operation does; inside, `None` if nothing; outside, if it speaks of other accounts.
fn act(
    operation: &Operation<BankAction, BankRet>,
    accounts: &BTreeMap<&Value, usize>,
) -> Option<Option<Act>> {
    if matches!(operation.completion, crate::history::Completion::Fail) {
        return Some(None);
    }
    match &operation.op {
        BankAction::Transfer { from, to, amount } => {
            let (from, to) = (*accounts.get(from)?, *accounts.get(to)?);
            Some(Some(Act::Transfer { from, to, amount: (*amount).into() }))
        }
        BankAction::Read => {
            let Some(told) = balances_of(operation) else { return Some(None) };
            let same = told.len() == accounts.len()
                && told.iter().enumerate().all(|(place, (account, _))| accounts.get(account) == Some(&place));
            same.then(|| Some(Act::Read(told.iter().map(|(_, balance)| (*balance).into()).collect())))
        }
    }
}

/// For each return, the operations that were invoked before it and have not returned before.
fn open_at(
    operations: &[&Operation<BankAction, BankRet>],
    acts: &[Option<Act>],
    returns: &[u32],
) -> Vec<Vec<u32>> {
    let mut open: Vec<u32> = Vec::new();
    let mut next = 0;
    let mut all = Vec::with_capacity(returns.len());
    for due in returns {
        let now = operations[*due as usize].returned;
        while next < operations.len() && Some(operations[next].invoked) < now {
            if acts[next].is_some() {
                open.push(u32::try_from(next).expect("few operations"));
            }
            next += 1;
        }
        open.retain(|index| {
            operations[*index as usize].returned.is_none_or(|returned| Some(returned) >= now)
        });
        all.push(open.clone());
    }
    all
}

#[cfg(test)]
mod tests;
