//! Columns, constants, conditions and aggregates over the tables of a FROM clause.

use rand::rngs::StdRng;
use rand::Rng;

use super::{chance, pick};
use crate::tables::{Kind, Table, KEYS, TABLES};

/// A table in a FROM clause, under an alias.
#[derive(Clone, Copy)]
pub struct Source {
    pub table: &'static Table,
    pub alias: &'static str,
}

pub fn source(random: &mut StdRng, alias: &'static str) -> Source {
    // The colocated pair is asked most.
    let table = &TABLES[*pick(random, &[0, 0, 0, 1, 1, 2, 3])];
    Source { table, alias }
}

/// `alias.column` of one of the sources, of a kind if one is wanted and there is one.
pub fn column(random: &mut StdRng, sources: &[Source], kind: Option<Kind>) -> String {
    let all: Vec<String> = sources
        .iter()
        .flat_map(|s| {
            s.table
                .columns
                .iter()
                .map(move |(name, k)| (s.alias, *name, *k))
        })
        .filter(|(_, _, k)| kind.is_none_or(|wanted| wanted == *k))
        .map(|(alias, name, _)| format!("{alias}.{name}"))
        .collect();
    if all.is_empty() {
        return "NULL::int".into();
    }
    pick(random, &all).clone()
}

pub fn constant(random: &mut StdRng, kind: Kind) -> String {
    match kind {
        Kind::Number => random.random_range(0..=KEYS).to_string(),
        Kind::Decimal => format!(
            "{}.{}",
            random.random_range(0..70),
            random.random_range(0..100)
        ),
        Kind::Text => format!("'label {}'", random.random_range(0..14)),
        Kind::Date => format!("DATE '2024-01-{:02}'", random.random_range(1..=30)),
    }
}

fn kind(random: &mut StdRng, sources: &[Source]) -> Kind {
    let source = pick(random, sources);
    pick(random, source.table.columns).1
}

/// A condition of up to three parts.
pub fn condition(random: &mut StdRng, sources: &[Source], depth: u32) -> String {
    let mut text = simple(random, sources, depth);
    while chance(random, 30) {
        let with = *pick(random, &["AND", "AND", "OR"]);
        text = format!("({text} {with} {})", simple(random, sources, depth));
    }
    text
}

/// Conditions about no column of the rows they are asked of.
const COLUMNLESS: [&str; 5] = [
    "now() > '2020-01-01'",
    "now() < '2020-01-01'",
    "current_user = 'nobody'",
    "(SELECT count(*) FROM kind) > 3",
    "(SELECT min(num) FROM kind) IS NULL",
];

fn simple(random: &mut StdRng, sources: &[Source], depth: u32) -> String {
    let of = kind(random, sources);
    let left = column(random, sources, Some(of));
    let right = constant(random, of);
    match random.random_range(0..13) {
        0..4 => {
            let operator = *pick(random, &["=", "=", "<", ">=", "<>"]);
            format!("{left} {operator} {right}")
        }
        4 => format!("{left} BETWEEN {right} AND {}", constant(random, of)),
        5 => format!(
            "{left} IN ({right}, {}, {})",
            constant(random, of),
            constant(random, of)
        ),
        6 => format!("{left} IS {}NULL", pick(random, &["", "NOT "])),
        7 => format!(
            "{left} IS DISTINCT FROM {}",
            column(random, sources, Some(of))
        ),
        8 => format!("coalesce({left}, {right}) = {right}"),
        9 => format!("{left} = ANY (ARRAY[{right}, {}])", constant(random, of)),
        10 => (*pick(random, &COLUMNLESS)).into(),
        _ if depth == 0 => format!("{left} > {right}"),
        11 => subquery(random, sources, of, &left),
        _ => exists(random, sources),
    }
}

fn subquery(random: &mut StdRng, sources: &[Source], of: Kind, left: &str) -> String {
    let inner = [source(random, "s")];
    let inside = column(random, &inner, Some(of));
    let filter = condition(random, &inner, 0);
    let inside = if inside.starts_with("NULL") {
        constant(random, of)
    } else {
        inside
    };
    let from = inner[0].table.name;
    match random.random_range(0..3) {
        0 => format!("{left} IN (SELECT {inside} FROM {from} s WHERE {filter})"),
        1 => format!("{left} = (SELECT max({inside}) FROM {from} s WHERE {filter})"),
        _ => {
            let outer = column(random, sources, Some(Kind::Number));
            let number = column(random, &inner, Some(Kind::Number));
            format!("{left} >= (SELECT min({inside}) FROM {from} s WHERE {number} = {outer})")
        }
    }
}

fn exists(random: &mut StdRng, sources: &[Source]) -> String {
    let inner = [source(random, "e")];
    let not = *pick(random, &["", "NOT "]);
    let of = *pick(random, &[Kind::Number, Kind::Number, Kind::Text]);
    let (inside, outside) = (
        column(random, &inner, Some(of)),
        column(random, sources, Some(of)),
    );
    let extra = condition(random, &inner, 0);
    let (inside, outside) = if [&inside, &outside].iter().any(|c| c.starts_with("NULL")) {
        ("1".into(), "1".into())
    } else {
        (inside, outside)
    };
    let from = inner[0].table.name;
    format!("{not}EXISTS (SELECT 1 FROM {from} e WHERE {inside} = {outside} AND {extra})")
}

/// A value for a select list.
pub fn value(random: &mut StdRng, sources: &[Source]) -> String {
    let of = kind(random, sources);
    let one = column(random, sources, Some(of));
    match (random.random_range(0..6), of) {
        (0, Kind::Number) => format!("{one} * 2 + 1"),
        (0, Kind::Text) => format!("upper({one})"),
        (0, Kind::Date) => format!("extract(dow FROM {one})"),
        (0, Kind::Decimal) => format!("round({one} / 3, 2)"),
        (1, _) => format!("CASE WHEN {} THEN {one} END", condition(random, sources, 0)),
        (2, _) => format!("coalesce({one}, {})", constant(random, of)),
        _ => one,
    }
}

/// An aggregate whose answer does not depend on the order of its input.
pub fn aggregate(random: &mut StdRng, sources: &[Source]) -> String {
    let number = column(random, sources, Some(Kind::Number));
    let any = column(random, sources, None);
    match random.random_range(0..12) {
        0 | 1 => "count(*)".into(),
        2 => format!("count({any})"),
        3 => format!("sum({number})"),
        4 => format!("avg({number})"),
        5 => format!("min({any})"),
        6 => format!("max({any})"),
        7 => format!("count(DISTINCT {any})"),
        8 => format!(
            "sum({number}) FILTER (WHERE {})",
            condition(random, sources, 0)
        ),
        9 => format!("string_agg({any}::text, ',' ORDER BY {any}::text)"),
        10 => format!("bool_or({number} > 5)"),
        _ => {
            let decimal = column(random, sources, Some(Kind::Decimal));
            if decimal.starts_with("NULL") {
                format!("stddev_samp({number})")
            } else {
                format!("sum({decimal})")
            }
        }
    }
}
