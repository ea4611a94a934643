//! Views over a table that has just been spread: what was for this node alone any node can answer now, and so every node
//! gets it. Views that still need something of this node alone wait for that.

use super::everywhere::{cluster, on_others, others};
use super::standing::is_shared_view;
use super::{definition, spi, spread};
use pgrx::pg_sys::Oid;

/// Makes the views over a relation on all other nodes. Those of owners whom the current user may not act for stay as they
/// are, which a notice says.
pub fn spread_over(relation: Oid) {
    let metadata = cluster();
    let mut statements = Vec::new();
    for (view, name) in over(relation) {
        if !is_shared_view(view, &metadata) {
            continue;
        }
        if spi::holds(&format!(
            "SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = {}",
            view.to_u32()
        )) {
            statements.extend(definition_of(view, &name));
        } else {
            pgrx::notice!(
                "view {name} exists on this node alone until its owner runs CREATE OR REPLACE VIEW"
            );
        }
    }
    spread::complete(&metadata, &statements);
}

/// Drops them on all other nodes, where the relation is about to go.
pub fn drop_elsewhere(relation: Oid) {
    let metadata = cluster();
    let names: Vec<String> = over(relation)
        .into_iter()
        .filter(|(view, _)| is_shared_view(*view, &metadata))
        .map(|(_, name)| name)
        .collect();
    if !names.is_empty() {
        let sql = format!("DROP VIEW IF EXISTS {}", names.join(", "));
        on_others(&others(&metadata), &sql);
    }
}

/// Views that need the relation, however indirectly, each after those it needs itself; with their qualified names.
fn over(relation: Oid) -> Vec<(Oid, String)> {
    // The view's own rule alone: rules for writes can go in circles.
    let sql = format!(
        "WITH RECURSIVE above (view, depth) AS ( \
            SELECT {}::oid, 0 \
          UNION \
            SELECT r.ev_class, a.depth + 1 FROM above a \
            JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = a.view \
            JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND r.rulename = '_RETURN' \
            JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v' \
            WHERE r.ev_class <> a.view) \
         SELECT a.view::oid, a.view::regclass FROM above a WHERE depth > 0 GROUP BY a.view ORDER BY max(depth), a.view",
        relation.to_u32()
    );
    spi::query(&sql)
        .into_iter()
        .filter_map(|row| {
            let mut row = row.into_iter();
            let oid: u32 = row.next()??.parse().ok()?;
            Some((Oid::from(oid), row.next()??))
        })
        .collect()
}

fn definition_of(view: Oid, name: &str) -> Vec<String> {
    PARTS
        .iter()
        .chain(definition::PRIVILEGES)
        .flat_map(|query| definition::statements(view.to_u32(), name, query))
        .collect()
}

const PARTS: &[&str] = &[
    "SELECT format('CREATE OR REPLACE VIEW %s (%s)%s AS %s', $name, \
            (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute \
             WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), \
            ' WITH (' || array_to_string(c.reloptions, ', ') || ')', pg_get_viewdef(c.oid)) \
     FROM pg_class c WHERE c.oid = $oid",
    "SELECT format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', $name, a.attname, pg_get_expr(d.adbin, d.adrelid)) \
     FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum \
     WHERE d.adrelid = $oid ORDER BY a.attnum",
    "SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE ev_class = $oid AND rulename <> '_RETURN' ORDER BY oid",
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = $oid AND NOT tgisinternal ORDER BY oid",
    "SELECT format('ALTER VIEW %s OWNER TO %I', $name, r.rolname) \
     FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE c.oid = $oid",
    "SELECT CASE WHEN d.objsubid = 0 THEN format('COMMENT ON VIEW %s IS %L', $name, d.description) \
                 ELSE format('COMMENT ON COLUMN %s.%I IS %L', $name, a.attname, d.description) END \
     FROM pg_description d LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid \
     WHERE d.classoid = 'pg_class'::regclass AND d.objoid = $oid",
];
