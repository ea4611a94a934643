//! Copying a local table's rows to other nodes while it becomes distributed or replicated.
//!
//! Rows are read in batches through a cursor in text form and sent by COPY; memory stays bounded.

use crate::dispatch::copy_in::CopyIn;
use crate::pg::spi::cursor::each_row;
use crate::remote::copy_text::push_field;
use std::ffi::CStr;

/// Copies the rows of `table` for which `condition` holds to a node's table of the same name; how many.
pub fn copy_to(
    node: crate::metadata::cache::NodeId,
    table: &str,
    columns: &[String],
    condition: &str,
) -> u64 {
    let list = columns.join(", ");
    let copy = format!("COPY {table} ({list}) FROM STDIN");
    let target = if columns.is_empty() {
        format!("COPY {table} FROM STDIN")
    } else {
        copy
    };
    let mut copy = CopyIn::start(node, &target);
    let mut line = Vec::new();
    each_row(
        &format!("SELECT {list} FROM ONLY {table} WHERE {condition}"),
        |fields| {
            line.clear();
            write_line(fields, &mut line);
            copy.send(&line);
        },
    );
    copy.finish()
}

/// One line of COPY's text format.
fn write_line(fields: &[Option<&CStr>], line: &mut Vec<u8>) {
    for (n, field) in fields.iter().enumerate() {
        push_field(line, n == 0, field.map(CStr::to_bytes));
    }
    line.push(b'\n');
}
