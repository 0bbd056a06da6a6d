//! The node contract: one input in, a list of effects out, nothing else.
//!
//! A host (simulator, event loop, model checker, real sockets) owns time, randomness, network and disk; a node
//! owns only its state. Outputs leave in step order, and only once the records of their step *and of every earlier
//! step* are durable. Steps are atomic; a crash falls between steps and loses everything but durable records.

use alloc::vec::Vec;
use core::fmt::{self, Debug};
use core::hash::Hash;
use core::ops::RangeInclusive;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The address of a node: servers count from 1, clients from [`NodeId::FIRST_CLIENT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The smallest address of a client.
    pub const FIRST_CLIENT: u32 = 1_000;

    /// Whether this is a client's address.
    pub fn is_client(self) -> bool {
        self.0 >= Self::FIRST_CLIENT
    }
}

impl fmt::Display for NodeId {
    /// `n3` for servers, `c7` for clients.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_client() {
            write!(f, "c{}", self.0 - Self::FIRST_CLIENT)
        } else {
            write!(f, "n{}", self.0)
        }
    }
}

/// Simulated time or a span of it, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub u64);

impl Micros {
    /// From milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000)
    }
}

/// A deterministic state machine that talks to others by messages, timers and durable records.
pub trait Node: Clone + Eq + Hash + Debug + 'static {
    /// Identity, peers, timing, bugs switched on; never part of the state.
    type Config: Clone + Debug;
    /// What it sends and receives.
    type Message: Clone + Ord + Hash + Debug + Serialize + DeserializeOwned + 'static;
    /// Its timers, by name; each can be armed once at a time.
    type Timer: Copy + Ord + Hash + Debug + 'static;
    /// One durable write.
    type Record: Clone + Eq + Hash + Debug + Serialize + DeserializeOwned + 'static;
    /// What an operation asks of it (clients only; servers use an empty type or never get one).
    type Invocation: Clone + Debug;
    /// What it answers to an invocation.
    type Answer: Clone + Debug;
    /// Ghost events: what monitors watch; not state, and never read by the node.
    type Event: Clone + Debug;

    /// First start and every restart are the same thing: fold what the disk holds. `incarnation` grows with
    /// every start; `disk` holds the records in the order in which they were written.
    fn boot(
        config: &Self::Config,
        incarnation: u64,
        disk: &[Stored<Self::Record>],
        effects: &mut Effects<Self>,
    ) -> Self;

    /// One atomic step. `now` is the node's own (skewed) clock.
    fn on(&mut self, config: &Self::Config, now: Micros, input: Input<Self>, effects: &mut Effects<Self>);
}

/// A record as read back from the disk: what its bytes decode to (if they do), and whether its checksum holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<R> {
    /// What the bytes decode to; `None` if they do not decode.
    pub record: Option<R>,
    /// Whether the checksum holds. A torn tail is cut off by the disk and never seen here: a record that is not
    /// intact was damaged after it had been durable.
    pub intact: bool,
}

/// What can happen to a node.
#[derive(Clone, Debug)]
pub enum Input<N: Node> {
    /// A message arrived.
    Message {
        /// Who sent it.
        from: NodeId,
        /// What it says.
        message: N::Message,
    },
    /// A timer ran out.
    Timer(N::Timer),
    /// The node's user asks for something.
    Invoke(N::Invocation),
}

/// One change of the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write<R> {
    /// Append a record.
    Append(R),
    /// Atomically replace everything on the disk by these records.
    Replace(Vec<R>),
}

/// One thing that leaves the node once the step is durable, in order.
#[derive(Clone, Debug)]
pub enum Output<N: Node> {
    /// A message to another node.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: N::Message,
    },
    /// The answer to the outstanding invocation.
    Answer(N::Answer),
    /// A ghost event.
    Event(N::Event),
}

/// A change of a timer; takes effect at once, whatever is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimerChange<T> {
    /// (Re-)arm: fires once, after a span of the node's own time that the host picks from the range.
    Arm(T, RangeInclusive<Micros>),
    /// Disarm.
    Cancel(T),
}

/// Everything that a step wants done.
#[derive(Clone, Debug)]
pub struct Effects<N: Node> {
    /// Changes of the disk, in order.
    pub writes: Vec<Write<N::Record>>,
    /// What leaves once they are durable, in order.
    pub outputs: Vec<Output<N>>,
    /// Changes of timers, in order.
    pub timers: Vec<TimerChange<N::Timer>>,
}

impl<N: Node> Default for Effects<N> {
    fn default() -> Self {
        Self { writes: Vec::new(), outputs: Vec::new(), timers: Vec::new() }
    }
}

impl<N: Node> Effects<N> {
    /// No effects yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a record to the disk.
    pub fn persist(&mut self, record: N::Record) {
        self.writes.push(Write::Append(record));
    }

    /// Replaces the whole disk atomically.
    pub fn replace(&mut self, records: Vec<N::Record>) {
        self.writes.push(Write::Replace(records));
    }

    /// Sends a message.
    pub fn send(&mut self, to: NodeId, message: N::Message) {
        self.outputs.push(Output::Send { to, message });
    }

    /// Answers the outstanding invocation.
    pub fn answer(&mut self, answer: N::Answer) {
        self.outputs.push(Output::Answer(answer));
    }

    /// Emits a ghost event.
    pub fn event(&mut self, event: N::Event) {
        self.outputs.push(Output::Event(event));
    }

    /// (Re-)arms a timer; `range` is in the node's own time.
    pub fn arm(&mut self, timer: N::Timer, range: RangeInclusive<Micros>) {
        assert!(range.start() <= range.end(), "a timer's range must not be empty");
        self.timers.push(TimerChange::Arm(timer, range));
    }

    /// Disarms a timer.
    pub fn cancel(&mut self, timer: N::Timer) {
        self.timers.push(TimerChange::Cancel(timer));
    }

    /// Takes over the effects of a part that is a node of its own; parts answer nobody.
    pub fn absorb<M: Node<Event = N::Event>>(
        &mut self,
        inner: Effects<M>,
        wrap_message: impl Fn(M::Message) -> N::Message,
        wrap_record: impl Fn(M::Record) -> N::Record,
        wrap_timer: impl Fn(M::Timer) -> N::Timer,
    ) {
        add(&mut self.writes, inner.writes, |write| match write {
            Write::Append(record) => Write::Append(wrap_record(record)),
            Write::Replace(records) => Write::Replace(records.into_iter().map(&wrap_record).collect()),
        });
        add(&mut self.outputs, inner.outputs, |output| match output {
            Output::Send { to, message } => Output::Send { to, message: wrap_message(message) },
            Output::Event(event) => Output::Event(event),
            Output::Answer(_) => panic!("a part of a node answers nobody"),
        });
        add(&mut self.timers, inner.timers, |change| match change {
            TimerChange::Arm(timer, range) => TimerChange::Arm(wrap_timer(timer), range),
            TimerChange::Cancel(timer) => TimerChange::Cancel(wrap_timer(timer)),
        });
    }
}

/// Adds what the items of a part become. A list without memory of its own takes over that of the part's, where items do
/// not grow by what they become.
fn add<From, To>(list: &mut Vec<To>, items: Vec<From>, wrap: impl Fn(From) -> To) {
    if list.capacity() == 0 {
        *list = items.into_iter().map(wrap).collect();
    } else {
        list.extend(items.into_iter().map(wrap));
    }
}
