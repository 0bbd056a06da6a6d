//! Forged proofs about transactions: what is claimed to break a level that a history has, and orders that are none, must
//! be refused. The verifier alone stands between a mistake of the inference and a wrong verdict.

use squall_checker::transactions::{Datatype, Level, Transaction, TransactionHistory, verify};
use squall_checker::{Completion, Edge, EdgeKind, OpId, Violation};

use crate::cases::{case, history};
use crate::numbers::cases;
use crate::oracle::{Case, serial, snapshots, step};
use crate::random::Random;
use crate::script::script;
use crate::verified::verified;
use crate::weaker::Facts;

const OF_READS: [&str; 8] = [
    "duplicate-elements",
    "phantom-element",
    "G1a",
    "G1b",
    "dirty-update",
    "incompatible-order",
    "internal",
    "fractured-read",
];
const OF_CIRCLES: [&str; 18] = [
    "G0",
    "G0-process",
    "G0-realtime",
    "G1c",
    "G1c-process",
    "G1c-realtime",
    "G-single",
    "G-single-process",
    "G-single-realtime",
    "G-nonadjacent",
    "G-nonadjacent-process",
    "G-nonadjacent-realtime",
    "G2-item",
    "G2-item-process",
    "G2-item-realtime",
    "lost-update",
    "lost-append-process",
    "lost-append-realtime",
];
const KINDS: [EdgeKind; 5] =
    [EdgeKind::WriteWrite, EdgeKind::WriteRead, EdgeKind::ReadWrite, EdgeKind::Process, EdgeKind::RealTime];

/// A claim about all transactions of a history.
fn claim(history: &TransactionHistory, kind: &str, key: Option<&str>, edges: Vec<Edge>) -> Violation {
    Violation {
        check: "transactions".to_owned(),
        kind: kind.to_owned(),
        key: key.map(str::to_owned),
        message: String::new(),
        operations: history.iter().map(|(id, _)| id).collect(),
        edges,
        steps: Vec::new(),
    }
}

/// A circle through these, with edges of any kind: all that others could show is at hand, now and then less.
fn circle(history: &TransactionHistory, random: &mut Random, through: &[OpId]) -> Vec<Edge> {
    let all: Vec<OpId> = history.iter().map(|(id, _)| id).collect();
    let next = through.iter().cycle().skip(1);
    let edges = through.iter().zip(next).map(|(from, to)| {
        let little = random.one_in(4);
        let evidence = all.iter().copied().filter(|_| !little || random.one_in(2)).collect();
        let kind = KINDS[random.pick(KINDS.len())];
        Edge { from: *from, to: *to, kind, reason: String::new(), evidence }
    });
    edges.collect()
}

/// The levels that a history certainly has, by brute force.
fn levels_of(datatype: Datatype, all: &[Transaction], repeats: bool) -> Vec<Level> {
    let facts = Facts::new(datatype, all);
    let clear = !repeats && !facts.contradiction;
    let holds = |level: &Level| match level {
        Level::ReadUncommitted | Level::ReadCommitted => clear && facts.holds(*level),
        Level::ReadAtomic => clear && datatype == Datatype::ListAppend && facts.holds(*level),
        Level::SnapshotIsolation => all.len() <= 4 && snapshots(all),
        // Without predicates they are the same.
        Level::RepeatableRead => serial(all, Level::Serializable),
        _ => serial(all, *level),
    };
    Level::ALL.into_iter().filter(holds).collect()
}

#[test]
fn no_claim_holds_against_a_level_that_a_history_has() {
    let mut tried = 0u64;
    for number in cases(1_000) {
        let mut random = Random(number ^ 0x0f04_6ed0);
        let datatype = if random.one_in(2) { Datatype::Register } else { Datatype::ListAppend };
        let repeats = random.one_in(4);
        let history = history(datatype, &case(&mut random, datatype, 4, repeats));
        let _case = Case(number, &history);
        let all: Vec<Transaction> = history.iter().map(|(_, transaction)| transaction).collect();
        for level in levels_of(datatype, &all, repeats) {
            let mut refuse = |claim: Violation| {
                tried += 1;
                let answer = verify::violation(&history, level, &claim);
                assert!(answer.is_err(), "{level} holds, whatever is said of it: {claim:#?}");
            };
            for kind in OF_READS {
                for key in ["x", "y", "z"] {
                    refuse(claim(&history, kind, Some(key), Vec::new()));
                }
            }
            for _ in 0..150 {
                let mut ids: Vec<OpId> = history.iter().map(|(id, _)| id).collect();
                ids.rotate_left(random.pick(all.len()));
                ids.swap(0, random.pick(all.len()));
                ids.truncate(if random.one_in(4) { 3 } else { 2 });
                let edges = circle(&history, &mut random, &ids);
                refuse(claim(&history, OF_CIRCLES[random.pick(OF_CIRCLES.len())], None, edges));
            }
        }
    }
    println!("{tried} claims");
}

