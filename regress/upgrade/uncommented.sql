-- Objects of the extension without a comment: functions, tables and views, and the columns of views. Row types, indexes,
-- triggers and constraints are parts of other objects; group locks are made while the cluster is used.
WITH member AS (
    SELECT d.classid, d.objid FROM pg_depend d
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
      AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'expanse')
)
SELECT pg_describe_object(m.classid, m.objid, 0) FROM member m
WHERE m.classid IN ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_namespace'::regclass)
  AND obj_description(m.objid, m.classid::regclass::name) IS NULL
  AND NOT EXISTS (SELECT FROM expanse.colocation_group g WHERE m.objid = to_regclass('expanse.gate_' || g.group_id))
UNION ALL
SELECT pg_describe_object(m.classid, m.objid, a.attnum)
FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid AND c.relkind = 'v'
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE col_description(a.attrelid, a.attnum) IS NULL;
