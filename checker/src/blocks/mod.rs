//! Decides a key in near-linear time where every value that was read has one writer: blocks and zones.
//!
//! A register's value with its readers, a chain of cas, a list from one overwrite to the next: each is a *block*,
//! one run of operations in every legal order. Blocks can be ordered exactly if none is torn from within (a sweep)
//! and no two tear each other (Gibbons and Korach's zones; keys apart by Herlihy and Wing's locality). Whatever is
//! unclear is left to the search: repeated values, deletes, lists with cas, tokens that run together. Failed cas that tell
//! nothing are placed where that is plain.

mod apart;
mod certificate;
mod crossing;
mod cutting;
mod entry;
mod input;
mod list;
mod naming;
mod order;
mod placed;
mod register;
mod telling;
mod view;
mod within;
mod words;
mod writers;

use crate::history::{Indexed, Operation};
use crate::kv::{KvOp, KvRet, KvSpec};
use crate::no_order::{self, NoOrder};
use crate::spec::Direct;
use crate::verdict::Violation;
use crate::words::impossible_since;

pub(crate) use entry::{Atom, Entries, What};
use input::Key;
use order::Zone;
use placed::Placed;
use view::View;

type KvOperation = Operation<KvOp, KvRet>;

/// No index.
const NONE: u32 = u32::MAX;

/// Why no order is legal. Operations are indices into the key's operations.
#[derive(Clone, Debug)]
enum Refutation {
    /// A value that nobody wrote, or of which nobody wrote some part.
    Phantom { reader: u32 },
    /// A list that shows twice what one operation wrote.
    Twice { reader: u32, writer: u32 },
    /// Two lists, one overwritten before the other, that both show what one operation appended.
    TwoEpochs { append: u32, one: u32, other: u32 },
    /// A list in which an overwritten value follows another.
    PutInside { reader: u32, put: u32 },
    /// Two lists of one beginning, neither of which begins with the other.
    Fork { one: u32, other: u32 },
    /// Two cas that replaced the same value.
    SameSource { one: u32, other: u32 },
    /// Cas that each found what the next one wrote, in a round.
    Round { cas: Vec<u32> },
    /// `after` belongs after `before` in their block, yet it had finished before that began.
    Order { before: u32, after: u32 },
    /// A cas failed while the value that it expected was there: `before` (nothing: from the start) it began, something
    /// had written, read or replaced that value, and `after` it had finished something still did.
    Surrounded { before: Option<u32>, cas: u32, after: u32 },
    /// Each of two blocks would have to come before the other.
    Cross { one: Zone, other: Zone },
}

impl Refutation {
    /// The operations that it rests on.
    fn witnesses(&self) -> Vec<u32> {
        let mut witnesses = match self {
            Self::Phantom { reader } => vec![*reader],
            Self::Twice { reader, writer } => vec![*writer, *reader],
            Self::TwoEpochs { append, one, other } => vec![*append, *one, *other],
            Self::PutInside { reader, put } => vec![*put, *reader],
            Self::Fork { one, other } | Self::SameSource { one, other } => vec![*one, *other],
            Self::Round { cas } => cas.clone(),
            Self::Order { before, after } => vec![*before, *after],
            Self::Surrounded { before, cas, after } => before.iter().copied().chain([*cas, *after]).collect(),
            Self::Cross { one, other } => {
                one.first().into_iter().chain(other.first()).chain([one.last, other.last]).collect()
            }
        };
        witnesses.sort_unstable();
        witnesses.dedup();
        witnesses
    }
}

/// Why there are no blocks, or no order of them.
type Stop = NoOrder<Refutation>;

/// The operations that the view holds to be complete in their blocks, if there are any, and an order of them or why
/// there is none.
fn judge(view: &View<'_, '_>) -> (Placed, Result<Vec<u32>, Stop>) {
    match view.place() {
        Ok(placed) => {
            let order = complete(view, &placed);
            (placed, order)
        }
        Err(stop) => (Placed::default(), Err(stop)),
    }
}

/// The same for operations that stand in these blocks.
fn complete(view: &View<'_, '_>, placed: &Placed) -> Result<Vec<u32>, Stop> {
    let order = order::arrange(view, placed)?;
    if view.key.differing.is_empty() { Ok(order) } else { apart::place(view, placed, order) }
}

