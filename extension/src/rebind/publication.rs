//! `expanse.empty_publication`: the first half of dropping a publication.
//!
//! A write reads which publications its table is in, and then each of these. One that is dropped between the two fails the
//! write ("cache lookup failed for publication"). So tables leave first; the publication goes when no statement runs any more
//! that could have read that they were in it. `ALTER PUBLICATION ... DROP TABLE` does the same but waits for locks of others.

use crate::pg::spi;
use pgrx::pg_sys::{self, ObjectAddress, Oid};

/// The catalog `pg_publication_rel`, whose OID is fixed.
const MEMBERS: u32 = 6106;

crate::sql_function! {
    /// `expanse.empty_publication(name text) -> int`: how many tables have left it; none of a publication of another owner.
    fn empty_publication(args) {
        let name = args.required::<String>(0, "name");
        let members = spi::column(&format!(
            "SELECT r.oid::oid FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid \
             WHERE p.pubname = {} AND pg_has_role(p.pubowner, 'USAGE')",
            spi::literal(&name)
        ));
        for member in members.iter().filter_map(|member| member.parse::<u32>().ok()) {
            let member = ObjectAddress {
                classId: Oid::from(MEMBERS),
                objectId: Oid::from(member),
                objectSubId: 0,
            };
            // SAFETY: deletes an object that was just found, as DROP does; fails if it has gone meanwhile.
            unsafe { pg_sys::performDeletion(&member, pg_sys::DropBehavior::DROP_CASCADE, 0) };
        }
        i32::try_from(members.len()).ok()
    }
}
