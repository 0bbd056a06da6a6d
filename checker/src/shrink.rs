//! Few operations that are still illegal: sound reductions, confirmed by the search, until none can be taken further.
//!
//! Illegality is not monotone (leaving out a write makes its reader illegal), so nothing is left out but by a
//! [`Reduction`]. Delta debugging (Zeller and Hildebrandt, 2002) over what the reductions keep. The work is bounded;
//! what is left when the bound is reached is still illegal, only not as small as can be.

use crate::certificate::{Reduction, left, reduced};
use crate::history::{Indexed, OpId, Reduced};
use crate::search::{Decision, Search};
use crate::spec::Spec;
use crate::value::Value;
use crate::verdict::Bounds;

/// Search steps for the reductions of one partition, at most; of a hard one so many times what deciding all of it takes.
const STEPS_MAX: u64 = 500_000;
const DECISIONS_MAX: u64 = 32;

/// One attempt takes one in so many of the steps that are left, at most.
const ATTEMPT_SHARE: u64 = 16;
/// Operations that are told together with what they overwrote, at most.
const TOLD_MAX: usize = 4;

type Owned<S> = Reduced<<S as Spec>::Op, <S as Spec>::Ret>;

/// Few operations of an illegal partition.
pub(crate) struct Few<S: Spec> {
    /// What leads to them from all of the partition's.
    pub(crate) reductions: Vec<Reduction>,
    /// They, as projected by the reductions, in the order of their invocations.
    pub(crate) operations: Vec<Owned<S>>,
    /// The first return at which the history is illegal, if it ended later.
    pub(crate) until: Option<u64>,
    /// Whether the bound on the work was reached, so that fewer might do.
    pub(crate) bounded: bool,
}

/// What the reductions keep.
#[derive(Clone, Debug)]
struct Core {
    until: Option<u64>,
    /// Operations that may be read-only, and remember what they saw; in order.
    kept: Vec<OpId>,
    /// Writes that may be unseen; in order.
    spared: Vec<OpId>,
    /// Whether overwritten writes go: they tell why a read is wrong, but may be too many to tell.
    latest: bool,
    units: Option<Vec<Value>>,
}

impl Core {
    /// What gets smaller as long as anything is taken further.
    fn size<S: Spec>(&self, few: &Few<S>) -> impl PartialEq + use<S> {
        let units = self.units.as_ref().map_or(usize::MAX, Vec::len);
        (few.operations.len(), self.kept.len(), self.spared.len(), units, self.until)
    }
}

/// The reductions, and the search that confirms them.
pub(crate) struct Shrink<'s, 'b, S: Spec> {
    pub(crate) spec: &'s S,
    pub(crate) search: Search<'s, S>,
    pub(crate) bounds: &'b Bounds<'b>,
    steps: u64,
    /// So many steps one attempt may take in any case.
    easy: u64,
}

impl<'s, 'b, S: Spec> Shrink<'s, 'b, S> {
    pub(crate) fn new(spec: &'s S, bounds: &'b Bounds<'b>) -> Self {
        Self { spec, search: Search::new(spec), bounds, steps: STEPS_MAX.min(bounds.steps_max), easy: 0 }
    }

