//! Which histories were named, and their bytes: files, folders, stores of a test, stdin; packed or not.
//!
//! A folder is looked through for files that may be histories, in the order of their names. One that is the store of
//! a test (Jepsen's, Maelstrom's or our own) holds one history, whatever else lies beside it. Links to folders are
//! followed only where they are named.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The history of a store, by the names that it may have there, best first.
const STORED: [&str; 4] = ["history.jsonl", "history.edn", "history.json", "history.txt"];
/// How a history's name may end, before `.gz` and `.zst`.
const EXTENSIONS: [&str; 7] = ["jsonl", "ndjson", "json", "edn", "log", "txt", "tsv"];
/// Files of one folder, at most.
const FILES_MAX: usize = 100_000;
/// Folders inside one another, at most.
const DEPTH_MAX: usize = 64;
/// Bytes that a packed history may unpack to: small files can hold as much as a machine has not.
pub(super) const UNPACKED_BYTES_MAX: u64 = 2 << 30;

/// How the bytes of a file are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstandard,
}

impl Packing {
    /// By the first bytes.
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstandard),
            _ => None,
        }
    }

    /// Its name in the output.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstandard => "zstd",
        }
    }
}

/// What is to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// What comes through stdin.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Input {
    /// Its name, for people.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stdin => "stdin".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Its text as bytes, and how it was packed.
    pub(super) fn read(&self) -> anyhow::Result<(Vec<u8>, Option<Packing>)> {
        let name = self.name();
        let bytes = match self {
            Self::Stdin => {
                let mut bytes = Vec::new();
                io::stdin().read_to_end(&mut bytes).context("cannot read stdin")?;
                bytes
            }
            Self::File(path) => fs::read(path)
                .with_context(|| format!("cannot read {name}; give the file of a recorded history"))?,
        };
        let Some(packing) = Packing::of(&bytes) else { return Ok((bytes, None)) };
        Ok((unpacked(&name, packing, &bytes, UNPACKED_BYTES_MAX)?, Some(packing)))
    }
}

/// The bytes in a packed file, at most so many.
fn unpacked(name: &str, packing: Packing, bytes: &[u8], bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    let torn = || format!("cannot unpack {name} ({}); is it whole?", packing.name());
    // One byte more than allowed tells that there are more.
    match packing {
        Packing::Gzip => {
            flate2::read::MultiGzDecoder::new(bytes).take(bytes_max + 1).read_to_end(&mut unpacked)
        }
        Packing::Zstandard => zstd::stream::read::Decoder::with_buffer(bytes)
            .with_context(torn)?
            .take(bytes_max + 1)
            .read_to_end(&mut unpacked),
    }
    .with_context(torn)?;
    anyhow::ensure!(
        unpacked.len() as u64 <= bytes_max,
        "{name} unpacks to more than {bytes_max} bytes, the bound for packed histories; unpack it first"
    );
    Ok(unpacked)
}

/// The inputs that one argument names.
pub(super) fn named(argument: &Path) -> anyhow::Result<Vec<Input>> {
    if argument == Path::new("-") {
        return Ok(vec![Input::Stdin]);
    }
    if !argument.is_dir() {
        return Ok(vec![Input::File(argument.to_owned())]);
    }
    let mut found = Vec::new();
    collect(argument, 0, &mut found)?;
    anyhow::ensure!(
        !found.is_empty(),
        "no history in {}; they end in .{}, perhaps with .gz or .zst",
        argument.display(),
        EXTENSIONS.join(", .")
    );
    Ok(found.into_iter().map(Input::File).collect())
}

fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let shown = folder.display();
    anyhow::ensure!(depth <= DEPTH_MAX, "{shown} lies more than {DEPTH_MAX} folders deep; name it itself");
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read the folder {shown}"))? {
        let entry = entry.with_context(|| format!("cannot read the folder {shown}"))?;
        let kind = entry.file_type().with_context(|| format!("cannot read the folder {shown}"))?;
        entries.push((entry.path(), kind));
    }
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    let stored = STORED.iter().find_map(|name| {
        entries.iter().map(|(path, _)| path).find(|path| path.is_file() && unpacked_name(path) == Some(name))
    });
    if let Some(path) = stored {
        found.push(path.clone());
        return Ok(());
    }
    for (path, kind) in entries {
        if kind.is_dir() {
            collect(&path, depth + 1, found)?;
        } else if path.is_file() && may_be_history(&path) {
            anyhow::ensure!(found.len() < FILES_MAX, "more than {FILES_MAX} histories; check them in parts");
            found.push(path);
        }
    }
    Ok(())
}

/// A file's name without the ending that says how it is packed.
fn unpacked_name(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?;
    Some(name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name))
}

fn may_be_history(path: &Path) -> bool {
    unpacked_name(path)
        .and_then(|name| name.rsplit_once('.'))
        .is_some_and(|(_, extension)| EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn zstandard(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 1).expect("memory")
    }

    #[test]
    fn packed_bytes_come_out_whole_also_from_several_members() {
        for (packing, pack) in
            [(Packing::Gzip, gzip as fn(&[u8]) -> Vec<u8>), (Packing::Zstandard, zstandard)]
        {
            let packed = [pack(b"one "), pack(b"two")].concat();
            assert_eq!(Packing::of(&packed), Some(packing));
            assert_eq!(unpacked("h", packing, &packed, 7).expect("whole"), b"one two");
            let error = unpacked("h", packing, &packed, 6).expect_err("too large").to_string();
            assert_eq!(
                error,
                "h unpacks to more than 6 bytes, the bound for packed histories; unpack it first"
            );
        }
    }

    /// A packed file of a few hundred kilobytes that would unpack to 256 MB is read no further than the bound.
    #[test]
    fn bombs_are_not_unpacked() {
        let zeros = vec![0; 1 << 20];
        for (packing, pack) in
            [(Packing::Gzip, gzip as fn(&[u8]) -> Vec<u8>), (Packing::Zstandard, zstandard)]
        {
            let bomb = pack(&zeros).repeat(256);
            assert!(bomb.len() < 2 << 20, "{}", bomb.len());
            assert!(unpacked("bomb", packing, &bomb, 1 << 16).is_err());
        }
    }

    #[test]
    fn torn_or_changed_packed_files_are_refused_or_read_and_never_panic() {
        let text = b"{\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n".repeat(40);
        for (packing, packed) in [(Packing::Gzip, gzip(&text)), (Packing::Zstandard, zstandard(&text))] {
            for end in 0..packed.len() {
                assert!(end == 0 || unpacked("h", packing, &packed[..end], 1 << 20).is_err(), "{end}");
            }
            for at in 0..packed.len() {
                for bit in 0..8 {
                    let mut changed = packed.clone();
                    changed[at] ^= 1 << bit;
                    let _ = unpacked("h", packing, &changed, 1 << 20);
                }
            }
        }
    }
}
