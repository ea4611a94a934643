-- ---------------------------------------------------------------------------
-- Views
-- ---------------------------------------------------------------------------

-- PostgreSQL lets relations be created in pg_catalog only with this setting.
SET LOCAL allow_system_table_mods = on;

CREATE VIEW pg_catalog.cluster_nodes AS
    SELECT n.node_name, n.host, n.port, n.state,
           coalesce(s.role, 'primary') AS role,
           n.weight,
           coalesce(b.buckets, 0) AS buckets,
           n.node_id,
           n.node_id = l.node_id AS local,
           s.state AS status,
           s.postgres_version,
           s.leader,
           s.load
    FROM expanse.node n
    CROSS JOIN expanse.local_node l
    LEFT JOIN (
        SELECT r.node_id, sum(r.last_bucket - r.first_bucket + 1)::int AS buckets
        FROM expanse.hash_map m JOIN expanse.hash_map_range r USING (hash_map_version)
        WHERE m.current GROUP BY r.node_id
    ) AS b ON b.node_id = n.node_id
    LEFT JOIN jsonb_to_recordset(expanse.cluster_status() -> 'nodes')
        AS s (node_name text, state text, role text, postgres_version text, leader boolean, load jsonb)
        ON s.node_name = n.node_name
    ORDER BY n.node_id;
GRANT SELECT ON pg_catalog.cluster_nodes TO pg_monitor, expanse_admin;
COMMENT ON VIEW pg_catalog.cluster_nodes IS 'Nodes of the cluster, with their share of the current hash map.';
COMMENT ON COLUMN pg_catalog.cluster_nodes.node_name IS 'Name of the node.';
COMMENT ON COLUMN pg_catalog.cluster_nodes.host IS 'Address at which other nodes reach it.';
COMMENT ON COLUMN pg_catalog.cluster_nodes.port IS 'Port at which other nodes reach it.';
COMMENT ON COLUMN pg_catalog.cluster_nodes.state IS 'State in the metadata: active, joining, leaving or inactive.';
COMMENT ON COLUMN pg_catalog.cluster_nodes.role IS 'Role of its server: primary.';
COMMENT ON COLUMN pg_catalog.cluster_nodes.weight IS 'Share of buckets relative to other nodes.';
COMMENT ON COLUMN pg_catalog.cluster_nodes.buckets IS 'Buckets that it owns in the current hash map, of 65536.';
COMMENT ON COLUMN pg_catalog.cluster_nodes.node_id IS 'Number of the node; never used twice.';
COMMENT ON COLUMN pg_catalog.cluster_nodes.local IS 'True for the node that is asked.';
COMMENT ON COLUMN pg_catalog.cluster_nodes.status IS 'State as its sidecar reports it; NULL when it reports none.';
COMMENT ON COLUMN pg_catalog.cluster_nodes.postgres_version IS 'Version of its server.';
COMMENT ON COLUMN pg_catalog.cluster_nodes.leader IS 'True for the node whose sidecar leads.';
COMMENT ON COLUMN pg_catalog.cluster_nodes.load IS 'Load of its machine and server, each figure from 0 (idle) to 1.';

CREATE VIEW pg_catalog.cluster_hash_maps AS
    SELECT m.hash_map_version, m.current,
           (SELECT count(DISTINCT r.node_id) FROM expanse.hash_map_range r
            WHERE r.hash_map_version = m.hash_map_version)::int AS nodes,
           (SELECT count(*) FROM expanse.colocation_group g JOIN expanse.distributed_table t USING (group_id)
            WHERE g.hash_map_version = m.hash_map_version)::int AS tables,
           m.created_at
    FROM expanse.hash_map m
    ORDER BY m.hash_map_version;
