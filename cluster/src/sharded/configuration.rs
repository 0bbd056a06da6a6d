//! Configurations: which group serves which shard, and how a change of groups changes that.
//!
//! A configuration is never changed, only followed by the next one. After a group joins or leaves, groups differ by
//! at most one shard, and no shard moved that need not have moved. The rule is a pure function of the configuration
//! before, so that every replica of the controller computes the same. It does not know who asks, nor how shards move.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::app::{Key, shard_of};
use crate::bugs::{Bug, Bugs};
use crate::digest::Digest;
use crate::node::NodeId;

/// Names a replicated group; the controller is [`GroupId::CONTROLLER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(pub u32);

impl GroupId {
    /// The group that decides configurations; it serves no shard, so a shard assigned to it is assigned to nobody.
    pub const CONTROLLER: Self = Self(0);
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::CONTROLLER { f.write_str("controller") } else { write!(f, "g{}", self.0) }
    }
}

/// Names a part of the key space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(pub u32);

impl ShardId {
    /// The shard of a key, out of `count`; the same in every process.
    ///
    /// # Panics
    ///
    /// If there are no shards.
    pub fn of(key: &Key, count: usize) -> Self {
        Self(shard_of(key, u32::try_from(count).expect("fewer shards than u32 counts")))
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

/// Groups and their members.
pub type Groups = BTreeMap<GroupId, Vec<NodeId>>;

/// Who serves what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Configuration {
    /// Its number, from 0; each change adds one.
    pub num: u64,
    /// The group of every shard, by shard.
    pub shards: Vec<GroupId>,
    /// The groups that take part, with their members.
    pub groups: Groups,
}

/// A change of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Change {
    /// Groups take part from now on.
    Join(Groups),
    /// Groups take part no longer.
    Leave(BTreeSet<GroupId>),
    /// One shard goes to a group, whatever the balance.
    Move {
        /// This shard.
        shard: ShardId,
        /// To this group.
        to: GroupId,
    },
}

/// Why a change was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// A group that joins is there already, is the controller, or has no members; or nobody joins at all.
    CannotJoin,
    /// A group that leaves is not there, or nobody leaves at all.
    CannotLeave,
    /// No group would be left.
    LastGroup,
    /// The shard or the group does not exist, or the shard is there already.
    CannotMove,
    /// There is no such configuration yet.
    UnknownConfiguration,
    /// Whoever was asked makes no configurations.
    NotTheController,
}

/// What an administrator can ask the controller for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Administration {
    /// Makes the next configuration.
    Change(Change),
    /// Reads a configuration.
    Query {
        /// Its number; none: the latest.
        num: Option<u64>,
    },
}

impl Administration {
    /// A stable digest.
    pub fn digest(&self) -> u64 {
        match self {
            Self::Change(change) => Digest::new(25).word(change.digest()),
            Self::Query { num } => Digest::new(26).word(num.map_or(0, |num| num + 1)),
        }
        .finish()
    }

    /// About how many bytes it takes on the wire.
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Change(Change::Join(groups)) => groups.values().map(|members| 16 + 8 * members.len()).sum(),
            Self::Change(Change::Leave(groups)) => 8 * groups.len(),
            Self::Change(Change::Move { .. }) | Self::Query { .. } => 16,
        }
    }
}

impl Configuration {
    /// Configuration 0: nobody serves anything.
    ///
    /// # Panics
    ///
    /// If there are no shards.
    pub fn empty(shards: usize) -> Self {
        assert!(shards > 0, "there is at least one shard");
        Self { num: 0, shards: vec![GroupId::CONTROLLER; shards], groups: Groups::new() }
    }

    /// The group that serves a shard.
    ///
    /// # Panics
    ///
    /// If there is no such shard.
    pub fn owner(&self, shard: ShardId) -> GroupId {
        self.shards[shard.0 as usize]
    }

    /// The shard of a key.
    pub fn shard_of(&self, key: &Key) -> ShardId {
        ShardId::of(key, self.shards.len())
    }

    /// Every shard with its group.
    pub fn assignments(&self) -> impl Iterator<Item = (ShardId, GroupId)> {
        (0_u32..).map(ShardId).zip(self.shards.iter().copied())
    }

    /// The configuration after a change.
    ///
    /// # Errors
    ///
    /// If the change makes no sense here; then nothing changes.
    pub fn changed(&self, change: &Change, bugs: Bugs, replica: NodeId) -> Result<Self, Refusal> {
        let mut next = Self { num: self.num + 1, ..self.clone() };
        match change {
            Change::Join(groups) => {
                let is_new = |(id, members): (&GroupId, &Vec<NodeId>)| {
                    *id != GroupId::CONTROLLER && !members.is_empty() && !self.groups.contains_key(id)
                };
                if groups.is_empty() || !groups.iter().all(is_new) {
                    return Err(Refusal::CannotJoin);
                }
                next.groups.extend(groups.clone());
                next.rebalance(bugs, replica);
            }
            Change::Leave(groups) => {
                if groups.is_empty() || !groups.iter().all(|id| self.groups.contains_key(id)) {
                    return Err(Refusal::CannotLeave);
                }
                if groups.len() == self.groups.len() {
                    return Err(Refusal::LastGroup);
                }
                next.groups.retain(|id, _| !groups.contains(id));
                next.rebalance(bugs, replica);
            }
            Change::Move { shard, to } => {
                let exists = (shard.0 as usize) < self.shards.len() && self.groups.contains_key(to);
                if !exists || self.owner(*shard) == *to {
                    return Err(Refusal::CannotMove);
                }
                next.shards[shard.0 as usize] = *to;
            }
        }
        Ok(next)
    }

