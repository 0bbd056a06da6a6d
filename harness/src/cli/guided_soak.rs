//! `squall soak --guided`: search led by coverage, with the table of coverage and its holes at the end.
//!
//! A guided soak is not a range of seeds: it is reproduced by its first seed and the number of its runs, and what fails
//! is stored as a plan. A line is written per batch of runs, with what they taught; started again after being killed,
//! the search is made again from these lines, and goes on where it was.

use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use squall_checker::Verdict;

use crate::clocks::{Moment, Stopwatch};
use crate::guided::{Candidate, Guided, Lesson};
use crate::soak::{Charter, CoverageTable, Experiment, FAILURES_MAX, Seeds, Wanted};
use crate::store::{SCHEMA, SoakFolder, Store, build_id};
use crate::trial::Outcome;

use super::console::Console;
use super::exit::Exit;
use super::recording::{Place, Recording, tell};
use super::upload::{Upload, unfinished};

/// A guided soak.
pub(crate) struct GuidedSoak<'a> {
    pub(crate) console: &'a Console,
    pub(crate) wanted: &'a Wanted,
    pub(crate) experiment: Experiment,
    /// The first seed, and as many runs as there are seeds.
    pub(crate) seeds: Range<u64>,
    pub(crate) budget: Option<Duration>,
    /// Where results are copied to.
    pub(crate) upload: Option<&'a str>,
    pub(crate) anew: bool,
    pub(crate) jobs: usize,
    pub(crate) json: bool,
}

/// One run of a batch.
#[derive(Serialize, Deserialize)]
struct RunOfBatch {
    verdict: Verdict,
    digest: String,
    is_changed: bool,
    /// Where it is stored, if it failed and is.
    results: Option<String>,
    #[serde(flatten)]
    lesson: Lesson,
}

/// What is kept of a batch.
#[derive(Serialize, Deserialize)]
struct BatchLine {
    /// How many runs came before.
    runs_before: u64,
    elapsed_ms: u64,
    runs: Vec<RunOfBatch>,
}

#[derive(Serialize)]
struct GuidedLine<'a> {
    schema: u32,
    verdict: Verdict,
    seed_first: u64,
    runs: u64,
    corpus: usize,
    states: usize,
    /// The mode, and what was reached in it.
    #[serde(flatten)]
    covered: &'a CoverageTable,
    failures: Vec<String>,
}

/// A search, and what came of its runs.
struct Progress {
    search: Guided,
    worst: Verdict,
    vacuous: u64,
    failures: Vec<String>,
    elapsed_ms: u64,
}

impl Progress {
    fn add(&mut self, batch: &BatchLine) {
        self.elapsed_ms += batch.elapsed_ms;
        for run in &batch.runs {
            match run.verdict {
                Verdict::Vacuous => self.vacuous += 1,
                other => self.worst = self.worst.max(other),
            }
            self.failures.extend(run.results.clone());
        }
    }

    /// A changed plan may leave little to judge; most must show something.
    fn verdict(&self) -> Verdict {
        let too_little = self.worst == Verdict::Valid && self.vacuous * 4 > self.search.runs();
        if too_little { Verdict::Vacuous } else { self.worst }
    }
}

