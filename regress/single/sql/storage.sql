-- Storages: what is refused, before anything changes.
SET client_min_messages = warning;
SELECT current_setting('data_directory') AS data \gset
SELECT regexp_replace(:'data', '/[^/]*$', '') AS parent \gset
CREATE TABLE stored (id int PRIMARY KEY, n int);
CREATE INDEX stored_n ON stored (n);
CREATE INDEX stored_some ON stored (n) WHERE n > 0;
CREATE INDEX stored_hash ON stored USING hash (n);
CREATE TABLE beside (id int PRIMARY KEY);
SELECT cluster_distribute_table('stored', 'id');

-- Names and directories
SELECT cluster_add_storage('', '/disk');
SELECT cluster_add_storage('pg_fast', '/disk');
SELECT cluster_add_storage('fast', 'disk');
SELECT cluster_add_storage('fast', '/');
SELECT cluster_add_storage('fast', '/disk/../fast');
SELECT cluster_add_storage('fast', '/disk/{name}');
SELECT cluster_add_storage('fast', E'/disk/it''s');
SELECT cluster_add_storage(NULL, '/disk');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_add_storage('fast', '/no/such/directory');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_add_storage('fast', '/proc/{node}');
\set VERBOSITY sqlstate
SELECT cluster_add_storage('fast', :'data' || '/fast');
SELECT cluster_add_storage('fast', :'data' || '/PG_VERSION');
SELECT cluster_add_storage('fast', :'data' || '/postgresql.conf/fast');

-- A name, or a place, that this server has given away already
SELECT expanse.make_storage_directory(:'parent' || '/disk') AS made, expanse.make_storage_directory(:'parent' || '/disk') AS again;
SELECT :'parent' || '/disk' AS disk \gset
CREATE TABLESPACE own LOCATION :'disk';
SELECT cluster_add_storage('own', :'parent' || '/other');
SELECT cluster_add_storage('fast', :'disk');
\set VERBOSITY default
BEGIN;
SELECT cluster_add_storage('fast', '/disk');
ROLLBACK;
SELECT count(*) AS storages FROM cluster_storage;

-- Moving
SELECT cluster_move_table('stored', 'fast');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_move_table('beside', 'pg_default');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_move_table('stored', 'own');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_move_table('stored', 'pg_default', 'beside_pkey');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_move_table('stored', 'pg_default', 'stored_some');
SELECT cluster_move_table('stored', 'pg_default', 'stored_hash');
BEGIN;
SELECT cluster_move_table('stored', 'pg_default');
ROLLBACK;
SELECT cluster_drop_storage('fast');
\echo :LAST_ERROR_SQLSTATE

-- Statements about tablespaces
ALTER TABLE stored SET TABLESPACE own;
\echo :LAST_ERROR_SQLSTATE
ALTER INDEX stored_n SET TABLESPACE own;
ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE own;
CREATE INDEX ON stored (n) TABLESPACE own;
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE beside SET TABLESPACE own;
SELECT cluster_replicate_table('beside');

-- The tablespace that is there becomes a storage; then it is the cluster's
SELECT cluster_wait(cluster_add_storage('own', :'disk'));
SELECT storage_name, directory = :'disk' AS directory, tables, nodes, missing_on FROM cluster_storage;
SELECT cluster_add_storage('own', '/disk');
\echo :LAST_ERROR_SQLSTATE
DROP TABLESPACE own;
\echo :LAST_ERROR_SQLSTATE
ALTER TABLESPACE own RENAME TO mine;
SELECT cluster_replicate_table('beside');
SELECT cluster_wait(cluster_move_table('stored', 'own', 'stored_n'));
SELECT relation, storage FROM cluster_tables ORDER BY relation::text;
SELECT cluster_drop_storage('own');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_wait(cluster_move_table('stored', 'pg_default'));
SELECT cluster_wait(cluster_move_table('beside', 'pg_default'));
SELECT relation, storage FROM cluster_tables ORDER BY relation::text;

-- Privileges
CREATE ROLE expanse_keeper IN ROLE expanse_admin;
SET ROLE expanse_keeper;
SELECT expanse.make_storage_directory('/tmp/expanse_keeper');
SELECT expanse.remove_storage_directory('/tmp/expanse_keeper');
SELECT storage_name, tables FROM cluster_storage;
RESET ROLE;
CREATE ROLE expanse_nobody;
SET ROLE expanse_nobody;
SELECT cluster_add_storage('fast', '/disk');
SELECT cluster_move_table('stored', 'own');
SELECT cluster_drop_storage('own');
SELECT * FROM cluster_storage;
RESET ROLE;
DROP ROLE expanse_keeper, expanse_nobody;

SELECT cluster_wait(cluster_drop_storage('own'));
SELECT count(*) AS tablespaces FROM pg_tablespace WHERE spcname = 'own';
SELECT expanse.remove_storage_directory(:'disk');
DROP TABLE stored, beside;
