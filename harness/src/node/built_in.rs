//! The built-in cluster as something that trials run: a mode and a size, from which each plan builds its world.

use std::rc::Rc;

use squall_cluster::bugs::{Bug, Bugs, Mode};
use squall_cluster::client::{ClientConfig, Routing};
use squall_cluster::invariants::Monitors;
use squall_cluster::node::{Micros, NodeId};
use squall_cluster::paxos;
use squall_cluster::primary_backup::{self, HostConfig};
use squall_cluster::replica::{self, Replica, ReplicaConfig};
use squall_cluster::sharded;
use squall_cluster::sharded::configuration::Groups;
use squall_cluster::sharded::host::Layout;
use squall_cluster::single::{self, Single, SingleConfig};
use squall_cluster::view::ViewRecord;
use squall_workloads::Decide;

use crate::nemesis::SHARD_GROUPS;
use crate::sim::{Latency, Server, Terrain, World};
use crate::trial::{Config, Manner, Outcome, Plan, Simulator, Subject, run};

use super::cluster::{ClientSettings, Cluster};
use super::served::Served;

/// The built-in cluster in one of its modes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltIn {
    mode: Mode,
    nodes: u32,
}

/// A view service, a primary and a backup.
pub(crate) const PRIMARY_BACKUP_NODES_MIN: u32 = 3;

/// Groups have three replicas, on different hosts.
pub(crate) const SHARDED_NODES_MIN: u32 = 3;

/// Which host carries which replicas.
pub(super) fn layout(hosts: &[NodeId]) -> Layout {
    Layout::spread(hosts, SHARD_GROUPS)
}

/// One replicated state machine: Multi-Paxos over `nodes` replicas (an odd number).
pub fn paxos(nodes: u32) -> BuiltIn {
    BuiltIn::new(Mode::Paxos, nodes)
}

/// One durable server.
pub fn single() -> BuiltIn {
    BuiltIn::new(Mode::Single, 1)
}

/// A view service and `nodes - 1` servers: a primary, a backup, and spares.
pub fn primary_backup(nodes: u32) -> BuiltIn {
    BuiltIn::new(Mode::PrimaryBackup, nodes)
}

/// A controller and three groups that share the shards, on `nodes` hosts.
pub fn sharded(nodes: u32) -> BuiltIn {
    BuiltIn::new(Mode::Sharded, nodes)
}

impl BuiltIn {
    /// A cluster of `nodes` servers.
    ///
    /// # Panics
    ///
    /// If the mode cannot have that many.
    pub fn new(mode: Mode, nodes: u32) -> Self {
        assert!(nodes > 0, "a cluster has servers");
        assert!(mode != Mode::Single || nodes == 1, "mode single has one server, not {nodes}");
        assert!(
            mode != Mode::Sharded || nodes >= SHARDED_NODES_MIN,
            "mode sharded has groups of three on different hosts, not {nodes} nodes"
        );
        assert!(
            mode != Mode::PrimaryBackup || nodes >= PRIMARY_BACKUP_NODES_MIN,
            "mode primary-backup has a view service and at least two servers, not {nodes} nodes"
        );
        Self { mode, nodes }
    }

    fn run_as<N: Built, W: Served>(&self, workload: &W, plan: &Plan<W::Step>, manner: Manner) -> Outcome {
        let config = &plan.config;
        let bugs =
            config.bugs.iter().map(|name| Bug::parse(name).expect("plans are validated before they are run"));
        let bugs = Bugs::of(&bugs.collect::<Vec<_>>());
        let clients = ClientSettings {
            count: u32::try_from(plan.script.len()).expect("bounded"),
            give_up: Micros::from_millis(config.timeout_ms),
            bugs,
            routing: self.routing(),
        };
        let ids = self.ids();
        let server = |id: &NodeId| {
            let config = N::configure(*id, &ids, bugs, config);
            let identity = N::identity(&config);
            (*id, config, identity)
        };
        let terrain = Terrain {
            latency: Latency { min_ms: config.latency_min_ms, max_ms: config.latency_max_ms },
            sync_ms: (config.sync_min_ms, config.sync_max_ms),
            decide: Decide::new(plan.key),
            trace: manner.trace,
            wired: manner.simulator == Simulator::Turmoil,
        };
        let connections = (0..clients.count).map(|client| clients.config(client, 0, ids.len())).collect();
        let servers = ids.iter().map(server).collect();
        let world =
            World::<N>::new(terrain, servers, connections, self.operator(&clients), N::monitors(&ids));
        let workload = Rc::new(workload.clone());
        let cluster = Cluster::new(Rc::clone(&workload), world, clients, manner.simulator);
        run(Rc::new(cluster), workload, plan, manner)
    }
}

