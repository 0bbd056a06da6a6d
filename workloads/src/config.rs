//! The workload `config`: administrators ask the controller of a sharded cluster for configurations, and change them.
//!
//! Configurations are numbered; each change makes the next one, and none ever changes. Others may change the
//! configuration, too (the operator who founds the cluster, faults), so a number may always be higher than what this
//! workload did, and what a change makes is only known once it is read. A read may never show an older number than
//! one that was shown, or made, before it began; two reads of one number show the same; every shard has a group that
//! takes part.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use squall_checker::{Check, Linearizable, Spec};

use crate::decide::Decide;
use crate::script::{drawn_scripts, weighted};
use crate::workload::{ClientScript, Encoded, Issuer, Scripted, Shape, Workload};

/// The workload `config`.
#[derive(Clone, Debug)]
pub struct ConfigWorkload {
    groups: u32,
    shards: u32,
}

/// Reads and changes of the configuration of `groups` groups (from 1) that share `shards` shards (from 0).
///
/// # Panics
///
/// If there are no groups or no shards.
pub fn config(groups: u32, shards: u32) -> ConfigWorkload {
    assert!(groups > 0 && shards > 0, "a configuration is of groups and shards");
    ConfigWorkload { groups, shards }
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", rename_all = "lowercase", deny_unknown_fields)]
pub enum ConfigStep {
    /// Read the latest configuration.
    Query,
    /// Read an earlier one.
    Past {
        /// So many before the last one that this client saw.
        back: u64,
    },
    /// A group takes part from now on.
    Join {
        /// Which.
        group: u32,
    },
    /// A group takes part no longer.
    Leave {
        /// Which.
        group: u32,
    },
    /// A shard goes to a group.
    Move {
        /// Which.
        shard: u32,
        /// To which group.
        group: u32,
    },
}

/// What is asked of the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfigOp {
    /// Read a configuration.
    Query {
        /// Its number; none: the latest.
        num: Option<u64>,
    },
    /// A group takes part from now on.
    Join {
        /// Which.
        group: u32,
    },
    /// A group takes part no longer.
    Leave {
        /// Which.
        group: u32,
    },
    /// A shard goes to a group.
    Move {
        /// Which.
        shard: u32,
        /// To which group.
        group: u32,
    },
}

/// A configuration as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SeenConfiguration {
    /// Its number.
    pub num: u64,
    /// The group of each shard.
    pub shards: Vec<u32>,
    /// The groups that take part.
    pub groups: Vec<u32>,
}

impl SeenConfiguration {
    /// Configuration 0 is before the first group; in every other one each shard has a group that takes part.
    fn is_whole(&self) -> bool {
        self.num == 0 || self.shards.iter().all(|group| self.groups.contains(group))
    }
}

/// What the controller answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfigRet {
    /// The change was made.
    Done,
    /// The configuration that was asked for.
    Seen(Arc<SeenConfiguration>),
}

/// What is known of the controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct KnownConfigurations {
    /// The latest number is this, or a higher one that others made.
    least: u64,
    /// What was read, by number.
    seen: BTreeMap<u64, Arc<SeenConfiguration>>,
}

/// The specification of a controller that others may use at the same time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Configurations;

impl Spec for Configurations {
    type Op = ConfigOp;
    type Ret = ConfigRet;
    type State = KnownConfigurations;

    fn init(&self) -> KnownConfigurations {
        KnownConfigurations::default()
    }

    fn step(
        &self,
        known: &KnownConfigurations,
        op: &ConfigOp,
        ret: Option<&ConfigRet>,
    ) -> Option<KnownConfigurations> {
        match (op, ret) {
            // A change that nobody knows the outcome of is as good as one of the others'.
            (_, None) => Some(known.clone()),
            (ConfigOp::Query { num }, Some(ConfigRet::Seen(configuration))) => {
                let right = match num {
                    None => configuration.num >= known.least,
                    Some(num) => configuration.num == *num,
                };
                let mut next = known.clone();
                next.least = next.least.max(configuration.num);
                let first = next.seen.entry(configuration.num).or_insert_with(|| Arc::clone(configuration));
                (right && configuration.is_whole() && first == configuration).then_some(next)
            }
            (ConfigOp::Query { .. }, Some(ConfigRet::Done)) | (_, Some(ConfigRet::Seen(_))) => None,
            (_, Some(ConfigRet::Done)) => {
                Some(KnownConfigurations { least: known.least + 1, seen: known.seen.clone() })
            }
        }
    }

