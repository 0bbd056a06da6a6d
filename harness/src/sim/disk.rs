//! The simulated disk of one node, in bytes: what is durable, what a crash leaves, what reading back shows.
//!
//! Records carry a length and a checksum; every sync ends with a marker that is found by scanning, not by following
//! lengths. A bad record with a good marker anywhere after it is corruption; one without is a torn write, and
//! opening cuts it off. Knows bytes only: what a record means is the node's business.

use crc32fast::hash as checksum;
use squall_cluster::node::Stored;

use crate::nemesis::DiskLoss;

/// Start of every marker. Long enough never to occur in a record by accident.
const MARKER: [u8; 8] = *b"\xf5SQ-SYNC";
const MARKER_BYTES: usize = MARKER.len() + 8 + 4;
const HEADER_BYTES: usize = 8;

/// A simulated disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    bytes: Vec<u8>,
    /// `bytes[..synced]` survive a crash.
    synced: usize,
    /// Ends of the unsynced records and markers, in order.
    unsynced_ends: Vec<usize>,
    syncs: u64,
    capacity: usize,
    faults: DiskFaults,
}

/// What is wrong with a disk at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DiskFaults {
    /// A sync answers without making anything durable.
    pub(crate) lies: bool,
    /// Writes fail.
    pub(crate) full: bool,
    /// Syncs fail.
    pub(crate) sync_fails: bool,
}

/// A write or sync that failed; the node must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiskFailed;

impl Disk {
    /// An empty disk of `capacity` bytes.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            bytes: Vec::new(),
            synced: 0,
            unsynced_ends: Vec::new(),
            syncs: 0,
            capacity,
            faults: DiskFaults::default(),
        }
    }

    /// Sets what is wrong with it.
    pub(crate) fn set_faults(&mut self, faults: DiskFaults) {
        self.faults = faults;
    }

    /// Bytes in use.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends a record, not yet durable.
    pub(crate) fn append(&mut self, record: &[u8]) -> Result<(), DiskFailed> {
        let end = self.bytes.len() + HEADER_BYTES + record.len();
        if self.faults.full || end + MARKER_BYTES > self.capacity {
            return Err(DiskFailed);
        }
        write_record(&mut self.bytes, record);
        self.unsynced_ends.push(end);
        Ok(())
    }

    /// Makes everything written so far durable.
    pub(crate) fn sync(&mut self) -> Result<(), DiskFailed> {
        if self.faults.sync_fails {
            return Err(DiskFailed);
        }
        self.syncs += 1;
        write_marker(&mut self.bytes, self.syncs);
        if self.faults.lies {
            self.unsynced_ends.push(self.bytes.len());
        } else {
            self.synced = self.bytes.len();
            self.unsynced_ends.clear();
        }
        Ok(())
    }

    /// Atomically replaces the whole content (new file, sync, rename): durable at once.
    pub(crate) fn replace(&mut self, records: &[Vec<u8>]) -> Result<(), DiskFailed> {
        let bytes: usize = records.iter().map(|record| record.len() + HEADER_BYTES).sum();
        if self.faults.full || self.faults.sync_fails || bytes + MARKER_BYTES > self.capacity {
            return Err(DiskFailed);
        }
        self.bytes.clear();
        for record in records {
            write_record(&mut self.bytes, record);
        }
        self.syncs += 1;
        write_marker(&mut self.bytes, self.syncs);
        self.synced = self.bytes.len();
        self.unsynced_ends.clear();
        Ok(())
    }

    /// What a crash leaves of the unsynced part. `pick` chooses where it is cut: below the number of choices.
    pub(crate) fn crash(&mut self, loss: DiskLoss, mut pick: impl FnMut(u64) -> u64) {
        let cut = match loss {
            DiskLoss::Nothing => self.bytes.len(),
            DiskLoss::Unsynced => match pick(self.unsynced_ends.len() as u64 + 1) {
                0 => self.synced,
                kept => self.unsynced_ends[index(kept - 1)],
            },
            DiskLoss::Torn => {
                let unsynced = self.bytes.len() - self.synced;
                if unsynced == 0 { self.synced } else { self.synced + index(pick(unsynced as u64)) }
            }
        };
        assert!(cut >= self.synced, "a crash never takes what is durable");
        self.bytes.truncate(cut);
        self.synced = cut;
        self.unsynced_ends.clear();
    }

    /// Flips one bit of a durable record (not of a marker): `pick` chooses it. `false` if there is nothing to flip.
    pub(crate) fn flip_bit(&mut self, mut pick: impl FnMut(u64) -> u64) -> bool {
        let mut spans = scan(&self.bytes[..self.synced]).records;
        // What a crash left behind the last marker was never synced: damaged, it would pass for a torn tail.
        let marker = (0..self.synced).rev().find(|&place| marker_at(&self.bytes, place)).unwrap_or(0);
        spans.retain(|(_, end)| *end <= marker);
        if spans.is_empty() {
            return false;
        }
        let (start, end) = spans[index(pick(spans.len() as u64))];
        let bit = index(pick(((end - start) * 8) as u64));
        self.bytes[start + bit / 8] ^= 1 << (bit % 8);
        true
    }

    /// Cuts off the last `records` durable records and everything after them.
    pub(crate) fn truncate(&mut self, records: usize) {
        let spans = scan(&self.bytes[..self.synced]).records;
        let keep = spans.len().saturating_sub(records);
        let cut = spans.get(keep).map_or(self.bytes.len(), |(start, _)| *start);
        self.bytes.truncate(cut);
        self.synced = self.synced.min(cut);
        self.unsynced_ends.clear();
    }

    /// Forgets everything.
    pub(crate) fn wipe(&mut self) {
        self.bytes.clear();
        self.synced = 0;
        self.unsynced_ends.clear();
    }

    /// Opens the disk after a start: cuts off a torn tail, syncs a fresh marker, reads every record.
    pub(crate) fn open(&mut self) -> Vec<Stored<Vec<u8>>> {
        let scanned = scan(&self.bytes);
        self.bytes.truncate(scanned.end);
        self.synced = self.bytes.len();
        self.unsynced_ends.clear();
        if !self.bytes.is_empty() {
            self.syncs += 1;
            write_marker(&mut self.bytes, self.syncs);
            self.synced = self.bytes.len();
        }
        scanned.stored
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("an index")
}

