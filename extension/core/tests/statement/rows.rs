//! What a way means for rows: small tables on two nodes, and a query over them computed at once and node by node.
//!
//! A row has the columns 1 (by which it is distributed) and 2, each of 0 to 3 or NULL. A key's number is its value. Whether a
//! condition is known to hash as its sides do makes no difference to rows.

use crate::generate::*;
use expanse_core::statement::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

type Value = Option<usize>;
/// Number of the row, and its columns; `None` for a row that an outer join has filled with NULLs.
type Row = Option<(usize, [Value; 2])>;
/// A row of each relation, by range table index.
type Joined = BTreeMap<u32, Row>;

const NODES: usize = 2;

/// Rows of every relation by OID.
#[derive(Debug, Clone)]
struct Tables(BTreeMap<u32, Vec<(usize, [Value; 2])>>);

impl Tables {
    /// What one node has.
    fn of_node(&self, node: usize, placement: &Placement) -> Tables {
        let mut part = self.clone();
        for (&relation, rows) in &mut part.0 {
            if placement.is_distributed(relation) {
                rows.retain(|(_, [key, _])| owner(*key) == node);
            }
        }
        part
    }
}

fn owner(key: Value) -> usize {
    key.unwrap_or(0) % NODES
}

/// The rows of the query levels around, the innermost last.
type Around<'a> = &'a [Joined];

struct Query<'a> {
    facts: &'a QueryFacts,
    tables: &'a Tables,
}

impl Query<'_> {
    /// The rows that a level gives: those of its own relations, and for each sublink how many rows it gives then.
    fn rows(&self, level: LevelId, around: Around) -> Vec<(Joined, Vec<usize>)> {
        let joined = self.joined(level, &self.facts.levels[level].join_tree, around);
        joined
            .into_iter()
            .map(|row| {
                let counts = self.sublinks(level, around, &row);
                (row, counts)
            })
            .collect()
    }

    fn sublinks(&self, level: LevelId, around: Around, row: &Joined) -> Vec<usize> {
        let mut inner_around = around.to_vec();
        inner_around.push(row.clone());
        (0..self.facts.levels.len())
            .filter(|&inner| self.facts.levels[inner].parent == Some(level))
            .map(|inner| self.rows(inner, &inner_around).len())
            .collect()
    }

    fn joined(&self, level: LevelId, tree: &JoinTree, around: Around) -> Vec<Joined> {
        match tree {
            JoinTree::Relation(index) => {
                let mentions = &self.facts.levels[level].mentions;
                let mention = mentions.iter().find(|mention| mention.index == *index);
                let relation = mention.expect("a relation of the level").relation;
                let rows = self.tables.0[&relation].iter();
                rows.map(|row| Joined::from([(*index, Some(*row))]))
                    .collect()
            }
            JoinTree::From { items, conditions } => {
                let mut all = vec![Joined::new()];
                for item in items {
                    let next = self.joined(level, item, around);
                    all = pairs(&all, &next);
                }
                all.retain(|row| holds(conditions, row, around));
                all
            }
            JoinTree::Join(join) => {
                let left = self.joined(level, &join.left, around);
                let right = self.joined(level, &join.right, around);
                let fulfils = |row: &Joined| holds(&join.conditions, row, around);
                let mut all: Vec<Joined> =
                    pairs(&left, &right).into_iter().filter(fulfils).collect();
                if matches!(join.kind, JoinKind::Left | JoinKind::Full) {
                    let lonely = lonely(&left, &right, fulfils);
                    all.extend(lonely.into_iter().map(|row| with_nulls(row, &join.right)));
                }
                if matches!(join.kind, JoinKind::Right | JoinKind::Full) {
                    let lonely = lonely(&right, &left, fulfils);
                    all.extend(lonely.into_iter().map(|row| with_nulls(row, &join.left)));
                }
                all
            }
        }
    }
}

fn pairs(left: &[Joined], right: &[Joined]) -> Vec<Joined> {
    let both = |a: &Joined, b: &Joined| a.iter().chain(b).map(|(k, v)| (*k, *v)).collect();
    left.iter()
        .flat_map(|a| right.iter().map(move |b| both(a, b)))
        .collect()
}

/// The rows of one side that no row of the other fits.
fn lonely(side: &[Joined], other: &[Joined], fulfils: impl Fn(&Joined) -> bool) -> Vec<Joined> {
    side.iter()
        .filter(|row| !pairs(std::slice::from_ref(row), other).iter().any(&fulfils))
        .cloned()
        .collect()
}

fn with_nulls(mut row: Joined, side: &JoinTree) -> Joined {
    row.extend(side.relations().into_iter().map(|index| (index, None)));
    row
}

fn holds(conditions: &[Equality], row: &Joined, around: Around) -> bool {
    conditions.iter().all(|condition| {
        let left = value(condition.left, row, around);
        left.is_some() && left == value(condition.right, row, around)
    })
}

fn value(side: Side, row: &Joined, around: Around) -> Value {
    match side {
        Side::Key(number) => Some(number),
        Side::Other => Some(3),
        Side::Column { up, column } => {
            let levels = around.len() + 1;
            let level = levels.checked_sub(1 + up as usize)?;
            let row = around.get(level).unwrap_or(row);
            row.get(&column.index)
                .copied()
                .flatten()
                .and_then(|(_, values)| values[column.attribute as usize - 1])
        }
    }
}

