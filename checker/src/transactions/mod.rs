//! Isolation of transactions: is a history strictly serializable, and if not, which weaker levels hold and which few
//! transactions show it.
//!
//! The method is Elle's (Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations",
//! VLDB 2020): the order of versions is recovered from what was read, which gives dependencies between transactions,
//! and each level of isolation forbids some cycles of these. Nothing is believed without proof: *valid* comes with a
//! serial order that was replayed by code which shares nothing with the inference ([`verify`]), a cycle with
//! reasons that can be looked up.
//!
//! ```
//! use squall_checker::transactions::{self, Datatype, Level, MicroOperation, Options, Transaction, TransactionHistory};
//! use squall_checker::{Bounds, Completion, ProcessId, Verdict};
//!
//! let committed = |process, invoked, returned, micro_operations| Transaction {
//!     process: ProcessId(process),
//!     micro_operations,
//!     invoked,
//!     returned: Some(returned),
//!     completion: Completion::Ok(()),
//! };
//! // Two transactions read x while it was empty, and both append to it.
//! let read = || MicroOperation::Read { key: "x".into(), value: Some(squall_checker::Value::list([])) };
//! let mut history = TransactionHistory::builder(Datatype::ListAppend);
//! history.push(&committed(0, 0, 10, vec![read(), MicroOperation::append("x", 1)]))?;
//! history.push(&committed(1, 5, 15, vec![read(), MicroOperation::append("x", 2)]))?;
//! let judged = transactions::check(&history.build()?, &Options::default(), &Bounds::default());
//!
//! assert_eq!(judged.outcome.verdict, Verdict::Invalid);
//! assert_eq!(judged.outcome.violations[0].kind, "lost-update");
//! assert_eq!(judged.levels.strongest_held(), [Level::ReadAtomic]);
//! # Ok::<(), transactions::Unfit>(())
//! ```

mod cycles;
mod explain;
mod external;
mod flawed_lists;
mod flaws;
mod graph;
mod history;
mod level;
mod lists;
mod order;
mod reasons;
pub(crate) mod recorded;
mod recovered;
mod register_reasons;
mod registers;
mod schedule;
pub mod verify;
mod verify_reads;
mod writers;

pub use history::{
    Datatype, MicroOperation, Transaction, TransactionHistory, TransactionHistoryBuilder, Unfit,
};
pub use level::{Anomaly, Level, Levels, Standing, Tier};
pub use recorded::read;

use cycles::Hop;
use graph::{Graph, Part};
use history::Status;
use reasons::Reasons;
use recovered::Recovered;
use schedule::Found;

use crate::history::OpId;
use crate::verdict::{Bounds, CheckOutcome, Partition, Verdict, Violation};

/// The name of the check.
pub const NAME: &str = "transactions";

/// Cycles that are told, at most; one per strongly connected component.
const CYCLES_MAX: usize = 16;

/// The levels that a serial order defines, weakest first.
const SERIAL: [Level; 3] = [Level::Serializable, Level::StrongSessionSerializable, Level::StrictSerializable];

/// What is wrong if a level has no serial order.
fn no_serial_order(level: Level) -> Anomaly {
    Anomaly::NoSerialOrder(match level {
        Level::StrictSerializable => Tier::RealTime,
        Level::StrongSessionSerializable => Tier::Process,
        _ => Tier::Dependencies,
    })
}

/// What is asked of a history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The level that it must have.
    pub level: Level,
}

/// The answer for a history of transactions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict for the level that was asked for, with what is wrong.
    pub outcome: CheckOutcome,
    /// What became of each level.
    pub levels: Levels,
    /// The strongest level that was shown by a serial order, and that order of the transactions that took effect, which
    /// was replayed. `None` where there is none, or none was found.
    pub order: Option<(Level, Vec<OpId>)>,
}

