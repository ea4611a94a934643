-- An expression that is too deep for the stack fails its statement, and nothing else.
CREATE SCHEMA deep;
SET search_path = deep;
CREATE TABLE d (k int PRIMARY KEY, v int);
CREATE TABLE r (k int PRIMARY KEY, v int);
SELECT cluster_distribute_table('d', 'k'), cluster_replicate_table('r');
INSERT INTO d SELECT g, g FROM generate_series(1, 9) g;
INSERT INTO r SELECT g, g FROM generate_series(1, 9) g;
-- Where the limit lies depends on the machine; on the way there each walk of ours meets it.
CREATE PROCEDURE deeper(statement text) LANGUAGE plpgsql AS $$
DECLARE
    depth int;
BEGIN
    FOREACH depth IN ARRAY ARRAY[2000, 3500, 5000, 6500] LOOP
        BEGIN
            EXECUTE format(statement, repeat('+k', depth), repeat('+1', depth));
            RAISE EXCEPTION 'undo it';
        EXCEPTION
            WHEN raise_exception THEN NULL;
            WHEN statement_too_complex THEN NULL;
        END;
    END LOOP;
END $$;
CALL deeper('SELECT count(*) FROM d WHERE v = 1%1$s');
CALL deeper('SELECT v, (SELECT max(1%1$s) FROM r) FROM d ORDER BY k LIMIT 1');
CALL deeper('UPDATE d SET v = 1%1$s WHERE k = 1');
CALL deeper('UPDATE r SET v = 1%1$s');
CALL deeper('INSERT INTO r SELECT -k, 1%1$s FROM r');
CALL deeper('WITH c AS (UPDATE d SET v = 1%1$s RETURNING k) SELECT count(*) FROM c');
CALL deeper('ALTER TABLE d ADD n int DEFAULT 1%2$s');
CALL deeper('ALTER TABLE r ALTER v TYPE bigint USING 1%1$s');
SELECT count(*), sum(v) FROM d;
SELECT count(DISTINCT result) FROM cluster_run_on_nodes('SELECT sum(v) FROM deep.r');
SET client_min_messages = warning;
DROP SCHEMA deep CASCADE;
