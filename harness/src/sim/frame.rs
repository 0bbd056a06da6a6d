//! Datagrams: who, to whom, which start of the sender, a checksum, and the message.
//!
//! A frame whose checksum fails is dropped by the receiver, as any sound transport would. Where no wire of somebody
//! else is between two hosts, what arrives undamaged need not be taken apart: it is what was put together.

use std::rc::Rc;

use squall_cluster::encoding::encode_onto;
use squall_cluster::message::Message;
use squall_cluster::node::NodeId;

const HEADER_BYTES: usize = 20;

/// What leaves one host for another; its copies share what they say. (Every one waits in a queue or two, where a
/// pointer is moved faster than what it points at.)
pub(crate) type Datagram = Rc<Sent>;

/// What a datagram says.
#[derive(Clone, Debug)]
pub(crate) enum Sent {
    /// As it was put together, with the checksum that its bytes carry.
    Whole { frame: Frame, checksum: u32 },
    /// For a wire, or damaged on the way.
    Bytes(Vec<u8>),
}

/// A datagram, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    /// Which start of the sender this is from.
    pub(crate) incarnation: u64,
    pub(crate) message: Message,
}

impl Frame {
    /// Puts the datagram together, in the place of whatever `bytes` held.
    pub(crate) fn encode_into(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.extend_from_slice(&[0; HEADER_BYTES]);
        bytes[4..8].copy_from_slice(&self.from.0.to_le_bytes());
        bytes[12..].copy_from_slice(&self.incarnation.to_le_bytes());
        encode_onto(&self.message, bytes);
        self.address(bytes);
    }

    /// Whether only the address tells it from the other.
    pub(crate) fn says_the_same_as(&self, other: &Self) -> bool {
        (self.from, self.incarnation) == (other.from, other.incarnation) && self.message == other.message
    }

    /// Turns the bytes of a datagram that says the same to somebody into this one.
    pub(crate) fn address(&self, bytes: &mut [u8]) {
        bytes[8..12].copy_from_slice(&self.to.0.to_le_bytes());
        let sum = crc32fast::hash(&bytes[4..]);
        bytes[..4].copy_from_slice(&sum.to_le_bytes());
        debug_assert_eq!(
            decode(bytes).as_ref(),
            Some(self),
            "whoever takes it apart finds what was put together"
        );
    }
}

/// The checksum that a datagram carries; identifies its content in the digest.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |sum| u32::from_le_bytes(*sum))
}

/// Takes a datagram apart; `None` if it was damaged on the way.
pub(crate) fn decode(bytes: &[u8]) -> Option<Frame> {
    if bytes.len() < HEADER_BYTES || checksum(bytes) != crc32fast::hash(&bytes[4..]) {
        return None;
    }
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let incarnation = u64::from_le_bytes(bytes[12..20].try_into().expect("eight bytes"));
    let message = postcard::from_bytes(&bytes[HEADER_BYTES..]).ok()?;
    Some(Frame { from: NodeId(word(4)), to: NodeId(word(8)), incarnation, message })
}

#[cfg(test)]
mod tests {
    use squall_cluster::app::Operation;
    use squall_cluster::session::{ClientId, Request};

    use super::*;

    #[test]
    fn what_is_put_together_is_taken_apart_whatever_its_size_and_not_if_it_is_damaged() {
        let mut buffer = Vec::new();
        for size in [0, 3_000, 1, 100_000] {
            let operation = Operation::Get { key: "k".repeat(size).into() };
            let message = Message::Request(Request { client: ClientId(7), seq: 1, operation });
            let frame = Frame { from: NodeId(1_000), to: NodeId(2), incarnation: 3, message };
            frame.encode_into(&mut buffer);
            assert_eq!(decode(&buffer).as_ref(), Some(&frame));
            let middle = buffer.len() / 2;
            buffer[middle] ^= 4;
            assert_eq!(decode(&buffer), None);
        }
    }
}