/// Each of these is of that level, and was once taken for proven to be none.
#[test]
fn claims_that_once_passed() {
    use EdgeKind::{ReadWrite, RealTime, WriteWrite};
    let (lists, registers) = (Datatype::ListAppend, Datatype::Register);
    let of_reads = [
        (lists, Level::SnapshotIsolation, "G1b", "0 0 9 ! a x 2, a x 1\n1 10 19 a x 2\n2 20 29 r x 2"),
        (lists, Level::StrictSerializable, "incompatible-order", "0 0 1 a x 2, a x 2\n1 2 5 r x 2 2"),
        (
            lists,
            Level::StrictSerializable,
            "fractured-read",
            "0 0 3 a y 1, a x 1\n1 4 8 r y 1, r x 1\n2 9 14 a y 1, a x 2",
        ),
        (
            registers,
            Level::StrictSerializable,
            "fractured-read",
            "0 0 3 w y 1, w x 1\n1 4 5 w x 2\n2 6 7 r y 1, r x 2",
        ),
        (registers, Level::StrictSerializable, "incompatible-order", "0 0 1 w x 1, w x 2, r x 2\n1 0 9 r x"),
    ];
    for (datatype, level, kind, lines) in of_reads {
        let history = script(datatype, lines);
        let claim = claim(&history, kind, Some("x"), Vec::new());
        assert!(verify::violation(&history, level, &claim).is_err(), "{kind} of {lines}");
    }
    let of_circles = [
        // What breaks a stronger level, whatever it is called.
        (lists, Level::Serializable, "G-single-realtime", (RealTime, ReadWrite), "0 0 9 a x 1\n1 10 20 r x"),
        (lists, Level::Serializable, "G-single", (RealTime, ReadWrite), "0 0 9 a x 1\n1 10 20 r x"),
        // A read of what was overwritten, called a write.
        (
            registers,
            Level::SnapshotIsolation,
            "G-nonadjacent",
            (ReadWrite, WriteWrite),
            "0 0 2 w y 1, r x\n1 2 3 r x, w x 4, r y",
        ),
        // Who read what two wrote may have read it of either.
        (
            registers,
            Level::StrictSerializable,
            "G-single-realtime",
            (RealTime, ReadWrite),
            "0 0 - w x 1\n1 2 3 r x 1\n2 6 7 w x 1\n3 8 9 r x 1",
        ),
    ];
    let aborted = "0 0 2 w x 1\n1 3 3 w x 2\n2 6 7 r x 2\n1 9 9 ! w x 1";
    let of_aborted = (registers, Level::StrictSerializable, "G0-realtime", (WriteWrite, RealTime), aborted);
    for (datatype, level, kind, kinds, lines) in of_circles.into_iter().chain([of_aborted]) {
        let history = script(datatype, lines);
        let ids: Vec<OpId> = history.iter().map(|(id, _)| id).collect();
        // The last two transactions, or the last and the one that it is to stand behind.
        let (from, to) = match kinds {
            (WriteWrite, _) => (ids[3], ids[1]),
            _ => (ids[ids.len() - 2], ids[ids.len() - 1]),
        };
        let edge = |from, to, kind| Edge { from, to, kind, reason: String::new(), evidence: ids.clone() };
        let edges = vec![edge(from, to, kinds.0), edge(to, from, kinds.1)];
        let claim = claim(&history, kind, None, edges);
        assert!(verify::violation(&history, level, &claim).is_err(), "{kind} of {lines}");
    }
}

