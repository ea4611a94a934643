//! In which order groups are rebound so that the fullest node gets relief first: a pure decision.

use std::collections::BTreeMap;

/// What the rebind of one group moves.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// A table of the group.
    pub relation: String,
    /// From node, to node, bytes.
    pub moves: Vec<(String, String, f64)>,
}

impl Candidate {
    /// Bytes that `node` loses (negative: gains).
    fn relief(&self, node: &str) -> f64 {
        let signed = self.moves.iter().map(|(source, target, bytes)| {
            f64::from(source == node) * bytes - f64::from(target == node) * bytes
        });
        signed.sum()
    }

    fn bytes(&self) -> f64 {
        self.moves.iter().map(|(_, _, bytes)| bytes).sum()
    }
}

/// The relations in order: always the one that takes most from the node that is the fullest by then; where none takes
/// anything from it, the one that moves most. `fill` is in bytes a node.
pub fn order(mut candidates: Vec<Candidate>, mut fill: BTreeMap<String, f64>) -> Vec<String> {
    let mut ordered = Vec::with_capacity(candidates.len());
    while !candidates.is_empty() {
        let fullest = fill
            .iter()
            .max_by(|a, b| a.1.total_cmp(b.1).then_with(|| b.0.cmp(a.0)))
            .map(|(node, _)| node.clone())
            .unwrap_or_default();
        let best = (0..candidates.len())
            .max_by(|&a, &b| {
                let (a, b) = (&candidates[a], &candidates[b]);
                let relief = |c: &Candidate| c.relief(&fullest).max(0.0);
                relief(a)
                    .total_cmp(&relief(b))
                    .then_with(|| a.bytes().total_cmp(&b.bytes()))
                    .then_with(|| b.relation.cmp(&a.relation))
            })
            .expect("there is a candidate");
        let chosen = candidates.swap_remove(best);
        for (source, target, bytes) in &chosen.moves {
            *fill.entry(source.clone()).or_default() -= bytes;
            *fill.entry(target.clone()).or_default() += bytes;
        }
        ordered.push(chosen.relation);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(relation: &str, moves: &[(&str, &str, f64)]) -> Candidate {
        let moves = moves.iter().map(|&(s, t, b)| (s.into(), t.into(), b));
        Candidate {
            relation: relation.into(),
            moves: moves.collect(),
        }
    }

    fn fill(nodes: &[(&str, f64)]) -> BTreeMap<String, f64> {
        nodes.iter().map(|&(n, b)| (n.into(), b)).collect()
    }

    #[test]
    fn the_largest_share_of_the_fullest_node_goes_first() {
        let candidates = vec![
            candidate("big_elsewhere", &[("b", "d", 90.0)]),
            candidate("small", &[("a", "d", 10.0)]),
            candidate("large", &[("a", "d", 30.0), ("b", "d", 1.0)]),
        ];
        let order = order(candidates, fill(&[("a", 100.0), ("b", 95.0), ("d", 0.0)]));
        // After the first, b is the fullest.
        assert_eq!(order, ["large", "big_elsewhere", "small"]);
    }

    #[test]
    fn what_fills_the_fullest_node_is_no_relief() {
        let candidates = vec![
            candidate("fills", &[("b", "a", 50.0)]),
            candidate("empties", &[("a", "b", 1.0)]),
        ];
        let order = order(candidates, fill(&[("a", 100.0), ("b", 10.0)]));
        assert_eq!(order, ["empties", "fills"]);
    }

    proptest! {
        #[test]
        fn every_group_is_there_once_whatever_the_sizes(
            moves in prop::collection::vec((0..4_usize, 0..4_usize, 0.0..1e12_f64), 0..12)
        ) {
            const NODES: [&str; 4] = ["a", "b", "c", "d"];
            let candidates: Vec<_> = moves.iter().enumerate().map(|(n, &(s, t, bytes))| {
                candidate(&n.to_string(), &[(NODES[s], NODES[t], bytes)])
            }).collect();
            let mut names: Vec<String> = candidates.iter().map(|c| c.relation.clone()).collect();
            let mut ordered = order(candidates, BTreeMap::new());
            names.sort();
            ordered.sort();
            prop_assert_eq!(names, ordered);
        }
    }
}