GRANT SELECT ON pg_catalog.cluster_hash_maps TO pg_monitor, expanse_admin;
COMMENT ON VIEW pg_catalog.cluster_hash_maps IS 'Versions of the hash map; new tables are bound to the current one.';
COMMENT ON COLUMN pg_catalog.cluster_hash_maps.hash_map_version IS 'Version.';
COMMENT ON COLUMN pg_catalog.cluster_hash_maps.current IS 'True for the version that new tables are bound to.';
COMMENT ON COLUMN pg_catalog.cluster_hash_maps.nodes IS 'Number of nodes that own buckets in it.';
COMMENT ON COLUMN pg_catalog.cluster_hash_maps.tables IS 'Number of tables bound to it.';
COMMENT ON COLUMN pg_catalog.cluster_hash_maps.created_at IS 'When it was made.';

CREATE VIEW pg_catalog.cluster_hash_map_ranges AS
    SELECT r.hash_map_version, n.node_name, r.first_bucket, r.last_bucket
    FROM expanse.hash_map_range r JOIN expanse.node n USING (node_id)
    ORDER BY r.hash_map_version, r.first_bucket;
GRANT SELECT ON pg_catalog.cluster_hash_map_ranges TO pg_monitor, expanse_admin;
COMMENT ON VIEW pg_catalog.cluster_hash_map_ranges IS 'Which node owns which buckets in which version of the hash map.';
COMMENT ON COLUMN pg_catalog.cluster_hash_map_ranges.hash_map_version IS 'Version of the hash map.';
COMMENT ON COLUMN pg_catalog.cluster_hash_map_ranges.node_name IS 'Node that owns the range.';
COMMENT ON COLUMN pg_catalog.cluster_hash_map_ranges.first_bucket IS 'First bucket of the range, from 0.';
COMMENT ON COLUMN pg_catalog.cluster_hash_map_ranges.last_bucket IS 'Last bucket of the range, up to 65535.';

CREATE VIEW pg_catalog.cluster_tables AS
    SELECT t.relation,
           CASE WHEN t.distribution_column IS NULL THEN 'replicated' ELSE 'distributed' END AS kind,
           t.distribution_column,
           g.hash_map_version,
           t.group_id AS colocation_group,
           g.moving_to,
           expanse.storage_of(t.relation::oid) AS storage
    FROM expanse.distributed_table t JOIN expanse.colocation_group g USING (group_id)
    ORDER BY t.relation::text;
GRANT SELECT ON pg_catalog.cluster_tables TO pg_monitor, expanse_admin;
COMMENT ON VIEW pg_catalog.cluster_tables IS 'Distributed and replicated tables.';
COMMENT ON COLUMN pg_catalog.cluster_tables.relation IS 'Table.';
COMMENT ON COLUMN pg_catalog.cluster_tables.kind IS 'Kind: distributed or replicated.';
COMMENT ON COLUMN pg_catalog.cluster_tables.distribution_column IS 'Distribution column; NULL for a replicated table.';
COMMENT ON COLUMN pg_catalog.cluster_tables.hash_map_version IS
    'Version that the table is bound to; NULL for a replicated table.';
COMMENT ON COLUMN pg_catalog.cluster_tables.colocation_group IS
    'Colocation group; 0 is the group of the replicated tables.';
COMMENT ON COLUMN pg_catalog.cluster_tables.moving_to IS
    'Version that a rebind moves the table to; NULL when it does not move.';
COMMENT ON COLUMN pg_catalog.cluster_tables.storage IS 'Tablespace that it lies in on this node.';

CREATE VIEW pg_catalog.cluster_fragments AS
    SELECT f.relation, f.node_name, f.row_estimate, f.bytes
    FROM expanse.fragments() AS f
    ORDER BY f.relation::text, f.node_name;
GRANT SELECT ON pg_catalog.cluster_fragments TO pg_monitor, expanse_admin;
COMMENT ON VIEW pg_catalog.cluster_fragments IS 'Every node''s part of every distributed table. Asks all nodes.';
COMMENT ON COLUMN pg_catalog.cluster_fragments.relation IS 'Table.';
COMMENT ON COLUMN pg_catalog.cluster_fragments.node_name IS 'Node.';
COMMENT ON COLUMN pg_catalog.cluster_fragments.row_estimate IS
    'Rows of the part, as the node''s statistics estimate them; NULL if the node does not answer.';
