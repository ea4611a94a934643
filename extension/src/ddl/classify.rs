//! What a utility statement is about: which spread tables, and what the other nodes have to do.

use super::names::spread_table;
use super::nodes::{list, names, relation, relation_before_last, relation_named, tag, text};
use super::{alter, refuse};
use crate::catalog::{self, spi, Metadata};
use pgrx::pg_sys::{self, DropBehavior, Node, NodeTag, ObjectType, Oid, PlannedStmt, RangeVar};
use std::os::raw::c_char;

/// What is to be done once the statement has run here.
pub enum Action {
    /// Only this node's own metadata follows: another node coordinates the statement.
    Own,
    /// A table of this node alone has changed: it must not point to distributed rows.
    Check,
    /// The same text runs on the other nodes.
    Schema(String),
    /// A new index; those with a lower or equal OID were there before.
    Index { newest: u32 },
    /// Whatever spread tables were dropped here are dropped there.
    Drop { cascade: bool },
    /// As `Schema`, but only writers have to wait for it.
    Truncate(String),
    /// Nothing about the schema changes: ANALYZE, REINDEX, CLUSTER, LOCK.
    Maintain(String),
    /// Runs on each node by itself, outside of any transaction.
    Vacuum(String),
}

/// A statement about spread tables.
pub struct Concern {
    pub tables: Vec<Oid>,
    pub action: Action,
    /// Table, old and new name of a renamed column.
    pub renamed_column: Option<(Oid, String, String)>,
    /// Columns may be filled by new sequences.
    pub sequences: bool,
    /// Columns that ALTER TABLE adds.
    pub new_columns: Vec<String>,
    /// The tables may need schemas, types and functions that they did not need before.
    pub needs: bool,
}

impl Concern {
    fn new(tables: Vec<Oid>, action: Action) -> Concern {
        Concern {
            tables,
            action,
            renamed_column: None,
            sequences: false,
            new_columns: Vec::new(),
            needs: false,
        }
    }
}

/// `None` when no spread table is concerned. Refuses (raises) what can not be spread.
pub fn classify(
    pstmt: *mut PlannedStmt,
    query_string: *const c_char,
    metadata: &Metadata,
) -> Option<Concern> {
    let mut concern = by_statement(pstmt, query_string, metadata)?;
    // SAFETY: PostgreSQL passes a utility statement.
    let tag = tag(unsafe { (*pstmt).utilityStmt });
    concern.needs = matches!(
        tag,
        NodeTag::T_AlterTableStmt
            | NodeTag::T_AlterObjectSchemaStmt
            | NodeTag::T_IndexStmt
            | NodeTag::T_CreateTrigStmt
            | NodeTag::T_CreatePolicyStmt
            | NodeTag::T_AlterPolicyStmt
            | NodeTag::T_CreateStatsStmt
    );
    Some(concern)
}

