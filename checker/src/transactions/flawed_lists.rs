//! What can be wrong with a list that was read, beside where it stands: elements that should not be there, and two
//! lists of which neither continues the other.

use rustc_hash::{FxHashMap, FxHashSet};

use super::flaws::{Flaws, read_as, transaction};
use super::history::TransactionHistory;
use super::level::Anomaly;
use super::writers::{Writer, Writers, written};

/// A read: its transaction and what it showed.
type Read<'h> = (u32, &'h [u32]);

/// Elements with which something is wrong that was told already; and whether that was that they are there too often.
pub(super) type Told = FxHashSet<(u32, u32, bool)>;

/// Tells what is wrong with a read: with an element of it, or else that it does not fit the longest of its key. Every
/// element is told once, with the first read that shows it, and once more if it is there too often.
pub(super) fn tell(
    history: &TransactionHistory,
    writers: &Writers,
    told: &mut Told,
    flaws: &mut Flaws,
    key: u32,
    read: Read<'_>,
    longest: Read<'_>,
) {
    let (_, shown) = read;
    // What stands behind an element is best seen in the longest list.
    let whole = if longest.1.starts_with(shown) { longest } else { read };
    let mut seen: FxHashMap<u32, u32> = FxHashMap::default();
    let mut unreal = false;
    for (position, element) in shown.iter().enumerate() {
        let times = seen.entry(*element).or_default();
        *times += 1;
        let writer = writers.of(key, *element);
        let duplicated = writer != Writer::Nobody && *times > writers.times(key, *element);
        if !duplicated && !matches!(writer, Writer::Aborted(_) | Writer::Nobody) {
            continue;
        }
        // What aborted was written at least, so that the lists should fit all the same.
        unreal |= duplicated || writer == Writer::Nobody;
        if !told.insert((key, *element, duplicated)) {
            continue;
        }
        match writer {
            Writer::Nobody => phantom(history, flaws, key, read, *element),
            Writer::Aborted(at) if !duplicated => {
                let aborted = writers.owner(at);
                let rest = whole.1[position + 1..].iter();
                let later = rest.copied().find_map(|later| match writers.of(key, later) {
                    Writer::Step(at) => Some((later, writers.owner(at))),
                    _ => None,
                });
                match later {
                    Some(later) => dirty(history, flaws, key, whole, (*element, aborted), later),
                    None => aborted_read(history, flaws, key, read, (*element, aborted)),
                }
            }
            _ => {
                let by = match writer {
                    Writer::Step(at) | Writer::Aborted(at) => Some(writers.owner(at)),
                    Writer::Several | Writer::Nobody => None,
                };
                duplicate(history, flaws, key, read, *element, by);
            }
        }
    }
    if !unreal && !longest.1.starts_with(shown) {
        incompatible(history, flaws, key, read, longest);
    }
}

/// A read of what nobody wrote.
pub(super) fn phantom(
    history: &TransactionHistory,
    flaws: &mut Flaws,
    key: u32,
    (id, shown): Read<'_>,
    element: u32,
) {
    flaws.add(Anomaly::PhantomElement, key, vec![id], || {
        let (element, name) = (history.value(element), history.key(key));
        let message =
            format!("T{id} {}, but no transaction wrote {element} to {name}", read_as(history, key, shown));
        let nobody = format!("{element} is no value that any transaction of this history writes to {name}");
        (message, vec![transaction(history, id), nobody])
    });
}

/// A read of what an aborted transaction wrote.
pub(super) fn aborted_read(
    history: &TransactionHistory,
    flaws: &mut Flaws,
    key: u32,
    (id, shown): Read<'_>,
    (value, writer): (u32, u32),
) {
    flaws.add(Anomaly::AbortedRead, key, vec![id, writer], || {
        let value = history.value(value);
        let read = read_as(history, key, shown);
        let message = format!("T{id} {read}, but T{writer}, which wrote the {value}, aborted");
        let never = format!("T{writer} aborted, so nobody may ever see its {value}");
        (message, vec![transaction(history, writer), transaction(history, id), never])
    });
}

