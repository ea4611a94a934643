//! Read, decide, write, and again if another client was faster.

use super::{Coordination, Entry, Error, Result, Version};

/// Changes the entry at `path` to what `decide` makes of it, creating it where there is none.
/// `decide` is called with what the store holds, again each time another client was faster; `None`
/// from it leaves the entry as it is. Returns the version then current, `None` if there is no entry.
///
/// # Errors
/// Those of the store; the outcome of the last attempt may be unknown (see [`Error::is_ambiguous`]).
pub async fn update<F>(
    store: &dyn Coordination,
    path: &str,
    mut decide: F,
) -> Result<Option<Version>>
where
    F: FnMut(Option<&Entry>) -> Option<Vec<u8>> + Send,
{
    loop {
        let found = store.get_fresh(path).await?;
        let Some(data) = decide(found.as_ref()) else {
            return Ok(found.map(|entry| entry.version));
        };
        let written = match &found {
            Some(entry) => store.put(path, &data, entry.version).await,
            None => store.create(path, &data).await,
        };
        match written {
            Ok(version) => return Ok(Some(version)),
            // Each of these means that another client has made progress, so this loop ends.
            Err(
                Error::VersionMismatch { .. }
                | Error::NotFound { .. }
                | Error::AlreadyExists { .. },
            ) => {}
            Err(error) => return Err(error),
        }
    }
}
