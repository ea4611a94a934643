//! Objects that any node can have, because they need nothing of one node alone.

use crate::metadata::cache::Metadata;
use crate::pg::{catalog, spi};
use pgrx::pg_sys::{self, Oid};

/// The catalog that an object is in.
#[derive(Clone, Copy)]
pub enum Class {
    Relation,
    Function,
}

impl Class {
    fn catalog(self) -> &'static str {
        match self {
            Class::Relation => "pg_class",
            Class::Function => "pg_proc",
        }
    }
}

/// Is it a view that needs nothing of this node alone?
pub fn is_shared_view(view: Oid, metadata: &Metadata) -> bool {
    catalog::relation_kind(view) == Some(pg_sys::RELKIND_VIEW)
        && is_portable(Class::Relation, view, metadata)
}

/// Does an object need, however indirectly, no relation that exists on this node alone, and is it no temporary one?
pub fn is_portable(class: Class, object: Oid, metadata: &Metadata) -> bool {
    let distributed: Vec<String> = metadata.tables.keys().map(u32::to_string).collect();
    spi::qualified(|| {
        spi::holds(&format!(
            "WITH RECURSIVE needed (classid, objid) AS ( \
                SELECT '{class}'::regclass::oid, {object}::oid \
              UNION \
                SELECT next.classid, next.objid FROM needed n, LATERAL ( \
                    SELECT d.refclassid, d.refobjid FROM pg_depend d \
                    WHERE d.classid = n.classid AND d.objid = n.objid \
                      AND (d.refobjid >= 16384 OR d.refclassid = 'pg_namespace'::regclass) \
                  UNION ALL \
                    SELECT 'pg_rewrite'::regclass, r.oid FROM pg_rewrite r \
                    WHERE n.classid = 'pg_class'::regclass AND r.ev_class = n.objid \
                      AND n.objid <> ALL ('{{{distributed}}}'::oid[])) AS next (classid, objid) \
            ) \
            SELECT NOT EXISTS ( \
                SELECT FROM needed n LEFT JOIN pg_class c ON n.classid = 'pg_class'::regclass AND c.oid = n.objid \
                LEFT JOIN pg_namespace s ON n.classid = 'pg_namespace'::regclass AND s.oid = n.objid \
                WHERE c.relkind IN ('r', 'p', 'f', 'm', 'S') AND c.oid <> ALL ('{{{distributed}}}'::oid[]) \
                      AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'expanse'::regnamespace) \
                      AND NOT (c.relkind = 'S' AND EXISTS ( \
                          SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid \
                              AND d.refobjid = ANY ('{{{distributed}}}'::oid[]))) \
                   OR c.relpersistence = 't' OR s.nspname LIKE 'pg\\_temp\\_%')",
            class = class.catalog(),
            object = object.to_u32(),
            distributed = distributed.join(","),
        ))
    })
}
