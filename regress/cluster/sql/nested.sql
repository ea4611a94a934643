-- What a statement means as a whole, wherever its parts run: column lists, conditions without columns, triggers, foreign keys,
-- row security, functions that write.
CREATE SCHEMA nested;
SET search_path = nested;
\set SHOW_CONTEXT never
CREATE TABLE s (k int PRIMARY KEY, x int, y int);
CREATE TABLE d (k int PRIMARY KEY, a int, b int);
CREATE TABLE ro (id int PRIMARY KEY, a int DEFAULT 7, b text, at timestamptz DEFAULT now());
SELECT cluster_distribute_table('s', 'k'), cluster_distribute_table('d', 'k'), cluster_replicate_table('ro');
INSERT INTO s SELECT g, 100 + g, 200 + g FROM generate_series(1, 6) g;
-- Columns in another order, and defaults.
INSERT INTO d (b, k, a) SELECT y, k, x FROM s;
SELECT * FROM d ORDER BY k;
INSERT INTO ro (b, id) VALUES ('u', 1), ('v', 2);
INSERT INTO ro (b, id) SELECT 'x', 3 UNION ALL SELECT 'y', 4;
WITH c AS (SELECT 9 AS z) INSERT INTO ro (b, id) SELECT z::text, z FROM c;
SELECT id, a, b FROM ro ORDER BY id;
SELECT count(DISTINCT result) FROM cluster_run_on_nodes('SELECT string_agg(ro::text, '','' ORDER BY id) FROM nested.ro');
-- Conditions and groupings without columns.
SELECT count(*) FROM d WHERE now() < '2020-01-01';
SELECT count(*) FROM d WHERE current_user = 'nobody';
SELECT count(*) FROM d WHERE (SELECT count(*) FROM ro) > 100;
SELECT k FROM d WHERE now() < '2020-01-01' ORDER BY k LIMIT 2;
SELECT DISTINCT k % 2 FROM d WHERE now() < '2020-01-01';
SELECT k % 2, sum(k) FROM d GROUP BY 1 HAVING now() < '2020-01-01';
SELECT count(*) FROM d HAVING now() < '2020-01-01';
SELECT count(*) FROM d JOIN s USING (k) WHERE now() < '2020-01-01';
SET plan_cache_mode = force_generic_plan;
PREPARE p (int) AS SELECT count(*) FROM d WHERE $1 = 1;
EXECUTE p(2);
EXECUTE p(1);
RESET plan_cache_mode;
SELECT current_date = current_date, count(*) FROM d GROUP BY 1;
SELECT DISTINCT current_database() = '', k % 2 FROM d ORDER BY 2;
SELECT to_char(now(), '"x"') y, k % 3 g, sum(k) FROM d GROUP BY y, g ORDER BY 2;
SELECT k FROM d ORDER BY now(), k LIMIT 2;
SELECT DISTINCT (SELECT max(a) FROM d), k FROM d ORDER BY 2 LIMIT 2;
-- Triggers that write another table: rows of the same key, or of any.
CREATE TABLE lg (id int PRIMARY KEY, n int);
SELECT cluster_distribute_table('lg', 'id');
CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO nested.lg VALUES (new.k + 1000, 1) ON CONFLICT (id) DO UPDATE SET n = lg.n + 1; RETURN new; END $$;
CREATE FUNCTION same() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO nested.lg VALUES (new.k, 1) ON CONFLICT (id) DO UPDATE SET n = lg.n + 1;
    PERFORM count(*) FROM nested.ro; RETURN new; END $$;
