//! What is certain of the order of versions of registers, and the dependencies that follow from it.
//!
//! Values are unique, so every read tells whose write it saw. Of the order of writes only some is known: nil stands
//! first; a transaction that read a version and wrote stands right behind it, so versions hang together in chains;
//! and with real time, all of a chain stands before a write that began after a member of the chain had finished.
//! The rest is open: to decide it is NP-complete (Papadimitriou, JACM 1979).

use super::external::{Access, Externals};
use super::flawed_lists::{aborted_read, intermediate, phantom};
use super::flaws;
use super::graph::label;
use super::history::{NEVER, Step, TransactionHistory};
use super::lists::committed;
use super::recovered::Recovered;
use super::writers::{Writer, Writers, writes_to};

/// No version, no transaction.
const NONE: u32 = u32::MAX;

/// A value that a key had between two transactions.
#[derive(Clone, Copy, Debug)]
struct Version {
    key: u32,
    /// Who wrote it; [`NONE`] for the nil at first.
    writer: u32,
    /// The version that its writer read, if it did.
    before: u32,
    /// The first transaction that read it and wrote, and what that wrote.
    overwriter: u32,
    next: u32,
    /// The earliest return of its writer and readers.
    returned: u64,
    /// The first and last version of its chain.
    head: u32,
    tail: u32,
}

/// The work in progress.
struct Registers<'h> {
    history: &'h TransactionHistory,
    writers: Writers,
    /// The nil of every key, then what was written.
    versions: Vec<Version>,
    /// Per step that wrote a version, the version.
    version_of: Vec<u32>,
    /// Who read what, and whether it wrote the key too.
    reads: Vec<(u32, u32, bool)>,
    recovered: Recovered,
}

/// Recovers what is known of a history of registers.
pub(super) fn recover(history: &TransactionHistory) -> Recovered {
    let writers = Writers::new(history);
    let mut registers = Registers {
        history,
        writers,
        versions: Vec::new(),
        version_of: vec![NONE; history.all_micros().len()],
        reads: Vec::new(),
        recovered: Recovered::new(history),
    };
    registers.find_versions();
    registers.find_reads();
    registers.find_tails();
    registers.order_reads();
    registers.order_first();
    registers.order_by_time();
    Recovered { writers: Some(registers.writers), ..registers.recovered }
}

