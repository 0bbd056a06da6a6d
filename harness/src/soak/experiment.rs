//! An experiment: the built-in cluster in one mode and size, under one workload and selection of faults.
//!
//! Made from what was asked for on a command line, or from a plan that was read; everything is checked here, so that
//! nothing impossible ever runs. A seed (or the plan) then decides the rest.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use squall_cluster::bugs::{Bug, Mode};
use squall_cluster::paxos::ReadPath;

use crate::determinism::{NotDeterministic, again_by};
use crate::nemesis::{PlannedFault, ReadError, Selection, SelectionError};
use crate::node::BuiltIn;
use crate::trial::plan::limits;
use crate::trial::{Config, Manner, Minima, Outcome, Request, Simulator, Unfit};

use super::names::UnknownName;
use super::scenarios::{SCENARIOS, Scenario};
use super::workloads::{ClusterPlan, ClusterWorkload, workload_of};

/// The modes of the built-in cluster, each with one line about it.
pub const MODES: &[(Mode, &str, &str)] = &[
    (Mode::Single, "single", "one durable server"),
    (Mode::Paxos, "paxos", "one replicated state machine: Multi-Paxos over an odd number of replicas"),
    (Mode::PrimaryBackup, "primary-backup", "a view service (n1), a primary, a backup, and spares"),
    (
        Mode::Sharded,
        "sharded",
        "a controller and three replicated groups that share the keys, with transactions",
    ),
];

/// A step of a script takes at most this long when nothing is wrong, pause included; for runs sized by operations.
const STEP_MS_MAX: u64 = 400;

/// What is asked for; `None`: the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wanted {
    /// The mode, by name.
    pub mode: Option<String>,
    /// The workload, by name.
    pub workload: Option<String>,
    /// The faults, by name.
    pub nemesis: Option<String>,
    /// Servers.
    pub nodes: Option<u32>,
    /// Concurrent clients.
    pub clients: Option<u32>,
    /// Keys in use at a time.
    pub keys: Option<u32>,
    /// Operations of all clients together.
    pub operations: Option<u64>,
    /// The chaos phase, in simulated milliseconds.
    pub duration_ms: Option<u64>,
    /// How reads are served, by name.
    pub reads: Option<String>,
    /// How long service may take to come back after faults, in milliseconds.
    pub recovery_ms: Option<u64>,
    /// Bugs to switch on, by name.
    pub bugs: Vec<String>,
    /// A scenario that says what is not said here, by name; its faults take the place of a selection.
    pub scenario: Option<String>,
    /// Faults written in words, in place of a selection.
    pub plan: Option<PlanText>,
    /// What turns the simulated world, by name.
    pub simulator: Option<String>,
    /// Whether runs end as soon as an invariant inside the cluster is broken.
    pub until_breach: bool,
}

/// Faults as somebody wrote them, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanText {
    /// The file.
    pub path: String,
    /// What is in it.
    pub text: String,
}

impl PlanText {
    /// Whether it is the plan of a whole run, in JSON, and not faults in words.
    pub fn is_whole(&self) -> bool {
        self.text.trim_start().starts_with('{') || self.path.ends_with(".json")
    }

    /// The name of the file, without where it is.
    fn name(&self) -> &str {
        self.path.rsplit(['/', '\\']).next().unwrap_or(&self.path)
    }
}

