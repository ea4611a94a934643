-- Changes of the distribution column, and writes inside WITH.
SET client_min_messages = warning;
CREATE SCHEMA moved;
SET search_path = moved;
CREATE TABLE t (k bigint PRIMARY KEY, a int, b text, g int GENERATED ALWAYS AS (a * 2) STORED);
CREATE TABLE u (k bigint PRIMARY KEY, a int);
CREATE TABLE here (k bigint, a int);
SELECT cluster_distribute_table('t', 'k'), cluster_distribute_table('u', 'k');
INSERT INTO t SELECT i, i, 'b' || i FROM generate_series(1, 100) i;
-- The row moves to the owner of its new key.
EXPLAIN (COSTS OFF) UPDATE t SET k = k + 1000, b = b || 'x' WHERE a < 10 RETURNING *;
WITH changed AS (UPDATE t SET k = k + 1000, b = b || 'x' WHERE a < 4 RETURNING *) SELECT * FROM changed ORDER BY k;
SELECT count(*), sum(k), sum(a), sum(g) FROM t;
UPDATE t SET k = 5000 WHERE k = 50;
UPDATE t SET k = k + 1;
SELECT count(*), sum(k), sum(a), sum(g) FROM t;
SELECT count(*) FROM t WHERE k = 5001;
UPDATE t SET k = (SELECT max(k) + 1 FROM t) WHERE k = 52;
UPDATE t SET k = s.new FROM (VALUES (20, 7000), (21, 7001)) s (old, new) WHERE t.k = s.old;
SELECT k, a, g FROM t WHERE k >= 5000 ORDER BY k;
PREPARE renumber(bigint, bigint) AS UPDATE t SET k = $2 WHERE k = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE renumber(30, 9030);
EXECUTE renumber(9030, 30);
EXECUTE renumber(30, 9030);
RESET plan_cache_mode;
SELECT k, a FROM t WHERE k IN (30, 9030);
UPDATE t SET k = 10 WHERE k = 12;
BEGIN;
UPDATE t SET k = k * 2;
SELECT sum(k) FROM t;
ROLLBACK;
SELECT sum(k) FROM t;
-- Writes inside WITH: they run first, and what they return is used by the rest.
WITH gone AS (DELETE FROM t WHERE a BETWEEN 60 AND 70 RETURNING *) INSERT INTO u SELECT k, a FROM gone;
WITH gone AS (DELETE FROM u WHERE a > 65 RETURNING a) SELECT count(*), sum(a) FROM gone;
WITH gone AS (DELETE FROM u WHERE a > 62 RETURNING *) INSERT INTO here SELECT * FROM gone;
SELECT * FROM here ORDER BY k;
WITH back AS (DELETE FROM here RETURNING *) INSERT INTO u SELECT * FROM back;
WITH new AS (INSERT INTO u VALUES (777, 1), (778, 2) RETURNING k), touched AS (UPDATE t SET b = 'y' FROM new WHERE t.a = new.k - 700 RETURNING t.k, t.a)
    SELECT new.k, touched.a FROM new, touched ORDER BY 1, 2;
