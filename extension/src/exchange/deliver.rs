//! Reading a source here and sending its rows to the nodes.

use crate::dispatch::stream::Stream;
use crate::error::Error;
use crate::exchange::store;
use crate::metadata::cache::NodeId;
use crate::pg::executor::expression::Expression;
use crate::plan::statement::Reading;
use crate::remote::command::{Access, Command};
use crate::remote::copy_text::push_field;
use crate::remote::exact_values::ExactValues;
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

impl Value {
    /// What the expression gives now.
    pub fn of(expression: Expression) -> Value {
        Value {
            kind: expression.kind(),
            value: expression.value(),
        }
    }
}

/// Runs the source, keeps its rows under its number and sends them to `nodes`.
pub fn deliver(source: &Reading, values: &[Value], nodes: &[NodeId]) {
    let number = source.number;
    keep(source, values);
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

/// The rows of the source into this session's store.
fn keep(source: &Reading, values: &[Value]) {
    let sql = CString::new(source.sql.as_str()).expect("SQL text has no NUL byte");
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
    let count = values.len() as i32;
    store::begin(source.number);
    // SAFETY: SPI is connected and finished here (by the abort of the transaction on an error); a query sees the
    // snapshot of the statement around it. `nulls` has one character a value.
    unsafe {
        pg_sys::SPI_connect();
        let (kinds, datums) = (kinds.as_mut_ptr(), datums.as_mut_ptr());
        if source.writes {
            let nulls = nulls.as_ptr().cast();
            let code =
                pg_sys::SPI_execute_with_args(sql.as_ptr(), count, kinds, datums, nulls, false, 0);
            if code < 0 {
                let text = &source.sql;
                Error::Internal(format!("a statement failed with code {code}: {text}")).raise();
            }
            keep_rows(source.number, &mut Vec::new(), true);
        } else {
            let portal = pg_sys::SPI_cursor_open_with_args(
                std::ptr::null(),
                sql.as_ptr(),
                count,
                kinds,
                datums,
                nulls.as_ptr().cast(),
                true,
                pg_sys::CURSOR_OPT_NO_SCROLL as i32,
            );
            let mut lines = Vec::new();
            loop {
                pg_sys::SPI_cursor_fetch(portal, true, FETCH);
                let last = pg_sys::SPI_processed == 0;
                keep_rows(source.number, &mut lines, last);
                if last {
                    break;
                }
            }
            pg_sys::SPI_cursor_close(portal);
        }
        pg_sys::SPI_finish();
    }
}

/// SPI's current result, as lines; what is left of them goes into the store with the last rows.
unsafe fn keep_rows(number: i32, lines: &mut Vec<u8>, last: bool) {
    // SAFETY: SPI is connected; its result may be null.
    unsafe {
        let table = pg_sys::SPI_tuptable;
        if !table.is_null() {
            for row in 0..(*table).numvals as usize {
                push_row(lines, *(*table).vals.add(row));
                if lines.len() >= CHUNK {
                    flush(number, lines);
                }
            }
            pg_sys::SPI_freetuptable(table);
        }
    }
    if last {
        flush(number, lines);
    }
}

fn flush(number: i32, lines: &mut Vec<u8>) {
    if !lines.is_empty() {
        store::add(number, &String::from_utf8_lossy(lines));
        lines.clear();
    }
}

unsafe fn push_row(lines: &mut Vec<u8>, tuple: pg_sys::HeapTuple) {
    let _exact = ExactValues::new();
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