/// Why something cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExperimentError {
    /// A name that names nothing.
    #[error(transparent)]
    Name(#[from] UnknownName),
    /// A selection of faults that means nothing.
    #[error("--nemesis: {0}")]
    Nemesis(#[from] SelectionError),
    /// Faults in words that mean nothing, or cannot be.
    #[error("{path}:{source}")]
    Plan {
        /// The file.
        path: String,
        /// Where and why.
        source: ReadError,
    },
    /// A plan that says everything about one run, where only faults are wanted.
    #[error(
        "{path} is the plan of a whole run: use squall run --plan, or write its faults in words, one per line"
    )]
    WholePlan {
        /// The file.
        path: String,
    },
    /// A size that no run can have.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// A bug in a part that this mode does not have.
    #[error("bug {bug} cannot act in mode {mode}: use --mode {possible}")]
    BugElsewhere {
        /// The bug.
        bug: &'static str,
        /// The mode asked for.
        mode: String,
        /// The modes in which it can act.
        possible: String,
    },
    /// A workload that asks for what this mode does not have.
    #[error("workload {workload} cannot run in mode {mode}: use --mode {possible}")]
    WorkloadElsewhere {
        /// The workload.
        workload: String,
        /// The mode asked for.
        mode: String,
        /// The modes in which it can run.
        possible: String,
    },
    /// No operations.
    #[error("--ops is {asked}; it must be between 1 and {max}", max = limits::OPERATIONS_MAX)]
    Operations {
        /// What was asked for.
        asked: u64,
    },
    /// A script that nobody could have generated.
    #[error("the plan's script: client {client}, step {step}: {problem}")]
    Script {
        /// The client, from 0.
        client: usize,
        /// The step, from 0.
        step: usize,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

/// Everything but the seed.
#[derive(Clone, Debug)]
pub struct Experiment {
    subject: BuiltIn,
    workload: Arc<dyn ClusterWorkload>,
    request: Request,
    manner: Manner,
    /// Faults written by hand, in place of drawn ones.
    faults: Option<Vec<PlannedFault>>,
    /// Whether these run as they are, whatever the mode promises.
    as_written: bool,
}

/// The mode of this name.
///
/// # Errors
///
/// If there is none, with those that there are.
pub fn mode_of(name: &str) -> Result<Mode, UnknownName> {
    let found = MODES.iter().find(|(_, known, _)| *known == name);
    found.map(|(mode, ..)| *mode).ok_or_else(|| {
        UnknownName::new("mode", name, &MODES.iter().map(|(_, known, _)| *known).collect::<Vec<_>>())
    })
}

/// The bug of this name or number.
///
/// # Errors
///
/// If there is none, with those that there are.
pub fn bug_of(name: &str) -> Result<Bug, UnknownName> {
    Bug::parse(name).ok_or_else(|| {
        UnknownName::new("bug", name, &Bug::ALL.iter().map(|bug| bug.name()).collect::<Vec<_>>())
    })
}

/// The simulator of this name.
///
/// # Errors
///
/// If there is none, with those that there are.
pub fn simulator_of(name: &str) -> Result<Simulator, UnknownName> {
    let found = Simulator::ALL.iter().find(|simulator| simulator.name() == name);
    found.copied().ok_or_else(|| UnknownName::new("simulator", name, &Simulator::ALL.map(Simulator::name)))
}

/// The way to read of this name.
///
/// # Errors
///
/// If there is none, with those that there are.
pub(super) fn reads_of(name: &str) -> Result<ReadPath, UnknownName> {
    let found = ReadPath::ALL.into_iter().find(|path| path.name() == name);
    found.ok_or_else(|| UnknownName::new("way to read", name, &ReadPath::ALL.map(ReadPath::name)))
}

/// The scenario of this name.
///
/// # Errors
///
/// If there is none, with those that there are.
pub fn scenario_of(name: &str) -> Result<&'static Scenario, UnknownName> {
    Scenario::named(name).ok_or_else(|| {
        UnknownName::new("scenario", name, &SCENARIOS.iter().map(|known| known.name).collect::<Vec<_>>())
    })
}

