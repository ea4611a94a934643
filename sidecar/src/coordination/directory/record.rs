//! How an entry is written to its file: one line of JSON, then the data as it is.

use serde::{Deserialize, Serialize};

use crate::coordination::Version;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub version: Version,
    /// The session that keeps an ephemeral entry alive.
    pub session: Option<String>,
    pub data: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    bytes: usize,
    crc32: u32,
}

impl Record {
    pub fn encode(&self) -> Vec<u8> {
        let header = Header {
            version: self.version.0,
            session: self.session.clone(),
            bytes: self.data.len(),
            crc32: crc32fast::hash(&self.data),
        };
        let mut file = serde_json::to_vec(&header).expect("a header of numbers and text is JSON");
        file.push(b'\n');
        file.extend_from_slice(&self.data);
        file
    }

    /// # Errors
    /// What is wrong with the file.
    pub fn decode(file: &[u8]) -> Result<Self, String> {
        let end = file
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or("it has no header")?;
        let header: Header =
            serde_json::from_slice(&file[..end]).map_err(|error| error.to_string())?;
        let data = &file[end + 1..];
        if data.len() != header.bytes || crc32fast::hash(data) != header.crc32 {
            return Err("its checksum is wrong".to_owned());
        }
        Ok(Self {
            version: Version(header.version),
            session: header.session,
            data: data.to_vec(),
        })
    }
}

/// The file name of one part of a path. Reversible, never beginning with a dot, so that the store's
/// own files can.
pub fn encode_part(part: &str) -> String {
    let mut name = String::new();
    for (index, byte) in part.bytes().enumerate() {
        let plain =
            byte.is_ascii_alphanumeric() || b"_-".contains(&byte) || (byte == b'.' && index > 0);
        if plain {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02x}"));
        }
    }
    name
}

/// The part that a file name stands for, `None` if it stands for none.
pub fn decode_part(name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let part = String::from_utf8(bytes).ok()?;
    (encode_part(&part) == name).then_some(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_round_trip(version: i32, session: Option<String>, data: Vec<u8>) {
            let record = Record { version: Version(version), session, data };
            prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
        }

        #[test]
        fn damaged_records_are_refused_or_equal(data: Vec<u8>, at: prop::sample::Index, byte: u8) {
            let record = Record { version: Version(7), session: None, data };
            let mut file = record.encode();
            let at = at.index(file.len());
            file[at] = byte;
            if let Ok(read) = Record::decode(&file) {
                prop_assert_eq!(read.data, record.data);
            }
        }

        #[test]
        fn parts_round_trip(part in "\\PC{1,20}") {
            let name = encode_part(&part);
            prop_assert!(!name.starts_with('.') && !name.contains('/'));
            prop_assert_eq!(decode_part(&name), Some(part));
        }

        #[test]
        fn any_name_is_decoded_or_refused(name: String) {
            if let Some(part) = decode_part(&name) {
                prop_assert_eq!(encode_part(&part), name);
            }
        }
    }
}