COMMENT ON COLUMN pg_catalog.cluster_fragments.bytes IS
    'Bytes of the part with its indexes; NULL if the node does not answer.';

CREATE VIEW pg_catalog.cluster_storage AS
    SELECT s.storage_name, s.directory,
           max(p.tables) AS tables,
           sum(p.bytes)::bigint AS bytes,
           min(p.free_bytes) AS free_bytes,
           count(p.directory)::int AS nodes,
           coalesce(array_agg(p.node_name ORDER BY p.node_name) FILTER (WHERE p.directory IS NULL), '{}') AS missing_on
    FROM expanse.storage s LEFT JOIN expanse.storage_parts() AS p USING (storage_name)
    GROUP BY s.storage_name, s.directory
    ORDER BY s.storage_name;
GRANT SELECT ON pg_catalog.cluster_storage TO pg_monitor, expanse_admin;
COMMENT ON VIEW pg_catalog.cluster_storage IS 'Tablespaces that every node has. Asks all nodes.';
COMMENT ON COLUMN pg_catalog.cluster_storage.storage_name IS 'Name of the tablespace.';
COMMENT ON COLUMN pg_catalog.cluster_storage.directory IS 'Directory; {node} stands for the name of the node.';
COMMENT ON COLUMN pg_catalog.cluster_storage.tables IS 'Distributed and replicated tables in it.';
COMMENT ON COLUMN pg_catalog.cluster_storage.bytes IS 'Bytes in it on all nodes.';
COMMENT ON COLUMN pg_catalog.cluster_storage.free_bytes IS 'Free bytes on the node that has least.';
COMMENT ON COLUMN pg_catalog.cluster_storage.nodes IS 'Number of nodes that have it and answer.';
COMMENT ON COLUMN pg_catalog.cluster_storage.missing_on IS 'Nodes that lack it or do not answer.';

CREATE VIEW pg_catalog.cluster_storage_nodes AS
    SELECT p.storage_name, p.node_name, p.directory, p.tables, p.bytes, p.free_bytes
    FROM expanse.storage_parts() AS p
    ORDER BY p.storage_name, p.node_name;
GRANT SELECT ON pg_catalog.cluster_storage_nodes TO pg_monitor, expanse_admin;
COMMENT ON VIEW pg_catalog.cluster_storage_nodes IS 'Every node''s part of every storage. Asks all nodes.';
COMMENT ON COLUMN pg_catalog.cluster_storage_nodes.storage_name IS 'Name of the tablespace.';
COMMENT ON COLUMN pg_catalog.cluster_storage_nodes.node_name IS 'Node.';
COMMENT ON COLUMN pg_catalog.cluster_storage_nodes.directory IS
    'Directory on that node; NULL if the node does not answer or lacks it.';
COMMENT ON COLUMN pg_catalog.cluster_storage_nodes.tables IS 'Distributed and replicated tables in it.';
COMMENT ON COLUMN pg_catalog.cluster_storage_nodes.bytes IS 'Bytes in it.';
COMMENT ON COLUMN pg_catalog.cluster_storage_nodes.free_bytes IS 'Free bytes on its file system.';

CREATE VIEW pg_catalog.cluster_operations AS
    SELECT o.operation_id, o.kind, o.target, o.state, o.phase, o.rows_done, o.rows_total, o.bytes_done, o.bytes_total,
           to_timestamp(o.started_at) AS started_at,
           to_timestamp(o.finished_at) AS finished_at,
           o.error ->> 'message' AS error,
           o.error ->> 'sqlstate' AS error_sqlstate,
           o.writes_waited_ms,
           o.parameters,
           o.result,
           o.freeze_attempts,
           o.freeze_outcome,
           o.bytes_per_second::bigint AS bytes_per_second,
           make_interval(secs => o.seconds_left) AS time_left,
           o.freezes
    FROM jsonb_to_recordset(expanse.cluster_status() -> 'operations') AS o (
        operation_id bigint, kind text, target text, state text, phase text, rows_done bigint, rows_total bigint,
        bytes_done bigint, bytes_total bigint, started_at double precision, finished_at double precision, error jsonb,
        writes_waited_ms double precision, parameters jsonb, result text, freeze_attempts int, freeze_outcome text,
        bytes_per_second double precision, seconds_left double precision, freezes jsonb)
    ORDER BY o.operation_id;
