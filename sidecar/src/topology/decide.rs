//! Whether a topology that is offered replaces the one in use.

use expanse_core::wire::Topology;
use thiserror::Error;

use super::check::{check, Defect};

/// What becomes of a topology that is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is the current one from now on.
    Take,
    /// It is the current one already, or an earlier one: a source is behind, which is no fault.
    Keep,
    /// It must not be used.
    Refuse(Refusal),
}

/// Why a topology must not be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("it is not valid: {0}")]
    Invalid(#[from] Defect),
    #[error("it is of cluster \"{offered}\", this node belongs to \"{current}\"")]
    OtherCluster { current: String, offered: String },
    #[error("it is another topology with the same version {version}")]
    Ambiguous { version: i64 },
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

/// `current` is what is in use, if anything.
pub fn decide(current: Option<&Topology>, offered: &Topology) -> Decision {
    if let Err(defect) = check(offered) {
        return Decision::Refuse(defect.into());
    }
    let Some(current) = current else {
        return Decision::Take;
    };
    if current.cluster_id != offered.cluster_id {
        return Decision::Refuse(Refusal::OtherCluster {
            current: current.cluster_id.clone(),
            offered: offered.cluster_id.clone(),
        });
    }
    match offered.version.cmp(&current.version) {
        std::cmp::Ordering::Greater => Decision::Take,
        std::cmp::Ordering::Less => Decision::Keep,
        std::cmp::Ordering::Equal if same(current, offered) => Decision::Keep,
        std::cmp::Ordering::Equal => Decision::Refuse(Refusal::Ambiguous {
            version: current.version,
        }),
    }
}

/// The order of the nodes says nothing.
fn same(one: &Topology, other: &Topology) -> bool {
    let sorted = |topology: &Topology| {
        let mut nodes = topology.nodes.clone();
        nodes.sort_by_key(|node| node.node_id);
        nodes
    };
    let storages = |topology: &Topology| {
        let mut storages = topology.storages.clone();
        storages.sort();
        storages
    };
    sorted(one) == sorted(other) && storages(one) == storages(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::check::tests::topology;
    use proptest::prelude::*;

    #[test]
    fn the_first_is_taken_and_the_cluster_never_changes() {
        assert_eq!(decide(None, &topology(3, 2)), Decision::Take);
        let mut other = topology(9, 2);
        other.cluster_id = "c2".to_owned();
        let refused = decide(Some(&topology(3, 2)), &other);
        assert!(matches!(
            refused,
            Decision::Refuse(Refusal::OtherCluster { .. })
        ));
    }

    #[test]
    fn the_same_version_must_be_the_same_topology() {
        let current = topology(3, 2);
        let mut turned = current.clone();
        turned.nodes.reverse();
        assert_eq!(decide(Some(&current), &turned), Decision::Keep);
        let refused = decide(Some(&current), &topology(3, 3));
        assert_eq!(refused, Decision::Refuse(Refusal::Ambiguous { version: 3 }));
    }

    proptest! {
        #[test]
        fn versions_never_go_back(offers in prop::collection::vec((-2i64..9, 0..4i32), 1..30)) {
            let mut current: Option<Topology> = None;
            for (version, nodes) in offers {
                let offered = topology(version, nodes);
                if decide(current.as_ref(), &offered) == Decision::Take {
                    prop_assert!(check(&offered).is_ok());
                    prop_assert!(current.is_none_or(|current| current.version < offered.version));
                    current = Some(offered);
                }
            }
        }
    }
}