fn by_statement(
    pstmt: *mut PlannedStmt,
    query_string: *const c_char,
    metadata: &Metadata,
) -> Option<Concern> {
    // SAFETY: PostgreSQL passes a utility statement.
    let node = unsafe { (*pstmt).utilityStmt };
    let source = || source_text(pstmt, query_string);
    let about = |tables: Vec<Oid>| {
        (!tables.is_empty()).then(|| Concern::new(tables, Action::Schema(source())))
    };
    let one = |table: Option<Oid>| {
        about(
            table
                .and_then(|oid| spread_table(metadata, oid))
                .into_iter()
                .collect(),
        )
    };
    // SAFETY: each node is read as the type that its tag names.
    unsafe {
        match tag(node) {
            NodeTag::T_AlterTableStmt => alter_table(&*node.cast(), metadata, source),
            NodeTag::T_CreateStmt => {
                let stmt = &*node.cast::<pg_sys::CreateStmt>();
                for parent in list::<RangeVar>(stmt.inhRelations) {
                    refuse::if_spread(
                        metadata,
                        relation(parent),
                        "inheritance",
                        "Only ordinary tables can be spread.",
                    );
                }
                Some(Concern::new(Vec::new(), Action::Check))
            }
            NodeTag::T_IndexStmt => index(&*node.cast(), metadata),
            NodeTag::T_RenameStmt => rename(&*node.cast(), metadata, one, about),
            NodeTag::T_AlterObjectSchemaStmt => {
                let stmt = &*node.cast::<pg_sys::AlterObjectSchemaStmt>();
                match stmt.objectType {
                    ObjectType::OBJECT_TYPE | ObjectType::OBJECT_DOMAIN => {
                        about(using_type(metadata, stmt.object.cast()))
                    }
                    _ => one(relation(stmt.relation)),
                }
            }
            NodeTag::T_DropStmt => drop(&*node.cast(), metadata, one, source),
            NodeTag::T_DropOwnedStmt => {
                let stmt = &*node.cast::<pg_sys::DropOwnedStmt>();
                let cascade = stmt.behavior == DropBehavior::DROP_CASCADE;
                let tables = metadata
                    .tables
                    .values()
                    .map(|table| table.relation)
                    .collect();
                Some(Concern::new(tables, Action::Drop { cascade }))
            }
            NodeTag::T_TruncateStmt => truncate(&*node.cast(), metadata),
            NodeTag::T_CommentStmt => {
                let stmt = &*node.cast::<pg_sys::CommentStmt>();
                one(commented(stmt.objtype, stmt.object))
            }
            NodeTag::T_GrantStmt => grant(&*node.cast(), metadata, about),
            NodeTag::T_CreateTrigStmt => {
                one(relation((*node.cast::<pg_sys::CreateTrigStmt>()).relation))
            }
            NodeTag::T_CreatePolicyStmt => {
                one(relation((*node.cast::<pg_sys::CreatePolicyStmt>()).table))
            }
            NodeTag::T_AlterPolicyStmt => {
                one(relation((*node.cast::<pg_sys::AlterPolicyStmt>()).table))
            }
            NodeTag::T_CreateStatsStmt => {
                let stmt = &*node.cast::<pg_sys::CreateStatsStmt>();
                one(list::<RangeVar>(stmt.relations)
                    .into_iter()
                    .find_map(relation))
            }
            NodeTag::T_AlterStatsStmt => one(statistics_table(
                (*node.cast::<pg_sys::AlterStatsStmt>()).defnames,
            )),
            NodeTag::T_AlterEnumStmt => about(using_type(
                metadata,
                (*node.cast::<pg_sys::AlterEnumStmt>()).typeName,
            )),
            NodeTag::T_AlterDomainStmt => about(using_type(
                metadata,
                (*node.cast::<pg_sys::AlterDomainStmt>()).typeName,
            )),
            NodeTag::T_RuleStmt => {
                let range = (*node.cast::<pg_sys::RuleStmt>()).relation;
                refuse::if_spread(
                    metadata,
                    relation(range),
                    "a rule",
                    "A trigger can do its work.",
                );
                None
            }
            NodeTag::T_AlterSeqStmt => {
                let range = (*node.cast::<pg_sys::AlterSeqStmt>()).sequence;
                let table = relation(range).and_then(|oid| spread_table(metadata, oid));
                refuse::if_spread(
                    metadata,
                    table,
                    "ALTER SEQUENCE of a column's sequence",
                    "Every node gives its own values; they stay unique only as they are.",
                );
                None
            }
            NodeTag::T_ReindexStmt => reindex(&*node.cast(), metadata, source),
            NodeTag::T_ClusterStmt => {
                let range = (*node.cast::<pg_sys::ClusterStmt>()).relation;
                let table = relation(range).and_then(|oid| spread_table(metadata, oid))?;
                Some(Concern::new(vec![table], Action::Maintain(source())))
            }
            NodeTag::T_VacuumStmt => vacuum(&*node.cast(), metadata),
            NodeTag::T_LockStmt => lock(&*node.cast(), metadata),
            _ => None,
        }
    }
}