    /// Spreads the shards evenly with the fewest moves: groups that have most keep most.
    fn rebalance(&mut self, bugs: Bugs, replica: NodeId) {
        assert!(!self.groups.is_empty(), "the last group cannot leave");
        let mut held: BTreeMap<GroupId, Vec<ShardId>> =
            self.groups.keys().map(|group| (*group, Vec::new())).collect();
        let mut free = Vec::new();
        for (shard, group) in self.assignments() {
            match held.get_mut(&group) {
                Some(shards) if !bugs.has(Bug::RebalanceNotMinimal) => shards.push(shard),
                _ => free.push(shard),
            }
        }
        let mut order: Vec<GroupId> = held.keys().copied().collect();
        if bugs.has(Bug::RebalanceHashOrder) {
            let seed = Digest::new(u64::from(replica.0));
            order.sort_by_key(|group| seed.word(u64::from(group.0)).finish());
        }
        order.sort_by_key(|group| core::cmp::Reverse(held[group].len()));
        let (fair, larger) = (self.shards.len() / order.len(), self.shards.len() % order.len());
        let target = |place: usize| fair + usize::from(place < larger);
        for (place, group) in order.iter().enumerate() {
            let shards = held.get_mut(group).expect("every group is listed");
            free.extend(shards.drain(target(place).min(shards.len())..));
        }
        free.sort_unstable();
        let mut deficits: Vec<(GroupId, usize)> = order
            .iter()
            .enumerate()
            .map(|(place, group)| (*group, target(place) - held[group].len()))
            .collect();
        if !bugs.has(Bug::RebalanceHashOrder) {
            deficits.sort_unstable();
        }
        let mut free = free.into_iter();
        for (group, missing) in deficits {
            for shard in free.by_ref().take(missing) {
                self.shards[shard.0 as usize] = group;
            }
        }
        assert!(free.next().is_none(), "every shard found a group");
    }

    /// About how many bytes it takes on the wire.
    pub fn size_bytes(&self) -> usize {
        let members: usize = self.groups.values().map(|members| 16 + 8 * members.len()).sum();
        16 + 8 * self.shards.len() + members
    }

    /// A stable digest.
    pub fn digest(&self) -> u64 {
        let shards = self
            .shards
            .iter()
            .fold(Digest::new(21).word(self.num), |digest, group| digest.word(u64::from(group.0)));
        let members = |digest: Digest, members: &Vec<NodeId>| {
            members.iter().fold(digest.word(members.len() as u64), |digest, id| digest.word(u64::from(id.0)))
        };
        self.groups
            .iter()
            .fold(shards, |digest, (group, nodes)| members(digest.word(u64::from(group.0)), nodes))
            .finish()
    }
}

