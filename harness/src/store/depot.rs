//! Results of soaks in an object store, such as S3: a copy that follows a soak, and goes on where its disk is lost.
//!
//! What a soak has written is copied as it grows: new lines in parts, failures whole, `summary.json` last, so that an
//! object store shows by the same file as a folder whether a soak ended. Parts and failures are only added to, and
//! lines that come twice count once: it does not matter when a copy was interrupted. Credentials and endpoints come
//! from the environment (`AWS_…`), as the `object_store` crate reads them. Knows nothing of what lines mean.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, parse_url_opts};
use siphasher::sip::SipHasher13;
use tokio::runtime::{Builder, Runtime};

use super::depot_error::DepotError;
use super::error::StoreError;
use super::files::{create_folder, write_file};
use super::soak_folder::{self, CHARTER, LINES, SUMMARY};

/// Where parts of the file of lines are.
const PARTS: &str = "lines";
/// Bytes of one part, at most; a line is shorter.
const PART_BYTES_MAX: u64 = 16 << 20;
/// Parts of one soak, at most.
const PARTS_MAX: u64 = 999_999;
/// Depth of the folders of a soak, at most.
const DEPTH_MAX: usize = 6;

/// A place in an object store below which there are soaks.
#[derive(Debug)]
pub struct Depot {
    address: String,
    store: Box<dyn ObjectStore>,
    root: Key,
    runtime: Runtime,
}

