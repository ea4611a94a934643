//! `expanse.add_unbuilt_index`: an index that is in the catalog and not built yet.

use crate::error::Error;
use crate::metadata::node_session;
use crate::pg::tree::parse;
use crate::pg::{compat, spi};
use pgrx::pg_sys::{IndexStmt, Oid};
use std::ffi::CString;

crate::sql_function! {
    /// `expanse.add_unbuilt_index(definition text)`: makes this node's part of an index, empty, not kept up and not used
    /// until REINDEX INDEX CONCURRENTLY has built it. For a node that creates an index concurrently, as the user it works
    /// for and under that session's search path. Needs a SHARE lock of the table: no row may come into it meanwhile.
    fn add_unbuilt_index(args) {
        let definition = args.required::<String>(0, "definition");
        node_session::require("add an index that is not built");
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
    let statement = parse(&source).first().and_then(|raw| raw.statement());
    match statement.and_then(|statement| statement.cast::<IndexStmt>()) {
        Some(index) => compat::define_unbuilt_index(index, &source),
        None => Error::Internal(format!("no definition of an index: {definition}")).raise(),
    }
}
