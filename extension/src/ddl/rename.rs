//! A renamed distribution column keeps its role.

use super::classify::Concern;
use crate::catalog::spi;
use pgrx::pg_sys;

/// Writes the new name into this node's metadata; every node does so when it runs the statement.
pub fn follow(concern: &Concern) {
    let Some((table, old, new)) = &concern.renamed_column else {
        return;
    };
    as_owner(|| {
        spi::execute(&format!(
            "UPDATE expanse.distributed_table SET distribution_column = {} \
             WHERE relation OPERATOR(pg_catalog.=) {}::pg_catalog.regclass AND distribution_column OPERATOR(pg_catalog.=) {}",
            spi::literal(new),
            table.to_u32(),
            spi::literal(old)
        ));
    });
}

/// Runs `body`, a statement of ours over our own tables, with the rights of the extension's owner. An error restores the
/// user with the (sub)transaction.
pub(super) fn as_owner(body: impl FnOnce()) {
    let settings = [
        (c"expanse.internal", c"on"),
        (c"search_path", c"pg_catalog, pg_temp"),
    ];
    let (mut user, mut context) = (pg_sys::InvalidOid, 0);
    // SAFETY: reads and sets the backend's user; the flag marks the change as a local one.
    unsafe {
        pg_sys::GetUserIdAndSecContext(&mut user, &mut context);
        pg_sys::SetUserIdAndSecContext(
            pg_sys::Oid::from(pg_sys::BOOTSTRAP_SUPERUSERID),
            context | pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32,
        );
    }
    spi::with_settings(&settings, body);
    // SAFETY: restores what was read above.
    unsafe { pg_sys::SetUserIdAndSecContext(user, context) };
}
