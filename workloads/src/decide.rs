//! Keyed randomness: every random decision of a run is a hash of where it is taken, never a draw from a stream.
//!
//! With a shared stream, removing one operation or one fault shifts every later decision, so a shrunk plan is a
//! different run. Here a decision depends on its key, its site and the numbers that name the point (link, kind,
//! millisecond, count within it): what is left of a plan decides as before. Integers only; the vectors in the
//! tests pin the sampler for ever. This file knows nothing of plans, links or faults.

use std::ops::RangeInclusive;

use siphasher::sip::SipHasher13;

/// First half of the fixed SipHash key: the bytes of `squall/d`, big-endian. Changing it changes every run.
pub const SIP_KEY_FIRST: u64 = 0x7371_7561_6c6c_2f64;
/// Second half of the fixed SipHash key: the bytes of `ecide-01`, big-endian.
pub const SIP_KEY_SECOND: u64 = 0x6563_6964_652d_3031;
/// The longest name of a point.
const POINT_BYTES_MAX: usize = 128;
/// What certainty is in parts per million.
pub const PPM_ALWAYS: u32 = 1_000_000;

/// The increment of SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
const SPLITMIX_INCREMENT: u64 = 0x9e37_79b9_7f4a_7c15;

/// The source of all random decisions that share one key. Copying it is free; it has no state that moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decide {
    /// The key: part of the plan, stored with it.
    pub key: u64,
}

impl Decide {
    /// Decisions under this key.
    pub const fn new(key: u64) -> Self {
        Self { key }
    }

    /// The decisions at one point: a site (a constant name in the code, such as `"network.loss"`) and the words
    /// that tell this point from every other one of that site (link, kind, millisecond, number within it).
    ///
    /// Two points with equal site and words decide alike: name the point fully.
    ///
    /// # Panics
    ///
    /// If the name of the point is longer than 128 bytes, of which the key and lengths take 16 and each word 8.
    ///
    /// ```
    /// let decide = squall_workloads::decide::Decide::new(7);
    /// let mut draw = decide.at("network.delay", &[1, 2, 1_500, 0]);
    /// let delay_ms = draw.range(1..=5);
    /// assert_eq!(delay_ms, decide.at("network.delay", &[1, 2, 1_500, 0]).range(1..=5));
    /// ```
    #[inline]
    pub fn at(&self, site: &'static str, words: &[u64]) -> Draw {
        assert!(!site.is_empty(), "a random decision needs a site");
        let mut point = Point { bytes: [0; POINT_BYTES_MAX], length: 0 };
        point.add(&self.key.to_le_bytes());
        // The length keeps ("ab", …) apart from ("a", …) whatever follows.
        point.add(&(site.len() as u64).to_le_bytes());
        point.add(site.as_bytes());
        for word in words {
            point.add(&word.to_le_bytes());
        }
        let hasher = SipHasher13::new_with_keys(SIP_KEY_FIRST, SIP_KEY_SECOND);
        Draw { state: hasher.hash(&point.bytes[..point.length]) }
    }

    /// A key of its own for one part of the run: what this part decides is independent of every other part.
    pub fn derive(&self, site: &'static str, words: &[u64]) -> Decide {
        Decide { key: self.at(site, words).u64() }
    }
}

/// The bytes that name a point, put together first: hashing them at once costs half of hashing them piece by piece, and
/// every message of a run has its point.
struct Point {
    bytes: [u8; POINT_BYTES_MAX],
    length: usize,
}

impl Point {
    #[inline]
    fn add(&mut self, piece: &[u8]) {
        let end = self.length + piece.len();
        self.bytes[self.length..end].copy_from_slice(piece);
        self.length = end;
    }
}

/// The decisions at one point, in order and without end: SplitMix64 started from the hash of the point.
#[derive(Clone, Debug)]
pub struct Draw {
    state: u64,
}

impl Draw {
    /// 64 uniform bits.
    #[inline]
    pub fn u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(SPLITMIX_INCREMENT);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Uniform over `0..bound`, exactly (Lemire: Fast Random Integer Generation in an Interval, 2019).
    #[inline]
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "nothing is below zero");
        let mut product = u128::from(self.u64()) * u128::from(bound);
        if low_half(product) < bound {
            let threshold = bound.wrapping_neg() % bound;
            // Each round is rejected with a chance below one half; the loop ends.
            while low_half(product) < threshold {
                product = u128::from(self.u64()) * u128::from(bound);
            }
        }
        let value = high_half(product);
        debug_assert!(value < bound, "the high half of a product stays below the bound");
        value
    }

    /// Uniform over a closed range.
    #[inline]
    pub fn range(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (first, last) = (*range.start(), *range.end());
        assert!(first <= last, "an empty range has nothing to choose from: {first}..={last}");
        match (last - first).checked_add(1) {
            Some(count) => first + self.below(count),
            None => self.u64(),
        }
    }

    /// True in `ppm` of a million cases. Takes one decision even when the outcome is certain, so that a changed
    /// probability leaves the later decisions of this point alone.
    #[inline]
    pub fn chance(&mut self, ppm: u32) -> bool {
        assert!(ppm <= PPM_ALWAYS, "a probability is at most {PPM_ALWAYS} parts per million, not {ppm}");
        self.below(u64::from(PPM_ALWAYS)) < u64::from(ppm)
    }

    /// A uniform index into something with `length` elements.
    #[inline]
    pub fn index(&mut self, length: usize) -> usize {
        assert!(length > 0, "nothing to choose from");
        usize::try_from(self.below(length as u64)).expect("an index fits the length that it is below")
    }

    /// One of the items, uniformly.
    #[inline]
    pub fn pick<'items, T>(&mut self, items: &'items [T]) -> &'items T {
        &items[self.index(items.len())]
    }

    /// A uniform permutation, in place (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.index(last + 1);
            items.swap(last, other);
        }
    }
}