impl GuidedSoak<'_> {
    pub(crate) fn go(self, store: &Store) -> anyhow::Result<Exit> {
        let (began, soak) = (Moment::now(), Stopwatch::start());
        let runs_max = self.seeds.end - self.seeds.start;
        let (mut folder, mut progress) = self.open(store, &began)?;
        let mut upload = Upload::begin(self.console, self.upload, &folder)?;
        let is_over = |progress: &Progress| {
            let elapsed = Duration::from_millis(progress.elapsed_ms);
            progress.search.runs() >= runs_max || self.budget.is_some_and(|budget| elapsed >= budget)
        };
        while !is_over(&progress) {
            let stopwatch = Stopwatch::start();
            let first = progress.search.runs();
            let mut runs = Vec::new();
            for (number, (candidate, outcome, lesson)) in (first..).zip(progress.search.step(self.jobs)) {
                let stored = runs.iter().filter(|run: &&RunOfBatch| run.results.is_some()).count();
                let keeps =
                    outcome.verdict == Verdict::Invalid && progress.failures.len() + stored < FAILURES_MAX;
                let results = if keeps { self.keep(&folder, number, &candidate, &began)? } else { None };
                let Outcome { verdict, digest, .. } = outcome;
                runs.push(RunOfBatch { verdict, digest, is_changed: candidate.is_changed, results, lesson });
            }
            let elapsed_ms = u64::try_from(stopwatch.wall().as_millis()).unwrap_or(u64::MAX);
            let batch = BatchLine { runs_before: first, elapsed_ms, runs };
            folder.seed(&serde_json::to_string(&batch).expect("a line is plain data"))?;
            progress.add(&batch);
            upload.follow(soak.wall());
        }
        self.end(folder, upload, &progress)
    }

    /// The folder of the same search, if it was killed, and the search as it was; else new ones.
    fn open(&self, store: &Store, began: &Moment) -> anyhow::Result<(SoakFolder, Progress)> {
        let search = Guided::new(self.experiment.clone(), self.seeds.start);
        let (worst, failures) = (Verdict::Valid, Vec::new());
        let mut progress = Progress { search, worst, vacuous: 0, failures, elapsed_ms: 0 };
        let charter = Charter::new(build_id(), self.wanted, Seeds::all(self.seeds.clone()), false, 0.0);
        let text = Charter { guided: true, ..charter }.text();
        let unfinished = if self.anew { None } else { unfinished(store, self.upload, &text)? };
        let Some(mut folder) = unfinished else {
            return Ok((store.begin_soak(&began.stamp, &text)?, progress));
        };
        let is_torn = folder.earlier(&mut |text| {
            let batch: BatchLine = serde_json::from_str(text).map_err(|error| error.to_string())?;
            let runs = progress.search.runs();
            if batch.runs_before > runs {
                return Err(format!("the lines of the runs from {runs} on are missing"));
            } else if batch.runs_before < runs {
                // Copied twice, after the disk had lost lines: the same batch, since a search is a pure function.
                return Ok(());
            }
            let lessons: Vec<Lesson> = batch.runs.iter().map(|run| run.lesson.clone()).collect();
            progress.search.recall(&lessons)?;
            progress.add(&batch);
            Ok(())
        })?;
        let (runs, path) = (progress.search.runs(), folder.path().display());
        self.console.say(format!("goes on in {path}: {runs} runs are done"));
        if is_torn {
            self.console.say("  the line during which it was killed is torn; its runs are made again");
        }
        Ok((folder, progress))
    }

    /// Stores a failing run whole; where.
    fn keep(
        &self,
        folder: &SoakFolder,
        number: u64,
        candidate: &Candidate,
        began: &Moment,
    ) -> anyhow::Result<Option<String>> {
        let plan = &candidate.plan;
        let outcome = self.experiment.run_traced(plan);
        let recording = Recording { plan, outcome: &outcome, elapsed_ms: 0, began };
        let (_, record) = recording.store(&Place::GuidedFailures(folder, number))?;
        tell(self.console, plan, &outcome, record.run.results.as_deref(), None);
        Ok(record.run.results)
    }

    fn end(&self, folder: SoakFolder, upload: Upload<'_>, progress: &Progress) -> anyhow::Result<Exit> {
        let (search, verdict) = (&progress.search, progress.verdict());
        let (runs, corpus, states) = (search.runs(), search.corpus(), search.states());
        self.console.verdict(
            verdict,
            &format!("{verdict}: {runs} runs, {states} states of the cluster, {corpus} plans kept"),
        );
        self.console.say(search.covered().text());
        self.console.say(format!("  results:   {}", folder.path().display()));
        let line = GuidedLine {
            schema: SCHEMA,
            verdict,
            seed_first: self.seeds.start,
            runs,
            corpus,
            states,
            covered: search.covered(),
            failures: progress.failures.clone(),
        };
        folder
            .finish_with(&(serde_json::to_string_pretty(&line).expect("a summary is plain data") + "\n"))?;
        upload.finish()?;
        if self.json {
            self.console.json(&line)?;
        }
        Ok(verdict.into())
    }
}
