//! libpq as safe Rust: one connection, one result, nothing that blocks except [`Pq::cancel`].
//!
//! # Unwind safety
//! libpq never calls PostgreSQL's error machinery; notices are collected, not raised, in [`collect_notice`].

use crate::error::Raised;
use pq_sys::*;
use std::cell::RefCell;
use std::ffi::{c_char, c_void, CStr, CString};
use std::ptr::null;

/// Notices that have arrived and have not been passed on.
type Notices = RefCell<Vec<Raised>>;

/// A connection; closed when dropped.
pub struct Pq {
    conn: *mut PGconn,
    notices: Box<Notices>,
}

/// What to wait for next while connecting.
pub enum Connecting {
    Read,
    Write,
    Done,
    Failed,
}

impl Pq {
    /// Begins to connect; go on with [`Pq::poll`].
    pub fn start(parameters: &[(&CStr, CString)]) -> Pq {
        let mut keys: Vec<*const c_char> = parameters.iter().map(|(k, _)| k.as_ptr()).collect();
        let mut values: Vec<*const c_char> = parameters.iter().map(|(_, v)| v.as_ptr()).collect();
        keys.push(null());
        values.push(null());
        let notices: Box<Notices> = Box::default();
        // SAFETY: both arrays end in a null pointer and live through the call, which copies them. The receiver's
        // argument is boxed and lives as long as the connection.
        let conn = unsafe {
            let conn = PQconnectStartParams(keys.as_ptr(), values.as_ptr(), 0);
            if !conn.is_null() {
                let argument = std::ptr::from_ref::<Notices>(&notices);
                PQsetNoticeReceiver(conn, Some(collect_notice), argument.cast_mut().cast());
            }
            conn
        };
        Pq { conn, notices }
    }

    /// One step of connecting.
    pub fn poll(&mut self) -> Connecting {
        if self.conn.is_null() {
            return Connecting::Failed;
        }
        // SAFETY: the connection is valid until dropped.
        match unsafe { PQconnectPoll(self.conn) } {
            PostgresPollingStatusType::PGRES_POLLING_READING => Connecting::Read,
            PostgresPollingStatusType::PGRES_POLLING_WRITING => Connecting::Write,
            PostgresPollingStatusType::PGRES_POLLING_OK => {
                // SAFETY: as above.
                unsafe { PQsetnonblocking(self.conn, 1) };
                Connecting::Done
            }
            _ => Connecting::Failed,
        }
    }

    pub fn socket(&self) -> i32 {
        // SAFETY: libpq accepts any connection pointer, null included.
        unsafe { PQsocket(self.conn) }
    }

    /// Is the connection usable, as far as is known?
    pub fn alive(&self) -> bool {
        // SAFETY: as in socket.
        unsafe { PQstatus(self.conn) == ConnStatusType::CONNECTION_OK }
    }

    /// The first line of the last error.
    pub fn error(&self) -> String {
        // SAFETY: PQerrorMessage always gives a NUL-terminated string.
        let text = unsafe { CStr::from_ptr(PQerrorMessage(self.conn)) }.to_string_lossy();
        let line = text.lines().next().unwrap_or_default();
        let line = line.trim_start_matches("FATAL:").trim();
        if line.is_empty() {
            "the server closed the connection".into()
        } else {
            line.to_owned()
        }
    }

    /// Sends text by the simple protocol: several statements are possible. Not in a pipeline.
    pub fn send_simple(&mut self, sql: &CStr) -> bool {
        // SAFETY: a valid connection and a NUL-terminated string.
        unsafe { PQsendQuery(self.conn, sql.as_ptr()) == 1 }
    }

    /// Sends one statement by the extended protocol.
    pub fn send(&mut self, sql: &CStr, types: &[Oid], values: &Values, binary: bool) -> bool {
        // SAFETY: the arrays have `values.len()` entries and live through the call; types is either empty or complete.
        unsafe {
            PQsendQueryParams(
                self.conn,
                sql.as_ptr(),
                values.len(),
                if types.is_empty() {
                    null()
                } else {
                    types.as_ptr()
                },
                values.as_ptr(),
                null(),
                null(),
                i32::from(binary),
            ) == 1
        }
    }

    pub fn send_prepare(&mut self, name: &CStr, sql: &CStr, types: &[Oid]) -> bool {
        // SAFETY: as in send.
        unsafe {
            PQsendPrepare(
                self.conn,
                name.as_ptr(),
                sql.as_ptr(),
                types.len() as i32,
                types.as_ptr(),
            ) == 1
        }
    }

    pub fn send_prepared(&mut self, name: &CStr, values: &Values, binary: bool) -> bool {
        // SAFETY: as in send.
        unsafe {
            PQsendQueryPrepared(
                self.conn,
                name.as_ptr(),
                values.len(),
                values.as_ptr(),
                null(),
                null(),
                i32::from(binary),
            ) == 1
        }
    }

    /// Rows of the statement whose results come next arrive one by one.
    pub fn single_row_mode(&mut self) {
        // SAFETY: as in socket. A refusal only means that the rows come in one result.
        unsafe { PQsetSingleRowMode(self.conn) };
    }