GRANT SELECT ON pg_catalog.cluster_operations TO pg_monitor, expanse_admin;
COMMENT ON VIEW pg_catalog.cluster_operations IS 'Operations of the cluster, running and finished.';
COMMENT ON COLUMN pg_catalog.cluster_operations.operation_id IS 'Id of the operation.';
COMMENT ON COLUMN pg_catalog.cluster_operations.kind IS
    'Kind: expand, shrink, rebind, rebind_all, drop_hash_map, add_storage, drop_storage or move_table.';
COMMENT ON COLUMN pg_catalog.cluster_operations.target IS 'What it is about: nodes, a table or a storage.';
COMMENT ON COLUMN pg_catalog.cluster_operations.state IS
    'State: pending, running, paused, rolling_back, succeeded, failed or cancelled.';
COMMENT ON COLUMN pg_catalog.cluster_operations.phase IS 'What it does now.';
COMMENT ON COLUMN pg_catalog.cluster_operations.rows_done IS 'Rows that are copied.';
COMMENT ON COLUMN pg_catalog.cluster_operations.rows_total IS 'Rows to copy, an estimate.';
COMMENT ON COLUMN pg_catalog.cluster_operations.bytes_done IS 'Bytes that are copied.';
COMMENT ON COLUMN pg_catalog.cluster_operations.bytes_total IS 'Bytes to copy, an estimate.';
COMMENT ON COLUMN pg_catalog.cluster_operations.started_at IS 'When it was started.';
COMMENT ON COLUMN pg_catalog.cluster_operations.finished_at IS 'When it ended; NULL while it has not.';
COMMENT ON COLUMN pg_catalog.cluster_operations.error IS 'Message of its error.';
COMMENT ON COLUMN pg_catalog.cluster_operations.error_sqlstate IS 'SQLSTATE of its error.';
COMMENT ON COLUMN pg_catalog.cluster_operations.writes_waited_ms IS
    'Longest time that writes had to wait, in milliseconds.';
COMMENT ON COLUMN pg_catalog.cluster_operations.parameters IS 'Arguments that it was started with.';
COMMENT ON COLUMN pg_catalog.cluster_operations.result IS 'What it tells at its end, such as what was lost.';
COMMENT ON COLUMN pg_catalog.cluster_operations.freeze_attempts IS 'Number of attempts at a switch or a lock.';
COMMENT ON COLUMN pg_catalog.cluster_operations.freeze_outcome IS 'Outcome of the last attempt.';
COMMENT ON COLUMN pg_catalog.cluster_operations.bytes_per_second IS 'Present rate of the copy, in bytes a second.';
COMMENT ON COLUMN pg_catalog.cluster_operations.time_left IS 'Estimated time to the end of the copy.';
COMMENT ON COLUMN pg_catalog.cluster_operations.freezes IS 'The last write freezes, with their stages in milliseconds.';

CREATE VIEW pg_catalog.cluster_executor AS
    SELECT e.node_name, e.address, e.class, e."limit" AS socket_limit, e.in_use, e.waiting, e.tries,
           e.retries, e.timeouts, e.failures, e.retry_budget, e.breaker, e.load_factor, e.reason
    FROM jsonb_to_recordset(expanse.cluster_status() -> 'executor') AS e (
        node_name text, address text, class text, "limit" bigint, in_use bigint, waiting bigint, tries bigint,
        retries bigint, timeouts bigint, failures bigint, retry_budget double precision, breaker text,
        load_factor double precision, reason text);
GRANT SELECT ON pg_catalog.cluster_executor TO pg_monitor, expanse_admin;
COMMENT ON VIEW pg_catalog.cluster_executor IS
    'How this node''s sidecar runs commands on the nodes, and why commands wait or are refused.';