/// In an internal session: what this node's own metadata has to follow. All else is the coordinating node's.
pub fn own(pstmt: *mut PlannedStmt, metadata: &Metadata) -> Option<Concern> {
    // SAFETY: PostgreSQL passes a utility statement; it is read as the type that its tag names.
    let stmt = unsafe {
        let node = (*pstmt).utilityStmt;
        (tag(node) == NodeTag::T_RenameStmt).then(|| &*node.cast::<pg_sys::RenameStmt>())
    }?;
    let about = |tables| Some(Concern::new(tables, Action::Own));
    rename(stmt, metadata, |table| about(vec![table?]), about)
        .filter(|concern| concern.renamed_column.is_some())
}

/// The statement's part of the query string.
fn source_text(pstmt: *mut PlannedStmt, query_string: *const c_char) -> String {
    let whole = text(query_string).unwrap_or_default();
    // SAFETY: plain fields of the statement.
    let (location, length) = unsafe { ((*pstmt).stmt_location, (*pstmt).stmt_len) };
    let start = usize::try_from(location).unwrap_or(0);
    let end = match usize::try_from(length) {
        Ok(length) if length > 0 => start + length,
        _ => whole.len(),
    };
    whole
        .get(start..end)
        .unwrap_or(&whole)
        .trim()
        .trim_end_matches(';')
        .to_owned()
}

/// Qualified names of the spread ones among relations.
fn spread_names(metadata: &Metadata, relations: impl Iterator<Item = Oid>) -> Vec<(Oid, String)> {
    relations
        .filter(|&oid| metadata.table(oid).is_some())
        .filter_map(|oid| Some((oid, catalog::names::qualified(oid)?)))
        .collect()
}

fn joined(spread: &[(Oid, String)]) -> String {
    let names: Vec<&str> = spread.iter().map(|(_, name)| name.as_str()).collect();
    names.join(", ")
}

fn oids(spread: &[(Oid, String)]) -> Vec<Oid> {
    spread.iter().map(|(oid, _)| *oid).collect()
}

fn alter_table(
    stmt: &pg_sys::AlterTableStmt,
    metadata: &Metadata,
    source: impl Fn() -> String,
) -> Option<Concern> {
    let target = relation(stmt.relation)?;
    let Some(table) = spread_table(metadata, target) else {
        return Some(Concern::new(Vec::new(), Action::Check));
    };
    alter::check(stmt, metadata, table);
    let mut concern = Concern::new(vec![table], Action::Schema(source()));
    concern.sequences = alter::may_add_sequence(stmt);
    concern.new_columns = alter::new_columns(stmt);
    Some(concern)
}

fn index(stmt: &pg_sys::IndexStmt, metadata: &Metadata) -> Option<Concern> {
    let table = relation(stmt.relation).filter(|&oid| metadata.table(oid).is_some())?;
    if stmt.concurrent {
        refuse::raise(
            metadata,
            table,
            "CREATE INDEX CONCURRENTLY",
            "Run CREATE INDEX without CONCURRENTLY; writes of the table wait meanwhile.",
        );
    }
    let newest = super::rules::newest_index(table);
    Some(Concern::new(vec![table], Action::Index { newest }))
}

fn rename(
    stmt: &pg_sys::RenameStmt,
    metadata: &Metadata,
    one: impl Fn(Option<Oid>) -> Option<Concern>,
    about: impl Fn(Vec<Oid>) -> Option<Concern>,
) -> Option<Concern> {
    match stmt.renameType {
        ObjectType::OBJECT_SCHEMA => about(in_schema(metadata, &text(stmt.subname)?)),
        ObjectType::OBJECT_TYPE | ObjectType::OBJECT_DOMAIN | ObjectType::OBJECT_DOMCONSTRAINT => {
            about(using_type_named(metadata, stmt.object.cast()))
        }
        ObjectType::OBJECT_COLUMN => {
            let table = relation(stmt.relation);
            let mut concern = one(table)?;
            concern.renamed_column = Some((table?, text(stmt.subname)?, text(stmt.newname)?));
            Some(concern)
        }
        _ => one(relation(stmt.relation)),
    }
}