fn write_record(bytes: &mut Vec<u8>, record: &[u8]) {
    let length = u32::try_from(record.len()).expect("records are small");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&checksum(record).to_le_bytes());
    bytes.extend_from_slice(record);
}

fn write_marker(bytes: &mut Vec<u8>, number: u64) {
    let start = bytes.len();
    bytes.extend_from_slice(&MARKER);
    bytes.extend_from_slice(&number.to_le_bytes());
    let sum = checksum(&bytes[start..]);
    bytes.extend_from_slice(&sum.to_le_bytes());
}

fn marker_at(bytes: &[u8], at: usize) -> bool {
    bytes.get(at..at + MARKER_BYTES).is_some_and(|marker| {
        marker.starts_with(&MARKER) && checksum(&marker[..16]) == read_u32(&marker[16..])
    })
}

fn read_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().expect("four bytes"))
}

struct Scan {
    stored: Vec<Stored<Vec<u8>>>,
    /// Payload spans of intact records.
    records: Vec<(usize, usize)>,
    /// Where the readable part ends; what follows is a torn tail.
    end: usize,
}

/// Reads records and markers from the start. At a bad record: if a good marker follows anywhere, the record is
/// damaged and reading goes on at that marker's end; if none does, the tail is torn.
fn scan(bytes: &[u8]) -> Scan {
    let mut result = Scan { stored: Vec::new(), records: Vec::new(), end: 0 };
    let mut at = 0;
    while at < bytes.len() {
        if marker_at(bytes, at) {
            at += MARKER_BYTES;
            result.end = at;
            continue;
        }
        if let Some(end) = record_end(bytes, at) {
            let payload = &bytes[at + HEADER_BYTES..end];
            if checksum(payload) == read_u32(&bytes[at + 4..]) {
                result.stored.push(Stored { record: Some(payload.to_vec()), intact: true });
                result.records.push((at + HEADER_BYTES, end));
                at = end;
                result.end = at;
                continue;
            }
        }
        let Some(marker) = (at..bytes.len()).find(|&place| marker_at(bytes, place)) else { break };
        // The length may be what is damaged: believe it only if it ends at a boundary that makes sense.
        let believable = record_end(bytes, at).filter(|&end| end <= marker);
        let end = believable.unwrap_or(marker);
        let payload = believable.map(|end| bytes[at + HEADER_BYTES..end].to_vec());
        result.stored.push(Stored { record: payload, intact: false });
        at = end;
        result.end = at;
    }
    result
}

