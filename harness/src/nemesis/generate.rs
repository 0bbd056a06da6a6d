//! From a selection and a key to a plan: swarm testing, within bounds that keep the run worth judging.
//!
//! Bugs hide behind other faults, so each seed gets its own few kinds, its own intensity, its own aim; some seeds
//! have something stably bad, some have windows of peace so that later faults meet deep states. At least 40 % of
//! the chaos phase is free of faults that stop service. Every draw is keyed by its place in the plan.

use super::budget::{cost_ms, stopped_ms};
use super::catalogue::{Kind, Selection};
use super::draw::{Style, draw_fault, draw_trigger, length_ms};
use super::fault::{Family, Fault, Links, PlannedFault};
use super::model::{Mode, Topology, can_act, can_act_alone, protocol_events};
use super::scenarios::{Part, Scenario, scenarios};
use super::trigger::Trigger;
use super::validate::{FAULTS_MAX, validate};
use squall_workloads::decide::{Decide, Draw};

/// How much of the chaos phase faults may stop the service, in per cent.
pub const STOPPED_PERCENT_MAX: u64 = 60;
/// The most faults in ten seconds of a generated plan.
const FAULTS_PER_TEN_SECONDS_MAX: u64 = 15;
/// How many seeds have faults with triggers, in parts per million.
const TRIGGERED_PPM: u32 = 350_000;
/// The most such faults of a seed.
const TRIGGERED_MAX: u64 = 3;
/// How often a place in the plan is tried before it stays empty.
const ATTEMPTS: u64 = 8;

/// Makes the plan of one run. The same arguments give the same plan; it passes [`validate`].
///
/// Empty only if the selection is `none` or nothing of it fits the topology (see
/// [`Selection::check`]). If `all` is selected, at least one fault can act in the mode.
pub fn generate(selection: &Selection, decide: &Decide, topology: &Topology) -> Vec<PlannedFault> {
    assert!(topology.servers > 0 && topology.clients > 0, "a topology has servers and clients: {topology:?}");
    let faults = build(selection, decide, topology).map(Plan::finish).unwrap_or_default();
    assert_eq!(validate(&faults, topology), Ok(()), "generated plans are valid");
    faults
}

/// The names of the scenarios in the plan that [`generate`] makes of the same arguments.
#[cfg(test)]
pub(super) fn scenarios_of(selection: &Selection, decide: &Decide, topology: &Topology) -> Vec<&'static str> {
    build(selection, decide, topology).map(|plan| plan.placed).unwrap_or_default()
}

fn build<'topology>(
    selection: &Selection,
    decide: &Decide,
    topology: &'topology Topology,
) -> Option<Plan<'topology>> {
    let selected = selection.kinds(topology);
    if selected.is_empty() || topology.horizon_ms == 0 {
        return None;
    }
    let profile = Profile::draw(&selected, *selection == Selection::All, decide, topology);
    let mut plan = Plan::new(profile, topology);
    plan.add_stable(decide);
    plan.add_changes(decide);
    for episode in 0..plan.profile.episodes {
        plan.add_episode(episode, decide);
    }
    plan.add_triggered(decide);
    plan.ensure_something_acts(decide);
    Some(plan)
}

/// What one seed is about.
struct Profile {
    kinds: Vec<&'static Kind>,
    scenarios: Vec<&'static Scenario>,
    scenario_ppm: u32,
    style: Style,
    is_stable: bool,
    quiet: Vec<(u64, u64)>,
    episodes: u64,
    cost_max_ms: u64,
    faults_max: usize,
}

