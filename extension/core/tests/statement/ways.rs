//! Ways by example.

use crate::generate::*;
use expanse_core::statement::*;

const A: u32 = DISTRIBUTED[0];
const B: u32 = DISTRIBUTED[1];
const COPY: u32 = REPLICATED[0];

fn way(facts: &QueryFacts) -> Way {
    decide(facts, &placement())
}

fn reason(way: Way) -> Option<Reason> {
    match way {
        Way::Refuse(refusal) => Some(refusal.reason),
        _ => None,
    }
}

fn select(relations: &[u32], conditions: Vec<Equality>) -> QueryFacts {
    let tree = from(1..=relations.len() as u32, conditions);
    statement(Command::Select, vec![level(relations, tree)])
}

fn write(command: Command, relations: &[u32], conditions: Vec<Equality>) -> QueryFacts {
    let mut facts = select(relations, conditions);
    facts = statement(command, std::mem::take(&mut facts.levels));
    facts
}

const OWNERS: Way = Way::Owners {
    group: GROUP,
    restrict: None,
};

#[test]
fn a_key_is_routed_and_anything_else_is_not() {
    let routed = Way::Route {
        group: GROUP,
        key: 0,
    };
    let fragments = Way::Fragments { writes_here: false };
    let key = equal(side(1, KEY), Side::Key(0));
    assert_eq!(way(&select(&[A], vec![key])), routed);
    assert_eq!(way(&select(&[A], vec![])), fragments);
    assert_eq!(
        way(&select(&[A], vec![equal(side(1, 2), Side::Key(0))])),
        fragments
    );
    assert_eq!(
        way(&select(&[A], vec![equal(side(1, KEY), Side::Other)])),
        fragments
    );
    let join = equal(side(1, KEY), side(2, KEY));
    assert_eq!(way(&select(&[A, B], vec![key, join])), routed);
    assert_eq!(way(&select(&[A, B], vec![key])), fragments);
    assert_eq!(way(&select(&[A, COPY], vec![key])), routed);
    assert_eq!(way(&select(&[A, LOCAL], vec![key])), fragments);
    assert_eq!(
        way(&select(&[A, OF_OTHER_GROUP], vec![key, join])),
        fragments
    );
    assert_eq!(way(&select(&[COPY], vec![])), Way::Local);
}

#[test]
fn keys_go_through_columns_and_levels() {
    let through = vec![
        equal(side(1, 2), side(2, KEY)),
        equal(side(1, KEY), side(1, 2)),
        equal(Side::Key(3), side(2, KEY)),
    ];
    assert_eq!(
        way(&select(&[A, B], through)),
        Way::Route {
            group: GROUP,
            key: 3
        }
    );
    let mut facts = select(&[A], vec![equal(side(1, KEY), Side::Key(1))]);
    let outer = Side::Column {
        up: 1,
        column: column(1, KEY),
    };
    let mut inner = level(&[B], from([1], vec![equal(side(1, KEY), outer)]));
    (inner.parent, inner.origin) = (Some(0), Origin::Sublink);
    facts.levels.push(inner);
    assert_eq!(
        way(&facts),
        Way::Route {
            group: GROUP,
            key: 1
        }
    );
}

#[test]
fn several_keys_of_a_column_count_in_any_order() {
    let conditions = vec![
        equal(side(1, KEY), Side::Key(0)),
        equal(side(1, KEY), Side::Key(1)),
        equal(side(2, KEY), Side::Key(1)),
    ];
    assert_eq!(
        way(&select(&[A, B], conditions)),
        Way::Route {
            group: GROUP,
            key: 1
        }
    );
}

#[test]
fn outer_joins_determine_what_they_fill_with_nulls() {
    let of = |kind, on| {
        let join = Join {
            kind,
            left: JoinTree::Relation(1),
            right: JoinTree::Relation(2),
            conditions: vec![equal(on, Side::Key(0)), equal(side(1, KEY), side(2, KEY))],
        };
        JoinTree::Join(Box::new(join)).determined()
    };
    let columns = |kind, on| -> Vec<u32> {
        of(kind, on)
            .into_iter()
            .map(|(column, _)| column.index)
            .collect()
    };
    assert_eq!(columns(JoinKind::Inner, side(1, KEY)), [1, 1, 2]);
    assert_eq!(columns(JoinKind::Left, side(1, KEY)), [2]);
    assert_eq!(columns(JoinKind::Left, side(2, KEY)), [2, 2]);
    assert_eq!(columns(JoinKind::Right, side(1, KEY)), [1, 1]);
    assert_eq!(columns(JoinKind::Full, side(1, KEY)), [0; 0]);
}