impl Wanted {
    /// The experiment that is asked for.
    ///
    /// # Errors
    ///
    /// The first thing that does not exist or cannot be.
    pub fn experiment(&self) -> Result<Experiment, ExperimentError> {
        let default = Config::default();
        let scenario = self.scenario.as_deref().map(scenario_of).transpose()?;
        let of_scenario = scenario.map(|scenario| scenario.mode.name().to_owned());
        let mode_name = self.mode.clone().or(of_scenario).unwrap_or(default.mode);
        let mode = mode_of(&mode_name)?;
        let workload_name = self.workload.clone().unwrap_or(default.workload);
        workload_of(&workload_name, 1)?;
        let selection = scenario.map(|scenario| scenario.nemesis.to_owned()).or_else(|| self.nemesis.clone());
        let selection =
            selection.unwrap_or(if self.plan.is_some() { "none".into() } else { default.nemesis });
        let nemesis: Selection = selection.parse()?;
        let reads = scenario.map_or(default.reads, |scenario| scenario.reads);
        let clients = self.clients.unwrap_or(default.clients);
        let steps_per_client = self.operations.map(|asked| steps_per_client(asked, clients)).transpose()?;
        let enough = steps_per_client.map(|steps| (u64::from(steps) + 1) * STEP_MS_MAX);
        let config = Config {
            mode: mode_name,
            workload: workload_name,
            nemesis: match (&self.scenario, &self.plan) {
                (Some(name), _) => format!("scenario {name}"),
                (_, Some(plan)) => format!("plan {}", plan.name()),
                _ => selection,
            },
            nodes: self.nodes.unwrap_or(nodes_by_default(mode)),
            clients,
            keys: self.keys.unwrap_or(default.keys),
            duration_ms: self.duration_ms.or(enough).unwrap_or(default.duration_ms),
            gap_max_ms: scenario.map_or(0, |scenario| scenario.gap_max_ms),
            reads: self.reads.as_deref().map(reads_of).transpose()?.unwrap_or(reads),
            bugs: self
                .bugs
                .iter()
                .map(|name| Ok(bug_of(name)?.name().to_owned()))
                .collect::<Result<_, UnknownName>>()?,
            recovery_ms: self.recovery_ms.unwrap_or(if mode == Mode::Sharded {
                5_000
            } else {
                default.recovery_ms
            }),
            ..Config::default()
        };
        let (subject, workload) = built(&config, mode)?;
        let request = Request { config, nemesis, steps_per_client, swarm: true };
        let mut faults = scenario.and_then(Scenario::planned);
        if let Some(faults) = &faults {
            crate::nemesis::validate(faults, &request.config.topology()).map_err(Unfit::from)?;
        }
        if let Some(plan) = &self.plan {
            faults = Some(planned(plan, &request.config)?);
        }
        let simulator = self.simulator.as_deref().map(simulator_of).transpose()?.unwrap_or_default();
        let manner = Manner { simulator, trace: false, until_breach: self.until_breach };
        let as_written = self.plan.is_some();
        Ok(Experiment { subject, workload, request, manner, faults, as_written })
    }

    /// The flags that ask for this; empty where it is all default.
    pub fn flags(&self) -> String {
        let text =
            |flag: &str, value: &Option<String>| value.as_ref().map(|value| format!(" --{flag} {value}"));
        let number = |flag: &str, value: Option<u64>| value.map(|value| format!(" --{flag} {value}"));
        let parts = [
            text("mode", &self.mode),
            text("workload", &self.workload),
            text("nemesis", &self.nemesis),
            text("scenario", &self.scenario),
            text("plan", &self.plan.as_ref().map(|plan| plan.path.clone())),
            number("nodes", self.nodes.map(u64::from)),
            number("clients", self.clients.map(u64::from)),
            number("keys", self.keys.map(u64::from)),
            number("ops", self.operations),
            self.duration_ms.map(|duration| format!(" --duration {duration}ms")),
            text("reads", &self.reads),
            self.recovery_ms.map(|recovery| format!(" --recovery {recovery}ms")),
            text("simulator", &self.simulator),
            self.until_breach.then(|| " --until-breach".to_owned()),
        ];
        let bugs = self.bugs.iter().map(|bug| format!(" --bug {bug}"));
        parts.into_iter().flatten().chain(bugs).collect()
    }
}

/// The faults that were written.
fn planned(plan: &PlanText, config: &Config) -> Result<Vec<PlannedFault>, ExperimentError> {
    let path = plan.path.clone();
    if plan.is_whole() {
        return Err(ExperimentError::WholePlan { path });
    }
    let read = crate::nemesis::read(&plan.text);
    let checked = read.and_then(|written| written.check(&config.topology()).map(|()| written.faults));
    checked.map_err(|source| ExperimentError::Plan { path, source })
}

fn steps_per_client(asked: u64, clients: u32) -> Result<u32, ExperimentError> {
    if asked == 0 || asked > limits::OPERATIONS_MAX {
        return Err(ExperimentError::Operations { asked });
    }
    Ok(u32::try_from(asked.div_ceil(u64::from(clients.max(1)))).expect("bounded"))
}

/// How many nodes a mode has if nobody says otherwise.
fn nodes_by_default(mode: Mode) -> u32 {
    match mode {
        Mode::Single => 1,
        Mode::Paxos | Mode::PrimaryBackup => 5,
        Mode::Sharded => 7,
    }
}

