//! `cluster_expand`: a further server becomes a node.

use crate::catalog::{activate, validate};
use expanse_core::wire::OperationKind;
use expanse_core::Layout;
use serde_json::json;

crate::sql_function! {
    /// `cluster_expand(node_name text, host text, port int, layout text, rebind boolean) -> bigint`: the operation's id.
    fn cluster_expand(args) {
        super::outside_of_transaction(c"cluster_expand()");
        let name = args.required::<String>(0, "node_name");
        let host = args.required::<String>(1, "host");
        let port = args.required::<i32>(2, "port");
        let layout = args.required::<String>(3, "layout");
        let rebind = args.required::<bool>(4, "rebind");
        let _: Layout = activate::parse_layout(&layout);
        validate::check(&name, &host, port);
        let parameters = json!({ "host": host, "port": port, "layout": layout, "rebind": rebind, "weight": 1 });
        Some(super::submit(OperationKind::Expand, name, parameters))
    }
}
