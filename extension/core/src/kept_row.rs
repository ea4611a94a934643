//! One row of another node, read back from the file where it had to wait for its reader.

/// The values of a row, in one allocation that is used again for the next row.
#[derive(Debug, Default)]
pub struct KeptRow {
    /// The values, each followed by a NUL byte as in libpq's results: input functions read up to it.
    bytes: Vec<u8>,
    /// Start and length of each value; a negative length is NULL.
    columns: Vec<(usize, i32)>,
}

impl KeptRow {
    /// How many values the row has.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// A value, behind which lies its NUL byte; `None` is NULL.
    pub fn value(&self, column: usize) -> Option<&[u8]> {
        let &(start, length) = self.columns.get(column)?;
        let length = usize::try_from(length).ok()?;
        Some(&self.bytes[start..start + length])
    }

    /// Makes it a row without values.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.columns.clear();
    }

    /// Adds a value of this length (negative: NULL): the place to put it.
    pub fn add(&mut self, length: i32) -> &mut [u8] {
        let start = self.bytes.len();
        self.columns.push((start, length));
        let Ok(length) = usize::try_from(length) else {
            return &mut [];
        };
        self.bytes.resize(start + length + 1, 0);
        &mut self.bytes[start..start + length]
    }
}

#[cfg(test)]
mod tests {
    use super::KeptRow;
    use std::ffi::CStr;

    #[test]
    fn every_value_ends_in_a_nul_of_its_own() {
        let values = [Some("hello"), None, Some(""), Some("world")];
        let mut row = KeptRow::default();
        for _ in 0..2 {
            row.clear();
            for value in values {
                let bytes = value.unwrap_or_default().as_bytes();
                row.add(value.map_or(-1, |_| bytes.len() as i32))
                    .copy_from_slice(bytes);
            }
            assert_eq!(row.columns(), 4);
            for (column, value) in values.iter().enumerate() {
                assert_eq!(row.value(column), value.map(str::as_bytes));
                let Some(value) = value else { continue };
                let read = CStr::from_bytes_until_nul(&row.bytes[row.columns[column].0..]);
                assert_eq!(read.map(CStr::to_bytes), Ok(value.as_bytes()));
            }
        }
    }
}
