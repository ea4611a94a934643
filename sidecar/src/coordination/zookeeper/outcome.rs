//! What the entries say about a write whose answer was lost.

use crate::coordination::{Entry, Op, Owner, Version};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The entry is exactly as the operation leaves it.
    Done,
    /// The entry is as it cannot be if the operation was carried out.
    NotDone,
    /// Both are possible.
    Nothing,
}

/// What the entry found at its path says about one operation. Two clients that write the same data
/// cannot be told apart by it: data that must be unique has to say whose it is.
pub fn evidence(op: &Op, found: Option<&Entry>) -> Evidence {
    match (op, found) {
        (Op::Check { .. }, _) => Evidence::Nothing,
        (Op::Create { data, .. }, Some(entry)) => created(entry, data, Owner::Persistent),
        (Op::CreateEphemeral { data, .. }, Some(entry)) => created(entry, data, Owner::ThisClient),
        // It can have been made and removed again.
        (Op::Create { .. } | Op::CreateEphemeral { .. } | Op::Put { .. }, None) => {
            Evidence::Nothing
        }
        (Op::Put { data, expected, .. }, Some(entry)) => {
            if entry.version == expected.next() {
                done_if(entry.data == *data)
            } else if entry.version == *expected {
                Evidence::NotDone
            } else {
                Evidence::Nothing
            }
        }
        (Op::Delete { .. }, None) => Evidence::Done,
        (Op::Delete { expected, .. }, Some(entry)) if entry.version == *expected => {
            Evidence::NotDone
        }
        (Op::Delete { .. }, Some(_)) => Evidence::Nothing,
    }
}

fn created(entry: &Entry, data: &[u8], owner: Owner) -> Evidence {
    if entry.version != Version::FIRST {
        return Evidence::Nothing;
    }
    done_if(entry.data == data && entry.owner == owner)
}

fn done_if(done: bool) -> Evidence {
    if done {
        Evidence::Done
    } else {
        Evidence::NotDone
    }
}

/// What all of them together say: a list is done as a whole or not at all.
pub fn verdict(evidence: &[Evidence]) -> Evidence {
    if evidence.contains(&Evidence::NotDone) {
        Evidence::NotDone
    } else if evidence.contains(&Evidence::Done) {
        Evidence::Done
    } else {
        Evidence::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(data: &str, version: i32, owner: Owner) -> Option<Entry> {
        Some(Entry {
            data: data.into(),
            version: Version(version),
            owner,
        })
    }

    #[test]
    fn every_operation() {
        use Evidence::{Done, NotDone, Nothing};
        let path = || "/a".to_owned();
        let put = Op::Put {
            path: path(),
            data: b"x".to_vec(),
            expected: Version(3),
        };
        let create = Op::Create {
            path: path(),
            data: b"x".to_vec(),
        };
        let ephemeral = Op::CreateEphemeral {
            path: path(),
            data: b"x".to_vec(),
        };
        let delete = Op::Delete {
            path: path(),
            expected: Version(3),
        };
        let check = Op::Check {
            path: path(),
            expected: Version(3),
        };
        let persistent = Owner::Persistent;
        for (op, found, expected) in [
            (&put, found("x", 4, persistent), Done),
            (&put, found("y", 4, persistent), NotDone),
            (&put, found("x", 3, persistent), NotDone),
            (&put, found("y", 5, persistent), Nothing),
            (&put, None, Nothing),
            (&create, found("x", 0, persistent), Done),
            (&create, found("y", 0, persistent), NotDone),
            (&create, found("x", 1, persistent), Nothing),
            (&create, None, Nothing),
            (&ephemeral, found("x", 0, Owner::ThisClient), Done),
            (&ephemeral, found("x", 0, Owner::OtherClient), NotDone),
            (&delete, None, Done),
            (&delete, found("x", 3, persistent), NotDone),
            (&delete, found("x", 0, persistent), Nothing),
            (&check, found("x", 3, persistent), Nothing),
        ] {
            assert_eq!(evidence(op, found.as_ref()), expected, "{op:?} {found:?}");
        }
    }

    #[test]
    fn a_list_is_done_as_a_whole() {
        use Evidence::{Done, NotDone, Nothing};
        assert_eq!(verdict(&[Nothing, Done]), Done);
        assert_eq!(verdict(&[Done, NotDone]), NotDone);
        assert_eq!(verdict(&[Nothing]), Nothing);
        assert_eq!(verdict(&[]), Nothing);
    }
}