fn record_end(bytes: &[u8], at: usize) -> Option<usize> {
    let header = bytes.get(at..at + HEADER_BYTES)?;
    let end = at + HEADER_BYTES + read_u32(header) as usize;
    (end <= bytes.len()).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(records: &[&[u8]]) -> Disk {
        let mut disk = Disk::new(1 << 20);
        for record in records {
            disk.append(record).unwrap();
        }
        disk
    }

    fn texts(stored: &[Stored<Vec<u8>>]) -> Vec<String> {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        stored
            .iter()
            .map(|s| {
                format!("{}{}", s.record.as_ref().map_or("?".into(), text), if s.intact { "" } else { "!" })
            })
            .collect()
    }

    #[test]
    fn a_crash_keeps_what_was_synced_and_a_prefix_of_the_rest() {
        for kept in 0..=2 {
            let mut disk = disk(&[b"a", b"b"]);
            disk.sync().unwrap();
            disk.append(b"c").unwrap();
            disk.append(b"d").unwrap();
            disk.crash(DiskLoss::Unsynced, |choices| {
                assert_eq!(choices, 3);
                kept
            });
            assert_eq!(texts(&disk.open()), ["a", "b", "c", "d"][..2 + usize::try_from(kept).unwrap()]);
        }
    }

    #[test]
    fn a_torn_tail_is_cut_off_and_stays_cut_off() {
        let mut whole = disk(&[b"first"]);
        whole.sync().unwrap();
        whole.append(b"second").unwrap();
        for at in 0..14 {
            let mut disk = whole.clone();
            disk.crash(DiskLoss::Torn, |_| at);
            assert_eq!(texts(&disk.open()), ["first"], "torn after {at} bytes");
            disk.append(b"third").unwrap();
            disk.sync().unwrap();
            assert_eq!(texts(&disk.open()), ["first", "third"]);
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_damage_and_never_an_end() {
        let mut whole = disk(&[b"first", b"second"]);
        whole.sync().unwrap();
        whole.append(b"third").unwrap();
        whole.sync().unwrap();
        for bit in 0..(HEADER_BYTES + 5) * 8 {
            let mut disk = whole.clone();
            disk.bytes[bit / 8] ^= 1 << (bit % 8);
            let stored = disk.open();
            assert!(stored.iter().any(|s| !s.intact), "bit {bit} unnoticed");
            assert_eq!(texts(&stored).last().unwrap(), "third", "bit {bit} read as an end");
        }
    }

    #[test]
    fn a_lying_sync_loses_what_it_promised() {
        let mut disk = disk(&[b"a"]);
        disk.set_faults(DiskFaults { lies: true, ..DiskFaults::default() });
        disk.sync().unwrap();
        disk.crash(DiskLoss::Unsynced, |_| 0);
        assert!(disk.open().is_empty());
    }

    /// What was never synced may be lost anyway: a flipped bit in it would be no damage but a torn tail.
    #[test]
    fn bits_flip_in_what_was_synced_only() {
        let mut disk = disk(&[b"a"]);
        disk.sync().unwrap();
        disk.append(b"b").unwrap();
        disk.crash(DiskLoss::Nothing, |_| 0);
        for pick in 0..2 {
            let mut copy = disk.clone();
            assert!(copy.flip_bit(|choices| pick % choices));
            let intact: Vec<bool> = copy.open().iter().map(|stored| stored.intact).collect();
            assert_eq!(intact, [false, true]);
        }
        let mut unsynced = Disk::new(1_000);
        unsynced.append(b"b").unwrap();
        unsynced.crash(DiskLoss::Nothing, |_| 0);
        assert!(!unsynced.flip_bit(|_| 0), "nothing was ever synced");
    }

    #[test]
    fn full_and_failing_disks_say_so() {
        let mut disk = Disk::new(64);
        assert_eq!(disk.append(&[0; 64]), Err(DiskFailed));
        disk.set_faults(DiskFaults { sync_fails: true, ..DiskFaults::default() });
        assert_eq!(disk.sync(), Err(DiskFailed));
    }

    #[test]
    fn truncation_takes_durable_records() {
        let mut disk = disk(&[b"a", b"b", b"c"]);
        disk.sync().unwrap();
        disk.truncate(2);
        assert_eq!(texts(&disk.open()), ["a"]);
    }

    #[test]
    fn a_replacement_is_durable_at_once() {
        let mut disk = disk(&[b"a"]);
        disk.replace(&[b"x".to_vec(), b"y".to_vec()]).unwrap();
        disk.crash(DiskLoss::Unsynced, |_| 0);
        assert_eq!(texts(&disk.open()), ["x", "y"]);
    }
}
