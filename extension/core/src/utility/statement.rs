//! PostgreSQL's utility statements.

macro_rules! statements {
    ($($name:ident)*) => {
        /// A utility statement, by the name of its node in PostgreSQL's parse tree without `Stmt`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Statement {
            $($name,)*
        }

        impl Statement {
            pub const ALL: &'static [Statement] = &[$(Statement::$name,)*];

            /// The name of its node, such as `AlterTableStmt`.
            pub fn node(self) -> &'static str {
                match self {
                    $(Statement::$name => concat!(stringify!($name), "Stmt"),)*
                }
            }
        }
    };
}

// Those that most transactions have come first.
statements! {
    Transaction VariableSet VariableShow Prepare Execute Deallocate DeclareCursor Fetch ClosePortal Explain Call Do
    Copy Discard ConstraintsSet Notify Listen Unlisten Load CheckPoint Lock
    Create CreateTableAs CreateForeignTable AlterTable Index Drop Truncate Rename Comment Grant AlterObjectSchema AlterOwner
    AlterObjectDepends SecLabel
    CreateTrig CreatePolicy AlterPolicy CreateStats AlterStats Rule ReplicaIdentity
    Reindex Cluster Vacuum
    View RefreshMatView CreateSeq AlterSeq
    CreateSchema CreateRole AlterRole AlterRoleSet DropRole GrantRole ReassignOwned DropOwned AlterDefaultPrivileges
    CompositeType CreateEnum AlterEnum CreateRange CreateDomain AlterDomain AlterType
    CreateFunction AlterFunction CreateCast CreateConversion CreateTransform CreatePLang CreateOpClass CreateOpFamily
    AlterOpFamily AlterOperator Define AlterCollation AlterTSDictionary AlterTSConfiguration CreateAm
    CreateExtension AlterExtension AlterExtensionContents
    CreateTableSpace DropTableSpace AlterTableSpaceOptions AlterTableMoveAll
    Createdb Dropdb AlterDatabase AlterDatabaseSet AlterDatabaseRefreshColl AlterSystem
    CreateFdw AlterFdw CreateForeignServer AlterForeignServer CreateUserMapping AlterUserMapping DropUserMapping
    ImportForeignSchema
    CreateEventTrig AlterEventTrig
    CreatePublication AlterPublication CreateSubscription AlterSubscription DropSubscription
}
