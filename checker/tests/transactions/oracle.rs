//! Every level that a serial order or a snapshot defines, against brute force over all orders. Not one difference is
//! allowed. `SQUALL_ORACLE_CASES` asks for more cases than the default.

use std::collections::BTreeMap;

use squall_checker::transactions::{
    Datatype, Level, MicroOperation, Standing, Transaction, TransactionHistory,
};
use squall_checker::{Completion, Value, Verdict};

use crate::cases::{case, history};
use crate::numbers::cases;
use crate::random::Random;
use crate::verified::verified;

pub(crate) type State = BTreeMap<String, Value>;

fn committed(transaction: &Transaction) -> bool {
    matches!(transaction.completion, Completion::Ok(()))
}

/// The state after a transaction, if it reads what it says.
pub(crate) fn step(transaction: &Transaction, state: &State) -> Option<State> {
    let mut state = state.clone();
    for step in &transaction.micro_operations {
        let old = state.entry(step.key().to_string()).or_default();
        match step {
            MicroOperation::Append { element, .. } => *old = old.appended(element),
            MicroOperation::Write { value, .. } => *old = value.clone(),
            MicroOperation::Read { value: Some(value), .. } if committed(transaction) => {
                let same = value == old || (*old == Value::Nil && *value == Value::list([]));
                same.then_some(())?;
            }
            MicroOperation::Read { .. } => {}
        }
    }
    Some(state)
}

/// Whether some order of all committed and some indeterminate transactions is legal: tries them all.
pub(crate) fn serial(all: &[Transaction], level: Level) -> bool {
    fn extend(all: &[Transaction], level: Level, used: u32, state: &State) -> bool {
        let left = |index: usize| used >> index & 1 == 0;
        if !all.iter().enumerate().any(|(index, transaction)| left(index) && committed(transaction)) {
            return true;
        }
        all.iter().enumerate().any(|(index, transaction)| {
            let blocked = all.iter().enumerate().any(|(other, earlier)| {
                let before = left(other) && other != index && committed(earlier);
                let session = earlier.process == transaction.process && other < index;
                let real_time = earlier.returned.is_some_and(|returned| returned < transaction.invoked);
                before
                    && match level {
                        Level::StrictSerializable => session || real_time,
                        Level::StrongSessionSerializable => session,
                        _ => false,
                    }
            });
            left(index)
                && !blocked
                && transaction.completion != Completion::Fail
                && step(transaction, state).is_some_and(|next| extend(all, level, used | 1 << index, &next))
        })
    }
    extend(all, level, 0, &State::new())
}

/// Whether snapshots and commits of all committed and some indeterminate transactions can be placed so that each reads
/// its snapshot, and no two of which one's commit lies between the other's snapshot and commit write the same key.
pub(crate) fn snapshots(all: &[Transaction]) -> bool {
    struct Place<'a> {
        all: &'a [Transaction],
        /// Per transaction: what it will have written, and the keys that others committed since its snapshot.
        open: Vec<Option<(State, Vec<String>)>>,
    }
    fn extend(place: &mut Place<'_>, used: u32, state: &State) -> bool {
        let all = place.all;
        let idle = place.open.iter().all(Option::is_none);
        let left = |index: usize| used >> index & 1 == 0;
        if idle && !all.iter().enumerate().any(|(index, transaction)| left(index) && committed(transaction)) {
            return true;
        }
        for (index, transaction) in all.iter().enumerate() {
            if left(index) && transaction.completion != Completion::Fail {
                if step(transaction, state).is_none() {
                    continue;
                }
                place.open[index] = Some((state.clone(), Vec::new()));
                if extend(place, used | 1 << index, state) {
                    return true;
                }
                place.open[index] = None;
            } else if let Some((snapshot, since)) = place.open[index].clone() {
                let writes: Vec<String> = transaction
                    .micro_operations
                    .iter()
                    .filter(|step| !matches!(step, MicroOperation::Read { .. }))
                    .map(|step| step.key().to_string())
                    .collect();
                if writes.iter().any(|key| since.contains(key)) {
                    continue;
                }
                let written = step(transaction, &snapshot).expect("it was looked at when it began");
                let mut next = state.clone();
                for key in &writes {
                    next.insert(key.clone(), written[key].clone());
                }
                let before = place.open.clone();
                place.open[index] = None;
                for other in place.open.iter_mut().flatten() {
                    other.1.extend(writes.iter().cloned());
                }
                if extend(place, used, &next) {
                    return true;
                }
                place.open = before;
            }
        }
        false
    }
    extend(&mut Place { all, open: vec![None; all.len()] }, 0, &State::new())
}

/// Tells the history if its test panics.
pub(crate) struct Case<'h>(pub(crate) u64, pub(crate) &'h TransactionHistory);

impl Drop for Case<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("case {}:", self.0);
            for (id, transaction) in self.1.iter() {
                let Transaction { process, micro_operations, invoked, returned, completion } = transaction;
                let steps: Vec<String> = micro_operations.iter().map(ToString::to_string).collect();
                let returned = returned.map_or_else(|| "-".to_owned(), |returned| returned.to_string());
                eprintln!(
                    "  T{} by {process} {invoked}..{returned} {completion:?}: {}",
                    id.0,
                    steps.join(", ")
                );
            }
        }
    }
}

