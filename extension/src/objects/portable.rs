//! Objects that stand on any node, because they need nothing of one node alone.

use crate::metadata::cache::Metadata;
use crate::pg::spi;
use pgrx::pg_sys::{self, Oid};

/// Is it a view that needs nothing of this node alone?
pub fn is_shared_view(view: Oid, metadata: &Metadata) -> bool {
    // SAFETY: a system-cache lookup.
    let kind = unsafe { pg_sys::get_rel_relkind(view) } as u8;
    kind == pg_sys::RELKIND_VIEW && stands_anywhere("pg_class", view, metadata)
}

/// Does an object need, however indirectly, no relation that exists on this node alone, and is it no temporary one?
pub fn stands_anywhere(class: &str, object: Oid, metadata: &Metadata) -> bool {
    let spread: Vec<String> = metadata.tables.keys().map(u32::to_string).collect();
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
                      AND n.objid <> ALL ('{{{spread}}}'::oid[])) AS next (classid, objid) \
            ) \
            SELECT NOT EXISTS ( \
                SELECT FROM needed n LEFT JOIN pg_class c ON n.classid = 'pg_class'::regclass AND c.oid = n.objid \
                LEFT JOIN pg_namespace s ON n.classid = 'pg_namespace'::regclass AND s.oid = n.objid \
                WHERE c.relkind IN ('r', 'p', 'f', 'm', 'S') AND c.oid <> ALL ('{{{spread}}}'::oid[]) \
                      AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'expanse'::regnamespace) \
                      AND NOT (c.relkind = 'S' AND EXISTS ( \
                          SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid \
                              AND d.refobjid = ANY ('{{{spread}}}'::oid[]))) \
                   OR c.relpersistence = 't' OR s.nspname LIKE 'pg\\_temp\\_%')",
            object = object.to_u32(),
            spread = spread.join(","),
        ))
    })
}
