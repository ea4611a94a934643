//! What two nodes hold of the same buckets, compared: pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::kinds::rebind::plan::Pair;

/// Number and digest of the rows of each bucket of one table on one node.
pub type Digests = BTreeMap<i32, (i64, String)>;

/// Buckets of one table that are not the same on the two nodes of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub relation: String,
    pub source: String,
    pub target: String,
    pub buckets: Vec<i32>,
}

/// Compares the buckets of `pair`; `None` if all agree.
pub fn difference(
    relation: &str,
    pair: &Pair,
    source: &Digests,
    target: &Digests,
) -> Option<Difference> {
    let moving = |bucket: &i32| {
        pair.ranges
            .iter()
            .any(|(first, last)| (first..=last).contains(&bucket))
    };
    let present: BTreeSet<i32> = source.keys().chain(target.keys()).copied().collect();
    let buckets: Vec<i32> = present
        .into_iter()
        .filter(moving)
        .filter(|bucket| source.get(bucket) != target.get(bucket))
        .collect();
    (!buckets.is_empty()).then(|| Difference {
        relation: relation.to_owned(),
        source: pair.source.clone(),
        target: pair.target.clone(),
        buckets,
    })
}

/// Which buckets of what differ, for people: the first of many.
pub fn describe(differences: &[Difference]) -> String {
    const SHOWN: usize = 20;
    let one = |d: &Difference| {
        let shown: Vec<String> = d.buckets.iter().take(SHOWN).map(i32::to_string).collect();
        let more = match d.buckets.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!(
            "relation \"{}\", nodes \"{}\" and \"{}\": buckets {}{more}",
            d.relation,
            d.source,
            d.target,
            shown.join(", ")
        )
    };
    differences.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> Pair {
        Pair {
            source: "n1".into(),
            target: "n3".into(),
            ranges: vec![(10, 19), (40, 40)],
            old_ranges: Vec::new(),
        }
    }

    fn digests(all: &[(i32, i64, &str)]) -> Digests {
        all.iter()
            .map(|(bucket, rows, digest)| (*bucket, (*rows, (*digest).to_owned())))
            .collect()
    }

    #[test]
    fn equal_contents_agree_and_buckets_of_others_do_not_matter() {
        let source = digests(&[(5, 1, "1"), (10, 2, "-7"), (40, 1, "9")]);
        let target = digests(&[(10, 2, "-7"), (40, 1, "9"), (41, 1, "1")]);
        assert_eq!(difference("t", &pair(), &source, &target), None);
        assert_eq!(
            difference("t", &pair(), &Digests::new(), &Digests::new()),
            None
        );
    }

    #[test]
    fn every_kind_of_difference_names_its_bucket() {
        let source = digests(&[(10, 2, "5"), (11, 1, "6"), (12, 3, "7"), (19, 1, "1")]);
        let target = digests(&[(10, 3, "5"), (11, 1, "8"), (19, 1, "1"), (40, 1, "2")]);
        let found = difference("t", &pair(), &source, &target).expect("they differ");
        assert_eq!(found.buckets, [10, 11, 12, 40]);
        assert_eq!(
            describe(&[found]),
            "relation \"t\", nodes \"n1\" and \"n3\": buckets 10, 11, 12, 40"
        );
    }

    #[test]
    fn long_lists_are_cut() {
        let many = Difference {
            relation: "t".into(),
            source: "a".into(),
            target: "b".into(),
            buckets: (0..25).collect(),
        };
        assert!(describe(&[many]).ends_with("18, 19 and 5 more"));
    }
}