#[test]
fn locks_of_one_node_or_of_every_copy() {
    let lock = |mut facts: QueryFacts, excludes| {
        facts.levels[0].mentions[0].used = Use::Locked;
        facts.levels[0].excludes = excludes;
        way(&facts)
    };
    let key = equal(side(1, KEY), Side::Key(0));
    assert_eq!(
        lock(select(&[A], vec![key]), true),
        Way::Route {
            group: GROUP,
            key: 0
        }
    );
    assert_eq!(
        reason(lock(select(&[A], vec![]), false)),
        Some(Reason::LocksSeveralNodes)
    );
    assert_eq!(lock(select(&[COPY], vec![]), true), Way::Everywhere);
    assert_eq!(lock(select(&[COPY], vec![]), false), Way::Local);
    let mut limited = select(&[COPY], vec![]);
    limited.order_dependent = true;
    assert_eq!(reason(lock(limited, true)), Some(Reason::LocksSeveralNodes));
}

#[test]
fn updates_and_deletes() {
    let key = equal(side(1, KEY), Side::Key(0));
    let join = equal(side(1, KEY), side(2, KEY));
    let exchange = Way::Exchange {
        anchor: Some(column(1, KEY)),
    };
    let delete =
        |relations: &[u32], conditions| way(&write(Command::Delete, relations, conditions));
    assert_eq!(
        delete(&[A], vec![key]),
        Way::Route {
            group: GROUP,
            key: 0
        }
    );
    assert_eq!(delete(&[A], vec![]), OWNERS);
    assert_eq!(delete(&[A, B], vec![join]), OWNERS);
    assert_eq!(delete(&[A, COPY], vec![]), OWNERS);
    assert_eq!(delete(&[A, B], vec![]), exchange);
    assert_eq!(delete(&[A, LOCAL], vec![]), exchange);
    assert_eq!(delete(&[COPY], vec![]), Way::Everywhere);
    assert_eq!(delete(&[COPY, A], vec![]), Way::Exchange { anchor: None });
    assert_eq!(
        delete(&[LOCAL, A], vec![]),
        Way::Fragments { writes_here: true }
    );
    let mut facts = write(Command::Delete, &[COPY], vec![]);
    facts.functions.volatile = true;
    assert_eq!(reason(way(&facts)), Some(Reason::CopiesMayDiffer));
    let mut facts = write(Command::Delete, &[A], vec![]);
    facts.functions = Functions {
        volatile: true,
        ..Functions::default()
    };
    assert_eq!(way(&facts), OWNERS);
    facts.functions.bound_to_node = true;
    assert_eq!(reason(way(&facts)), Some(Reason::VolatileWrite));
    facts.rows_by_place = true;
    assert_eq!(reason(way(&facts)), Some(Reason::RowsByPlace));
}

#[test]
fn an_assigned_key_moves_the_row_unless_it_is_the_same() {
    let update = |assigned, conditions| {
        let mut facts = write(Command::Update, &[A], conditions);
        facts.assigned_key = Some(assigned);
        way(&facts)
    };
    let key = equal(side(1, KEY), Side::Key(0));
    assert_eq!(update(Side::Key(1), vec![key]), Way::MoveRows);
    assert_eq!(
        update(Side::Key(0), vec![key]),
        Way::Route {
            group: GROUP,
            key: 0
        }
    );
    assert_eq!(update(side(1, KEY), vec![]), OWNERS);
    assert_eq!(update(side(1, 2), vec![]), Way::MoveRows);
    assert_eq!(
        update(side(1, 2), vec![equal(side(1, 2), side(1, KEY))]),
        OWNERS
    );
    assert_eq!(update(Side::Other, vec![key]), Way::MoveRows);
}

#[test]
fn insertions() {
    let mut facts = write(Command::Insert, &[A], vec![]);
    assert_eq!(way(&facts), Way::Distribute);
    facts.inserted = Inserted::Key(4);
    assert_eq!(
        way(&facts),
        Way::Route {
            group: GROUP,
            key: 4
        }
    );
    facts.conflict_key = Some((side(1, 2), 2));
    assert_eq!(reason(way(&facts)), Some(Reason::ConflictChangesKey));
    facts.conflict_key = Some((side(2, KEY), 2));
    assert_eq!(
        way(&facts),
        Way::Route {
            group: GROUP,
            key: 4
        }
    );
    assert_eq!(
        way(&write(Command::Insert, &[COPY], vec![])),
        Way::Everywhere
    );
    assert_eq!(
        way(&write(Command::Insert, &[COPY, A], vec![])),
        Way::Distribute
    );
    assert_eq!(
        way(&write(Command::Insert, &[LOCAL, A], vec![])),
        Way::Fragments { writes_here: false }
    );
}

