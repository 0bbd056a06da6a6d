//! Mutants of the checker: each comparison, boundary and negation of what decides is got wrong once, and some test
//! must notice.
//!
//! All mutants are compiled into one copy of the checker, each behind a switch (mutant schemata: Untch, Offutt and
//! Harrold, "Mutation analysis using mutant schemata", 1993), so that one build serves them all. Those that
//! change nothing stand in `survivors.txt` with the reason. Needs
//! `cargo test -p squall-checker --features mutation-tests --test mutation`; `SQUALL_MUTANTS=N` tries every Nth only,
//! `SQUALL_MUTANTS_FROM=M` from the Mth on, and `SQUALL_MUTANTS_IN=search` only those in files of such names.

mod copy;
mod run;
mod schemata;

use std::collections::{BTreeMap, BTreeSet};

use copy::Copy;
use run::{Fate, Suite};

/// What decides verdicts, below `checker/src`; what only words them is left to snapshots.
const DECIDING: [&str; 12] = [
    "blocks/",
    "search",
    "linearizable.rs",
    "exactly_once.rs",
    "observed.rs",
    "certificate/",
    "rounds.rs",
    "prospect.rs",
    "judge_rows.rs",
    "kv.rs",
    "models/",
    "transactions/",
];
/// Of these, by the ends of their names, what only words, and tests.
const NOT_DECIDING: [&str; 6] =
    ["words.rs", "naming.rs", "crossing.rs", "within.rs", "explain.rs", "tests.rs"];

/// Survivors that are known to change nothing, with the reason.
fn known() -> BTreeMap<&'static str, &'static str> {
    let lines =
        include_str!("survivors.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    // From behind: mutants have paths in them.
    lines.map(|line| line.rsplit_once(" :: ").expect("`mutant :: why nothing can notice it`")).collect()
}

/// So many of a hundred mutants must be noticed, not counting those that are known to change nothing. Of samples of fifty
/// 73 to 85 were: any change of the checker draws others, and nobody has looked at all that go unnoticed.
const NOTICED_MIN: usize = 80;

#[test]
fn mutants_of_the_checker_are_noticed() {
    let number = |name: &str| std::env::var(name).ok().map(|number| number.parse().expect("a number"));
    let stride: usize = number("SQUALL_MUTANTS").unwrap_or(1);
    let first: usize = number("SQUALL_MUTANTS_FROM").unwrap_or(0);
    let copy = Copy::new(|file| {
        DECIDING.iter().any(|deciding| file.starts_with(deciding))
            && !NOT_DECIDING.iter().any(|other| file.ends_with(other))
    });
    let suite = Suite::build(&copy);
    let within = std::env::var("SQUALL_MUTANTS_IN").unwrap_or_default();
    let within = copy.mutants.iter().filter(|mutant| mutant.file.starts_with(&within));
    let chosen: Vec<_> = within.skip(first).step_by(stride.max(1)).collect();
    assert!(!chosen.is_empty(), "no mutants among {} in files of such names", copy.mutants.len());
    let fates = suite.try_all(&chosen);
    let (mut counts, mut survivors) = (BTreeMap::<&str, (usize, usize)>::new(), BTreeSet::new());
    for (mutant, fate) in chosen.iter().zip(&fates) {
        let (made, noticed) = counts.entry(&mutant.file).or_default();
        *made += 1;
        *noticed += usize::from(*fate != Fate::Survived);
        if *fate == Fate::Survived {
            survivors.insert(mutant.name.as_str());
        }
    }
    for (file, (made, noticed)) in &counts {
        println!("{noticed:>4} of {made:>4} noticed in {file}");
    }
    let known = known();
    let unknown: Vec<_> = survivors.iter().filter(|name| !known.contains_key(**name)).collect();
    for name in &unknown {
        println!("nobody notices: {name}");
    }
    let tried: BTreeSet<_> = chosen.iter().map(|mutant| mutant.name.as_str()).collect();
    let stale: Vec<_> =
        known.keys().filter(|name| tried.contains(**name) && !survivors.contains(**name)).collect();
    let (noticed, harmless) = (chosen.len() - survivors.len(), survivors.len() - unknown.len());
    println!(
        "{noticed} of {} of {} mutants noticed, {harmless} known to change nothing",
        chosen.len(),
        copy.mutants.len()
    );
    let enough = noticed * 100 >= (chosen.len() - harmless) * NOTICED_MIN;
    assert!(enough, "{} mutants that no test notices: fewer than {NOTICED_MIN} % are", unknown.len());
    assert!(stale.is_empty(), "these are noticed after all, take them out of survivors.txt: {stale:#?}");
}
