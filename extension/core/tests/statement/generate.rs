//! Facts about queries that never were.

use expanse_core::statement::*;
use proptest::prelude::*;
use proptest::sample::select;

pub const GROUP: i32 = 7;
pub const OTHER_GROUP: i32 = 8;
/// The distribution column of all distributed tables.
pub const KEY: i16 = 1;

/// Relations by what they are.
pub const DISTRIBUTED: [u32; 3] = [11, 12, 13];
pub const OF_OTHER_GROUP: u32 = 21;
pub const REPLICATED: [u32; 2] = [31, 32];
pub const LOCAL: u32 = 41;

pub fn placement() -> Placement {
    let table = |group| Table::Distributed { column: KEY, group };
    DISTRIBUTED
        .map(|relation| (relation, table(GROUP)))
        .into_iter()
        .chain([(OF_OTHER_GROUP, table(OTHER_GROUP))])
        .chain(REPLICATED.map(|relation| (relation, Table::Replicated)))
        .collect()
}

pub fn column(index: u32, attribute: i16) -> Column {
    Column { index, attribute }
}

pub fn side(index: u32, attribute: i16) -> Side {
    let column = column(index, attribute);
    Side::Column { up: 0, column }
}

pub fn equal(left: Side, right: Side) -> Equality {
    Equality {
        left,
        right,
        hashes_left: true,
        hashes_right: true,
    }
}

pub fn from(indexes: impl IntoIterator<Item = u32>, conditions: Vec<Equality>) -> JoinTree {
    JoinTree::From {
        items: indexes.into_iter().map(JoinTree::Relation).collect(),
        conditions,
    }
}

/// A query level over relations, each read.
pub fn level(relations: &[u32], join_tree: JoinTree) -> Level {
    let mentions = relations.iter().zip(1..).map(|(&relation, index)| Mention {
        relation,
        index,
        used: Use::Read,
    });
    Level {
        parent: None,
        origin: Origin::Statement,
        in_policy: false,
        mentions: mentions.collect(),
        session_rows: false,
        join_tree,
        excludes: false,
        has_with: false,
    }
}

/// A statement of these levels that does nothing special.
pub fn statement(command: Command, mut levels: Vec<Level>) -> QueryFacts {
    let target = (command != Command::Select).then_some(1);
    if target.is_some() {
        if let Some(mention) = levels[0].mentions.first_mut() {
            mention.used = Use::Written;
        }
    }
    QueryFacts {
        command,
        levels,
        target,
        names_only: false,
        modifying_with: false,
        functions: Functions::default(),
        system_columns: false,
        rows_by_place: false,
        order_dependent: false,
        view_check: false,
        current_of: false,
        assigned_key: None,
        conflict_key: None,
        inserted: Inserted::Other,
        merge_actions: Vec::new(),
    }
}

fn any_side(relations: u32, levels_up: u32) -> impl Strategy<Value = Side> {
    prop_oneof![
        6 => (1..=relations, 1..=2_i16).prop_map(|(index, attribute)| side(index, attribute)),
        4 => (0..2_usize).prop_map(Side::Key),
        2 => (0..=levels_up, 1..=3_u32, 1..=2_i16).prop_map(|(up, index, attribute)| {
            let column = column(index, attribute);
            Side::Column { up, column }
        }),
        1 => Just(Side::Other),
    ]
}

pub fn any_equality(relations: u32, levels_up: u32) -> impl Strategy<Value = Equality> {
    let sides = (
        any_side(relations, levels_up),
        any_side(relations, levels_up),
    );
    let hashes = (prop::bool::weighted(0.9), prop::bool::weighted(0.9));
    (sides, hashes).prop_map(|((left, right), (hashes_left, hashes_right))| Equality {
        left,
        right,
        hashes_left,
        hashes_right,
    })
}

/// Joins of all relations `1..=count`, each once.
pub fn any_join_tree(count: u32, levels_up: u32) -> impl Strategy<Value = JoinTree> {
    let conditions = move || prop::collection::vec(any_equality(count, levels_up), 0..3);
    let kinds = select(vec![
        JoinKind::Inner,
        JoinKind::Left,
        JoinKind::Right,
        JoinKind::Full,
    ]);
    let steps = prop::collection::vec((kinds, any::<bool>(), conditions()), count as usize);
    (steps, conditions()).prop_map(|(steps, conditions)| {
        let mut tree: Option<JoinTree> = None;
        for ((kind, plain, on), index) in steps.into_iter().zip(1..) {
            let next = JoinTree::Relation(index);
            tree = Some(match tree {
                None => next,
                Some(left) if plain => JoinTree::From {
                    items: vec![left, next],
                    conditions: on,
                },
                Some(left) => JoinTree::Join(Box::new(Join {
                    kind,
                    left,
                    right: next,
                    conditions: on,
                })),
            });
        }
        JoinTree::From {
            items: tree.into_iter().collect(),
            conditions,
        }
    })
}