fn computed(facts: &QueryFacts, tables: &Tables) -> Vec<(Joined, Vec<usize>)> {
    let mut rows = Query { facts, tables }.rows(0, &[]);
    rows.sort();
    rows
}

fn any_tables() -> impl Strategy<Value = Tables> {
    let values = || prop::option::weighted(0.9, 0..3_usize);
    let rows = prop::collection::vec([values(), values()], 0..5);
    let relations = [&DISTRIBUTED[..], &REPLICATED[..]].concat();
    prop::collection::vec(rows, relations.len()).prop_map(move |tables| {
        let numbered = tables
            .into_iter()
            .map(|rows| rows.into_iter().enumerate().collect());
        Tables(relations.iter().copied().zip(numbered).collect())
    })
}

/// A query of one or two levels whose columns are all its own or of the level around it.
fn any_query(command: Command) -> impl Strategy<Value = QueryFacts> {
    let of_nodes = || {
        prop_oneof![
            2 => prop::sample::select(DISTRIBUTED.to_vec()),
            1 => prop::sample::select(REPLICATED.to_vec()),
        ]
    };
    let level_of = move |levels_up: u32| {
        prop::collection::vec(of_nodes(), 1..4).prop_flat_map(move |relations| {
            let keyed = any_keyed_tree(relations.len() as u32, levels_up);
            keyed.prop_map(move |tree| level(&relations, tree))
        })
    };
    (level_of(0), prop::option::of(level_of(1)), 0..3_usize).prop_map(
        move |(first, inner, distributed)| {
            let mut levels = vec![first];
            if command != Command::Select {
                let target = &mut levels[0].mentions[0];
                target.relation = DISTRIBUTED[distributed];
            }
            if let Some(mut inner) = inner {
                inner.parent = Some(0);
                inner.origin = Origin::Sublink;
                levels.push(inner);
            }
            statement(command, levels)
        },
    )
}

/// A join tree with conditions on the distribution columns, so that many queries lie on one node.
fn any_keyed_tree(count: u32, levels_up: u32) -> impl Strategy<Value = JoinTree> {
    let keyed = (
        1..=count,
        1..=count,
        0..=levels_up,
        prop::bool::weighted(0.4),
    );
    let keyed = keyed.prop_map(|(one, other, up, constant)| {
        let column = column(other, KEY);
        let to = if constant {
            Side::Key(1)
        } else {
            Side::Column { up, column }
        };
        equal(side(one, KEY), to)
    });
    let more = prop::collection::vec(keyed, 0..4);
    (any_join_tree(count, levels_up), more).prop_map(|(tree, conditions)| JoinTree::From {
        items: vec![tree],
        conditions,
    })
}

/// The target of a write is an item of FROM of its own, outside of joins.
fn with_target_outside(mut facts: QueryFacts) -> QueryFacts {
    let level = &mut facts.levels[0];
    let others = level.mentions.len() as u32;
    let conditions = match std::mem::take(&mut level.join_tree) {
        JoinTree::From { conditions, .. } => conditions,
        _ => Vec::new(),
    };
    level.join_tree = from(1..=others, conditions);
    facts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn the_owner_of_the_key_gives_all_rows(facts in any_query(Command::Select), tables in any_tables()) {
        let placement = placement();
        let Way::Route { key, .. } = decide(&facts, &placement) else { return Ok(()) };
        let part = tables.of_node(owner(Some(key)), &placement);
        prop_assert_eq!(computed(&facts, &tables), computed(&facts, &part));
    }

    #[test]
    fn the_owner_of_the_key_writes_all_rows(facts in any_query(Command::Delete), tables in any_tables()) {
        let placement = placement();
        let Way::Route { key, .. } = decide(&facts, &placement) else { return Ok(()) };
        let part = tables.of_node(owner(Some(key)), &placement);
        prop_assert_eq!(computed(&facts, &tables), computed(&facts, &part));
    }

    #[test]
    fn the_owners_write_all_rows_once(facts in any_query(Command::Delete), tables in any_tables()) {
        let placement = placement();
        let facts = with_target_outside(facts);
        let Way::Owners { .. } = decide(&facts, &placement) else { return Ok(()) };
        let mut parts = Vec::new();
        for node in 0..NODES {
            parts.extend(computed(&facts, &tables.of_node(node, &placement)));
        }
        parts.sort();
        prop_assert_eq!(computed(&facts, &tables), parts);
    }
}

/// Enough of the queries above take the ways that the properties are about.
#[test]
fn the_queries_take_these_ways() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut found = [0, 0, 0];
    for _ in 0..1_000 {
        let select = any_query(Command::Select)
            .new_tree(&mut runner)
            .expect("any");
        let delete = any_query(Command::Delete)
            .new_tree(&mut runner)
            .expect("any");
        let delete = with_target_outside(delete.current());
        found[0] += usize::from(matches!(
            decide(&select.current(), &placement()),
            Way::Route { .. }
        ));
        found[1] += usize::from(matches!(decide(&delete, &placement()), Way::Route { .. }));
        found[2] += usize::from(matches!(decide(&delete, &placement()), Way::Owners { .. }));
    }
    assert!(found.iter().all(|&count| count > 20), "{found:?}");
}