fn dirty(
    history: &TransactionHistory,
    flaws: &mut Flaws,
    key: u32,
    (id, shown): Read<'_>,
    (element, aborted): (u32, u32),
    (later, on_top): (u32, u32),
) {
    flaws.add(Anomaly::DirtyUpdate, key, vec![id, aborted, on_top], || {
        let (element, later) = (history.value(element), history.value(later));
        let read = read_as(history, key, shown);
        let message = format!(
            "T{on_top} committed its append of {later} to {} on top of the {element} of T{aborted}, which aborted: T{id} {read}",
            history.key(key)
        );
        let mut steps = vec![transaction(history, aborted), transaction(history, on_top)];
        steps.extend((id != on_top).then(|| transaction(history, id)));
        steps.push(format!("{element} stands before {later} in what was read, although T{aborted} aborted"));
        (message, steps)
    });
}

fn duplicate(
    history: &TransactionHistory,
    flaws: &mut Flaws,
    key: u32,
    (id, shown): Read<'_>,
    element: u32,
    writer: Option<u32>,
) {
    let transactions = [id].into_iter().chain(writer).collect();
    flaws.add(Anomaly::DuplicateElements, key, transactions, || {
        let times = match shown.iter().filter(|shown| **shown == element).count() {
            2 => "twice".to_owned(),
            times => format!("{times} times"),
        };
        let element = history.value(element);
        let read = read_as(history, key, shown);
        let message = format!("T{id} {read}, which shows {element} {times}, more often than it was appended");
        let mut steps: Vec<String> = writer.iter().map(|writer| transaction(history, *writer)).collect();
        steps.push(transaction(history, id));
        steps.extend(writer.map(|writer| format!("the append by T{writer} is the only one of {element}")));
        (message, steps)
    });
}

fn incompatible(
    history: &TransactionHistory,
    flaws: &mut Flaws,
    key: u32,
    read: Read<'_>,
    longest: Read<'_>,
) {
    let ((id, shown), (other, other_shown)) = (read, longest);
    flaws.add(Anomaly::IncompatibleOrder, key, vec![id, other], || {
        let (one, two) = (read_as(history, key, shown), read_as(history, key, other_shown));
        let message = format!("T{id} {one}, but T{other} {two}: neither list continues the other");
        let at = shown.iter().zip(other_shown).take_while(|(one, two)| one == two).count();
        let differ = match (shown.get(at), other_shown.get(at)) {
            (Some(one), Some(two)) => format!(
                "element {} is {} in one and {} in the other, though a list only ever grows at its end",
                at + 1,
                history.value(*one),
                history.value(*two)
            ),
            _ => unreachable!("the other one is no shorter, and neither is a prefix"),
        };
        (message, vec![transaction(history, id), transaction(history, other), differ])
    });
}

/// A transaction's own appends are not shown in the order in which it made them.
pub(super) fn out_of_order(
    history: &TransactionHistory,
    flaws: &mut Flaws,
    key: u32,
    (reader, shown): Read<'_>,
    (id, earlier, later): (u32, u32, u32),
) {
    flaws.add(Anomaly::IncompatibleOrder, key, vec![id, reader], || {
        let (first, second) = (history.value(written(history, earlier)), history.value(written(history, later)));
        let read = read_as(history, key, shown);
        let name = history.key(key);
        let message = format!(
            "T{id} appended {first} to {name} before {second}, but T{reader} {read}, without {first} before {second}"
        );
        let mut steps = vec![transaction(history, id)];
        steps.extend((reader != id).then(|| transaction(history, reader)));
        (message, steps)
    });
}

/// A read of a state in the middle of another transaction, whose step `later` goes on.
pub(super) fn intermediate(
    history: &TransactionHistory,
    flaws: &mut Flaws,
    key: u32,
    (id, shown): Read<'_>,
    (writer, later): (u32, u32),
) {
    flaws.add(Anomaly::IntermediateRead, key, vec![id, writer], || {
        let read = read_as(history, key, shown);
        let later = history.value(written(history, later));
        let message = format!(
            "T{id} {read}, a state in the middle of T{writer}, which went on to write {later} to {}",
            history.key(key)
        );
        let whole = format!("others may see all of T{writer} or nothing of it");
        (message, vec![transaction(history, writer), transaction(history, id), whole])
    });
}
