//! Where a collection of JSON or EDN ends, before any parser sees it: depth and size are bounded here, and what is
//! never closed is reported where it begins.

/// Collections inside one another, at most.
pub(super) const DEPTH_MAX: usize = 32;

/// Where the first collection of the text ends, or what is wrong where. Strings do not count, nor do the
/// characters and comments of EDN, which JSON has not.
pub(super) fn form_end(text: &str, bytes_max: usize) -> Result<usize, (usize, String)> {
    let mut expected: Vec<u8> = Vec::new();
    let mut bytes = text.bytes().enumerate();
    while let Some((index, byte)) = bytes.next() {
        if index >= bytes_max {
            return Err((
                0,
                format!("more than the bound of {bytes_max} bytes (line_bytes_max); expected one event"),
            ));
        }
        match byte {
            b'"' => {
                while let Some((_, byte)) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'\\' => drop(bytes.next()),
            b';' => drop(bytes.by_ref().find(|(_, byte)| *byte == b'\n')),
            b'{' | b'[' | b'(' => {
                if expected.len() >= DEPTH_MAX {
                    return Err((index, format!("more than {DEPTH_MAX} collections inside one another")));
                }
                expected.push(match byte {
                    b'{' => b'}',
                    b'[' => b']',
                    _ => b')',
                });
            }
            b'}' | b']' | b')' => {
                if expected.pop() != Some(byte) {
                    return Err((index, format!("`{}` closes nothing that is open here", char::from(byte))));
                }
                if expected.is_empty() {
                    return Ok(index + 1);
                }
            }
            _ => {}
        }
    }
    Err((0, "the operation is never closed; expected its last bracket".to_owned()))
}