/// What runs under a configuration that was checked.
fn built(config: &Config, mode: Mode) -> Result<(BuiltIn, Arc<dyn ClusterWorkload>), ExperimentError> {
    config.check()?;
    for name in &config.bugs {
        let bug = bug_of(name)?;
        if !bug.modes().contains(&mode) {
            let possible: Vec<_> = bug.modes().iter().map(|mode| mode.name()).collect();
            let possible = possible.join(" or ");
            return Err(ExperimentError::BugElsewhere {
                bug: bug.name(),
                mode: config.mode.clone(),
                possible,
            });
        }
    }
    let workload = workload_of(&config.workload, config.keys)?;
    if !workload.suits(mode) {
        let possible = MODES.iter().filter(|(mode, ..)| workload.suits(*mode)).map(|(_, name, _)| *name);
        return Err(ExperimentError::WorkloadElsewhere {
            workload: config.workload.clone(),
            mode: config.mode.clone(),
            possible: possible.collect::<Vec<_>>().join(" or "),
        });
    }
    Ok((BuiltIn::new(mode, config.nodes), workload))
}

impl Experiment {
    /// The experiment that a plan belongs to.
    ///
    /// # Errors
    ///
    /// What makes the plan impossible to run.
    pub fn of_plan(plan: &ClusterPlan) -> Result<Self, ExperimentError> {
        plan.check()?;
        let config = plan.config.clone();
        let (subject, workload) = built(&config, mode_of(&config.mode)?)?;
        check_ids(plan)?;
        workload.check(plan)?;
        let request = Request { config, nemesis: Selection::None, steps_per_client: None, swarm: false };
        Ok(Self { subject, workload, request, manner: Manner::default(), faults: None, as_written: false })
    }

    /// Sizes, times and switches, before a seed varies them.
    pub fn config(&self) -> &Config {
        &self.request.config
    }

    /// What the cluster is run as.
    pub fn mode(&self) -> Mode {
        mode_of(&self.request.config.mode).expect("checked when this was made")
    }

    /// The plan of one seed.
    pub fn plan(&self, seed: u64) -> ClusterPlan {
        let mut plan = self.workload.plan(&self.request, seed);
        if let Some(faults) = &self.faults {
            plan.faults.clone_from(faults);
            plan.limits.may_leave |= self.as_written;
            plan.minima = plan.minima.map(|minima| Minima { effective_faults: 1, ..minima });
        }
        plan
    }

    /// How its plans are run.
    pub fn manner(&self) -> Manner {
        self.manner
    }

    /// The same experiment, run in another manner.
    #[must_use]
    pub fn in_manner(self, manner: Manner) -> Self {
        Self { manner, ..self }
    }

    /// Runs a plan of this experiment.
    pub fn run(&self, plan: &ClusterPlan) -> Outcome {
        self.workload.run(&self.subject, plan, self.manner)
    }

    /// Runs a plan, keeping every message and event.
    pub fn run_traced(&self, plan: &ClusterPlan) -> Outcome {
        self.workload.run(&self.subject, plan, self.manner.traced())
    }

    /// Runs a plan once more, in this manner, and returns that run if it is the same.
    ///
    /// # Errors
    ///
    /// The first place where the two runs differ.
    pub fn again(
        &self,
        plan: &ClusterPlan,
        first: &Outcome,
        manner: Manner,
    ) -> Result<Outcome, Box<NotDeterministic>> {
        again_by(&|manner| self.workload.run(&self.subject, plan, manner), first, manner)
    }
}

/// Checks what only a script that was changed by hand can get wrong. Ids that occur twice would write one element
/// twice, and a correct cluster would be called wrong.
fn check_ids(plan: &ClusterPlan) -> Result<(), ExperimentError> {
    /// Ids from here on belong to operations outside the script.
    const ID_MAX: u32 = 1 << 30;
    let mut seen = std::collections::BTreeSet::new();
    for (client, script) in plan.script.iter().enumerate() {
        for (step, scripted) in script.steps.iter().enumerate() {
            let problem = if scripted.id >= ID_MAX {
                format!("id {} is too large; use one below {ID_MAX}", scripted.id)
            } else if !seen.insert(scripted.id) {
                format!("id {} is used by an earlier step; give each step an id of its own", scripted.id)
            } else {
                continue;
            };
            return Err(ExperimentError::Script { client, step, problem });
        }
    }
    Ok(())
}
