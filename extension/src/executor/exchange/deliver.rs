//! Reading a source here and sending its rows to the nodes.

use super::store;
use crate::catalog::NodeId;
use crate::error::Error;
use crate::executor::copy_from::line::push_field;
use crate::executor::remote::{Access, Command, Stream};
use pgrx::pg_sys::{self, Datum, Oid};
use std::ffi::{CStr, CString};

/// Bytes of lines that are sent at once.
const CHUNK: usize = 256 * 1024;
/// Rows that are fetched at once.
const FETCH: i64 = 1000;

/// A value for `$n` of the source's query.
pub struct Value {
    pub kind: Oid,
    pub value: Option<Datum>,
}

/// Runs the query, keeps its rows under `number` and sends them to `nodes`.
pub fn deliver(number: i32, sql: &str, values: &[Value], nodes: &[NodeId]) {
    keep(number, sql, values);
    let mut first = true;
    store::read(number, |lines| {
        send(number, std::mem::take(&mut first), lines, nodes);
    });
    if first {
        send(number, true, "", nodes);
    }
}

fn send(number: i32, first: bool, lines: &str, nodes: &[NodeId]) {
    let texts = [number.to_string(), first.to_string(), lines.to_owned()];
    let params = texts.map(|text| Some(text.into_bytes()));
    let command = Command {
        sql: "SELECT expanse.exchange_add($1, $2, $3)",
        param_types: &[pg_sys::INT4OID, pg_sys::BOOLOID, pg_sys::TEXTOID],
        params: &params,
        binary: false,
        prepare: true,
    };
    let streams: Vec<Stream> = nodes
        .iter()
        .map(|&node| Stream::start(node, Access::Write, &command))
        .collect();
    for mut stream in streams {
        while stream.advance() {}
    }
}

/// The query's rows into this session's store.
fn keep(number: i32, sql: &str, values: &[Value]) {
    let source = CString::new(sql).expect("SQL text has no NUL byte");
    let mut kinds: Vec<Oid> = values.iter().map(|value| value.kind).collect();
    let mut datums: Vec<Datum> = values
        .iter()
        .map(|value| value.value.unwrap_or(Datum::from(0)))
        .collect();
    let nulls: Vec<u8> = values
        .iter()
        .map(|value| if value.value.is_none() { b'n' } else { b' ' })
        .chain([0])
        .collect();
    store::begin(number);
    // SAFETY: SPI is connected and finished here (by the abort of the transaction on an error); the query sees the
    // snapshot of the statement around it. `nulls` has one character a value.
    unsafe {
        pg_sys::SPI_connect();
        let portal = pg_sys::SPI_cursor_open_with_args(
            std::ptr::null(),
            source.as_ptr(),
            values.len() as i32,
            kinds.as_mut_ptr(),
            datums.as_mut_ptr(),
            nulls.as_ptr().cast(),
            true,
            pg_sys::CURSOR_OPT_NO_SCROLL as i32,
        );
        if portal.is_null() {
            Error::Internal(format!("the rows to send can not be read: {sql}")).raise();
        }
        let mut lines = Vec::new();
        loop {
            pg_sys::SPI_cursor_fetch(portal, true, FETCH);
            let count = pg_sys::SPI_processed as usize;
            for row in 0..count {
                push_row(&mut lines, *(*pg_sys::SPI_tuptable).vals.add(row));
                if lines.len() >= CHUNK {
                    flush(number, &mut lines);
                }
            }
            pg_sys::SPI_freetuptable(pg_sys::SPI_tuptable);
            if count == 0 {
                break;
            }
        }
        flush(number, &mut lines);
        pg_sys::SPI_cursor_close(portal);
        pg_sys::SPI_finish();
    }
}

fn flush(number: i32, lines: &mut Vec<u8>) {
    if !lines.is_empty() {
        store::add(number, &String::from_utf8_lossy(lines));
        lines.clear();
    }
}

unsafe fn push_row(lines: &mut Vec<u8>, tuple: pg_sys::HeapTuple) {
    // SAFETY: a tuple of SPI's current result.
    unsafe {
        let descriptor = (*pg_sys::SPI_tuptable).tupdesc;
        for number in 1..=(*descriptor).natts {
            let text = pg_sys::SPI_getvalue(tuple, descriptor, number);
            let field = (!text.is_null()).then(|| CStr::from_ptr(text).to_bytes());
            push_field(lines, number == 1, field);
            if !text.is_null() {
                pg_sys::pfree(text.cast());
            }
        }
    }
    lines.push(b'\n');
}
