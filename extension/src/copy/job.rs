//! One COPY FROM: where its lines go.

use crate::copy::condition::Condition;
use crate::copy::privileges::{check_table, name_of, numbers_length};
use crate::dispatch::copy_in::CopyIn;
use crate::error::{Error, Raised};
use crate::metadata::bucket::Bucketer;
use crate::metadata::cache::{metadata, NodeId, TableKind};
use crate::pg::memory::keep;
use crate::remote::copy_text::push_field;
use crate::remote::exact_values::ExactValues;
use crate::scan::statement_scan::places::everywhere;
use expanse_core::hash_map::HashMap;
use pgrx::pg_sys::{self, CopyFromState, CopyStmt, FmgrInfo, Oid, ParseState, Relation};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::{c_void, CStr};
use std::os::raw::c_char;
use std::rc::Rc;

/// Bytes for one node that are sent together.
const CHUNK: usize = 64 * 1024;

pub struct Job {
    pub statement: *mut CopyStmt,
    pub relation: Relation,
    pub pstate: *mut ParseState,
    pub main: CopyFromState,
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
    oid: Oid,
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
    output: FmgrInfo,
}

enum Routing {
    Key {
        position: usize,
        map: Rc<HashMap>,
        bucketer: Bucketer,
        input: FmgrInfo,
        parameter: Oid,
        typmod: i32,
        local: NodeId,
    },
    Everywhere {
        others: Vec<NodeId>,
    },
}

impl Job {
    /// Opens the table, checks what has to be checked, and prepares the routing.
    pub unsafe fn create(statement: *mut CopyStmt, oid: Oid) -> *mut c_void {
        // SAFETY: the relation was locked by the caller and stays open until the transaction or `close` ends it.
        unsafe {
            let relation = pg_sys::table_open(oid, pg_sys::NoLock as i32);
            let pstate = pg_sys::make_parsestate(std::ptr::null_mut());
            let item = check_table(pstate, relation, (*statement).attlist);
            let numbers =
                pg_sys::CopyGetAttnums((*relation).rd_att, relation, (*statement).attlist);
            let numbers: Vec<i16> = (0..numbers_length(numbers))
                .map(|index| (*(*numbers).elements.add(index)).int_value as i16)
                .collect();
            let columns = numbers
                .iter()
                .map(|&number| column(relation, number))
                .collect();
            let routing = routing(oid, &numbers);
            let replicated = matches!(routing, Routing::Everywhere { .. });
            let raw = (*statement).whereClause;
            let condition = Condition::analyse(pstate, item, raw, replicated);
            let natts = (*(*relation).rd_att).natts as usize;
            let job = Job {
                statement,
                relation,
                pstate,
                main: std::ptr::null_mut(),
                local: std::ptr::null_mut(),
                context: std::ptr::null_mut(),
                // The others read a NULL in an array as null.
                by_tuple: by_tuple(statement) || !pg_sys::Array_nulls,
                econtext: std::ptr::null_mut(),
                here: VecDeque::new(),
                ended: false,
                oid,
                columns,
                routing,
                outgoing: BTreeMap::new(),
                sql: remote_sql(relation, &numbers) + &condition.text,
                condition: condition.here,
                line: Vec::new(),
                values: vec![pg_sys::Datum::from(0); natts],
                nulls: vec![true; natts],
            };
            keep(job).cast()
        }
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
                position,
                input,
                parameter,
                typmod,
                ..
            } if !fields[*position].is_null() => {
                // SAFETY: the field is NUL-terminated; the function is the key type's own input function.
                Some(unsafe {
                    pg_sys::InputFunctionCall(input, fields[*position], *parameter, *typmod)
                })
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
            // SAFETY: a value of the column's type and that type's output function.
            let text = unsafe {
                CStr::from_ptr(pg_sys::OutputFunctionCall(
                    &mut column.output,
                    self.values[at],
                ))
            };
            push_field(&mut self.line, index == 0, Some(text.to_bytes()));
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
            // SAFETY: a column of the open relation.
            let name = unsafe { pg_sys::get_attname(self.oid, self.columns[count].number, false) };
            // SAFETY: a palloc'd NUL-terminated name.
            let name = unsafe { CStr::from_ptr(name) }
                .to_string_lossy()
                .into_owned();
            format!("missing data for column \"{name}\"")
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
            relation: name_of(oid),
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
            relation: name_of(oid),
            hint: "Name the distribution column in the column list, or use INSERT.".into(),
        }
        .raise()
    };
    let (mut type_oid, mut typmod, mut collation) = (pg_sys::InvalidOid, 0, pg_sys::InvalidOid);
    let (mut function, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
    let mut input = FmgrInfo::default();
    // SAFETY: catalog lookups of an existing column and its type.
    unsafe {
        pg_sys::get_atttypetypmodcoll(oid, *column, &mut type_oid, &mut typmod, &mut collation);
        pg_sys::getTypeInputInfo(type_oid, &mut function, &mut parameter);
        pg_sys::fmgr_info(function, &mut input);
    }
    let map = metadata.map_of(table.group).cloned();
    match map.zip(Bucketer::new(type_oid, collation)) {
        Some((map, bucketer)) => Routing::Key {
            position,
            map,
            bucketer,
            input,
            parameter,
            typmod,
            local: metadata.local_node,
        },
        None => Error::Internal("a distributed table without map or hash".into()).raise(),
    }
}

unsafe fn column(relation: Relation, number: i16) -> Column {
    let (mut oid, mut variable) = (pg_sys::InvalidOid, false);
    let mut output = FmgrInfo::default();
    // SAFETY: catalog lookups of an existing column and its type.
    unsafe {
        let type_oid = pg_sys::get_atttype((*relation).rd_id, number);
        pg_sys::getTypeOutputInfo(type_oid, &mut oid, &mut variable);
        pg_sys::fmgr_info(oid, &mut output);
    }
    Column { number, output }
}

unsafe fn remote_sql(relation: Relation, numbers: &[i16]) -> String {
    // SAFETY: names of existing objects are NUL-terminated.
    unsafe {
        let quoted = |name: *const c_char| {
            CStr::from_ptr(pg_sys::quote_identifier(name))
                .to_string_lossy()
                .into_owned()
        };
        let oid = (*relation).rd_id;
        let schema = quoted(pg_sys::get_namespace_name(pg_sys::get_rel_namespace(oid)));
        let table = quoted(pg_sys::get_rel_name(oid));
        let columns: Vec<String> = numbers
            .iter()
            .map(|&n| quoted(pg_sys::get_attname(oid, n, false)))
            .collect();
        format!("COPY {schema}.{table} ({}) FROM STDIN", columns.join(", "))
    }
}

/// Does the statement use options that raw fields do not show?
unsafe fn by_tuple(statement: *mut CopyStmt) -> bool {
    // SAFETY: PostgreSQL's list of options.
    unsafe {
        crate::pg::list::nodes::<pg_sys::DefElem>((*statement).options).any(|option| {
            let name = CStr::from_ptr((*option).defname).to_bytes();
            let binary = name == b"format"
                && CStr::from_ptr(pg_sys::defGetString(option)).to_bytes() == b"binary";
            binary || name == b"force_null" || name == b"force_not_null"
        })
    }
}
