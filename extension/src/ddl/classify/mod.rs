//! What a utility statement is about: which distributed tables, and what the other nodes have to do.
//!
//! # How it works
//! This room finds the facts: the tables that a statement names ([`named`]), where its other objects are ([`everywhere`],
//! [`temporary`]), its options. The rules of [`expanse_core::utility`] say what is to be done.

pub mod elements;
pub mod everywhere;
pub mod locks;
pub mod named;
pub mod objects;
pub mod tags;
pub mod temporary;
pub mod text;

use crate::ddl::classify::everywhere::ObjectStatement;
use crate::ddl::classify::named::Named;
use crate::ddl::source::Source;
use crate::ddl::tables::table_of;
use crate::ddl::{alter, refuse, rules, tablespace};
use crate::metadata::cache::Metadata;
use crate::pg::names;
use crate::pg::tree::{owned, NodeRef};
use expanse_core::utility::{
    decide, rule, Action, Facts, Object, Prerequisites, Refusal, Statement, TableLock,
};
use pgrx::pg_sys::{
    AlterTableStmt, DropBehavior, DropOwnedStmt, DropStmt, IndexStmt, ObjectType, Oid, RenameStmt,
    VacuumStmt,
};

/// A new index.
#[derive(Clone, Copy)]
pub struct NewIndex {
    /// Those with a lower or equal OID were there before.
    pub newest: u32,
    pub if_missing: bool,
}

/// What is to be done about a statement.
pub struct DdlJob {
    pub statement: Statement,
    pub action: Action,
    /// Distributed tables that it is about.
    pub tables: Vec<Oid>,
    /// What the other nodes run about them, unless it is made once the statement has run.
    pub sql: String,
    pub index: Option<NewIndex>,
    /// DROP ... CASCADE.
    pub cascade: bool,
    /// Local tables, and their names, which must still be local once the statement has their locks.
    pub local_tables: Vec<(Oid, String)>,
    /// The statement locks an index or a sequence of a local table, and not the table itself.
    pub dependent_only: bool,
    /// Table, old and new name of a renamed column.
    pub renamed_column: Option<(Oid, String, String)>,
    /// What is locked in short attempts on all nodes before the statement runs.
    pub locks: Vec<(Oid, TableLock)>,
    /// CREATE or DROP INDEX CONCURRENTLY.
    pub concurrently: bool,
    /// Columns may be filled by new sequences.
    pub sequences: bool,
    /// Columns that ALTER TABLE adds.
    pub new_columns: Vec<String>,
    pub prerequisites: Prerequisites,
    /// The table has a trigger more, or less.
    pub triggers: bool,
    /// What the other nodes run besides, about objects that every node has.
    pub objects: Option<ObjectStatement>,
}

impl DdlJob {
    pub fn new(statement: Statement, tables: Vec<Oid>, action: Action) -> DdlJob {
        DdlJob {
            statement,
            action,
            tables,
            sql: String::new(),
            index: None,
            cascade: false,
            local_tables: Vec::new(),
            dependent_only: false,
            renamed_column: None,
            locks: Vec::new(),
            concurrently: false,
            sequences: false,
            new_columns: Vec::new(),
            prerequisites: Prerequisites::Nothing,
            triggers: false,
            objects: None,
        }
    }

    pub fn creates_concurrently(&self) -> bool {
        self.concurrently && self.index.is_some()
    }

    /// Has a function been made or changed?
    pub fn changes_functions(&self) -> bool {
        matches!(
            self.statement,
            Statement::CreateFunction | Statement::AlterFunction
        )
    }
}

/// `None` when neither a table nor an object of all nodes is concerned. Refuses (raises) what distributed tables cannot have.
pub fn classify(source: Source<'_>, metadata: &Metadata) -> Option<DdlJob> {
    let node = source.node()?;
    let statement = tags::statement(node.tag())?;
    tablespace::check(node);
    let object = named::object(node);
    let named = named::of(node, statement, object, metadata).unwrap_or_default();
    let facts = facts(node, statement, object, &named, metadata);
    let decision = match decide(&facts) {
        Ok(decision) => decision,
        Err(refusal) => refused(&named, refusal, metadata),
    };
    let objects = decision
        .objects
        .and_then(|objects| everywhere::statement(source, objects, object, metadata));
    let about_tables = decision
        .action
        .and_then(|action| about_tables(source, &facts, &named, action, metadata));
    let mut job = match about_tables {
        Some(job) => job,
        None => {
            objects.as_ref()?;
            DdlJob::new(statement, Vec::new(), Action::ObjectsOnly)
        }
    };
    job.objects = objects;
    job.prerequisites = decision.prerequisites;
    job.triggers = statement == Statement::CreateTrig
        || statement == Statement::Drop && object == Object::Trigger;
    if !job.tables.is_empty() {
        job.locks = locks::of(node, object, &named, decision.lock, metadata);
    }
    Some(job)
}