/// See [`crate::Spec::decide_directly`].
pub(crate) fn decide<'h, E: Entries<'h> + ?Sized>(spec: &KvSpec, entries: &E) -> Option<Direct> {
    confirmed(spec, entries, judge(&Key::read(spec, entries)?.until(u64::MAX)).1)
}

/// What is known after looking at an answer again.
fn confirmed<'h, E: Entries<'h> + ?Sized>(
    spec: &KvSpec,
    entries: &E,
    answer: Result<Vec<u32>, Stop>,
) -> Option<Direct> {
    no_order::decided(
        answer,
        |order| certificate::is_legal(spec, entries, order),
        |refutation| certificate::holds(entries, refutation),
        Refutation::witnesses,
    )
}

/// The same, and which of the operations, ascending, are enough to tell why a key is illegal, if fewer than all are known
/// to be.
pub(crate) fn decide_for_telling<'h, E: Entries<'h> + ?Sized>(
    spec: &KvSpec,
    entries: &E,
) -> Option<(Direct, Option<Vec<u32>>)> {
    let key = Key::read(spec, entries)?;
    let (placed, answer) = judge(&key.until(u64::MAX));
    if answer.is_ok() {
        drop((placed, key));
        return Some((confirmed(spec, entries, answer)?, None));
    }
    let direct = confirmed(spec, entries, answer)?;
    let Direct::Illegal(witnesses) = &direct else { return Some((direct, None)) };
    let enough = telling::enough(&key, entries, placed, witnesses);
    Some((direct, enough))
}

/// Explains a key that is illegal: by the anomaly that is complete first, so that nothing of what came later is
/// needed to see it. `None` if the key is legal or cannot be decided here.
pub(crate) fn explain(
    spec: &KvSpec,
    name: &str,
    operations: &[Indexed<'_, KvOp, KvRet>],
) -> Option<Violation> {
    let bare: Vec<&KvOperation> = operations.iter().map(|(_, operation)| *operation).collect();
    let key = Key::read(spec, bare.as_slice())?;
    let Earliest { stamp, refutation, placed } = earliest(&key)?;
    if !certificate::holds(bare.as_slice(), &refutation) {
        return None;
    }
    let view = key.until(stamp);
    let mut violation = words::Words::new(name, operations, &view, placed).violation(&refutation);
    impossible_since(spec, &mut violation, operations, stamp);
    Some(violation)
}

/// The refutation that is complete first.
struct Earliest {
    /// When it is.
    stamp: u64,
    refutation: Refutation,
    /// The operations in their blocks, if there are any.
    placed: Placed,
}

impl Earliest {
    /// What refutes a key as it was known at a stamp.
    fn at(key: &Key<'_>, stamp: u64) -> Option<Self> {
        let (placed, Err(Stop::Refuted(refutation))) = judge(&key.until(stamp)) else { return None };
        Some(Self { stamp, refutation, placed })
    }

    /// When the last of the witnesses had returned.
    fn completed(&self, key: &Key<'_>) -> u64 {
        let returned = self.refutation.witnesses().into_iter().map(|witness| key.stamps[witness as usize].1);
        returned.filter(|returned| *returned <= self.stamp).max().unwrap_or(self.stamp)
    }
}

/// The first stamp at which the history was illegal already, what was open then being indeterminate. A history that
/// goes on stays illegal, so it is found by halving, from the witnesses of the whole history backwards: they are
/// often the only ones, or among the first. `None` if the history is not known to be illegal.
fn earliest(key: &Key<'_>) -> Option<Earliest> {
    let returned = key.stamps.iter().map(|(_, returned)| *returned);
    let mut returns: Vec<u64> = returned.filter(|returned| *returned < u64::MAX).collect();
    returns.sort_unstable();
    returns.dedup();
    let mut earliest = Earliest::at(key, *returns.last()?)?;
    // Refuted at `high`, and not below `low`.
    let (mut low, mut high) = (0, returns.len() - 1);
    let mut step = 1;
    while low < high {
        // Where the witnesses were complete they mostly are enough; what they rest on may have come later.
        let completed = earliest.completed(key);
        let known = returns.partition_point(|returned| *returned < completed);
        let probe = if (low..high).contains(&known) {
            known
        } else if step < high - low {
            high - step
        } else {
            usize::midpoint(low, high)
        };
        match Earliest::at(key, returns[probe]) {
            Some(earlier) => {
                (high, earliest) = (probe, earlier);
                step *= 2;
            }
            None => low = probe + 1,
        }
    }
    Some(earliest)
}
