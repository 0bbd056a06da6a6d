//! Blocks of a list: from one put (or the initial state) to the next, all that reads ever showed of it.
//!
//! The first element of a list tells which put began it, if any. The longest list read since then holds the others,
//! or two disagree. Between two versions of it nothing else can be appended (it would show) and nothing put (what
//! was before never comes back), so an epoch is one block. A completed append that nobody saw is one by itself:
//! it may stand wherever a block ends, since nobody reads that list again.

use rustc_hash::FxHashSet;

use super::entry::Atom;
use super::input::{How, Read};
use super::placed::{INITIAL, Place};
use super::view::{Shown, View};
use super::writers::Nearby;
use super::{NONE, Refutation, Stop};

/// A list from one overwrite to the next.
#[derive(Clone, Copy, Debug)]
struct Epoch<'h> {
    /// The write that began it; [`NONE`] for the initial one.
    put: u32,
    longest: Option<(u32, Shown<'h>)>,
    /// Whether the longest list is known to begin with every other.
    agreed: bool,
    /// Where the lengths of its versions begin in [`Epochs::ends`], and how many there are.
    first: usize,
    versions: usize,
}

impl<'h> Epoch<'h> {
    fn new(put: u32) -> Self {
        Self { put, longest: None, agreed: true, first: 0, versions: 0 }
    }

    /// Takes in what a read shows. That it agrees with the others is seen here, while its text is at hand: if each begins
    /// with the one that was the longest before it, the last of these begins with all.
    fn show(&mut self, reader: u32, shown: Shown<'h>) {
        match self.longest {
            Some((_, longest)) if shown.len() <= longest.len() => {
                self.agreed = self.agreed && longest.begins_with(shown);
            }
            longest => {
                let agrees = longest.is_none_or(|(_, longest)| shown.begins_with(longest));
                self.agreed = self.agreed && agrees;
                self.longest = Some((reader, shown));
            }
        }
    }
}

struct Epochs<'v, 'k, 'h> {
    view: &'v View<'k, 'h>,
    /// The first is the initial one.
    epochs: Vec<Epoch<'h>>,
    /// By operation. The block of an epoch has its number.
    places: Vec<Place>,
    /// The lengths of all versions, epoch by epoch.
    ends: Vec<u32>,
    /// The first element of the last read that was looked at, and its epoch: the next is mostly of the same.
    recent: Option<(Atom<'h>, u32)>,
    nearby: Nearby,
}

/// Where each operation stands.
pub(super) fn place(view: &View<'_, '_>) -> Result<Vec<Place>, Stop> {
    let mut begun = Vec::with_capacity(view.key.puts + 1);
    begun.push(Epoch::new(NONE));
    let mut epochs = Epochs {
        view,
        epochs: begun,
        places: vec![Place::NOWHERE; view.key.stamps.len()],
        ends: Vec::with_capacity(view.key.writes.len() + 1),
        recent: None,
        nearby: Nearby::new(&view.key.writes),
    };
    for read in view.reads() {
        let (shown, epoch) = epochs.begin(read)?;
        epochs.epochs[epoch as usize].show(read.operation, shown);
        // In that of its version once the versions are known.
        epochs.places[read.operation as usize] = Place::reader(epoch, 0);
    }
    for epoch in 0..epochs.epochs.len() {
        epochs.walk(epoch)?;
    }
    let mut blocks = u32::try_from(epochs.epochs.len()).expect("fewer than there are operations");
    for (number, write) in view.key.writes.iter().enumerate() {
        let place = &mut epochs.places[write.operation as usize];
        if !place.is_somewhere() && view.is_written(number) {
            *place = Place::writer(blocks, 0);
            blocks += 1;
        }
    }
    for read in view.reads() {
        let epoch = epochs.places[read.operation as usize].block;
        let version = epochs.version(read, epoch)?;
        epochs.places[read.operation as usize] = Place::reader(epoch, version);
    }
    Ok(epochs.places)
}

/// Lists that are longer than this can tell are left to the search.
fn length(length: usize) -> Result<u32, Stop> {
    u32::try_from(length).map_err(|_| Stop::Unclear)
}

impl<'h> Epochs<'_, '_, 'h> {
    /// What a read shows and its epoch, by the first element.
    fn begin(&mut self, read: Read<'h>) -> Result<(Shown<'h>, u32), Stop> {
        let phantom = Refutation::Phantom { reader: read.operation };
        let Some(shown) = self.view.shown(read.value) else { return Err(phantom.into()) };
        if shown.len() == 0 {
            return Ok((shown, INITIAL));
        }
        // No token begins with another, so a text that begins with one was made of it.
        if let Some((recent, epoch)) = self.recent
            && shown.begins_with_atom(recent)
        {
            return Ok((shown, epoch));
        }
        let Some((atom, _)) = self.view.atom_at(shown, 0) else { return Err(phantom.into()) };
        let write = self.view.writer_near(&mut self.nearby, atom, read.operation)?;
        let epoch = if self.view.write(write).how == How::Append { INITIAL } else { self.begun_by(write) };
        self.recent = Some((atom, epoch));
        Ok((shown, epoch))
    }

