//! SELECTs of many shapes.

use rand::rngs::StdRng;
use rand::Rng;

use super::expression::{aggregate, column, condition, source, value, Source};
use super::{chance, pick, Statement};
use crate::tables::Kind;

pub fn statement(random: &mut StdRng) -> Statement {
    let (sql, ordered) = match random.random_range(0..14) {
        0..3 => (rows(random), false),
        3..6 => (grouped(random), false),
        6 => (ordered_rows(random), true),
        7 => (set_operation(random), false),
        8 => (common_table(random), false),
        9 => (windowed(random), false),
        10 => (lateral(random), false),
        11 => (pinned(random), false),
        12 => (grouping_sets(random), false),
        _ => (recursive(random), false),
    };
    Statement {
        sql,
        ordered,
        writes: false,
    }
}

/// A FROM clause of one to three tables, and its sources.
fn from(random: &mut StdRng) -> (String, Vec<Source>) {
    let mut sources = vec![source(random, "a")];
    let mut text = format!("{} a", sources[0].table.name);
    for alias in ["b", "c"] {
        if !chance(random, 45) {
            break;
        }
        let next = source(random, alias);
        let join = *pick(
            random,
            &[
                "JOIN",
                "JOIN",
                "JOIN",
                "LEFT JOIN",
                "RIGHT JOIN",
                "FULL JOIN",
            ],
        );
        let on = join_condition(random, &sources, next);
        text = format!("{text} {join} {} {alias} ON {on}", next.table.name);
        sources.push(next);
    }
    (text, sources)
}

/// An equality between the new table and one before; often of the keys. Always one that can be
/// merged or hashed, because FULL JOIN needs it.
fn join_condition(random: &mut StdRng, sources: &[Source], next: Source) -> String {
    let before = *pick(random, sources);
    let (left, right) = (before.table.columns, next.table.columns);
    if left[0].1 == right[0].1 && chance(random, 60) {
        return format!(
            "{}.{} = {}.{}",
            before.alias, left[0].0, next.alias, right[0].0
        );
    }
    let kinds = [Kind::Number, Kind::Text];
    let shared: Vec<Kind> = kinds
        .into_iter()
        .filter(|k| {
            [left, right]
                .iter()
                .all(|c| c.iter().any(|(_, other)| other == k))
        })
        .collect();
    let of = *pick(random, &shared);
    let (one, other) = (
        column(random, &[before], Some(of)),
        column(random, &[next], Some(of)),
    );
    format!("{one} = {other}")
}

fn filter(random: &mut StdRng, sources: &[Source]) -> String {
    if chance(random, 70) {
        format!(" WHERE {}", condition(random, sources, 1))
    } else {
        String::new()
    }
}

fn rows(random: &mut StdRng) -> String {
    let (from, sources) = from(random);
    let distinct = if chance(random, 20) { "DISTINCT " } else { "" };
    let mut values: Vec<String> = (0..random.random_range(1..4))
        .map(|_| value(random, &sources))
        .collect();
    match random.random_range(0..8) {
        0 => values.push(format!("{}.*", pick(random, &sources).alias)),
        1 => values.push(format!("{}::text", pick(random, &sources).alias)),
        2 => {
            let inner = [source(random, "i")];
            let on = column(random, &inner, Some(Kind::Number));
            let outer = column(random, &sources, Some(Kind::Number));
            let from = inner[0].table.name;
            values.push(format!(
                "(SELECT count(*) FROM {from} i WHERE {on} = {outer})"
            ));
        }
        _ => {}
    }
    let filter = filter(random, &sources);
    format!("SELECT {distinct}{} FROM {from}{filter}", values.join(", "))
}

fn grouped(random: &mut StdRng) -> String {
    let (from, sources) = from(random);
    let aggregates: Vec<String> = (0..random.random_range(1..4))
        .map(|_| aggregate(random, &sources))
        .collect();
    let filter = filter(random, &sources);
    if chance(random, 30) {
        return format!("SELECT {} FROM {from}{filter}", aggregates.join(", "));
    }
    let by = if chance(random, 30) {
        format!("{}.{}", sources[0].alias, sources[0].table.columns[0].0)
    } else {
        value(random, &sources)
    };
    let having = if chance(random, 25) {
        " HAVING count(*) > 1"
    } else {
        ""
    };
    format!(
        "SELECT {by}, {} FROM {from}{filter} GROUP BY 1{having}",
        aggregates.join(", ")
    )
}

