//! What is refused, why, and what can be done instead.

use super::facts::Target;

/// A statement that cannot be done right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The table that stands in the way.
    pub relation: u32,
    pub reason: Reason,
}

impl Refusal {
    pub(super) fn of(target: &Target, reason: Reason) -> Self {
        Refusal {
            relation: target.relation,
            reason,
        }
    }
}

/// Declares the reasons, each with what is not possible and a hint.
macro_rules! reasons {
    ($($(#[$doc:meta])* $reason:ident = $what:literal, $hint:literal;)+) => {
        /// Why.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $reason,)+
        }

        impl Reason {
            pub const ALL: &'static [Reason] = &[$(Reason::$reason,)+];

            /// What is not possible, to be followed by "is not possible on ... table ...".
            pub fn what(self) -> &'static str {
                match self {
                    $(Reason::$reason => $what,)+
                }
            }

            /// What to do instead: a full sentence.
            pub fn hint(self) -> &'static str {
                match self {
                    $(Reason::$reason => $hint,)+
                }
            }
        }
    };
}

reasons! {
    /// Each node applies policies to its own rows, and has only a part of the other table.
    PolicyReads = "row security of another table that reads it",
        "Let the policy read replicated tables, or columns of its own table.";
    /// The rewriter's checks have no text for other nodes. Those of row security are each node's own.
    ViewCheck = "writing through a view WITH CHECK OPTION",
        "Write the table itself.";
    CurrentOf = "WHERE CURRENT OF",
        "Name the row by its key.";
    /// The row could belong to another node then.
    ConflictChangesKey = "changing the distribution column in ON CONFLICT DO UPDATE",
        "Set it to EXCLUDED's column or leave it out, and UPDATE the row by itself.";
    LocksSeveralNodes = "SELECT FOR UPDATE or FOR SHARE over several nodes",
        "Name the rows by equality with the distribution column, or leave the locking clause out.";
    WritesSeveralTables = "a statement that writes in several places",
        "Write one table at a time, in a transaction.";
    NeedsWholeRows = "a write that needs whole rows, system columns or a recursive query of other nodes",
        "Name the columns that are needed, or read them first, in the same transaction.";
    RowsByPlace = "UPDATE or DELETE of rows by a system column",
        "Rows of a distributed table live on several nodes: name them by their key.";
    VolatileWrite = "UPDATE or DELETE with a volatile function",
        "Compute the value first and pass it on.";
    WriteMayReadTables = "UPDATE or DELETE with a function that may read tables",
        "Mark the function IMMUTABLE if it reads none, or compute the value first and pass it on.";
    MergeChangesKey = "changing the distribution column in MERGE",
        "Delete the row and insert it again, in a transaction.";
    MergeInsertsOtherKey = "MERGE that inserts another key than ON compares",
        "Compare the distribution column with a column of the source in ON, and insert that column.";
    CopiesMayDiffer = "UPDATE or DELETE that may come out differently on each node",
        "Compute the values first and pass them on.";
    SublinkInInsertion = "a subquery in ON CONFLICT or RETURNING of an INSERT of several rows",
        "Read in a statement of its own, in the same transaction.";
    CopiesMayConflictDifferently = "INSERT with an ON CONFLICT that may come out differently on each node",
        "Compute the value first and pass it on.";
    VolatileInsertion = "INSERT with a volatile function in ON CONFLICT or RETURNING",
        "Compute the value first and pass it on.";
    InsertionMayReadTables = "INSERT with a function that may read tables in ON CONFLICT or RETURNING",
        "Mark the function IMMUTABLE if it reads none, or compute the value first and pass it on.";
}
