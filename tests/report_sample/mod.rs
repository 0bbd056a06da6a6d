//! A made-up run for tests of the report: a stale read from a deposed leader among as many operations as asked for,
//! with faults, leader changes and messages. A pure function of its arguments; no simulation.

mod world;

use squall::report::data::{
    CheckSummary, Meta, Moment, OperationOutcome, OutcomeCounts, Phase, ReportData, ReportOperation, RunSize,
    SCHEMA, Statistics,
};
use squall_checker::{Edge, EdgeKind, OpId, ProcessId, Verdict, Violation};

const KEYS: [&str; 6] = ["u", "v", "w", "x", "y", "z"];
const CLIENTS: usize = 6;

/// A small generator (xorshift64*), so that the sample is the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

/// The run with its stale read. Faults and leaders stand at the same shares of it whatever its length.
pub(crate) fn stale_read(operations: usize) -> ReportData {
    let end_us = operations as u64 * 8_500;
    let mut made = script(operations, end_us);
    let violation = plant(&mut made);
    let end_us =
        made.iter().filter_map(|operation| operation.complete).map(|at| at.time_us).max().unwrap_or(end_us);
    let count = |outcome| made.iter().filter(|operation| operation.outcome == outcome).count() as u64;
    let counts = OutcomeCounts {
        ok: count(OperationOutcome::Ok),
        fail: count(OperationOutcome::Fail),
        info: count(OperationOutcome::Info),
    };
    ReportData {
        meta: meta(end_us, counts),
        operations: made,
        faults: world::faults(end_us),
        node_events: world::node_events(end_us),
        nodes: ["n1", "n2", "n3", "n4", "n5"].map(String::from).to_vec(),
        violations: vec![violation],
        statistics: Statistics { messages: world::messages() },
    }
}

/// A recorded history: operations and nothing else, and nothing wrong with them.
pub(crate) fn recorded() -> ReportData {
    let mut data = stale_read(60);
    data.faults.clear();
    data.node_events.clear();
    data.nodes.clear();
    data.violations.clear();
    data.statistics = Statistics::default();
    let meta = &mut data.meta;
    meta.verdict = Verdict::Valid;
    meta.checks = vec![CheckSummary { name: "linearizable".into(), verdict: Verdict::Valid, reason: None }];
    meta.bugs.clear();
    meta.phases.clear();
    (meta.seed, meta.replay, meta.mode, meta.nemesis) = (None, None, None, None);
    (meta.plan_digest, meta.trace_digest, meta.messages, meta.shrunk_from) = (None, None, None, None);
    data
}

/// Texts that break a careless page.
pub(crate) const HOSTILE: [&str; 4] = [
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "a\u{2028}b\u{2029}c",
    "</title></style><svg onload=alert(1)>&quot;'\"`",
];

/// The same run, with a hostile text wherever a run may choose one.
pub(crate) fn hostile() -> ReportData {
    let mut data = stale_read(120);
    for (position, operation) in data.operations.iter_mut().enumerate() {
        let text = HOSTILE[position % HOSTILE.len()];
        operation.key = Some(text.into());
        operation.input = format!("{text} {}", operation.input);
        operation.output = operation.output.as_ref().map(|output| format!("{output}{text}"));
        operation.function = text.into();
        operation.error = Some(text.into());
        operation.node = Some(text.into());
    }
    let [markup, comment, separators, closing] = HOSTILE.map(String::from);
    for fault in &mut data.faults {
        (fault.family, fault.kind, fault.description) = (markup.clone(), comment.clone(), closing.clone());
        fault.targets = vec![markup.clone()];
    }
    data.nodes = vec![markup.clone(), comment.clone()];
    for event in &mut data.node_events {
        (event.node, event.ballot, event.detail) =
            (markup.clone(), Some(comment.clone()), separators.clone());
    }
    let violation = &mut data.violations[0];
    (violation.check, violation.kind, violation.key) =
        (markup.clone(), comment.clone(), Some(closing.clone()));
    violation.message = HOSTILE.concat();
    violation.steps = HOSTILE.map(String::from).to_vec();
    for edge in &mut violation.edges {
        edge.reason.clone_from(&closing);
    }
    let meta = &mut data.meta;
    (meta.workload, meta.seed, meta.replay) = (markup.clone(), Some(comment), Some(closing));
    meta.checks[0].name.clone_from(&markup);
    data.statistics.messages[0].kind = markup;
    data
}

