//! Views over a table that has just been distributed: what was for this node alone any node can answer now, and so every node
//! gets it. Views that still need something of this node alone stay as they are, and so do those that the current user could
//! not make there; a notice names them.

use crate::catalog::everywhere::{cluster, on_others, others};
use crate::dispatch::run::run_on;
use crate::metadata::cache::Metadata;
use crate::objects::portable::is_shared_view;
use crate::objects::{creation, definition};
use crate::pg::spi;
use crate::remote::command::Access;
use pgrx::pg_sys::Oid;
use std::collections::{HashMap, HashSet};

struct View {
    oid: Oid,
    /// Qualified.
    name: String,
}

/// Makes the views over a relation on all other nodes.
pub fn create_over(relation: Oid) {
    let metadata = cluster();
    let found: Vec<View> = over(relation)
        .into_iter()
        .filter(|view| is_shared_view(view.oid, &metadata))
        .collect();
    if found.is_empty() {
        return;
    }
    let (mut views, refused): (Vec<View>, Vec<View>) = found.into_iter().partition(may_be_made);
    let needs: HashMap<u32, Vec<String>> = views
        .iter()
        .map(|view| (view.oid.to_u32(), needs_of(view)))
        .collect();
    let missing = missing_elsewhere(&metadata, needs.values().flatten().collect());
    let mut left: Vec<String> = refused.into_iter().map(|view| view.name).collect();
    // What stays here alone keeps here what needs it.
    loop {
        let made: HashSet<String> = views.iter().flat_map(|view| itself(&view.name)).collect();
        let possible = |view: &View| {
            needs[&view.oid.to_u32()]
                .iter()
                .all(|need| made.contains(need) || !missing.contains(need))
        };
        let before = views.len();
        let (kept, dropped): (Vec<View>, Vec<View>) = views.into_iter().partition(possible);
        left.extend(dropped.into_iter().map(|view| view.name));
        views = kept;
        if views.len() == before {
            break;
        }
    }
    for name in left {
        pgrx::notice!("view {name} exists on this node alone: run CREATE OR REPLACE VIEW when what it needs is everywhere");
    }
    // All of them first: rules of one may write another.
    let parts = |parts: &'static [&'static str]| {
        views.iter().flat_map(move |view| {
            parts
                .iter()
                .flat_map(|query| definition::statements(view.oid.to_u32(), &view.name, query))
        })
    };
    let statements: Vec<String> = parts(&[CREATE])
        .chain(parts(PARTS))
        .chain(parts(definition::PRIVILEGES))
        .collect();
    creation::complete(&metadata, &statements);
}

/// Drops them on all other nodes, where the relation is about to go.
pub fn drop_elsewhere(relation: Oid) {
    let metadata = cluster();
    let names: Vec<String> = over(relation)
        .into_iter()
        .filter(|view| is_shared_view(view.oid, &metadata))
        .map(|view| view.name)
        .collect();
    if !names.is_empty() {
        let sql = format!("DROP VIEW IF EXISTS {}", names.join(", "));
        on_others(&others(&metadata), &sql);
    }
}

/// Views that need the relation, however indirectly, each after those it needs itself.
fn over(relation: Oid) -> Vec<View> {
    // The view's own rule alone: rules for writes can go in circles. By hand, views can as well, hence the limit.
    let sql = format!(
        "WITH RECURSIVE above (view, depth) AS ( \
            SELECT {}::oid, 0 \
          UNION \
            SELECT r.ev_class, a.depth + 1 FROM above a \
            JOIN pg_class n ON n.oid = a.view \
            JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.view \
                OR d.refclassid = 'pg_type'::regclass AND d.refobjid = n.reltype \
            JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.rulename = '_RETURN' \
            JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v' \
            WHERE r.ev_class <> a.view AND a.depth < 100) \
         SELECT a.view::oid, a.view::regclass FROM above a WHERE depth > 0 GROUP BY a.view ORDER BY max(depth), a.view",
        relation.to_u32()
    );
    spi::query(&sql)
        .into_iter()
        .filter_map(|row| {
            let mut row = row.into_iter();
            Some(View {
                oid: spi::parse_oid(&row.next()??)?,
                name: row.next()??,
            })
        })
        .collect()
}

