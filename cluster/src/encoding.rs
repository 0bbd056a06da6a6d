//! How messages, records and snapshots are written down: postcard's format, onto the end of a list of bytes.
//!
//! Nearly all that is written are numbers of one to five bytes, and everything that a run sends, stores or takes a
//! snapshot of is written. Copying such pieces byte by byte is many times faster than calling for a copy of memory.

use alloc::vec::Vec;

use postcard::Result;
use postcard::ser_flavors::Flavor;
use serde::Serialize;

/// Longer pieces are copied at once.
const SHORT_BYTES_MAX: usize = 10;

struct End<'a>(&'a mut Vec<u8>);

impl Flavor for End<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() > SHORT_BYTES_MAX {
            self.0.extend_from_slice(bytes);
        } else {
            bytes.iter().for_each(|byte| self.0.push(*byte));
        }
        Ok(())
    }

    fn finalize(self) -> Result<()> {
        Ok(())
    }
}

/// Writes a value onto the end of `bytes`.
///
/// # Panics
///
/// If the value cannot be written by postcard; messages, records and states always can.
pub fn encode_onto<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) {
    postcard::serialize_with_flavor(value, End(bytes)).expect("values of this crate can always be encoded");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_postcards_format() {
        let value = (u64::MAX, -3_i64, "k".repeat(40), [Some(300_u16), None], "short");
        let mut bytes = [7].to_vec();
        encode_onto(&value, &mut bytes);
        assert_eq!(bytes[1..], postcard::to_allocvec(&value).expect("encoded"));
        assert_eq!(bytes[0], 7, "what was there stays");
    }
}