impl Registers<'_> {
    fn add_version(&mut self, key: u32, writer: u32) -> u32 {
        let version = u32::try_from(self.versions.len()).expect("keys and steps fit into 32 bits");
        let returned = if writer == NONE { NEVER } else { self.history.stored(writer).returned };
        let (before, overwriter, next) = (NONE, NONE, NONE);
        self.versions.push(Version {
            key,
            writer,
            before,
            overwriter,
            next,
            returned,
            head: version,
            tail: version,
        });
        version
    }

    fn find_versions(&mut self) {
        let history = self.history;
        for key in 0..u32::try_from(history.keys()).expect("keys are numbered in 32 bits") {
            self.add_version(key, NONE);
        }
        if let Some((key, value)) = self.writers.repeated().min() {
            let (key, value) = (history.key(key), history.value(value));
            self.recovered.unrecovered = Some(format!(
                "{value} was written to {key} more than once, so a read of it does not tell whose write it saw"
            ));
        }
        for (at, micro) in (0u32..).zip(history.all_micros()) {
            let Step::Write(value) = history.step(*micro) else { continue };
            let id = self.writers.owner(at);
            let last = writes_to(history, id, micro.key).next_back() == Some(at);
            if last && self.writers.of(micro.key, value) == Writer::Step(at) {
                self.version_of[at as usize] = self.add_version(micro.key, id);
            }
        }
    }

    fn find_reads(&mut self) {
        let mut externals = Externals::new(self.history);
        for id in committed(self.history) {
            for access in externals.of(id) {
                if let Some(at) = access.contradiction {
                    flaws::internal(self.history, &mut self.recovered.flaws, id, access.key, at);
                } else if let Some(outside) = access.outside
                    && let Some(version) = self.version_read(id, access, outside)
                {
                    self.read(id, access, version);
                }
            }
        }
    }

    /// Which version a transaction read; `None` if it is not known, or if none should have been read.
    fn version_read(&mut self, id: u32, access: &Access<'_>, outside: &[u32]) -> Option<u32> {
        let (history, key) = (self.history, access.key);
        let Some(value) = outside.first() else { return Some(key) };
        let flaws = &mut self.recovered.flaws;
        match self.writers.of(key, *value) {
            Writer::Nobody => phantom(history, flaws, key, (id, outside), *value),
            Writer::Aborted(at) => {
                aborted_read(history, flaws, key, (id, outside), (*value, self.writers.owner(at)));
            }
            Writer::Several => {}
            Writer::Step(at) => {
                let writer = self.writers.owner(at);
                self.recovered.required[writer as usize] = true;
                if writer == id {
                    flaws::own_future(history, flaws, id, key, outside);
                } else if let Some(later) = writes_to(history, writer, key).find(|later| *later > at) {
                    intermediate(history, flaws, key, (id, outside), (writer, later));
                } else {
                    return Some(self.version_of[at as usize]);
                }
            }
        }
        None
    }

    fn read(&mut self, id: u32, access: &Access<'_>, version: u32) {
        let writes = !access.writes.is_empty();
        self.reads.push((id, version, writes));
        let edges = &mut self.recovered.edges;
        let known = &mut self.versions[version as usize];
        known.returned = known.returned.min(self.history.stored(id).returned);
        if known.writer != NONE {
            edges.push(known.writer, id, label::WR);
        }
        let Some(last) = access.writes.last() else { return };
        let next = self.version_of[*last];
        if next != NONE {
            self.versions[next as usize].before = version;
        }
        let known = &mut self.versions[version as usize];
        if known.overwriter == NONE {
            (known.overwriter, known.next) = (id, next);
        } else {
            // Two that overwrote the same: neither can stand right behind it.
            edges.push(known.overwriter, id, label::WW_BY_SNAPSHOT);
        }
    }

    /// Where the chain of each version ends, from those that nobody read before they were written.
    fn find_tails(&mut self) {
        for head in 0..u32::try_from(self.versions.len()).expect("versions fit into 32 bits") {
            if !self.is_head(head) {
                continue;
            }
            let mut chain = vec![head];
            let mut tail = head;
            while self.versions[tail as usize].next != NONE {
                tail = self.versions[tail as usize].next;
                chain.push(tail);
            }
            for version in chain {
                (self.versions[version as usize].head, self.versions[version as usize].tail) = (head, tail);
            }
        }
    }

    /// Whether a chain begins with a version: its writer did not read the one before, or came second to overwrite it.
    fn is_head(&self, version: u32) -> bool {
        let before = self.versions[version as usize].before;
        before == NONE || self.versions[before as usize].next != version
    }

    /// Who read a version stands before who overwrote it.
    fn order_reads(&mut self) {
        for (id, version, _) in &self.reads {
            let overwriter = self.versions[*version as usize].overwriter;
            if overwriter != NONE {
                self.recovered.edges.push(*id, overwriter, label::RW);
            }
        }
    }

    /// The chain that begins with nil stands before all other writes of its key.
    fn order_first(&mut self) {
        let keys = self.history.keys();
        let mut in_first = vec![false; self.versions.len()];
        // Per key, the node for "after the first chain".
        let mut nodes = vec![NONE; keys];
        let mut last_writer = vec![NONE; keys];
        for key in 0..keys {
            let mut version = key;
            loop {
                in_first[version] = true;
                let Version { overwriter, next, writer, .. } = self.versions[version];
                last_writer[key] = if overwriter == NONE { writer } else { overwriter };
                if next == NONE {
                    break;
                }
                version = next as usize;
            }
            nodes[key] = self.recovered.nodes;
            self.recovered.nodes += 1;
            if last_writer[key] != NONE {
                self.recovered.edges.push(last_writer[key], nodes[key], label::WW_BY_SNAPSHOT);
            }
        }
        for (id, version, writes) in &self.reads {
            let known = &self.versions[*version as usize];
            if in_first[*version as usize] && known.overwriter == NONE && !writes {
                self.recovered.edges.push(*id, nodes[known.key as usize], label::RW);
            }
        }
        let mut first: Vec<(u32, u32)> = Vec::new();
        for (known, _) in self.versions.iter().zip(&in_first).filter(|(_, in_first)| **in_first) {
            let members = [known.writer, known.overwriter].into_iter().filter(|id| *id != NONE);
            first.extend(members.map(|id| (id, known.key)));
        }
        first.sort_unstable();
        for (at, micro) in (0u32..).zip(self.history.all_micros()) {
            let id = self.writers.owner(at);
            let writes = matches!(self.history.step(*micro), Step::Write(_));
            if writes
                && self.recovered.required[id as usize]
                && first.binary_search(&(id, micro.key)).is_err()
            {
                self.recovered.edges.push(nodes[micro.key as usize], id, label::ON);
            }
        }
    }

    /// With real time: a chain stands before every write that began after a member of it had finished.
    fn order_by_time(&mut self) {
        let earliest = self.earliest_of_chains();
        // By key and time: the chains by their earliest return, the heads by their invocation.
        let mut ends: Vec<(u32, u64, u32)> = Vec::new();
        let mut begins: Vec<(u32, u64, u32)> = Vec::new();
        for (version, known) in (0u32..).zip(&self.versions) {
            let end = earliest[version as usize];
            // One of which a member finished before it began is a cycle already.
            let head = self.versions[known.head as usize].writer;
            let possible = head == NONE || end >= self.history.stored(head).invoked;
            if known.tail == version && end != NEVER && possible {
                ends.push((known.key, end, version));
            }
            let required = known.writer != NONE && self.recovered.required[known.writer as usize];
            if required && known.head == version {
                begins.push((known.key, self.history.stored(known.writer).invoked, known.writer));
            }
        }
        ends.sort_unstable();
        begins.sort_unstable();
        let mut node_of_tail = vec![NONE; self.versions.len()];
        let (mut ends, mut barrier) = (ends.into_iter().peekable(), (NONE, NONE));
        for (key, invoked, writer) in begins {
            while let Some((end_key, _, tail)) =
                ends.next_if(|(end_key, end, _)| (*end_key, *end) < (key, invoked))
            {
                let node = self.recovered.nodes;
                self.recovered.nodes += 1;
                node_of_tail[tail as usize] = node;
                if barrier.0 == end_key {
                    self.recovered.edges.push(barrier.1, node, label::ON);
                }
                barrier = (end_key, node);
            }
            if barrier.0 == key {
                self.recovered.edges.push(barrier.1, writer, label::ON);
            }
        }
        for (tail, node) in node_of_tail.iter().enumerate().filter(|(_, node)| **node != NONE) {
            let Version { writer, overwriter, .. } = self.versions[tail];
            let last = if overwriter == NONE { writer } else { overwriter };
            if last != NONE {
                self.recovered.edges.push(last, *node, label::WW_BY_TIME);
            }
        }
        for (id, version, writes) in &self.reads {
            let node = node_of_tail[*version as usize];
            if node != NONE && !writes {
                self.recovered.edges.push(*id, node, label::RW_BY_TIME);
            }
        }
    }

    /// Per tail, the earliest return among the members of its chain.
    fn earliest_of_chains(&self) -> Vec<u64> {
        let mut earliest = vec![NEVER; self.versions.len()];
        for known in &self.versions {
            let chain = &mut earliest[known.tail as usize];
            *chain = (*chain).min(known.returned);
        }
        earliest
    }
}
