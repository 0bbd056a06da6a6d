//! Guided search: plans that reached something new are kept and changed, in place of drawing every plan anew.
//!
//! Greybox fuzzing (Zalewski, "american fuzzy lop", 2013; Böhme et al., "Coverage-based greybox fuzzing as Markov
//! chain", 2016) on plans of faults. New is an event under a family of faults that was never seen there, or an
//! abstract state that the cluster was never in. Changed plans also get faults that fall on the steps of the protocol in
//! turn; until there is anything to change, drawn plans get them. A quarter of the plans are drawn as ever, so that the
//! search cannot lose its way. A pure function of the experiment and its first seed: plans are made in batches, and what
//! a batch taught is learned in order, however many threads ran it.

mod aim;
mod lesson;
mod mutate;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use squall_checker::Verdict;
use squall_workloads::Decide;
use squall_workloads::decide::Draw;

use crate::nemesis::PlannedFault;
use crate::sim::Coverage;
use crate::soak::{ClusterPlan, CoverageTable, Experiment};
use crate::trial::Outcome;

use aim::Aims;

pub use lesson::Lesson;

/// Plans that are made before anything of them is learned.
pub const BATCH: usize = 8;
/// Plans that are kept, at most; the one with the most children gives way.
const CORPUS_MAX: usize = 512;
/// How many plans are changed ones, in parts per million.
const CHANGED_PPM: u32 = 750_000;
/// How often a changed plan aims at a step of the protocol.
const AIMED: RangeInclusive<u64> = 4..=16;

/// A plan that reached something new.
#[derive(Clone, Debug)]
struct Kept {
    plan: ClusterPlan,
    /// Pairs and states that nothing before it had reached.
    news: usize,
    children: u64,
}

/// A plan to run, and where it comes from.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The plan.
    pub plan: ClusterPlan,
    /// Whether it is a changed one.
    pub is_changed: bool,
}

/// A search under way.
#[derive(Clone, Debug)]
pub struct Guided {
    experiment: Experiment,
    decide: Decide,
    seed_first: u64,
    made: u64,
    corpus: Vec<Kept>,
    covered: CoverageTable,
    /// States that occurred.
    states: BTreeSet<u64>,
    runs: u64,
    aims: Aims,
}

impl Guided {
    /// A search that has seen nothing. Drawn plans are those of the seeds from the first one on.
    pub fn new(experiment: Experiment, seed_first: u64) -> Self {
        Self {
            covered: CoverageTable::new(experiment.mode()),
            aims: Aims::new(experiment.mode()),
            experiment,
            decide: Decide::new(seed_first).derive("guided", &[]),
            seed_first,
            made: 0,
            corpus: Vec::new(),
            states: BTreeSet::new(),
            runs: 0,
        }
    }

    /// The next plans to run.
    pub fn batch(&mut self) -> Vec<Candidate> {
        (0..BATCH).map(|_| self.candidate()).collect()
    }

    fn candidate(&mut self) -> Candidate {
        let number = self.made;
        self.made += 1;
        let mut draw = self.decide.at("candidate", &[number]);
        let drawn = self.experiment.plan(self.seed_first.wrapping_add(number));
        if !draw.chance(CHANGED_PPM) {
            return Candidate { plan: drawn, is_changed: false };
        }
        let parents = self.parents(&mut draw);
        let topology = drawn.config.topology();
        let aimed: Vec<PlannedFault> =
            (0..draw.range(AIMED)).flat_map(|_| self.aims.faults(&topology, &mut draw)).collect();
        let parents = parents.map(|(first, second)| (&self.corpus[first].plan, &self.corpus[second].plan));
        match mutate::changed(parents, &drawn, &aimed, &self.experiment, &mut draw) {
            Some(plan) => Candidate { plan, is_changed: true },
            None => Candidate { plan: drawn, is_changed: false },
        }
    }

    /// A kept plan to change, and another that it may take from; `None`: nothing is kept.
    fn parents(&mut self, draw: &mut Draw) -> Option<(usize, usize)> {
        if self.corpus.is_empty() {
            return None;
        }
        // Of three, the one that has been tried least for what it brought.
        let picks: Vec<usize> = (0..3).map(|_| draw.index(self.corpus.len())).collect();
        let tired = |at: &usize| (self.corpus[*at].children, usize::MAX - self.corpus[*at].news, *at);
        let first = picks.into_iter().min_by_key(tired).expect("three were picked");
        self.corpus[first].children += 1;
        Some((first, draw.index(self.corpus.len())))
    }

