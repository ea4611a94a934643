-- What the session has set for its client changes neither what is stored nor what other nodes see.
\set VERBOSITY terse
CREATE SCHEMA settings;
SET search_path = settings;
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE TABLE d (k int PRIMARY KEY, t text, c colour DEFAULT 'red');
CREATE TABLE r (id int PRIMARY KEY, t text);
SELECT cluster_distribute_table('d', 'k');
SELECT cluster_replicate_table('r');

-- Rows that had to wait in a file come back column by column
CREATE TABLE kept (k int PRIMARY KEY, t text, n name);
SELECT cluster_distribute_table('kept', 'k');
INSERT INTO kept SELECT g, 'hello', 'world' FROM generate_series(1, 200000) AS g;
BEGIN;
DECLARE c CURSOR FOR SELECT t, n FROM kept;
FETCH 1 FROM c;
SELECT count(*) FROM d;
MOVE 199990 IN c;
FETCH 2 FROM c;
COMMIT;
DROP TABLE kept;

-- client_encoding: a LATIN1 client writes one character in each of these rows (one byte, E9), and gets it back
SHOW server_encoding;
SET client_encoding = LATIN1;
SELECT convert_from('\xc3a9', 'UTF8') AS e \gset
INSERT INTO d VALUES (1, :'e'), (2, :'e'), (3, :'e'), (4, :'e'), (5, :'e'), (6, :'e');
INSERT INTO d VALUES (7, :'e');
INSERT INTO d VALUES (8, :'e');
INSERT INTO d VALUES (9, :'e');
INSERT INTO r VALUES (1, :'e');
COPY d FROM PROGRAM 'printf "21\t\\351\tred\n22\t\\351\tred\n23\t\\351\tred\n24\t\\351\tgreen\n"';
COPY r FROM PROGRAM 'printf "2\t\\351\n"';
COPY d FROM PROGRAM 'printf "31\t\\303\\251\tred\n32\t\\303\\251\tred\n33\t\\303\\251\tred\n"' WITH (ENCODING 'UTF8');
UPDATE d SET k = k + 40 WHERE k IN (7, 8, 9);
UPDATE d SET t = :'e' WHERE k = 3;
UPDATE d SET t = t || '' WHERE t = :'e';
WITH moved AS (DELETE FROM d WHERE k IN (1, 2) RETURNING k, t)
INSERT INTO r SELECT k + 50, t FROM moved;
SELECT min(length(t)), max(length(t)), min(ascii(t)), max(ascii(t)), count(*) FROM d;
SELECT bool_and(t = :'e') FROM d;
SELECT k FROM d WHERE t = :'e' AND k = 47;
SELECT t AS got FROM d WHERE k = 48 \gset
SELECT :'got' = :'e' AND ascii(:'got') = 233 AS same;
SELECT k, length(t), ascii(t) FROM d WHERE k = 49;
RESET client_encoding;
SELECT k, t, c FROM d ORDER BY k;
SELECT * FROM r ORDER BY id;

-- Settings that an application makes up reach row security on every node, and follow what is rolled back
CREATE TABLE t (k int PRIMARY KEY, tenant text);
SELECT cluster_distribute_table('t', 'k');
INSERT INTO t SELECT g, 't' || g % 2 FROM generate_series(1, 40) AS g;
CREATE ROLE settings_reader;
GRANT USAGE ON SCHEMA settings TO settings_reader;
GRANT SELECT ON t TO settings_reader;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON t USING (tenant = current_setting('app.tenant', true));
SET ROLE settings_reader;
SELECT count(*) FROM t;
SET app.tenant = 't1';
SELECT count(*), min(tenant), max(tenant) FROM t;
BEGIN;
SET LOCAL app.tenant = 't0';
SELECT count(*), min(tenant), max(tenant) FROM t;
SAVEPOINT s;
SELECT set_config('app.tenant', 'none', false);
SELECT count(*) FROM t;
ROLLBACK TO s;
SELECT count(*), min(tenant), max(tenant) FROM t;
COMMIT;
SELECT count(*), min(tenant), max(tenant) FROM t;
RESET app.tenant;
SELECT count(*) FROM t;
RESET ROLE;

