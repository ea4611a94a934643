//! One COPY FROM: where its lines go.

use crate::copy::condition::Condition;
use crate::copy::privileges::check_table;
use crate::dispatch::copy_in::CopyIn;
use crate::error::{Error, Raised};
use crate::metadata::bucket::Bucketer;
use crate::metadata::cache::{metadata, NodeId, TableKind};
use crate::pg::catalog::{column_name, column_type};
use crate::pg::copy::CopyTable;
use crate::pg::executor::values::{Input, Output};
use crate::pg::memory::keep;
use crate::pg::names::{bare, qualified};
use crate::pg::spi::identifier;
use crate::pg::tree::build::pointer;
use crate::pg::tree::{ListRef, NodeRef};
use crate::remote::copy_text::push_field;
use crate::remote::exact_values::ExactValues;
use crate::scan::statement_scan::places::everywhere;
use expanse_core::hash_map::HashMap;
use pgrx::pg_sys::{self, CopyFromState, CopyStmt, DefElem, Oid};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::CStr;
use std::os::raw::c_char;
use std::rc::Rc;

/// Bytes for one node that are sent together.
const CHUNK: usize = 64 * 1024;

pub struct Job {
    pub statement: *mut CopyStmt,
    pub table: CopyTable,
    /// Reads and splits the input.
    pub main: CopyFromState,
    /// Stores the lines of this node.
    pub local: CopyFromState,
    /// The error context around this COPY.
    pub context: *mut pg_sys::ErrorContextCallback,
    /// Options that only whole tuples obey: binary, FORCE_NULL, FORCE_NOT_NULL.
    pub by_tuple: bool,
    pub econtext: *mut pg_sys::ExprContext,
    /// The WHERE as PostgreSQL's COPY takes it; null when there is none.
    pub condition: *mut pg_sys::Node,
    /// Lines for this node.
    pub here: VecDeque<u8>,
    pub ended: bool,
    columns: Vec<Column>,
    routing: Routing,
    outgoing: BTreeMap<NodeId, (CopyIn, Vec<u8>)>,
    sql: String,
    line: Vec<u8>,
    values: Vec<pg_sys::Datum>,
    nulls: Vec<bool>,
}

struct Column {
    number: i16,
    output: Output,
}

enum Routing {
    Key {
        position: usize,
        map: Rc<HashMap>,
        bucketer: Bucketer,
        input: Input,
        local: NodeId,
    },
    Everywhere {
        others: Vec<NodeId>,
    },
}

impl Job {
    /// Opens the table, which the caller has locked, checks what has to be checked, and prepares the routing. The job is dropped
    /// with the statement's memory.
    pub fn create(statement: NodeRef<'_, CopyStmt>, relation: Oid) -> *mut Job {
        let table = CopyTable::open(relation);
        let numbers = table.numbers(statement.columns());
        check_table(table, &numbers);
        let columns = numbers
            .iter()
            .map(|&number| Column::of(relation, number))
            .collect();
        let routing = routing(relation, &numbers);
        let replicated = matches!(routing, Routing::Everywhere { .. });
        let condition = statement
            .condition()
            .map(|raw| Condition::analyse(table, raw, replicated))
            .unwrap_or_default();
        let job = Job {
            statement: statement.as_ptr(),
            table,
            main: std::ptr::null_mut(),
            local: std::ptr::null_mut(),
            context: std::ptr::null_mut(),
            by_tuple: by_tuple(statement),
            econtext: std::ptr::null_mut(),
            here: VecDeque::new(),
            ended: false,
            columns,
            routing,
            outgoing: BTreeMap::new(),
            sql: remote_sql(relation, &numbers) + &condition.text,
            condition: pointer(condition.here.and_then(ListRef::node)),
            line: Vec::new(),
            values: vec![pg_sys::Datum::from(0); table.attributes()],
            nulls: vec![true; table.attributes()],
        };
        keep(job)
    }

    /// Buffers for NextCopyFrom.
    pub fn tuple_buffers(&mut self) -> (*mut pg_sys::Datum, *mut bool) {
        (self.values.as_mut_ptr(), self.nulls.as_mut_ptr())
    }

    /// Routes the fields of one line.
    ///
    /// # Safety
    /// `fields` holds `count` NUL-terminated texts or nulls.
    pub unsafe fn take_fields(&mut self, fields: *mut *mut c_char, count: usize) {
        // SAFETY: as promised by the caller.
        let fields = unsafe { std::slice::from_raw_parts(fields, count) };
        self.check_count(count);
        self.line.clear();
        for (index, &field) in fields.iter().enumerate() {
            // SAFETY: as promised by the caller.
            let text = (!field.is_null()).then(|| unsafe { CStr::from_ptr(field) }.to_bytes());
            push_field(&mut self.line, index == 0, text);
        }
        self.line.push(b'\n');
        let key = match &mut self.routing {
            Routing::Everywhere { .. } => None,
            Routing::Key {
                position, input, ..
            } if !fields[*position].is_null() => {
                // SAFETY: the field is NUL-terminated.
                let field = unsafe { CStr::from_ptr(fields[*position]) };
                Some(input.read_text(field))
            }
            Routing::Key { .. } => None,
        };
        self.route(key);
    }

