//! What holds for every statement.

use crate::generate::*;
use expanse_core::statement::*;
use proptest::prelude::*;

/// The same tree with its items and conditions in another order.
fn reordered(tree: &JoinTree, turns: usize) -> JoinTree {
    match tree {
        JoinTree::Relation(index) => JoinTree::Relation(*index),
        JoinTree::From { items, conditions } => JoinTree::From {
            items: turned(
                items.iter().map(|item| reordered(item, turns)).collect(),
                turns,
            ),
            conditions: turned(conditions.iter().map(swapped).collect(), turns),
        },
        JoinTree::Join(join) => JoinTree::Join(Box::new(mirrored(join, turns))),
    }
}

/// `a LEFT JOIN b` is `b RIGHT JOIN a`.
fn mirrored(join: &Join, turns: usize) -> Join {
    Join {
        kind: match join.kind {
            JoinKind::Left => JoinKind::Right,
            JoinKind::Right => JoinKind::Left,
            kind => kind,
        },
        left: reordered(&join.right, turns),
        right: reordered(&join.left, turns),
        conditions: turned(join.conditions.clone(), turns),
    }
}

fn swapped(equality: &Equality) -> Equality {
    Equality {
        left: equality.right,
        right: equality.left,
        hashes_left: equality.hashes_right,
        hashes_right: equality.hashes_left,
    }
}

fn turned<T>(mut items: Vec<T>, turns: usize) -> Vec<T> {
    if turns % 2 == 1 {
        items.reverse();
    }
    if !items.is_empty() {
        let by = turns / 2 % items.len();
        items.rotate_left(by);
    }
    items
}

fn with_condition(mut facts: QueryFacts, condition: Equality) -> QueryFacts {
    let tree = std::mem::take(&mut facts.levels[0].join_tree);
    facts.levels[0].join_tree = JoinTree::From {
        items: vec![tree],
        conditions: vec![condition],
    };
    facts
}

fn refuses(way: &Way, reason: Reason) -> bool {
    matches!(way, Way::Refuse(refusal) if refusal.reason == reason)
}