/// The low 64 bits.
#[expect(clippy::cast_possible_truncation, reason = "the high bits are cut on purpose")]
fn low_half(product: u128) -> u64 {
    product as u64
}

/// The high 64 bits.
fn high_half(product: u128) -> u64 {
    (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_vectors() {
        // If this fails, every stored plan means another run: do not update it, repair the sampler.
        let decide = Decide::new(0x5eed);
        let mut draw = decide.at("golden", &[1, 2, 3]);
        let bits: Vec<u64> = (0..4).map(|_| draw.u64()).collect();
        let small: Vec<u64> = (0..12).map(|_| draw.below(10)).collect();
        let mut order: Vec<u8> = (0..8).collect();
        draw.shuffle(&mut order);
        let chances: Vec<bool> = (0..8).map(|_| draw.chance(500_000)).collect();
        let empty = decide.at("golden", &[]).u64();
        let derived = decide.derive("part", &[9]).key;
        let seen = format!("{bits:x?} {small:?} {order:?} {chances:?} {empty:x} {derived:x}");
        let golden = "[98c9be4a69c97d65, 4138282a24a1d250, a78fd0180efbd303, 57f5bc742eb21a9d] \
                      [0, 1, 2, 2, 9, 7, 5, 7, 9, 7, 1, 3] [1, 4, 6, 0, 7, 3, 5, 2] \
                      [false, true, true, true, true, true, true, false] a7f345f61cd5190c c6156076f3346c22";
        assert_eq!(seen, golden);
    }

    #[test]
    fn a_point_decides_alike_whoever_else_decides() {
        let decide = Decide::new(1);
        let alone: Vec<u64> = (0..100).map(|nth| decide.at("link", &[nth]).below(1_000)).collect();
        for nth in (0..100).rev().step_by(3) {
            assert_eq!(decide.at("link", &[nth as u64]).below(1_000), alone[nth]);
        }
    }

    #[test]
    fn key_site_and_words_all_matter() {
        let base = Decide::new(1).at("site", &[1, 2]).u64();
        assert_ne!(base, Decide::new(2).at("site", &[1, 2]).u64());
        assert_ne!(base, Decide::new(1).at("sites", &[1, 2]).u64());
        assert_ne!(base, Decide::new(1).at("site", &[2, 1]).u64());
        assert_ne!(base, Decide::new(1).at("site", &[1, 2, 0]).u64());
    }

    #[test]
    fn uniform_over_points_and_within_one() {
        const DRAWS: u64 = 70_000;
        let decide = Decide::new(42);
        let mut over_points = [0_u64; 7];
        let mut within = [0_u64; 7];
        let mut draw = decide.at("within", &[]);
        for nth in 0..DRAWS {
            over_points[decide.at("points", &[nth]).index(7)] += 1;
            within[draw.index(7)] += 1;
        }
        for counts in [over_points, within] {
            // 10,000 expected; the standard deviation is about 93.
            assert!(counts.iter().all(|count| (9_500..=10_500).contains(count)), "{counts:?}");
        }
    }

    #[test]
    fn chances_are_what_they_say() {
        let decide = Decide::new(3);
        let hits = |ppm| (0..100_000).filter(|nth| decide.at("chance", &[*nth]).chance(ppm)).count();
        assert_eq!(hits(0), 0);
        assert_eq!(hits(PPM_ALWAYS), 100_000);
        assert!((9_600..=10_400).contains(&hits(100_000)));
    }

    #[test]
    fn ranges_reach_both_ends_and_the_whole_width() {
        let mut draw = Decide::new(4).at("range", &[]);
        let seen: Vec<u64> = (0..200).map(|_| draw.range(3..=5)).collect();
        assert!([3, 4, 5].iter().all(|value| seen.contains(value)));
        assert!(seen.iter().all(|value| (3..=5).contains(value)));
        assert_eq!(draw.range(9..=9), 9);
        assert_ne!(draw.range(0..=u64::MAX), draw.range(0..=u64::MAX));
    }

    #[test]
    fn huge_bounds_stay_unbiased() {
        // With a bound of three quarters of 2^64 a plain remainder would favour the lower third two to one.
        let bound = (u64::MAX / 4) * 3;
        let mut draw = Decide::new(5).at("huge", &[]);
        let low = (0..30_000).filter(|_| draw.below(bound) < bound / 3).count();
        assert!((9_600..=10_400).contains(&low), "{low}");
    }

    #[test]
    fn shuffles_are_permutations_and_not_all_alike() {
        let mut draw = Decide::new(6).at("shuffle", &[]);
        let mut first_places = [0_u32; 4];
        for _ in 0..4_000 {
            let mut items = [0_usize, 1, 2, 3];
            draw.shuffle(&mut items);
            first_places[items[0]] += 1;
            items.sort_unstable();
            assert_eq!(items, [0, 1, 2, 3]);
        }
        assert!(first_places.iter().all(|count| (850..=1_150).contains(count)), "{first_places:?}");
    }

    #[test]
    #[should_panic(expected = "nothing is below zero")]
    fn an_empty_choice_is_our_bug() {
        Decide::new(0).at("empty", &[]).below(0);
    }
}
