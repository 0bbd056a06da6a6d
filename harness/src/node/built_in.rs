//! The built-in cluster as something that trials run: a mode and a size, from which each plan builds its world.

use std::rc::Rc;

use squall_cluster::bugs::{Bug, Bugs, Mode};
use squall_cluster::node::{Micros, NodeId};
use squall_cluster::primary_backup::{self, Host, HostConfig};
use squall_cluster::replica::{self, Replica, ReplicaConfig};
use squall_cluster::single::{self, Single, SingleConfig};
use squall_cluster::view::ViewRecord;
use squall_workloads::Decide;

use crate::sim::{Latency, Server, Terrain, World};
use crate::trial::{Manner, Outcome, Plan, Subject, run};

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
            view_service: (self.mode == Mode::PrimaryBackup).then_some(NodeId(1)),
        };
        let ids: Vec<NodeId> = (1..=self.nodes).map(NodeId).collect();
        let server = |id: &NodeId| {
            let config = N::configure(*id, &ids, bugs);
            let identity = N::identity(&config);
            (*id, config, identity)
        };
        let terrain = Terrain {
            latency: Latency { min_ms: config.latency_min_ms, max_ms: config.latency_max_ms },
            sync_ms: (config.sync_min_ms, config.sync_max_ms),
            decide: Decide::new(plan.key),
            trace: manner.trace,
        };
        let connections = (0..clients.count).map(|client| clients.config(client, 0, ids.len())).collect();
        let world = World::<N>::new(terrain, ids.iter().map(server).collect(), connections);
        let workload = Rc::new(workload.clone());
        let cluster = Cluster::new(Rc::clone(&workload), world, clients, manner.simulator);
        run(Rc::new(cluster), workload, plan, manner)
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
            Mode::PrimaryBackup => self.run_as::<Host, W>(workload, plan, manner),
        }
    }

    fn is_built_in(&self) -> bool {
        true
    }
}

/// A server type of the built-in cluster: how one of them is configured and what its new disk holds.
trait Built: Server {
    fn configure(id: NodeId, members: &[NodeId], bugs: Bugs) -> Self::Config;
    fn identity(config: &Self::Config) -> Vec<Self::Record>;
}

impl Built for Single {
    fn configure(id: NodeId, _members: &[NodeId], bugs: Bugs) -> SingleConfig {
        SingleConfig { id, bugs }
    }

    fn identity(config: &SingleConfig) -> Vec<single::SingleRecord> {
        single::identity_records(config)
    }
}

impl Built for Replica {
    fn configure(id: NodeId, members: &[NodeId], bugs: Bugs) -> ReplicaConfig {
        ReplicaConfig { bugs, ..ReplicaConfig::new(id, members.to_vec()) }
    }

    fn identity(config: &ReplicaConfig) -> Vec<replica::ReplicaRecord> {
        replica::identity_records(config)
    }
}

impl Built for Host {
    fn configure(id: NodeId, members: &[NodeId], bugs: Bugs) -> HostConfig {
        HostConfig::new(id, members, bugs)
    }

    fn identity(config: &HostConfig) -> Vec<ViewRecord> {
        primary_backup::identity_records(config)
    }
}
