//! Trials: many runs of one subject under one workload, in a few chained words, for `#[test]`s.

use std::ops::Range;
use std::path::PathBuf;

use squall_checker::Verdict;
use squall_workloads::Workload;

use crate::clocks::Moment;
use crate::determinism;
use crate::nemesis::Selection;
use crate::store::{Store, StoreError, with_run};

use super::failure::Account;
use super::manner::{Manner, Simulator};
use super::outcome::Outcome;
use super::plan::{Config, Plan, Request};
use super::subject::Subject;

/// At most this share of a trial's seeds may be vacuous, in percent.
const VACUOUS_PERCENT_MAX: usize = 5;

/// A trial of `subject` under `workload`: faults of all kinds, 64 seeds, unless told otherwise.
///
/// ```
/// squall::trial(squall::paxos(3), squall::workloads::register(2))
///     .nemesis("partition,process")
///     .seeds(6..8)
///     .duration_ms(1_000)
///     .assert_valid();
/// ```
pub fn trial<S: Subject<W>, W: Workload>(subject: S, workload: W) -> Trial<S, W> {
    let config = Config {
        mode: subject.mode(),
        workload: workload.name().into(),
        nemesis: "all".into(),
        nodes: subject.nodes(),
        keys: workload.keys(),
        ..Config::default()
    };
    let request = Request { config, nemesis: Selection::All, steps_per_client: None, swarm: true };
    Trial { subject, workload, request, manner: Manner::default(), seeds: 0..64, results: None }
}

/// A trial that is being described; see [`trial`].
#[derive(Clone, Debug)]
pub struct Trial<S, W> {
    subject: S,
    workload: W,
    request: Request,
    manner: Manner,
    seeds: Range<u64>,
    results: Option<PathBuf>,
}

impl<S: Subject<W>, W: Workload> Trial<S, W> {
    /// Which faults: `none`, `all`, or families and faults joined by commas.
    ///
    /// # Panics
    ///
    /// If one of them does not exist; the message lists those that do.
    #[must_use]
    pub fn nemesis(mut self, selection: &str) -> Self {
        self.request.nemesis = selection.parse().unwrap_or_else(|error| panic!("{error}"));
        self.request.config.nemesis = selection.into();
        self
    }

    /// The seeds to run; the environment's `SQUALL_SEED` or `SQUALL_SEEDS` take their place.
    #[must_use]
    pub fn seeds(mut self, seeds: Range<u64>) -> Self {
        assert!(!seeds.is_empty(), "a trial without seeds shows nothing");
        self.seeds = seeds;
        self
    }

