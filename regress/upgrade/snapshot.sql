-- Everything that the extension's objects are, one line a fact, in a fixed order and without OIDs: two databases whose
-- extensions are the same give the same lines.
\set QUIET on
\pset tuples_only on
\pset format unaligned
SET search_path = pg_catalog;

CREATE TEMP TABLE member ON COMMIT PRESERVE ROWS AS
    SELECT d.classid, d.objid FROM pg_depend d
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
      AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'expanse');

-- A list of privileges as lines that do not depend on the order of grants, with the defaults spelled out.
CREATE FUNCTION pg_temp.privileges(acl aclitem[]) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(line, ' ' ORDER BY line), 'none')
    FROM (SELECT format('%s=%s%s/%s', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END,
                        a.privilege_type, CASE WHEN a.is_grantable THEN '*' END, a.grantor::regrole) AS line
          FROM aclexplode(acl) AS a) AS lines
$$;

CREATE TEMP VIEW fact AS
    -- The extension itself, and that the catalog has each member.
    SELECT 'extension' AS object,
           format('version %s, schema %s, relocatable %s, configuration %s %s', e.extversion, e.extnamespace::regnamespace,
                  e.extrelocatable, e.extconfig::regclass[], e.extcondition) AS fact
    FROM pg_extension e WHERE e.extname = 'expanse'
    UNION ALL
    SELECT i.type || ' ' || i.identity, 'is a member'
    FROM member m CROSS JOIN LATERAL pg_identify_object(m.classid, m.objid, 0) AS i
    -- Comments, also of columns, constraints, indexes and triggers, and of the extension.
    UNION ALL
    SELECT i.type || ' ' || i.identity, 'comment ' || c.description
    FROM pg_description c CROSS JOIN LATERAL pg_identify_object(c.classoid, c.objoid, c.objsubid) AS i
    WHERE (c.classoid, c.objoid) IN (SELECT classid, objid FROM member)
       OR c.classoid = 'pg_extension'::regclass AND c.objoid = (SELECT oid FROM pg_extension WHERE extname = 'expanse')
       OR c.classoid = 'pg_constraint'::regclass AND c.objoid IN
          (SELECT k.oid FROM pg_constraint k JOIN member m ON m.objid = k.conrelid AND m.classid = 'pg_class'::regclass)
       OR c.classoid = 'pg_trigger'::regclass AND c.objoid IN
          (SELECT t.oid FROM pg_trigger t JOIN member m ON m.objid = t.tgrelid AND m.classid = 'pg_class'::regclass)
       OR c.classoid = 'pg_class'::regclass AND c.objoid IN
          (SELECT x.indexrelid FROM pg_index x JOIN member m ON m.objid = x.indrelid AND m.classid = 'pg_class'::regclass)
    -- Privileges as they were when the extension had been created, which pg_dump goes by.
    UNION ALL
    SELECT i.type || ' ' || i.identity, 'initial privileges ' || pg_temp.privileges(p.initprivs)
    FROM pg_init_privs p JOIN member m ON m.classid = p.classoid AND m.objid = p.objoid
    CROSS JOIN LATERAL pg_identify_object(p.classoid, p.objoid, p.objsubid) AS i
    WHERE p.privtype = 'e'
    -- Schemas.
    UNION ALL
    SELECT 'schema ' || n.nspname,
           format('owner %s, privileges %s', n.nspowner::regrole,
                  pg_temp.privileges(coalesce(n.nspacl, acldefault('n', n.nspowner))))
    FROM pg_namespace n JOIN member m ON m.classid = 'pg_namespace'::regclass AND m.objid = n.oid
    -- Functions: the definition has arguments, defaults, result, language, volatility, parallel safety, cost, security,
    -- settings and body or symbol.
    UNION ALL
    SELECT 'function ' || p.oid::regprocedure, pg_get_functiondef(p.oid)
    FROM pg_proc p JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid WHERE p.prokind <> 'a'
    UNION ALL
    SELECT 'function ' || p.oid::regprocedure,
           format('owner %s, kind %s, privileges %s', p.proowner::regrole, p.prokind,
                  pg_temp.privileges(coalesce(p.proacl, acldefault('f', p.proowner))))
    FROM pg_proc p JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
    UNION ALL
    SELECT 'aggregate ' || a.aggfnoid,
           format('result %s, parallel %s, %s', p.prorettype::regtype, p.proparallel, to_jsonb(a) - 'aggfnoid')
    FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid::oid
    JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
    -- Tables, views, sequences and indexes.
    UNION ALL
    SELECT 'relation ' || c.oid::regclass,
           format('kind %s, owner %s, persistence %s, options %s, replica identity %s, row security %s %s, privileges %s',
                  c.relkind, c.relowner::regrole, c.relpersistence, c.reloptions, c.relreplident, c.relrowsecurity,
                  c.relforcerowsecurity,
                  pg_temp.privileges(coalesce(c.relacl,
                                              acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner))))
    FROM pg_class c JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
    UNION ALL
    SELECT 'relation ' || c.oid::regclass, 'query ' || pg_get_viewdef(c.oid)
    FROM pg_class c JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid WHERE c.relkind IN ('v', 'm')
    UNION ALL
    SELECT 'relation ' || a.attrelid::regclass,
           format('column %s %I %s, not null %s, default %s, identity %s, generated %s, collation %s, storage %s, compression %s, privileges %s',
                  row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum), a.attname,
                  format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid), a.attidentity,
                  a.attgenerated, a.attcollation::regcollation, a.attstorage, a.attcompression,
                  pg_temp.privileges(a.attacl))
    FROM pg_attribute a JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'relation ' || k.conrelid::regclass,
           format('constraint %I %s, validated %s', k.conname, pg_get_constraintdef(k.oid), k.convalidated)
    FROM pg_constraint k JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = k.conrelid
    UNION ALL
    SELECT 'relation ' || x.indrelid::regclass,
           format('index %s, valid %s, clustered %s', pg_get_indexdef(x.indexrelid), x.indisvalid, x.indisclustered)
    FROM pg_index x JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = x.indrelid
    UNION ALL
    SELECT 'relation ' || t.tgrelid::regclass, format('trigger %s, enabled %s', pg_get_triggerdef(t.oid), t.tgenabled)
    FROM pg_trigger t JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = t.tgrelid WHERE NOT t.tgisinternal
    UNION ALL
    SELECT 'relation ' || r.ev_class::regclass, 'rule ' || pg_get_ruledef(r.oid)
    FROM pg_rewrite r JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = r.ev_class
    UNION ALL
    SELECT 'relation ' || p.polrelid::regclass, 'policy ' || to_jsonb(p)::text
    FROM pg_policy p JOIN member m ON m.classid = 'pg_class'::regclass AND m.objid = p.polrelid
    -- The role that the extension makes.
    UNION ALL
    SELECT 'role ' || r.rolname, format('login %s, superuser %s, inherit %s', r.rolcanlogin, r.rolsuper, r.rolinherit)
    FROM pg_roles r WHERE r.rolname = 'expanse_admin';

SELECT object || ': ' || fact FROM fact ORDER BY object COLLATE "C", fact COLLATE "C";
