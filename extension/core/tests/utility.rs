//! What becomes of utility statements.

use expanse_core::utility::{
    alter_table::CommandFacts, decide, refusal, rule, rules::RULES, Action, Command, Decision,
    Existence, Facts, GroupLock, Home, LockMode, Object, Objects, Prerequisites, Refusal,
    Statement, TableLock, Tables,
};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeSet;
use std::process::Command as Process;

/// Nodes named `...Stmt` that PostgreSQL plans as queries, or that are a part of a statement only.
const NO_UTILITY_STATEMENTS: [&str; 10] = [
    "RawStmt",
    "PlannedStmt",
    "InsertStmt",
    "DeleteStmt",
    "UpdateStmt",
    "MergeStmt",
    "SelectStmt",
    "ReturnStmt",
    "PLAssignStmt",
    "SetOperationStmt",
];

/// A header of the PostgreSQL that the extension is built for.
#[allow(
    clippy::disallowed_methods,
    reason = "the crate decides over plain data, but the headers of PostgreSQL are files"
)]
fn header(name: &str) -> String {
    let config = std::env::var("PGRX_PG_CONFIG_PATH").unwrap_or_else(|_| "pg_config".into());
    let output = Process::new(&config)
        .arg("--includedir-server")
        .output()
        .unwrap_or_else(|error| panic!("{config}: {error}"));
    let directory = String::from_utf8(output.stdout).expect("a path in UTF-8");
    let file = format!("{}/{name}", directory.trim());
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The words of a text that begin with `prefix`.
fn words<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with(prefix))
        .collect()
}

/// The body of `typedef enum NAME { ... } NAME;`.
fn enumeration<'a>(text: &'a str, name: &str) -> &'a str {
    let start = text.find(&format!("typedef enum {name}\n")).expect("there");
    let end = text.find(&format!("}} {name};")).expect("it ends");
    &text[start..end]
}

#[test]
fn every_utility_statement_of_postgresql_has_a_rule() {
    let nodes = header("nodes/nodes.h");
    let of_postgresql: BTreeSet<String> = words(&nodes, "T_")
        .into_iter()
        .filter_map(|tag| tag.strip_prefix("T_"))
        .filter(|node| node.ends_with("Stmt") && !NO_UTILITY_STATEMENTS.contains(node))
        .map(str::to_owned)
        .collect();
    assert!(of_postgresql.len() > 100, "the header was read");
    let ours: BTreeSet<String> = Statement::ALL.iter().map(|s| s.node().into()).collect();
    assert_eq!(of_postgresql, ours);
    for &statement in Statement::ALL {
        let general = RULES
            .iter()
            .filter(|rule| rule.statement == statement && rule.kinds.is_empty());
        assert_eq!(general.count(), 1, "{statement:?}");
    }
}

#[test]
fn every_kind_of_object_and_every_command_is_known() {
    let nodes = header("nodes/parsenodes.h");
    let kinds = enumeration(&nodes, "ObjectType");
    let ours = Object::ALL.iter().filter_map(|object| object.constant());
    assert_eq!(words(kinds, "OBJECT_"), ours.collect());
    let commands = enumeration(&nodes, "AlterTableType");
    let ours = Command::ALL.iter().map(|command| command.constant());
    assert_eq!(words(commands, "AT_"), ours.collect());
}

#[test]
fn every_rule_is_reached() {
    for each in RULES {
        let objects: &[Object] = if each.kinds.is_empty() {
            Object::ALL
        } else {
            each.kinds
        };
        let reached = |&&object: &&Object| std::ptr::eq(rule(each.statement, object), each);
        let missed = objects.iter().filter(|object| !reached(object)).count();
        assert!(missed == 0 || each.kinds.is_empty(), "{each:?}");
        assert!(missed < objects.len(), "{each:?}");
    }
}

#[test]
fn refusals_are_in_the_style_of_postgresql() {
    assert!(Refusal::ALL.len() > 15);
    for refusal in Refusal::ALL {
        assert!(!refusal.what.ends_with('.'), "{refusal:?}");
        assert!(refusal.hint.ends_with('.'), "{refusal:?}");
        let first = refusal.hint.chars().next().expect("a sentence");
        assert!(first.is_ascii_uppercase(), "{refusal:?}");
    }
}

