//! Monitors of the sharded cluster: configurations, shards on the move, transactions across groups.
//!
//! Configurations: C1 numbers grow by one; C2 every shard belongs to a group that takes part; C3 after a group came or
//! went, groups differ by at most one shard; C4 no more shards moved than had to; C5 a configuration never changes.
//! Shards: S1 at most one group serves a shard, and nobody does between freezing and installing; S2 a shard's versions
//! follow each other, and equal versions are equal mutations; S3 what is installed is what was frozen; S4 a group takes
//! up one configuration after the other; S5 a copy is dropped only once the shard is installed elsewhere. Transactions:
//! T1 one decision per attempt and one committed attempt per request; T3 a participant does what was decided. Sessions:
//! E1 a request is executed once per shard; E3 with one reply; E4 nothing is answered before. A group is judged by
//! whichever replica is furthest; the others are compared with it. The oldest versions and transactions are forgotten.
//! A replica may die after its snapshot is durable and before it says what led there; if nobody else applied that,
//! what is judged from the furthest replica is judged no more.

#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;

use super::{Breach, require};
use crate::event::Event;
use crate::node::NodeId;
use crate::paxos::Slot;
use crate::session::ClientId;
use crate::sharded::command::{Attempt, TransactionId};
use crate::sharded::configuration::{GroupId, ShardId};
use crate::sharded::event::ShardEvent;

/// Executions, replies and attempts remembered, each.
const REMEMBERED_MAX: usize = 1 << 15;

/// A configuration as the controller made it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Made {
    digest: u64,
    shards: Vec<GroupId>,
    groups: Vec<GroupId>,
}

/// Who has a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Served by this group.
    Serving(GroupId),
    /// Frozen by one group, not yet installed by the other.
    Moving {
        num: u64,
        to: GroupId,
        payload: u64,
        /// Whether a replica of that group has started since: it may have installed the shard, told this group's
        /// leader on the same host in that step, and have crashed once the step was durable and before it was seen.
        may_be_unseen: bool,
    },
}

/// One execution in a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Execution {
    client: ClientId,
    seq: u64,
    request: u64,
    reply: u64,
}

/// What became of an attempt at a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fate {
    /// `Some(None)`: aborted; `Some(Some(digest))`: committed.
    decided: Option<Option<u64>>,
    /// What a participant did before anybody was seen to decide.
    claimed: Option<u64>,
    /// Whether a participant gave it up.
    given_up: bool,
}

/// Watches all shard groups and the controller.
#[derive(Clone, Debug, Default)]
pub struct ShardMonitor {
    made: BTreeMap<u64, Made>,
    in_effect: BTreeMap<GroupId, u64>,
    places: BTreeMap<ShardId, Place>,
    /// Moves that ended, by configuration and shard.
    installed: BTreeSet<(u64, ShardId)>,
    last_version: BTreeMap<ShardId, u64>,
    executions: BTreeMap<(ShardId, u64), Execution>,
    versions: BTreeMap<(ShardId, ClientId, u64), u64>,
    replies: BTreeMap<(ClientId, u64), u64>,
    fates: BTreeMap<(TransactionId, Attempt), Fate>,
    committed: BTreeMap<TransactionId, Attempt>,
    /// How far the furthest replica of each group is.
    furthest: BTreeMap<GroupId, Slot>,
    /// Whether a snapshot holds something that nobody was seen to apply.
    is_blind: bool,
    /// Whether what a replica applied last was applied by nobody before it.
    is_first: BTreeMap<(NodeId, GroupId), bool>,
}

/// Forgets the smallest entries of a map that grew too large.
fn bound<K: Ord, V>(map: &mut BTreeMap<K, V>) {
    while map.len() > REMEMBERED_MAX {
        map.pop_first();
    }
}

impl ShardMonitor {
    /// Takes one event of a replica of a group, in the order of release.
    ///
    /// # Errors
    ///
    /// The invariant that it breaks.
    pub fn observe(&mut self, node: NodeId, group: GroupId, event: &Event) -> Result<(), Breach> {
        match event {
            Event::Applied { slot, .. } => {
                let furthest = self.furthest.entry(group).or_default();
                self.is_first.insert((node, group), *slot > *furthest);
                *furthest = (*furthest).max(*slot);
                Ok(())
            }
            Event::SnapshotInstalled { last, .. } | Event::SnapshotRestored { last, .. } => {
                let furthest = self.furthest.entry(group).or_default();
                self.is_blind |= *last > *furthest;
                *furthest = (*furthest).max(*last);
                Ok(())
            }
            Event::Booted { .. } => {
                for place in self.places.values_mut() {
                    if let Place::Moving { to, may_be_unseen, .. } = place {
                        *may_be_unseen |= *to == group;
                    }
                }
                Ok(())
            }
            Event::ReplySent { client, seq, mutation: true, reply } if group != GroupId::CONTROLLER => {
                self.on_reply((*client, *seq), *reply)
            }
            Event::Shard(event) => {
                let is_first = !self.is_blind && self.is_first.get(&(node, group)).copied().unwrap_or(true);
                self.on_shard_event(group, is_first, event)
            }
            _ => Ok(()),
        }
    }