/// Fully ordered, so that LIMIT has one answer.
fn ordered_rows(random: &mut StdRng) -> String {
    let (from, sources) = from(random);
    let one = value(random, &sources);
    let filter = filter(random, &sources);
    let direction = *pick(random, &["", " DESC", " NULLS FIRST"]);
    let keys: Vec<String> = sources
        .iter()
        .flat_map(|s| {
            s.table.columns[..s.table.key]
                .iter()
                .map(|(c, _)| format!("{}.{c}", s.alias))
        })
        .collect();
    let limit = random.random_range(1..20);
    let offset = if chance(random, 30) { " OFFSET 3" } else { "" };
    let keys = keys.join(", ");
    format!(
        "SELECT {one} FROM {from}{filter} ORDER BY {one}{direction}, {keys} LIMIT {limit}{offset}"
    )
}

fn one_number(random: &mut StdRng, alias: &'static str) -> String {
    let sources = [source(random, alias)];
    let number = column(random, &sources, Some(Kind::Number));
    let filter = filter(random, &sources);
    format!(
        "SELECT {number} AS n FROM {} {alias}{filter}",
        sources[0].table.name
    )
}

fn set_operation(random: &mut StdRng) -> String {
    let operation = *pick(random, &["UNION", "UNION ALL", "INTERSECT", "EXCEPT"]);
    format!(
        "({}) {operation} ({})",
        one_number(random, "a"),
        one_number(random, "b")
    )
}

fn common_table(random: &mut StdRng) -> String {
    let materialized = *pick(random, &["", "MATERIALIZED ", "NOT MATERIALIZED "]);
    let inner = one_number(random, "w");
    let sources = [source(random, "a")];
    let number = column(random, &sources, Some(Kind::Number));
    let from = sources[0].table.name;
    format!(
        "WITH w AS {materialized}({inner}) SELECT count(*), sum(w.n) FROM w JOIN {from} a ON {number} = w.n"
    )
}

fn windowed(random: &mut StdRng) -> String {
    let (from, sources) = from(random);
    let function = aggregate(random, &sources);
    let function = if function.contains("DISTINCT") || function.contains("ORDER BY") {
        "count(*)".to_owned()
    } else {
        function
    };
    let by = column(random, &sources, None);
    let shown = column(random, &sources, None);
    format!("SELECT {shown}, {function} OVER (PARTITION BY {by}) FROM {from}")
}

fn lateral(random: &mut StdRng) -> String {
    let outer = [source(random, "a")];
    let inner = [source(random, "l")];
    let outside = column(random, &outer, Some(Kind::Number));
    let inside = column(random, &inner, Some(Kind::Number));
    let (first, second) = (outer[0].table.name, inner[0].table.name);
    let left = *pick(random, &["CROSS JOIN LATERAL", "LEFT JOIN LATERAL"]);
    let on = if left.starts_with("LEFT") {
        " ON true"
    } else {
        ""
    };
    format!(
        "SELECT {outside}, x.n, x.m FROM {first} a {left} (SELECT count(*) AS n, max({inside}) AS m \
         FROM {second} l WHERE {inside} <= {outside} % 9) x{on}"
    )
}

/// By key: the whole statement goes to one node.
fn pinned(random: &mut StdRng) -> String {
    let key = random.random_range(0..65);
    match random.random_range(0..4) {
        0 => format!("SELECT * FROM parent WHERE id = {key}"),
        1 => format!("SELECT p.*, c.line, c.qty FROM parent p JOIN child c ON c.pid = p.id WHERE p.id = {key}"),
        2 => format!("SELECT count(*), sum(qty) FROM child WHERE pid = {key} AND line >= 0"),
        _ => format!("SELECT w.*, k.label FROM word w LEFT JOIN kind k USING (num) WHERE w.code = 'label {key}'"),
    }
}

fn grouping_sets(random: &mut StdRng) -> String {
    let (from, sources) = from(random);
    let (one, other) = (
        column(random, &sources, None),
        column(random, &sources, None),
    );
    let how = *pick(random, &["ROLLUP", "CUBE"]);
    format!(
        "SELECT {one}, {other}, {} FROM {from} GROUP BY {how} ({one}, {other})",
        aggregate(random, &sources)
    )
}

fn recursive(random: &mut StdRng) -> String {
    let step = random.random_range(2..9);
    format!(
        "WITH RECURSIVE r(n) AS (SELECT min(id) FROM parent UNION ALL SELECT p.id FROM r \
         JOIN parent p ON p.id = r.n + {step}) SELECT count(*), max(n) FROM r"
    )
}
