-- Statements of PostgreSQL alone, most of which fail. What is printed must not depend on the library.
\set VERBOSITY verbose
CREATE TABLE t (a int PRIMARY KEY, b text CHECK (b <> ''), c int NOT NULL DEFAULT 0);
INSERT INTO t VALUES (1, 'x'), (2, 'y');
INSERT INTO t VALUES (1, 'again');
INSERT INTO t VALUES (3, '');
INSERT INTO t VALUES (4, 'z', NULL);
UPDATE t SET a = 1 WHERE a = 2;
ALTER TABLE t ADD CHECK (a > 1);
ALTER TABLE t ADD COLUMN a int;
CREATE TABLE u (a nosuchtype);
CREATE TABLE u (a int REFERENCES t (c));
CREATE TABLE u (a int REFERENCES t);
INSERT INTO u VALUES (77);
DELETE FROM t WHERE a = 1;
INSERT INTO u VALUES (1);
DELETE FROM t WHERE a = 1;
SELECT 1 / 0;
SELECT nosuchcolumn FROM t;
SELECT * FROM nosuchtable;
SELECT a FROM t GROUP BY b;
SELECT 'x'::int;
SELEC 1;
COPY t FROM STDIN;
5	five	0
six	6	0
\.
DO $$ BEGIN PERFORM 1 / 0; END $$;
CREATE FUNCTION f(int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN f($1 - 1) / 0; EXCEPTION WHEN OTHERS THEN
    RAISE EXCEPTION 'deep' USING DETAIL = 'why', HINT = 'what', ERRCODE = 'XX123', TABLE = 't', CONSTRAINT = 'c'; END $$;
SELECT f(1) FROM t LIMIT 0;
CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1 / (a - 1) FROM t';
SELECT g();
PREPARE p (int) AS SELECT 10 / $1;
EXECUTE p (0);
EXECUTE p ('x');
BEGIN;
SAVEPOINT s;
SELECT 1 / 0;
SELECT 1;
ROLLBACK TO s;
INSERT INTO t VALUES (9, 'nine');
COMMIT;
DECLARE c CURSOR FOR SELECT 1;
EXPLAIN (COSTS OFF) SELECT * FROM t JOIN u USING (a) WHERE a > 1 ORDER BY b;
CREATE INDEX ON t (nosuch);
DROP TABLE t;
TRUNCATE t;
CREATE VIEW v AS SELECT * FROM t;
ALTER TABLE t DROP COLUMN b;
SET statement_timeout = 50;
SELECT pg_sleep(5);
RESET statement_timeout;
SET work_mem = 'much';
VACUUM nosuchtable;
GRANT SELECT ON nosuchtable TO PUBLIC;
CREATE ROLE postgres;
SELECT set_config('nosuch.parameter', 'x', false);
MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET a = 9;
INSERT INTO t VALUES (9, 'x') ON CONFLICT (b) DO NOTHING;
SELECT * FROM t ORDER BY a;
DROP VIEW v;
DROP TABLE u, t;
DROP FUNCTION f, g;
