//! The first rows of an order.
//!
//! ORDER BY with LIMIT takes rows from the top of all nodes' rows together, so none that counts is beyond the limit on its own
//! node: each node delivers as many rows as are wanted in all.

/// A LIMIT or OFFSET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    Absent,
    /// A constant; `None` for null.
    Constant(Option<i64>),
    /// Known at execution only.
    Computed,
}

impl Bound {
    fn number(self) -> Option<i64> {
        match self {
            Bound::Constant(Some(number)) if number >= 0 => Some(number),
            _ => None,
        }
    }
}

/// Rows that each node has to deliver; `None` when their number is not known, or there are none.
pub fn rows_of_each_node(limit: Bound, offset: Bound) -> Option<i64> {
    let offset = match offset {
        Bound::Absent => 0,
        given => given.number()?,
    };
    limit.number()?.checked_add(offset).filter(|&rows| rows > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn first(mut rows: Vec<u32>, count: usize) -> Vec<u32> {
        rows.sort_unstable();
        rows.truncate(count);
        rows
    }

    #[test]
    fn unknown_numbers() {
        let five = Bound::Constant(Some(5));
        for other in [
            Bound::Computed,
            Bound::Constant(None),
            Bound::Constant(Some(-1)),
        ] {
            assert_eq!(rows_of_each_node(other, Bound::Absent), None);
            assert_eq!(rows_of_each_node(five, other), None);
        }
        assert_eq!(rows_of_each_node(Bound::Absent, Bound::Absent), None);
        assert_eq!(
            rows_of_each_node(Bound::Constant(Some(0)), Bound::Absent),
            None
        );
        assert_eq!(
            rows_of_each_node(Bound::Constant(Some(i64::MAX)), five),
            None
        );
    }

    proptest! {
        #[test]
        fn first_rows_of_the_nodes_have_the_first_of_all(
            nodes in proptest::collection::vec(proptest::collection::vec(0u32..50, 0..20), 1..4),
            limit in 0i64..10, offset in 0i64..10,
        ) {
            let (limited, skipped) = (Bound::Constant(Some(limit)), Bound::Constant(Some(offset)));
            let Some(each) = rows_of_each_node(limited, skipped) else {
                prop_assert_eq!(limit + offset, 0);
                return Ok(());
            };
            let delivered: Vec<Vec<u32>> =
                nodes.iter().map(|rows| first(rows.clone(), each as usize)).collect();
            let wanted = (limit + offset) as usize;
            prop_assert_eq!(first(delivered.concat(), wanted), first(nodes.concat(), wanted));
        }
    }
}