fn meta(end_us: u64, counts: OutcomeCounts) -> Meta {
    let check = |name: &str, verdict| CheckSummary { name: name.into(), verdict, reason: None };
    let phase = |name: &str, start_us, end_us| Phase { name: name.into(), start_us, end_us };
    Meta {
        schema: SCHEMA,
        version: "0.1.0".into(),
        verdict: Verdict::Invalid,
        seed: Some("0x3f2a".into()),
        plan_digest: Some("9c41d7e0b25a".into()),
        trace_digest: Some("1f7709ae63cc".into()),
        replay: Some("squall replay results/append/20260301T120000Z-paxos-0x3f2a".into()),
        mode: Some("paxos, 5 nodes".into()),
        workload: "append, 6 keys".into(),
        nemesis: Some("partition, link, process, clock".into()),
        bugs: vec!["lease-ignored".into()],
        checks: vec![check("linearizable", Verdict::Invalid), check("exactly-once", Verdict::Valid)],
        simulated_us: end_us,
        counts,
        messages: Some(world::messages().iter().map(|message| message.sent).sum()),
        shrunk_from: Some(RunSize { nodes: 5, clients: 12, operations: 2_904, faults: 17 }),
        phases: vec![
            phase("start", 0, end_us / 20),
            phase("chaos", end_us / 20, end_us * 9 / 10),
            phase("quiet", end_us * 9 / 10, end_us),
        ],
    }
}

/// Sequential clients; what they ask for is slow, unknown or refused while faults last.
fn script(operations: usize, end_us: u64) -> Vec<ReportOperation> {
    let mut random = Random(0x5eed);
    let mut lengths = [0_u64; KEYS.len()];
    let mut free_at: Vec<u64> = (0..CLIENTS as u64).map(|client| end_us / 20 + client * 1_700).collect();
    let mut processes: Vec<u64> = (0..CLIENTS as u64).collect();
    let mut made = Vec::new();
    while made.len() < operations {
        let client = (0..CLIENTS).min_by_key(|client| free_at[*client]).expect("there are clients");
        let start_us = free_at[client];
        let (latency_us, outcome) = fate(&mut random, start_us * 6_000 / end_us);
        let key = usize::try_from(random.below(KEYS.len() as u64)).expect("a key");
        let append = random.below(100) < 43;
        lengths[key] += u64::from(append);
        let error = match outcome {
            OperationOutcome::Ok => None,
            OperationOutcome::Fail => Some("not the leader"),
            OperationOutcome::Info => Some("no answer in 250 ms"),
        };
        made.push(ReportOperation {
            id: OpId(0),
            process: ProcessId(processes[client]),
            client: client as u64,
            function: if append { "append" } else { "read" }.into(),
            key: Some(KEYS[key].into()),
            input: if append { lengths[key].to_string() } else { String::new() },
            output: (!append && outcome == OperationOutcome::Ok).then(|| listed(lengths[key])),
            invoke: Moment { time_us: start_us, sequence: 0 },
            complete: Some(Moment { time_us: start_us + latency_us, sequence: 0 }),
            outcome,
            error: error.map(String::from),
            node: Some(format!("n{}", random.below(5) + 1)),
        });
        if outcome == OperationOutcome::Info {
            processes[client] += CLIENTS as u64;
        }
        free_at[client] = start_us + latency_us + 4_000 + random.below(60_000);
    }
    made
}

/// `[1, 2, 3]`: what was appended to a key, up to the last 40, since a test needs no more.
fn listed(last: u64) -> String {
    let words: Vec<String> = (last.saturating_sub(39).max(1)..=last).map(|value| value.to_string()).collect();
    format!("[{}]", words.join(", "))
}

/// Latency and outcome of an operation at a time, in thousandths of a run of six seconds.
fn fate(random: &mut Random, at_ms: u64) -> (u64, OperationOutcome) {
    let usual_us = 1_900 + random.below(5_000) + random.below(6_000);
    match at_ms {
        1_800..2_700 if random.below(9) == 0 => (250_000, OperationOutcome::Info),
        3_200..3_800 if random.below(4) == 0 => (1_500 + random.below(900), OperationOutcome::Fail),
        3_200..3_800 if random.below(3) == 0 => (250_000, OperationOutcome::Info),
        4_200..4_700 => (30_000 + random.below(150_000), OperationOutcome::Ok),
        _ => (usual_us, OperationOutcome::Ok),
    }
}