    fn on_shard_event(&mut self, group: GroupId, is_first: bool, event: &ShardEvent) -> Result<(), Breach> {
        match event {
            ShardEvent::ConfigurationMade { num, digest, shards, groups } => {
                let made = Made { digest: *digest, shards: shards.clone(), groups: groups.clone() };
                self.on_made(*num, made)
            }
            ShardEvent::Executed { shard, version, client, seq, request, reply } => {
                let execution = Execution { client: *client, seq: *seq, request: *request, reply: *reply };
                self.on_executed((group, is_first), *shard, *version, execution)
            }
            _ if !is_first => Ok(()),
            ShardEvent::Configured { num, digest } => self.on_configured(group, *num, *digest),
            ShardEvent::Served { num, shard } => {
                let before = self.places.insert(*shard, Place::Serving(group));
                require(*num == 1 && before.is_none(), "S1", || {
                    format!("{group} serves {shard} from configuration {num} on; before: {before:?}")
                })
            }
            ShardEvent::Frozen { num, shard, to, payload } => {
                let moving = Place::Moving { num: *num, to: *to, payload: *payload, may_be_unseen: false };
                let before = self.places.insert(*shard, moving);
                require(before == Some(Place::Serving(group)), "S1", || {
                    format!("{group} froze {shard} in configuration {num}, which was {before:?}")
                })
            }
            ShardEvent::Installed { num, shard, payload } => self.on_installed(group, *num, *shard, *payload),
            ShardEvent::Dropped { num, shard } => {
                let is_unseen = matches!(
                    self.places.get(shard),
                    Some(Place::Moving { num: of, may_be_unseen: true, .. }) if of == num
                );
                require(is_unseen || self.installed.contains(&(*num, *shard)), "S5", || {
                    format!(
                        "{group} dropped {shard} of configuration {num} before it was installed elsewhere"
                    )
                })
            }
            ShardEvent::Decided { id, attempt, commit } => self.on_decided(*id, *attempt, *commit),
            ShardEvent::Finished { id, attempt, commit } => self.on_finished(group, *id, *attempt, *commit),
            ShardEvent::TransferSent { .. }
            | ShardEvent::Begun { .. }
            | ShardEvent::Prepared { .. }
            | ShardEvent::Forgotten { .. } => Ok(()),
        }
    }

    fn on_made(&mut self, num: u64, made: Made) -> Result<(), Breach> {
        if let Some(known) = self.made.get(&num) {
            return require(*known == made, "C5", || {
                format!("configuration {num} is {known:?} and, on another replica, {made:?}")
            });
        }
        let last = self.made.last_key_value().map_or(0, |(num, _)| *num);
        require(num == last + 1, "C1", || format!("configuration {num} follows configuration {last}"))?;
        let stray = made.shards.iter().find(|group| !made.groups.contains(group));
        require(stray.is_none(), "C2", || format!("configuration {num} gives a shard to {stray:?}"))?;
        if let Some(before) = self.made.get(&last) {
            let moved = before.shards.iter().zip(&made.shards).filter(|(old, new)| old != new).count();
            let needed = if before.groups == made.groups { 1 } else { moves_needed(before, &made) };
            require(moved == needed, "C4", || {
                format!("configuration {num} moved {moved} shards where {needed} moves would do")
            })?;
        }
        let count = |group: &GroupId| made.shards.iter().filter(|owner| *owner == group).count();
        let (least, most) = (made.groups.iter().map(count).min(), made.groups.iter().map(count).max());
        let is_balanced = most.unwrap_or(0) - least.unwrap_or(0) <= 1;
        let has_changed = self.made.get(&last).is_none_or(|before| before.groups != made.groups);
        require(is_balanced || !has_changed, "C3", || {
            format!("in configuration {num}, groups have between {least:?} and {most:?} shards")
        })?;
        self.made.insert(num, made);
        bound(&mut self.made);
        Ok(())
    }

    fn on_configured(&mut self, group: GroupId, num: u64, digest: u64) -> Result<(), Breach> {
        let before = self.in_effect.insert(group, num).unwrap_or(0);
        require(num == before + 1, "S4", || format!("{group} went from configuration {before} to {num}"))?;
        let made = self.made.get(&num).map(|made| made.digest);
        require(made.is_none_or(|made| made == digest), "C5", || {
            format!("{group} took up a configuration {num} that the controller did not make")
        })
    }

    fn on_installed(&mut self, group: GroupId, num: u64, shard: ShardId, payload: u64) -> Result<(), Breach> {
        let before = self.places.insert(shard, Place::Serving(group));
        self.installed.insert((num, shard));
        if self.installed.len() > REMEMBERED_MAX {
            self.installed.pop_first();
        }
        let Some(Place::Moving { num: frozen_in, to, payload: frozen, .. }) = before else {
            return require(false, "S1", || {
                format!("{group} installed {shard} in configuration {num}, which was {before:?}")
            });
        };
        require((frozen_in, to) == (num, group), "S1", || {
            format!("{group} installed {shard} in configuration {num}: frozen for {to} in {frozen_in}")
        })?;
        require(frozen == payload, "S3", || {
            format!("{group} installed {shard} as {payload:016x}, but it was frozen as {frozen:016x}")
        })
    }