fn drop(
    stmt: &pg_sys::DropStmt,
    metadata: &Metadata,
    one: impl Fn(Option<Oid>) -> Option<Concern>,
    source: impl Fn() -> String,
) -> Option<Concern> {
    let cascade = stmt.behavior == DropBehavior::DROP_CASCADE;
    let objects = list::<pg_sys::List>(stmt.objects);
    match stmt.removeType {
        ObjectType::OBJECT_INDEX => drop_indexes(stmt, &objects, metadata, cascade),
        ObjectType::OBJECT_TRIGGER | ObjectType::OBJECT_POLICY | ObjectType::OBJECT_RULE => {
            one(objects.into_iter().find_map(relation_before_last))
        }
        ObjectType::OBJECT_STATISTIC_EXT => one(objects.into_iter().find_map(statistics_table)),
        ObjectType::OBJECT_SEQUENCE => {
            for sequence in objects {
                let table = relation_named(sequence).and_then(|oid| spread_table(metadata, oid));
                let hint = "Drop the column, or its default first.";
                refuse::if_spread(
                    metadata,
                    table,
                    "DROP SEQUENCE of a column's sequence",
                    hint,
                );
            }
            None
        }
        ObjectType::OBJECT_TABLE => {
            let tables = spread_names(metadata, objects.into_iter().filter_map(relation_named));
            Some(Concern::new(oids(&tables), Action::Drop { cascade }))
        }
        ObjectType::OBJECT_SCHEMA => {
            let schemas = list::<pg_sys::String>(stmt.objects).into_iter();
            let tables = schemas
                // SAFETY: DROP SCHEMA lists String nodes.
                .filter_map(|name| text(unsafe { (*name).sval }))
                .flat_map(|schema| in_schema(metadata, &schema))
                .collect();
            Some(Concern::new(tables, Action::Drop { cascade }))
        }
        _ => {
            let _ = source;
            Some(Concern::new(Vec::new(), Action::Drop { cascade }))
        }
    }
}

fn drop_indexes(
    stmt: &pg_sys::DropStmt,
    objects: &[*mut pg_sys::List],
    metadata: &Metadata,
    cascade: bool,
) -> Option<Concern> {
    let indexes = objects.iter().filter_map(|&names| relation_named(names));
    let spread: Vec<(Oid, String)> = indexes
        .filter_map(|index| {
            Some((
                spread_table(metadata, index)?,
                catalog::names::qualified(index)?,
            ))
        })
        .collect();
    let &(table, _) = spread.first()?;
    if stmt.concurrent {
        let hint = "Run DROP INDEX without CONCURRENTLY.";
        refuse::raise(metadata, table, "DROP INDEX CONCURRENTLY", hint);
    }
    let tail = if cascade { " CASCADE" } else { "" };
    let sql = format!("DROP INDEX IF EXISTS {}{tail}", joined(&spread));
    Some(Concern::new(oids(&spread), Action::Schema(sql)))
}

fn truncate(stmt: &pg_sys::TruncateStmt, metadata: &Metadata) -> Option<Concern> {
    let named = list::<RangeVar>(stmt.relations)
        .into_iter()
        .filter_map(relation);
    let spread = spread_names(metadata, named);
    if spread.is_empty() {
        return None;
    }
    let sql = format!(
        "TRUNCATE TABLE {}{}{}",
        joined(&spread),
        if stmt.restart_seqs {
            " RESTART IDENTITY"
        } else {
            ""
        },
        if stmt.behavior == DropBehavior::DROP_CASCADE {
            " CASCADE"
        } else {
            ""
        },
    );
    Some(Concern::new(oids(&spread), Action::Truncate(sql)))
}