impl Change {
    /// A stable digest.
    pub fn digest(&self) -> u64 {
        match self {
            Self::Join(groups) => groups.iter().fold(Digest::new(22), |digest, (group, members)| {
                let digest = digest.word(u64::from(group.0)).word(members.len() as u64);
                members.iter().fold(digest, |digest, id| digest.word(u64::from(id.0)))
            }),
            Self::Leave(groups) => {
                groups.iter().fold(Digest::new(23), |digest, group| digest.word(u64::from(group.0)))
            }
            Self::Move { shard, to } => Digest::new(24).word(u64::from(shard.0)).word(u64::from(to.0)),
        }
        .finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: NodeId = NodeId(1);

    fn groups(ids: &[u32]) -> Groups {
        ids.iter().map(|id| (GroupId(*id), vec![NodeId(*id)])).collect()
    }

    fn counts(configuration: &Configuration) -> BTreeMap<GroupId, usize> {
        let mut counts: BTreeMap<GroupId, usize> =
            configuration.groups.keys().map(|group| (*group, 0)).collect();
        for (_, group) in configuration.assignments() {
            *counts.get_mut(&group).expect("shards belong to groups that take part") += 1;
        }
        counts
    }

    /// How many shards at least must change hands between two configurations with these groups: every shard whose
    /// group is gone, and what a group holds beyond the largest share that it may keep.
    fn moves_needed(before: &Configuration, after: &Configuration) -> usize {
        let (fair, larger) =
            (before.shards.len() / after.groups.len(), before.shards.len() % after.groups.len());
        let mut held: Vec<usize> = after
            .groups
            .keys()
            .map(|group| before.shards.iter().filter(|owner| *owner == group).count())
            .collect();
        held.sort_unstable_by(|left, right| right.cmp(left));
        let kept: usize = held
            .iter()
            .enumerate()
            .map(|(place, held)| (*held).min(fair + usize::from(place < larger)))
            .sum();
        before.shards.len() - kept
    }

    fn moves_made(before: &Configuration, after: &Configuration) -> usize {
        before.shards.iter().zip(&after.shards).filter(|(left, right)| left != right).count()
    }

    fn apply(configuration: &Configuration, change: &Change) -> Result<Configuration, Refusal> {
        configuration.changed(change, Bugs::NONE, ONE)
    }

    #[test]
    fn changes_that_make_no_sense_are_refused() {
        let empty = Configuration::empty(8);
        let two = apply(&empty, &Change::Join(groups(&[1, 2]))).expect("new groups join");
        let refused = |change| apply(&two, &change).expect_err("refused");
        assert_eq!(refused(Change::Join(groups(&[2, 3]))), Refusal::CannotJoin);
        assert_eq!(refused(Change::Join(groups(&[0]))), Refusal::CannotJoin);
        assert_eq!(refused(Change::Join(groups(&[]))), Refusal::CannotJoin);
        assert_eq!(refused(Change::Leave([GroupId(3)].into())), Refusal::CannotLeave);
        assert_eq!(refused(Change::Leave([].into())), Refusal::CannotLeave);
        assert_eq!(refused(Change::Leave([GroupId(1), GroupId(2)].into())), Refusal::LastGroup);
        let to_itself = Change::Move { shard: ShardId(0), to: two.owner(ShardId(0)) };
        assert_eq!(refused(to_itself), Refusal::CannotMove);
        assert_eq!(refused(Change::Move { shard: ShardId(8), to: GroupId(1) }), Refusal::CannotMove);
        assert_eq!(refused(Change::Move { shard: ShardId(0), to: GroupId(3) }), Refusal::CannotMove);
    }

    #[test]
    fn first_groups_share_everything() {
        let first = apply(&Configuration::empty(8), &Change::Join(groups(&[1, 2, 3]))).expect("joins");
        assert_eq!(first.num, 1);
        assert_eq!(counts(&first).into_values().collect::<Vec<_>>(), [3, 3, 2]);
    }

    /// One of these, applied in turn; those that are refused are left out.
    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let ids = || prop::collection::btree_set(1_u32..9, 1..4);
        prop::collection::vec(
            prop_oneof![
                3 => ids().prop_map(|ids| Change::Join(groups(&ids.into_iter().collect::<Vec<_>>()))),
                2 => ids().prop_map(|ids| Change::Leave(ids.into_iter().map(GroupId).collect())),
                2 => (0_u32..12, 1_u32..9)
                    .prop_map(|(shard, to)| Change::Move { shard: ShardId(shard), to: GroupId(to) }),
            ],
            1..20,
        )
    }

    proptest! {
        #[test]
        fn rebalancing_is_complete_balanced_minimal_and_deterministic(
            shards in 1_usize..12,
            script in changes(),
        ) {
            let mut current = Configuration::empty(shards);
            for change in &script {
                let Ok(next) = apply(&current, change) else { continue };
                prop_assert_eq!(next.num, current.num + 1);
                let counts = counts(&next);
                if let Change::Move { .. } = change {
                    prop_assert_eq!(moves_made(&current, &next), 1);
                } else {
                    let (least, most) = (counts.values().min(), counts.values().max());
                    prop_assert!(most.expect("groups") - least.expect("groups") <= 1, "{counts:?}");
                    prop_assert_eq!(moves_made(&current, &next), moves_needed(&current, &next));
                }
                prop_assert_eq!(next.clone(), current.changed(change, Bugs::NONE, NodeId(2)).expect("same"));
                current = next;
            }
        }

        #[test]
        fn mistakes_in_rebalancing_show(script in changes()) {
            let mut current = Configuration::empty(11);
            let greedy = Bugs::of(&[Bug::RebalanceNotMinimal]);
            for change in &script {
                let Ok(next) = apply(&current, change) else { continue };
                let careless = current.changed(change, greedy, ONE).expect("same refusals");
                prop_assert!(moves_made(&current, &careless) >= moves_made(&current, &next));
                current = next;
            }
        }
    }

    #[test]
    fn careless_rebalancing_moves_too_much() {
        let two = apply(&Configuration::empty(8), &Change::Join(groups(&[1, 2]))).expect("joins");
        let join = Change::Join(groups(&[3]));
        let careless = two.changed(&join, Bugs::of(&[Bug::RebalanceNotMinimal]), ONE).expect("joins");
        assert!(moves_made(&two, &careless) > moves_needed(&two, &careless));
        let hashed = Bugs::of(&[Bug::RebalanceHashOrder]);
        let three = apply(&two, &join).expect("joins");
        let leave = Change::Leave([GroupId(3)].into());
        let differs = (1..40).any(|replica| {
            three.changed(&leave, hashed, NodeId(replica)) != three.changed(&leave, hashed, ONE)
        });
        assert!(differs, "replicas agree although each has its own order");
    }
}
