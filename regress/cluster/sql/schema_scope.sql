-- How far a schema change reaches: all nodes, or this one where it is about this one's objects alone; else it is refused.
SELECT port AS n1 FROM cluster_nodes WHERE node_name = 'n1' \gset
SELECT port AS n2 FROM cluster_nodes WHERE node_name = 'n2' \gset
CREATE SCHEMA scope;
SET search_path = scope;
SET client_min_messages = warning;
CREATE TABLE d (k int PRIMARY KEY, v int);
CREATE TABLE r (k int PRIMARY KEY, v int);
SELECT cluster_distribute_table('d', 'k'), cluster_replicate_table('r');
INSERT INTO d SELECT g, g FROM generate_series(1, 9) g;
INSERT INTO r SELECT g, g FROM generate_series(1, 9) g;
CREATE VIEW on_nodes AS SELECT node_name, result FROM cluster_run_on_nodes($$
    SELECT string_agg(format('%s %s', attrelid::regclass, attname), '; ' ORDER BY attrelid::regclass::text, attnum)
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'c') AND relnamespace = 'scope'::regnamespace$$);

-- An index that is not built yet is added by the owner of the table only.
CREATE ROLE expanse_other;
SET expanse.internal = on;
SET ROLE expanse_other;
SELECT expanse.add_unbuilt_index('CREATE INDEX ON pg_catalog.pg_class (relname)');
SELECT expanse.add_unbuilt_index('CREATE INDEX ON scope.d (v)');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
SELECT expanse.add_unbuilt_index('CREATE INDEX ON pg_catalog.pg_class (relname)');
\echo :LAST_ERROR_SQLSTATE
RESET expanse.internal;
DROP ROLE expanse_other;

-- The function of an event trigger runs statements of its own, some of which fail.
CREATE FUNCTION dropped() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    CREATE TABLE IF NOT EXISTS scope.log (t text);
    BEGIN
        CREATE TABLE scope.log (t text);
    EXCEPTION WHEN duplicate_table THEN
        INSERT INTO scope.log SELECT object_identity FROM pg_event_trigger_dropped_objects() WHERE object_type = 'table';
    END;
END $$;
CREATE EVENT TRIGGER dropped ON sql_drop EXECUTE FUNCTION dropped();
CREATE TABLE e (k int PRIMARY KEY);
SELECT cluster_distribute_table('e', 'k');
DROP TABLE e;
TABLE log;
SELECT node_name, result FROM cluster_run_on_nodes('SELECT to_regclass(''scope.e'')');
DROP EVENT TRIGGER dropped;
DROP FUNCTION dropped;
DROP TABLE log;

-- A new column is not filled from a sequence of which every node has its own; a column that is there may be from then on.
CREATE SEQUENCE s;
\set VERBOSITY terse
ALTER TABLE d ADD n bigint DEFAULT nextval('s');
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE r ADD n bigint DEFAULT 1 + nextval('s'::text::regclass);
ALTER TABLE d ALTER v TYPE bigint USING nextval('s');
\set VERBOSITY default
ALTER TABLE d ADD n bigint;
ALTER TABLE d ALTER n SET DEFAULT nextval('s');
INSERT INTO d SELECT g FROM generate_series(10, 40) g;
SELECT count(n), count(DISTINCT n) FROM d;
CREATE DOMAIN numbered AS bigint DEFAULT nextval('s');
ALTER TABLE d ADD m numbered;
DROP DOMAIN numbered;

-- That sequence belongs to all nodes, too.
ALTER SEQUENCE s RESTART WITH 1;
\echo :LAST_ERROR_SQLSTATE
DROP SEQUENCE s CASCADE;
\echo :LAST_ERROR_SQLSTATE
CREATE SCHEMA apart;
ALTER SEQUENCE s SET SCHEMA apart;
DROP SCHEMA apart CASCADE;
\echo :LAST_ERROR_SQLSTATE
ALTER SEQUENCE apart.s RENAME TO t;
SELECT DISTINCT result FROM cluster_run_on_nodes('SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = ''scope.d''::regclass');
ALTER TABLE d ALTER n DROP DEFAULT;
CREATE TABLE numbered (k serial PRIMARY KEY, v int);
SELECT cluster_distribute_table('numbered', 'k');
ALTER TABLE numbered SET SCHEMA apart;
INSERT INTO apart.numbered (v) VALUES (1), (2), (3);
SELECT node_name, result FROM cluster_run_on_nodes('SELECT pg_get_serial_sequence(''apart.numbered'', ''k'')');
DROP TABLE apart.numbered;
DROP SCHEMA apart CASCADE;

