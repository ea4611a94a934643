//! libpq, made safe: owners of connections and results, nothing else.
//!
//! # Unwind safety
//! [`Handle`] and [`ResultSet`] free what they own when dropped, so unwinding past them leaks nothing.

use crate::error::Raised;
use pgrx::pg_sys::Oid;
use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_int};
use std::ptr;

pub use pq_sys::ExecStatusType as Status;

/// Characters that name the fields of an error (`PG_DIAG_*` in postgres_ext.h).
mod field {
    pub const SEVERITY: u8 = b'V';
    pub const SQLSTATE: u8 = b'C';
    pub const MESSAGE: u8 = b'M';
    pub const DETAIL: u8 = b'D';
    pub const HINT: u8 = b'H';
    pub const CONTEXT: u8 = b'W';
    pub const SCHEMA: u8 = b's';
    pub const TABLE: u8 = b't';
    pub const COLUMN: u8 = b'c';
    pub const DATATYPE: u8 = b'd';
    pub const CONSTRAINT: u8 = b'n';
}

/// A connection; closed when dropped.
pub struct Handle(*mut pq_sys::PGconn);

/// How far a connection attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connecting {
    Readable,
    Writable,
    Done,
    Failed,
}

impl Handle {
    /// Begins to connect; `None` when out of memory.
    pub fn start(parameters: &[(&CStr, CString)]) -> Option<Handle> {
        let mut keywords: Vec<*const c_char> = parameters.iter().map(|(k, _)| k.as_ptr()).collect();
        let mut values: Vec<*const c_char> = parameters.iter().map(|(_, v)| v.as_ptr()).collect();
        keywords.push(ptr::null());
        values.push(ptr::null());
        // SAFETY: both arrays hold NUL-terminated strings that outlive the call, and end with a null pointer.
        let conn = unsafe { pq_sys::PQconnectStartParams(keywords.as_ptr(), values.as_ptr(), 0) };
        (!conn.is_null()).then_some(Handle(conn))
    }

    pub fn poll_connect(&self) -> Connecting {
        // SAFETY: the handle owns a live connection (the same holds for every call below).
        match unsafe { pq_sys::PQconnectPoll(self.0) } {
            pq_sys::PostgresPollingStatusType::PGRES_POLLING_READING => Connecting::Readable,
            pq_sys::PostgresPollingStatusType::PGRES_POLLING_WRITING => Connecting::Writable,
            pq_sys::PostgresPollingStatusType::PGRES_POLLING_OK => Connecting::Done,
            _ => Connecting::Failed,
        }
    }

    pub fn alive(&self) -> bool {
        // SAFETY: live connection.
        unsafe { pq_sys::PQstatus(self.0) == pq_sys::ConnStatusType::CONNECTION_OK }
    }

    pub fn socket(&self) -> c_int {
        // SAFETY: live connection.
        unsafe { pq_sys::PQsocket(self.0) }
    }

    pub fn set_nonblocking(&self) -> bool {
        // SAFETY: live connection.
        unsafe { pq_sys::PQsetnonblocking(self.0, 1) == 0 }
    }

    /// Collects notices in `sink` from now on; it must outlive the connection.
    pub fn collect_notices(&self, sink: *mut Vec<Raised>) {
        // SAFETY: live connection; the receiver is a plain function, and the sink is boxed beside the handle.
        unsafe { pq_sys::PQsetNoticeReceiver(self.0, Some(on_notice), sink.cast()) };
    }

    pub fn enter_pipeline(&self) -> bool {
        // SAFETY: live connection.
        unsafe { pq_sys::PQenterPipelineMode(self.0) == 1 }
    }

    pub fn exit_pipeline(&self) -> bool {
        // SAFETY: live connection.
        unsafe { pq_sys::PQexitPipelineMode(self.0) == 1 }
    }

    pub fn sync(&self) -> bool {
        // SAFETY: live connection.
        unsafe { pq_sys::PQpipelineSync(self.0) == 1 }
    }

    /// Sends one statement by the simple protocol (not in pipeline mode).
    pub fn send_simple(&self, sql: &CStr) -> bool {
        // SAFETY: live connection, NUL-terminated text.
        unsafe { pq_sys::PQsendQuery(self.0, sql.as_ptr()) == 1 }
    }

    pub fn send_prepare(&self, name: &CStr, sql: &CStr, types: &[Oid]) -> bool {
        // SAFETY: live connection; the types array outlives the call. Oid is a transparent u32.
        unsafe {
            pq_sys::PQsendPrepare(
                self.0,
                name.as_ptr(),
                sql.as_ptr(),
                types.len() as c_int,
                types.as_ptr().cast(),
            ) == 1
        }
    }

    /// Sends a statement with parameters in text format; `sql` is a prepared statement's name if `prepared`.
    pub fn send(
        &self,
        sql: &CStr,
        prepared: bool,
        types: &[Oid],
        params: &[*const c_char],
        binary: bool,
    ) -> bool {
        let count = params.len() as c_int;
        let values = if params.is_empty() {
            ptr::null()
        } else {
            params.as_ptr()
        };
        // SAFETY: live connection; the arrays have `count` elements that outlive the call; text parameters need
        // neither lengths nor formats.
        unsafe {
            if prepared {
                pq_sys::PQsendQueryPrepared(
                    self.0,
                    sql.as_ptr(),
                    count,
                    values,
                    ptr::null(),
                    ptr::null(),
                    c_int::from(binary),
                ) == 1
            } else {
                let types = if types.is_empty() {
                    ptr::null()
                } else {
                    types.as_ptr().cast()
                };
                pq_sys::PQsendQueryParams(
                    self.0,
                    sql.as_ptr(),
                    count,
                    types,
                    values,
                    ptr::null(),
                    ptr::null(),
                    c_int::from(binary),
                ) == 1
            }
        }
    }

