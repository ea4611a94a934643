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
DROP SCHEMA transactions CASCADE;
