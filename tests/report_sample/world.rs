//! The made-up run's world: its faults, what happened to its nodes, its messages. Times are given in thousandths of
//! a run of six seconds and stretched to the run's length.

use squall::report::data::{FaultSpan, MessageCount, Moment, NodeEvent};

/// A fault in short: family, kind, description, start, length, targets, messages and operations changed.
type Fault = (&'static str, &'static str, &'static str, u64, u64, &'static [&'static str], u64);

const FAULTS: [Fault; 8] = [
    ("link", "duplicate", "duplicate 15% on all links", 1_000, 500, &[], 98),
    ("partition", "halves", "partition {n2,n5} | {n1,n3,n4}", 1_800, 900, &["n2", "n5"], 252),
    ("link", "delay", "delay 5-20ms on what n3 sends", 2_300, 500, &["n3"], 41),
    ("process", "crash", "crash n4, losing what is not synced", 3_200, 600, &["n4"], 61),
    ("clock", "jump", "clock of n1 jumps 400ms ahead", 3_900, 200, &["n1"], 0),
    ("link", "delay", "delay 30-90ms on links between servers", 4_200, 500, &[], 146),
    ("process", "pause", "pause n1", 5_000, 350, &["n1"], 18),
    ("disk", "wipe", "wipe the disk of n2", 5_100, 10, &["n2"], 0),
];

/// Faults of five families, two at once, one without effect, one withheld.
pub(super) fn faults(end_us: u64) -> Vec<FaultSpan> {
    let mut faults = Vec::new();
    for (position, (family, kind, description, start, length, targets, effective)) in
        FAULTS.into_iter().enumerate()
    {
        faults.push(FaultSpan {
            id: u32::try_from(position).expect("few faults"),
            family: family.into(),
            kind: kind.into(),
            description: description.into(),
            start_us: start * end_us / 6_000,
            end_us: Some((start + length) * end_us / 6_000),
            targets: targets.iter().map(|target| (*target).into()).collect(),
            effective,
            withheld: (kind == "wipe").then(|| "n2 would be the second damaged disk".into()),
        });
    }
    faults
}

/// An event in short: time, node, kind, ballot, detail.
type Event = (u64, &'static str, &'static str, Option<&'static str>, &'static str);

const EVENTS: [Event; 16] = [
    (0, "n1", "boot", None, "incarnation 1"),
    (0, "n2", "boot", None, "incarnation 1"),
    (0, "n3", "boot", None, "incarnation 1"),
    (0, "n4", "boot", None, "incarnation 1"),
    (0, "n5", "boot", None, "incarnation 1"),
    (210, "n5", "candidate", Some("1.n5"), ""),
    (260, "n5", "leader-elected", Some("1.n5"), "recovered up to slot 0"),
    (2_050, "n4", "candidate", Some("2.n4"), "heard nothing for 240 ms"),
    (2_080, "n4", "leader-elected", Some("2.n4"), "recovered up to slot 131"),
    (2_720, "n5", "step-down", Some("1.n5"), "saw ballot 2.n4"),
    (3_200, "n4", "crash", None, "lost 2 unsynced records"),
    (3_450, "n3", "candidate", Some("3.n3"), ""),
    (3_480, "n3", "leader-elected", Some("3.n3"), "recovered up to slot 207"),
    (3_800, "n4", "restart", None, "incarnation 2"),
    (5_000, "n1", "pause", None, ""),
    (5_350, "n1", "resume", None, "ran late by 350 ms"),
];

/// Three leaders, two of them at the same time; a crash, a restart, a pause.
pub(super) fn node_events(end_us: u64) -> Vec<NodeEvent> {
    let mut events = Vec::new();
    for (position, (time, node, kind, ballot, detail)) in EVENTS.into_iter().enumerate() {
        events.push(NodeEvent {
            at: Moment { time_us: time * end_us / 6_000, sequence: 1_000_000 + position as u64 },
            node: node.into(),
            kind: kind.into(),
            ballot: ballot.map(String::from),
            detail: detail.into(),
        });
    }
    events
}

const MESSAGES: [(&str, u64, u64, u64, u64); 8] = [
    ("request", 795, 8, 12, 12),
    ("reply", 748, 2, 18, 9),
    ("not-leader", 36, 0, 0, 0),
    ("prepare", 16, 3, 0, 0),
    ("promise", 13, 1, 0, 0),
    ("accept", 1_578, 227, 48, 24),
    ("accepted", 1_898, 9, 58, 46),
    ("heartbeat", 518, 2, 10, 7),
];

/// Messages by kind.
pub(super) fn messages() -> Vec<MessageCount> {
    let count = |(kind, sent, dropped, delayed, duplicated): (&str, _, _, _, _)| MessageCount {
        kind: kind.into(),
        sent,
        dropped,
        delayed,
        duplicated,
    };
    MESSAGES.into_iter().map(count).collect()
}
