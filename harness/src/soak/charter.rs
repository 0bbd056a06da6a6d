//! What was asked of a soak, as it is kept beside its results: the same again goes on where it was, and only results
//! of the same may be united.
//!
//! How many threads worked and for how long is not part of it, since no result depends on that.

use serde::{Deserialize, Serialize};

use crate::store::SCHEMA;

use super::experiment::Wanted;
use super::seeds::Seeds;

/// What was asked of a soak.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charter {
    /// The format.
    pub schema: u32,
    /// The build: another one may come to other results.
    pub build: String,
    /// What is run.
    pub wanted: Wanted,
    /// Whether every seed is run twice.
    pub check_determinism: bool,
    /// The share of vacuous seeds that is tolerated, in percent.
    pub vacuous_percent_max: f64,
    /// Which seeds.
    pub seeds: Seeds,
    /// Whether plans that reached something new are changed: the seeds then only number the runs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guided: bool,
}

impl Charter {
    /// A charter of this format.
    pub fn new(
        build: &str,
        wanted: &Wanted,
        seeds: Seeds,
        check_determinism: bool,
        vacuous_percent_max: f64,
    ) -> Self {
        let (build, wanted) = (build.to_owned(), wanted.clone());
        Self { schema: SCHEMA, build, wanted, check_determinism, vacuous_percent_max, seeds, guided: false }
    }

    /// The text of `soak.json`.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a charter is plain data") + "\n"
    }

    /// What keeps results of the two from being united; `None`: nothing.
    pub fn differs(&self, other: &Self) -> Option<&'static str> {
        let differences = [
            (self.schema != other.schema, "format"),
            (self.build != other.build, "build"),
            (self.guided != other.guided, "--guided"),
            (self.wanted != other.wanted, "mode, workload, faults or sizes"),
            (self.check_determinism != other.check_determinism, "--check-determinism"),
            (self.vacuous_percent_max.total_cmp(&other.vacuous_percent_max).is_ne(), "--vacuous-max"),
        ];
        differences.into_iter().find_map(|(differs, what)| differs.then_some(what))
    }
}