WITH x AS (DELETE FROM u WHERE k >= 777 RETURNING *), y AS (INSERT INTO t (k, a) SELECT k + 10000, a FROM x RETURNING *) SELECT * FROM y ORDER BY k;
WITH z AS (UPDATE t SET b = 'z' WHERE k = 5 RETURNING k) UPDATE u SET a = z.k FROM z WHERE u.a = 61;
SELECT count(*), sum(a) FROM u;
WITH far AS (UPDATE t SET k = k + 100000 WHERE a = 7 RETURNING k, a) SELECT * FROM far;
SELECT count(*), sum(k), sum(a), sum(g) FROM t;
-- Through a view.
CREATE VIEW v AS SELECT k, a, b FROM t;
UPDATE v SET a = a + 1 WHERE k = 16;
UPDATE v SET k = 160 WHERE k = 16;
SELECT * FROM v WHERE k = 160;
DELETE FROM v WHERE k = 160;
-- Refused: the parts would see each other's work.
WITH gone AS (DELETE FROM u RETURNING k) SELECT count(*) FROM u;
WITH gone AS (DELETE FROM u RETURNING k) UPDATE u SET a = 1;
-- Refused: it would not be an UPDATE to who looks closely.
CREATE TABLE child (k bigint);
SELECT cluster_distribute_table('child', 'k', 'u');
ALTER TABLE child ADD FOREIGN KEY (k) REFERENCES u;
UPDATE u SET k = k + 1;
UPDATE t SET (k, a) = (SELECT 1, 2) WHERE k = 9;
UPDATE t SET k = u.k + 1 FROM u WHERE u.k = t.k RETURNING u.a;
-- What the column is equal to anyway is no change of the key.
EXPLAIN (COSTS OFF) UPDATE t SET k = 1017, b = 'same' WHERE k = 1017;
EXPLAIN (COSTS OFF) UPDATE t SET k = u.k FROM u WHERE u.k = t.k;
UPDATE t SET k = u.k FROM u WHERE u.k = t.k;
INSERT INTO t VALUES (17, 1, 'x') ON CONFLICT (k) DO UPDATE SET k = excluded.k, b = excluded.b;
INSERT INTO t VALUES (17, 1, 'x') ON CONFLICT (k) DO UPDATE SET k = t.k + 1;
DROP SCHEMA moved CASCADE;
-- COPY takes the lines that its condition lets through, on every node.
CREATE SCHEMA copied;
SET search_path = copied;
CREATE TABLE t (k bigint PRIMARY KEY, v int, n text);
CREATE TABLE r (k int PRIMARY KEY, v text);
SELECT cluster_distribute_table('t', 'k'), cluster_replicate_table('r');
COPY t FROM stdin WHERE v > 1 AND n LIKE '%a%' AND k IN (1, 2, 3, 5);
1	5	a
2	1	a
3	3	b
4	7	xa
5	2	ya
6	9	za
\.
COPY t (k, v) FROM stdin WITH (FORMAT csv) WHERE n IS NULL AND v IS DISTINCT FROM 3;
10,3
11,4
12,
\.
SELECT * FROM t ORDER BY k;
COPY r FROM stdin WHERE v <> 'no';
1	yes
2	no
\.
SELECT DISTINCT result FROM cluster_run_on_nodes('SELECT count(*) FROM copied.r');
COPY r FROM stdin WHERE random() > 2;
\.
COPY t FROM stdin WHERE nothing = 1;
\.
COPY t FROM stdin WHERE v;
\.
DROP SCHEMA copied CASCADE;

-- A trigger may not give a row another distribution key; what would fire on every node is refused.
CREATE SCHEMA fired;
SET search_path = fired;
\set SHOW_CONTEXT never
CREATE FUNCTION next_key() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.k := new.k + 1000; RETURN new; END $$;
CREATE FUNCTION next_value() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.v := new.k + 1; RETURN new; END $$;
CREATE TABLE t (k int PRIMARY KEY, v int);
CREATE TABLE r (LIKE t INCLUDING ALL);
CREATE TRIGGER before BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION next_key();
CREATE TRIGGER before BEFORE INSERT ON r FOR EACH ROW EXECUTE FUNCTION next_value();
SELECT cluster_distribute_table('t', 'k');
SELECT cluster_replicate_table('r');
INSERT INTO t VALUES (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7), (8, 8);
COPY t FROM stdin;
1	1
2	2
3	3
4	4
5	5
6	6
7	7
8	8
\.
DROP TRIGGER before ON t;
INSERT INTO t SELECT i, i FROM generate_series(1, 20) i;
CREATE TRIGGER before BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION next_key();
UPDATE t SET v = 0;
DROP TRIGGER before ON t;
CREATE TRIGGER before BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION next_value();
UPDATE t SET v = 0;
SELECT count(*), sum(v - k) FROM t;
CREATE TRIGGER whole AFTER UPDATE ON t EXECUTE FUNCTION next_value();
-- On all nodes.
SELECT DISTINCT result FROM cluster_run_on_nodes(
    $$ SELECT string_agg(tgname, ' ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 'fired.t'::regclass $$);
ALTER FUNCTION next_value() IMMUTABLE;
SELECT cluster_replicate_table('r');
INSERT INTO r SELECT i, 0 FROM generate_series(1, 3) i;
SELECT DISTINCT result FROM cluster_run_on_nodes('SELECT sum(v) FROM fired.r');
ALTER FUNCTION next_value() VOLATILE;
CREATE TRIGGER after AFTER INSERT ON r FOR EACH ROW EXECUTE FUNCTION next_key();
SELECT cluster_localize_table('t');
SELECT string_agg(tgname, ' ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = 't'::regclass;
DROP SCHEMA fired CASCADE;
