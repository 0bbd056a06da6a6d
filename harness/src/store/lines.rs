//! Reading files of lines that a killed process may have left: every line but the last is whole.
//!
//! Lines are handed on one by one, so memory does not grow with the file. What they mean is the reader's business.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::error::StoreError;

/// Bytes of a line, at most.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// What a file of lines held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lines {
    /// Bytes of the lines that are whole.
    pub(super) whole_bytes: u64,
    /// Whether something follows that is none.
    pub(super) is_torn: bool,
}

/// Reads a file line by line; `take` is given where each begins, and says what is wrong with it.
///
/// # Errors
///
/// If it cannot be read, or holds a whole line that is refused.
pub(super) fn read_lines(
    path: &Path,
    take: &mut dyn FnMut(u64, &str) -> Result<(), String>,
) -> Result<Lines, StoreError> {
    let refused = || StoreError::refused("read", path);
    let mut reader = BufReader::new(File::open(path).map_err(refused())?);
    let (mut line, mut number, mut whole_bytes) = (Vec::new(), 0, 0);
    loop {
        line.clear();
        number += 1;
        let read = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(refused())?;
        let malformed =
            |message: String| StoreError::Malformed { path: path.to_owned(), line: number, message };
        if line.last() != Some(&b'\n') {
            if read as u64 == LINE_BYTES_MAX {
                return Err(malformed(format!("longer than {LINE_BYTES_MAX} bytes")));
            }
            return Ok(Lines { whole_bytes, is_torn: read > 0 });
        }
        line.pop();
        let text = std::str::from_utf8(&line).map_err(|error| malformed(error.to_string()))?;
        take(whole_bytes, text).map_err(malformed)?;
        whole_bytes += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<(Vec<(u64, String)>, Lines), String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lines");
        std::fs::write(&path, bytes).expect("written");
        let mut taken = Vec::new();
        let mut take = |at, line: &str| {
            if line == "wrong" {
                return Err("refused".into());
            }
            taken.push((at, line.to_owned()));
            Ok(())
        };
        let lines = read_lines(&path, &mut take).map_err(|error| error.to_string())?;
        Ok((taken, lines))
    }

    #[test]
    fn only_the_last_line_can_be_torn() {
        let (taken, lines) = read(b"one\ntwo\nthr").expect("readable");
        assert_eq!(taken, [(0, "one".to_owned()), (4, "two".to_owned())]);
        assert_eq!(lines, Lines { whole_bytes: 8, is_torn: true });
        assert_eq!(read(b"one\n").expect("readable").1, Lines { whole_bytes: 4, is_torn: false });
        assert_eq!(read(b"").expect("readable").1, Lines { whole_bytes: 0, is_torn: false });
    }

    #[test]
    fn a_whole_line_that_is_wrong_is_named() {
        let error = read(b"one\nwrong\ntwo\n").expect_err("refused");
        assert!(error.contains("lines:2: refused"), "{error}");
        assert!(read(b"\xff\xff\n").expect_err("no text").contains("lines:1: "));
        assert!(read(&vec![b'x'; 2 << 20]).expect_err("too long").contains("longer than"));
    }
}
