//! The monitor of primary and backup: views that follow each other, and copies that stay in step.
//!
//! P1 the primary of a view was primary or backup of the one before, in the same life; P2 a view changes only after its
//! primary acknowledged it, and it acknowledges only once its backup has the state or is dead; P3 views are numbered
//! without gaps, also across restarts, differ, and name no earlier life of a server than the one before; P4 only the server that
//! a view names answers in it, and nobody executes in a view that it has left; P5 a backup that has the state is never
//! behind its primary and at most one operation ahead, operations have no gaps, and equal numbers mean equal states;
//! P6 whoever takes up service holds everything that was answered before. The operation under way survives a change of
//! view, so the numbers of operations alone name a primary's state. A backup's counts only with its primary's, or when
//! it is promoted: one that the view drops, and whose primary then dies, executed what nobody else ever will. Memory is
//! bounded: old states and views are forgotten.

use alloc::collections::BTreeMap;
use alloc::format;

use super::{Breach, require};
use crate::node::NodeId;
use crate::primary_backup::ViewEvent;
use crate::view::{Member, View};

/// States and views remembered.
const REMEMBERED_MAX: usize = 1 << 14;

/// What is known of one server.
#[derive(Clone, Copy, Debug, Default)]
struct Copy {
    boot: u64,
    /// The last operation that it executed.
    opnum: u64,
    /// The newest view that it knows.
    entered: u64,
}

/// What is known of one view.
#[derive(Clone, Copy, Debug)]
struct Term {
    view: View,
    acknowledged: bool,
    /// The last operation that its backup executed, from when it had the state, and the state afterwards.
    followed: Option<(u64, u64)>,
}

/// Watches the view service and its servers.
#[derive(Clone, Debug, Default)]
pub struct Views {
    terms: BTreeMap<u64, Term>,
    newest: u64,
    copies: BTreeMap<NodeId, Copy>,
    /// States after operations.
    states: BTreeMap<u64, u64>,
    /// The last operation that was answered.
    completed: u64,
}

impl Views {
    /// Takes one event, in the order of release.
    ///
    /// # Errors
    ///
    /// The invariant that it breaks.
    pub fn observe(&mut self, node: NodeId, event: &ViewEvent) -> Result<(), Breach> {
        match event {
            ViewEvent::Chosen { view } => self.on_chosen(*view),
            ViewEvent::Started { boot } => {
                self.copies.insert(node, Copy { boot: *boot, ..Copy::default() });
                Ok(())
            }
            ViewEvent::Entered { num, .. } => {
                self.copy(node).entered = *num;
                Ok(())
            }
            ViewEvent::Acknowledged { num, opnum, state } => self.on_acknowledged(node, *num, *opnum, *state),
            ViewEvent::Installed { num, opnum, state, .. } => self.on_installed(node, *num, *opnum, *state),
            ViewEvent::Performed { num, opnum, state, primary } => {
                self.on_performed(node, *num, (*opnum, *state), *primary)
            }
            ViewEvent::Completed { num, opnum } => self.on_completed(node, *num, *opnum),
            ViewEvent::Acked { .. } => Ok(()),
        }
    }

    fn copy(&mut self, node: NodeId) -> &mut Copy {
        self.copies.entry(node).or_default()
    }

    /// Whether this life is over, as far as anybody can know.
    fn is_over(&self, member: Member) -> bool {
        self.copies.get(&member.server).is_some_and(|copy| copy.boot > member.boot)
    }

    fn on_chosen(&mut self, view: View) -> Result<(), Breach> {
        let num = view.num;
        if let Some(known) = self.terms.get(&num).filter(|_| num == self.newest) {
            // A restart of the view service.
            return require(known.view == view, "P3", || format!("{view} was {} before", known.view));
        }
        require(num == self.newest + 1, "P3", || format!("{view} follows view {}", self.newest))?;
        if let Some(before) = self.terms.get(&self.newest) {
            let Term { view: before, acknowledged, .. } = *before;
            let is_heir = before.members().any(|member| member == view.primary);
            require(is_heir, "P1", || format!("{view} follows {before}"))?;
            require(acknowledged, "P2", || format!("{view} follows {before}, which nobody acknowledged"))?;
            let differs = (before.primary, before.backup) != (view.primary, view.backup);
            require(differs, "P3", || format!("{view} is no change"))?;
            let mut pairs = before.members().flat_map(|old| view.members().map(move |new| (old, new)));
            let is_earlier = pairs.any(|(old, new)| old.server == new.server && new.boot < old.boot);
            require(!is_earlier, "P3", || format!("{view} names an earlier life than {before}"))?;
        }
        self.newest = num;
        self.terms.insert(num, Term { view, acknowledged: false, followed: None });
        if self.terms.len() > REMEMBERED_MAX {
            self.terms.pop_first();
        }
        Ok(())
    }

