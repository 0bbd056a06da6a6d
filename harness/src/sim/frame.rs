//! Datagrams on the simulated wire: who, to whom, which start of the sender, a checksum, and the message.
//!
//! A frame whose checksum fails is dropped by the receiver, as any sound transport would.

use squall_cluster::message::Message;
use squall_cluster::node::NodeId;

const HEADER_BYTES: usize = 20;

/// A datagram, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    /// Which start of the sender this is from.
    pub(crate) incarnation: u64,
    pub(crate) message: Message,
}

/// Puts a datagram together.
pub(crate) fn encode(from: NodeId, to: NodeId, incarnation: u64, message: &Message) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(96);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&from.0.to_le_bytes());
    bytes.extend_from_slice(&to.0.to_le_bytes());
    bytes.extend_from_slice(&incarnation.to_le_bytes());
    let mut bytes = postcard::to_extend(message, bytes).expect("messages can always be encoded");
    let sum = crc32fast::hash(&bytes[4..]);
    bytes[..4].copy_from_slice(&sum.to_le_bytes());
    bytes
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
