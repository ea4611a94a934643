//! `cluster_shrink`: nodes leave the cluster.

use crate::catalog::everywhere::cluster;
use crate::error::Error;
use crate::nodes::{activate, shrink};
use expanse_core::wire::OperationKind;
use serde_json::json;

crate::sql_function! {
    /// `cluster_shrink(node_names text[], layout text, lose_data boolean) -> bigint`: the operation's id.
    fn cluster_shrink(args) {
        crate::operations::outside_of_transaction(c"cluster_shrink()");
        let mut names = args.required::<Vec<String>>(0, "node_names");
        let layout = args.required::<String>(1, "layout");
        let lose_data = args.required::<bool>(2, "lose_data");
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            Error::InvalidParameter { parameter: "node_names", reason: "there is none".into() }.raise();
        }
        shrink::planned(&cluster(), &names, activate::parse_layout(&layout));
        let parameters = json!({ "nodes": names, "layout": layout, "lose_data": lose_data });
        Some(crate::operations::submit(OperationKind::Shrink, names.join(", "), parameters))
    }
}