    /// As few of an illegal partition's operations as the reductions leave; `hint`: those that are said to show it.
    pub(crate) fn few(&mut self, operations: &[Indexed<'_, S::Op, S::Ret>], hint: &[OpId]) -> Few<S> {
        let all = left(self.spec, operations, &[]).expect("nothing is reduced yet");
        let (mut core, mut few) = self.start(&all, hint);
        self.earlier(&all, &mut core, &mut few);
        self.least(&all, &mut core, &mut few);
        // What was overwritten tells why a read is wrong, so it is told too where that is little. With it there, other
        // operations may go than without.
        if core.latest {
            let told = Core { latest: false, ..core.clone() };
            let with_overwritten = self.apply(&all, &told);
            if with_overwritten.operations.len() <= TOLD_MAX && self.illegal(&with_overwritten.operations) {
                (core, few) = (told, with_overwritten);
                self.least(&all, &mut core, &mut few);
            }
        }
        Few { bounded: self.steps == 0, ..few }
    }

    /// Takes every reduction as far as it goes.
    fn least(&mut self, all: &[Owned<S>], core: &mut Core, few: &mut Few<S>) {
        loop {
            let size = core.size(few);
            self.without_units(all, core, few);
            self.fewer(all, core, few, |core| &mut core.kept);
            self.fewer(all, core, few, |core| &mut core.spared);
            self.earlier(all, core, few);
            // What went in later steps need not be named in earlier ones.
            let again = self.apply(all, core);
            if self.illegal(&again.operations) {
                *few = again;
            }
            if self.steps == 0 || core.size(few) == size {
                break;
            }
        }
    }

    /// What the hint leaves, if that is illegal; else everything.
    fn start(&mut self, all: &[Owned<S>], hint: &[OpId]) -> (Core, Few<S>) {
        let of_hint = || all.iter().filter(|(id, _)| hint.contains(id));
        let mut kept: Vec<OpId> = of_hint().map(|(id, _)| *id).collect();
        kept.sort_unstable();
        let until = of_hint().filter_map(|(_, operation)| operation.returned).max();
        if !kept.is_empty() {
            let units = Some(self.spec.units(all, &kept));
            for units in [units, None] {
                let core = Core { until, kept: kept.clone(), spared: kept.clone(), latest: false, units };
                let few = self.apply(all, &core);
                if self.illegal(&few.operations) {
                    return (core, few);
                }
            }
        }
        let impossible = self.measure(all);
        let ids: Vec<OpId> = all.iter().map(|(id, _)| *id).collect();
        let core = |until| Core { until, kept: ids.clone(), spared: ids.clone(), latest: true, units: None };
        let (whole, cut) = (core(None), core(impossible));
        let few = self.apply(all, &cut);
        if impossible.is_some() && self.illegal(&few.operations) {
            return (cut, few);
        }
        let few = self.apply(all, &whole);
        (whole, few)
    }

    /// Learns how hard it is to see that all of it is illegal, for the reductions may take accordingly long, and
    /// where it may have become so.
    fn measure(&mut self, all: &[Owned<S>]) -> Option<u64> {
        let operations: Vec<_> = all.iter().map(|(_, operation)| operation).collect();
        let decision = self.search.decide(&operations, self.bounds);
        matches!(decision, Decision::Illegal { .. }).then(|| {
            let steps = self.search.steps() + all.len() as u64;
            self.easy = 2 * steps;
            self.steps = steps.saturating_mul(DECISIONS_MAX).max(STEPS_MAX).min(self.bounds.steps_max);
            self.search.impossible()
        })
    }

    /// What keeping no more than this leaves. Reductions that do not apply are left out.
    fn apply(&self, all: &[Owned<S>], core: &Core) -> Few<S> {
        let (mut operations, mut reductions) = (all.to_vec(), Vec::new());
        let mut make = |reduction: Reduction| {
            let fewer = reduced(self.spec, &operations, &reduction);
            let applies = fewer.is_some();
            if let Some(fewer) = fewer {
                operations = fewer;
                reductions.push(reduction);
            }
            applies
        };
        core.until.map(|stamp| make(Reduction::Until { stamp }));
        make(Reduction::ReadOnly { kept: core.kept.clone() });
        make(Reduction::Blind { kept: core.kept.clone() });
        make(Reduction::Unseen { kept: core.spared.clone() });
        if core.latest {
            make(Reduction::Overwritten);
        }
        core.units.clone().map(|units| make(Reduction::Only { units }));
        Few { reductions, operations, until: core.until, bounded: false }
    }

    /// Whether these are certainly illegal, within what is left of the steps.
    fn illegal(&mut self, operations: &[Owned<S>]) -> bool {
        if self.steps == 0 {
            return false;
        }
        let operations: Vec<_> = operations.iter().map(|(_, operation)| operation).collect();
        // Lest one hard attempt takes all: what shows anything is mostly no harder than the whole.
        let steps_max = self.steps.div_ceil(ATTEMPT_SHARE).max(self.easy).min(self.steps);
        let decision = self.search.decide(&operations, &Bounds { steps_max, ..self.bounds.clone() });
        // Every attempt costs at least its length, so that many cheap ones come to an end too.
        let cost = self.search.steps() + operations.len() as u64;
        self.steps = self.steps.saturating_sub(cost);
        matches!(decision, Decision::Illegal { .. })
    }

    /// Keeps no more than `tried` keeps, if what that leaves is illegal; whether it is.
    fn attempt(&mut self, all: &[Owned<S>], tried: Core, core: &mut Core, few: &mut Few<S>) -> bool {
        if self.steps == 0 {
            return false;
        }
        self.steps = self.steps.saturating_sub(all.len() as u64 / 16);
        let fewer = self.apply(all, &tried);
        let holds = self.illegal(&fewer.operations);
        if holds {
            // What is gone need not be kept; what stays as it is without being kept might go once others are gone,
            // and may be needed then.
            let words = |(_, operation): &Owned<S>| self.spec.describe(&operation.op, operation.ret());
            let left = |before: &[OpId], tried: &[OpId]| {
                let stays = |id: &OpId| {
                    let there = find::<S>(&fewer.operations, *id);
                    let unchanged = || there.map(words) == find::<S>(&few.operations, *id).map(words);
                    there.is_some() && (tried.binary_search(id).is_ok() || unchanged())
                };
                before.iter().copied().filter(stays).collect()
            };
            let (kept, spared) = (left(&core.kept, &tried.kept), left(&core.spared, &tried.spared));
            (*core, *few) = (Core { kept, spared, ..tried }, fewer);
        }
        holds
    }

    /// Cuts the history off at the first return at which it is illegal. Any longer one is illegal too, so the cut is
    /// found by halving, from the end backwards: it is often near.
    fn earlier(&mut self, all: &[Owned<S>], core: &mut Core, few: &mut Few<S>) {
        let mut returns: Vec<u64> =
            few.operations.iter().filter_map(|(_, operation)| operation.returned).collect();
        returns.sort_unstable();
        returns.dedup();
        // Illegal at `high`, with which it ends.
        let (mut low, mut high, mut step) = (0, returns.len().saturating_sub(1), 1);
        while low < high {
            let middle = usize::midpoint(low, high).max(high.saturating_sub(step));
            step *= 2;
            let tried = Core { until: Some(returns[middle]), ..core.clone() };
            if self.attempt(all, tried, core, few) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
    }

    /// Keeps fewer operations of one list, in halves, quarters and so on.
    fn fewer(
        &mut self,
        all: &[Owned<S>],
        core: &mut Core,
        few: &mut Few<S>,
        list: fn(&mut Core) -> &mut Vec<OpId>,
    ) {
        let mut chunk = list(core).len().div_ceil(2);
        while chunk > 0 {
            let mut end = list(core).len();
            while end > 0 && self.steps > 0 {
                let start = end.saturating_sub(chunk);
                let mut tried = core.clone();
                list(&mut tried).drain(start..end);
                self.attempt(all, tried, core, few);
                end = start.min(list(core).len());
            }
            chunk /= 2;
        }
    }

    /// Keeps fewer units of the specification, in halves, quarters and so on.
    fn without_units(&mut self, all: &[Owned<S>], core: &mut Core, few: &mut Few<S>) {
        let ids: Vec<OpId> = few.operations.iter().map(|(id, _)| *id).collect();
        let units = self.spec.units(&few.operations, &ids);
        let mut chunk = units.len().div_ceil(2);
        if chunk == 0 {
            return;
        }
        let known = Core { units: Some(units), ..core.clone() };
        self.attempt(all, known, core, few);
        while chunk > 0 {
            let mut end = core.units.as_ref().map_or(0, Vec::len);
            while end > 0 && self.steps > 0 {
                let start = end.saturating_sub(chunk);
                let mut tried = core.clone();
                tried.units.iter_mut().for_each(|units| drop(units.drain(start..end)));
                self.attempt(all, tried, core, few);
                end = start;
            }
            chunk /= 2;
        }
    }
}

fn find<S: Spec>(operations: &[Owned<S>], id: OpId) -> Option<&Owned<S>> {
    operations.binary_search_by_key(&id, |(id, _)| *id).ok().map(|at| &operations[at])
}
