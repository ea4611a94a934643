//! `cluster_expand`: further servers become nodes.

use crate::nodes::{activate, validate};
use crate::operations::newcomers::Newcomer;
use expanse_core::wire::OperationKind;
use expanse_core::Layout;
use serde_json::json;

crate::sql_function! {
    /// `cluster_expand(nodes jsonb, layout text, rebind boolean, reversible_for interval, max_rate text) -> bigint`: the
    /// operation's id. The last two are those of each rebind.
    fn cluster_expand(args) {
        crate::operations::outside_of_transaction(c"cluster_expand()");
        let nodes = Newcomer::all(&args.required::<pgrx::JsonB>(0, "nodes").0);
        let layout = args.required::<String>(1, "layout");
        let rebind = args.required::<bool>(2, "rebind");
        let reversible_ms = args.milliseconds(3).unwrap_or(0.0);
        crate::operations::rebind::check_reversible(reversible_ms);
        let max_rate = crate::operations::rebind::max_rate(args.get::<String>(4));
        let _: Layout = activate::parse_layout(&layout);
        for node in &nodes {
            validate::check(&node.node_name, &node.host, node.port);
        }
        let target: Vec<&str> = nodes.iter().map(|node| node.node_name.as_str()).collect();
        let parameters = json!({
            "nodes": nodes,
            "layout": layout,
            "rebind": rebind,
            "reversible_for_ms": reversible_ms,
            "max_rate": max_rate,
        });
        Some(crate::operations::submit(OperationKind::Expand, target.join(", "), parameters))
    }
}