    pub fn single_row_mode(&self) -> bool {
        // SAFETY: live connection.
        unsafe { pq_sys::PQsetSingleRowMode(self.0) == 1 }
    }

    /// 0 when all has been sent, 1 when some could not be sent yet, -1 on failure.
    pub fn flush(&self) -> c_int {
        // SAFETY: live connection.
        unsafe { pq_sys::PQflush(self.0) }
    }

    pub fn consume(&self) -> bool {
        // SAFETY: live connection.
        unsafe { pq_sys::PQconsumeInput(self.0) == 1 }
    }

    pub fn busy(&self) -> bool {
        // SAFETY: live connection.
        unsafe { pq_sys::PQisBusy(self.0) == 1 }
    }

    pub fn result(&self) -> Option<ResultSet> {
        // SAFETY: live connection.
        let result = unsafe { pq_sys::PQgetResult(self.0) };
        (!result.is_null()).then_some(ResultSet(result))
    }

    /// 1 sent, 0 would block, -1 failed.
    pub fn put_copy(&self, data: &[u8]) -> c_int {
        // SAFETY: live connection; the data outlives the call.
        unsafe { pq_sys::PQputCopyData(self.0, data.as_ptr().cast(), data.len() as c_int) }
    }

    /// Ends COPY; with a reason, the node rolls the COPY back.
    pub fn end_copy(&self, failure: Option<&CStr>) -> c_int {
        // SAFETY: live connection; null or NUL-terminated text.
        unsafe { pq_sys::PQputCopyEnd(self.0, failure.map_or(ptr::null(), CStr::as_ptr)) }
    }

    /// Asks the node to cancel what runs; a short connection of its own, bounded by the connection's TCP timeouts.
    pub fn cancel(&self) {
        let mut buffer = [0 as c_char; 256];
        // SAFETY: live connection; the cancel object is freed right after use.
        unsafe {
            let cancel = pq_sys::PQgetCancel(self.0);
            if !cancel.is_null() {
                pq_sys::PQcancel(cancel, buffer.as_mut_ptr(), buffer.len() as c_int);
                pq_sys::PQfreeCancel(cancel);
            }
        }
    }

    /// The connection's own last complaint, one line.
    pub fn message(&self) -> String {
        // SAFETY: live connection; the text stays valid until the next call on it.
        let text = unsafe { CStr::from_ptr(pq_sys::PQerrorMessage(self.0)) };
        text.to_string_lossy().trim().replace('\n', "; ")
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle owns the connection and this is its last use.
        unsafe { pq_sys::PQfinish(self.0) }
    }
}

/// A result; freed when dropped.
pub struct ResultSet(*mut pq_sys::PGresult);

impl ResultSet {
    pub fn status(&self) -> Status {
        // SAFETY: the owner holds a live result (the same holds for every call below).
        unsafe { pq_sys::PQresultStatus(self.0) }
    }

    pub fn rows(&self) -> usize {
        // SAFETY: live result.
        unsafe { pq_sys::PQntuples(self.0) as usize }
    }

    pub fn columns(&self) -> usize {
        // SAFETY: live result.
        unsafe { pq_sys::PQnfields(self.0) as usize }
    }

    pub fn value(&self, row: usize, column: usize) -> Option<&[u8]> {
        let (row, column) = (row as c_int, column as c_int);
        // SAFETY: live result; libpq checks the indexes; the bytes belong to the result.
        unsafe {
            if pq_sys::PQgetisnull(self.0, row, column) == 1 {
                return None;
            }
            let data = pq_sys::PQgetvalue(self.0, row, column).cast::<u8>();
            let length = pq_sys::PQgetlength(self.0, row, column) as usize;
            Some(std::slice::from_raw_parts(data, length))
        }
    }

    /// Rows inserted, updated, deleted or copied.
    pub fn affected(&self) -> u64 {
        // SAFETY: live result; the text is NUL-terminated, empty when not applicable.
        let text = unsafe { CStr::from_ptr(pq_sys::PQcmdTuples(self.0)) };
        text.to_str().ok().and_then(|t| t.parse().ok()).unwrap_or(0)
    }

    /// The error or notice that this result reports.
    pub fn error(&self) -> Raised {
        // SAFETY: the pointer is valid for the duration of the call.
        unsafe { read_error(self.0) }
    }
}

impl Drop for ResultSet {
    fn drop(&mut self) {
        // SAFETY: the owner holds the result and this is its last use.
        unsafe { pq_sys::PQclear(self.0) }
    }
}

unsafe fn read_error(result: *const pq_sys::PGresult) -> Raised {
    let get = |code: u8| {
        // SAFETY: a live result, as the caller promises; the text belongs to it.
        unsafe {
            let text = pq_sys::PQresultErrorField(result, c_int::from(code));
            (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
        }
    };
    Raised {
        severity: get(field::SEVERITY),
        sqlstate: get(field::SQLSTATE).unwrap_or_else(|| "08006".into()),
        message: get(field::MESSAGE).unwrap_or_else(|| "connection failure".into()),
        detail: get(field::DETAIL),
        hint: get(field::HINT),
        context: get(field::CONTEXT),
        schema: get(field::SCHEMA),
        table: get(field::TABLE),
        column: get(field::COLUMN),
        datatype: get(field::DATATYPE),
        constraint: get(field::CONSTRAINT),
    }
}

unsafe extern "C" fn on_notice(sink: *mut std::ffi::c_void, result: *const pq_sys::PGresult) {
    // SAFETY: registered by collect_notices with a vector that outlives the connection.
    unsafe { (*sink.cast::<Vec<Raised>>()).push(read_error(result)) };
}
