-- The steps of a rebind, one by one, on one node.
CREATE SCHEMA steps;
SET search_path = steps;
CREATE TABLE t (k bigint PRIMARY KEY, v text);
INSERT INTO t SELECT i, 'v' FROM generate_series(1, 1000) AS i;
SELECT cluster_distribute_table('t', 'k');
SELECT colocation_group AS grp, hash_map_version AS version FROM cluster_tables WHERE relation = 't'::regclass \gset
SELECT * FROM expanse.group_relations(:grp) WHERE group_relations = 't'::regclass;
SELECT expanse.bucket_filter('t', '{"[0,9]","[20,30)"}');
SELECT count(*) FROM t WHERE (hashint8extended(k, 0) & 65535) = cluster_bucket(k);
SELECT expanse.bucket_filter('t', '{"[0,70000)"}');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM expanse.move_plan('t');
SELECT * FROM expanse.move_plan('t', 999);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM expanse.move_plan('pg_class');
\echo :LAST_ERROR_SQLSTATE
SELECT expanse.begin_move(0, :version);
SELECT expanse.begin_move(999, :version);
SELECT expanse.begin_move(:grp, 999);
\echo :LAST_ERROR_SQLSTATE
SELECT expanse.bind_group(:grp, 999);

SELECT expanse.begin_move(:grp, :version);
SELECT expanse.begin_move(:grp, :version);
SELECT moving_to = :version AS in_motion FROM cluster_tables WHERE relation = 't'::regclass;
ALTER TABLE t ADD x int;
TRUNCATE t;
SELECT cluster_distribute_table('t', 'k');
CREATE TABLE u (k bigint);
SELECT cluster_distribute_table('u', 'k', 't');
SELECT cluster_rebind('t');
SELECT expanse.wait_for_statements(:grp, 1000);
SELECT expanse.bind_group(:grp, :version);
SELECT expanse.delete_surplus(:grp);
SELECT expanse.end_move(:grp);
SELECT expanse.end_move(:grp);
SELECT moving_to FROM cluster_tables WHERE relation = 't'::regclass;

-- Changes must be traceable
ALTER TABLE t REPLICA IDENTITY NOTHING;
SELECT expanse.begin_move(:grp, :version);
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE t REPLICA IDENTITY DEFAULT;

-- Parameters of operations
SELECT cluster_rebind('t', 'teleport');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_rebind('t', max_write_freeze => '0');
SELECT cluster_rebind('t', max_rate => '10 bytes');
SELECT cluster_rebind_all(reversible_for => '-1 s');
SELECT cluster_rebind('pg_class');
\echo :LAST_ERROR_SQLSTATE
BEGIN;
SELECT cluster_rebind('t');
ROLLBACK;
BEGIN;
SELECT cluster_cancel(1);
ROLLBACK;
SELECT count(*) FROM t;
DROP SCHEMA steps CASCADE;