    /// The epoch that a put began.
    fn begun_by(&mut self, put: u32) -> u32 {
        let place = &mut self.places[self.view.write(put).operation as usize];
        if !place.is_somewhere() {
            let epoch = u32::try_from(self.epochs.len()).expect("fewer than there are operations");
            *place = Place::writer(epoch, 0);
            self.epochs.push(Epoch::new(put));
        }
        place.block
    }

    /// Gives every element of an epoch's longest list its version.
    fn walk(&mut self, epoch: usize) -> Result<(), Stop> {
        let Epoch { put, longest, .. } = self.epochs[epoch];
        let Some((reader, shown)) = longest else { return Ok(()) };
        let number = u32::try_from(epoch).expect("fewer than there are operations");
        let first = self.ends.len();
        let mut at = 0;
        if put == NONE {
            self.ends.push(0);
        }
        while at < shown.len() {
            let Some((atom, end)) = self.view.atom_at(shown, at) else {
                return Err(Refutation::Phantom { reader }.into());
            };
            let write = self.view.writer_near(&mut self.nearby, atom, reader)?;
            if at > 0 || put == NONE {
                let version = u32::try_from(self.ends.len() - first).expect("fewer than operations");
                self.follows(number, version, write, reader)?;
            }
            self.ends.push(length(end)?);
            at = end;
        }
        let versions = self.ends.len() - first;
        self.epochs[epoch] = Epoch { first, versions, ..self.epochs[epoch] };
        Ok(())
    }

    /// A write whose element stands behind another in an epoch.
    fn follows(&mut self, epoch: u32, version: u32, write: u32, reader: u32) -> Result<(), Stop> {
        let writer = self.view.write(write).operation;
        let place = self.places[writer as usize];
        if place.block == epoch {
            return Err(Refutation::Twice { reader, writer }.into());
        }
        if self.view.write(write).how == How::Put {
            return Err(Refutation::PutInside { reader, put: writer }.into());
        }
        if place.is_somewhere() {
            let (other, _) = self.epochs[place.block as usize].longest.expect("it was seen there");
            return Err(Refutation::TwoEpochs { append: writer, one: other, other: reader }.into());
        }
        self.places[writer as usize] = Place::writer(epoch, version);
        Ok(())
    }

    /// The version of its epoch that a read shows.
    fn version(&self, read: Read<'h>, epoch: u32) -> Result<u32, Stop> {
        let shown = self.view.shown(read.value).expect("it is in an epoch");
        let Epoch { put, longest, agreed, first, versions } = self.epochs[epoch as usize];
        let (longest_reader, longest) = longest.expect("it has this read");
        if !agreed && !longest.begins_with(shown) {
            return Err(self.apart(read.operation, shown, longest_reader));
        }
        let ends = &self.ends[first..first + versions];
        let Ok(version) = ends.binary_search(&length(shown.len())?) else {
            return Err(Refutation::Phantom { reader: read.operation }.into());
        };
        // A number that was put is no list of one element, until something is appended to it.
        let bare = matches!(read.value, Atom::Int(_));
        let expected = version == 0 && put != NONE && self.view.write(put).bare;
        if bare != expected {
            return Err(Refutation::Phantom { reader: read.operation }.into());
        }
        Ok(u32::try_from(version).expect("fewer than there are operations"))
    }

    /// What is wrong with a read with which its epoch's longest list does not begin.
    fn apart(&self, reader: u32, shown: Shown<'h>, longest: u32) -> Stop {
        let mut seen: FxHashSet<Atom<'h>> = FxHashSet::default();
        let mut at = 0;
        while at < shown.len() {
            let Some((atom, end)) = self.view.atom_at(shown, at) else {
                return Refutation::Phantom { reader }.into();
            };
            let write = match self.view.writer(atom, reader) {
                Ok(write) => self.view.write(write),
                Err(stop) => return stop,
            };
            if !seen.insert(atom) {
                return Refutation::Twice { reader, writer: write.operation }.into();
            }
            if at > 0 && write.how == How::Put {
                return Refutation::PutInside { reader, put: write.operation }.into();
            }
            at = end;
        }
        Refutation::Fork { one: longest.min(reader), other: longest.max(reader) }.into()
    }
}