fn any_relation() -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => select(DISTRIBUTED.to_vec()),
        1 => Just(OF_OTHER_GROUP),
        4 => select(REPLICATED.to_vec()),
        1 => Just(LOCAL),
    ]
}

pub fn any_level(levels_up: u32) -> impl Strategy<Value = Level> {
    let relations = prop::collection::vec(any_relation(), 1..4);
    relations.prop_flat_map(move |relations| {
        let tree = any_join_tree(relations.len() as u32, levels_up);
        let rare = || prop::bool::weighted(0.1);
        (tree, rare(), rare(), rare(), 0..6_u32).prop_map(
            move |(tree, session_rows, excludes, has_with, locked)| {
                let mut level = level(&relations, tree);
                level.session_rows = session_rows;
                level.excludes = excludes;
                level.has_with = has_with;
                for mention in &mut level.mentions {
                    if mention.index == locked && excludes {
                        mention.used = Use::Locked;
                    }
                }
                level
            },
        )
    })
}

fn any_levels() -> impl Strategy<Value = Vec<Level>> {
    let origins = select(vec![Origin::From, Origin::With, Origin::Sublink]);
    let inner = (
        any_level(2),
        origins,
        any::<bool>(),
        prop::bool::weighted(0.1),
    );
    (any_level(0), prop::collection::vec(inner, 0..3)).prop_map(|(first, inner)| {
        let mut levels = vec![first];
        for (mut level, origin, nested, in_policy) in inner {
            let last = levels.len() - 1;
            level.parent = Some(if nested { last } else { 0 });
            level.origin = origin;
            level.in_policy = in_policy;
            levels.push(level);
        }
        levels
    })
}

fn any_functions() -> impl Strategy<Value = Functions> {
    let rare = || prop::bool::weighted(0.15);
    (rare(), rare(), rare()).prop_map(|(volatile, bound, may_read_tables)| Functions {
        volatile,
        bound_to_node: bound && volatile,
        may_read_tables,
    })
}

pub fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        4 => Just(Command::Select),
        1 => Just(Command::Insert),
        1 => Just(Command::Update),
        1 => Just(Command::Delete),
        1 => Just(Command::Merge),
    ]
}

fn any_merge_action(relations: u32) -> impl Strategy<Value = MergeAction> {
    prop_oneof![
        prop::option::of(any_side(relations, 0))
            .prop_map(|assigned| MergeAction::Update { assigned }),
        prop::option::of((1..=relations, 1..=2_i16))
            .prop_map(|value| value.map(|(index, attribute)| column(index, attribute)))
            .prop_map(|value| MergeAction::Insert { value }),
        Just(MergeAction::Other),
    ]
}

/// Facts of any statement.
pub fn any_facts() -> impl Strategy<Value = QueryFacts> {
    let rare = || prop::bool::weighted(0.08);
    let flags = (rare(), rare(), rare(), rare(), rare(), rare());
    let key = (
        prop::option::of(any_side(2, 0)),
        prop::option::of((any_side(2, 0), 1..=2_u32)),
        prop::option::of(0..2_usize),
        prop::collection::vec(any_merge_action(2), 0..3),
    );
    (any_command(), any_levels(), any_functions(), flags, key).prop_map(
        |(command, levels, functions, flags, (assigned, conflict, inserted, actions))| {
            let mut facts = statement(command, levels);
            facts.functions = functions;
            (facts.names_only, facts.system_columns) = (flags.0, flags.1);
            facts.rows_by_place = flags.2 && flags.1;
            (facts.order_dependent, facts.view_check) = (flags.3, flags.4);
            facts.current_of = flags.5;
            match command {
                Command::Update => facts.assigned_key = assigned,
                Command::Insert => {
                    facts.conflict_key = conflict;
                    facts.inserted = inserted.map_or(Inserted::Other, Inserted::Key);
                }
                Command::Merge => facts.merge_actions = actions,
                _ => {}
            }
            facts
        },
    )
}