/// Does the statement run on several nodes by this way, or write on them?
fn is_final_over_nodes(way: &Way) -> bool {
    matches!(
        way,
        Way::Route { .. } | Way::Owners { .. } | Way::Everywhere
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_global_rejects: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_conditions_changes_nothing(facts in any_facts(), turns in 0..8_usize) {
        let mut other = facts.clone();
        for level in &mut other.levels {
            level.join_tree = reordered(&level.join_tree, turns);
        }
        prop_assert_eq!(decide(&facts, &placement()), decide(&other, &placement()));
        prop_assert_eq!(decide_exchanged(&facts, &placement()), decide_exchanged(&other, &placement()));
        prop_assert_eq!(decide_nested(&facts, &placement()), decide_nested(&other, &placement()));
    }

    #[test]
    fn a_routed_statement_has_all_its_rows_on_one_node(facts in any_facts()) {
        let placement = placement();
        let Way::Route { group, key } = decide(&facts, &placement) else { return Ok(()) };
        prop_assert_eq!(group == GROUP || group == OTHER_GROUP, true);
        for mention in facts.mentions() {
            match placement.table(mention.relation) {
                None => prop_assert!(false, "a local table"),
                Some(Table::Replicated) => prop_assert!(!mention.written()),
                Some(Table::Distributed { group: of, .. }) => prop_assert_eq!(of, group),
            }
        }
        if facts.command != Command::Insert {
            let keys = KeyEqualities::of(&facts, 0, None).common(&placement).unwrap_or_default();
            prop_assert!(keys.contains(&Key::Value(key)));
        }
    }

    #[test]
    fn a_condition_more_never_needs_more_nodes(facts in any_facts(), condition in any_equality(3, 0)) {
        let before = decide(&facts, &placement());
        let after = decide(&with_condition(facts, condition), &placement());
        match before {
            Way::Local => prop_assert_eq!(after, Way::Local),
            Way::Route { group, .. } => {
                let same = matches!(after, Way::Route { group: of, .. } if of == group);
                prop_assert!(same, "{:?}", after);
            }
            Way::Owners { group, .. } => {
                let fewer = matches!(after, Way::Route { group: of, .. } | Way::Owners { group: of, .. } if of == group);
                prop_assert!(fewer, "{:?}", after);
            }
            Way::Exchange { .. } => prop_assert!(!matches!(after, Way::Fragments { .. } | Way::MoveRows), "{:?}", after),
            Way::Fragments { .. } => prop_assert!(matches!(after, Way::Fragments { .. } | Way::Route { .. }), "{:?}", after),
            _ => {}
        }
    }

    #[test]
    fn nothing_is_refused_for_a_condition_more(facts in any_facts(), condition in any_equality(3, 0)) {
        // Whether rows can be moved, or rows of others sent along, shows later.
        let before = decide(&facts, &placement());
        let later = matches!(before, Way::MoveRows | Way::Exchange { .. } | Way::Refuse(_));
        let after = decide(&with_condition(facts, condition), &placement());
        prop_assert!(later || !matches!(after, Way::Refuse(_)), "{:?} {:?}", before, after);
    }

    #[test]
    fn copies_are_read_here(relations in prop::collection::vec(prop::sample::select(REPLICATED.to_vec()), 1..4), facts in any_facts()) {
        let mut facts = facts;
        facts.command = Command::Select;
        facts.target = None;
        facts.levels = vec![level(&relations, JoinTree::default())];
        prop_assert_eq!(decide(&facts, &placement()), Way::Local);
        prop_assert_eq!(decide_nested(&facts, &placement()), NestedWay::Local);
        let reads = Reads::of(&Way::Local, &facts, &facts, &placement());
        prop_assert_eq!(reads, Reads::default());
    }

    #[test]
    fn two_written_tables_are_on_one_node_or_refused(
        facts in any_facts(),
        locked in prop::sample::select([DISTRIBUTED, [OF_OTHER_GROUP, REPLICATED[0], REPLICATED[1]]].concat()),
    ) {
        let placement = placement();
        let mut facts = facts;
        prop_assume!(facts.target(&placement).is_some());
        facts.levels[0].mentions.push(Mention { relation: locked, index: 9, used: Use::Locked });
        let way = decide(&facts, &placement);
        prop_assert!(
            matches!(way, Way::Route { .. } | Way::Refuse(_) | Way::MoveRows | Way::WritesFirst),
            "{:?}", way
        );
        prop_assert!(refuse_several(&facts, &placement).is_some());
    }

    #[test]
    fn what_this_node_alone_has_keeps_a_statement_here(facts in any_facts(), at in 0..3_usize) {
        let mut facts = facts;
        let at = at % facts.levels.len();
        facts.levels[at].session_rows = true;
        prop_assert!(!is_final_over_nodes(&decide(&facts, &placement())));
        prop_assert!(!is_final_over_nodes(&decide_exchanged(&facts, &placement())));
        let nested = decide_nested(&facts, &placement());
        prop_assert!(!matches!(nested, NestedWay::Route { .. }), "{:?}", nested);
    }

    #[test]
    fn functions_run_where_they_mean_the_same(facts in any_facts()) {
        let ways = [decide(&facts, &placement()), decide_exchanged(&facts, &placement())];
        for way in ways {
            let away = is_final_over_nodes(&way);
            prop_assert!(!(away && facts.functions.bound_to_node), "{:?}", way);
            prop_assert!(!(away && facts.functions.may_read_tables), "{:?}", way);
            prop_assert!(!(way == Way::Everywhere && facts.functions.volatile));
            prop_assert!(!(way == Way::Everywhere && facts.order_dependent));
        }
    }

    #[test]
    fn rewrites_come_to_an_end(facts in any_facts()) {
        let rest = decide_exchanged(&facts, &placement());
        prop_assert!(!matches!(rest, Way::WritesFirst | Way::MoveRows | Way::Exchange { .. }), "{:?}", rest);
        let mut facts = facts;
        facts.assigned_key = None;
        let way = decide(&facts, &placement());
        prop_assert!(!matches!(way, Way::WritesFirst | Way::MoveRows), "{:?}", way);
        facts.modifying_with = true;
        let way = decide(&facts, &placement());
        prop_assert!(matches!(way, Way::WritesFirst | Way::Refuse(_)), "{:?}", way);
    }

    #[test]
    fn a_select_is_refused_for_locks_and_policies_alone(facts in any_facts()) {
        let facts = QueryFacts { command: Command::Select, target: None, ..facts };
        let locks = facts.placed(&placement()).any(|mention| mention.written());
        let policy = facts.levels.iter().any(|level| level.in_policy);
        let way = decide(&facts, &placement());
        if let Way::Refuse(refusal) = way {
            match refusal.reason {
                Reason::LocksSeveralNodes => prop_assert!(locks),
                Reason::PolicyReads => prop_assert!(policy),
                reason => prop_assert!(false, "{:?}", reason),
            }
        }
    }

    #[test]
    fn an_anchor_loses_no_keys(facts in any_facts()) {
        let without = KeyEqualities::of(&facts, 0, None);
        let with = KeyEqualities::of(&facts, 0, Some(column(1, KEY)));
        if let (Some(before), Some(after)) = (without.common(&placement()), with.common(&placement())) {
            prop_assert!(before.is_subset(&after));
        }
        prop_assert!(with.anchored(0, column(1, KEY)));
        prop_assert!(!without.anchored(0, column(1, KEY)));
    }

    #[test]
    fn a_policy_that_reads_distributed_tables_is_refused(facts in any_facts()) {
        let placement = placement();
        let reads = facts.levels.iter().filter(|level| level.in_policy).flat_map(|level| &level.mentions);
        let reads = reads.filter(|mention| placement.is_distributed(mention.relation)).count();
        prop_assert_eq!(refuses(&decide(&facts, &placement), Reason::PolicyReads), reads > 0);
    }

    #[test]
    fn a_statement_of_a_function_needs_no_other_node(facts in any_facts()) {
        let placement = placement();
        match decide_nested(&facts, &placement) {
            NestedWay::Local => {
                let reads = facts.command == Command::Select && facts.distributed(&placement).next().is_none();
                prop_assert!(facts.names_only || reads);
            }
            NestedWay::Route { .. } => prop_assert!(!facts.needs_this_node(&placement)),
            NestedWay::RemoteRows { relation } => {
                let named = facts.mentions().any(|mention| mention.relation == relation);
                prop_assert!(named || facts.placed(&placement).next().is_none());
            }
        }
    }

    #[test]
    fn only_statements_over_several_nodes_have_their_snapshot(facts in any_facts()) {
        let placement = placement();
        let way = decide(&facts, &placement);
        let reads = Reads::of(&way, &facts, &facts, &placement);
        prop_assert!(!reads.mixed || reads.several_nodes);
        if matches!(way, Way::Local | Way::Route { .. }) {
            prop_assert_eq!(reads, Reads::default());
        }
        if matches!(way, Way::Owners { .. } | Way::Everywhere) {
            prop_assert!(reads.several_nodes && !reads.mixed);
        }
    }
}