fn facts() -> impl Strategy<Value = Facts> {
    let tables = [
        Tables::None,
        Tables::Local,
        Tables::Distributed,
        Tables::Mixed,
    ];
    let existence = [
        Existence::AllNodes,
        Existence::ThisNode,
        Existence::ThisSession,
    ];
    let lock = proptest::option::of(select(LockMode::ALL.to_vec()));
    (
        select(Statement::ALL),
        select(Object::ALL),
        select(tables.to_vec()),
        select(existence.to_vec()),
        any::<(bool, bool)>(),
        lock,
    )
        .prop_map(
            |(statement, object, tables, existence, (concurrently, vacuum), own_lock)| Facts {
                statement,
                object,
                tables,
                existence,
                concurrently,
                vacuum,
                own_lock,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn only_statements_about_distributed_tables_are_refused(facts in facts()) {
        if decide(&facts).is_err() {
            prop_assert!(matches!(facts.tables, Tables::Distributed | Tables::Mixed));
        }
    }

    #[test]
    fn local_tables_concern_no_other_node(mut facts in facts()) {
        facts.tables = Tables::Local;
        let decision = decide(&facts).expect("not refused");
        prop_assert_eq!(decision.lock, None);
        prop_assert!(matches!(
            decision.action,
            // Nothing is sent for a DROP that dropped no distributed table.
            None | Some(Action::Local | Action::CheckLocal | Action::DropTables)
        ));
    }

    #[test]
    fn temporary_objects_stay_in_their_session(mut facts in facts()) {
        facts.existence = Existence::ThisSession;
        if let Ok(decision) = decide(&facts) {
            prop_assert_eq!(decision.objects, None);
        }
    }

    #[test]
    fn what_is_locked_before_stops_writers_on_the_other_nodes(facts in facts()) {
        if let Ok(Decision { lock: Some(lock), .. }) = decide(&facts) {
            prop_assert!(lock.there.stops_writers());
            prop_assert!(lock.here <= lock.there);
        }
    }

    #[test]
    fn a_statement_is_sent_once(facts in facts()) {
        if let Ok(decision) = decide(&facts) {
            prop_assert!(decision.action != Some(Action::SameText) || decision.objects.is_none());
        }
    }

    #[test]
    fn what_is_sent_to_all_nodes_is_kept_apart_from_rebinds(facts in facts()) {
        let Ok(Decision { action: Some(action), objects, .. }) = decide(&facts) else {
            return Ok(());
        };
        if action.is_for_all_nodes() || objects.is_some() {
            prop_assert_ne!(action.group_lock(objects.is_some()), GroupLock::None);
        }
    }
}

/// A statement about an object that this node alone would have to have.
fn about(statement: Statement, object: Object, tables: Tables) -> Facts {
    Facts {
        statement,
        object,
        tables,
        existence: Existence::ThisNode,
        concurrently: false,
        vacuum: false,
        own_lock: None,
    }
}

#[test]
fn rename_of_a_column_is_sent_under_the_strongest_lock() {
    let facts = about(Statement::Rename, Object::Column, Tables::Distributed);
    let expected = Decision {
        action: Some(Action::SameText),
        objects: None,
        lock: TableLock::everywhere(LockMode::AccessExclusive),
        prerequisites: Prerequisites::Nothing,
    };
    assert_eq!(decide(&facts), Ok(expected));
}

#[test]
fn an_index_made_concurrently_lets_writers_of_the_coordinator_go_on() {
    let mut facts = about(Statement::Index, Object::Unnamed, Tables::Distributed);
    let lock = |facts: &Facts| decide(facts).ok().and_then(|decision| decision.lock);
    assert_eq!(lock(&facts), TableLock::everywhere(LockMode::Share));
    facts.concurrently = true;
    let weak = TableLock {
        here: LockMode::ShareUpdateExclusive,
        there: LockMode::Share,
    };
    assert_eq!(lock(&facts), Some(weak));
}

#[test]
fn reindex_concurrently_and_vacuum_leave_the_nodes_to_themselves() {
    let action = |facts: &Facts| decide(facts).ok().and_then(|decision| decision.action);
    let mut reindex = about(Statement::Reindex, Object::Unnamed, Tables::Distributed);
    assert_eq!(action(&reindex), Some(Action::Maintain));
    reindex.concurrently = true;
    assert_eq!(action(&reindex), Some(Action::RebuildIndexes));
    let mut vacuum = about(Statement::Vacuum, Object::Unnamed, Tables::Distributed);
    assert_eq!(action(&vacuum), Some(Action::Maintain));
    vacuum.vacuum = true;
    assert_eq!(action(&vacuum), Some(Action::EachByItself));
}

#[test]
fn drops_follow_what_they_take_with_them() {
    for object in [Object::Table, Object::Schema, Object::View, Object::Type] {
        for tables in [Tables::Local, Tables::Distributed] {
            let decision = decide(&about(Statement::Drop, object, tables)).expect("allowed");
            assert_eq!(decision.action, Some(Action::DropTables), "{object:?}");
        }
    }
    let sequence = about(Statement::Drop, Object::Sequence, Tables::Distributed);
    assert_eq!(decide(&sequence), Err(refusal::DROP_SEQUENCE));
}

#[test]
fn grants_name_tables_of_one_kind() {
    let grant = |tables| decide(&about(Statement::Grant, Object::Table, tables));
    assert_eq!(grant(Tables::Mixed), Err(refusal::GRANT_MIXED));
    let action = |tables| grant(tables).expect("allowed").action;
    assert_eq!(action(Tables::Distributed), Some(Action::SameText));
    assert_eq!(action(Tables::Local), Some(Action::Local));
}

#[test]
fn objects_that_every_node_has_follow() {
    let mut facts = about(Statement::CreateRole, Object::Unnamed, Tables::None);
    let objects = |facts: &Facts| decide(facts).expect("allowed").objects;
    assert_eq!(objects(&facts), Some(Objects::Always));
    facts.statement = Statement::CreateFunction;
    assert_eq!(objects(&facts), Some(Objects::IfPortable));
    // A comment on a view follows if the view needs nothing of this node.
    facts = about(Statement::Comment, Object::View, Tables::None);
    assert_eq!(objects(&facts), None);
    facts.existence = Existence::AllNodes;
    assert_eq!(objects(&facts), Some(Objects::Always));
    facts.object = Object::ForeignServer;
    assert_eq!(objects(&facts), None);
    assert_eq!(Object::ForeignServer.home(), Home::OneNode);
}

#[test]
fn commands_of_alter_table() {
    let plain = CommandFacts::default();
    let key = CommandFacts {
        distribution_column: true,
        ..plain
    };
    assert_eq!(Command::DropColumn.check(plain), Ok(()));
    assert_eq!(Command::DropColumn.check(key), Err(refusal::DROP_KEY));
    assert_eq!(Command::AlterColumnType.check(key), Err(refusal::ALTER_KEY));
    assert_eq!(Command::DropNotNull.check(key), Err(refusal::NULL_KEY));
    assert_eq!(Command::AddConstraint.check(key), Ok(()));
    assert_eq!(Command::SetUnLogged.check(plain), Err(refusal::LOGGED));
    let serial = CommandFacts {
        makes_sequence: true,
        ..plain
    };
    assert_eq!(Command::AddColumn.check(serial), Err(refusal::ADD_SERIAL));
    assert!(Command::AddColumn.may_add_sequence());
    assert!(!Command::DropColumn.may_add_sequence());
}

#[test]
fn lock_modes_have_their_numbers() {
    for (index, mode) in LockMode::ALL.into_iter().enumerate() {
        assert_eq!(mode.number(), index as i32 + 1);
        assert_eq!(LockMode::from_number(mode.number()), Some(mode));
    }
    assert_eq!(LockMode::from_number(0), None);
    assert_eq!(LockMode::from_number(9), None);
    assert_eq!(LockMode::AccessExclusive.sql(), "ACCESS EXCLUSIVE");
}
