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
SELECT count(*) FROM pg_prepared_xacts;
DROP SCHEMA writes CASCADE;
