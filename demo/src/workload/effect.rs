//! What one transaction of a writer does, as data: done to the cluster first, and again to a plain
//! database when the run is over.

/// One transaction. All amounts are in cents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// New orders with their lines; several orders are usually on several nodes.
    NewOrders(Vec<NewOrder>),
    /// Another price for every line of an order and for the order itself (one node).
    Reprice { order: i64, cents: i64 },
    /// Priority moves from one order to another: the sum over all orders stays 0 (several nodes).
    Handover { from: i64, to: i64 },
    /// Money moves from one customer to another: the sum stays what it was (several nodes).
    Payment { from: i64, to: i64, cents: i64 },
    /// An order that this writer had made goes away, with its lines (one node).
    Remove { order: i64 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrder {
    pub order: i64,
    pub customer: i64,
    pub part: i64,
    pub supplier: i64,
    pub lines: i64,
    pub cents: i64,
}

/// One statement with its parameters, all of them bigint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub sql: &'static str,
    pub parameters: Vec<i64>,
}

const INSERT_ORDER: &str = "INSERT INTO orders VALUES ($1, $2, 'O', $3::bigint * 0.01, \
     DATE '1998-08-02', '3-MEDIUM', 'Clerk#000000001', 0, 'made while the cluster grew')";
const INSERT_LINE: &str = "INSERT INTO lineitem VALUES ($1, $2, $3, $4::bigint::int, \
     $4::bigint, $5::bigint * 0.01, 0.05, 0.02, 'N', 'O', DATE '1998-08-12', DATE '1998-08-22', \
     DATE '1998-08-14', 'NONE', 'SHIP', 'made while the cluster grew')";
const REPRICE_LINES: &str =
    "UPDATE lineitem SET l_extendedprice = l_extendedprice + $2::bigint * 0.01 WHERE l_orderkey = $1";
const REPRICE_ORDER: &str =
    "UPDATE orders SET o_totalprice = o_totalprice + $2::bigint * 0.01 WHERE o_orderkey = $1";
const HAND_OVER: &str =
    "UPDATE orders SET o_shippriority = o_shippriority + $2::bigint::int WHERE o_orderkey = $1";
const PAY: &str =
    "UPDATE customer SET c_acctbal = c_acctbal + $2::bigint * 0.01 WHERE c_custkey = $1";
const DELETE_LINES: &str = "DELETE FROM lineitem WHERE l_orderkey = $1";
const DELETE_ORDER: &str = "DELETE FROM orders WHERE o_orderkey = $1";

impl Effect {
    /// The statements of the transaction, in order. Customers are locked in the order of their
    /// keys, so that two payments cannot wait for each other.
    pub fn steps(&self) -> Vec<Step> {
        let step = |sql, parameters: &[i64]| Step {
            sql,
            parameters: parameters.to_vec(),
        };
        match *self {
            Self::NewOrders(ref orders) => orders.iter().flat_map(NewOrder::steps).collect(),
            Self::Reprice { order, cents } => {
                vec![
                    step(REPRICE_LINES, &[order, cents]),
                    step(REPRICE_ORDER, &[order, cents]),
                ]
            }
            Self::Handover { from, to } => {
                vec![step(HAND_OVER, &[from, -1]), step(HAND_OVER, &[to, 1])]
            }
            Self::Payment { from, to, cents } => {
                let mut both = [(from, -cents), (to, cents)];
                both.sort_unstable();
                both.iter()
                    .map(|&(key, change)| step(PAY, &[key, change]))
                    .collect()
            }
            Self::Remove { order } => {
                vec![step(DELETE_LINES, &[order]), step(DELETE_ORDER, &[order])]
            }
        }
    }
}

impl NewOrder {
    fn steps(&self) -> Vec<Step> {
        let Self {
            order,
            customer,
            part,
            supplier,
            lines,
            cents,
        } = *self;
        let head = Step {
            sql: INSERT_ORDER,
            parameters: vec![order, customer, cents * lines],
        };
        let line = |number| Step {
            sql: INSERT_LINE,
            parameters: vec![order, part, supplier, number, cents],
        };
        std::iter::once(head).chain((1..=lines).map(line)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payments_lock_customers_in_one_order_and_keep_the_sum() {
        for (from, to) in [(1, 2), (2, 1)] {
            let steps = Effect::Payment { from, to, cents: 7 }.steps();
            assert_eq!(steps[0].parameters[0], 1);
            assert_eq!(steps[1].parameters[0], 2);
            assert_eq!(steps.iter().map(|s| s.parameters[1]).sum::<i64>(), 0);
        }
    }

    #[test]
    fn new_orders_have_a_head_and_lines() {
        let order = NewOrder {
            order: 9,
            customer: 1,
            part: 2,
            supplier: 3,
            lines: 2,
            cents: 100,
        };
        let steps = Effect::NewOrders(vec![order]).steps();
        assert_eq!(steps.len(), 3);
        assert_eq!(steps[0].parameters, [9, 1, 200]);
        assert_eq!(steps[2].parameters, [9, 2, 3, 2, 100]);
    }
}
