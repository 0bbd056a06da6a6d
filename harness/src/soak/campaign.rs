//! What a soak covers: one experiment, or one for every mode and workload there is, drawn by the seed.
//!
//! A seed alone decides which member it belongs to, so it stays a pure function: shards, resumed soaks and `run --seed`
//! agree on it.

use squall_workloads::Decide;

use crate::trial::{Manner, Simulator};

use super::experiment::{Experiment, ExperimentError, MODES, Wanted};
use super::workloads::WORKLOADS;

/// The name that stands for every mode, or every workload.
pub const ALL: &str = "all";

/// One experiment of a campaign.
#[derive(Clone, Debug)]
pub struct Member {
    /// What is asked for, without any `all`.
    pub wanted: Wanted,
    /// The flags that ask for it.
    pub flags: String,
    /// What is run.
    pub experiment: Experiment,
}

/// The experiments of a soak.
#[derive(Clone, Debug)]
pub struct Campaign {
    members: Vec<Member>,
}

impl Campaign {
    /// Everything that is asked for. Where `all` is asked for, pairs that cannot be are left out.
    ///
    /// # Errors
    ///
    /// The first thing that does not exist or cannot be, if nothing can.
    pub fn of(wanted: &Wanted) -> Result<Self, ExperimentError> {
        let names = |asked: &Option<String>, all: Vec<&str>| -> Vec<Option<String>> {
            if asked.as_deref() == Some(ALL) {
                all.into_iter().map(|name| Some(name.to_owned())).collect()
            } else {
                vec![asked.clone()]
            }
        };
        let modes = names(&wanted.mode, MODES.iter().map(|(_, name, _)| *name).collect());
        let workloads = names(&wanted.workload, WORKLOADS.iter().map(|(_, name, _)| *name).collect());
        let is_one = modes.len() * workloads.len() == 1;
        let mut members = Vec::new();
        let mut first_error = None;
        for mode in &modes {
            for workload in &workloads {
                let wanted = Wanted { mode: mode.clone(), workload: workload.clone(), ..wanted.clone() };
                // A number of servers that suits one mode may mean nothing to another.
                let without_nodes =
                    || if is_one { None } else { member(Wanted { nodes: None, ..wanted.clone() }).ok() };
                match member(wanted.clone()) {
                    Ok(member) => members.push(member),
                    Err(error) => match without_nodes() {
                        Some(member) => members.push(member),
                        None => first_error = first_error.or(Some(error)),
                    },
                }
            }
        }
        match first_error {
            Some(error) if members.is_empty() => Err(error),
            _ => Ok(Self { members }),
        }
    }

    /// All of them.
    pub fn members(&self) -> &[Member] {
        assert!(!self.members.is_empty(), "nothing cannot be asked for");
        &self.members
    }

    /// The one that this seed belongs to: each is as probable as any other.
    pub fn member(&self, seed: u64) -> &Member {
        let mut draw = Decide::new(seed).at("soak.member", &[]);
        draw.pick(self.members())
    }
}

fn member(wanted: Wanted) -> Result<Member, ExperimentError> {
    let experiment = wanted.experiment()?;
    // The same runs, several times faster, unless turmoil itself is to be tried.
    let simulator =
        if wanted.simulator.is_some() { experiment.manner().simulator } else { Simulator::EventLoop };
    let manner = Manner { simulator, ..experiment.manner() };
    Ok(Member { flags: wanted.flags(), wanted, experiment: experiment.in_manner(manner) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Wanted {
        Wanted { mode: Some(ALL.into()), workload: Some(ALL.into()), nodes: Some(3), ..Wanted::default() }
    }

    #[test]
    fn a_soak_over_everything_has_every_mode_and_workload() {
        let campaign = Campaign::of(&all()).expect("possible");
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..1_000 {
            let config = campaign.member(seed).experiment.config();
            seen.insert((config.mode.clone(), config.workload.clone()));
        }
        for (_, mode, _) in MODES {
            assert!(seen.iter().any(|(known, _)| known == mode), "{mode} is never drawn");
        }
        for (_, workload, _) in WORKLOADS {
            assert!(seen.iter().any(|(_, known)| known == workload), "{workload} is never drawn");
        }
        assert_eq!(seen.len(), campaign.members().len());
    }

    #[test]
    fn bugs_keep_to_their_modes_and_nonsense_is_refused() {
        let paxos_only = Wanted { bugs: vec!["quorum-of-half".into()], ..all() };
        let campaign = Campaign::of(&paxos_only).expect("possible");
        assert!(campaign.members().iter().all(|member| member.experiment.config().mode == "paxos"));
        let error = Campaign::of(&Wanted { clients: Some(0), ..all() }).expect_err("no clients").to_string();
        assert!(error.contains("clients is 0"), "{error}");
        assert!(Campaign::of(&Wanted { mode: Some("nowhere".into()), ..all() }).is_err());
    }
}