    /// One seed only.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.seeds(seed..seed + 1)
    }

    /// Concurrent clients.
    #[must_use]
    pub fn clients(mut self, clients: u32) -> Self {
        assert!(clients > 0, "a trial needs clients");
        self.request.config.clients = clients;
        self
    }

    /// How long clients work while the nemesis acts, in simulated milliseconds.
    #[must_use]
    pub fn duration_ms(mut self, duration_ms: u64) -> Self {
        assert!(duration_ms > 0, "a run of no time shows nothing");
        self.request.config.duration_ms = duration_ms;
        self
    }

    /// Operations per client; without it, as many as fit the duration.
    #[must_use]
    pub fn operations_per_client(mut self, operations: u32) -> Self {
        self.request.steps_per_client = Some(operations);
        self
    }

    /// How long a client waits for an answer before it gives up on an operation, in simulated milliseconds.
    #[must_use]
    pub fn timeout_ms(mut self, timeout_ms: u64) -> Self {
        assert!(timeout_ms > 0, "an operation needs time");
        self.request.config.timeout_ms = timeout_ms;
        self
    }

    /// How soon after healing every key must take an operation again, in simulated milliseconds.
    #[must_use]
    pub fn recovery_ms(mut self, recovery_ms: u64) -> Self {
        self.request.config.recovery_ms = recovery_ms;
        self
    }

    /// Switches on one of the built-in cluster's bugs, by name.
    ///
    /// # Panics
    ///
    /// If there is no such bug.
    #[must_use]
    pub fn bug(mut self, name: &str) -> Self {
        assert!(
            squall_cluster::bugs::Bug::parse(name).is_some(),
            "there is no bug named {name}: see squall list bugs"
        );
        self.request.config.bugs.push(name.into());
        self
    }

    /// What turns the simulated world; both simulators give the same runs, the event loop many times faster.
    ///
    /// # Panics
    ///
    /// When run, if the subject is not the built-in cluster: only turmoil hosts other software.
    #[must_use]
    pub fn simulator(mut self, simulator: Simulator) -> Self {
        self.manner.simulator = simulator;
        self
    }

    /// Where the report of a failing run goes; `results` in the current folder, or `SQUALL_RESULTS`, otherwise.
    #[must_use]
    pub fn results(mut self, folder: impl Into<PathBuf>) -> Self {
        self.results = Some(folder.into());
        self
    }

    /// The plan of one seed.
    pub fn plan(&self, seed: u64) -> Plan<W::Step> {
        Plan::generate(&self.request, &self.workload, seed)
    }

    /// Runs the first seed, whatever comes of it.
    pub fn run(&self) -> Outcome {
        self.subject.run(&self.workload, &self.plan(self.seeds.start), self.manner)
    }

    /// Runs every seed.
    ///
    /// # Panics
    ///
    /// At the first run that is invalid or undecided, with what is wrong, where the report is and how to run it
    /// again; and if more than one run in twenty was vacuous.
    pub fn assert_valid(&self) {
        let seeds = seeds_of_environment().unwrap_or_else(|| self.seeds.clone());
        let mut vacuous = Vec::new();
        let total = usize::try_from(seeds.end - seeds.start).expect("a number of seeds");
        for seed in seeds {
            let plan = self.plan(seed);
            let outcome = self.subject.run(&self.workload, &plan, self.manner);
            match outcome.verdict {
                Verdict::Valid => {}
                Verdict::Vacuous => vacuous.push((seed, outcome.remarks.join("; "))),
                Verdict::Unknown => panic!("unknown: seed {seed:#x}: {}", outcome.remarks.join("; ")),
                Verdict::Invalid => panic!("{}", self.report(&plan, &outcome)),
            }
        }
        if let Some((seed, reason)) = vacuous.first() {
            assert!(
                vacuous.len() * 100 <= total * VACUOUS_PERCENT_MAX,
                "vacuous: {} of {total} seeds showed too little; the first is {seed:#x}: {reason}",
                vacuous.len()
            );
        }
    }
}

impl<S: Subject<W>, W: Workload> Trial<S, W> {
    /// Runs a failing plan again with everything recorded, stores it, and says what is wrong.
    fn report(&self, plan: &Plan<W::Step>, first: &Outcome) -> String {
        let manner = self.manner.traced();
        let outcome = match determinism::again(&self.subject, &self.workload, plan, first, manner) {
            Ok(second) => second,
            Err(differs) => return format!("{}\n{differs}", account(plan, first, None)),
        };
        let stored = self.store(plan, &outcome);
        let folder = match &stored {
            Ok(folder) => folder.display().to_string(),
            Err(error) => return format!("{}\n  not stored: {error}", account(plan, &outcome, None)),
        };
        if self.subject.is_built_in() {
            return account(plan, &outcome, Some(&folder));
        }
        let seed = plan.seed;
        let told = account(plan, &outcome, None);
        format!("{told}\n  report:    {folder}/report.html\n  replay:    SQUALL_SEED={seed:#x} cargo test")
    }

    fn store(&self, plan: &Plan<W::Step>, outcome: &Outcome) -> Result<PathBuf, StoreError> {
        let of_environment = std::env::var_os("SQUALL_RESULTS").map(PathBuf::from);
        let root = self.results.clone().or(of_environment).unwrap_or_else(|| "results".into());
        let began = Moment::now();
        let store = Store::open(&root)?;
        let (folder, _) = with_run(plan, outcome, 0, &began, |run| store.write_run(&began.stamp, run))?;
        Ok(folder)
    }
}

fn account<T>(plan: &Plan<T>, outcome: &Outcome, results: Option<&str>) -> String {
    Account { config: &plan.config, seed: plan.seed, outcome, results, shrunk: None }.to_string()
}

/// The seeds that the environment asks for, if it does.
fn seeds_of_environment() -> Option<Range<u64>> {
    if let Ok(seed) = std::env::var("SQUALL_SEED") {
        let seed = parse_seed(&seed).unwrap_or_else(|| panic!("SQUALL_SEED is not a seed: {seed:?}"));
        return Some(seed..seed + 1);
    }
    let seeds = std::env::var("SQUALL_SEEDS").ok()?;
    let range = seeds.split_once("..").and_then(|(from, to)| Some(parse_seed(from)?..parse_seed(to)?));
    Some(range.unwrap_or_else(|| panic!("SQUALL_SEEDS is not a range of seeds such as 0..100: {seeds:?}")))
}

/// A seed in decimal or, after `0x`, in hexadecimal.
pub fn parse_seed(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