    pub fn enter_pipeline(&mut self) -> bool {
        // SAFETY: as in socket.
        unsafe { PQenterPipelineMode(self.conn) == 1 }
    }

    pub fn exit_pipeline(&mut self) -> bool {
        // SAFETY: as in socket.
        unsafe { PQexitPipelineMode(self.conn) == 1 }
    }

    pub fn sync(&mut self) -> bool {
        // SAFETY: as in socket.
        unsafe { PQpipelineSync(self.conn) == 1 }
    }

    /// Sends what is buffered: `Some(true)` when all is sent, `Some(false)` when the socket is full, `None` when broken.
    pub fn flush(&mut self) -> Option<bool> {
        // SAFETY: as in socket.
        match unsafe { PQflush(self.conn) } {
            0 => Some(true),
            1 => Some(false),
            _ => None,
        }
    }

    /// Reads what has arrived; false when the connection is broken.
    pub fn consume(&mut self) -> bool {
        // SAFETY: as in socket.
        unsafe { PQconsumeInput(self.conn) == 1 }
    }

    /// Would [`Pq::result`] block?
    pub fn busy(&self) -> bool {
        // SAFETY: as in socket.
        unsafe { PQisBusy(self.conn) == 1 }
    }

    /// The next result of the current statement; `None` at its end. Call it only when not [`Pq::busy`].
    pub fn result(&mut self) -> Option<Answer> {
        // SAFETY: as in socket.
        let result = unsafe { PQgetResult(self.conn) };
        (!result.is_null()).then_some(Answer { result })
    }

    /// Queues data of a COPY: `Some(false)` when the buffer is full.
    pub fn put_copy(&mut self, data: &[u8]) -> Option<bool> {
        // SAFETY: pointer and length are those of the slice.
        match unsafe { PQputCopyData(self.conn, data.as_ptr().cast(), data.len() as i32) } {
            1 => Some(true),
            0 => Some(false),
            _ => None,
        }
    }

    /// Ends a COPY, successfully or (with a reason) not.
    pub fn end_copy(&mut self, failure: Option<&CStr>) -> Option<bool> {
        // SAFETY: null or a NUL-terminated string.
        match unsafe { PQputCopyEnd(self.conn, failure.map_or(null(), CStr::as_ptr)) } {
            1 => Some(true),
            0 => Some(false),
            _ => None,
        }
    }

    /// Nothing sent is unanswered and no transaction block is open.
    pub fn idle(&self) -> bool {
        // SAFETY: as in socket.
        unsafe { PQtransactionStatus(self.conn) == PGTransactionStatusType::PQTRANS_IDLE }
    }

    /// Is a transaction block open that has not failed?
    pub fn in_healthy_block(&self) -> bool {
        // SAFETY: as in socket.
        unsafe { PQtransactionStatus(self.conn) == PGTransactionStatusType::PQTRANS_INTRANS }
    }

    /// Asks the server to stop the running statement. Blocks for a round trip at most (`tcp_user_timeout` bounds it).
    pub fn cancel(&self) -> bool {
        let mut message = [0 as c_char; 256];
        // SAFETY: the cancel object is freed once; the buffer's length is given.
        unsafe {
            let cancel = PQgetCancel(self.conn);
            if cancel.is_null() {
                return false;
            }
            let sent = PQcancel(cancel, message.as_mut_ptr(), message.len() as i32) == 1;
            PQfreeCancel(cancel);
            sent
        }
    }

    /// Takes the notices that have arrived.
    pub fn take_notices(&mut self) -> Vec<Raised> {
        if self.notices.borrow().is_empty() {
            return Vec::new();
        }
        std::mem::take(&mut self.notices.borrow_mut())
    }
}

impl Drop for Pq {
    fn drop(&mut self) {
        // SAFETY: finished once; libpq accepts null.
        unsafe { PQfinish(self.conn) }
    }
}

/// Called by libpq, inside its own functions: must not raise.
unsafe extern "C" fn collect_notice(argument: *mut c_void, result: *const PGresult) {
    // SAFETY: the argument is the box of the connection that libpq is working on; it is not borrowed meanwhile.
    unsafe {
        let answer = std::mem::ManuallyDrop::new(Answer {
            result: result.cast_mut(),
        });
        (*argument.cast::<Notices>())
            .borrow_mut()
            .push(answer.report());
    }
}

/// Parameter values in the form libpq takes; reused from statement to statement.
#[derive(Default)]
pub struct Values {
    bytes: Vec<u8>,
    pointers: Vec<*const c_char>,
}

impl Values {
    /// Copies the values, each with the NUL that libpq wants at its end.
    pub fn set(&mut self, params: &[Option<Vec<u8>>]) {
        self.bytes.clear();
        self.pointers.clear();
        let total: usize = params.iter().flatten().map(|value| value.len() + 1).sum();
        // Reserved at once, so that the pointers stay valid.
        self.bytes.reserve(total);
        for param in params {
            match param {
                None => self.pointers.push(null()),
                Some(value) => {
                    let start = self.bytes.len();
                    self.bytes.extend_from_slice(value);
                    self.bytes.push(0);
                    self.pointers.push(self.bytes[start..].as_ptr().cast());
                }
            }
        }
    }

