//! ALTER TABLE of a distributed table: which of its commands are possible.

use super::{refusal, Refusal};

macro_rules! commands {
    ($($name:ident)*) => {
        /// A command of ALTER TABLE: PostgreSQL's `AlterTableType` without `AT_`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Command {
            $($name,)*
        }

        impl Command {
            pub const ALL: &'static [Command] = &[$(Command::$name,)*];

            /// The name of PostgreSQL's constant.
            pub fn constant(self) -> &'static str {
                match self {
                    $(Command::$name => concat!("AT_", stringify!($name)),)*
                }
            }
        }
    };
}

commands! {
    AddColumn AddColumnRecurse AddColumnToView ColumnDefault CookedColumnDefault DropNotNull SetNotNull DropExpression
    CheckNotNull SetStatistics SetOptions ResetOptions SetStorage SetCompression DropColumn DropColumnRecurse AddIndex
    ReAddIndex AddConstraint AddConstraintRecurse ReAddConstraint ReAddDomainConstraint AlterConstraint ValidateConstraint
    ValidateConstraintRecurse AddIndexConstraint DropConstraint DropConstraintRecurse ReAddComment AlterColumnType
    AlterColumnGenericOptions ChangeOwner ClusterOn DropCluster SetLogged SetUnLogged DropOids SetAccessMethod SetTableSpace
    SetRelOptions ResetRelOptions ReplaceRelOptions EnableTrig EnableAlwaysTrig EnableReplicaTrig DisableTrig EnableTrigAll
    DisableTrigAll EnableTrigUser DisableTrigUser EnableRule EnableAlwaysRule EnableReplicaRule DisableRule AddInherit
    DropInherit AddOf DropOf ReplicaIdentity EnableRowSecurity DisableRowSecurity ForceRowSecurity NoForceRowSecurity
    GenericOptions AttachPartition DetachPartition DetachPartitionFinalize AddIdentity SetIdentity DropIdentity ReAddStatistics
}

/// What a command is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct CommandFacts {
    /// The distribution column.
    pub distribution_column: bool,
    /// A new column whose type or identity clause makes a sequence.
    pub makes_sequence: bool,
    /// A new column that a sequence fills otherwise.
    pub filled_from_sequence: bool,
}

impl Command {
    /// # Errors
    /// The refusal, when a distributed table cannot have this.
    pub fn check(self, facts: CommandFacts) -> Result<(), Refusal> {
        let refused = match self {
            Command::AddInherit | Command::DropInherit => Some(refusal::INHERITANCE),
            Command::AttachPartition
            | Command::DetachPartition
            | Command::DetachPartitionFinalize => Some(refusal::PARTITIONING),
            Command::SetLogged | Command::SetUnLogged => Some(refusal::LOGGED),
            Command::AddOf | Command::DropOf => Some(refusal::OF_TYPE),
            Command::EnableRule
            | Command::EnableAlwaysRule
            | Command::EnableReplicaRule
            | Command::DisableRule => Some(refusal::RULE),
            Command::SetTableSpace => Some(refusal::SET_TABLESPACE),
            Command::SetIdentity => Some(refusal::ALTER_IDENTITY),
            Command::AddColumn if facts.makes_sequence => Some(refusal::ADD_SERIAL),
            Command::AddColumn if facts.filled_from_sequence => Some(refusal::ADD_NEXTVAL),
            Command::DropColumn if facts.distribution_column => Some(refusal::DROP_KEY),
            Command::AlterColumnType if facts.distribution_column => Some(refusal::ALTER_KEY),
            Command::DropNotNull if facts.distribution_column => Some(refusal::NULL_KEY),
            _ => None,
        };
        match refused {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }

    /// Can it give a column a sequence?
    pub fn may_add_sequence(self) -> bool {
        matches!(
            self,
            Command::AddColumn | Command::ColumnDefault | Command::AddIdentity
        )
    }
}

/// Types of columns that make a sequence.
pub const SERIAL_TYPES: [&str; 6] = [
    "serial",
    "serial2",
    "serial4",
    "serial8",
    "smallserial",
    "bigserial",
];
