//! `cluster_rebind_all`: every group moves to the current hash map, the one that gives most relief first.

use crate::catalog::everywhere::cluster;
use crate::error::Error;
use expanse_core::wire::OperationKind;
use serde_json::json;

crate::sql_function! {
    /// `cluster_rebind_all(at_once int, max_write_freeze interval, reversible_for interval, max_rate text) -> bigint`: the
    /// operation's id. The limits are those of each rebind.
    fn cluster_rebind_all(args) {
        crate::operations::outside_of_transaction(c"cluster_rebind_all()");
        let at_once = args.required::<i32>(0, "at_once");
        let freeze_ms = args.milliseconds(1).unwrap_or(0.0);
        if !(1..=64).contains(&at_once) {
            Error::InvalidParameter { parameter: "at_once", reason: "it is not between 1 and 64".into() }.raise();
        }
        let reversible_ms = args.milliseconds(2).unwrap_or(0.0);
        crate::operations::rebind::check_freeze(freeze_ms);
        crate::operations::rebind::check_reversible(reversible_ms);
        let max_rate = crate::operations::rebind::max_rate(args.get::<String>(3));
        let version = cluster().current_version;
        let parameters = json!({
            "at_once": at_once,
            "max_write_freeze_ms": freeze_ms,
            "reversible_for_ms": reversible_ms,
            "max_rate": max_rate,
        });
        let target = format!("hash map version {version}");
        Some(crate::operations::submit(OperationKind::RebindAll, target, parameters))
    }
}