CREATE FUNCTION whole() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM count(*) FROM nested.lg; RETURN new; END $$;
CREATE TRIGGER t AFTER INSERT ON d FOR EACH ROW EXECUTE FUNCTION other();
INSERT INTO d SELECT g, g FROM generate_series(101, 110) g;
DROP TRIGGER t ON d;
CREATE TRIGGER t AFTER INSERT ON d FOR EACH ROW EXECUTE FUNCTION whole();
INSERT INTO d SELECT g, g FROM generate_series(101, 110) g;
DROP TRIGGER t ON d;
CREATE TRIGGER t AFTER INSERT ON d FOR EACH ROW EXECUTE FUNCTION same();
INSERT INTO d SELECT g, g FROM generate_series(101, 110) g;
COPY d FROM stdin;
201	1	1
202	1	1
203	1	1
\.
SELECT count(*) FROM lg;
SELECT count(*) FROM d, LATERAL (SELECT FROM lg WHERE id = d.k OFFSET 0) x;
-- Foreign keys to a replicated table.
CREATE TABLE r (id int PRIMARY KEY);
CREATE TABLE b (id int PRIMARY KEY, r int REFERENCES r ON DELETE CASCADE);
CREATE TABLE pl (id int, r int REFERENCES r);
SELECT cluster_replicate_table('r'), cluster_distribute_table('b', 'id');
INSERT INTO r VALUES (1), (2), (3);
INSERT INTO b SELECT g, 1 + g % 2 FROM generate_series(1, 20) g;
INSERT INTO b SELECT g, 40 FROM generate_series(31, 40) g;
UPDATE b SET r = 9;
UPDATE b SET r = 3 WHERE id < 4;
UPDATE r SET id = 5 WHERE id = 1;
DELETE FROM r WHERE id = 2;
SELECT r, count(*) FROM b GROUP BY r ORDER BY r;
INSERT INTO pl VALUES (1, 1);
INSERT INTO pl VALUES (1, 7);
DELETE FROM r WHERE id = 1;
BEGIN;
SELECT * FROM r WHERE id = 1 FOR UPDATE;
SELECT * FROM r WHERE id = 1 FOR KEY SHARE;
COMMIT;
SELECT * FROM r FOR SHARE;
-- Row security that reads another table.
CREATE TABLE deny (pid int PRIMARY KEY);
SELECT cluster_distribute_table('deny', 'pid');
CREATE ROLE nested_user;
GRANT USAGE ON SCHEMA nested TO nested_user;
GRANT SELECT, UPDATE ON d, deny, ro TO nested_user;
ALTER TABLE d ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON d USING (NOT EXISTS (SELECT 1 FROM nested.deny WHERE pid = k));
SET ROLE nested_user;
UPDATE d SET a = a;
SELECT count(*) FROM d;
SELECT * FROM d WHERE k = 3;
SELECT count(*) FROM ro WHERE EXISTS (SELECT FROM d);
RESET ROLE;
DROP POLICY p ON d;
CREATE POLICY p ON d USING (EXISTS (SELECT 1 FROM nested.ro WHERE ro.id = k));
SET ROLE nested_user;
SELECT count(*) FROM d;
RESET ROLE;
-- A function of a query sees what it has written.
CREATE TABLE aa (id int PRIMARY KEY, v int);
SELECT cluster_distribute_table('aa', 'id');
CREATE FUNCTION adds(i int) RETURNS text LANGUAGE plpgsql AS $$ DECLARE x int; y int; BEGIN
    INSERT INTO nested.aa VALUES (i, i);
    SELECT count(*) INTO x FROM nested.aa; SELECT count(*) INTO y FROM nested.aa WHERE id = i;
    RETURN x || ' ' || y; END $$;
SELECT adds(k) FROM s WHERE k = 1;
SELECT count(*) FROM (SELECT adds(k) FROM s WHERE k > 1 OFFSET 0) x;
-- Names that are OIDs inside, which differ between nodes.
CREATE TABLE rc (k int PRIMARY KEY, c regclass);
SELECT cluster_distribute_table('rc', 'k');
INSERT INTO rc SELECT g, 'nested.s' FROM generate_series(1, 10) g;
SELECT count(*) FROM rc WHERE c = 'nested.s'::regclass;
DROP SCHEMA nested CASCADE;
DROP ROLE nested_user;
