//! Route Rows and Distribute: rows computed here go to the nodes they belong to.
//!
//! # How it works
//! [`route_rows`] sits under PostgreSQL's ModifyTable, gives it this node's rows and hands the others to an
//! [`outbox::Outbox`]; [`distribute`] sits above ModifyTable and empties the outbox when the rows have run out.
//!
//! # Invariants
//! A row is inserted where its key belongs by the metadata under the group lock; a replicated table's row on every node.

pub mod distribute;
pub mod outbox;
pub mod route_rows;

use self::distribute::DistributeScan;
use self::route_rows::RouteRowsScan;
use crate::scan::custom::Methods;

pub static ROUTE_ROWS: Methods<RouteRowsScan> = Methods::new(c"Route Rows");
pub static DISTRIBUTE: Methods<DistributeScan> = Methods::new(c"Distribute");
