//! `cluster_run_on_nodes(command)`: an administrator's command on every node, this one included, each in a
//! session and a transaction of its own.

use crate::error::Error;
use crate::metadata::cache::metadata;
use crate::remote::autonomous::run_autonomously;
use pgrx::{pg_sys, IntoDatum};

crate::sql_function! {
    /// Rows (node_name, ok, result): the first value of the last statement, its command tag, or the error.
    fn cluster_run_on_nodes(args) {
        let command: String = args.get(0).expect("the function is strict");
        let known = metadata().unwrap_or_else(|| Error::NotInitialized.raise());
        let fcinfo = args.fcinfo();
        // SAFETY: called as a set-returning function; fills in the call's result info.
        unsafe { pg_sys::InitMaterializedSRF(fcinfo, 0) };
        for node in known.nodes.values() {
            let (ok, result) = match run_autonomously(&node.host, node.port, &command, true) {
                Ok((rows, tag)) => match rows.into_iter().next() {
                    Some(row) => (true, row.into_iter().next().flatten()),
                    None => (true, Some(tag)),
                },
                Err(failure) => (false, Some(failure.message)),
            };
            let values = [node.name.clone().into_datum(), ok.into_datum(), result.into_datum()];
            let nulls = values.map(|value| value.is_none());
            let values = values.map(|value| value.unwrap_or(pg_sys::Datum::from(0)));
            // SAFETY: the result info was filled in above; three values for the three OUT parameters.
            unsafe {
                let info = (*fcinfo).resultinfo.cast::<pg_sys::ReturnSetInfo>();
                pg_sys::tuplestore_putvalues(
                    (*info).setResult,
                    (*info).setDesc,
                    values.as_ptr().cast_mut(),
                    nulls.as_ptr().cast_mut(),
                );
            }
        }
        None::<i32>
    }
}