    fn describe(&self, op: &ConfigOp, ret: Option<&ConfigRet>) -> String {
        let words = match op {
            ConfigOp::Query { num: None } => "query the latest".to_owned(),
            ConfigOp::Query { num: Some(num) } => format!("query {num}"),
            ConfigOp::Join { group } => format!("join g{group}"),
            ConfigOp::Leave { group } => format!("leave g{group}"),
            ConfigOp::Move { shard, group } => format!("move s{shard} to g{group}"),
        };
        match ret {
            Some(ConfigRet::Seen(configuration)) => {
                format!("{words} -> {} {:?}", configuration.num, configuration.shards)
            }
            Some(ConfigRet::Done) | None => words,
        }
    }

    fn describe_state(&self, known: &KnownConfigurations) -> String {
        format!("the latest is {} or higher", known.least)
    }
}

/// The number of the last configuration that a client saw.
#[derive(Clone, Copy, Debug, Default)]
pub struct LastNumber(u64);

impl Workload for ConfigWorkload {
    type Spec = Configurations;
    type Step = ConfigStep;
    type Memory = LastNumber;

    fn name(&self) -> &str {
        "config"
    }

    fn spec(&self) -> Configurations {
        Configurations
    }

    /// Changes are few: every one of them must be followed by all groups, one after the other.
    fn script(&self, shape: &Shape, decide: &Decide) -> Vec<ClientScript<ConfigStep>> {
        #[derive(Clone, Copy)]
        enum Function {
            Query,
            Past,
            Join,
            Leave,
            Move,
        }
        let mix = [
            (800, Function::Query),
            (150, Function::Past),
            (15, Function::Join),
            (15, Function::Leave),
            (20, Function::Move),
        ];
        drawn_scripts(shape, decide, |draw| {
            let function = weighted(draw, &mix);
            let group = 1 + u32::try_from(draw.below(u64::from(self.groups))).expect("few groups");
            let shard = u32::try_from(draw.below(u64::from(self.shards))).expect("few shards");
            match function {
                Function::Query => ConfigStep::Query,
                Function::Past => ConfigStep::Past { back: draw.below(3) },
                Function::Join => ConfigStep::Join { group },
                Function::Leave => ConfigStep::Leave { group },
                Function::Move => ConfigStep::Move { shard, group },
            }
        })
    }

    fn check_step(&self, step: &ConfigStep) -> Result<(), String> {
        let group = match step {
            ConfigStep::Query | ConfigStep::Past { .. } => return Ok(()),
            ConfigStep::Move { shard, .. } if *shard >= self.shards => {
                return Err(format!("shard {shard} does not exist; there are {}, from 0", self.shards));
            }
            ConfigStep::Join { group } | ConfigStep::Leave { group } | ConfigStep::Move { group, .. } => {
                group
            }
        };
        if (1..=self.groups).contains(group) {
            Ok(())
        } else {
            Err(format!("group {group} does not exist; there are {}, from 1", self.groups))
        }
    }

    fn operation(&self, step: &Scripted<ConfigStep>, issuer: &Issuer<'_, LastNumber>) -> ConfigOp {
        match step.step {
            ConfigStep::Query => ConfigOp::Query { num: None },
            ConfigStep::Past { back } => ConfigOp::Query { num: Some(issuer.seen.0.saturating_sub(back)) },
            ConfigStep::Join { group } => ConfigOp::Join { group },
            ConfigStep::Leave { group } => ConfigOp::Leave { group },
            ConfigStep::Move { shard, group } => ConfigOp::Move { shard, group },
        }
    }