/// The table that a commented object is or belongs to.
fn commented(kind: ObjectType::Type, object: *mut Node) -> Option<Oid> {
    match kind {
        ObjectType::OBJECT_TABLE | ObjectType::OBJECT_INDEX | ObjectType::OBJECT_SEQUENCE => {
            relation_named(object.cast())
        }
        ObjectType::OBJECT_COLUMN
        | ObjectType::OBJECT_TABCONSTRAINT
        | ObjectType::OBJECT_TRIGGER
        | ObjectType::OBJECT_POLICY => relation_before_last(object.cast()),
        _ => None,
    }
}

fn grant(
    stmt: &pg_sys::GrantStmt,
    metadata: &Metadata,
    about: impl Fn(Vec<Oid>) -> Option<Concern>,
) -> Option<Concern> {
    if !matches!(
        stmt.objtype,
        ObjectType::OBJECT_TABLE | ObjectType::OBJECT_SEQUENCE
    ) {
        return None;
    }
    if stmt.targtype == pg_sys::GrantTargetType::ACL_TARGET_ALL_IN_SCHEMA {
        let schemas = names(stmt.objects);
        return about(
            schemas
                .iter()
                .flat_map(|schema| in_schema(metadata, schema))
                .collect(),
        );
    }
    if stmt.targtype != pg_sys::GrantTargetType::ACL_TARGET_OBJECT {
        return None;
    }
    let named: Vec<Oid> = list::<RangeVar>(stmt.objects)
        .into_iter()
        .filter_map(relation)
        .collect();
    let spread: Vec<Oid> = named
        .iter()
        .filter_map(|&oid| spread_table(metadata, oid))
        .collect();
    let first = *spread.first()?;
    if spread.len() < named.len() {
        let hint = "Name them in a statement of their own.";
        refuse::raise(
            metadata,
            first,
            "GRANT or REVOKE together with tables of this node",
            hint,
        );
    }
    about(spread)
}

fn reindex(
    stmt: &pg_sys::ReindexStmt,
    metadata: &Metadata,
    source: impl Fn() -> String,
) -> Option<Concern> {
    let table = relation(stmt.relation).and_then(|oid| spread_table(metadata, oid))?;
    if option_set(stmt.params, "concurrently") {
        let hint = "Run REINDEX without CONCURRENTLY.";
        refuse::raise(metadata, table, "REINDEX CONCURRENTLY", hint);
    }
    Some(Concern::new(vec![table], Action::Maintain(source())))
}

fn option_set(options: *mut pg_sys::List, wanted: &str) -> bool {
    list::<pg_sys::DefElem>(options).into_iter().any(|option| {
        // SAFETY: a list of options of the parser.
        unsafe {
            text((*option).defname).as_deref() == Some(wanted) && pg_sys::defGetBoolean(option)
        }
    })
}

fn vacuum(stmt: &pg_sys::VacuumStmt, metadata: &Metadata) -> Option<Concern> {
    let mut tables = Vec::new();
    let mut targets = Vec::new();
    for target in list::<pg_sys::VacuumRelation>(stmt.rels) {
        // SAFETY: the parser's list of relations to process.
        let target = unsafe { &*target };
        let Some(oid) = relation(target.relation).filter(|&oid| metadata.table(oid).is_some())
        else {
            continue;
        };
        let columns: Vec<String> = names(target.va_cols)
            .iter()
            .map(|name| spi::identifier(name))
            .collect();
        let columns = if columns.is_empty() {
            String::new()
        } else {
            format!(" ({})", columns.join(", "))
        };
        targets.push(format!("{}{columns}", catalog::names::qualified(oid)?));
        tables.push(oid);
    }
    if tables.is_empty() {
        return None;
    }
    let options: Vec<String> = list::<pg_sys::DefElem>(stmt.options)
        .into_iter()
        .map(option_text)
        .collect();
    let options = if options.is_empty() {
        String::new()
    } else {
        format!(" ({})", options.join(", "))
    };
    let verb = if stmt.is_vacuumcmd {
        "VACUUM"
    } else {
        "ANALYZE"
    };
    let sql = format!("{verb}{options} {}", targets.join(", "));
    let action = if stmt.is_vacuumcmd {
        Action::Vacuum(sql)
    } else {
        Action::Maintain(sql)
    };
    Some(Concern::new(tables, action))
}

