//! Names of transactions over several nodes: `expanse_<coordinator node id>_<xid>_<start>` for the transaction,
//! with `_<n>` for the part of one node.

use std::fmt;

/// A transaction over several nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionName {
    /// Node that decides it.
    pub coordinator: i32,
    /// The coordinator's full (64 bits) transaction id.
    pub xid: u64,
    /// Its start, in microseconds of PostgreSQL's clock.
    pub start: i64,
}

impl TransactionName {
    /// The name of one node's part.
    pub fn part(&self, n: usize) -> String {
        format!("{self}_{n}")
    }

    /// Reads the name of a part; `None` when it is not one of ours.
    pub fn of_part(name: &str) -> Option<TransactionName> {
        let (transaction, n) = name.rsplit_once('_')?;
        canonical::<u32>(n)?;
        TransactionName::parse(transaction)
    }

    /// Reads the name of a transaction; `None` when it is not one of ours.
    pub fn parse(name: &str) -> Option<TransactionName> {
        let mut words = name.strip_prefix("expanse_")?.split('_');
        let parsed = TransactionName {
            coordinator: canonical(words.next()?)?,
            xid: canonical(words.next()?)?,
            start: canonical(words.next()?)?,
        };
        words.next().is_none().then_some(parsed)
    }
}

/// A number written the one way that [`fmt::Display`] writes it.
fn canonical<T: std::str::FromStr + fmt::Display>(word: &str) -> Option<T> {
    let number: T = word.parse().ok()?;
    (number.to_string() == word).then_some(number)
}

impl fmt::Display for TransactionName {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "expanse_{}_{}_{}",
            self.coordinator, self.xid, self.start
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        let name = TransactionName {
            coordinator: 3,
            xid: 5_000_000_000,
            start: -7,
        };
        assert_eq!(name.to_string(), "expanse_3_5000000000_-7");
        assert_eq!(TransactionName::parse(&name.to_string()), Some(name));
        assert_eq!(TransactionName::of_part(&name.part(2)), Some(name));
    }

    #[test]
    fn foreign_names_are_left_alone() {
        for foreign in [
            "",
            "expanse",
            "expanse_1",
            "expanse_1_2_3",
            "expanse_1_2_3_x",
            "expanse_01_2_3_4",
            "expanse_1_2_3_4_5",
            "Expanse_1_2_3_4",
            "expanse_1_+2_3_4",
            "other_1_2_3_4",
            "expanse_1_2_3_-4",
        ] {
            assert_eq!(TransactionName::of_part(foreign), None, "{foreign}");
        }
    }
}
