//! Rows of a statement that had to make room on its connection: in memory up to a limit, then in a temporary file.

use crate::pg::memory::Context;
use crate::remote::libpq::Answer;
use expanse_core::kept_row::KeptRow;
use pgrx::pg_sys;
use std::collections::VecDeque;

/// Memory for the rows of one statement, in bytes, before they go to a file.
const MEMORY: usize = 4 << 20;

/// A queue of rows.
#[derive(Default)]
pub struct Spill {
    memory: VecDeque<Answer>,
    bytes: usize,
    file: Option<File>,
}

/// What [`Spill::pop`] gives.
pub enum Popped {
    Memory(Answer),
    File,
    Nothing,
}

impl Spill {
    pub fn push(&mut self, answer: Answer) {
        if self.file.is_none() && self.bytes < MEMORY {
            self.bytes += answer.size();
            self.memory.push_back(answer);
            return;
        }
        let file = self.file.get_or_insert_with(File::create);
        for row in 0..answer.rows() {
            file.write(&answer, row);
        }
    }

    /// The next row; one from the file is put into `into`.
    pub fn pop(&mut self, into: &mut KeptRow) -> Popped {
        if let Some(answer) = self.memory.pop_front() {
            self.bytes -= answer.size();
            return Popped::Memory(answer);
        }
        if self.file.as_mut().is_some_and(|file| file.read(into)) {
            return Popped::File;
        }
        self.file = None;
        Popped::Nothing
    }
}

/// A temporary file of PostgreSQL's, gone when dropped or when the process ends. Rows are written at
/// the end and read from the beginning.
struct File {
    file: *mut pg_sys::BufFile,
    unread: u64,
    read_at: (i32, pg_sys::off_t),
    write_at: (i32, pg_sys::off_t),
    writing: bool,
}

impl File {
    fn create() -> File {
        let file = Context::top().inside(|| {
            // SAFETY: not bound to a resource owner: rows may outlive the portal that made room; Drop closes it.
            unsafe { pg_sys::BufFileCreateTemp(true) }
        });
        File {
            file,
            unread: 0,
            read_at: (0, 0),
            write_at: (0, 0),
            writing: true,
        }
    }

    fn write(&mut self, answer: &Answer, row: usize) {
        if !self.writing {
            self.read_at = self.tell();
            self.seek(self.write_at);
            self.writing = true;
        }
        let columns = answer.columns();
        self.put(&(columns as u32).to_ne_bytes());
        for column in 0..columns {
            match answer.value(row, column) {
                None => self.put(&(-1i32).to_ne_bytes()),
                Some(value) => {
                    self.put(&(value.len() as i32).to_ne_bytes());
                    self.put(value);
                }
            }
        }
        self.unread += 1;
    }

    fn read(&mut self, row: &mut KeptRow) -> bool {
        if self.unread == 0 {
            return false;
        }
        if self.writing {
            self.write_at = self.tell();
            self.seek(self.read_at);
            self.writing = false;
        }
        self.unread -= 1;
        row.clear();
        let mut word = [0u8; 4];
        self.get(&mut word);
        for _ in 0..u32::from_ne_bytes(word) {
            self.get(&mut word);
            self.get(row.add(i32::from_ne_bytes(word)));
        }
        true
    }

    fn put(&mut self, bytes: &[u8]) {
        // SAFETY: pointer and length are those of the slice, which is only read.
        unsafe { pg_sys::BufFileWrite(self.file, bytes.as_ptr().cast_mut().cast(), bytes.len()) }
    }

    fn get(&mut self, bytes: &mut [u8]) {
        // SAFETY: pointer and length are those of the slice.
        let read =
            unsafe { pg_sys::BufFileRead(self.file, bytes.as_mut_ptr().cast(), bytes.len()) };
        if read != bytes.len() {
            crate::error::Error::Internal("temporary file of rows is shorter than written".into())
                .raise();
        }
    }

    fn tell(&self) -> (i32, pg_sys::off_t) {
        let mut at = (0, 0);
        // SAFETY: both places are valid for writing.
        unsafe { pg_sys::BufFileTell(self.file, &mut at.0, &mut at.1) };
        at
    }

    fn seek(&mut self, at: (i32, pg_sys::off_t)) {
        // SAFETY: a position told by BufFileTell. 0 is SEEK_SET.
        unsafe { pg_sys::BufFileSeek(self.file, at.0, at.1, 0) };
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: closed once.
        unsafe { pg_sys::BufFileClose(self.file) }
    }
}
