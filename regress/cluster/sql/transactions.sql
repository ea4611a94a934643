-- Savepoints, cursors, roles and constraints of transactions over nodes.
SET client_min_messages = warning;
CREATE SCHEMA transactions;
SET search_path = transactions;
CREATE TABLE a (id bigint PRIMARY KEY, v int);
SELECT cluster_distribute_table('a', 'id');
INSERT INTO a SELECT i, i FROM generate_series(1, 300) i;
-- A row of this node, and one of another.
SELECT min(id) FILTER (WHERE owner = here) AS near, min(id) FILTER (WHERE owner <> here) AS far
    FROM (SELECT id, cluster_owner('a', id) AS owner, (SELECT node_name FROM cluster_nodes WHERE local) AS here FROM a) o \gset

-- The answer to a RELEASE is outstanding when the next subtransaction is rolled back.
BEGIN;
SAVEPOINT s;
UPDATE a SET v = v + 1 WHERE id = :far;
RELEASE s;
SAVEPOINT s;
ROLLBACK TO s;
UPDATE a SET v = v + 1 WHERE id = :far;
SELECT v - id AS more FROM a WHERE id = :far;
ROLLBACK;
BEGIN;
SAVEPOINT s;
SAVEPOINT t;
UPDATE a SET v = v + 1 WHERE id = :far;
RELEASE t;
ROLLBACK TO s;
SELECT v - id AS more FROM a WHERE id = :far;
COMMIT;
CREATE FUNCTION again(far bigint) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    caught int := 0;
BEGIN
    FOR i IN 1..20 LOOP
        BEGIN
            UPDATE a SET v = v + 1 WHERE id = far;
            IF i % 2 = 0 THEN RAISE division_by_zero; END IF;
        EXCEPTION WHEN division_by_zero THEN caught := caught + 1;
        END;
        BEGIN
            RAISE division_by_zero;
        EXCEPTION WHEN division_by_zero THEN caught := caught + 1;
        END;
    END LOOP;
    RETURN caught;
END $$;
SELECT again(:far);
SELECT v - id AS more FROM a WHERE id = :far;

-- A cursor that is first read inside a savepoint keeps its rows when that is rolled back.
CREATE TABLE many (id bigint PRIMARY KEY, v text);
SELECT cluster_distribute_table('many', 'id');
INSERT INTO many SELECT i, repeat('x', 500) FROM generate_series(1, 30000) i;
BEGIN;
UPDATE a SET v = v;
DECLARE c CURSOR FOR SELECT * FROM many;
DECLARE d CURSOR FOR SELECT v FROM a WHERE id = :far;
SAVEPOINT x;
MOVE 1 FROM c;
ROLLBACK TO x;
MOVE ALL FROM c;
\echo :ROW_COUNT
SAVEPOINT y;
MOVE 0 FROM d;
ROLLBACK TO y;
FETCH ALL FROM d;
COMMIT;
-- The same of one that was opened in a savepoint that has been released, outside of a transaction on the nodes.
BEGIN;
SAVEPOINT x;
DECLARE c CURSOR FOR SELECT * FROM many;
MOVE 1 FROM c;
RELEASE x;
SAVEPOINT y;
SELECT 1 / 0;
ROLLBACK TO y;
MOVE ALL FROM c;
\echo :ROW_COUNT
COMMIT;
-- First read inside a block that fails.
CREATE FUNCTION left_over() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    c CURSOR FOR SELECT * FROM many;
    r record;
    n int := 0;
BEGIN
    OPEN c;
    BEGIN
        FETCH c INTO r;
        RAISE division_by_zero;
    EXCEPTION WHEN division_by_zero THEN NULL;
    END;
    LOOP
        FETCH c INTO r;
        EXIT WHEN NOT found;
        n := n + 1;
    END LOOP;
    RETURN n;
END $$;
SELECT left_over();
BEGIN;
UPDATE a SET v = v;
SELECT left_over();
COMMIT;

-- What one role has written another one would not see.
CREATE ROLE transactions_reader;
GRANT USAGE ON SCHEMA transactions TO transactions_reader;
GRANT SELECT, UPDATE ON a TO transactions_reader;
CREATE FUNCTION total() RETURNS bigint SECURITY DEFINER LANGUAGE sql AS 'SELECT sum(v) FROM transactions.a';
BEGIN;
UPDATE a SET v = v + 1 WHERE id = :far;
SET LOCAL ROLE transactions_reader;
SELECT v - id AS more FROM a WHERE id = :far;
ROLLBACK;
BEGIN;
UPDATE a SET v = v + 1 WHERE id = :far;
SET LOCAL ROLE transactions_reader;
UPDATE a SET v = v + 1 WHERE id = :far;
\echo :SQLSTATE
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT v - id AS more FROM a WHERE id = :far;
SET LOCAL ROLE transactions_reader;
SELECT v - id AS more FROM a WHERE id = :far;
UPDATE a SET v = v + 1 WHERE id = :far;
SELECT v - id AS more FROM a WHERE id = :far;
RESET ROLE;
SELECT total();
ROLLBACK;
-- It would wait for what it has read itself.
GRANT TRUNCATE ON a TO transactions_reader;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM a;
SET LOCAL ROLE transactions_reader;
TRUNCATE a;
ROLLBACK;

