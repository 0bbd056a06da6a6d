//! The built-in cluster as a [`System`]: its nodes live in a simulated world, its datagrams on turmoil's UDP.
//!
//! A host's task does nothing but carry: datagrams from the wire into the world, and what the world has due onto the
//! wire. It is woken by a datagram or, once per simulated millisecond at most, by the world's agenda. In the event loop
//! there are no hosts and no sockets; everything else is the same.

use std::borrow::Cow;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use squall_checker::{ProcessId, Spec, Violation};
use squall_cluster::bugs::Bugs;
use squall_cluster::client::{ClientAnswer, ClientConfig, Routing, client_identity};
use squall_cluster::invariants::Breach;
use squall_cluster::node::{Micros, NodeId};
use squall_workloads::{Client, OpError, Workload};
use tokio::sync::Notify;
use turmoil::net::UdpSocket;

use crate::sim::{CLIENTS, EventLoop, Sent, Server, World};
use crate::system::{NodeContext, NodeName, SimulatedWorld, System};
use crate::trial::Simulator;

use super::ServeResult;
use super::served::{Next, Seat, Served};

const PORT: u16 = 7_000;

/// A cluster of the built-in nodes.
#[derive(Debug)]
pub(crate) struct Cluster<N: Server, W: Served> {
    workload: Rc<W>,
    world: Rc<RefCell<World<N>>>,
    names: Vec<NodeName>,
    clients: ClientSettings,
    wire: Wire<N>,
}

/// What carries datagrams from host to host.
#[derive(Debug)]
enum Wire<N: Server> {
    /// Turmoil's UDP: a host per server, woken when something of it is due, and the socket of the clients' host.
    Turmoil { wakers: Vec<Rc<Notify>>, clients: RefCell<Option<Plug>> },
    /// No hosts at all.
    EventLoop(EventLoop<N>),
}

/// A host's end of turmoil's wire.
#[derive(Debug)]
struct Plug {
    socket: UdpSocket,
    addresses: Vec<SocketAddr>,
    buffer: Vec<u8>,
}

/// What all clients have in common.
#[derive(Clone, Debug)]
pub(crate) struct ClientSettings {
    pub(crate) count: u32,
    pub(crate) give_up: Micros,
    pub(crate) bugs: Bugs,
    /// How clients find whom to ask.
    pub(crate) routing: Routing,
}

impl ClientSettings {
    /// The configuration of a client under its `connection`-th identity.
    pub(crate) fn config(&self, client: u32, connection: u32, servers: usize) -> ClientConfig {
        let servers: Vec<NodeId> = (1..=u32::try_from(servers).expect("few servers")).map(NodeId).collect();
        let id = NodeId(NodeId::FIRST_CLIENT + client);
        let name = client_identity(self.bugs, client, connection);
        let home = servers[client as usize % servers.len()];
        let (give_up, routing, bugs) = (self.give_up, self.routing.clone(), self.bugs);
        ClientConfig { give_up, routing, bugs, ..ClientConfig::new(id, name, servers, home) }
    }
}

impl<N: Server, W: Served> Cluster<N, W> {
    /// A cluster in this world, under this workload.
    pub(crate) fn new(
        workload: Rc<W>,
        world: World<N>,
        clients: ClientSettings,
        simulator: Simulator,
    ) -> Self {
        let servers = u32::try_from(world.servers()).expect("few servers");
        let world = Rc::new(RefCell::new(world));
        let wire = match simulator {
            Simulator::Turmoil => {
                let wakers = (0..servers).map(|_| Rc::default()).collect();
                Wire::Turmoil { wakers, clients: RefCell::new(None) }
            }
            Simulator::EventLoop => Wire::EventLoop(EventLoop::new(Rc::clone(&world))),
        };
        Self { workload, names: NodeName::numbered(servers), world, clients, wire }
    }

    /// Binds the socket of the host on which this is called.
    async fn plug(&self) -> std::io::Result<Plug> {
        let socket = UdpSocket::bind(("0.0.0.0", PORT)).await?;
        let names = self.names.iter().map(NodeName::as_str).chain([CLIENTS]);
        let addresses = names.map(|name| (turmoil::lookup(name), PORT).into()).collect();
        Ok(Plug { socket, addresses, buffer: vec![0; 1 << 20] })
    }

    /// Carries datagrams between the wire and the world for one server, for ever.
    async fn carry(self: Rc<Self>, host: usize, waker: &Notify) -> ServeResult {
        let mut plug = self.plug().await?;
        loop {
            tokio::select! {
                biased;
                received = plug.socket.recv_from(&mut plug.buffer) => {
                    let (length, _) = received?;
                    self.world.borrow_mut().receive_bytes(&plug.buffer[..length]);
                }
                () = waker.notified() => {}
            }
            plug.carry(&mut self.world.borrow_mut(), host)?;
        }
    }
}

impl Plug {
    /// Takes everything that has arrived into the world, then puts everything that is due onto the wire.
    fn carry<N: Server>(&mut self, world: &mut World<N>, host: usize) -> std::io::Result<()> {
        while let Ok((length, _)) = self.socket.try_recv_from(&mut self.buffer) {
            world.receive_bytes(&self.buffer[..length]);
        }
        let mut result = Ok(());
        world.advance(host, &mut |to, datagram| {
            let Sent::Bytes(bytes) = &*datagram else { unreachable!("a world on a wire sends bytes") };
            if result.is_ok() {
                result = self.socket.try_send_to(bytes, self.addresses[to]).map(drop);
            }
        });
        result
    }
}

