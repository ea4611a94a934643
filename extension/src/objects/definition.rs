//! A table's definition as SQL, in two parts: what rows need to be stored, and what comes once they are there (keys,
//! indexes, triggers, policies ...), so that copying rows fires nothing and is quick.
//!
//! PostgreSQL's own `pg_get_*` functions write the SQL wherever there is one. Callers pin `search_path` to `pg_catalog`,
//! so every other name is qualified.

use crate::objects::dependencies;
use crate::pg::spi;
use pgrx::pg_sys::Oid;

/// Statements, each complete.
pub struct Definition {
    pub before_rows: Vec<String>,
    pub after_rows: Vec<String>,
}

/// The definition of a table called `name` (qualified).
pub fn of(relation: Oid, name: &str) -> Definition {
    let oid = relation.to_u32();
    let mut before_rows = dependencies::of(relation);
    before_rows.push(create_table(oid, name));
    before_rows.extend(statements(oid, name, COLUMN_PROPERTIES));
    before_rows.extend(statements(oid, name, OWNED_SEQUENCES));
    before_rows.extend(statements(oid, name, OWNER));
    let after_rows = AFTER_ROWS
        .iter()
        .chain(PRIVILEGES)
        .flat_map(|query| statements(oid, name, query))
        .collect();
    Definition {
        before_rows,
        after_rows,
    }
}

/// One statement that runs all of them, in order.
pub fn block(statements: &[String]) -> String {
    let body: String = statements
        .iter()
        .map(|statement| format!("EXECUTE {};\n", spi::literal(statement)))
        .collect();
    // Function bodies may name what comes later, as in a dump.
    let body = format!(
        "BEGIN\nPERFORM set_config('check_function_bodies', 'off', true), \
         set_config('client_min_messages', 'warning', true);\n{body}END"
    );
    format!("DO {}", spi::literal(&body))
}

/// The statements that a query gives for a relation, which it names `$oid` and `$name`.
pub(super) fn statements(oid: u32, name: &str, query: &str) -> Vec<String> {
    spi::column(
        &query
            .replace("$oid", &oid.to_string())
            .replace("$name", &spi::literal(name)),
    )
}

fn create_table(oid: u32, name: &str) -> String {
    let columns = spi::column(&COLUMNS.replace("$oid", &oid.to_string()));
    let tail = spi::value(&format!(
        "SELECT concat(' USING ' || quote_ident(a.amname), \
                       ' WITH (' || array_to_string(c.reloptions, ', ') || ')', \
                       ' TABLESPACE ' || quote_ident(s.spcname)) \
         FROM pg_class c JOIN pg_am a ON a.oid = c.relam LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace \
         WHERE c.oid = {oid}"
    ))
    .unwrap_or_default();
    format!("CREATE TABLE {name} ({}){tail}", columns.join(", "))
}

/// Columns with type, collation, compression, default or generation, identity, NOT NULL.
const COLUMNS: &str = "\
SELECT concat(quote_ident(a.attname), ' ', format_type(a.atttypid, a.atttypmod), \
    CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE ' || a.attcollation::regcollation END, \
    CASE a.attcompression WHEN 'p' THEN ' COMPRESSION pglz' WHEN 'l' THEN ' COMPRESSION lz4' END, \
    CASE WHEN a.attgenerated = 's' THEN ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED' \
         WHEN d.oid IS NOT NULL THEN ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END, \
    CASE WHEN a.attidentity <> '' THEN \
        (SELECT format(' GENERATED %s AS IDENTITY (SEQUENCE NAME %s INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s %s)', \
            CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, s.seqrelid::regclass, s.seqincrement, \
            s.seqmin, s.seqmax, s.seqstart, s.seqcache, CASE WHEN s.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END) \
         FROM pg_depend p JOIN pg_sequence s ON s.seqrelid = p.objid \
         WHERE p.classid = 'pg_class'::regclass AND p.refclassid = 'pg_class'::regclass \
           AND p.refobjid = a.attrelid AND p.refobjsubid = a.attnum AND p.deptype = 'i') END, \
    CASE WHEN a.attnotnull THEN ' NOT NULL' END) \
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
WHERE a.attrelid = $oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// Storage and statistics targets that differ from the type's.
const COLUMN_PROPERTIES: &str = "\
SELECT format('ALTER TABLE %s ALTER COLUMN %I %s', $name, a.attname, p.property) \
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid, \
LATERAL (VALUES \
    (CASE WHEN a.attstorage <> t.typstorage THEN 'SET STORAGE ' || CASE a.attstorage \
        WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END), \
    (CASE WHEN a.attstattarget >= 0 THEN 'SET STATISTICS ' || a.attstattarget END), \
    (CASE WHEN a.attoptions IS NOT NULL THEN 'SET (' || array_to_string(a.attoptions, ', ') || ')' END) \
) AS p (property) \
WHERE a.attrelid = $oid AND a.attnum > 0 AND NOT a.attisdropped AND p.property IS NOT NULL \
ORDER BY a.attnum";

/// Sequences of serial columns go with their column.
const OWNED_SEQUENCES: &str = "\
SELECT format('ALTER SEQUENCE %s OWNED BY %s.%I', d.objid::regclass, $name, a.attname) \
FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid \
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass \
  AND d.refobjid = $oid AND d.deptype = 'a' \
  AND EXISTS (SELECT FROM pg_sequence WHERE seqrelid = d.objid) ORDER BY d.objid";

