//! A node that panics, or breaks an invariant for a moment, makes the run invalid; the history is kept.
//!
//! Simulators swallow the panic of a spawned task; a run that ended green because its server died would be a lie.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use squall::checker::kv::{KvOp, KvRet, KvSpec};
use squall::checker::{ProcessId, Value, Verdict, Violation};
use squall::workloads::{Client, OpError, append};
use squall::{NodeContext, NodeName, System, trial};

/// A store in shared memory whose only node panics after a while, in a task of its own or in its main one.
#[derive(Debug, Default)]
struct Fragile {
    data: Rc<RefCell<BTreeMap<String, Vec<i64>>>>,
    in_a_task: bool,
    /// Whether nothing goes wrong but an invariant, for a while.
    only_wavers: bool,
}

impl System for Fragile {
    type Client = Memory;

    fn nodes(&self) -> Vec<NodeName> {
        NodeName::numbered(1)
    }

    async fn serve(self: Rc<Self>, _context: NodeContext) -> Result<(), Box<dyn std::error::Error>> {
        let fuse = async {
            tokio::time::sleep(std::time::Duration::from_millis(700)).await;
            panic!("the fuse has blown");
        };
        if self.only_wavers {
            std::future::pending().await
        } else if self.in_a_task {
            tokio::task::spawn_local(fuse);
            std::future::pending().await
        } else {
            fuse.await
        }
    }

    async fn connect(self: Rc<Self>, _node: NodeName, _process: ProcessId) -> Result<Memory, OpError> {
        Ok(Memory(Rc::clone(&self.data)))
    }

    fn probe(&self) -> Result<(), Violation> {
        let elements: usize = self.data.borrow().values().map(Vec::len).sum();
        if !self.only_wavers || elements != 10 {
            return Ok(());
        }
        Err(Violation {
            check: "probe".into(),
            kind: "ten".into(),
            key: None,
            message: "there are ten elements".into(),
            operations: Vec::new(),
            edges: Vec::new(),
            steps: Vec::new(),
        })
    }
}

#[derive(Debug)]
struct Memory(Rc<RefCell<BTreeMap<String, Vec<i64>>>>);

impl Client<KvSpec> for Memory {
    async fn invoke(&mut self, op: KvOp) -> Result<KvRet, OpError> {
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        let mut data = self.0.borrow_mut();
        match op {
            KvOp::Get { key } => Ok(KvRet::Value(data.get(&*key).cloned().map_or(Value::Nil, Value::list))),
            KvOp::Append { key, value: Value::Int(element) } => {
                data.entry(key.to_string()).or_default().push(element);
                Ok(KvRet::Done)
            }
            _ => Err(OpError::Definite("not supported".into())),
        }
    }
}

fn outcome(in_a_task: bool) -> squall::Outcome {
    trial(move || Fragile { in_a_task, ..Fragile::default() }, append(1))
        .nemesis("none")
        .duration_ms(2_000)
        .run()
}

#[test]
fn a_panic_of_a_spawned_task_is_found() {
    let outcome = outcome(true);
    assert_eq!(outcome.verdict, Verdict::Invalid);
    assert_eq!(outcome.violations[0].check, "panic");
    assert!(
        outcome.violations[0].message.contains("the fuse has blown"),
        "{}",
        outcome.violations[0].message
    );
    assert!(outcome.violations[0].message.contains("tests/panics.rs"), "the place is named");
    assert!(outcome.operations.ok > 10, "the history so far is kept");
}

#[test]
fn a_panic_of_a_node_itself_is_found() {
    let outcome = outcome(false);
    assert_eq!(outcome.verdict, Verdict::Invalid);
    assert!(outcome.violations[0].message.contains("the fuse has blown"));
}

#[test]
fn an_invariant_that_is_broken_for_a_moment_is_noticed() {
    let wavering = || Fragile { only_wavers: true, ..Fragile::default() };
    let outcome = trial(wavering, append(1)).nemesis("none").duration_ms(2_000).run();
    assert_eq!(outcome.verdict, Verdict::Invalid);
    assert_eq!(outcome.violations.len(), 1, "{:?}", outcome.violations);
    assert_eq!(outcome.violations[0].check, "probe");
    assert!(outcome.operations.ok > 20, "the run goes on, for the story's sake");
}
