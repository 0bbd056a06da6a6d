//! A map whose keys mostly come in ascending order, such as the slots of a log.
//!
//! It is a sorted list: the usual key goes to the end, a lookup halves the list, and the oldest go from the front. What
//! comes late is put in its place, which costs as many moves as there are keys after it, or before it if those are
//! fewer.

use alloc::collections::VecDeque;
use core::cmp::Ordering;
use core::ops::RangeBounds;

/// So many of the last keys are looked at before the list is halved.
const LATELY: usize = 6;

/// A sorted list of keys and values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ascending<K, V>(VecDeque<(K, V)>);

impl<K, V> Default for Ascending<K, V> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<K: Ord + Copy, V> Ascending<K, V> {
    /// Where a key is, or where it would have to be. Most keys that are asked for came lately, and looking at those has
    /// no need of the memory of the others.
    fn place(&self, key: &K) -> Result<usize, usize> {
        let mut end = self.0.len();
        for _ in 0..LATELY.min(end) {
            match self.0[end - 1].0.cmp(key) {
                Ordering::Less => return Err(end),
                Ordering::Equal => return Ok(end - 1),
                Ordering::Greater => end -= 1,
            }
        }
        self.0.binary_search_by(|(known, _)| known.cmp(key))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.place(key).is_ok()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let place = self.place(key).ok()?;
        Some(&self.0[place].1)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let place = self.place(key).ok()?;
        Some(&mut self.0[place].1)
    }

    /// Makes a key hold a value; the one that it held before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(place) => Some(core::mem::replace(&mut self.0[place].1, value)),
            Err(place) => {
                self.0.insert(place, (key, value));
                None
            }
        }
    }

    /// The value of a key, which becomes this one if it has none.
    pub(crate) fn or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        let place = self.place(&key).unwrap_or_else(|place| {
            self.0.insert(place, (key, value()));
            place
        });
        &mut self.0[place].1
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let place = self.place(key).ok()?;
        self.0.remove(place).map(|(_, value)| value)
    }

    pub(crate) fn pop_first(&mut self) -> Option<(K, V)> {
        self.0.pop_front()
    }

    /// Forgets every key up to this one.
    pub(crate) fn forget_up_to(&mut self, last: &K) {
        let kept = self.0.partition_point(|(key, _)| key <= last);
        self.0.drain(..kept);
    }

    pub(crate) fn retain(&mut self, mut holds: impl FnMut(&K, &V) -> bool) {
        self.0.retain(|(key, value)| holds(key, value));
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Keys and values, by key.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Those in a range of keys.
    pub(crate) fn range(&self, range: impl RangeBounds<K>) -> impl Iterator<Item = (&K, &V)> {
        let is_before = |key: &K| match range.start_bound() {
            core::ops::Bound::Included(start) => key < start,
            core::ops::Bound::Excluded(start) => key <= start,
            core::ops::Bound::Unbounded => false,
        };
        let is_within = |key: &K| match range.end_bound() {
            core::ops::Bound::Included(end) => key <= end,
            core::ops::Bound::Excluded(end) => key < end,
            core::ops::Bound::Unbounded => true,
        };
        let start = self.0.partition_point(|(key, _)| is_before(key));
        let end = start.max(self.0.partition_point(|(key, _)| is_within(key)));
        self.0.range(start..end).map(|(key, value)| (key, value))
    }
}

impl<K: Ord + Copy, V: Default> Ascending<K, V> {
    /// The value of a key, which becomes the usual one if it has none.
    pub(crate) fn or_default(&mut self, key: K) -> &mut V {
        self.or_insert_with(key, V::default)
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use super::*;

    /// Whatever is done to it, it is the map that the standard library has.
    #[test]
    fn it_is_a_map() {
        let mut map = Ascending::default();
        let mut model = BTreeMap::new();
        let mut state = 7_u64;
        let mut draw = |below: u64| {
            state = crate::digest::mix(state.wrapping_add(0x9e37_79b9_7f4a_7c15));
            state % below
        };
        for step in 0..20_000_u64 {
            // Keys near a front that moves on, as the slots of a log.
            let key = step / 40 + draw(30);
            match draw(9) {
                0 | 1 => assert_eq!(map.insert(key, step), model.insert(key, step)),
                2 => assert_eq!(map.remove(&key), model.remove(&key)),
                3 => assert_eq!(map.or_insert_with(key, || step), model.entry(key).or_insert(step)),
                4 => *map.or_default(key) = *model.entry(key).and_modify(|value| *value += 1).or_insert(1),
                5 => assert_eq!(map.pop_first(), model.pop_first()),
                6 if draw(20) == 0 => {
                    map.forget_up_to(&key);
                    model = model.split_off(&(key + 1));
                }
                7 if draw(20) == 0 => {
                    map.retain(|key, _| key % 3 != 0);
                    model.retain(|key, _| key % 3 != 0);
                }
                _ => {
                    let to = key + draw(9);
                    assert!(map.range(key..=to).eq(model.range(key..=to)));
                    assert!(map.range(key..).eq(model.range(key..)) && map.range(..to).eq(model.range(..to)));
                }
            }
            assert_eq!((map.get(&key), map.len()), (model.get(&key), model.len()));
            assert_eq!(map.get_mut(&key), model.get_mut(&key));
            assert_eq!(map.contains_key(&key), model.contains_key(&key));
        }
        assert!(map.iter().rev().eq(model.iter().rev()));
        map.clear();
        assert_eq!(map.iter().collect::<Vec<_>>(), []);
    }
}