impl Depot {
    /// The depot at an address such as `s3://bucket/prefix` or `file:///folder`.
    ///
    /// # Errors
    ///
    /// If the address is none, or what the environment says does not suffice for it. Nothing is sent yet.
    pub fn open(address: &str) -> Result<Self, DepotError> {
        let wrong = |message: String| DepotError::Address { address: address.to_owned(), message };
        let url: url::Url = address.parse().map_err(|error: url::ParseError| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "s3" | "s3a" | "file") {
            return Err(wrong(format!("there are no stores of the kind {:?}", url.scheme())));
        }
        encrypt_with_ring();
        let settings = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("AWS_"));
        let (store, root) = parse_url_opts(&url, settings).map_err(|error| wrong(error.to_string()))?;
        Self::over(store, root, address)
    }

    fn over(store: Box<dyn ObjectStore>, root: Key, address: &str) -> Result<Self, DepotError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| DepotError::Address {
            address: address.to_owned(),
            message: format!("no connection can be made: {error}"),
        })?;
        Ok(Self { address: address.trim_end_matches('/').to_owned(), store, root, runtime })
    }

    /// The soaks that are here, by name: those below this place, or the one that it is itself.
    ///
    /// # Errors
    ///
    /// If they cannot be listed.
    pub fn soaks(&self) -> Result<Vec<String>, DepotError> {
        let (folders, objects) = self.list(&self.root)?;
        if objects.iter().any(|name| name == CHARTER) {
            return Ok(vec![String::new()]);
        }
        Ok(folders.into_iter().filter(|name| name.starts_with("soak-")).collect())
    }

    /// The newest soak that was asked for the same and did not end.
    ///
    /// # Errors
    ///
    /// If they cannot be looked at.
    pub fn unfinished(&self, charter: &str) -> Result<Option<String>, DepotError> {
        let mut names = self.soaks()?;
        names.retain(|name| name.ends_with(&digest(charter)));
        for name in names.into_iter().rev() {
            let soak = self.key(&name);
            let (_, objects) = self.list(&soak)?;
            let is_under_way = !objects.iter().any(|name| name == SUMMARY);
            if is_under_way && self.get(&soak.clone().join(CHARTER))? == charter.as_bytes() {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// Brings a soak into a folder of its name below `parent`, where there must be none; the folder.
    ///
    /// # Errors
    ///
    /// If it cannot be read or written.
    pub fn fetch(&self, name: &str, parent: &Path) -> Result<PathBuf, DepotError> {
        let shown = if name.is_empty() { self.root.filename().unwrap_or("soak") } else { name };
        let unfinished = parent.join(format!(".unfinished-{shown}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&unfinished);
        create_folder(&unfinished)?;
        let soak = self.key(name);
        self.fetch_below(&soak, &unfinished, DEPTH_MAX)?;
        let mut lines = Vec::new();
        for part in self.list(&soak.clone().join(PARTS))?.1 {
            lines.extend(self.get(&soak.clone().join(PARTS).join(part))?);
        }
        write_file(&unfinished.join(LINES), &lines)?;
        let folder = parent.join(shown);
        fs::rename(&unfinished, &folder).map_err(StoreError::refused("rename a folder to", &folder))?;
        Ok(folder)
    }

    fn fetch_below(&self, from: &Key, to: &Path, depth_max: usize) -> Result<(), DepotError> {
        let (folders, objects) = self.list(from)?;
        for name in objects {
            write_file(&to.join(&name), &self.get(&from.clone().join(name.as_str()))?)?;
        }
        for name in folders.iter().filter(|name| *name != PARTS && depth_max > 0) {
            create_folder(&to.join(name))?;
            self.fetch_below(&from.clone().join(name.as_str()), &to.join(name), depth_max - 1)?;
        }
        Ok(())
    }

    /// Begins, or goes on with, the copy of the soak in a folder.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read, or the store refuses.
    pub fn copy_of(self, folder: &Path) -> Result<SoakCopy, DepotError> {
        let charter_path = folder.join(CHARTER);
        let charter =
            fs::read_to_string(&charter_path).map_err(StoreError::refused("read", &charter_path))?;
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let digest = digest(&charter);
        let name = if name.ends_with(&digest) { name } else { format!("{name}-{digest}") };
        let soak = self.key(&name);
        let parts = self.sizes(&soak.clone().join(PARTS))?;
        let copy = SoakCopy {
            folder: folder.to_owned(),
            parts: parts.len() as u64,
            bytes: parts.iter().sum(),
            failures: BTreeSet::new(),
            soak,
            depot: self,
        };
        copy.depot.put(&copy.soak.clone().join(CHARTER), charter.into_bytes())?;
        Ok(copy)
    }

    fn key(&self, name: &str) -> Key {
        if name.is_empty() { self.root.clone() } else { self.root.clone().join(name) }
    }

    /// The names right below a place: of folders and of objects, in order. Names that no soak writes are left out.
    fn list(&self, place: &Key) -> Result<(Vec<String>, Vec<String>), DepotError> {
        let listed = self.runtime.block_on(self.store.list_with_delimiter(Some(place)));
        let listed = listed.map_err(|error| self.refused("list", place, &error))?;
        let names = |keys: &mut dyn Iterator<Item = &Key>| {
            let names = keys.filter_map(|key| key.filename().map(str::to_owned));
            let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
            names.sort();
            names
        };
        let folders = names(&mut listed.common_prefixes.iter());
        Ok((folders, names(&mut listed.objects.iter().map(|object| &object.location))))
    }

    fn sizes(&self, place: &Key) -> Result<Vec<u64>, DepotError> {
        let listed = self.runtime.block_on(self.store.list_with_delimiter(Some(place)));
        let listed = listed.map_err(|error| self.refused("list", place, &error))?;
        Ok(listed.objects.iter().map(|object| object.size).collect())
    }

    fn get(&self, key: &Key) -> Result<Vec<u8>, DepotError> {
        let got = self.runtime.block_on(async { self.store.get(key).await?.bytes().await });
        Ok(got.map_err(|error| self.refused("read", key, &error))?.to_vec())
    }

    fn put(&self, key: &Key, bytes: Vec<u8>) -> Result<(), DepotError> {
        let put = self.runtime.block_on(self.store.put(key, PutPayload::from(bytes)));
        put.map(drop).map_err(|error| self.refused("write", key, &error))
    }

    fn refused(&self, action: &'static str, key: &Key, error: &object_store::Error) -> DepotError {
        let place = format!("{key} at {}", self.address);
        DepotError::Refused { action, place, message: error.to_string() }
    }
}

/// The copy of one soak that is under way.
#[derive(Debug)]
pub struct SoakCopy {
    depot: Depot,
    soak: Key,
    folder: PathBuf,
    /// Parts of the file of lines that are there, and their bytes.
    parts: u64,
    bytes: u64,
    /// Failures that are there.
    failures: BTreeSet<PathBuf>,
}

impl SoakCopy {
    /// Where it is.
    pub fn place(&self) -> String {
        format!("{}/{}", self.depot.address, self.soak.filename().unwrap_or_default())
    }

    /// Copies the lines and failures that are new.
    ///
    /// # Errors
    ///
    /// If they cannot be read, or the store refuses; the next attempt goes on there.
    pub fn follow(&mut self) -> Result<(), DepotError> {
        while let Some(part) = self.next_part()? {
            assert!(self.parts < PARTS_MAX, "a copy has few parts");
            let key = self.soak.clone().join(PARTS).join(format!("{:06}.jsonl", self.parts + 1));
            let bytes = part.len() as u64;
            self.depot.put(&key, part)?;
            self.parts += 1;
            self.bytes += bytes;
        }
        for (failure, _) in soak_folder::stored_failures(&self.folder)? {
            if !self.failures.contains(&failure) {
                self.put_below(&failure, DEPTH_MAX)?;
                self.failures.insert(failure);
            }
        }
        Ok(())
    }

    /// Whole lines that are not there yet.
    fn next_part(&mut self) -> Result<Option<Vec<u8>>, DepotError> {
        let path = self.folder.join(LINES);
        let refused = || StoreError::refused("read", &path);
        let mut lines = File::open(&path).map_err(refused())?;
        if lines.metadata().map_err(refused())?.len() < self.bytes {
            // The disk lost lines that the store has: what is written in their place comes as well.
            self.bytes = 0;
        }
        lines.seek(SeekFrom::Start(self.bytes)).map_err(refused())?;
        let mut part = Vec::new();
        lines.take(PART_BYTES_MAX).read_to_end(&mut part).map_err(refused())?;
        part.truncate(part.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1));
        Ok(Some(part).filter(|part| !part.is_empty()))
    }

    /// Copies everything, after the soak has ended; the summary last.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or the store refuses.
    pub fn finish(mut self) -> Result<String, DepotError> {
        self.follow()?;
        // Once more, with what was shrunk since.
        self.put_below(&self.folder, DEPTH_MAX)?;
        let path = self.folder.join(SUMMARY);
        let summary = fs::read(&path).map_err(StoreError::refused("read", &path))?;
        self.depot.put(&self.soak.clone().join(SUMMARY), summary)?;
        Ok(self.place())
    }

    /// Copies what is in a folder of the soak, except its lines and its summary.
    fn put_below(&self, folder: &Path, depth_max: usize) -> Result<(), DepotError> {
        for entry in fs::read_dir(folder).map_err(StoreError::refused("list", folder))? {
            let path = entry.map_err(StoreError::refused("list", folder))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let is_apart = folder == self.folder && [LINES, SUMMARY].contains(&name.as_str());
            if name.starts_with('.') || is_apart {
                continue;
            } else if path.is_dir() {
                if depth_max > 0 {
                    self.put_below(&path, depth_max - 1)?;
                }
                continue;
            }
            let below = path.strip_prefix(&self.folder).expect("a folder holds what is in it");
            let mut key = self.soak.clone();
            for part in below {
                key = key.join(part.to_string_lossy().into_owned());
            }
            self.depot.put(&key, fs::read(&path).map_err(StoreError::refused("read", &path))?)?;
        }
        Ok(())
    }
}

/// Names the cryptography of connections, which the client of the web must be told.
fn encrypt_with_ring() {
    // Refused only where it has been named before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What tells soaks of other charters apart by their names.
fn digest(charter: &str) -> String {
    let mut hasher = SipHasher13::new_with_keys(0, 1);
    hasher.write(charter.as_bytes());
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;
    use crate::store::{SoakPages, Store};

    fn depot(memory: &Arc<InMemory>) -> Depot {
        let store: Box<dyn ObjectStore> = Box::new(Arc::clone(memory));
        Depot::over(store, Key::from("nightly/all"), "memory:///nightly/all").expect("memory needs nothing")
    }

    /// The disk is lost after some lines; another machine goes on, and everything is there in the end, once.
    #[test]
    fn a_depot_holds_what_a_soak_has_written() {
        let memory = Arc::new(InMemory::new());
        let (lost, kept) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let store = Store::open(lost.path()).expect("writable");
        let mut folder = store.begin_soak("20260712T101500Z", "asked").expect("writable");
        let mut copy = depot(&memory).copy_of(folder.path()).expect("copied");
        for number in 0..5 {
            folder.seed(&format!("line {number}")).expect("written");
            copy.follow().expect("copied");
        }
        // Half a line is not copied.
        fs::write(folder.path().join(LINES), "line 0\nline 1\nline 2\nline 3\nline 4\nli").expect("written");
        copy.follow().expect("copied");
        assert_eq!((copy.parts, copy.bytes), (5, 35));

        assert_eq!(depot(&memory).unfinished("asked for something else").expect("listed"), None);
        let name = depot(&memory).unfinished("asked").expect("listed").expect("there is one");
        let fetched = depot(&memory).fetch(&name, kept.path()).expect("fetched");
        let lines = fs::read_to_string(fetched.join(LINES)).expect("lines");
        assert_eq!(lines, "line 0\nline 1\nline 2\nline 3\nline 4\n");
        let store = Store::open(kept.path()).expect("writable");
        let mut folder = store.resume_soak("asked").expect("readable").expect("it goes on");
        let copy = depot(&memory).copy_of(folder.path()).expect("copied");
        assert_eq!((copy.parts, copy.bytes), (5, 35), "what is there stays there");
        folder.seed("line 5").expect("written");
        let page = |name: &str| name.to_owned();
        let pages = SoakPages { summary: page("{}"), junit: page("<x/>"), index: page("<html>") };
        folder.finish(&pages).expect("written");
        let place = copy.finish().expect("copied");
        assert_eq!(place, format!("memory:///nightly/all/{name}"));

        assert_eq!(depot(&memory).unfinished("asked").expect("listed"), None, "it has ended");
        assert_eq!(depot(&memory).soaks().expect("listed"), [name.as_str()]);
        let again = tempfile::tempdir().expect("a folder");
        let fetched = depot(&memory).fetch(&name, again.path()).expect("fetched");
        let read = |name: &str| fs::read_to_string(fetched.join(name)).expect("a file");
        assert_eq!(read(LINES).lines().count(), 6);
        assert_eq!(
            (read("index.html"), read(SUMMARY), read(CHARTER)),
            (page("<html>"), page("{}"), page("asked"))
        );
    }

    #[test]
    fn a_depot_is_no_depot_for_a_wrong_address() {
        for (address, reason) in [
            ("results", "relative URL without a base"),
            ("ftp://host/folder", "no stores of the kind \"ftp\""),
            ("s3:///no-bucket", ""),
        ] {
            let error = Depot::open(address).expect_err("refused").to_string();
            assert!(error.contains(reason) && error.contains("expected s3://bucket/prefix"), "{error}");
        }
    }
}