COMMENT ON COLUMN pg_catalog.cluster_executor.node_name IS 'Node that the commands are for.';
COMMENT ON COLUMN pg_catalog.cluster_executor.address IS 'Address of its server.';
COMMENT ON COLUMN pg_catalog.cluster_executor.class IS
    'Class of the commands: critical, interactive, maintenance or background.';
COMMENT ON COLUMN pg_catalog.cluster_executor.socket_limit IS 'Connections that the class may use.';
COMMENT ON COLUMN pg_catalog.cluster_executor.in_use IS 'Connections in use.';
COMMENT ON COLUMN pg_catalog.cluster_executor.waiting IS 'Commands that wait for one.';
COMMENT ON COLUMN pg_catalog.cluster_executor.tries IS 'Tries since the sidecar was started.';
COMMENT ON COLUMN pg_catalog.cluster_executor.retries IS 'Tries that were repetitions.';
COMMENT ON COLUMN pg_catalog.cluster_executor.timeouts IS 'Tries that ended by their deadline.';
COMMENT ON COLUMN pg_catalog.cluster_executor.failures IS 'Commands that were given up.';
COMMENT ON COLUMN pg_catalog.cluster_executor.retry_budget IS 'Repetitions that are left at present.';
COMMENT ON COLUMN pg_catalog.cluster_executor.breaker IS 'Circuit breaker: closed, open or half_open.';
COMMENT ON COLUMN pg_catalog.cluster_executor.load_factor IS
    'Factor by which the time of a try is multiplied because the node is busy.';
COMMENT ON COLUMN pg_catalog.cluster_executor.reason IS
    'Why commands wait or are refused, or what the last failure was; NULL for nothing.';

CREATE VIEW pg_catalog.cluster_blocked AS
    SELECT b.node_name, b.what, b.why, to_timestamp(b.since) AS since, b.hint, b.weight, b.times, b.reported_by
    FROM jsonb_to_recordset(expanse.cluster_status() -> 'blocked') AS b (
        node_name text, what text, why text, since double precision, hint text, weight text, times bigint,
        reported_by text)
    UNION ALL
    SELECT n.node_name, 'status, operations and recovery of this node',
           CASE WHEN s.updated_at IS NULL THEN 'its sidecar has not said anything since the server was started'
                ELSE 'its sidecar has not said anything for more than 15 s' END,
           to_timestamp(s.updated_at),
           'Start expansed on this machine; it and expanse.control_socket must name the same socket.',
           'critical', NULL, n.node_name
    FROM expanse.local_node l JOIN expanse.node n USING (node_id)
    CROSS JOIN (SELECT (expanse.cluster_status() ->> 'updated_at')::double precision AS updated_at) AS s
    WHERE s.updated_at IS NULL OR to_timestamp(s.updated_at) < clock_timestamp() - interval '15 s';
GRANT SELECT ON pg_catalog.cluster_blocked TO pg_monitor, expanse_admin;
COMMENT ON VIEW pg_catalog.cluster_blocked IS 'What should happen and does not, why, since when, and what to do.';
COMMENT ON COLUMN pg_catalog.cluster_blocked.node_name IS 'Node that it is about.';
COMMENT ON COLUMN pg_catalog.cluster_blocked.what IS 'What should happen.';
COMMENT ON COLUMN pg_catalog.cluster_blocked.why IS 'Why it does not.';
COMMENT ON COLUMN pg_catalog.cluster_blocked.since IS 'Since when.';
COMMENT ON COLUMN pg_catalog.cluster_blocked.hint IS 'What to do.';
COMMENT ON COLUMN pg_catalog.cluster_blocked.weight IS
    'How much it matters: critical, interactive, maintenance or background.';
COMMENT ON COLUMN pg_catalog.cluster_blocked.times IS 'How often it has been given up.';
COMMENT ON COLUMN pg_catalog.cluster_blocked.reported_by IS 'Node whose sidecar reports it.';
