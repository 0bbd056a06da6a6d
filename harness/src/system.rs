//! The system under test, as its user describes it: which nodes, what each runs, how clients connect.
//!
//! Any tokio software that turmoil can host will do. The built-in cluster implements the same trait; it only takes
//! more kinds of faults, since its network and disks are simulated by this crate.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::rc::Rc;

use squall_checker::{ProcessId, Violation};
use squall_cluster::node::Micros;
use squall_workloads::OpError;

use crate::nemesis::{Family, Surface};
use crate::node::ServeResult;
use crate::sim::{Coverage, MessageCounts, NodeEvent, TraceEntry};

/// The name of a node; also its host name in the simulation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Rc<str>);

impl NodeName {
    /// A node of this name.
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// `n1`, `n2`, … `n<count>`.
    pub fn numbered(count: u32) -> Vec<Self> {
        (1..=count).map(|number| Self::new(&format!("n{number}"))).collect()
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the software of one node is told when it starts.
#[derive(Clone, Debug)]
pub struct NodeContext {
    /// This node.
    pub node: NodeName,
    /// Its position among the system's nodes.
    pub index: usize,
    /// All nodes, this one included.
    pub nodes: Vec<NodeName>,
    /// How often this node has been started before: 0 for the first start.
    pub boot: u64,
}

/// A system under test. See the crate's front page for a whole example.
///
/// A node's software loses its memory in a crash; what it keeps must outlive the future that
/// [`System::serve`] returns, for example in an `Rc<RefCell<_>>` of `self` that plays the disk.
pub trait System: 'static {
    /// A connection of one client.
    type Client: 'static;

    /// The nodes, in a fixed order.
    fn nodes(&self) -> Vec<NodeName>;

    /// The software of one node; called again after every restart ([`NodeContext::boot`] counts up). An error ends
    /// the run as invalid.
    fn serve(self: Rc<Self>, context: NodeContext) -> impl Future<Output = ServeResult> + 'static;

    /// Opens a connection to a node for one process.
    fn connect(
        self: Rc<Self>,
        node: NodeName,
        process: ProcessId,
    ) -> impl Future<Output = Result<Self::Client, OpError>> + 'static;

    /// What the node is at the moment; `leader` lets a fault aim at it.
    fn role(&self, _node: &NodeName) -> Option<Cow<'static, str>> {
        None
    }

    /// Invariants, checked after every simulated millisecond until one is broken.
    ///
    /// # Errors
    ///
    /// The violation, which makes the run invalid.
    fn probe(&self) -> Result<(), Violation> {
        Ok(())
    }

    /// Called once at the end, when everything has healed and clients are quiet: nothing may be left over.
    ///
    /// # Errors
    ///
    /// What is left over. It is asked again until the bound on recovery, then the run is invalid.
    fn settled(&self) -> Result<(), Violation> {
        Ok(())
    }

    /// Called before every simulated millisecond, with the simulated time.
    #[doc(hidden)]
    fn begin_step(&self, _now: Micros) {}

    /// Called on the clients' host whenever clients are about to go on: what has arrived for them reaches them, and
    /// what they sent leaves.
    #[doc(hidden)]
    fn before_clients(&self) {}

    /// Lets all servers act for one simulated millisecond, for systems that are hosted without turmoil.
    #[doc(hidden)]
    fn run_servers(&self) {
        unreachable!("only the built-in cluster runs without turmoil");
    }

    /// The simulated world, for systems that are hosted in one of this crate's. Yours most likely is not: then faults
    /// are turmoil's own.
    #[doc(hidden)]
    fn world(&self) -> Option<Rc<RefCell<dyn SimulatedWorld>>> {
        None
    }
}

/// A simulated world as the run sees it.
#[doc(hidden)]
pub trait SimulatedWorld: Surface {
    /// The digest so far.
    fn digest(&self) -> u128;
    /// What happened to nodes.
    fn node_events(&self) -> Vec<NodeEvent>;
    /// What became of messages.
    fn message_counts(&self) -> Vec<(String, MessageCounts)>;
    /// Faults of these families stand from now on.
    fn stand(&mut self, families: Vec<Family>);
    /// What has been exercised so far.
    fn take_coverage(&mut self) -> Coverage;
    /// The full recording.
    fn take_trace(&mut self) -> Vec<TraceEntry>;
    /// Bounds that were hit, in words.
    fn bounds_hit(&self) -> Vec<String>;
    /// The state of each node, in words.
    fn node_states(&self) -> Vec<String>;
}
