//! Objects of users in a database, as PostgreSQL's catalogs have them.

/// A query of them: `class` (its catalog), `type` as after DROP, and `identity`. Not those of extensions and of `expanse`,
/// nor what belongs to another object, such as the sequence of an identity column.
pub const OF_USERS: &str = "SELECT o.class, i.type, i.identity FROM ( \
         SELECT 'pg_class'::regclass::oid, oid, relnamespace FROM pg_class WHERE relkind IN ('r', 'p', 'f', 'm', 'v', 'S') \
         UNION ALL SELECT 'pg_proc'::regclass, oid, pronamespace FROM pg_proc \
         UNION ALL SELECT 'pg_type'::regclass, t.oid, typnamespace FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid \
             WHERE typtype IN ('e', 'd', 'r') OR typtype = 'c' AND c.relkind = 'c' \
         UNION ALL SELECT 'pg_collation'::regclass, oid, collnamespace FROM pg_collation \
         UNION ALL SELECT 'pg_conversion'::regclass, oid, connamespace FROM pg_conversion \
         UNION ALL SELECT 'pg_operator'::regclass, oid, oprnamespace FROM pg_operator \
         UNION ALL SELECT 'pg_opclass'::regclass, oid, opcnamespace FROM pg_opclass \
         UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfnamespace FROM pg_opfamily \
         UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgnamespace FROM pg_ts_config \
         UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictnamespace FROM pg_ts_dict \
         UNION ALL SELECT 'pg_extension'::regclass, oid, extnamespace FROM pg_extension \
         UNION ALL SELECT 'pg_namespace'::regclass, oid, oid FROM pg_namespace WHERE nspname <> 'public' \
     ) AS o (class, object, schema) JOIN pg_namespace n ON n.oid = o.schema, \
     LATERAL pg_identify_object(o.class, o.object, 0) AS i \
     WHERE o.object >= 16384 AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'expanse') \
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = o.class AND d.objid = o.object \
                       AND d.deptype IN ('e', 'i'))";