/// Can the current user make it as it is, for its owner?
fn may_be_made(view: &View) -> bool {
    spi::holds(&format!(
        "SELECT pg_has_role(relowner, 'USAGE') AND has_schema_privilege(relnamespace, 'CREATE') \
             AND has_schema_privilege(relowner, relnamespace, 'CREATE') AND relnatts > 0 \
         FROM pg_class WHERE oid = {}",
        view.oid.to_u32()
    ))
}

/// What a view's definition names directly, each as an expression that is null where it does not exist.
fn needs_of(view: &View) -> Vec<String> {
    spi::column(&NEEDS.replace("$oid", &view.oid.to_u32().to_string()))
}

/// Which of these are missing on any other node.
fn missing_elsewhere(metadata: &Metadata, needs: HashSet<&String>) -> HashSet<String> {
    let needs: Vec<&String> = needs.into_iter().collect();
    if needs.is_empty() {
        return HashSet::new();
    }
    let questions: Vec<String> = needs
        .iter()
        .enumerate()
        .map(|(number, need)| format!("SELECT {number} WHERE {need} IS NULL"))
        .collect();
    run_on(
        &others(metadata),
        Access::Write,
        &questions.join(" UNION ALL "),
    )
    .into_iter()
    .flat_map(|(_, rows)| rows)
    .filter_map(|row| row.into_iter().next()??.parse::<usize>().ok())
    .filter_map(|number| needs.get(number).map(|need| (*need).clone()))
    .collect()
}

/// The needs of a view that names this one, or its rows.
fn itself(name: &str) -> [String; 2] {
    ["to_regclass", "to_regtype"].map(|find| format!("{find}({})", spi::literal(name)))
}

/// Views, sequences, functions and types that the view's rules, defaults and triggers name.
const NEEDS: &str = "\
SELECT DISTINCT CASE d.refclassid \
    WHEN 'pg_class'::regclass THEN format('to_regclass(%L)', d.refobjid::regclass) \
    WHEN 'pg_proc'::regclass THEN format('to_regprocedure(%L)', d.refobjid::regprocedure) \
    ELSE format('to_regtype(%L)', d.refobjid::regtype) END \
FROM pg_depend d LEFT JOIN pg_class c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid \
WHERE d.refobjid >= 16384 AND d.refobjid <> $oid \
  AND (c.relkind IN ('v', 'S') OR d.refclassid IN ('pg_proc'::regclass, 'pg_type'::regclass)) \
  AND (d.classid = 'pg_rewrite'::regclass AND d.objid IN (SELECT oid FROM pg_rewrite WHERE ev_class = $oid) \
    OR d.classid = 'pg_attrdef'::regclass AND d.objid IN (SELECT oid FROM pg_attrdef WHERE adrelid = $oid) \
    OR d.classid = 'pg_trigger'::regclass AND d.objid IN (SELECT oid FROM pg_trigger WHERE tgrelid = $oid))";

const CREATE: &str = "\
SELECT format('CREATE VIEW %s (%s)%s AS %s', $name, \
        (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute \
         WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), \
        ' WITH (' || array_to_string(c.reloptions, ', ') || ')', pg_get_viewdef(c.oid)) \
FROM pg_class c WHERE c.oid = $oid";

const PARTS: &[&str] = &[
    "SELECT format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', $name, a.attname, pg_get_expr(d.adbin, d.adrelid)) \
     FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum \
     WHERE d.adrelid = $oid ORDER BY a.attnum",
    "SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class = $oid AND rulename <> '_RETURN' ORDER BY oid",
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = $oid AND NOT tgisinternal ORDER BY oid",
    "SELECT CASE WHEN d.objsubid = 0 THEN format('COMMENT ON VIEW %s IS %L', $name, d.description) \
                 ELSE format('COMMENT ON COLUMN %s.%I IS %L', $name, a.attname, d.description) END \
     FROM pg_description d LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid \
     WHERE d.classoid = 'pg_class'::regclass AND d.objoid = $oid",
    "SELECT format('ALTER VIEW %s OWNER TO %I', $name, r.rolname) \
     FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE c.oid = $oid",
];
