//! What a table needs on another node before it can be created there: its schema, types, functions and sequences.
//!
//! Each is created only where it is missing. Objects of extensions are never copied: the extension is created.

use crate::pg::spi;
use pgrx::pg_sys::Oid;

/// Statements in the order in which they must run.
pub fn of(relation: Oid) -> Vec<String> {
    statements(relation, &[EXTENSIONS, SCHEMAS, OBJECTS])
}

/// Of these, what makes the schemas.
pub fn schemas(relation: Oid) -> Vec<String> {
    statements(relation, &[SCHEMAS])
}

fn statements(relation: Oid, kinds: &[&str]) -> Vec<String> {
    let needed = NEEDED.replace("$oid", &relation.to_u32().to_string());
    kinds
        .iter()
        .flat_map(|query| spi::column(&format!("{needed} {query}")))
        .collect()
}

/// Everything outside PostgreSQL itself that the table's parts depend on, however indirectly, and the table.
const NEEDED: &str = "\
WITH RECURSIVE needed (classid, objid) AS ( \
    SELECT 'pg_class'::regclass::oid, $oid::oid \
  UNION \
    SELECT next.classid, next.objid FROM needed n, LATERAL ( \
        SELECT d.refclassid, d.refobjid FROM pg_depend d \
            WHERE d.classid = n.classid AND d.objid = n.objid AND d.refobjid >= 16384 AND d.deptype <> 'e' \
              AND NOT (d.refclassid = 'pg_class'::regclass AND d.refobjid <> $oid \
                       AND (SELECT relkind FROM pg_class WHERE oid = d.refobjid) NOT IN ('S', 'c')) \
      UNION \
        SELECT d.classid, d.objid FROM pg_depend d \
            WHERE d.refclassid = n.classid AND d.refobjid = n.objid AND d.deptype IN ('a', 'i') \
              AND (d.classid IN ('pg_attrdef'::regclass, 'pg_constraint'::regclass, 'pg_trigger'::regclass, \
                                 'pg_policy'::regclass) \
                   OR d.classid = 'pg_class'::regclass \
                      AND (SELECT relkind FROM pg_class WHERE oid = d.objid) IN ('S', 'i')) \
      UNION \
        SELECT 'pg_type'::regclass, t.typelem FROM pg_type t \
            WHERE n.classid = 'pg_type'::regclass AND t.oid = n.objid AND t.typelem >= 16384 \
      UNION \
        SELECT 'pg_class'::regclass, t.typrelid FROM pg_type t \
            WHERE n.classid = 'pg_type'::regclass AND t.oid = n.objid AND t.typtype = 'c' \
    ) AS next (classid, objid) \
), member AS ( \
    SELECT n.classid, n.objid, d.refobjid AS extension FROM needed n LEFT JOIN pg_depend d \
        ON d.classid = n.classid AND d.objid = n.objid AND d.deptype = 'e' \
)";

const EXTENSIONS: &str = "\
SELECT DISTINCT format('CREATE EXTENSION IF NOT EXISTS %I', e.extname) \
FROM member m JOIN pg_extension e ON e.oid = m.extension";

const SCHEMAS: &str = "\
SELECT DISTINCT format('DO $expanse$ BEGIN IF to_regnamespace(%L) IS NULL THEN CREATE SCHEMA %I AUTHORIZATION %I; \
    END IF; END $expanse$', quote_ident(s.nspname), s.nspname, r.rolname) \
FROM member m \
LEFT JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid \
LEFT JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid \
LEFT JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid \
JOIN pg_namespace s ON s.oid = coalesce(c.relnamespace, t.typnamespace, p.pronamespace) \
JOIN pg_roles r ON r.oid = s.nspowner \
WHERE m.extension IS NULL AND s.nspname NOT IN ('pg_catalog', 'public')";

/// Types, functions and sequences, in the order in which they were made here.
const OBJECTS: &str = "\
SELECT statement FROM ( \
    SELECT t.oid, format('DO $expanse$ BEGIN IF to_regtype(%L) IS NULL THEN EXECUTE %L; END IF; END $expanse$', \
        t.oid::regtype, CASE t.typtype \
        WHEN 'e' THEN format('CREATE TYPE %s AS ENUM (%s)', t.oid::regtype, \
            (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)) \
        WHEN 'd' THEN format('CREATE DOMAIN %s AS %s%s%s%s%s', t.oid::regtype, format_type(t.typbasetype, t.typtypmod), \
            CASE WHEN t.typcollation <> b.typcollation THEN ' COLLATE ' || t.typcollation::regcollation END, \
            ' DEFAULT ' || t.typdefault, CASE WHEN t.typnotnull THEN ' NOT NULL' END, \
            (SELECT string_agg(format(' CONSTRAINT %I %s', conname, pg_get_constraintdef(oid)), '') \
             FROM pg_constraint WHERE contypid = t.oid)) \
        WHEN 'c' THEN format('CREATE TYPE %s AS (%s)', t.oid::regtype, \
            (SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum) \
             FROM pg_attribute WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped)) \
        WHEN 'r' THEN (SELECT format('CREATE TYPE %s AS RANGE (SUBTYPE = %s)', t.oid::regtype, rngsubtype::regtype) \
                       FROM pg_range WHERE rngtypid = t.oid) END) AS statement \
    FROM member m JOIN pg_type t ON t.oid = m.objid LEFT JOIN pg_type b ON b.oid = t.typbasetype \
    WHERE m.classid = 'pg_type'::regclass AND m.extension IS NULL AND t.typtype IN ('e', 'd', 'c', 'r') \
      AND (t.typtype <> 'c' OR (SELECT relkind FROM pg_class WHERE oid = t.typrelid) = 'c') \
  UNION ALL \
    SELECT p.oid, format('DO $expanse$ BEGIN IF to_regprocedure(%L) IS NULL THEN EXECUTE %L; END IF; END $expanse$', \
        p.oid::regprocedure, pg_get_functiondef(p.oid)) \
    FROM member m JOIN pg_proc p ON p.oid = m.objid \
    WHERE m.classid = 'pg_proc'::regclass AND m.extension IS NULL AND p.prokind = 'f' \
  UNION ALL \
    SELECT c.oid, format('CREATE SEQUENCE IF NOT EXISTS %s AS %s INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s %s', \
        c.oid::regclass, s.seqtypid::regtype, s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache, \
        CASE WHEN s.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END) \
    FROM member m JOIN pg_class c ON c.oid = m.objid AND c.relkind = 'S' JOIN pg_sequence s ON s.seqrelid = c.oid \
    WHERE m.classid = 'pg_class'::regclass AND m.extension IS NULL \
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i') \
) AS o ORDER BY oid";

/// Sequences that fill columns of the table: identity columns, serial columns, and defaults that name one.
pub fn sequences(relation: Oid) -> Vec<String> {
    spi::column(&format!(
        "SELECT DISTINCT c.oid::regclass::text FROM pg_class c, pg_depend d \
         WHERE c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid \
           AND d.refclassid = 'pg_class'::regclass AND d.refobjid = {oid} AND d.deptype IN ('a', 'i') \
         UNION \
         SELECT d.refobjid::regclass::text FROM pg_attrdef a JOIN pg_depend d \
             ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid AND d.refclassid = 'pg_class'::regclass \
         JOIN pg_class c ON c.oid = d.refobjid AND c.relkind = 'S' \
         WHERE a.adrelid = {oid} ORDER BY 1",
        oid = relation.to_u32()
    ))
}