impl BuiltIn {
    /// How clients find whom to ask.
    fn routing(&self) -> Routing {
        match self.mode {
            Mode::Single | Mode::Paxos => Routing::Anyone,
            Mode::PrimaryBackup => Routing::Views { service: NodeId(1) },
            Mode::Sharded => Routing::Shards { controllers: layout(&self.ids()).controllers },
        }
    }

    /// Who changes the configuration, and the groups that there are.
    fn operator(&self, clients: &ClientSettings) -> Option<(ClientConfig, Groups)> {
        let groups = (self.mode == Mode::Sharded).then(|| layout(&self.ids()).groups)?;
        // A client who never gives up.
        let patient = ClientSettings { give_up: Micros(u64::MAX >> 16), ..clients.clone() };
        Some((patient.config(clients.count, 0, self.ids().len()), groups))
    }

    fn ids(&self) -> Vec<NodeId> {
        (1..=self.nodes).map(NodeId).collect()
    }
}

impl<W: Served> Subject<W> for BuiltIn {
    fn mode(&self) -> String {
        self.mode.name().into()
    }

    fn nodes(&self) -> u32 {
        self.nodes
    }

    fn run(&self, workload: &W, plan: &Plan<W::Step>, manner: Manner) -> Outcome {
        assert_eq!(plan.config.nodes, self.nodes, "a plan runs on as many servers as it was made for");
        match self.mode {
            Mode::Single => self.run_as::<Single, W>(workload, plan, manner),
            Mode::Paxos => self.run_as::<Replica, W>(workload, plan, manner),
            Mode::PrimaryBackup => self.run_as::<primary_backup::Host, W>(workload, plan, manner),
            Mode::Sharded => self.run_as::<sharded::host::Host, W>(workload, plan, manner),
        }
    }

    fn is_built_in(&self) -> bool {
        true
    }
}

/// A server type of the built-in cluster: how one of them is configured and what its new disk holds.
trait Built: Server {
    fn configure(id: NodeId, members: &[NodeId], bugs: Bugs, plan: &Config) -> Self::Config;
    fn identity(config: &Self::Config) -> Vec<Self::Record>;
    fn monitors(members: &[NodeId]) -> Monitors {
        Monitors::of_one_group(members.iter().copied())
    }
}

impl Built for Single {
    fn configure(id: NodeId, _members: &[NodeId], bugs: Bugs, _plan: &Config) -> SingleConfig {
        SingleConfig { id, bugs }
    }

    fn identity(config: &SingleConfig) -> Vec<single::SingleRecord> {
        single::identity_records(config)
    }
}

/// What a plan says about the logs of groups.
fn limit(limits: &mut paxos::Limits, plan: &Config) {
    limits.compaction_slots = plan.compaction_slots;
    let checked = |count: u64| usize::try_from(count).expect("checked with the plan");
    limits.batch_entries_max = checked(plan.batch_entries);
    limits.in_flight_max = checked(plan.in_flight);
}

impl Built for Replica {
    fn configure(id: NodeId, members: &[NodeId], bugs: Bugs, plan: &Config) -> ReplicaConfig {
        let mut config =
            ReplicaConfig { bugs, reads: plan.reads, ..ReplicaConfig::new(id, members.to_vec()) };
        limit(&mut config.limits, plan);
        config
    }

    fn identity(config: &ReplicaConfig) -> Vec<replica::ReplicaRecord> {
        replica::identity_records(config)
    }
}

impl Built for primary_backup::Host {
    fn configure(id: NodeId, members: &[NodeId], bugs: Bugs, _plan: &Config) -> HostConfig {
        HostConfig::new(id, members, bugs)
    }

    fn identity(config: &HostConfig) -> Vec<ViewRecord> {
        primary_backup::identity_records(config)
    }
}

impl Built for sharded::host::Host {
    fn configure(id: NodeId, members: &[NodeId], bugs: Bugs, plan: &Config) -> sharded::host::HostConfig {
        let mut config = sharded::host::HostConfig::new(id, &layout(members), bugs);
        config.limit(|limits| limit(limits, plan));
        config
    }

    fn identity(config: &sharded::host::HostConfig) -> Vec<sharded::host::HostRecord> {
        sharded::host::identity_records(config)
    }

    fn monitors(members: &[NodeId]) -> Monitors {
        Monitors::of_groups(members.iter().copied(), &layout(members))
    }
}