    fn remember(&self, memory: &mut LastNumber, _op: &ConfigOp, ret: Option<&ConfigRet>) {
        if let Some(ConfigRet::Seen(configuration)) = ret {
            memory.0 = memory.0.max(configuration.num);
        }
    }

    fn ping(&self) -> ConfigOp {
        ConfigOp::Query { num: None }
    }

    fn recovery(&self, _now_ms: u64, _next_id: &mut dyn FnMut() -> u32) -> Vec<ConfigOp> {
        vec![ConfigOp::Query { num: None }]
    }

    fn final_reads(&self, _issued: &[ConfigOp]) -> Vec<ConfigOp> {
        vec![ConfigOp::Query { num: None }]
    }

    fn checks(&self) -> Vec<Box<dyn Check<Configurations>>> {
        vec![Box::new(Linearizable)]
    }

    fn encode(&self, op: &ConfigOp, ret: Option<&ConfigRet>) -> Encoded {
        let (function, argument) = match op {
            ConfigOp::Query { num } => ("query", json!(num)),
            ConfigOp::Join { group } => ("join", json!(group)),
            ConfigOp::Leave { group } => ("leave", json!(group)),
            ConfigOp::Move { shard, group } => ("move", json!([shard, group])),
        };
        let value = if let Some(ConfigRet::Seen(seen)) = ret { json!(seen) } else { argument };
        Encoded { function: Cow::Borrowed(function), key: None, value }
    }
}

#[cfg(test)]
mod tests {
    use squall_checker::{Bounds, Completion, History, Operation, ProcessId, Verdict};

    use super::*;

    fn seen(num: u64, shards: &[u32]) -> ConfigRet {
        ConfigRet::Seen(Arc::new(SeenConfiguration { num, shards: shards.to_vec(), groups: vec![1, 2] }))
    }

    /// Operations one after the other.
    fn verdict(script: &[(ConfigOp, ConfigRet)]) -> Verdict {
        let operation = |(at, (op, ret)): (u64, &(ConfigOp, ConfigRet))| Operation {
            process: ProcessId(0),
            op: *op,
            invoked: 2 * at,
            returned: Some(2 * at + 1),
            completion: Completion::Ok(ret.clone()),
        };
        let operations = (0..).zip(script).map(|pair| (pair.0, operation(pair)));
        let history = History::from_intervals(operations.collect()).expect("well-formed");
        Linearizable.check(&Configurations, &history, &Bounds::default()).verdict
    }

    const LATEST: ConfigOp = ConfigOp::Query { num: None };
    const FIRST: ConfigOp = ConfigOp::Query { num: Some(1) };
    const LEAVE: ConfigOp = ConfigOp::Leave { group: 1 };

    #[test]
    fn numbers_grow_and_what_was_made_never_changes() {
        let begun = [(LATEST, seen(1, &[1, 2])), (LEAVE, ConfigRet::Done), (LATEST, seen(2, &[2, 2]))];
        let then = |op, ret| verdict(&[&begun[..], &[(op, ret)]].concat());
        assert_eq!(verdict(&begun), Verdict::Valid);
        assert_eq!(then(LATEST, seen(5, &[1, 1])), Verdict::Valid, "others change it, too");
        assert_eq!(then(FIRST, seen(1, &[1, 2])), Verdict::Valid);
        assert_eq!(then(LATEST, seen(1, &[1, 2])), Verdict::Invalid, "old");
        assert_eq!(then(FIRST, seen(1, &[2, 2])), Verdict::Invalid, "changed");
        assert_eq!(then(FIRST, seen(2, &[2, 2])), Verdict::Invalid, "another one");
        assert_eq!(then(LATEST, seen(2, &[1, 2])), Verdict::Invalid, "two of one number");
        assert_eq!(then(LATEST, seen(3, &[1, 3])), Verdict::Invalid, "a group that takes no part");
        let lost = [(LATEST, seen(1, &[1, 2])), (LEAVE, ConfigRet::Done), (LATEST, seen(1, &[1, 2]))];
        assert_eq!(verdict(&lost), Verdict::Invalid, "an acknowledged change is lost");
    }
}