-- Composite types change on all nodes, temporary ones are their session's own.
CREATE TYPE pair AS (a int);
CREATE TABLE p (k int PRIMARY KEY, pair pair);
SELECT cluster_distribute_table('p', 'k');
ALTER TYPE pair ADD ATTRIBUTE b int, ADD ATTRIBUTE c int;
ALTER TYPE pair DROP ATTRIBUTE c;
ALTER TYPE pair RENAME ATTRIBUTE b TO b2;
INSERT INTO p SELECT g, (g, -g)::pair FROM generate_series(1, 9) g;
SELECT sum((pair).b2) FROM p;
TABLE on_nodes;
ALTER TYPE pair ALTER ATTRIBUTE a TYPE bigint;
DROP TABLE p;
ALTER TYPE pair ALTER ATTRIBUTE a TYPE bigint;
SELECT node_name, result FROM cluster_run_on_nodes('SELECT atttypid::regtype FROM pg_attribute WHERE attrelid = ''scope.pair''::regclass AND attname = ''a''');
CREATE TYPE pg_temp.mood AS ENUM ('low');
ALTER TYPE pg_temp.mood ADD VALUE 'high';
COMMENT ON TYPE pg_temp.mood IS 'changes';
GRANT USAGE ON TYPE pg_temp.mood TO PUBLIC;
ALTER TYPE pg_temp.mood RENAME TO temper;
CREATE DOMAIN pg_temp.small AS int CHECK (value < 10);
ALTER DOMAIN pg_temp.small RENAME CONSTRAINT small_check TO below;
COMMENT ON CONSTRAINT below ON DOMAIN pg_temp.small IS 'ten';
ALTER DOMAIN pg_temp.small DROP CONSTRAINT below;
CREATE TYPE pg_temp.span AS RANGE (SUBTYPE = float8);
CREATE TYPE pg_temp.two AS (a int);
ALTER TYPE pg_temp.two ADD ATTRIBUTE b int;
ALTER TYPE pg_temp.two RENAME ATTRIBUTE b TO c;
SET search_path = pg_temp, scope;
CREATE TYPE unnamed AS ENUM ('one');
SET search_path = scope;
SELECT typname FROM pg_type WHERE typnamespace = pg_my_temp_schema() AND typname !~ '^_' ORDER BY 1;
DROP TYPE pg_temp.temper, unnamed;
DROP DOMAIN pg_temp.small;

-- What comes with a schema, or as a foreign table.
CREATE SCHEMA with_grant GRANT SELECT ON scope.d TO PUBLIC;
\echo :LAST_ERROR_SQLSTATE
CREATE SCHEMA with_grant GRANT SELECT ON ALL TABLES IN SCHEMA scope TO PUBLIC;
CREATE SCHEMA with_child CREATE TABLE c () INHERITS (scope.d);
\echo :LAST_ERROR_SQLSTATE
CREATE SCHEMA with_key CREATE TABLE c (k int REFERENCES scope.d);
\echo :LAST_ERROR_SQLSTATE
CREATE SCHEMA with_own CREATE TABLE d (k int REFERENCES scope.r) GRANT SELECT ON d TO PUBLIC;
SELECT has_table_privilege('public', 'with_own.d', 'select'), has_table_privilege('public', 'scope.d', 'select');
DROP SCHEMA with_own CASCADE;
CREATE FOREIGN DATA WRAPPER expanse_nothing;
CREATE SERVER expanse_nowhere FOREIGN DATA WRAPPER expanse_nothing;
CREATE FOREIGN TABLE f () INHERITS (d) SERVER expanse_nowhere;
\echo :LAST_ERROR_SQLSTATE
DROP SERVER expanse_nowhere;
DROP FOREIGN DATA WRAPPER expanse_nothing;
SELECT node_name, result FROM cluster_run_on_nodes('SELECT count(*) FROM pg_namespace WHERE nspname ~ ''^with_''');

-- TRUNCATE reaches tables by their foreign keys.
CREATE TABLE w (k int PRIMARY KEY, v int REFERENCES r);
CREATE TABLE x (k int PRIMARY KEY, w int);
SELECT cluster_distribute_table('w', 'k'), cluster_distribute_table('x', 'k');
ALTER TABLE x ADD FOREIGN KEY (k) REFERENCES w;
SELECT colocation_group AS grp, hash_map_version AS version FROM cluster_tables WHERE relation = 'w'::regclass \gset
SELECT expanse.begin_move(:grp, :version);
\set VERBOSITY sqlstate
TRUNCATE x;
TRUNCATE r CASCADE;
SELECT expanse.end_move(:grp);
SELECT expanse.lock_schema(77);
TRUNCATE r CASCADE;
TRUNCATE x;
SELECT expanse.unlock_schema(77);
\set VERBOSITY default
SELECT count(*) FROM r;
TRUNCATE r CASCADE;
SELECT count(*) FROM r;

-- What FROM may have besides tables: PostgreSQL refuses it in its own words.
\set VERBOSITY terse
CREATE STATISTICS none ON a FROM (VALUES (1)) v (a);
CREATE STATISTICS none ON a FROM (SELECT 1 AS a) v;
CREATE STATISTICS none ON a FROM generate_series(1, 2) a;
CREATE STATISTICS none ON a, b FROM ROWS FROM (generate_series(1, 2)) v (a, b);
CREATE STATISTICS none ON k, v FROM d JOIN r USING (k);
CREATE STATISTICS none ON k, v FROM d TABLESAMPLE system (10);
CREATE STATISTICS none ON k, v FROM d, (VALUES (1)) v (a);
CREATE STATISTICS none ON k, v FROM (VALUES (1)) v (a), d;
\set VERBOSITY default

DROP SCHEMA scope CASCADE;
SELECT count(*) FROM pg_prepared_xacts;
\c - - - :n2
SELECT to_regnamespace('scope'), count(*) FROM cluster_tables;