-- SET CONSTRAINTS reaches the other nodes, whenever they join.
CREATE TABLE d (id bigint, v int, CONSTRAINT d_key UNIQUE (id, v) DEFERRABLE);
CREATE TABLE plain (v int, CONSTRAINT plain_key UNIQUE (v) DEFERRABLE);
SELECT cluster_distribute_table('d', 'id', 'a');
INSERT INTO d VALUES (:far, 1), (:near, 1);
BEGIN;
SET CONSTRAINTS d_key, plain_key DEFERRED;
INSERT INTO d VALUES (:far, 1);
UPDATE d SET v = v + 1 WHERE id = :far AND ctid = (SELECT max(ctid) FROM d WHERE id = :far);
ROLLBACK;
BEGIN;
INSERT INTO d VALUES (:far, 2);
SET CONSTRAINTS ALL DEFERRED;
INSERT INTO d VALUES (:far, 1);
SAVEPOINT s;
SET CONSTRAINTS transactions.d_key IMMEDIATE;
ROLLBACK TO s;
DELETE FROM d WHERE id = :far AND v = 1;
INSERT INTO d VALUES (:far, 1);
SET CONSTRAINTS d_key IMMEDIATE;
SAVEPOINT s;
INSERT INTO d VALUES (:far, 1);
ROLLBACK TO s;
SET CONSTRAINTS d_key DEFERRED;
INSERT INTO d VALUES (:far, 1);
COMMIT;
-- What was said in a subtransaction that has been rolled back does not count any more.
BEGIN;
SAVEPOINT s;
SET CONSTRAINTS d_key DEFERRED;
ROLLBACK TO s;
INSERT INTO d VALUES (:far, 1);
ROLLBACK;
BEGIN;
SAVEPOINT s;
SET CONSTRAINTS d_key DEFERRED;
RELEASE s;
SAVEPOINT t;
INSERT INTO d VALUES (:far, 1);
ROLLBACK;
SELECT * FROM d ORDER BY id, v;

-- A cursor sees what there was when it was declared, and statements after it what was written since.
CREATE FUNCTION opened(far bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    c refcursor;
    before bigint;
    since bigint;
BEGIN
    OPEN c FOR SELECT sum(v) FROM a;
    UPDATE a SET v = v + 1000;
    FETCH c INTO before;
    SELECT sum(v) INTO since FROM a;
    RETURN since - before;
END $$;
BEGIN;
DECLARE c CURSOR FOR SELECT sum(v) FROM a;
DECLARE d CURSOR FOR SELECT v - id AS more FROM a WHERE id = :far;
DECLARE e CURSOR FOR SELECT count(*) FROM a WHERE v > (SELECT avg(v) FROM a);
DECLARE f CURSOR FOR SELECT count(*) FROM a x JOIN a y ON x.v = y.id;
UPDATE a SET v = 0;
SELECT sum(v) FROM a;
FETCH c;
FETCH d;
FETCH e;
FETCH f;
SAVEPOINT s;
DECLARE g CURSOR FOR SELECT sum(v) FROM a;
UPDATE a SET v = 1;
ROLLBACK TO s;
UPDATE a SET v = 2;
SELECT sum(v) FROM a;
ROLLBACK;
BEGIN;
SELECT opened(:far);
ROLLBACK;

-- SERIALIZABLE: on one node only.
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT v - id AS more FROM a WHERE id = :far;
UPDATE a SET v = v + 1 WHERE id = :far;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT v - id AS more FROM a WHERE id = :near;
UPDATE a SET v = v + 1 WHERE id = :near;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT sum(v) FROM a;
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE a SET v = v;
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT v - id AS more FROM a WHERE id = :near;
UPDATE a SET v = v + 1 WHERE id = :far;
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE a SET v = v + 1 WHERE id = :far;
INSERT INTO plain VALUES (1);
COMMIT;
SELECT v - id AS more FROM a WHERE id = :far;
DROP SCHEMA transactions CASCADE;
DROP ROLE transactions_reader;
