//! A stable 64-bit digest: FNV-1a over words, finished by the mixer of SplitMix64.
//!
//! It names states and values in ghost events, so it must be equal on every platform, in every build and in every
//! process; the standard hashers promise none of that. It is not meant to resist an adversary. A set is digested as
//! the wrapping sum of its members' digests: independent of history, and kept up to date one member at a time.

/// A digest under construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

/// The offset basis of 64-bit FNV.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
/// The prime of 64-bit FNV.
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection in which every input bit moves every output bit.
pub fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

impl Digest {
    /// An empty digest for values of one kind; different kinds never share digests by accident.
    pub fn new(kind: u64) -> Self {
        Self(BASIS).word(kind)
    }

    /// Adds one word.
    #[must_use]
    pub fn word(self, word: u64) -> Self {
        Self((self.0 ^ mix(word)).wrapping_mul(PRIME))
    }

    /// Adds a signed number.
    #[must_use]
    pub fn number(self, number: i64) -> Self {
        self.word(number.cast_unsigned())
    }

    /// Adds bytes, with their length first: no two sequences of calls run into each other.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let start = self.word(bytes.len() as u64);
        bytes.chunks(8).fold(start, |digest, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            digest.word(u64::from_le_bytes(word))
        })
    }

    /// The digest of everything added.
    pub fn finish(self) -> u64 {
        mix(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden values: a change of the function would silently change every stored digest.
    #[test]
    fn digest_is_stable() {
        assert_eq!(mix(0), 0);
        assert_eq!(Digest::new(1).finish(), Digest::new(1).finish());
        assert_eq!(Digest::new(1).bytes(b"key").number(-7).finish(), 9_622_135_128_119_531_934);
    }

    #[test]
    fn lengths_separate_neighbours() {
        let first = Digest::new(0).bytes(b"ab").bytes(b"c").finish();
        let second = Digest::new(0).bytes(b"a").bytes(b"bc").finish();
        assert_ne!(first, second);
    }
}
