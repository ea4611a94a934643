//! The metadata of the cluster as one value, cached in each backend.
//!
//! # How it works
//! [`metadata`] gives the cached value or loads it. Triggers on the catalog tables send a relation-cache
//! invalidation of `expanse.distributed_table`, which every plan of ours also depends on; the callback here only
//! marks the value stale.
//!
//! # Invariants
//! A value never changes once loaded; code that holds the `Rc` sees one consistent state.
//!
//! # What is not guaranteed
//! The value can be out of date by the time it is used, unless the caller holds the group lock
//! (see `docs/architecture/reads.md`, Metadata and the group lock).

use crate::metadata::catalog_table;
use crate::metadata::catalog_table::{table_oid, CatalogTable};
use crate::pg::catalog::invalidate;
use crate::pg::session::transaction::is_running;
use expanse_core::hash_map::{HashMap, Range};
use pgrx::pg_sys::{self, Oid};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::rc::Rc;

pub type NodeId = i32;
pub type GroupId = i32;

/// The group of all replicated tables.
pub const REPLICATED_GROUP: GroupId = 0;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub id: NodeId,
    pub name: String,
    pub host: String,
    pub port: i32,
    pub weight: i32,
    /// `active`, `joining`, `leaving` or `inactive`.
    pub state: String,
}

#[derive(Debug, Clone)]
pub struct Group {
    pub id: GroupId,
    /// The bound hash map version; `None` for the replicated group.
    pub version: Option<i32>,
    /// The version a rebind in progress moves to.
    pub moving_to: Option<i32>,
    /// The distribution columns' type; `None` for the replicated group.
    pub distribution_type: Option<Oid>,
    /// The relation that stands for the group in locks on this node.
    pub lock: Oid,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableKind {
    Distributed {
        /// Attribute number of the distribution column on this node.
        column: i16,
        column_name: String,
    },
    Replicated,
}

#[derive(Debug, Clone)]
pub struct Table {
    pub relation: Oid,
    pub group: GroupId,
    pub kind: TableKind,
}

impl Table {
    /// The distribution column's attribute number; `None` for a replicated table.
    pub fn distribution_column(&self) -> Option<i16> {
        match self.kind {
            TableKind::Distributed { column, .. } => Some(column),
            TableKind::Replicated => None,
        }
    }
}

#[derive(Debug, Default)]
pub struct Metadata {
    pub local_node: NodeId,
    /// What nodes of the cluster show one another.
    pub peer_key: String,
    pub nodes: BTreeMap<NodeId, Node>,
    pub maps: BTreeMap<i32, Rc<HashMap>>,
    pub current_version: i32,
    pub groups: BTreeMap<GroupId, Group>,
    pub tables: BTreeMap<u32, Table>,
}

impl Metadata {
    pub fn table(&self, relation: Oid) -> Option<&Table> {
        self.tables.get(&relation.to_u32())
    }

    pub fn group(&self, id: GroupId) -> &Group {
        self.groups
            .get(&id)
            .expect("a table's group is written with the table")
    }

    /// Has the group no table (any more)?
    pub fn is_deserted(&self, group: GroupId) -> bool {
        !self.tables.values().any(|table| table.group == group)
    }

    /// The hash map that a distributed table's group is bound to.
    pub fn map_of(&self, group: GroupId) -> Option<&Rc<HashMap>> {
        self.group(group)
            .version
            .and_then(|version| self.maps.get(&version))
    }

    /// The hash map that new tables are bound to.
    pub fn current_map(&self) -> &Rc<HashMap> {
        self.maps
            .get(&self.current_version)
            .expect("a cluster has a current hash map")
    }