    /// Routes the tuple in the buffers.
    pub fn take_tuple(&mut self) {
        let exact = ExactValues::new();
        self.line.clear();
        let mut key = None;
        for (index, column) in self.columns.iter_mut().enumerate() {
            let at = column.number as usize - 1;
            if self.nulls[at] {
                push_field(&mut self.line, index == 0, None);
                continue;
            }
            if matches!(&self.routing, Routing::Key { position, .. } if *position == index) {
                key = Some(self.values[at]);
            }
            let line = &mut self.line;
            column.output.text(self.values[at], |text| {
                push_field(line, index == 0, Some(text.to_bytes()));
            });
        }
        drop(exact);
        self.line.push(b'\n');
        self.route(key);
    }

    fn route(&mut self, key: Option<pg_sys::Datum>) {
        match &mut self.routing {
            Routing::Everywhere { others } => {
                for node in others.clone() {
                    self.send(node);
                }
                self.here.extend(&self.line);
            }
            Routing::Key {
                map,
                bucketer,
                local,
                ..
            } => {
                // Without a key this node's NOT NULL check refuses the row in PostgreSQL's words.
                let owner = key.map_or(*local, |value| map.owner(bucketer.bucket(value)));
                if owner == *local {
                    self.here.extend(&self.line);
                } else {
                    self.send(owner);
                }
            }
        }
    }

    fn send(&mut self, node: NodeId) {
        let sql = &self.sql;
        let (copy, chunk) = self
            .outgoing
            .entry(node)
            .or_insert_with(|| (CopyIn::start(node, sql), Vec::with_capacity(CHUNK + 1024)));
        chunk.extend_from_slice(&self.line);
        if chunk.len() >= CHUNK {
            copy.send(chunk);
            chunk.clear();
        }
    }

    /// Ends the other nodes' copies: rows stored in all, `here` of them on this node.
    pub fn finish(&mut self, here: u64) -> u64 {
        let mut total = here;
        let replicated = matches!(self.routing, Routing::Everywhere { .. });
        let outgoing = std::mem::take(&mut self.outgoing);
        let sent: Vec<CopyIn> = outgoing
            .into_values()
            .map(|(mut copy, chunk)| {
                if !chunk.is_empty() {
                    copy.send(&chunk);
                }
                copy
            })
            .collect();
        for copy in sent {
            let stored = copy.finish();
            if !replicated {
                total += stored;
            }
        }
        total
    }

    fn check_count(&self, count: usize) {
        let expected = self.columns.len();
        if count == expected {
            return;
        }
        let message = if count > expected {
            "extra data after last expected column".to_owned()
        } else {
            let name = column_name(self.table.oid(), self.columns[count].number);
            format!("missing data for column \"{}\"", name.to_string_lossy())
        };
        Raised {
            sqlstate: "22P04".into(),
            message,
            ..Raised::default()
        }
        .raise();
    }
}

fn routing(oid: Oid, numbers: &[i16]) -> Routing {
    let metadata = metadata().unwrap_or_else(|| Error::NotInitialized.raise());
    let table = metadata.table(oid).unwrap_or_else(|| {
        Error::NotDistributed {
            relation: bare(oid),
        }
        .raise()
    });
    let TableKind::Distributed {
        column,
        column_name,
    } = &table.kind
    else {
        let others = everywhere(&metadata)
            .into_iter()
            .filter(|&n| n != metadata.local_node)
            .collect();
        return Routing::Everywhere { others };
    };
    let Some(position) = numbers.iter().position(|number| number == column) else {
        Error::Unsupported {
            what: format!("COPY FROM without the distribution column \"{column_name}\""),
            kind: "distributed",
            relation: bare(oid),
            hint: "Name the distribution column in the column list, or use INSERT.".into(),
        }
        .raise()
    };
    let of = column_type(oid, *column);
    let map = metadata.map_of(table.group).cloned();
    match map.zip(Bucketer::new(of.oid, of.collation)) {
        Some((map, bucketer)) => Routing::Key {
            position,
            map,
            bucketer,
            input: Input::new(of.oid, of.typmod, false),
            local: metadata.local_node,
        },
        None => Error::Internal("a distributed table without map or hash".into()).raise(),
    }
}

impl Column {
    fn of(relation: Oid, number: i16) -> Column {
        let output = Output::new(column_type(relation, number).oid);
        Column { number, output }
    }
}

fn remote_sql(relation: Oid, numbers: &[i16]) -> String {
    let table = qualified(relation).expect("the relation is locked");
    let columns = numbers
        .iter()
        .map(|&number| identifier(&column_name(relation, number).to_string_lossy()));
    let columns: Vec<String> = columns.collect();
    format!("COPY {table} ({}) FROM STDIN", columns.join(", "))
}

/// Does the statement, or the session, use options that raw fields do not show?
fn by_tuple(statement: NodeRef<'_, CopyStmt>) -> bool {
    // SAFETY: a plain variable of the backend. The others read a NULL in an array as null.
    let array_nulls = unsafe { pg_sys::Array_nulls };
    let binary = |option: NodeRef<'_, DefElem>| {
        // SAFETY: an option with a value, or this raises.
        let value = unsafe { CStr::from_ptr(pg_sys::defGetString(option.as_ptr())) };
        value == c"binary"
    };
    let of_tuples = |option: NodeRef<'_, DefElem>| match option.name().map(CStr::to_bytes) {
        Some(b"format") => binary(option),
        Some(name) => name == b"force_null" || name == b"force_not_null",
        None => false,
    };
    !array_nulls || statement.options().iter().any(of_tuples)
}