const SERIAL: [Level; 3] = [Level::Serializable, Level::StrongSessionSerializable, Level::StrictSerializable];

#[test]
fn lists_agree_with_brute_force() {
    let mut kinds = BTreeMap::<String, u64>::new();
    let mut standings = BTreeMap::<(Level, bool), u64>::new();
    let mut undecided = 0;
    let numbers = cases(150_000);
    let cases = numbers.end - numbers.start;
    for number in numbers {
        let mut random = Random(number);
        let transactions = case(&mut random, Datatype::ListAppend, 6, false);
        let history = history(Datatype::ListAppend, &transactions);
        let _case = Case(number, &history);
        let all: Vec<Transaction> = history.iter().map(|(_, transaction)| transaction).collect();
        let asked = Level::ALL[random.pick(Level::ALL.len())];
        let judged = verified(&history, asked);
        for level in SERIAL {
            let expected = if serial(&all, level) { Standing::Holds } else { Standing::Violated };
            assert_eq!(judged.levels.of(level), expected, "case {number}: {level} of {all:#?}: {judged:#?}");
            *standings.entry((level, expected == Standing::Holds)).or_default() += 1;
        }
        let snapshot = judged.levels.of(Level::SnapshotIsolation);
        if all.len() <= 4 && snapshot != Standing::Unknown {
            let holds = snapshots(&all);
            assert_eq!(
                snapshot == Standing::Holds,
                holds,
                "case {number}: snapshots of {all:#?}: {judged:#?}"
            );
            *standings.entry((Level::SnapshotIsolation, holds)).or_default() += 1;
        }
        undecided += u64::from(snapshot == Standing::Unknown);
        let verdict = match judged.levels.of(asked) {
            _ if !all.iter().any(committed) => Verdict::Vacuous,
            Standing::Holds => Verdict::Valid,
            Standing::Unknown => Verdict::Unknown,
            Standing::Violated => Verdict::Invalid,
        };
        assert_eq!(judged.outcome.verdict, verdict, "case {number}");
        for violation in judged.outcome.violations {
            *kinds.entry(violation.kind).or_default() += 1;
        }
    }
    println!("{kinds:#?} {standings:?}, snapshots undecided: {undecided}");
    assert!(undecided <= cases / 500, "{undecided} undecided");
    assert!(standings.values().all(|count| *count > cases / 100), "both verdicts are common: {standings:?}");
}

/// What was judged of histories in some of which values are written more than once.
#[derive(Debug, Default)]
struct Tally {
    kinds: BTreeMap<String, u64>,
    standings: BTreeMap<(Level, Option<bool>), u64>,
    undecided: u64,
}

impl Tally {
    /// Judges a history; what is decided must be as brute force has it.
    fn judge(&mut self, random: &mut Random, number: u64, datatype: Datatype, repeats: bool) {
        let history = history(datatype, &case(random, datatype, 6, repeats));
        let _case = Case(number, &history);
        let all: Vec<Transaction> = history.iter().map(|(_, transaction)| transaction).collect();
        let judged = verified(&history, SERIAL[random.pick(3)]);
        for level in SERIAL {
            let standing = judged.levels.of(level);
            let holds = serial(&all, level);
            // Who wrote what is in doubt only where values repeat.
            assert!(repeats || standing != Standing::Unknown, "case {number}: {level}: {judged:#?}");
            self.undecided += u64::from(standing == Standing::Unknown);
            if standing != Standing::Unknown {
                let expected = if holds { Standing::Holds } else { Standing::Violated };
                assert_eq!(standing, expected, "case {number}: {level} of {all:#?}: {judged:#?}");
            }
            *self.standings.entry((level, (standing != Standing::Unknown).then_some(holds))).or_default() +=
                1;
        }
        let snapshot = judged.levels.of(Level::SnapshotIsolation);
        if all.len() <= 4 && snapshot != Standing::Unknown {
            let holds = snapshots(&all);
            assert_eq!(snapshot == Standing::Holds, holds, "case {number}: {all:#?}: {judged:#?}");
        }
        for violation in judged.outcome.violations {
            *self.kinds.entry(violation.kind).or_default() += 1;
        }
    }
}

#[test]
fn registers_agree_with_brute_force_where_they_are_decided() {
    let mut tally = Tally::default();
    let numbers = cases(100_000);
    let cases = numbers.end - numbers.start;
    for number in numbers {
        let mut random = Random(number);
        let repeats = random.one_in(4);
        tally.judge(&mut random, number, Datatype::Register, repeats);
    }
    println!("{tally:#?}");
    assert!(tally.undecided <= cases / 100, "{} undecided", tally.undecided);
}

#[test]
fn lists_of_repeated_elements_agree_with_brute_force_where_they_are_decided() {
    let mut tally = Tally::default();
    let numbers = cases(20_000);
    let cases = numbers.end - numbers.start;
    for number in numbers {
        tally.judge(&mut Random(number ^ 0x4e9e), number, Datatype::ListAppend, true);
    }
    println!("{tally:#?}");
    assert!(tally.undecided <= cases, "{} of three times as many undecided", tally.undecided);
}
