-- Writes of one node, of several nodes and of replicated tables give what plain tables give.
\set VERBOSITY terse
CREATE SCHEMA writes;
SET search_path = writes;
CREATE TABLE d (k text NOT NULL, v int, PRIMARY KEY (k));
CREATE TABLE r (id int PRIMARY KEY, x text);
SELECT cluster_distribute_table('d', 'k');
SELECT cluster_replicate_table('r');
INSERT INTO d SELECT 'key ' || i, i FROM generate_series(1, 60) AS i;
INSERT INTO d VALUES ('one', 1) RETURNING k, v;
INSERT INTO d VALUES ('one', 2) ON CONFLICT (k) DO UPDATE SET v = d.v + excluded.v RETURNING v;
INSERT INTO d VALUES ('one', 1);
INSERT INTO d VALUES (NULL, 1);
UPDATE d SET v = v + 100 WHERE k = 'one' RETURNING v;
UPDATE d SET v = v + 1000 WHERE v <= 60;
SELECT count(*), sum(v) FROM d;
DELETE FROM d WHERE v > 1050;
DELETE FROM d WHERE k = 'one';
SELECT count(*), sum(v) FROM d;
UPDATE d SET k = 'two' WHERE k = 'key 1';

-- Transactions and savepoints
BEGIN;
UPDATE d SET v = 0;
SAVEPOINT s;
DELETE FROM d;
SELECT count(*) FROM d;
ROLLBACK TO s;
SELECT count(*), sum(v) FROM d;
ROLLBACK;
SELECT count(*), sum(v) FROM d;

-- Equal, but not identical: blanks at the end, and what a collation ignores
INSERT INTO d SELECT 'x' || repeat(' ', i), 5000 + i FROM generate_series(0, 9) AS i;
SELECT count(*) FROM d WHERE k::char(40) = 'x'::char(40);
INSERT INTO d VALUES ('qrs', 6000);
SELECT count(*) FROM d WHERE k = 'qrs' COLLATE "C";

-- A function that reads a distributed table sees all of it, whichever node the other rows are on
CREATE FUNCTION total() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM writes.d';
CREATE FUNCTION total(text) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM writes.d';
SELECT count(*) FROM d \gset
SELECT bool_and(total() = :count) FROM d WHERE k = 'key 2';
SELECT k, total(k) = :count AS whole FROM d WHERE k IN ('key 2') ORDER BY k;
UPDATE d SET v = total(k) WHERE k = 'key 2';

-- Copies stay equal
INSERT INTO r VALUES (1, 'a'), (2, 'b'), (3, 'c') RETURNING id;
INSERT INTO r SELECT id + 10, x FROM r LIMIT 2;
UPDATE r SET x = x || '!' WHERE id = 2 RETURNING x;
UPDATE r SET x = (SELECT x FROM r AS other LIMIT 1);
DELETE FROM r WHERE id = 3;
SELECT count(*) FROM r;
-- Columns in another order than the table's, and columns with defaults
CREATE TABLE o (id int PRIMARY KEY, a int DEFAULT 4, b int);
CREATE TABLE o_d (id int PRIMARY KEY, a int DEFAULT 4, b int);
SELECT cluster_replicate_table('o');
SELECT cluster_distribute_table('o_d', 'id');
INSERT INTO o (b, id) VALUES (100, 1), (200, 2);
INSERT INTO o (b, id) VALUES (300, 3), ((SELECT count(*) FROM o), 4) ON CONFLICT (id) DO UPDATE SET b = excluded.b;
WITH w AS (SELECT b + 1 AS b, id + 10 AS id FROM o) INSERT INTO o (b, id) SELECT b, id FROM w ORDER BY id;
WITH w (n) AS (VALUES (7)) INSERT INTO o (b, id) VALUES ((SELECT n FROM w), 21), ((SELECT n + 1 FROM w), 22);
WITH i AS (INSERT INTO o_d (b, id) VALUES (1, 101), (2, 102), (3, 103) RETURNING id, a, b) SELECT * FROM i ORDER BY id;
CREATE TABLE o_e (id int PRIMARY KEY, b int, a int DEFAULT 5);
SELECT cluster_distribute_table('o_e', 'id', colocate_with => 'o_d');
INSERT INTO o_e (b, id) SELECT b, id FROM o_d;
SELECT * FROM o_e ORDER BY id;
SELECT DISTINCT result FROM cluster_run_on_nodes('SELECT string_agg(o::text, '' '' ORDER BY id) FROM writes.o AS o');
SELECT count(*) FROM pg_prepared_xacts;
DROP SCHEMA writes CASCADE;