fn facts(
    node: NodeRef<'_>,
    statement: Statement,
    object: Object,
    named: &Named,
    metadata: &Metadata,
) -> Facts {
    let own_lock = (!named.distributed.is_empty()).then(|| locks::own(node));
    Facts {
        statement,
        object,
        tables: named.kind(),
        existence: everywhere::existence(node, rule(statement, object), object, metadata),
        concurrently: locks::is_concurrent(node),
        vacuum: node.cast::<VacuumStmt>().is_some_and(|v| v.is_vacuumcmd),
        own_lock: own_lock.flatten(),
    }
}

fn refused(named: &Named, refusal: Refusal, metadata: &Metadata) -> ! {
    let table = named.distributed.first();
    let table = table.expect("only statements about distributed tables are refused");
    refuse::refuse(metadata, *table, refusal)
}

/// The job of a statement about tables; `None` where PostgreSQL is to refuse it.
fn about_tables(
    source: Source<'_>,
    facts: &Facts,
    named: &Named,
    action: Action,
    metadata: &Metadata,
) -> Option<DdlJob> {
    let node = source.node()?;
    let mut job = DdlJob::new(facts.statement, named.distributed.clone(), action);
    let alter = node
        .cast::<AlterTableStmt>()
        .filter(|_| facts.object != Object::Type);
    if let (Some(alter), Some(&table)) = (alter, job.tables.first()) {
        alter::check(alter, metadata, table);
        job.sequences = alter::may_add_sequence(alter);
        job.new_columns = alter::new_columns(alter);
    }
    job.sql = text::of(action, source, named, metadata)?;
    if let (Action::CreateIndex, Some(&table)) = (action, job.tables.first()) {
        job.index = Some(NewIndex {
            newest: rules::newest_index(table),
            if_missing: node.cast::<IndexStmt>()?.if_not_exists,
        });
    }
    job.cascade = cascades(node);
    let of_indexes = matches!(facts.statement, Statement::Index | Statement::Drop);
    job.concurrently = facts.concurrently && of_indexes;
    let tables = named.local.iter().map(|&relation| table_of(relation));
    job.local_tables = tables.map(|table| (table, names::bare(table))).collect();
    // DROP INDEX locks the table as well.
    let locks_tables =
        facts.statement == Statement::Drop && facts.object == Object::Index && !facts.concurrently;
    let dependent = |&relation: &Oid| table_of(relation) != relation;
    job.dependent_only =
        job.tables.is_empty() && !locks_tables && named.local.iter().any(dependent);
    job.renamed_column = renamed_column(node).filter(|_| !job.tables.is_empty());
    Some(job)
}

fn cascades(node: NodeRef<'_>) -> bool {
    let behavior = match node.cast::<DropStmt>() {
        Some(drop) => Some(drop.behavior),
        None => node.cast::<DropOwnedStmt>().map(|drop| drop.behavior),
    };
    behavior == Some(DropBehavior::DROP_CASCADE)
}

/// Table, old and new name.
fn renamed_column(node: NodeRef<'_>) -> Option<(Oid, String, String)> {
    let stmt = node.cast::<RenameStmt>()?;
    if stmt.renameType != ObjectType::OBJECT_COLUMN {
        return None;
    }
    let table = names::relation(stmt.relation()?)?;
    Some((table, owned(stmt.old_name())?, owned(stmt.new_name())?))
}

/// In an internal session: what this node's own metadata has to follow. All else is the coordinator's.
pub fn own(source: Source<'_>) -> Option<DdlJob> {
    let renamed = renamed_column(source.node()?)?;
    let mut job = DdlJob::new(Statement::Rename, vec![renamed.0], Action::OwnMetadata);
    job.renamed_column = Some(renamed);
    Some(job)
}
