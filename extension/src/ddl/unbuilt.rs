//! `expanse.add_unbuilt_index`: an index that is in the catalog and not built yet.

use crate::error::Error;
use crate::pg::compat;
use crate::pg::entry::guarded;
use crate::pg::raw;
use crate::pg::spi;
use pgrx::pg_sys::{self, IndexStmt, NodeTag, Oid, RawStmt};
use std::ffi::CString;

crate::sql_function! {
    /// `expanse.add_unbuilt_index(definition text)`: makes this node's part of an index, empty, not kept up and not used
    /// until REINDEX INDEX CONCURRENTLY has built it. For a node that creates an index concurrently, as the user it works
    /// for and under that session's search path. Needs a SHARE lock of the table: no row may come into it meanwhile.
    fn add_unbuilt_index(args) {
        let definition = args.required::<String>(0, "definition");
        crate::metadata::peer::require("add an index that is not built");
        let index = define(&definition);
        spi::as_owner(|| {
            spi::execute(&format!(
                "UPDATE pg_index SET indisready = false, indisvalid = false WHERE indexrelid = {}",
                index.to_u32()
            ));
        });
        Some(())
    }
}

fn define(definition: &str) -> Oid {
    let source = CString::new(definition).expect("SQL text has no NUL byte");
    // SAFETY: as PostgreSQL runs a CREATE INDEX (ProcessUtilitySlow): parsed, the table locked and its owner checked,
    // analysed, defined. Parse tree and results are palloc'd.
    unsafe {
        let statements =
            pg_sys::raw_parser(source.as_ptr(), pg_sys::RawParseMode::RAW_PARSE_DEFAULT);
        let first = crate::pg::parse_tree::list::<RawStmt>(statements)
            .into_iter()
            .next();
        let stmt = match first.map(|raw| (*raw).stmt) {
            Some(stmt) if crate::pg::parse_tree::tag(stmt) == NodeTag::T_IndexStmt => {
                stmt.cast::<IndexStmt>()
            }
            _ => Error::Internal(format!("no definition of an index: {definition}")).raise(),
        };
        let table = pg_sys::RangeVarGetRelidExtended(
            (*stmt).relation,
            pg_sys::ShareLock as i32,
            0,
            Some(raw::RangeVarCallbackOwnsRelation),
            std::ptr::null_mut(),
        );
        let stmt = guarded(|| raw::transformIndexStmt(table, stmt, source.as_ptr()));
        compat::define_unbuilt_index(table, stmt)
    }
}
