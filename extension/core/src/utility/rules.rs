//! The table: one rule for each utility statement, or for each kind of object that it can be about.

use super::{refusal, Action, LockMode, Object, Prerequisites, Refusal, Statement};
use Object::*;
use Statement as S;

/// What a statement means for the other nodes.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    pub statement: Statement,
    /// The kinds of objects that it is for; all others when empty.
    pub kinds: &'static [Object],
    /// About distributed tables.
    pub distributed: Result<Option<Action>, Refusal>,
    /// About distributed and local tables together, where that is refused.
    pub mixed: Option<Refusal>,
    /// About local tables only.
    pub local: Option<Action>,
    /// About objects that all nodes have.
    pub objects: OnObjects,
    pub locks: Locks,
    pub prerequisites: Prerequisites,
}

/// Do the other nodes run a statement about an object?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnObjects {
    Nothing,
    Always,
    /// If every node has the object, by [`Object::home`].
    ByKind,
    /// If what is made needs nothing of one node alone.
    Made,
}

/// How a statement locks its distributed tables, as in PostgreSQL's manual, "Explicit Locking".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locks {
    /// No table, or many that are not named.
    Nothing,
    Mode(LockMode),
    /// This mode, except with CONCURRENTLY.
    UnlessConcurrent(LockMode),
    /// An index is made: with CONCURRENTLY more weakly on the coordinator.
    NewIndex,
    /// As the statement says, or its commands need ([`super::Facts::own_lock`]).
    Own,
}

/// The rule for a statement about an object of this kind.
pub fn rule(statement: Statement, object: Object) -> &'static Rule {
    let fits = |rule: &&Rule| rule.kinds.is_empty() || rule.kinds.contains(&object);
    RULES
        .iter()
        .filter(|rule| rule.statement == statement)
        .find(fits)
        .expect("every statement has a rule without kinds, which a test shows")
}

/// The other nodes have no part in the statement.
const fn on(statement: Statement) -> Rule {
    Rule {
        statement,
        kinds: &[],
        distributed: Ok(None),
        mixed: None,
        local: None,
        objects: OnObjects::Nothing,
        locks: Locks::Nothing,
        prerequisites: Prerequisites::Nothing,
    }
}

impl Rule {
    const fn of(self, kinds: &'static [Object]) -> Rule {
        Rule { kinds, ..self }
    }

    /// About distributed tables: this action.
    const fn acts(self, action: Action) -> Rule {
        Rule {
            distributed: Ok(Some(action)),
            ..self
        }
    }

    const fn refused(self, refusal: Refusal) -> Rule {
        Rule {
            distributed: Err(refusal),
            ..self
        }
    }

    const fn refused_when_mixed(self, refusal: Refusal) -> Rule {
        Rule {
            mixed: Some(refusal),
            ..self
        }
    }

    const fn local(self, action: Action) -> Rule {
        Rule {
            local: Some(action),
            ..self
        }
    }

    /// The same text about distributed tables; local ones are this node's.
    const fn same_text(self) -> Rule {
        self.acts(Action::SameText).local(Action::Local)
    }

    const fn objects(self, objects: OnObjects) -> Rule {
        Rule { objects, ..self }
    }

    const fn locks(self, locks: Locks) -> Rule {
        Rule { locks, ..self }
    }

    const fn needs(self, prerequisites: Prerequisites) -> Rule {
        Rule {
            prerequisites,
            ..self
        }
    }
}

/// About an object that every node has.
const fn everywhere(statement: Statement) -> Rule {
    on(statement).objects(OnObjects::Always)
}

const ACCESS_EXCLUSIVE: Locks = Locks::Mode(LockMode::AccessExclusive);
const SHARE_ROW_EXCLUSIVE: Locks = Locks::Mode(LockMode::ShareRowExclusive);

