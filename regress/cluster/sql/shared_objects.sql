-- Any node takes any statement, so every node has the roles, schemas, types, functions and views that it may name.
SET client_min_messages = warning;
CREATE FUNCTION public.everywhere(command text) RETURNS SETOF text LANGUAGE sql AS
    $$SELECT DISTINCT result FROM cluster_run_on_nodes(command)$$;
CREATE ROLE shared_carol LOGIN PASSWORD 'secret';
CREATE ROLE shared_group;
GRANT shared_group TO shared_carol;
ALTER ROLE shared_carol SET work_mem = '8MB';
CREATE SCHEMA shared;
GRANT USAGE ON SCHEMA shared TO shared_carol;
CREATE SCHEMA shared_own AUTHORIZATION shared_carol CREATE TABLE inner_table (a int);
SET search_path = shared, public;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE FUNCTION f(a int) RETURNS int LANGUAGE sql AS 'SELECT a + 1';
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int);
-- What belongs to this node stays here.
CREATE TABLE here (a int);
CREATE FUNCTION bound() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM here; END;
CREATE FUNCTION loose() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM here';
CREATE VIEW of_here AS SELECT * FROM here;
CREATE TABLE d (k bigint PRIMARY KEY, m mood, p positive);
SELECT cluster_distribute_table('d', 'k');
INSERT INTO d VALUES (1, 'sad', 1), (2, 'ok', 2), (3, 'sad', 3);
CREATE VIEW constant AS SELECT f(3) AS x, 'sad'::mood AS m;
CREATE VIEW counted AS SELECT m, count(*) FROM d GROUP BY m;
CREATE OR REPLACE VIEW above AS SELECT counted.*, f(1) FROM counted;
CREATE VIEW mixed AS SELECT d.* FROM d, here;
CREATE TEMP VIEW temporary AS SELECT * FROM d;
GRANT SELECT ON above, d TO shared_carol;
GRANT SELECT ON counted TO shared_carol;
GRANT EXECUTE ON FUNCTION f(int) TO shared_carol;
GRANT EXECUTE ON FUNCTION bound() TO shared_carol;
COMMENT ON VIEW counted IS 'by mood';
ALTER VIEW above RENAME TO on_top;
ALTER FUNCTION f(int) RENAME TO f1;
ALTER FUNCTION f1(int) OWNER TO shared_carol;
ALTER FUNCTION bound() STABLE;
ALTER TYPE mood ADD VALUE 'happy';
SELECT everywhere($$SELECT string_agg(relname, ', ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'shared'::regnamespace AND relkind IN ('v', 'r')$$) ORDER BY 1;
SELECT everywhere($$SELECT string_agg(proname || ' ' || proowner::regrole, ', ' ORDER BY proname) FROM pg_proc WHERE pronamespace = 'shared'::regnamespace$$) ORDER BY 1;
SELECT everywhere($$SELECT string_agg(rolname || coalesce(rolconfig::text, ''), ', ' ORDER BY rolname) FROM pg_roles WHERE rolname LIKE 'shared%'$$);
SELECT everywhere($$SELECT has_schema_privilege('shared_carol', 'shared', 'usage') AND pg_has_role('shared_carol', 'shared_group', 'member')$$);
SELECT everywhere($$SELECT obj_description('shared.counted'::regclass) || (SELECT relacl::text FROM pg_class WHERE oid = 'shared.on_top'::regclass)$$);
SELECT everywhere($$SELECT 'happy'::shared.mood$$);
SELECT everywhere($$SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'shared_own'$$);
-- In one transaction, or not at all.
BEGIN;
CREATE ROLE shared_nobody;
CREATE SCHEMA shared_nothing;
ROLLBACK;
SELECT everywhere($$SELECT count(*) FROM pg_roles WHERE rolname = 'shared_nobody'$$);
SET expanse.internal = on; -- as if another node had made it alone
CREATE SCHEMA shared_odd;
RESET expanse.internal;
\set VERBOSITY terse
ALTER SCHEMA shared_odd RENAME TO shared_even;
\set VERBOSITY default
DROP SCHEMA shared_odd;
DROP FUNCTION bound();
DROP VIEW on_top, of_here;
DROP VIEW counted;
DROP FUNCTION f1(int) CASCADE;
DROP AGGREGATE total(int);
SELECT everywhere($$SELECT string_agg(relname, ', ' ORDER BY relname) FROM pg_class WHERE relnamespace = 'shared'::regnamespace AND relkind IN ('v', 'r')$$) ORDER BY 1;
DROP SCHEMA shared CASCADE;
DROP SCHEMA shared_own CASCADE;
SELECT everywhere($$SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'shared%'$$);
DROP ROLE shared_carol;
DROP ROLE shared_group;
DROP FUNCTION public.everywhere;