#[test]
fn what_is_called_wrongly_or_does_not_exist_is_refused() {
    let aborted = script(Datatype::ListAppend, "0 0 9 ! a x 1\n1 0 9 r x 1");
    for kind in OF_READS {
        let claim = claim(&aborted, kind, Some("x"), Vec::new());
        let answer = verify::violation(&aborted, Level::StrictSerializable, &claim);
        assert_eq!(answer.is_ok(), kind == "G1a", "{kind}");
    }
    let skew = script(Datatype::ListAppend, "0 0 9 r x, a y 1\n1 0 9 r y, a x 2\n2 0 9 r x 2, r y 1");
    for (history, stranger) in [(&aborted, OpId(2)), (&skew, OpId(3))] {
        let mut violation = verified(history, Level::StrictSerializable).outcome.violations.remove(0);
        let answer = |violation: &Violation| verify::violation(history, Level::StrictSerializable, violation);
        assert_eq!(answer(&violation), Ok(()));
        violation.operations.push(stranger);
        if let Some(edge) = violation.edges.first_mut() {
            edge.evidence.push(stranger);
        }
        assert!(answer(&violation).is_err(), "{stranger} does not exist: {violation:#?}");
    }
}

/// Whether an order is a proof, found out in the plainest way.
fn is_serial(all: &[Transaction], level: Level, order: &[OpId]) -> bool {
    let mut state = std::collections::BTreeMap::new();
    let ok = |id: &OpId| all[id.index()].completion == Completion::Ok(());
    for (place, id) in order.iter().enumerate() {
        let (before, transaction) = (&order[..place], &all[id.index()]);
        let behind = |other: &OpId| {
            let earlier = &all[other.index()];
            let session = level >= Level::StrongSessionSerializable
                && earlier.process == transaction.process
                && other > id;
            let late = transaction.returned.is_some_and(|returned| returned < earlier.invoked);
            ok(id) && (session || (level == Level::StrictSerializable && late))
        };
        if before.contains(id) || transaction.completion == Completion::Fail || before.iter().any(behind) {
            return false;
        }
        let Some(next) = step(transaction, &state) else { return false };
        state = next;
    }
    (0..).map(OpId).take(all.len()).all(|id| !ok(&id) || order.contains(&id))
}

#[test]
fn an_order_is_accepted_exactly_if_it_is_one() {
    let mut accepted = [0u64; 2];
    let numbers = cases(10_000);
    let cases = numbers.end - numbers.start;
    for number in numbers {
        let mut random = Random(number ^ 0x04de4);
        let datatype = if random.one_in(2) { Datatype::Register } else { Datatype::ListAppend };
        let repeats = random.one_in(4);
        let history = history(datatype, &case(&mut random, datatype, 5, repeats));
        let _case = Case(number, &history);
        let all: Vec<Transaction> = history.iter().map(|(_, transaction)| transaction).collect();
        let ids: Vec<OpId> = history.iter().map(|(id, _)| id).collect();
        let found = verified(&history, Level::StrictSerializable).order.map(|(_, order)| order);
        for _ in 0..8 {
            let mut order = found.clone().unwrap_or_else(|| ids.clone());
            for _ in 0..random.pick(3) {
                let (at, other) = (random.pick(ids.len()), random.pick(ids.len()));
                match random.below(4) {
                    0 if at < order.len() && other < order.len() => order.swap(at, other),
                    1 if at < order.len() => drop(order.remove(at)),
                    2 => order.insert(at.min(order.len()), ids[other]),
                    _ if at < order.len() => order[at] = ids[other],
                    _ => {}
                }
            }
            let level = Level::ALL[5 + random.pick(3)];
            let answer = verify::serial_order(&history, level, &order);
            assert_eq!(answer.is_ok(), is_serial(&all, level, &order), "{level}: {answer:?} {order:?}");
            accepted[usize::from(answer.is_ok())] += 1;
        }
        let stranger = OpId(u32::try_from(ids.len()).unwrap());
        assert!(verify::serial_order(&history, Level::Serializable, &[stranger]).is_err());
    }
    println!("{accepted:?}");
    assert!(accepted.iter().all(|count| *count > cases / 4), "both answers are common: {accepted:?}");
}