/// In the order in which they are looked at.
pub static RULES: &[Rule] = &[
    // Tables.
    on(S::AlterTable)
        .of(&[Type])
        .acts(Action::SameText)
        .objects(OnObjects::Always)
        .needs(Prerequisites::Everything),
    on(S::AlterTable)
        .acts(Action::SameText)
        .local(Action::CheckLocal)
        .objects(OnObjects::ByKind)
        .locks(Locks::Own)
        .needs(Prerequisites::Everything),
    // About the tables that the new one inherits from.
    on(S::Create)
        .refused(refusal::INHERITANCE)
        .local(Action::CheckLocal),
    on(S::CreateForeignTable)
        .refused(refusal::INHERITANCE)
        .local(Action::CheckLocal),
    on(S::Index)
        .acts(Action::CreateIndex)
        .local(Action::Local)
        .locks(Locks::NewIndex)
        .needs(Prerequisites::Everything),
    on(S::CreateTrig)
        .same_text()
        .locks(SHARE_ROW_EXCLUSIVE)
        .needs(Prerequisites::Everything),
    on(S::CreatePolicy)
        .same_text()
        .locks(ACCESS_EXCLUSIVE)
        .needs(Prerequisites::Everything),
    on(S::AlterPolicy)
        .same_text()
        .locks(ACCESS_EXCLUSIVE)
        .needs(Prerequisites::Everything),
    on(S::CreateStats)
        .same_text()
        .needs(Prerequisites::Everything),
    on(S::AlterStats).same_text(),
    on(S::Rule).refused(refusal::RULE).local(Action::Local),
    on(S::AlterSeq).refused(refusal::ALTER_SEQUENCE),
    on(S::Truncate)
        .acts(Action::Truncate)
        .local(Action::Local)
        .locks(ACCESS_EXCLUSIVE),
    on(S::Reindex)
        .acts(Action::Maintain)
        // The table itself less strongly, but its indexes, which every plan needs.
        .locks(Locks::UnlessConcurrent(LockMode::AccessExclusive)),
    on(S::Cluster)
        .acts(Action::Maintain)
        .locks(ACCESS_EXCLUSIVE),
    on(S::Vacuum).acts(Action::Maintain),
    on(S::Lock)
        .acts(Action::Maintain)
        .local(Action::Local)
        .locks(Locks::Own),
    // Statements about objects of many kinds. Tables with a column of a type, tables in a schema are tables that they are about.
    on(S::Rename)
        .of(&[Schema, Type, Domain, DomainConstraint])
        .acts(Action::SameText)
        .objects(OnObjects::ByKind),
    on(S::Rename)
        .of(&[Table, Column, TableConstraint, Trigger, Policy])
        .same_text()
        .objects(OnObjects::ByKind)
        .locks(ACCESS_EXCLUSIVE),
    on(S::Rename).same_text().objects(OnObjects::ByKind),
    on(S::AlterObjectSchema)
        .of(&[Type, Domain])
        .acts(Action::SameText)
        .objects(OnObjects::ByKind)
        .needs(Prerequisites::Schemas),
    on(S::AlterObjectSchema)
        .of(&[Table])
        .same_text()
        .objects(OnObjects::ByKind)
        .locks(ACCESS_EXCLUSIVE)
        .needs(Prerequisites::Schemas),
    on(S::AlterObjectSchema)
        .same_text()
        .objects(OnObjects::ByKind)
        .needs(Prerequisites::Schemas),
    on(S::AlterOwner).same_text().objects(OnObjects::ByKind),
    on(S::Comment).same_text().objects(OnObjects::ByKind),
    on(S::Grant)
        .of(&[Table, Sequence])
        .same_text()
        .refused_when_mixed(refusal::GRANT_MIXED)
        .objects(OnObjects::ByKind),
    on(S::Grant)
        .of(&[
            Schema, Function, Procedure, Routine, Type, Domain, Tablespace,
        ])
        .objects(OnObjects::ByKind),
    on(S::Grant),
    on(S::Drop)
        .of(&[Index])
        .acts(Action::DropIndexes)
        .local(Action::Local)
        .locks(ACCESS_EXCLUSIVE),
    on(S::Drop)
        .of(&[Trigger, Policy])
        .same_text()
        .locks(ACCESS_EXCLUSIVE),
    on(S::Drop).of(&[Object::Rule, Statistics]).same_text(),
    on(S::Drop).of(&[Sequence]).refused(refusal::DROP_SEQUENCE),
    on(S::Drop)
        .of(&[Table])
        .acts(Action::DropTables)
        .local(Action::DropTables)
        .locks(ACCESS_EXCLUSIVE),
    // Any DROP may take distributed tables, or parts of them, with it by CASCADE. Functions of one node alone are not missed
    // elsewhere.
    on(S::Drop)
        .of(&[Function, Procedure, Routine, Aggregate])
        .local(Action::DropTables)
        .objects(OnObjects::Always),
    on(S::Drop)
        .acts(Action::DropTables)
        .local(Action::DropTables)
        .objects(OnObjects::ByKind),
    on(S::DropOwned)
        .acts(Action::DropTables)
        .local(Action::DropTables)
        .objects(OnObjects::Always),
    // Objects that every node has.
    on(S::CreateSchema)
        // GRANT as a part of it.
        .refused(refusal::GRANT_IN_SCHEMA)
        .local(Action::CheckLocal)
        .objects(OnObjects::Always),
    on(S::AlterEnum)
        .acts(Action::SameText)
        .objects(OnObjects::Always),
    on(S::AlterDomain)
        .acts(Action::SameText)
        .objects(OnObjects::Always),
    everywhere(S::CreateRole),
    everywhere(S::AlterRole),
    everywhere(S::AlterRoleSet),
    everywhere(S::DropRole),
    everywhere(S::GrantRole),
    everywhere(S::ReassignOwned),
    everywhere(S::AlterDefaultPrivileges),
    everywhere(S::CompositeType),
    everywhere(S::CreateEnum),
    everywhere(S::CreateRange),
    everywhere(S::CreateDomain),
    everywhere(S::AlterType),
    everywhere(S::CreateCast),
    everywhere(S::CreateOpClass),
    everywhere(S::CreateOpFamily),
    everywhere(S::AlterOpFamily),
    everywhere(S::AlterOperator),
    everywhere(S::Define),
    everywhere(S::AlterTSDictionary),
    everywhere(S::AlterTSConfiguration),
    // All extensions but this one.
    on(S::CreateExtension).objects(OnObjects::ByKind),
    on(S::AlterExtension).objects(OnObjects::ByKind),
    on(S::AlterFunction).objects(OnObjects::ByKind),
    on(S::CreateFunction).objects(OnObjects::Made),
    on(S::View).objects(OnObjects::Made),
    // Tablespaces of storages. DROP and RENAME of them are refused where storages are known.
    on(S::AlterTableSpaceOptions).objects(OnObjects::ByKind),
    on(S::CreateTableSpace),
    on(S::DropTableSpace),
    on(S::AlterTableMoveAll).refused(refusal::ALL_IN_TABLESPACE),
    // Local tables, their views and sequences.
    on(S::CreateTableAs),
    on(S::RefreshMatView),
    on(S::CreateSeq),
    on(S::ImportForeignSchema),
    // Part of an ALTER TABLE.
    on(S::ReplicaIdentity),
    // Queries, rows, the session and its transaction: other rooms see to them, or no other node is concerned.
    on(S::Transaction),
    on(S::VariableSet),
    on(S::VariableShow),
    on(S::Prepare),
    on(S::Execute),
    on(S::Deallocate),
    on(S::DeclareCursor),
    on(S::Fetch),
    on(S::ClosePortal),
    on(S::Explain),
    on(S::Call),
    on(S::Do),
    on(S::Copy),
    on(S::Discard),
    on(S::ConstraintsSet),
    on(S::Notify),
    on(S::Listen),
    on(S::Unlisten),
    on(S::Load),
    on(S::CheckPoint),
    // The server and its databases.
    on(S::Createdb),
    on(S::Dropdb),
    on(S::AlterDatabase),
    on(S::AlterDatabaseSet),
    on(S::AlterDatabaseRefreshColl),
    on(S::AlterSystem),
    // What other servers and programs are told by the node that is asked.
    on(S::CreateFdw),
    on(S::AlterFdw),
    on(S::CreateForeignServer),
    on(S::AlterForeignServer),
    on(S::CreateUserMapping),
    on(S::AlterUserMapping),
    on(S::DropUserMapping),
    on(S::CreateEventTrig),
    on(S::AlterEventTrig),
    on(S::CreatePublication),
    on(S::AlterPublication),
    on(S::CreateSubscription),
    on(S::AlterSubscription),
    on(S::DropSubscription),
    // Objects that belong to this node as they did before there was a cluster.
    on(S::AlterObjectDepends),
    on(S::SecLabel),
    on(S::CreateConversion),
    on(S::CreateTransform),
    on(S::CreatePLang),
    on(S::AlterCollation),
    on(S::CreateAm),
    on(S::AlterExtensionContents),
];