const OWNER: &str = "\
SELECT format('ALTER TABLE %s OWNER TO %s', $name, quote_ident(r.rolname)) \
FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE c.oid = $oid";

/// Everything that comes when the rows are there.
const AFTER_ROWS: &[&str] = &[
    // Keys and checks, foreign keys last.
    "SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', $name, conname, pg_get_constraintdef(oid)) \
     FROM pg_constraint WHERE conrelid = $oid AND contype IN ('p', 'u', 'x', 'c') ORDER BY contype <> 'p', oid",
    "SELECT pg_get_indexdef(i.indexrelid) FROM pg_index i \
     WHERE i.indrelid = $oid AND i.indislive \
       AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')) \
     ORDER BY i.indexrelid",
    "SELECT format('ALTER INDEX %s SET TABLESPACE %I', i.indexrelid::regclass, s.spcname) \
     FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_tablespace s ON s.oid = x.reltablespace \
     WHERE i.indrelid = $oid ORDER BY i.indexrelid",
    "SELECT format('ALTER TABLE %s CLUSTER ON %I', $name, x.relname) \
     FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = $oid AND i.indisclustered",
    "SELECT format('ALTER TABLE %s REPLICA IDENTITY %s', $name, \
            CASE c.relreplident WHEN 'n' THEN 'NOTHING' WHEN 'f' THEN 'FULL' \
                ELSE (SELECT format('USING INDEX %I', x.relname) FROM pg_index i \
                      JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident) END) \
     FROM pg_class c WHERE c.oid = $oid AND c.relreplident <> 'd'",
    "SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', $name, conname, pg_get_constraintdef(oid)) \
     FROM pg_constraint WHERE conrelid = $oid AND contype = 'f' ORDER BY oid",
    "SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext WHERE stxrelid = $oid ORDER BY oid",
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = $oid AND NOT tgisinternal ORDER BY oid",
    "SELECT format('ALTER TABLE %s %s TRIGGER %I', $name, \
            CASE tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, tgname) \
     FROM pg_trigger WHERE tgrelid = $oid AND NOT tgisinternal AND tgenabled <> 'O' ORDER BY oid",
    "SELECT format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', polname, $name, \
            CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, \
            CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' \
                        WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, \
            (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE role::regrole::text END, ', ') \
             FROM unnest(polroles) AS role), \
            ' USING (' || pg_get_expr(polqual, polrelid) || ')', \
            ' WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')') \
     FROM pg_policy WHERE polrelid = $oid ORDER BY oid",
    "SELECT format('ALTER TABLE %s %s ROW LEVEL SECURITY', $name, action) \
     FROM pg_class c, LATERAL (VALUES (c.relrowsecurity, 'ENABLE'), (c.relforcerowsecurity, 'FORCE')) AS a (wanted, action) \
     WHERE c.oid = $oid AND wanted",
    "SELECT CASE WHEN d.objsubid = 0 THEN format('COMMENT ON TABLE %s IS %L', $name, d.description) \
                 ELSE format('COMMENT ON COLUMN %s.%I IS %L', $name, a.attname, d.description) END \
     FROM pg_description d LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid \
     WHERE d.classoid = 'pg_class'::regclass AND d.objoid = $oid",
    "SELECT format('COMMENT ON CONSTRAINT %I ON %s IS %L', k.conname, $name, d.description) \
     FROM pg_description d JOIN pg_constraint k ON k.oid = d.objoid \
     WHERE d.classoid = 'pg_constraint'::regclass AND k.conrelid = $oid",
    "SELECT format('COMMENT ON INDEX %s IS %L', i.indexrelid::regclass, d.description) \
     FROM pg_description d JOIN pg_index i ON i.indexrelid = d.objoid \
     WHERE d.classoid = 'pg_class'::regclass AND i.indrelid = $oid",
    "SELECT format('COMMENT ON TRIGGER %I ON %s IS %L', t.tgname, $name, d.description) \
     FROM pg_description d JOIN pg_trigger t ON t.oid = d.objoid \
     WHERE d.classoid = 'pg_trigger'::regclass AND t.tgrelid = $oid AND NOT t.tgisinternal",
];

/// Of any relation: what its owner has given to whom.
pub(super) const PRIVILEGES: &[&str] = &[
    // What default privileges give as the relation is made there is not what they gave here, when it was made here.
    "SELECT DISTINCT format('REVOKE ALL ON %s FROM %s', $name, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END) \
     FROM pg_class c, pg_default_acl d, aclexplode(d.defaclacl) AS a \
     WHERE c.oid = $oid AND d.defaclobjtype = 'r' AND a.grantee <> c.relowner",
    "SELECT format('REVOKE ALL ON %s FROM %s', $name, relowner::regrole) FROM pg_class \
     WHERE oid = $oid AND relacl IS NOT NULL",
    "SELECT format('GRANT %s ON %s TO %s%s', a.privilege_type, $name, \
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, \
            CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END) \
     FROM pg_class c, aclexplode(c.relacl) AS a WHERE c.oid = $oid",
    "SELECT format('GRANT %s (%I) ON %s TO %s%s', a.privilege_type, t.attname, $name, \
            CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END, \
            CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' END) \
     FROM pg_attribute t, aclexplode(t.attacl) AS a WHERE t.attrelid = $oid AND t.attnum > 0 AND NOT t.attisdropped",
];