    fn on_executed(
        &mut self,
        (group, is_first): (GroupId, bool),
        shard: ShardId,
        version: u64,
        execution: Execution,
    ) -> Result<(), Breach> {
        let Execution { client, seq, reply, .. } = execution;
        let last = self.last_version.get(&shard).copied().unwrap_or(0);
        if is_first {
            let place = self.places.get(&shard);
            require(place == Some(&Place::Serving(group)), "S1", || {
                format!("{group} executed {client}:{seq} in {shard}, which is {place:?}")
            })?;
            require(version == last + 1, "S2", || {
                format!("{group} took {shard} from version {last} to {version}")
            })?;
        }
        self.last_version.insert(shard, last.max(version));
        let known = *self.executions.entry((shard, version)).or_insert(execution);
        require(known == execution, "S2", || {
            format!(
                "version {version} of {shard} is {}:{} and, in {group}, {client}:{seq}",
                known.client, known.seq
            )
        })?;
        let other = *self.versions.entry((shard, client, seq)).or_insert(version);
        require(other == version, "E1", || {
            format!("{client}:{seq} is version {other} and version {version} of {shard}")
        })?;
        let known = *self.replies.entry((client, seq)).or_insert(reply);
        require(known == reply, "E3", || format!("{client}:{seq} has another reply in {group}"))?;
        bound(&mut self.executions);
        bound(&mut self.versions);
        bound(&mut self.replies);
        Ok(())
    }

    fn on_reply(&self, (client, seq): (ClientId, u64), reply: u64) -> Result<(), Breach> {
        let Some(executed) = self.replies.get(&(client, seq)) else {
            return require(self.is_blind || self.replies.len() >= REMEMBERED_MAX, "E4", || {
                format!("{client}:{seq} was answered, which nobody had executed")
            });
        };
        require(*executed == reply, "E3", || {
            format!("{client}:{seq} was answered otherwise than it was executed")
        })
    }

    fn on_decided(&mut self, id: TransactionId, attempt: Attempt, commit: Option<u64>) -> Result<(), Breach> {
        let fate = self.fates.entry((id, attempt)).or_default();
        let before = fate.decided.replace(commit);
        let Fate { claimed, given_up, .. } = *fate;
        bound(&mut self.fates);
        require(before.is_none_or(|before| before == commit), "T1", || {
            format!("attempt {attempt} of {id} was decided twice")
        })?;
        require(claimed.is_none() || claimed == commit, "T3", || {
            format!("a participant committed attempt {attempt} of {id}, but the decision is {commit:?}")
        })?;
        if commit.is_none() {
            return Ok(());
        }
        require(!given_up, "T3", || {
            format!("attempt {attempt} of {id} commits, and a participant gave it up")
        })?;
        let first = *self.committed.entry(id).or_insert(attempt);
        bound(&mut self.committed);
        require(first == attempt, "T1", || format!("{id} was committed in attempts {first} and {attempt}"))
    }

    fn on_finished(
        &mut self,
        group: GroupId,
        id: TransactionId,
        attempt: Attempt,
        commit: Option<u64>,
    ) -> Result<(), Breach> {
        let fate = self.fates.entry((id, attempt)).or_default();
        fate.given_up |= commit.is_none();
        let decided = fate.decided;
        // A coordinator on the participant's host may have told it in the step in which it decided, and have crashed
        // once that step was durable and before it was seen. What was claimed must then be what is decided.
        let claimed = fate.claimed;
        if decided.is_none() {
            fate.claimed = claimed.or(commit);
        }
        bound(&mut self.fates);
        let agrees = match commit {
            Some(_) => decided.map_or(claimed.is_none() || claimed == commit, |decided| decided == commit),
            None => !matches!(decided, Some(Some(_))),
        };
        require(agrees, "T3", || {
            let word = if commit.is_some() { "committed" } else { "gave up" };
            format!("{group} {word} attempt {attempt} of {id}, but the decision is {decided:?}")
        })
    }
}

/// The fewest shards that must move between two configurations with different groups.
fn moves_needed(before: &Made, after: &Made) -> usize {
    let count = after.groups.len().max(1);
    let (fair, larger) = (before.shards.len() / count, before.shards.len() % count);
    let held = |group: &GroupId| before.shards.iter().filter(|owner| *owner == group).count();
    let mut held: Vec<usize> = after.groups.iter().map(held).collect();
    held.sort_unstable_by(|left, right| right.cmp(left));
    let kept: usize =
        held.iter().enumerate().map(|(place, held)| (*held).min(fair + usize::from(place < larger))).sum();
    before.shards.len() - kept
}