    /// Learns what the run of a plan reached. Runs are learned in the order of their plans.
    pub fn learn(&mut self, candidate: &Candidate, coverage: &Coverage) -> Lesson {
        let lesson = Lesson::of(coverage, |state| self.states.contains(state));
        self.take(candidate, &lesson);
        lesson
    }

    /// Makes the next plans of a search that was killed, and learns what their runs had taught it: the search is then
    /// where it was.
    ///
    /// # Errors
    ///
    /// If these are not the lessons of a whole batch.
    pub fn recall(&mut self, lessons: &[Lesson]) -> Result<(), String> {
        if lessons.len() != BATCH {
            return Err(format!("{} runs where a batch has {BATCH}", lessons.len()));
        }
        let batch = self.batch();
        batch.iter().zip(lessons).for_each(|(candidate, lesson)| self.take(candidate, lesson));
        Ok(())
    }

    fn take(&mut self, candidate: &Candidate, lesson: &Lesson) {
        self.runs += 1;
        let mut news = self.covered.add(lesson.reached);
        news += lesson.states.iter().filter(|state| self.states.insert(**state)).count();
        if news == 0 {
            return;
        }
        self.corpus.push(Kept { plan: candidate.plan.clone(), news, children: 0 });
        if self.corpus.len() > CORPUS_MAX {
            let most = (0..self.corpus.len()).max_by_key(|at| (self.corpus[*at].children, *at));
            self.corpus.swap_remove(most.expect("a full corpus is not empty"));
        }
    }

    /// Events that occurred, under which faults.
    pub fn covered(&self) -> &CoverageTable {
        &self.covered
    }

    /// Abstract states that were reached.
    pub fn states(&self) -> usize {
        self.states.len()
    }

    /// Plans that are kept.
    pub fn corpus(&self) -> usize {
        self.corpus.len()
    }

    /// Runs that were learned.
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Makes a batch, runs it on several threads, and learns from it; hands on each plan with its run and what that
    /// taught, in order.
    pub fn step(&mut self, jobs: usize) -> Vec<(Candidate, Outcome, Lesson)> {
        assert!(jobs > 0, "somebody must do the work");
        let batch = self.batch();
        let next = AtomicUsize::new(0);
        let outcomes: Vec<Mutex<Option<Outcome>>> = batch.iter().map(|_| Mutex::new(None)).collect();
        std::thread::scope(|scope| {
            for _ in 0..jobs.min(BATCH) {
                scope.spawn(|| {
                    while let Some(at) =
                        Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < batch.len())
                    {
                        let outcome = self.experiment.run(&batch[at].plan);
                        *outcomes[at].lock().expect("nobody panics while holding it") = Some(outcome);
                    }
                });
            }
        });
        let ran = outcomes.into_iter().map(|outcome| {
            outcome.into_inner().expect("nobody panics while holding it").expect("every plan was run")
        });
        let mut learned = Vec::new();
        for (candidate, outcome) in batch.iter().cloned().zip(ran) {
            let lesson = self.learn(&candidate, &outcome.coverage);
            learned.push((candidate, outcome, lesson));
        }
        learned
    }
}

/// How many runs it takes until one is invalid; `None`: more than `runs_max`. Guided, or seed after seed.
pub fn runs_to_find(experiment: &Experiment, seed_first: u64, runs_max: u64, is_guided: bool) -> Option<u64> {
    let is_found = |outcome: &Outcome| outcome.verdict == Verdict::Invalid;
    if !is_guided {
        let found = |nth: &u64| is_found(&experiment.run(&experiment.plan(seed_first.wrapping_add(*nth))));
        return (0..runs_max).find(found).map(|nth| nth + 1);
    }
    let mut search = Guided::new(experiment.clone(), seed_first);
    let mut runs = 0;
    while runs < runs_max {
        for candidate in search.batch() {
            let outcome = experiment.run(&candidate.plan);
            runs += 1;
            if is_found(&outcome) {
                return Some(runs);
            }
            search.learn(&candidate, &outcome.coverage);
        }
    }
    None
}

#[cfg(test)]
mod tests;