    /// Nodes that hold copies of replicated tables and take statements, in id order.
    pub fn active_nodes(&self) -> Vec<NodeId> {
        self.nodes
            .values()
            .filter(|n| n.state == "active")
            .map(|n| n.id)
            .collect()
    }
}

thread_local! {
    static CACHED: RefCell<Option<Rc<Metadata>>> = const { RefCell::new(None) };
    static STALE: Cell<bool> = const { Cell::new(true) };
    static MARKER: Cell<u32> = const { Cell::new(0) };
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
}

/// The relation whose invalidation stands for a change of metadata; our plans list it among their relations.
pub fn marker() -> Option<Oid> {
    table_oid(c"distributed_table")
}

/// The metadata of the cluster; `None` when the extension does not exist in this database or this server is not
/// part of a cluster. Costs two system-cache lookups then, and one flag test when cached.
pub fn metadata() -> Option<Rc<Metadata>> {
    if !STALE.get() {
        if let Some(cached) = CACHED.with_borrow(Clone::clone) {
            return (cached.local_node != 0).then_some(cached);
        }
    }
    if !is_running() {
        return None;
    }
    let marker = marker()?;
    watch_relations();
    MARKER.set(marker.to_u32());
    // Before the load: what changes during it makes the value stale again.
    STALE.set(false);
    let loaded = Rc::new(load());
    CACHED.set(Some(loaded.clone()));
    (loaded.local_node != 0).then_some(loaded)
}

/// True when no distributed or replicated table exists, so that hooks can return at once.
pub fn no_tables() -> bool {
    metadata().is_none_or(|metadata| metadata.tables.is_empty())
}

/// Lets this backend know of changes to relations.
fn watch_relations() {
    if !REGISTERED.replace(true) {
        // SAFETY: the callback is a plain function that lives as long as the library.
        unsafe {
            pg_sys::CacheRegisterRelcacheCallback(Some(on_invalidation), pg_sys::Datum::from(0))
        };
    }
}

/// Must not do anything that can fail: it runs while PostgreSQL processes invalidations.
unsafe extern "C-unwind" fn on_invalidation(_arg: pg_sys::Datum, relation: Oid) {
    if relation == pg_sys::InvalidOid || relation.to_u32() == MARKER.get() {
        STALE.set(true);
    }
}

fn load() -> Metadata {
    let mut metadata = Metadata::default();
    catalog_table::read(c"local_node", |table| {
        let node = table.column("node_id");
        table.rows(|row| metadata.local_node = row.get(node).unwrap_or(0));
    });
    catalog_table::read(c"cluster", |table| {
        let key = table.column("peer_key");
        table.rows(|row| metadata.peer_key = row.get(key).unwrap_or_default());
    });
    catalog_table::read(c"node", |table| load_nodes(table, &mut metadata));
    let mut ranges = catalog_table::read(c"hash_map_range", load_ranges).unwrap_or_default();
    catalog_table::read(c"hash_map", |table| {
        load_maps(table, &mut ranges, &mut metadata);
    });
    catalog_table::read(c"colocation_group", |table| {
        load_groups(table, &mut metadata)
    });
    catalog_table::read(c"distributed_table", |table| {
        load_tables(table, &mut metadata)
    });
    metadata
}

fn load_nodes(table: &CatalogTable, metadata: &mut Metadata) {
    let (id, name) = (table.column("node_id"), table.column("node_name"));
    let (host, port) = (table.column("host"), table.column("port"));
    let (weight, state) = (table.column("weight"), table.column("state"));
    table.rows(|row| {
        let node = Node {
            id: row.get(id).unwrap_or(0),
            name: row.get(name).unwrap_or_default(),
            host: row.get(host).unwrap_or_default(),
            port: row.get(port).unwrap_or(0),
            weight: row.get(weight).unwrap_or(1),
            state: row.get(state).unwrap_or_default(),
        };
        metadata.nodes.insert(node.id, node);
    });
}

type Ranges = BTreeMap<i32, Vec<Range>>;

fn load_ranges(table: &CatalogTable) -> Ranges {
    let (version, node) = (table.column("hash_map_version"), table.column("node_id"));
    let (first, last) = (table.column("first_bucket"), table.column("last_bucket"));
    let mut found = Ranges::new();
    table.rows(|row| {
        let range = Range {
            node: row.get(node).unwrap_or(0),
            first: row.get::<i32>(first).unwrap_or(0) as u32,
            last: row.get::<i32>(last).unwrap_or(0) as u32,
        };
        let version = row.get(version).unwrap_or(0);
        found.entry(version).or_default().push(range);
    });
    found
}

fn load_maps(table: &CatalogTable, ranges: &mut Ranges, metadata: &mut Metadata) {
    let (number, current) = (table.column("hash_map_version"), table.column("current"));
    table.rows(|row| {
        let version: i32 = row.get(number).unwrap_or(0);
        if row.get(current).unwrap_or(false) {
            metadata.current_version = version;
        }
        let ranges = ranges.remove(&version).unwrap_or_default();
        // While metadata is being written, a map can lack its ranges for a moment; it is of no use until it has them.
        if let Ok(map) = HashMap::from_ranges(version, ranges) {
            metadata.maps.insert(version, Rc::new(map));
        }
    });
}

fn load_groups(table: &CatalogTable, metadata: &mut Metadata) {
    let (id, version) = (table.column("group_id"), table.column("hash_map_version"));
    let moving_to = table.column("moving_to");
    let distribution_type = table.column("distribution_type");
    table.rows(|row| {
        let id: GroupId = row.get(id).unwrap_or(0);
        let group = Group {
            id,
            version: row.get(version),
            moving_to: row.get(moving_to),
            distribution_type: row.get(distribution_type),
            lock: group_lock(id),
        };
        metadata.groups.insert(id, group);
    });
}

fn load_tables(table: &CatalogTable, metadata: &mut Metadata) {
    let (relation, group) = (table.column("relation"), table.column("group_id"));
    let column = table.column("distribution_column");
    table.rows(|row| {
        let relation: Oid = row.get(relation).unwrap_or(pg_sys::InvalidOid);
        let kind = match row.get::<String>(column) {
            None => TableKind::Replicated,
            Some(name) => match attribute_number(relation, &name) {
                Some(column) => TableKind::Distributed {
                    column,
                    column_name: name,
                },
                // The table is being dropped in this transaction.
                None => return,
            },
        };
        let table = Table {
            relation,
            group: row.get(group).unwrap_or(0),
            kind,
        };
        metadata.tables.insert(relation.to_u32(), table);
    });
}

/// The relation that stands for a group in locks on this node.
pub fn group_lock(group: GroupId) -> Oid {
    let name = std::ffi::CString::new(format!("gate_{group}")).expect("no NUL in a number");
    table_oid(&name).unwrap_or(pg_sys::InvalidOid)
}

fn attribute_number(relation: Oid, column: &str) -> Option<i16> {
    let column = std::ffi::CString::new(column).ok()?;
    // SAFETY: a system-cache lookup by OID and NUL-terminated name.
    let number = unsafe { pg_sys::get_attnum(relation, CStr::as_ptr(&column)) };
    (number != pg_sys::InvalidAttrNumber as i16).then_some(number)
}

crate::sql_function! {
    /// Statement trigger of the catalog tables: every backend reloads its metadata and replans.
    fn invalidate_metadata(args) {
        let _ = args;
        if let Some(marker) = marker() {
            invalidate(marker);
        }
        // No tuple, which is not SQL NULL: a trigger may not give that.
        Some(0_i32)
    }
}