    /// Who acts as primary must be the one that the view names.
    fn primary_of(&self, node: NodeId, num: u64) -> Result<Term, Breach> {
        let boot = self.copies.get(&node).map_or(0, |copy| copy.boot);
        let own = Member { server: node, boot };
        let term = self.terms.get(&num).copied().filter(|term| term.view.primary == own);
        term.ok_or_else(|| Breach {
            invariant: "P4",
            message: format!("{own} acts as primary of view {num}, which does not name it"),
        })
    }

    fn on_acknowledged(&mut self, node: NodeId, num: u64, opnum: u64, state: u64) -> Result<(), Breach> {
        let term = self.primary_of(node, num)?;
        if let Some(backup) = term.view.backup {
            require(term.followed.is_some() || self.is_over(backup), "P2", || {
                format!("{node} acknowledged {} before its backup had the state", term.view)
            })?;
        }
        let completed = self.completed;
        require(opnum >= completed, "P6", || {
            format!("{node} serves in view {num} from operation {opnum}, but {completed} was answered")
        })?;
        self.compare(node, opnum, state)?;
        self.terms.get_mut(&num).expect("just found").acknowledged = true;
        Ok(())
    }

    fn on_installed(&mut self, node: NodeId, num: u64, opnum: u64, state: u64) -> Result<(), Breach> {
        let boot = self.copy(node).boot;
        let own = Member { server: node, boot };
        let Some(term) = self.terms.get_mut(&num).filter(|term| term.view.backup == Some(own)) else {
            return require(false, "P4", || {
                format!("{own} acts as backup of view {num}, which does not name it")
            });
        };
        let is_first = term.followed.replace((opnum, state)).is_none();
        require(is_first, "P5", || format!("{node} took over the state of view {num} twice"))?;
        let primary = term.view.primary.server;
        let ahead = self.copies.get(&primary).map_or(0, |copy| copy.opnum);
        require(opnum == ahead, "P5", || {
            format!("{node} took over the state after operation {opnum}, {primary} holds {ahead}")
        })?;
        self.copy(node).opnum = opnum;
        self.compare(node, opnum, state)
    }

    fn on_performed(
        &mut self,
        node: NodeId,
        num: u64,
        (opnum, state): (u64, u64),
        primary: bool,
    ) -> Result<(), Breach> {
        let Copy { opnum: before, entered, .. } = *self.copy(node);
        require(num >= entered, "P4", || format!("{node} is in view {entered} and executed in view {num}"))?;
        require(opnum == before + 1, "P5", || {
            format!("{node} executed operation {before} and then {opnum}")
        })?;
        self.copy(node).opnum = opnum;
        let Some(term) = self.terms.get(&num).copied() else { return Ok(()) };
        if primary {
            self.primary_of(node, num)?;
            self.compare(node, opnum, state)?;
            let Some(backup) = term.view.backup else { return Ok(()) };
            let is_followed = term.followed.map_or(self.is_over(backup), |(followed, _)| followed >= opnum);
            require(is_followed, "P5", || {
                format!("{node} executed operation {opnum} in {}, whose backup has not", term.view)
            })?;
            let other =
                term.followed.filter(|(followed, _)| *followed == opnum).map_or(state, |(_, other)| other);
            return require(other == state, "P5", || {
                format!("{node} is in state {state:016x} after operation {opnum}, its backup in {other:016x}")
            });
        }
        if let Some(followed) = self.terms.get_mut(&num).and_then(|term| term.followed.as_mut()) {
            *followed = (*followed).max((opnum, state));
        }
        let ahead_of = self.copies.get(&term.view.primary.server).map_or(0, |copy| copy.opnum);
        let is_near = self.is_over(term.view.primary) || opnum <= ahead_of + 1;
        require(is_near, "P5", || format!("{node} executed operation {opnum} in {}, far ahead", term.view))
    }

    fn on_completed(&mut self, node: NodeId, num: u64, opnum: u64) -> Result<(), Breach> {
        self.primary_of(node, num)?;
        let held = self.copy(node).opnum;
        require(opnum <= held, "P4", || {
            format!("{node} answered operation {opnum}, but executed only {held}")
        })?;
        self.completed = self.completed.max(opnum);
        Ok(())
    }

    /// Equal numbers mean equal states.
    fn compare(&mut self, node: NodeId, opnum: u64, state: u64) -> Result<(), Breach> {
        let other = *self.states.entry(opnum).or_insert(state);
        if self.states.len() > REMEMBERED_MAX {
            self.states.pop_first();
        }
        require(other == state, "P5", || {
            format!("{node} is in state {state:016x} after operation {opnum}, another copy in {other:016x}")
        })
    }
}

#[cfg(test)]
mod tests;