    fn len(&self) -> i32 {
        self.pointers.len() as i32
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

/// A result; cleared when dropped.
pub struct Answer {
    result: *mut PGresult,
}

/// What a result says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One row of more to come.
    Row,
    /// A complete set of rows, or (after single rows) its end.
    Rows,
    /// A command without rows has ended.
    Command,
    CopyIn,
    /// End of a pipeline's batch.
    Sync,
    /// Skipped, because something before it in the batch failed.
    Skipped,
    Error,
    Unexpected,
}

impl Answer {
    pub fn kind(&self) -> Kind {
        use ExecStatusType::*;
        // SAFETY: the result is valid until dropped.
        match unsafe { PQresultStatus(self.result) } {
            PGRES_SINGLE_TUPLE => Kind::Row,
            PGRES_TUPLES_OK => Kind::Rows,
            PGRES_COMMAND_OK | PGRES_EMPTY_QUERY => Kind::Command,
            PGRES_COPY_IN => Kind::CopyIn,
            PGRES_PIPELINE_SYNC => Kind::Sync,
            PGRES_PIPELINE_ABORTED => Kind::Skipped,
            PGRES_FATAL_ERROR | PGRES_NONFATAL_ERROR | PGRES_BAD_RESPONSE => Kind::Error,
            _ => Kind::Unexpected,
        }
    }

    pub fn rows(&self) -> usize {
        // SAFETY: as in kind.
        unsafe { PQntuples(self.result) as usize }
    }

    pub fn columns(&self) -> usize {
        // SAFETY: as in kind.
        unsafe { PQnfields(self.result) as usize }
    }

    pub fn value(&self, row: usize, column: usize) -> Option<&[u8]> {
        let (row, column) = (row as i32, column as i32);
        // SAFETY: libpq checks row and column itself and answers "null"; value and length belong together and
        // live as long as the result.
        unsafe {
            if PQgetisnull(self.result, row, column) == 1 {
                return None;
            }
            let value = PQgetvalue(self.result, row, column);
            let length = PQgetlength(self.result, row, column) as usize;
            Some(std::slice::from_raw_parts(value.cast(), length))
        }
    }

    pub fn text(&self, row: usize, column: usize) -> Option<String> {
        self.value(row, column)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Rows inserted, updated, deleted or selected.
    pub fn affected(&self) -> u64 {
        // SAFETY: PQcmdTuples gives a NUL-terminated string, empty when there is no number.
        unsafe { CStr::from_ptr(PQcmdTuples(self.result)) }
            .to_str()
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    }

    /// The command tag.
    pub fn tag(&self) -> String {
        // SAFETY: PQcmdStatus gives a NUL-terminated string.
        unsafe { CStr::from_ptr(PQcmdStatus(self.result)) }
            .to_string_lossy()
            .into_owned()
    }

    /// Memory held, in bytes.
    pub fn size(&self) -> usize {
        // SAFETY: as in kind.
        unsafe { PQresultMemorySize(self.result) }
    }

    fn field(&self, code: u8) -> Option<String> {
        // SAFETY: null or a NUL-terminated string that belongs to the result.
        unsafe {
            let text = PQresultErrorField(self.result, i32::from(code));
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        }
    }

    /// The error or notice in this result, with every field the server sent.
    pub fn report(&self) -> Raised {
        let message = self.field(PG_DIAG_MESSAGE_PRIMARY).unwrap_or_else(|| {
            // SAFETY: PQresultErrorMessage gives a NUL-terminated string.
            let text = unsafe { CStr::from_ptr(PQresultErrorMessage(self.result)) };
            text.to_string_lossy().trim().to_owned()
        });
        Raised {
            severity: self.field(PG_DIAG_SEVERITY_NONLOCALIZED),
            sqlstate: self
                .field(PG_DIAG_SQLSTATE)
                .unwrap_or_else(|| "08006".into()),
            message,
            detail: self.field(PG_DIAG_MESSAGE_DETAIL),
            hint: self.field(PG_DIAG_MESSAGE_HINT),
            context: self.field(PG_DIAG_CONTEXT),
            schema: self.field(PG_DIAG_SCHEMA_NAME),
            table: self.field(PG_DIAG_TABLE_NAME),
            column: self.field(PG_DIAG_COLUMN_NAME),
            datatype: self.field(PG_DIAG_DATATYPE_NAME),
            constraint: self.field(PG_DIAG_CONSTRAINT_NAME),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: cleared once.
        unsafe { PQclear(self.result) }
    }
}

/// Text for libpq; bytes after a NUL cannot be in any SQL text.
pub fn c_string(text: &str) -> CString {
    CString::new(text).unwrap_or_else(|error| {
        let end = error.nul_position();
        CString::new(&text[..end]).expect("cut at the first NUL")
    })
}
