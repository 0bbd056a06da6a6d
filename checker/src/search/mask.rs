//! Sets of slots, of a width that is known when compiling.

use super::narrow;

/// A set of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Mask<const N: usize>([u64; N]);

impl<const N: usize> Mask<N> {
    pub(super) const EMPTY: Self = Self([0; N]);

    /// All slots from `first` on.
    pub(super) fn from(first: usize) -> Self {
        let mut mask = Self::EMPTY;
        for (word, bits) in mask.0.iter_mut().enumerate() {
            *bits = match first.saturating_sub(word * 64) {
                0 => u64::MAX,
                below @ 1..64 => u64::MAX << below,
                _ => 0,
            };
        }
        mask
    }

    pub(super) fn has(&self, slot: u32) -> bool {
        self.0[slot as usize / 64] >> (slot % 64) & 1 == 1
    }

    pub(super) fn set(&mut self, slot: u32) {
        self.0[slot as usize / 64] |= 1 << (slot % 64);
    }

    pub(super) fn clear(&mut self, slot: u32) {
        self.0[slot as usize / 64] &= !(1 << (slot % 64));
    }

    pub(super) fn put(&mut self, slot: u32, member: bool) {
        if member {
            self.set(slot);
        } else {
            self.clear(slot);
        }
    }

    pub(super) fn without(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= !other);
        self
    }

    pub(super) fn and(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word &= other);
        self
    }

    pub(super) fn or(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(word, other)| *word |= other);
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Whether it has every slot of `other`.
    pub(super) fn contains(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(word, other)| other & !word == 0)
    }

    pub(super) fn first(&self) -> Option<u32> {
        let word = self.0.iter().position(|word| *word != 0)?;
        Some(narrow(word * 64) + self.0[word].trailing_zeros())
    }

    /// The slots, ascending.
    pub(super) fn iter(self) -> impl Iterator<Item = u32> {
        let mut left = self;
        std::iter::from_fn(move || {
            let slot = left.first()?;
            left.clear(slot);
            Some(slot)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_sets_across_words() {
        let mut mask = Mask::<3>::EMPTY;
        assert!(mask.is_empty() && mask.first().is_none());
        for slot in [0, 63, 64, 130, 191] {
            mask.set(slot);
        }
        assert_eq!(mask.iter().collect::<Vec<_>>(), [0, 63, 64, 130, 191]);
        for first in [0, 1, 63, 64, 65, 128, 191, 192] {
            let expected: Vec<u32> = (0..192).filter(|slot| *slot >= first).collect();
            assert_eq!(Mask::<3>::from(first as usize).iter().collect::<Vec<_>>(), expected);
        }
        let late = mask.and(&Mask::from(64));
        assert_eq!(late.iter().collect::<Vec<_>>(), [64, 130, 191]);
        assert!(mask.contains(&late) && !late.contains(&mask) && late.contains(&Mask::EMPTY));
        assert_eq!(mask.without(&late).or(&late), mask);
        mask.put(0, false);
        mask.put(1, true);
        assert!(!mask.has(0) && mask.has(1) && mask.first() == Some(1));
    }
}