fn option_text(option: *mut pg_sys::DefElem) -> String {
    // SAFETY: an option of the parser; defGetString gives a palloc'd or static string.
    unsafe {
        let name = text((*option).defname).unwrap_or_default();
        if (*option).arg.is_null() {
            name
        } else {
            format!(
                "{name} {}",
                text(pg_sys::defGetString(option)).unwrap_or_default()
            )
        }
    }
}

fn lock(stmt: &pg_sys::LockStmt, metadata: &Metadata) -> Option<Concern> {
    const MODES: [&str; 8] = [
        "ACCESS SHARE",
        "ROW SHARE",
        "ROW EXCLUSIVE",
        "SHARE UPDATE EXCLUSIVE",
        "SHARE",
        "SHARE ROW EXCLUSIVE",
        "EXCLUSIVE",
        "ACCESS EXCLUSIVE",
    ];
    let named = list::<RangeVar>(stmt.relations)
        .into_iter()
        .filter_map(relation);
    let spread = spread_names(metadata, named);
    if spread.is_empty() {
        return None;
    }
    let mode = MODES[usize::try_from(stmt.mode - 1).unwrap_or(7).min(7)];
    let nowait = if stmt.nowait { " NOWAIT" } else { "" };
    let sql = format!("LOCK TABLE {} IN {mode} MODE{nowait}", joined(&spread));
    Some(Concern::new(oids(&spread), Action::Maintain(sql)))
}

fn in_schema(metadata: &Metadata, schema: &str) -> Vec<Oid> {
    let tables = metadata.tables.values().map(|table| table.relation);
    tables
        .filter(|&table| {
            // SAFETY: system-cache lookups; null or a palloc'd name.
            let name = unsafe { pg_sys::get_namespace_name(pg_sys::get_rel_namespace(table)) };
            text(name).as_deref() == Some(schema)
        })
        .collect()
}

fn using_type_named(metadata: &Metadata, names: *mut pg_sys::List) -> Vec<Oid> {
    using_type(metadata, names)
}

/// Spread tables with a column of the type that a list of names names.
fn using_type(metadata: &Metadata, names: *mut pg_sys::List) -> Vec<Oid> {
    if names.is_null() {
        return Vec::new();
    }
    // SAFETY: names of a type as the parser makes them; a missing type gives InvalidOid.
    let type_oid = unsafe {
        let name = pg_sys::makeTypeNameFromNameList(names);
        pg_sys::LookupTypeNameOid(std::ptr::null_mut(), name, true)
    };
    if type_oid == pg_sys::InvalidOid {
        return Vec::new();
    }
    let uses = |table: Oid| {
        spi::holds(&format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = {} AND atttypid = {} AND NOT attisdropped)",
            table.to_u32(),
            type_oid.to_u32()
        ))
    };
    metadata
        .tables
        .values()
        .map(|table| table.relation)
        .filter(|&table| uses(table))
        .collect()
}

fn statistics_table(names: *mut pg_sys::List) -> Option<Oid> {
    // SAFETY: names of a statistics object as the parser makes them.
    let oid = unsafe { pg_sys::get_statistics_object_oid(names, true) };
    let table = spi::value(&format!(
        "SELECT stxrelid::pg_catalog.oid FROM pg_catalog.pg_statistic_ext WHERE oid = {}",
        oid.to_u32()
    ))?;
    table.parse::<u32>().ok().map(Oid::from)
}