#[test]
fn rows_of_colocated_tables_are_inserted_where_they_are() {
    let insert = |attribute, conditions| {
        let mut facts = write(Command::Insert, &[A], vec![]);
        let mut source = level(&[B, DISTRIBUTED[2]], from(1..=2, conditions));
        (source.parent, source.origin) = (Some(0), Origin::From);
        facts.levels.push(source);
        facts.inserted = Inserted::Rows {
            level: 1,
            column: column(1, attribute),
        };
        facts
    };
    let join = equal(side(1, KEY), side(2, KEY));
    assert_eq!(way(&insert(KEY, vec![join])), OWNERS);
    assert_eq!(way(&insert(2, vec![join])), Way::Distribute);
    assert_eq!(way(&insert(KEY, vec![])), Way::Distribute);
    let mut volatile = insert(KEY, vec![join]);
    volatile.functions.volatile = true;
    assert_eq!(way(&volatile), Way::Distribute);
}

#[test]
fn a_merge_inserts_at_the_owner_of_the_key() {
    let merge = |conditions, actions| {
        let mut facts = write(Command::Merge, &[A, COPY], conditions);
        facts.merge_actions = actions;
        way(&facts)
    };
    let on = equal(side(1, KEY), side(2, 2));
    let insert = MergeAction::Insert {
        value: Some(column(2, 2)),
    };
    let restricted = Way::Owners {
        group: GROUP,
        restrict: Some(column(2, 2)),
    };
    assert_eq!(merge(vec![on], vec![insert]), restricted);
    assert_eq!(merge(vec![on], vec![MergeAction::Other]), OWNERS);
    assert_eq!(
        merge(vec![equal(side(1, KEY), Side::Key(0)), on], vec![insert]),
        restricted
    );
    assert_eq!(
        reason(merge(vec![], vec![insert])),
        Some(Reason::MergeInsertsOtherKey)
    );
    let other = MergeAction::Insert { value: None };
    assert_eq!(
        reason(merge(vec![on], vec![insert, other])),
        Some(Reason::MergeInsertsOtherKey)
    );
    let update = |assigned| MergeAction::Update {
        assigned: Some(assigned),
    };
    assert_eq!(merge(vec![on], vec![update(side(2, 2))]), OWNERS);
    assert_eq!(
        reason(merge(vec![on], vec![update(side(2, 1))])),
        Some(Reason::MergeChangesKey)
    );
}

#[test]
fn what_an_insertion_leaves_to_the_nodes() {
    let target = |relation| {
        write(Command::Insert, &[relation], vec![])
            .target(&placement())
            .expect("placed")
    };
    let check = |insertion: Insertion, relation| {
        check_insertion(&insertion, &target(relation)).map(|refusal| refusal.reason)
    };
    let plain = Insertion::default();
    let reads = Insertion {
        may_read_tables: true,
        ..plain
    };
    let places = Insertion {
        system_columns: true,
        ..plain
    };
    let volatile = Insertion {
        volatile_conflict: true,
        ..plain
    };
    let bound = Insertion {
        volatile_conflict: true,
        bound_to_node: true,
        ..plain
    };
    assert_eq!(check(plain, A), None);
    assert_eq!(check(places, A), None);
    assert_eq!(check(volatile, A), None);
    assert_eq!(check(bound, A), Some(Reason::VolatileInsertion));
    assert_eq!(check(reads, A), Some(Reason::InsertionMayReadTables));
    assert_eq!(
        check(places, COPY),
        Some(Reason::CopiesMayConflictDifferently)
    );
    assert_eq!(
        check(volatile, COPY),
        Some(Reason::CopiesMayConflictDifferently)
    );
    assert_eq!(
        check(
            Insertion {
                sublink: true,
                ..bound
            },
            A
        ),
        Some(Reason::SublinkInInsertion)
    );
}

#[test]
fn a_snapshot_covers_fragments_and_tables_that_are_read_here() {
    let reads = |relations: &[u32]| {
        let facts = select(relations, vec![]);
        let reads = Reads::of(&way(&facts), &facts, &facts, &placement());
        (reads.several_nodes, reads.mixed)
    };
    assert_eq!(reads(&[A]), (true, false));
    assert_eq!(reads(&[A, COPY]), (true, true));
    assert_eq!(reads(&[A, LOCAL]), (true, true));
    assert_eq!(reads(&[COPY]), (false, false));
}

#[test]
fn every_reason_says_what_to_do() {
    for reason in Reason::ALL {
        assert!(
            reason.hint().ends_with('.') && !reason.what().ends_with('.'),
            "{reason:?}"
        );
        assert!(reason.hint().starts_with(char::is_uppercase), "{reason:?}");
    }
}