/// An operation of the counterexample: client, process, function, argument, output, node, delay and latency.
type Planted = (u64, u64, &'static str, &'static str, Option<u64>, &'static str, u64, u64);

const PLANTED: [Planted; 3] = [
    (1, 1, "append", "23", None, "n4", 0, 6_300),
    (0, 0, "read", "", Some(25), "n4", 74_000, 8_400),
    (3, 15, "read", "", Some(19), "n5", 110_400, 3_200),
];

/// Puts a stale read at two fifths of the run in place of what its clients did meanwhile, numbers everything and
/// returns the proof.
fn plant(operations: &mut Vec<ReportOperation>) -> Violation {
    let start_us = operations[operations.len() * 2 / 5].invoke.time_us;
    for (client, process, function, input, last, node, delay_us, latency_us) in PLANTED {
        let (from, to) = (start_us + delay_us, start_us + delay_us + latency_us);
        operations.retain(|other| {
            let end = other.complete.map_or(u64::MAX, |complete| complete.time_us);
            other.client != client || end < from || other.invoke.time_us > to
        });
        operations.push(ReportOperation {
            id: OpId(0),
            process: ProcessId(process),
            client,
            function: function.into(),
            key: Some("u".into()),
            input: input.into(),
            output: last.map(listed),
            invoke: Moment { time_us: from, sequence: 0 },
            complete: Some(Moment { time_us: to, sequence: 0 }),
            outcome: OperationOutcome::Ok,
            error: None,
            node: Some(node.into()),
        });
    }
    operations.sort_by_key(|operation| (operation.invoke.time_us, operation.client));
    number(operations);
    let ids = PLANTED.map(|(client, _, _, _, _, _, delay_us, _)| {
        let at = (client, start_us + delay_us);
        let found = operations.iter().find(|operation| (operation.client, operation.invoke.time_us) == at);
        found.expect("the planted operation").id
    });
    proof(ids)
}

/// Ids by invocation; sequence numbers by time, an invocation before a return at the same time.
fn number(operations: &mut [ReportOperation]) {
    let mut ends: Vec<(u64, bool, usize)> = Vec::new();
    for (position, operation) in operations.iter_mut().enumerate() {
        operation.id = OpId(u32::try_from(position).expect("few operations"));
        ends.push((operation.invoke.time_us, false, position));
        ends.extend(operation.complete.map(|moment| (moment.time_us, true, position)));
    }
    ends.sort_unstable();
    for (sequence, (_, returned, position)) in ends.into_iter().enumerate() {
        let operation = &mut operations[position];
        let moment = if returned { operation.complete.as_mut() } else { Some(&mut operation.invoke) };
        moment.expect("it returned").sequence = sequence as u64;
    }
}

fn proof([append, witness, stale]: [OpId; 3]) -> Violation {
    let edge =
        |from, to, kind, reason: &str| Edge { from, to, kind, reason: reason.into(), evidence: vec![] };
    let wrote = "append u 23 by process 1";
    let saw = "read u -> [… 23, 24, 25] by process 0";
    let missed = "read u -> [… 16, 17, 18, 19] by process 15";
    Violation {
        check: "linearizable".into(),
        kind: "stale".into(),
        key: Some("u".into()),
        message: format!(
            "read u by process 15 returned [… 16, 17, 18, 19] although {wrote} had been acknowledged before it began, and {saw} had shown it"
        ),
        operations: vec![append, witness, stale],
        edges: vec![
            edge(append, witness, EdgeKind::ReadsFrom, &format!("{saw} shows 23 of {wrote}")),
            edge(append, stale, EdgeKind::RealTime, &format!("{wrote} finished before {missed} began")),
            edge(stale, append, EdgeKind::MustPrecede, &format!("{missed} does not show 23")),
        ],
        steps: vec![
            format!("{saw} shows 23 of {wrote}, so {append} comes before {witness}"),
            format!("{wrote} finished before {missed} began, so {append} comes before {stale}"),
            format!("{missed} does not show 23, so {stale} comes before {append}"),
            format!("together {append} < {stale} < {append}: no order of these operations is possible"),
        ],
    }
}
