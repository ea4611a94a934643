//! Reading a source here and sending its rows to the nodes.

use crate::dispatch::stream::Stream;
use crate::exchange::store;
use crate::metadata::cache::NodeId;
use crate::pg::spi::rows::{each_row_of, Row};
use crate::plan::statement::Reading;
use crate::remote::command::{Access, Command};
use crate::remote::copy_text::push_field;
use crate::remote::exact_values::ExactValues;
use pgrx::pg_sys;
use std::ffi::CStr;

pub use crate::pg::spi::rows::Value;

/// Bytes of lines that are sent at once.
const CHUNK: usize = 256 * 1024;

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

/// The rows of the source into this session's store, a batch of lines at a time.
fn keep(source: &Reading, values: &[Value]) {
    let number = source.number;
    store::begin(number);
    let mut lines = Vec::new();
    each_row_of(&source.sql, values, source.writes, &mut |row| {
        push_row(&mut lines, row);
        if lines.len() >= CHUNK {
            flush(number, &mut lines);
        }
    });
    flush(number, &mut lines);
}

fn flush(number: i32, lines: &mut Vec<u8>) {
    if !lines.is_empty() {
        store::add(number, &String::from_utf8_lossy(lines));
        lines.clear();
    }
}

/// A row as a line of COPY's text format.
fn push_row(lines: &mut Vec<u8>, row: Row<'_>) {
    let _exact = ExactValues::new();
    for index in 0..row.len() {
        let text = row.text(index);
        push_field(lines, index == 0, text.as_deref().map(CStr::to_bytes));
    }
    lines.push(b'\n');
}