impl Profile {
    fn draw(selected: &[&'static Kind], is_swarm: bool, decide: &Decide, topology: &Topology) -> Self {
        let mut draw = decide.at("nemesis.profile", &[]);
        let mode = topology.mode;
        let families = if is_swarm { some_families(selected, decide, mode) } else { selected.to_vec() };
        // A scenario needs several kinds at once; asking the thinned subset for them would make it too rare.
        let has = |name: &&str| families.iter().any(|kind| kind.name == *name);
        let fits = |scenario: &&Scenario| {
            topology.servers >= scenario.servers_min && scenario.needs.iter().all(&has)
        };
        let scenarios = scenarios(mode).filter(fits).collect();
        let kinds = if is_swarm { some_kinds(&families, decide, mode) } else { selected.to_vec() };
        let style = Style {
            leader_ppm: *draw.pick(&[100_000, 400_000, 600_000, 800_000]),
            follow_ppm: *draw.pick(&[200_000, 600_000, 800_000, 1_000_000]),
            intensity: draw.range(1..=3),
        };
        let is_stable = draw.chance(220_000);
        let wants_quiet = draw.chance(300_000);
        let horizon_ms = topology.horizon_ms;
        let most = (horizon_ms * FAULTS_PER_TEN_SECONDS_MAX / 10_000).clamp(1, FAULTS_MAX as u64 / 2);
        // The smaller of two draws: most seeds get few faults, so that what they find is easy to understand.
        let episodes = draw.range(1..=most).min(draw.range(1..=most));
        Self {
            kinds,
            scenarios,
            scenario_ppm: *draw.pick(&[0, 300_000, 600_000, 1_000_000]),
            style,
            is_stable,
            quiet: if wants_quiet && !is_stable { quiet(&mut draw, horizon_ms) } else { Vec::new() },
            episodes,
            cost_max_ms: horizon_ms * *draw.pick(&[15, 25, 35, 45]) / 100,
            faults_max: usize::try_from(most).expect("faults are few"),
        }
    }
}

/// One or two windows without faults.
fn quiet(draw: &mut Draw, horizon_ms: u64) -> Vec<(u64, u64)> {
    let count = draw.range(1..=2);
    let window = |draw: &mut Draw| {
        let for_ms = horizon_ms * draw.range(12..=20) / 100;
        let from_ms = draw.range(0..=horizon_ms - for_ms);
        (from_ms, from_ms + for_ms)
    };
    (0..count).map(|_| window(draw)).collect()
}

/// The kinds of a random subset of the families, at least one of which can act: one of them, all, or each by the
/// toss of a coin.
fn some_families(selected: &[&'static Kind], decide: &Decide, mode: Mode) -> Vec<&'static Kind> {
    let mut draw = decide.at("nemesis.families", &[]);
    let acting: Vec<&Kind> = selected.iter().copied().filter(acts(mode)).collect();
    assert!(!acting.is_empty(), "every mode has faults that can act");
    let mut families: Vec<Family> = acting.iter().map(|kind| kind.family).collect();
    families.sort_unstable();
    families.dedup();
    // Some family that can act is always in.
    let anchor = *draw.pick(&families);
    let kept: Vec<Family> = match draw.below(100) {
        0..25 => vec![anchor],
        25..45 => Family::ALL.to_vec(),
        _ => Family::ALL.into_iter().filter(|family| draw.chance(500_000) || *family == anchor).collect(),
    };
    selected.iter().copied().filter(|kind| kept.contains(&kind.family)).collect()
}

/// For half of the seeds a random subset of the kinds, one of which can act; for the others all of them.
fn some_kinds(kinds: &[&'static Kind], decide: &Decide, mode: Mode) -> Vec<&'static Kind> {
    let mut draw = decide.at("nemesis.kinds", &[]);
    let mut kept = kinds.to_vec();
    if draw.chance(500_000) {
        let acting: Vec<&Kind> = kinds.iter().copied().filter(acts(mode)).collect();
        let spared = *draw.pick(&acting);
        kept.retain(|kind| draw.chance(600_000) || *kind == spared);
    }
    assert!(kept.iter().any(|kind| acts(mode)(kind)), "a swarm can act");
    kept
}

/// Whether faults of a kind can act in this mode: see [`can_act`].
fn acts(mode: Mode) -> impl Fn(&&'static Kind) -> bool {
    move |kind| can_act_alone(mode, kind.family, kind.fault)
}

/// A plan in the making.
struct Plan<'topology> {
    profile: Profile,
    topology: &'topology Topology,
    faults: Vec<PlannedFault>,
    /// The names of the scenarios among them.
    placed: Vec<&'static str>,
    spent_ms: u64,
}

/// Changes of a cluster, and storms of them, that come on top of other faults.
const CHANGES_MAX: u64 = 3;

impl<'topology> Plan<'topology> {
    fn new(profile: Profile, topology: &'topology Topology) -> Self {
        assert!(!profile.kinds.is_empty(), "a plan draws from some kinds");
        Self { profile, topology, faults: Vec::new(), placed: Vec::new(), spent_ms: 0 }
    }

    /// Something that is a little bad for the whole run.
    fn add_stable(&mut self, decide: &Decide) {
        if !self.profile.is_stable {
            return;
        }
        let mut draw = decide.at("nemesis.stable", &[]);
        let can_be_stable = |kind: &&Kind| {
            matches!(
                kind.name,
                "loss"
                    | "duplication"
                    | "reordering"
                    | "delay"
                    | "slow-direction"
                    | "corruption"
                    | "slow-sync"
                    | "slow"
                    | "clock-drift"
                    | "clock-jump"
            )
        };
        let kinds: Vec<&Kind> = self.profile.kinds.iter().copied().filter(can_be_stable).collect();
        if kinds.is_empty() {
            return;
        }
        let style = Style { intensity: 1, ..self.profile.style };
        let kind = *draw.pick(&kinds);
        let (fault, _) = draw_fault(kind, &mut draw, &style, self.topology);
        let for_ms = self.topology.horizon_ms;
        let planned = PlannedFault { id: 0, at_ms: 0, for_ms, on: None, fault: mild(fault) };
        // A bad link is part of the weather; only half of its cost is taken from what else may happen.
        let cost_ms = cost_ms(&planned, self.topology) / 2;
        if self.keeps_service(std::slice::from_ref(&planned)) {
            self.spent_ms += cost_ms;
            self.faults.push(planned);
        }
    }

    /// One fault or one scenario, somewhere.
    fn add_episode(&mut self, episode: u64, decide: &Decide) {
        // Chosen once: with another choice per attempt, long scenarios would give way to short ones.
        let mut choice = decide.at("nemesis.choice", &[episode]);
        let is_scenario = choice.chance(self.profile.scenario_ppm) && !self.profile.scenarios.is_empty();
        let scenario = is_scenario.then(|| *choice.pick(&self.profile.scenarios));
        for attempt in 0..ATTEMPTS {
            let mut draw = decide.at("nemesis.episode", &[episode, attempt]);
            let at_ms = draw.below(self.topology.horizon_ms);
            let parts = if let Some(scenario) = scenario {
                let parts = (scenario.parts)(&mut draw, self.topology);
                assert!(!parts.is_empty(), "{} does something", scenario.name);
                parts
            } else {
                self.draw_some(&mut draw)
            };
            if self.offer(at_ms, parts, None) {
                self.placed.extend(scenario.map(|scenario| scenario.name));
                return;
            }
        }
    }

    /// In a sharded cluster, groups come and go and shards move, whatever else happens; not in the last second, so
    /// that what began can end.
    fn add_changes(&mut self, decide: &Decide) {
        let of_cluster = |kind: &&Kind| kind.family == Family::Cluster;
        let kinds: Vec<&Kind> = self.profile.kinds.iter().copied().filter(of_cluster).collect();
        let Some(latest_ms) = self.topology.horizon_ms.checked_sub(1_000) else { return };
        if kinds.is_empty() {
            return;
        }
        let mut draw = decide.at("nemesis.changes", &[]);
        for place in 0..draw.range(1..=CHANGES_MAX) {
            let mut draw = decide.at("nemesis.change", &[place]);
            let kind = *draw.pick(&kinds);
            let (fault, for_ms) = draw_fault(kind, &mut draw, &self.profile.style, self.topology);
            let Some(room_ms) = latest_ms.checked_sub(for_ms) else { continue };
            let at_ms = draw.range(0..=room_ms);
            self.faults.push(PlannedFault { id: 0, at_ms, for_ms, on: None, fault });
        }
    }

    /// For some seeds, faults that fall on a step of the protocol. They come on top of what has a time, so that
    /// seeds without them keep their plans.
    fn add_triggered(&mut self, decide: &Decide) {
        let mut draw = decide.at("nemesis.triggers", &[]);
        if protocol_events(self.topology.mode).is_empty() || !draw.chance(TRIGGERED_PPM) {
            return;
        }
        for place in 0..draw.range(1..=TRIGGERED_MAX) {
            let mut draw = decide.at("nemesis.triggered", &[place]);
            let kind = *draw.pick(&self.profile.kinds);
            let (mut fault, for_ms) = draw_fault(kind, &mut draw, &self.profile.style, self.topology);
            let trigger = draw_trigger(&mut draw, &mut fault, self.topology);
            let at_ms = draw.below(self.topology.horizon_ms - for_ms);
            self.offer(at_ms, vec![(0, for_ms, fault)], Some(trigger));
        }
    }

    /// One fault, or two that overlap.
    fn draw_some(&self, draw: &mut Draw) -> Vec<Part> {
        let count = if draw.chance(300_000) { 2 } else { 1 };
        let mut parts = Vec::new();
        let mut offset_ms = 0;
        for _ in 0..count {
            let kind = *draw.pick(&self.profile.kinds);
            let (fault, for_ms) = draw_fault(kind, draw, &self.profile.style, self.topology);
            parts.push((offset_ms, for_ms, fault));
            offset_ms = length_ms(draw, 1..=400);
        }
        parts
    }

    /// Takes all of the parts, or none: if they end in time, leave the quiet windows alone and fit what is left.
    fn offer(&mut self, at_ms: u64, parts: Vec<Part>, on: Option<Trigger>) -> bool {
        let planned = |(offset_ms, for_ms, fault)| {
            let (at_ms, on) = (at_ms + offset_ms, on.clone());
            PlannedFault { id: 0, at_ms, for_ms, on, fault }
        };
        let group: Vec<PlannedFault> = parts.into_iter().map(planned).collect();
        let is_placed = |planned: &PlannedFault| {
            let is_clear =
                |(from_ms, to_ms): &(u64, u64)| planned.end_ms() <= *from_ms || *to_ms <= planned.at_ms;
            planned.end_ms() <= self.topology.horizon_ms && self.profile.quiet.iter().all(is_clear)
        };
        // Parts overlap: beside the dearest one, the others cost little more.
        let costs_ms: Vec<u64> = group.iter().map(|planned| cost_ms(planned, self.topology)).collect();
        let dearest_ms = costs_ms.iter().copied().max().unwrap_or(0);
        let group_cost_ms = dearest_ms + (costs_ms.iter().sum::<u64>() - dearest_ms) / 3;
        let fits = self.faults.len() + group.len() <= self.profile.faults_max
            && self.spent_ms + group_cost_ms <= self.profile.cost_max_ms
            && group.iter().all(is_placed)
            && self.keeps_service(&group);
        if fits {
            self.spent_ms += group_cost_ms;
            self.faults.extend(group);
        }
        fits
    }

    /// Whether enough of the chaos phase stays free of faults that stop service.
    fn keeps_service(&self, more: &[PlannedFault]) -> bool {
        let all: Vec<PlannedFault> = self.faults.iter().chain(more).cloned().collect();
        stopped_ms(&all, self.topology) <= self.topology.horizon_ms * STOPPED_PERCENT_MAX / 100
    }

    /// If nothing that can act was placed, one fault is, whatever it costs.
    fn ensure_something_acts(&mut self, decide: &Decide) {
        let mode = self.topology.mode;
        // An event may never come.
        let acts_surely = |planned: &PlannedFault| planned.on.is_none() && can_act(mode, &planned.fault);
        if self.faults.iter().any(acts_surely) {
            return;
        }
        let mut kinds: Vec<&Kind> = self.profile.kinds.iter().copied().filter(acts(mode)).collect();
        if kinds.is_empty() {
            // Only what cannot act is selected: they cannot act, but they are what was asked for.
            if !self.faults.is_empty() {
                return;
            }
            kinds = self.profile.kinds.clone();
        }
        self.profile.quiet.clear();
        self.profile.cost_max_ms = u64::MAX;
        self.profile.faults_max = self.faults.len() + 1;
        for attempt in 0..100 {
            let mut draw = decide.at("nemesis.last", &[attempt]);
            let kind = *draw.pick(&kinds);
            let (fault, for_ms) = draw_fault(kind, &mut draw, &self.profile.style, self.topology);
            let at_ms = draw.range(0..=self.topology.horizon_ms - for_ms);
            if self.offer(at_ms, vec![(0, for_ms, fault)], None) {
                return;
            }
        }
    }

    /// In order of time, numbered from 1.
    fn finish(mut self) -> Vec<PlannedFault> {
        assert!(self.keeps_service(&[]), "the service is left alone for long enough");
        self.faults.sort_by_key(|planned| (planned.at_ms, planned.end_ms()));
        for (id, planned) in (1..).zip(&mut self.faults) {
            planned.id = id;
        }
        self.faults
    }
}

/// What stands for the whole run is weaker than what passes.
fn mild(fault: Fault) -> Fault {
    let all_kinds = Vec::new;
    match fault {
        Fault::Loss { links, ppm, .. } => {
            Fault::Loss { links, ppm: at_most(ppm, 50_000, links), kinds: all_kinds() }
        }
        Fault::Corruption { links, ppm, .. } => {
            Fault::Corruption { links, ppm: at_most(ppm, 50_000, links), kinds: all_kinds() }
        }
        Fault::Duplication { links, ppm, .. } => Fault::Duplication { links, ppm, kinds: all_kinds() },
        Fault::Reordering { links, ppm, .. } => Fault::Reordering { links, ppm, kinds: all_kinds() },
        Fault::Delay { links, min_ms, max_ms, .. } => {
            let max_ms = max_ms.min(20);
            Fault::Delay { links, min_ms: min_ms.min(max_ms / 2), max_ms, kinds: all_kinds() }
        }
        Fault::SlowSync { target, sync_ms } => Fault::SlowSync { target, sync_ms: sync_ms.min(30) },
        Fault::Slow { target, cost_us } => Fault::Slow { target, cost_us: cost_us.min(500) },
        other => other,
    }
}

/// A direction of one server may be worse than the whole network.
fn at_most(ppm: u32, most_ppm: u32, links: Links) -> u32 {
    match links {
        Links::From(_) | Links::To(_) | Links::Between { .. } => ppm.min(most_ppm * 2),
        Links::All | Links::Servers | Links::Requests | Links::Replies => ppm.min(most_ppm),
    }
}
