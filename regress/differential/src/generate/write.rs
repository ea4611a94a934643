//! INSERT, UPDATE and DELETE of many shapes; each gives the same whatever order rows come in.

use rand::rngs::StdRng;
use rand::Rng;

use super::expression::{condition, constant, Source};
use super::{chance, pick, Statement};
use crate::tables::{Kind, Table, TABLES};

pub fn statement(random: &mut StdRng) -> Statement {
    let mut sql = match random.random_range(0..13) {
        0..3 => insert_values(random),
        3 => insert_select(random),
        4..6 => upsert(random),
        6..9 => update(random),
        9 => update_from(random),
        10 | 11 => delete(random),
        _ => delete_using(random),
    };
    if chance(random, 15) {
        let end = *pick(random, &["ROLLBACK", "COMMIT"]);
        sql = format!("BEGIN; {sql}; {end}");
    } else if chance(random, 10) {
        let second = update(random);
        sql = format!("BEGIN; {sql}; SAVEPOINT s; {second}; ROLLBACK TO s; {second}; COMMIT");
    }
    Statement {
        sql,
        ordered: false,
        writes: true,
    }
}

fn returning(random: &mut StdRng, table: &Table) -> String {
    match random.random_range(0..4) {
        0 => " RETURNING *".into(),
        1 => format!(" RETURNING {}", pick(random, table.columns).0),
        _ => String::new(),
    }
}

fn row(random: &mut StdRng, table: &Table) -> String {
    let all: Vec<usize> = (0..table.columns.len()).collect();
    row_of(random, table, &all)
}

/// Values of these columns, in this order.
fn row_of(random: &mut StdRng, table: &Table, columns: &[usize]) -> String {
    let values: Vec<String> = columns
        .iter()
        .map(|&i| {
            if i >= table.key && chance(random, 20) {
                "NULL".into()
            } else {
                constant(random, table.columns[i].1)
            }
        })
        .collect();
    format!("({})", values.join(", "))
}

/// Columns of the table in some order, all of the key and some of the others.
fn some_columns(random: &mut StdRng, table: &Table) -> Vec<usize> {
    let mut columns: Vec<usize> = (0..table.columns.len())
        .filter(|&i| i < table.key || chance(random, 70))
        .collect();
    let by = random.random_range(0..columns.len());
    columns.rotate_left(by);
    columns
}

/// New keys, unless chance hits one that is there: then both must complain.
fn insert_values(random: &mut StdRng) -> String {
    let table = pick(random, &TABLES);
    let columns = chance(random, 40).then(|| some_columns(random, table));
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let rows: Vec<String> = (0..random.random_range(1..4))
        .map(|_| row_of(random, table, columns.as_ref().unwrap_or(&all)))
        .collect();
    let listed = columns.map_or_else(String::new, |columns| {
        let names: Vec<&str> = columns.iter().map(|&i| table.columns[i].0).collect();
        format!(" ({})", names.join(", "))
    });
    let conflict = if chance(random, 50) {
        " ON CONFLICT DO NOTHING"
    } else {
        ""
    };
    let returning = returning(random, table);
    format!(
        "INSERT INTO {}{listed} VALUES {}{conflict}{returning}",
        table.name,
        rows.join(", ")
    )
}

fn insert_select(random: &mut StdRng) -> String {
    let by = random.random_range(60..200);
    match random.random_range(0..5) {
        3 => format!("INSERT INTO parent (price, label, id) SELECT price, label, id + {by} FROM parent WHERE grp = 1 ON CONFLICT DO NOTHING"),
        4 => format!("INSERT INTO child (note, line, pid) SELECT label, {by}, id FROM parent WHERE grp = 3 ON CONFLICT DO NOTHING"),
        0 => format!("INSERT INTO parent SELECT id + {by}, grp, label, price, day FROM parent WHERE id < 9 ON CONFLICT DO NOTHING"),
        1 => format!("INSERT INTO child SELECT id, {by}, grp, label, price FROM parent WHERE grp = 2 ON CONFLICT DO NOTHING"),
        _ => format!("INSERT INTO word SELECT 'label ' || pid + {by}, min(qty), NULL FROM child GROUP BY pid HAVING count(*) > 2 ON CONFLICT DO NOTHING"),
    }
}

fn upsert(random: &mut StdRng) -> String {
    let table = pick(random, &TABLES);
    let keys: Vec<&str> = table.columns[..table.key]
        .iter()
        .map(|(name, _)| *name)
        .collect();
    let (set, kind) = *pick(random, &table.columns[table.key..]);
    let new = if chance(random, 50) {
        format!("excluded.{set}")
    } else {
        constant(random, kind)
    };
    format!(
        "INSERT INTO {} VALUES {} ON CONFLICT ({}) DO UPDATE SET {set} = {new}{}",
        table.name,
        row(random, table),
        keys.join(", "),
        returning(random, table)
    )
}

fn update(random: &mut StdRng) -> String {
    let table = pick(random, &TABLES);
    let (set, kind) = *pick(random, &table.columns[table.key..]);
    let new = match kind {
        Kind::Number => format!("coalesce({set}, 0) + 1"),
        Kind::Decimal => format!("{set} * 2"),
        Kind::Text => format!("{set} || '!'"),
        Kind::Date => format!("{set} + 1"),
    };
    let source = [Source {
        table,
        alias: table.name,
    }];
    let depth = u32::from(chance(random, 25));
    let filter = condition(random, &source, depth);
    let returning = returning(random, table);
    format!(
        "UPDATE {} SET {set} = {new} WHERE {filter}{returning}",
        table.name
    )
}

/// At most one row of the other table for each.
fn update_from(random: &mut StdRng) -> String {
    let number = random.random_range(0..6);
    match random.random_range(0..3) {
        0 => format!("UPDATE child SET cost = p.price FROM parent p WHERE p.id = pid AND p.grp = {number}"),
        1 => format!("UPDATE parent SET label = k.label FROM kind k WHERE k.num = grp AND k.num <> {number}"),
        _ => format!("UPDATE parent SET grp = w.num FROM word w WHERE w.code = parent.label AND w.num = {number}"),
    }
}

fn delete(random: &mut StdRng) -> String {
    let table = pick(random, &TABLES);
    let source = [Source {
        table,
        alias: table.name,
    }];
    let depth = u32::from(chance(random, 25));
    let filter = condition(random, &source, depth);
    // Not too much at once.
    let key = table.columns[0];
    let some = constant(random, key.1);
    let returning = returning(random, table);
    format!(
        "DELETE FROM {} WHERE {filter} AND {} >= {some}{returning}",
        table.name, key.0
    )
}

fn delete_using(random: &mut StdRng) -> String {
    let number = random.random_range(0..40);
    match random.random_range(0..3) {
        0 => format!(
            "DELETE FROM child USING parent p WHERE p.id = pid AND p.id > {number} AND p.grp = 3"
        ),
        1 => format!(
            "DELETE FROM child USING kind k WHERE k.num = qty AND line > 1 AND k.num = {}",
            number % 7
        ),
        _ => format!("DELETE FROM word USING parent p WHERE p.label = code AND p.id = {number}"),
    }
}
