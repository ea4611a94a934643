//! Lines of COPY's text format.

/// Appends one field; `None` is NULL.
pub fn push_field(line: &mut Vec<u8>, first: bool, field: Option<&[u8]>) {
    if !first {
        line.push(b'\t');
    }
    let Some(bytes) = field else {
        line.extend_from_slice(b"\\N");
        return;
    };
    let plain = |byte: &u8| !matches!(byte, b'\\' | b'\n' | b'\r' | b'\t');
    if bytes.iter().all(plain) {
        line.extend_from_slice(bytes);
        return;
    }
    for &byte in bytes {
        match byte {
            b'\\' => line.extend_from_slice(b"\\\\"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            other => line.push(other),
        }
    }
}
