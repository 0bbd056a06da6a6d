//! Every invariant is seen to be broken, and a clean history passes.

use alloc::vec;
use alloc::vec::Vec;

use super::*;

const SERVICE: NodeId = NodeId(1);
const A: NodeId = NodeId(2);
const B: NodeId = NodeId(3);
const C: NodeId = NodeId(4);

type Script = Vec<(NodeId, ViewEvent)>;

fn view(num: u64, primary: (NodeId, u64), backup: Option<(NodeId, u64)>) -> View {
    let member = |(server, boot)| Member { server, boot };
    View { num, primary: member(primary), backup: backup.map(member) }
}

fn chosen(num: u64, primary: (NodeId, u64), backup: Option<(NodeId, u64)>) -> (NodeId, ViewEvent) {
    (SERVICE, ViewEvent::Chosen { view: view(num, primary, backup) })
}

fn performed(node: NodeId, num: u64, opnum: u64, primary: bool) -> (NodeId, ViewEvent) {
    (node, ViewEvent::Performed { num, opnum, state: opnum * 100, primary })
}

fn acknowledged(node: NodeId, num: u64, opnum: u64) -> (NodeId, ViewEvent) {
    (node, ViewEvent::Acknowledged { num, opnum, state: opnum * 100 })
}

fn installed(node: NodeId, num: u64, opnum: u64) -> (NodeId, ViewEvent) {
    (node, ViewEvent::Installed { num, opnum, version: 0, state: opnum * 100 })
}

/// A leads alone, then with B, and both executed one operation.
fn in_step() -> Script {
    let started = |node| (node, ViewEvent::Started { boot: 1 });
    let mut script: Script = [A, B, C].map(started).into();
    script.extend([
        chosen(1, (A, 1), None),
        acknowledged(A, 1, 0),
        chosen(2, (A, 1), Some((B, 1))),
        (B, ViewEvent::Entered { num: 2, role: "backup" }),
        installed(B, 2, 0),
        acknowledged(A, 2, 0),
        performed(B, 2, 1, false),
        performed(A, 2, 1, true),
        (A, ViewEvent::Completed { num: 2, opnum: 1 }),
    ]);
    script
}

/// The invariant that the last of these events breaks, after [`in_step`]; none of the earlier may break any.
fn verdict(more: &[(NodeId, ViewEvent)]) -> Option<&'static str> {
    let mut views = Views::default();
    let script = [&in_step()[..], more].concat();
    let (last, before) = script.split_last().expect("a script has events");
    for (node, event) in before {
        views.observe(*node, event).expect("only the last event breaks an invariant");
    }
    views.observe(last.0, &last.1).err().map(|breach| breach.invariant)
}

#[test]
fn failover_passes() {
    let script = vec![
        performed(B, 2, 2, false),
        chosen(3, (B, 1), Some((C, 1))),
        (B, ViewEvent::Entered { num: 3, role: "primary" }),
        installed(C, 3, 2),
        acknowledged(B, 3, 2),
        // The old primary hears at last that its backup had executed the second operation.
        performed(A, 2, 2, true),
        (A, ViewEvent::Completed { num: 2, opnum: 2 }),
        performed(C, 3, 3, false),
        performed(B, 3, 3, true),
    ];
    assert_eq!(verdict(&script), None);
}

#[test]
fn views_that_do_not_follow() {
    assert_eq!(verdict(&[chosen(3, (C, 1), None)]), Some("P1"));
    assert_eq!(verdict(&[chosen(3, (B, 2), None)]), Some("P1"), "another life is another server");
    assert_eq!(verdict(&[chosen(3, (B, 1), None), chosen(4, (B, 1), Some((C, 1)))]), Some("P2"));
    assert_eq!(verdict(&[chosen(4, (B, 1), None)]), Some("P3"));
    assert_eq!(verdict(&[chosen(3, (A, 1), Some((B, 1)))]), Some("P3"));
    assert_eq!(verdict(&[chosen(2, (A, 1), None)]), Some("P3"), "a restart that forgot");
    assert_eq!(verdict(&[chosen(2, (A, 1), Some((B, 1)))]), None, "a restart that remembers");
    let renamed = [
        chosen(3, (A, 1), Some((B, 2))),
        (B, ViewEvent::Started { boot: 2 }),
        installed(B, 3, 1),
        acknowledged(A, 3, 1),
        chosen(4, (A, 1), Some((B, 1))),
    ];
    assert_eq!(verdict(&renamed), Some("P3"), "an earlier life");
}

#[test]
fn acknowledgements_before_their_time() {
    let alone = chosen(3, (A, 1), Some((C, 1)));
    assert_eq!(verdict(&[alone.clone(), acknowledged(A, 3, 1)]), Some("P2"));
    let restarted = (C, ViewEvent::Started { boot: 2 });
    assert_eq!(verdict(&[alone, restarted, acknowledged(A, 3, 1)]), None);
    let promoted = chosen(3, (B, 1), None);
    assert_eq!(verdict(&[promoted.clone(), acknowledged(C, 3, 1)]), Some("P4"));
    assert_eq!(verdict(&[promoted.clone(), acknowledged(B, 3, 0)]), Some("P6"));
    let other_state = (B, ViewEvent::Acknowledged { num: 3, opnum: 1, state: 7 });
    assert_eq!(verdict(&[promoted, other_state]), Some("P5"));
}

#[test]
fn operations_out_of_step() {
    assert_eq!(verdict(&[performed(A, 2, 2, true)]), Some("P5"), "its backup has not");
    assert_eq!(verdict(&[performed(B, 2, 3, false)]), Some("P5"), "a gap");
    assert_eq!(verdict(&[performed(B, 2, 2, false), performed(B, 2, 3, false)]), Some("P5"), "far ahead");
    let other_state = (B, ViewEvent::Performed { num: 2, opnum: 2, state: 7, primary: false });
    let follow = performed(A, 2, 2, true);
    assert_eq!(verdict(&[other_state.clone(), follow.clone()]), Some("P5"), "states differ");
    // The view drops the backup before its primary hears of the operation, and the primary dies with it.
    let dropped = [
        other_state,
        chosen(3, (A, 1), Some((C, 1))),
        installed(C, 3, 1),
        acknowledged(A, 3, 1),
        chosen(4, (C, 1), None),
        acknowledged(C, 4, 1),
        performed(C, 4, 2, true),
    ];
    assert_eq!(verdict(&dropped), None, "what nobody else executed");
    // The backup restarted: that is no leave to go on alone.
    assert_eq!(verdict(&[(B, ViewEvent::Started { boot: 2 }), performed(A, 2, 2, true)]), Some("P5"));
    let entered = (B, ViewEvent::Entered { num: 3, role: "primary" });
    let left = [chosen(3, (B, 1), None), entered, performed(B, 2, 2, false)];
    assert_eq!(verdict(&left), Some("P4"), "of a view that it has left");
}

#[test]
fn states_taken_over_wrongly() {
    assert_eq!(verdict(&[installed(B, 2, 1)]), Some("P5"), "twice");
    assert_eq!(verdict(&[installed(C, 2, 1)]), Some("P4"), "not the backup");
    assert_eq!(verdict(&[chosen(3, (A, 1), Some((C, 1))), installed(C, 3, 0)]), Some("P5"), "an old state");
}

#[test]
fn answers_by_strangers() {
    assert_eq!(verdict(&[(B, ViewEvent::Completed { num: 2, opnum: 1 })]), Some("P4"));
    assert_eq!(verdict(&[(A, ViewEvent::Completed { num: 2, opnum: 2 })]), Some("P4"));
}
