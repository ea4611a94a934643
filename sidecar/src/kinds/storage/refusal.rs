//! Why a storage cannot be added or dropped.

use expanse_core::sqlstate;

use crate::operations::Reason;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("directory \"{directory}\" would be used by node \"{one}\" and by node \"{other}\"")]
    SharedDirectory {
        directory: String,
        one: String,
        other: String,
    },
    #[error("storage \"{storage}\" is not empty: {first} lies in it on node \"{node}\"")]
    NotEmpty {
        storage: String,
        node: String,
        first: String,
        others: Vec<String>,
    },
}

impl Reason for Refusal {
    fn sqlstate(&self) -> &str {
        match self {
            Self::SharedDirectory { .. } => sqlstate::SHARED_DIRECTORY.code,
            Self::NotEmpty { .. } => sqlstate::STORAGE_NOT_EMPTY.code,
        }
    }

    fn detail(&self) -> Option<String> {
        const SHOWN: usize = 4;
        Some(match self {
            Self::SharedDirectory { .. } => {
                "Both nodes see the same directory there: they share a machine or a file system."
                    .into()
            }
            Self::NotEmpty { first, others, .. } => {
                let shown = others.iter().take(SHOWN);
                let mut list = shown.fold(first.clone(), |list, one| format!("{list}, {one}"));
                if others.len() > SHOWN {
                    list.push_str(&format!(" and {} more", others.len() - SHOWN));
                }
                format!("There are: {list}.")
            }
        })
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::SharedDirectory { directory, .. } => Some(format!(
                "Put {{node}} into the directory, which stands for the node's name: '{directory}/{{node}}'."
            )),
            Self::NotEmpty { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::refusal::check_all;

    #[test]
    fn every_refusal_has_its_sqlstate_and_speaks_as_postgresql_does() {
        let all = [
            Refusal::SharedDirectory {
                directory: "/disk".into(),
                one: "n1".into(),
                other: "n2".into(),
            },
            Refusal::NotEmpty {
                storage: "fast".into(),
                node: "n2".into(),
                first: "table t1".into(),
                others: (2..=7).map(|n| format!("table t{n}")).collect(),
            },
        ];
        check_all(&all, 2);
        let detail = all[1].detail().unwrap();
        assert!(detail.contains("table t5 and 2 more") && !detail.contains("t6"));
    }
}