impl<N: Server, W: Served> System for Cluster<N, W> {
    type Client = ClusterClient<N, W>;

    fn nodes(&self) -> Vec<NodeName> {
        self.names.clone()
    }

    async fn serve(self: Rc<Self>, context: NodeContext) -> ServeResult {
        let Wire::Turmoil { wakers, .. } = &self.wire else { unreachable!("turmoil hosts the servers") };
        let waker = Rc::clone(&wakers[context.index]);
        self.world.borrow_mut().start(context.index);
        waker.notify_one();
        self.carry(context.index, &waker).await
    }

    async fn connect(
        self: Rc<Self>,
        _node: NodeName,
        process: ProcessId,
    ) -> Result<ClusterClient<N, W>, OpError> {
        if let Wire::Turmoil { clients, .. } = &self.wire
            && clients.borrow().is_none()
        {
            let plug = self.plug().await?;
            clients.replace(Some(plug));
        }
        let count = u64::from(self.clients.count);
        let client = u32::try_from(process.0 % count).expect("below the number of clients");
        let connection = u32::try_from(process.0 / count).expect("few connections");
        let config = self.clients.config(client, connection, self.names.len());
        self.world.borrow_mut().connect(client as usize, config);
        Ok(ClusterClient { cluster: self, client: client as usize })
    }

    fn role(&self, node: &NodeName) -> Option<Cow<'static, str>> {
        let index = self.names.iter().position(|name| name == node)?;
        let leader = self.world.borrow().leader() == Some(index);
        Some(if leader { "leader" } else { "follower" }.into())
    }

    fn probe(&self) -> Result<(), Violation> {
        match self.world.borrow().breaches().first() {
            None => Ok(()),
            Some((time, breach)) => Err(monitor_violation(*time, breach)),
        }
    }

    fn settled(&self) -> Result<(), Violation> {
        self.world.borrow().settled()
    }

    fn begin_step(&self, now: Micros) {
        let mut world = self.world.borrow_mut();
        world.set_now(now);
        match &self.wire {
            Wire::Turmoil { wakers, .. } => {
                for (host, waker) in wakers.iter().enumerate() {
                    if world.is_due(host) {
                        waker.notify_one();
                    }
                }
            }
            Wire::EventLoop(hosts) => hosts.begin_step(),
        }
    }

    fn before_clients(&self) {
        let host = self.names.len();
        match &self.wire {
            Wire::Turmoil { clients, .. } => {
                if let Some(plug) = &mut *clients.borrow_mut() {
                    plug.carry(&mut self.world.borrow_mut(), host).expect("datagrams between known hosts");
                }
            }
            Wire::EventLoop(hosts) => hosts.turn(host),
        }
    }

    fn run_servers(&self) {
        let Wire::EventLoop(hosts) = &self.wire else { unreachable!("turmoil runs its hosts itself") };
        hosts.run_servers();
    }

    fn world(&self) -> Option<Rc<RefCell<dyn SimulatedWorld>>> {
        Some(Rc::clone(&self.world) as Rc<RefCell<dyn SimulatedWorld>>)
    }
}

/// A breach of a monitor as a violation.
fn monitor_violation(time: Micros, breach: &Breach) -> Violation {
    Violation {
        check: "monitor".into(),
        kind: breach.invariant.into(),
        key: None,
        message: format!("at {}.{:03} s: {}", time.0 / 1_000_000, time.0 / 1_000 % 1_000, breach.message),
        operations: Vec::new(),
        edges: Vec::new(),
        steps: Vec::new(),
    }
}

/// One client's connection to the cluster.
#[derive(Debug)]
pub(crate) struct ClusterClient<N: Server, W: Served> {
    cluster: Rc<Cluster<N, W>>,
    client: usize,
}

type OpOf<W> = <<W as Workload>::Spec as Spec>::Op;
type RetOf<W> = <<W as Workload>::Spec as Spec>::Ret;

impl<N: Server, W: Served> Client<W::Spec> for ClusterClient<N, W> {
    async fn invoke(&mut self, op: OpOf<W>) -> Result<RetOf<W>, OpError> {
        let workload = &self.cluster.workload;
        let number = |count: usize| u32::try_from(count).expect("few clients and servers");
        let seat = Seat { client: number(self.client), servers: number(self.cluster.names.len()) };
        let mut asked = workload.request(seat, &op);
        loop {
            let answer = self.cluster.world.borrow_mut().invoke(self.client, asked.clone());
            let reply = match answer.await {
                Ok(ClientAnswer::Reply(reply)) => reply,
                Ok(ClientAnswer::Failed) => return Err(OpError::Definite("timed out".into())),
                Ok(ClientAnswer::Indeterminate) => return Err(OpError::Indeterminate("timed out".into())),
                Err(_) => return Err(OpError::Indeterminate("client crashed".into())),
            };
            match workload.follow(seat, &op, &asked, reply) {
                Next::Done(ret) => return Ok(ret),
                Next::Refused(why) => return Err(OpError::Refused(why.into())),
                Next::Ask(next) => asked = next,
                Next::Strange => return Err(OpError::Indeterminate("an answer to something else".into())),
            }
        }
    }
}
