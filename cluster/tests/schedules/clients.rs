//! What clients must see: append-only lists and a chain of comparisons, checked without a general checker.
//!
//! Elements and new values are unique. All reads of a list must be prefixes of the longest; a read holds what was
//! acknowledged or read before it began; no element occurs twice; nothing that failed is ever seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use squall_cluster::app::{Key, Operation, Reply, Value};
use squall_cluster::client::ClientAnswer;
use squall_cluster::node::NodeId;

/// What a client found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint(pub String);

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn require(holds: bool, message: impl FnOnce() -> String) -> Result<(), Complaint> {
    if holds { Ok(()) } else { Err(Complaint(message())) }
}

/// What is known of one list.
#[derive(Default)]
struct List {
    longest: Vec<i64>,
    /// How long it was known to be, at which time.
    lengths: BTreeMap<u64, usize>,
    /// When each acknowledged element was acknowledged.
    acknowledged: BTreeMap<i64, u64>,
}

/// What all clients did and saw.
#[derive(Default)]
pub(crate) struct Book {
    unique: i64,
    lists: BTreeMap<Key, List>,
    outstanding: BTreeMap<NodeId, (Operation, u64)>,
    never: BTreeSet<i64>,
    /// The value of the comparison key as last seen by anyone.
    last_seen: Option<Value>,
    seen: BTreeSet<i64>,
    consumed: BTreeSet<Option<Value>>,
}

const CHAIN: &str = "chain";

impl Book {
    /// Draws an operation. Who only reads stays with the server that answers it, be it in charge or not.
    pub(crate) fn invoke(&mut self, client: NodeId, only_reads: bool, draw: u64, now: u64) -> Operation {
        self.unique += 1;
        let key: Key = if draw & 256 == 0 { "a" } else { "b" }.into();
        let operation = match if only_reads { 4 } else { draw % 10 } {
            0..=3 => Operation::Append { key, element: self.unique },
            4..=6 => Operation::Get { key },
            7 => Operation::Get { key: CHAIN.into() },
            _ => {
                let new = [self.unique].into();
                Operation::Cas { key: CHAIN.into(), expected: self.last_seen.clone(), new }
            }
        };
        let old = self.outstanding.insert(client, (operation.clone(), now));
        assert!(old.is_none(), "one operation at a time");
        operation
    }

    /// Judges an answer.
    pub(crate) fn answer(
        &mut self,
        client: NodeId,
        answer: &ClientAnswer,
        now: u64,
    ) -> Result<(), Complaint> {
        let (operation, began) = self.outstanding.remove(&client).expect("an answer belongs to an operation");
        let reply = match answer {
            ClientAnswer::Indeterminate => return Ok(()),
            ClientAnswer::Failed => {
                if let Operation::Append { element, .. } = operation {
                    return self.forbid(element);
                }
                return Ok(());
            }
            ClientAnswer::Reply(reply) => reply,
        };
        match (operation, reply) {
            (Operation::Append { key, element }, Reply::Done) => {
                self.lists.entry(key).or_default().acknowledged.insert(element, now);
                Ok(())
            }
            (Operation::Get { key }, Reply::Value(value)) if &*key != CHAIN => {
                self.read(&key, value.as_deref().unwrap_or(&[]), began, now)
            }
            (Operation::Get { .. }, Reply::Value(value)) => self.look(value.as_ref()),
            (Operation::Cas { expected, .. }, Reply::Done) => {
                require(self.consumed.insert(expected.clone()), || {
                    format!("{expected:?} was replaced twice")
                })?;
                self.look(expected.as_ref())
            }
            (Operation::Cas { new, .. }, Reply::Mismatch(value)) => {
                self.look(value.as_ref())?;
                self.forbid(new[0])
            }
            (operation, reply) => require(false, || format!("{operation:?} got {reply:?}")),
        }
    }

    fn forbid(&mut self, element: i64) -> Result<(), Complaint> {
        self.never.insert(element);
        let in_list = self.lists.values().any(|list| list.longest.contains(&element));
        require(!in_list && !self.seen.contains(&element), || format!("{element} failed but was seen"))
    }

    fn look(&mut self, value: Option<&Value>) -> Result<(), Complaint> {
        self.last_seen = value.cloned();
        let Some(element) = value.map(|value| value[0]) else { return Ok(()) };
        self.seen.insert(element);
        require(!self.never.contains(&element), || format!("{element} failed but was seen"))
    }

    fn read(&mut self, key: &Key, value: &[i64], began: u64, now: u64) -> Result<(), Complaint> {
        let list = self.lists.entry(key.clone()).or_default();
        let common = value.len().min(list.longest.len());
        require(value[..common] == list.longest[..common], || format!("reads of {key} disagree"))?;
        let known = list.lengths.range(..began).next_back().map_or(0, |(_, length)| *length);
        require(value.len() >= known, || format!("a read of {key} missed elements read before it began"))?;
        if value.len() > list.longest.len() {
            list.longest = value.to_vec();
            let unique: BTreeSet<_> = value.iter().collect();
            require(unique.len() == value.len(), || format!("{key} holds an element twice"))?;
        }
        let length = list.longest.len();
        list.lengths.insert(now, length);
        let present: BTreeSet<_> = value.iter().collect();
        for (element, at) in &list.acknowledged {
            require(*at >= began || present.contains(element), || format!("{key} lost or hid {element}"))?;
        }
        let never = value.iter().find(|element| self.never.contains(element));
        require(never.is_none(), || format!("{never:?} failed but was seen"))
    }

    /// Judges what can only be judged at the end.
    pub(crate) fn finish(&self) -> Result<(), Complaint> {
        let elements: usize = self.lists.values().map(|list| list.longest.len()).sum();
        require(elements > 0, || "nothing happened".into())
    }
}
