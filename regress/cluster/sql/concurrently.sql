-- CREATE INDEX, DROP INDEX and REINDEX CONCURRENTLY of spread tables, on all nodes.
CREATE SCHEMA cic;
SET search_path = cic;
CREATE TABLE d (k int NOT NULL, v int, w text);
CREATE TABLE r (k int PRIMARY KEY, w text);
SELECT cluster_distribute_table('d', 'k');
SELECT cluster_replicate_table('r');
INSERT INTO d SELECT i, i % 10, 'w' || i FROM generate_series(1, 1000) i;
INSERT INTO r SELECT i, 'W' || i FROM generate_series(1, 100) i;
CREATE FUNCTION folded(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT pg_catalog.lower($1)';

CREATE VIEW on_nodes AS SELECT node_name, result FROM cluster_run_on_nodes($$
    SELECT string_agg(format('%s %s', pg_get_indexdef(indexrelid), CASE WHEN indisvalid AND indisready THEN 'valid' ELSE 'INVALID' END), '; ' ORDER BY indexrelid::regclass::text)
    FROM pg_index WHERE indrelid IN ('cic.d'::regclass, 'cic.r'::regclass)$$);

-- Names that PostgreSQL gives, expressions, predicates, other access methods; asked for here, made everywhere.
CREATE INDEX CONCURRENTLY ON d (v);
CREATE UNIQUE INDEX CONCURRENTLY dk ON d (k) INCLUDE (w) WHERE v > 3;
CREATE INDEX CONCURRENTLY rw ON r USING hash (folded(w));
CREATE INDEX CONCURRENTLY IF NOT EXISTS dk ON d (v);
TABLE on_nodes;
SET enable_seqscan = off;
EXPLAIN (COSTS off) SELECT k FROM r WHERE folded(w) = 'w7';
SELECT k FROM r WHERE folded(w) = 'w7';
RESET enable_seqscan;
INSERT INTO d VALUES (5, 5, 'five') ON CONFLICT (k) WHERE v > 3 DO UPDATE SET w = excluded.w RETURNING *;

-- Refused as by PostgreSQL, or because the nodes could not keep it true; nothing remains.
CREATE UNIQUE INDEX CONCURRENTLY dw ON d (w);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX CONCURRENTLY dk ON d (v);
CREATE INDEX CONCURRENTLY dx ON d (nothing);
BEGIN;
CREATE INDEX CONCURRENTLY dx ON d (w);
ROLLBACK;
BEGIN;
DROP INDEX CONCURRENTLY dk;
ROLLBACK;
DROP INDEX CONCURRENTLY dk, rw;
DROP INDEX CONCURRENTLY dk CASCADE;
DROP INDEX CONCURRENTLY r_pkey;
DROP INDEX CONCURRENTLY nothing;
DROP INDEX CONCURRENTLY IF EXISTS nothing;
REINDEX (TABLESPACE pg_default) INDEX CONCURRENTLY dk;
\echo :LAST_ERROR_SQLSTATE
SELECT count(DISTINCT result) FROM on_nodes;

-- Only the owner may.
CREATE ROLE indexer;
GRANT USAGE, CREATE ON SCHEMA cic TO indexer;
SET ROLE indexer;
CREATE INDEX CONCURRENTLY dx ON d (w);
DROP INDEX CONCURRENTLY dk;
REINDEX INDEX CONCURRENTLY dk;
SELECT expanse.add_unbuilt_index('CREATE INDEX dx ON cic.d (w)');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
ALTER TABLE d OWNER TO indexer;
SET ROLE indexer;
CREATE INDEX CONCURRENTLY dx ON d (w);
REINDEX INDEX CONCURRENTLY dx;
DROP INDEX CONCURRENTLY dk;
RESET ROLE;

-- Under another isolation level, and about a whole table.
SET default_transaction_isolation = 'repeatable read';
CREATE INDEX CONCURRENTLY dy ON d (w, v);
DROP INDEX CONCURRENTLY dx;
RESET default_transaction_isolation;
REINDEX TABLE CONCURRENTLY d;
REINDEX (CONCURRENTLY off) INDEX dy;
TABLE on_nodes;
SELECT count(*), sum(v) FROM d WHERE w = 'w17';
DROP SCHEMA cic CASCADE;
DROP ROLE indexer;