-- extra_float_digits and array_nulls are about what a client writes and reads
CREATE TABLE f (k int PRIMARY KEY, f float8, a text[], c colour);
CREATE TABLE f2 (k int PRIMARY KEY, f float8, a text[], c colour);
SELECT cluster_distribute_table('f', 'k');
SELECT cluster_distribute_table('f2', 'k');
SET extra_float_digits = 0;
SET array_nulls = off;
INSERT INTO f SELECT g, 0.1::float8 + 0.2::float8, ARRAY[NULL, 'NULL', 'x'], 'red' FROM generate_series(1, 12) AS g;
INSERT INTO f VALUES (21, 0.1::float8 + 0.2::float8, '{NULL}'), (22, 0.1::float8 + 0.2::float8, '{NULL}');
INSERT INTO f VALUES (23, 0.1::float8 + 0.2::float8, '{NULL}');
COPY f FROM PROGRAM 'printf "31\t0.30000000000000004\t{NULL}\tred\n32\t0.30000000000000004\t{NULL}\tred\n33\t0.30000000000000004\t{NULL}\tred\n"';
UPDATE f SET k = k + 100 WHERE k <= 6;
INSERT INTO f2 SELECT k + 1, f, a, c FROM f;
SELECT f, f::text FROM f WHERE k = 12;
SELECT count(*), count(DISTINCT f), count(DISTINCT a) FROM f;
RESET extra_float_digits;
RESET array_nulls;
SELECT a, f, count(*) FROM f GROUP BY a, f ORDER BY a;
SELECT a, f, count(*) FROM f2 GROUP BY a, f ORDER BY a;
DROP OWNED BY settings_reader;
DROP ROLE settings_reader;
SET client_min_messages = warning;
DROP SCHEMA settings CASCADE;
RESET search_path;

-- Times cross between nodes with the offset of their zone: an abbreviation may mean another zone.
CREATE TABLE times (k int PRIMARY KEY, at timestamptz);
SELECT cluster_distribute_table('times', 'k');
SET TimeZone = 'Asia/Shanghai';
SET DateStyle = 'SQL';
PREPARE at(int, timestamptz) AS INSERT INTO times VALUES ($1, $2);
SELECT format('EXECUTE at(%s, %L)', k, '2026-01-15 10:00:00+08') FROM generate_series(1, 8) k \gexec
INSERT INTO times SELECT k, '2026-01-15 10:00:00+08' FROM generate_series(9, 16) k;
SELECT at, count(*) FROM times GROUP BY at;
SELECT count(*) FROM times WHERE at > timestamptz '2026-01-15 09:59:00+08';
RESET TimeZone;
RESET DateStyle;
DROP TABLE times;

-- Built-in functions are meant by their names on other nodes, whatever search_path says.
CREATE SCHEMA hides;
CREATE FUNCTION hides.lower(text) RETURNS text LANGUAGE sql IMMUTABLE RETURN 'hidden';
CREATE TABLE words (k int PRIMARY KEY, word text);
SELECT cluster_distribute_table('words', 'k');
INSERT INTO words SELECT k, 'X' FROM generate_series(1, 10) k;
SET search_path = hides, pg_catalog, public;
\set VERBOSITY verbose
\set SHOW_CONTEXT never
SELECT count(*) FROM words WHERE pg_catalog.lower(word) = 'x';
\set VERBOSITY terse
SET search_path = public, pg_catalog;
SELECT count(*) FROM words WHERE lower(word) = 'x';
SET search_path = hides, public;
SELECT count(*) FROM words WHERE lower(word) = 'x';
RESET search_path;
DROP TABLE words;
DROP SCHEMA hides CASCADE;

-- Parameters of types that users made.
CREATE TYPE feeling AS ENUM ('glad', 'sad', 'cross');
CREATE TABLE felt (k int PRIMARY KEY, f feeling, seen regclass[]);
SELECT cluster_distribute_table('felt', 'k');
INSERT INTO felt SELECT k, 'sad', ARRAY['felt'::regclass] FROM generate_series(1, 12) k;
SET plan_cache_mode = force_generic_plan;
PREPARE feels(int, feeling, feeling) AS SELECT k, f, seen FROM felt WHERE k = $1 AND ($2 IS NULL OR f = $2) AND $2 < $3;
SELECT format('EXECUTE feels(%s, ''sad'', ''cross'')', k) FROM generate_series(1, 12) k \gexec
RESET plan_cache_mode;
DROP TABLE felt;
DROP TYPE feeling;
