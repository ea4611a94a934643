//! What an operation list makes of the entries, before anything is written.

use super::record::Record;
use super::store::{Changes, Store};
use crate::coordination::{path, Error, Op, Result, Version};

impl Store {
    pub(super) fn decide_parents(&self, path: &str, changes: &mut Changes) -> Result<()> {
        let Some(parent) = path::parent(path) else {
            return Ok(());
        };
        if self.seen(parent, changes)?.is_none() {
            self.decide_parents(parent, changes)?;
            let record = Record {
                version: Version::FIRST,
                session: None,
                data: Vec::new(),
            };
            changes.insert(parent.to_owned(), Some(record));
        }
        Ok(())
    }

    /// What `op` makes of the entries as they are after `changes`.
    pub(super) fn decide(&self, op: &Op, session: &str, changes: &mut Changes) -> Result<()> {
        let path = op.path().to_owned();
        let found = self.seen(&path, changes)?;
        let after = match op {
            Op::Check { expected, .. } => {
                at(&path, found, *expected)?;
                return Ok(());
            }
            Op::Create { data, .. } => self.creation(&path, found, data, None, changes)?,
            Op::CreateEphemeral { data, .. } => {
                self.creation(&path, found, data, Some(session), changes)?
            }
            Op::Put { data, expected, .. } => {
                let found = at(&path, found, *expected)?;
                Some(Record {
                    version: expected.next(),
                    data: data.clone(),
                    ..found
                })
            }
            Op::Delete { expected, .. } => {
                at(&path, found, *expected)?;
                if self.has_children(&path, changes)? {
                    return Err(Error::NotEmpty { path });
                }
                None
            }
        };
        changes.insert(path, after);
        Ok(())
    }

    fn creation(
        &self,
        path: &str,
        found: Option<Record>,
        data: &[u8],
        session: Option<&str>,
        changes: &Changes,
    ) -> Result<Option<Record>> {
        if found.is_some() {
            return Err(Error::AlreadyExists {
                path: path.to_owned(),
            });
        }
        if let Some(parent) = path::parent(path) {
            match self.seen(parent, changes)? {
                None => {
                    return Err(Error::NotFound {
                        path: parent.to_owned(),
                    })
                }
                Some(Record {
                    session: Some(_), ..
                }) => {
                    return Err(Error::EphemeralParent {
                        path: path.to_owned(),
                    })
                }
                Some(_) => {}
            }
        }
        Ok(Some(Record {
            version: Version::FIRST,
            session: session.map(str::to_owned),
            data: data.to_vec(),
        }))
    }

    fn has_children(&self, path: &str, changes: &Changes) -> Result<bool> {
        let below = format!("{path}/");
        let made = changes
            .iter()
            .any(|(path, record)| path.starts_with(&below) && record.is_some());
        let kept = self
            .list(path)?
            .into_iter()
            .any(|name| !changes.contains_key(&format!("{below}{name}")));
        Ok(made || kept)
    }
}

/// The record, if it is there and at the version that is expected.
fn at(path: &str, found: Option<Record>, expected: Version) -> Result<Record> {
    match found {
        None => Err(Error::NotFound {
            path: path.to_owned(),
        }),
        Some(record) if record.version == expected => Ok(record),
        Some(_) => Err(Error::VersionMismatch {
            path: path.to_owned(),
            expected: expected.0,
        }),
    }
}
