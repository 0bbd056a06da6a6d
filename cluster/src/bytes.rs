//! Bytes written and read as such, not as a list of numbers.
//!
//! To postcard both are the same, byte for byte; a snapshot of thousands of bytes is many times faster as one.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer>(bytes: &Arc<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[u8]>, D::Error> {
    deserializer.deserialize_bytes(Bytes)
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Arc<[u8]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Arc<[u8]>, E> {
        Ok(bytes.into())
    }

    /// Where a format has no bytes, they are a list of numbers after all.
    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Arc<[u8]>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = numbers.next_element()? {
            bytes.push(byte);
        }
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Written(#[serde(with = "super")] Arc<[u8]>);

    /// What is on disks and wires stays what it was.
    #[test]
    fn bytes_are_written_like_a_list_of_numbers() {
        for length in [0_u8, 1, 200] {
            let bytes: Arc<[u8]> = (0..length).collect();
            let text = postcard::to_allocvec(&Written(Arc::clone(&bytes))).expect("written");
            assert_eq!(text, postcard::to_allocvec(&bytes).expect("written"));
            assert_eq!(postcard::from_bytes(&text), Ok(Written(bytes)));
        }
    }
}
