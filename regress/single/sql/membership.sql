-- A cluster begins once; what cannot be a node is refused before anything changes.
SELECT cluster_init('other', '127.0.0.1', 5432);
\echo :LAST_ERROR_SQLSTATE
SELECT node_name, state, role, weight, buckets, node_id, local FROM cluster_nodes;
SELECT hash_map_version, current, nodes, tables FROM cluster_hash_maps;
SELECT * FROM cluster_hash_map_ranges;

-- Names and addresses
SELECT expanse.check_new_node('no/slash', '127.0.0.1', 5432);
\echo :LAST_ERROR_SQLSTATE
SELECT expanse.check_new_node('n9', 'not a host', 5432);
\echo :LAST_ERROR_SQLSTATE
SELECT expanse.check_new_node('n9', '127.0.0.1', 70000);
\echo :LAST_ERROR_SQLSTATE
SELECT expanse.check_new_node('n1', '127.0.0.1', 1);
\echo :LAST_ERROR_SQLSTATE
\set VERBOSITY sqlstate
-- No server listens there
SELECT expanse.check_new_node('n9', '127.0.0.1', 1);
SELECT cluster_expand('n9', '127.0.0.1', 1);
-- This very server, under its own address and under another name for it
SELECT expanse.check_new_node('n9', host, port) FROM cluster_nodes;
SELECT expanse.check_new_node('n9', 'localhost', port) FROM cluster_nodes;
\set VERBOSITY default
SELECT cluster_expand('n9', '127.0.0.1', 1, 'round');
\echo :LAST_ERROR_SQLSTATE
BEGIN;
SELECT cluster_expand('n9', '127.0.0.1', 1);
ROLLBACK;
SELECT expanse.activate_nodes(ARRAY['n9'], 'minimal');
\echo :LAST_ERROR_SQLSTATE
SELECT expanse.abort_join('n9');
SELECT expanse.abort_join('n1');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) AS nodes FROM cluster_nodes;

-- Buckets and owners
SELECT cluster_bucket(1::int2) = cluster_bucket(1::int4) AS int2, cluster_bucket(1::int4) = cluster_bucket(1::int8) AS int8;
SELECT cluster_bucket(42), cluster_bucket('x'::text), cluster_bucket(NULL::int);
SELECT cluster_bucket(point '(1,2)');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_owner('pg_class', 1);
\echo :LAST_ERROR_SQLSTATE

-- Privileges
CREATE ROLE expanse_nobody;
SET ROLE expanse_nobody;
SELECT cluster_init('other', '127.0.0.1', 5432);
SELECT cluster_expand('n9', '127.0.0.1', 1);
SELECT expanse.lock_schema(1);
SELECT * FROM cluster_nodes;
INSERT INTO expanse.local_node VALUES (7);
RESET ROLE;
GRANT pg_monitor TO expanse_nobody;
SET ROLE expanse_nobody;
SELECT count(*) FROM cluster_nodes;
SELECT count(*) FROM cluster_fragments;
RESET ROLE;
DROP ROLE expanse_nobody;
