//! The workloads `multi` and `swap`: registers that are written, exchanged and read together.
//!
//! Registers come in groups; a write gives every register of a group a new value at once, and a read reads them all,
//! so that a torn write, a torn read or half an exchange shows at once. Each group is linearizable as one object.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use squall_checker::models::multi_register::{MultiRegister, MultiRegisterOp, Step as RegisterStep};
use squall_checker::{Bounds, Check, CheckOutcome, History, Linearizable, Value};

use crate::decide::Decide;
use crate::script::{Keys, drawn_scripts, element, weighted};
use crate::workload::{ClientScript, Encoded, Issuer, Scripted, Shape, Workload};

/// The workload `multi` or `swap`.
#[derive(Clone, Debug)]
pub struct Registers {
    groups: Keys,
    /// Registers in a group.
    width: u32,
    swaps: bool,
}

/// Pairs that are written together and read together; `pairs` of them at a time.
///
/// # Panics
///
/// If `pairs` is 0.
pub fn multi(pairs: u32) -> Registers {
    Registers { groups: Keys::new(pairs), width: 2, swaps: false }
}

/// Groups of three registers of which two exchange their values; `groups` of them at a time.
///
/// # Panics
///
/// If `groups` is 0.
pub fn swap(groups: u32) -> Registers {
    Registers { groups: Keys::new(groups), width: 3, swaps: true }
}

/// A step: something done to one of the groups in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", rename_all = "lowercase", deny_unknown_fields)]
pub enum RegistersStep {
    /// Write every register, each a value of its own.
    Write {
        /// Of which group.
        slot: u32,
    },
    /// Read every register.
    Read {
        /// Of which group.
        slot: u32,
    },
    /// Exchange two registers.
    Swap {
        /// Of which group.
        slot: u32,
        /// All but this one.
        without: u32,
    },
}

impl RegistersStep {
    fn slot(self) -> u32 {
        match self {
            Self::Write { slot } | Self::Read { slot } | Self::Swap { slot, .. } => slot,
        }
    }
}

impl Registers {
    /// The names of a group's registers.
    fn names(&self, group: &str) -> impl Iterator<Item = Arc<str>> {
        (0..self.width).map(move |register| format!("{group}.{register}").into())
    }

    fn write(&self, group: &str, id: u32) -> MultiRegisterOp {
        let values = element(id) * i64::from(self.width)..;
        let write = |(key, value)| RegisterStep::Write { key, value: Value::Int(value) };
        self.names(group).zip(values).map(write).collect()
    }

    fn read(&self, group: &str) -> MultiRegisterOp {
        self.names(group).map(|key| RegisterStep::Read { key }).collect()
    }

    fn swap(&self, group: &str, without: u32) -> MultiRegisterOp {
        let mut names = (0..).zip(self.names(group)).filter(|(at, _)| *at != without).map(|(_, name)| name);
        let mut next = || names.next().expect("a group of three has two besides one");
        [RegisterStep::Swap { key: next(), other: next() }].into()
    }
}

/// The group whose registers an operation touches.
fn group_of(op: &MultiRegisterOp) -> Option<&str> {
    op.first()?.key().rsplit_once('.').map(|(group, _)| group)
}

impl Workload for Registers {
    type Spec = MultiRegister;
    type Step = RegistersStep;
    type Memory = ();

    fn name(&self) -> &str {
        if self.swaps { "swap" } else { "multi" }
    }

    fn keys(&self) -> u32 {
        self.groups.count()
    }

    fn spec(&self) -> MultiRegister {
        MultiRegister::default()
    }

    fn object<'a>(&self, op: &'a MultiRegisterOp) -> Option<Cow<'a, str>> {
        group_of(op).map(Cow::Borrowed)
    }

    fn script(&self, shape: &Shape, decide: &Decide) -> Vec<ClientScript<RegistersStep>> {
        #[derive(Clone, Copy)]
        enum Function {
            Write,
            Read,
            Swap,
        }
        let mix: &[(u64, Function)] = if self.swaps {
            &[(20, Function::Write), (45, Function::Read), (35, Function::Swap)]
        } else {
            &[(50, Function::Write), (50, Function::Read)]
        };
        drawn_scripts(shape, decide, |draw| {
            let function = weighted(draw, mix);
            let slot = self.groups.slot(draw);
            match function {
                Function::Write => RegistersStep::Write { slot },
                Function::Read => RegistersStep::Read { slot },
                Function::Swap => {
                    let without = draw.below(u64::from(self.width));
                    RegistersStep::Swap { slot, without: u32::try_from(without).expect("small") }
                }
            }
        })
    }

    fn check_step(&self, step: &RegistersStep) -> Result<(), String> {
        match step {
            RegistersStep::Swap { .. } if !self.swaps => {
                Err("multi does not swap; use the workload swap".into())
            }
            RegistersStep::Swap { without, .. } if *without >= self.width => {
                Err(format!("a group has no register {without}; use one of 0 to {}", self.width - 1))
            }
            _ => self.groups.check([step.slot()]),
        }
    }

    fn operation(&self, step: &Scripted<RegistersStep>, issuer: &Issuer<'_, ()>) -> MultiRegisterOp {
        let group = self.groups.name(step.step.slot(), issuer.now_ms);
        match step.step {
            RegistersStep::Write { .. } => self.write(&group, step.id),
            RegistersStep::Read { .. } => self.read(&group),
            RegistersStep::Swap { without, .. } => self.swap(&group, without),
        }
    }

    fn ping(&self) -> MultiRegisterOp {
        self.read("ping")
    }

    fn recovery(&self, now_ms: u64, next_id: &mut dyn FnMut() -> u32) -> Vec<MultiRegisterOp> {
        self.groups.names(now_ms).map(|group| self.write(&group, next_id())).collect()
    }

    fn final_reads(&self, issued: &[MultiRegisterOp]) -> Vec<MultiRegisterOp> {
        let groups: BTreeSet<_> = issued.iter().filter_map(group_of).collect();
        groups.into_iter().map(|group| self.read(group)).collect()
    }

    fn checks(&self) -> Vec<Box<dyn Check<MultiRegister>>> {
        vec![Box::new(Grouped)]
    }

    fn encode(&self, op: &MultiRegisterOp, ret: Option<&Arc<[Value]>>) -> Encoded {
        let mut seen = ret.map(|values| values.iter());
        let step = |step: &RegisterStep| match step {
            RegisterStep::Read { key } => {
                json!(["r", key, seen.as_mut().and_then(Iterator::next)])
            }
            RegisterStep::Write { key, value } => json!(["w", key, value]),
            RegisterStep::Swap { key, other } => json!(["swap", key, other]),
        };
        let value = op.iter().map(step).collect();
        Encoded { function: "txn".into(), key: None, value }
    }
}

/// Linearizability, group by group: which registers belong together is what the history binds together.
#[derive(Clone, Copy, Debug)]
struct Grouped;

impl Check<MultiRegister> for Grouped {
    fn name(&self) -> Cow<'static, str> {
        Check::<MultiRegister>::name(&Linearizable)
    }

    fn check(
        &self,
        _ungrouped: &MultiRegister,
        history: &History<MultiRegisterOp, Arc<[Value]>>,
        bounds: &Bounds<'_>,
    ) -> CheckOutcome {
        Linearizable.check(&MultiRegister::of(history), history, bounds)
    }
}
