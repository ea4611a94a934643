//! What a fragment costs, by PostgreSQL's settings. The formulas are in [`expanse_core::fragment::cost`].

use crate::pg::planner::custom_path::Estimate;
use crate::pg::planner::Rel;
use expanse_core::fragment::cost::{self, Cost, Figures, Settings, Table};
use pgrx::pg_sys;

fn settings() -> Settings {
    // SAFETY: plain variables of the session.
    unsafe {
        Settings {
            seq_page: pg_sys::seq_page_cost,
            random_page: pg_sys::random_page_cost,
            cpu_tuple: pg_sys::cpu_tuple_cost,
            cpu_operator: pg_sys::cpu_operator_cost,
        }
    }
}

/// Work of reading a table on the nodes.
pub fn scan(rel: Rel<'_>) -> f64 {
    let table = Table {
        pages: f64::from(rel.pages),
        rows: rel.tuples,
        found: rel.rows,
        conditions: rel.baserestrictcost.per_tuple,
    };
    cost::scan(&settings(), &table)
}

/// Work of joining two inputs on the nodes.
pub fn join(left: &Figures, right: &Figures, rows: f64) -> f64 {
    cost::join(&settings(), left, right, rows)
}

/// Fetching all rows of a fragment.
pub fn fetch(input: &Figures, rows: f64, width: i32) -> Estimate {
    estimate(rows, cost::fetch(input.nodes, input.work, rows, width))
}

/// Fetching `rows` groups that the nodes make.
pub fn group(input: &Figures, columns: usize, rows: f64, width: i32) -> Estimate {
    let work = cost::group(&settings(), input, columns);
    estimate(rows, cost::fetch_after_work(input.nodes, work, rows, width))
}

/// Fetching the first `wanted` rows of each node's order.
pub fn top(input: &Figures, wanted: i64, width: i32) -> Estimate {
    let rows = cost::top_rows(input, wanted);
    let work = cost::sort(&settings(), input, wanted);
    estimate(rows, cost::fetch_after_work(input.nodes, work, rows, width))
}

fn estimate(rows: f64, cost: Cost) -> Estimate {
    Estimate {
        rows,
        startup: cost.startup,
        total: cost.total,
    }
}