/// Judges a history of transactions. Whether to stop is asked once the versions are recovered.
pub fn check(history: &TransactionHistory, options: &Options, bounds: &Bounds<'_>) -> Judgement {
    let recovered = match history.datatype() {
        Datatype::ListAppend => lists::recover(history),
        Datatype::Register => registers::recover(history),
    };
    Check { history, level: options.level, bounds, recovered }.run()
}

/// A check in progress.
struct Check<'h> {
    history: &'h TransactionHistory,
    level: Level,
    bounds: &'h Bounds<'h>,
    recovered: Recovered,
}

impl Check<'_> {
    fn run(mut self) -> Judgement {
        let nodes = order::add_time(
            self.history,
            &self.recovered.required,
            &mut self.recovered.edges,
            self.recovered.nodes,
        );
        if (self.bounds.should_stop)() {
            self.recovered.unrecovered = Some("the check was stopped before it was done".to_owned());
            return self.judgement(Levels::all(Standing::Unknown), Vec::new(), None);
        }
        let graph = Graph::new(nodes, &std::mem::take(&mut self.recovered.edges), u16::MAX);
        let mut levels = Levels::all(Standing::Unknown);
        let sorted = graph.sorted(u16::MAX);
        if sorted.len() == nodes as usize && self.recovered.flaws.kinds.is_empty() {
            let order = order::of_transactions(self.history, &self.recovered.required, &sorted);
            if verify::serial_order(self.history, Level::StrictSerializable, &order).is_ok() {
                levels.holds(Level::StrictSerializable);
                return self.judgement(levels, Vec::new(), Some((Level::StrictSerializable, order)));
            }
        }
        let part = Part::whole(graph);
        let (violations, order) = self.look_closer(&part, &mut levels);
        self.judgement(levels, violations, order)
    }

    /// What is wrong, level by level, and a serial order if there is one without real time.
    fn look_closer(&self, part: &Part, levels: &mut Levels) -> (Vec<Violation>, Option<(Level, Vec<OpId>)>) {
        for kind in &self.recovered.flaws.kinds {
            levels.broken_by(*kind);
        }
        cycles::mark(part, levels);
        let mut levels_of_orders = SERIAL.into_iter().rev();
        let order = levels_of_orders.find_map(|level| Some((level, self.serial(part, level, levels)?)));
        self.settle(part, levels);
        (self.violations(part, levels), order)
    }

    /// A serial order for a level that is not known to be violated.
    fn serial(&self, part: &Part, level: Level, levels: &mut Levels) -> Option<Vec<OpId>> {
        if levels.of(level) == Standing::Violated {
            return None;
        }
        let (required, mask) = (&self.recovered.required, cycles::mask_of(level));
        let mut order = order::of_transactions(self.history, required, &part.graph.sorted(mask));
        if let (Err(_), Some(writers)) =
            (verify::serial_order(self.history, level, &order), &self.recovered.writers)
        {
            let all: Vec<u32> = (0..part.graph.nodes()).collect();
            let Part { graph, .. } = part.restricted(&all, mask);
            let hidden = schedule::hidden(self.history, writers, required);
            match schedule::search(self.history, writers, required, &graph, self.bounds) {
                Found::Order(found) => order = found,
                Found::Nothing if !hidden => levels.broken_by(no_serial_order(level)),
                Found::Nothing | Found::Undecided => {}
            }
        }
        verify::serial_order(self.history, level, &order).ok()?;
        levels.holds(level);
        Some(order)
    }

    /// Levels that need no serial order hold where all versions have their order and no cycle is forbidden.
    fn settle(&self, part: &Part, levels: &mut Levels) {
        let known = self.recovered.unrecovered.is_none() && self.history.datatype() == Datatype::ListAppend;
        let of_reads = |anomaly: &Anomaly| matches!(anomaly, Anomaly::Internal | Anomaly::IncompatibleOrder);
        if !known || self.recovered.flaws.kinds.iter().any(of_reads) {
            return;
        }
        let undecided = |levels: &Levels, level| levels.of(level) == Standing::Unknown;
        if undecided(levels, Level::SnapshotIsolation) && self.free_writes_can_be_ordered(part) {
            levels.holds(Level::SnapshotIsolation);
        }
        for level in [Level::ReadAtomic, Level::ReadCommitted, Level::ReadUncommitted] {
            if undecided(levels, level) {
                levels.holds(level);
            }
        }
    }

    /// Whether no two writes of one key whose order is free belong to transactions that depend on each other: then
    /// any order of the components orders them.
    fn free_writes_can_be_ordered(&self, part: &Part) -> bool {
        let mut component_of = vec![0usize; part.graph.nodes() as usize];
        for (number, component) in (1..).zip(part.components(cycles::mask(Tier::Dependencies))) {
            for node in component.names {
                component_of[node as usize] = number;
            }
        }
        let places = self.recovered.free.iter().map(|(key, id)| (*key, component_of[*id as usize], *id));
        let mut places: Vec<_> = places.filter(|(_, component, _)| *component > 0).collect();
        places.sort_unstable();
        places.dedup();
        !places.windows(2).any(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1))
    }

    fn violations(&self, part: &Part, levels: &Levels) -> Vec<Violation> {
        let (history, level) = (self.history, self.level);
        // A fractured read is a cycle too, which says more where it counts.
        let told = |anomaly: Anomaly| {
            anomaly.breaks(level) && (anomaly != Anomaly::FracturedRead || level == Level::ReadAtomic)
        };
        let flaws = self.recovered.flaws.told.iter().filter(|flaw| told(flaw.anomaly));
        let mut violations: Vec<Violation> = flaws.map(|flaw| explain::flaw(history, flaw)).collect();
        let mut found: Vec<(Anomaly, Vec<Hop>)> = Vec::new();
        for component in part.components(cycles::mask_of(level)) {
            found.extend(cycles::witness(&component, history.count(), level));
            if found.len() == CYCLES_MAX {
                break;
            }
        }
        let transactions: Vec<u32> = found.iter().flat_map(|(_, hops)| hops).map(|hop| hop.from).collect();
        let reasons = Reasons::new(history, &transactions);
        violations.extend(found.iter().map(|(anomaly, hops)| explain::cycle(&reasons, *anomaly, hops)));
        let violated = |weaker: &&Level| levels.of(**weaker) == Standing::Violated;
        if violations.is_empty()
            && levels.of(level) == Standing::Violated
            && let Some(weakest) = SERIAL.iter().find(violated)
        {
            violations.push(explain::no_order(history, &self.recovered.required, no_serial_order(*weakest)));
        }
        violations
    }

    fn judgement(
        &self,
        levels: Levels,
        violations: Vec<Violation>,
        order: Option<(Level, Vec<OpId>)>,
    ) -> Judgement {
        let committed = (0..self.history.count()).any(|id| self.history.status(id) == Status::Ok);
        let (verdict, reason) = match levels.of(self.level) {
            _ if !committed => {
                let reason =
                    format!("none of {} transactions committed: nothing to judge", self.history.len());
                (Verdict::Vacuous, Some(reason))
            }
            Standing::Holds => {
                let all = levels.of(Level::StrictSerializable) == Standing::Holds;
                (Verdict::Valid, (!all).then(|| levels.to_string()))
            }
            Standing::Violated => (Verdict::Invalid, Some(levels.to_string())),
            Standing::Unknown => (Verdict::Unknown, Some(self.why_unknown())),
        };
        assert_eq!(violations.is_empty(), verdict != Verdict::Invalid, "what is invalid is explained");
        let partition =
            Partition { key: String::new(), operations: self.history.len(), verdict, certificate: None };
        let outcome =
            CheckOutcome { check: NAME.to_owned(), verdict, violations, reason, partitions: vec![partition] };
        Judgement { outcome, levels, order }
    }

    fn why_unknown(&self) -> String {
        self.recovered.unrecovered.clone().unwrap_or_else(|| {
            format!(
                "the order of some writes could not be recovered, and no serial order was found in {} steps (steps_max)",
                self.bounds.steps_max
            )
        })
    }
}
