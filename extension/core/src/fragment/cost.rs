//! What a fragment costs: the nodes work at once, their rows come one after the other. All costs are in the units of
//! PostgreSQL's planner, where reading one page in sequence costs `seq_page_cost`.

/// Asking the nodes.
const STARTUP: f64 = 100.0;
/// Sending and reading one row, and one byte of it.
const PER_ROW: f64 = 0.03;
const PER_BYTE: f64 = 0.0005;

/// What PostgreSQL takes for the number of groups by an expression is the number of different values of the columns in it,
/// which is only the most that there can be. To fetch all rows where there are few groups costs many times what it costs to
/// group twice where there are many, so fewer are counted on.
const COMPUTED_GROUPS: f64 = 0.1;

/// PostgreSQL's cost settings.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub seq_page: f64,
    pub random_page: f64,
    pub cpu_tuple: f64,
    pub cpu_operator: f64,
}

/// The figures of a fragment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Work of all nodes together, without sending the rows.
    pub work: f64,
    pub rows: f64,
    /// Number of nodes that work at once.
    pub nodes: f64,
}

/// The figures of a table, for all nodes together.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub pages: f64,
    pub rows: f64,
    /// Rows that its conditions leave.
    pub found: f64,
    /// Cost of the conditions for one row.
    pub conditions: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    pub startup: f64,
    pub total: f64,
}

/// Fetching `rows` rows of `width` bytes, for which the nodes do `work`.
pub fn fetch(nodes: f64, work: f64, rows: f64, width: i32) -> Cost {
    let transfer = rows * (PER_ROW + PER_BYTE * f64::from(width));
    Cost {
        startup: STARTUP,
        total: STARTUP + work / nodes + transfer,
    }
}

/// The same where no row comes before the work is done.
pub fn fetch_after_work(nodes: f64, work: f64, rows: f64, width: i32) -> Cost {
    let cost = fetch(nodes, work, rows, width);
    Cost {
        startup: cost.startup + work / nodes,
        ..cost
    }
}

/// Work of reading a table.
pub fn scan(settings: &Settings, table: &Table) -> f64 {
    let all =
        table.pages * settings.seq_page + table.rows * (settings.cpu_tuple + table.conditions);
    // An index may help to find few rows of many.
    let found = table.found * settings.random_page;
    all.min(found.max(all * 0.01))
}

/// Work of joining two inputs to `rows` rows.
pub fn join(settings: &Settings, left: &Figures, right: &Figures, rows: f64) -> f64 {
    left.work + right.work + settings.cpu_tuple * (left.rows + right.rows + rows)
}

/// Work of grouping that delivers a number of columns.
pub fn group(settings: &Settings, input: &Figures, columns: usize) -> f64 {
    input.work + input.rows * settings.cpu_operator * (columns.max(1) as f64)
}

/// Work of finding the first `rows` rows of an order.
pub fn sort(settings: &Settings, input: &Figures, rows: i64) -> f64 {
    let kept = (rows as f64).max(2.0);
    input.work + input.rows * 2.0 * settings.cpu_operator * kept.log2()
}

/// Rows of partial groups that the nodes deliver when there are `groups` in all: no node has more groups than rows.
pub fn partial_groups(input: &Figures, groups: f64, computed: bool) -> f64 {
    let most = (groups * input.nodes).min(input.rows);
    let counted_on = if computed {
        most * COMPUTED_GROUPS
    } else {
        most
    };
    counted_on.max(input.nodes)
}

/// Rows that come when each node delivers up to `rows`.
pub fn top_rows(input: &Figures, rows: i64) -> f64 {
    (rows as f64 * input.nodes).min(input.rows.max(1.0))
}

/// How many times the size of this node's part a whole table has: `mine` are the buckets of this node out of `buckets`;
/// without any the parts of the `owners` count as equal.
pub fn whole_table(buckets: u32, mine: Option<u32>, owners: usize) -> f64 {
    match mine {
        Some(mine) if mine > 0 => f64::from(buckets) / f64::from(mine),
        _ => owners.max(1) as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SETTINGS: Settings = Settings {
        seq_page: 1.0,
        random_page: 4.0,
        cpu_tuple: 0.01,
        cpu_operator: 0.0025,
    };

    fn figures() -> impl Strategy<Value = Figures> {
        (0.0..1e9f64, 0.0..1e9f64, 1u8..64).prop_map(|(work, rows, nodes)| Figures {
            work,
            rows,
            nodes: f64::from(nodes),
        })
    }

    #[test]
    fn rows_wait_for_the_work_of_a_grouping_only() {
        let cost = fetch(2.0, 1000.0, 10.0, 100);
        assert_eq!(cost.startup, 100.0);
        assert_eq!(cost.total, 100.0 + 500.0 + 10.0 * 0.08);
        let waiting = fetch_after_work(2.0, 1000.0, 10.0, 100);
        assert_eq!(waiting.startup, 600.0);
        assert_eq!(waiting.total, cost.total);
    }

    #[test]
    fn an_index_finds_few_rows() {
        let table = |found| Table {
            pages: 1000.0,
            rows: 100_000.0,
            found,
            conditions: 0.0,
        };
        assert_eq!(scan(&SETTINGS, &table(100_000.0)), 2000.0);
        assert_eq!(scan(&SETTINGS, &table(100.0)), 400.0);
        assert_eq!(scan(&SETTINGS, &table(1.0)), 20.0);
    }

    #[test]
    fn the_whole_table_by_this_nodes_buckets() {
        assert_eq!(whole_table(65_536, Some(16_384), 3), 4.0);
        assert_eq!(whole_table(65_536, Some(0), 3), 3.0);
        assert_eq!(whole_table(65_536, None, 0), 1.0);
    }

    proptest! {
        #[test]
        fn no_fewer_partial_groups_than_nodes_and_no_more_than_rows(
            input in figures(), groups in 1.0..1e9f64, computed: bool,
        ) {
            let rows = partial_groups(&input, groups, computed);
            prop_assert!(rows >= input.nodes);
            prop_assert!(rows <= input.rows.max(input.nodes));
            prop_assert!(partial_groups(&input, groups, true) <= partial_groups(&input, groups, false));
        }

        #[test]
        fn every_step_adds_work(left in figures(), right in figures(), rows in 0.0..1e9f64) {
            prop_assert!(join(&SETTINGS, &left, &right, rows) >= left.work + right.work);
            prop_assert!(group(&SETTINGS, &left, 0) >= left.work);
            prop_assert!(sort(&SETTINGS, &left, 1) >= left.work);
        }

        #[test]
        fn top_rows_are_some_of_all(input in figures(), rows in 1i64..1_000_000) {
            let top = top_rows(&input, rows);
            prop_assert!(top >= 1.0 && top <= input.rows.max(1.0));
        }
    }
}
