-- ---------------------------------------------------------------------------
-- Metadata: the same on every node but for local_node. Backends cache it; the triggers tell them of changes.
-- ---------------------------------------------------------------------------

CREATE TABLE expanse.node (
    node_id     int PRIMARY KEY,
    node_name   text NOT NULL UNIQUE,
    host        text NOT NULL,
    port        int  NOT NULL CHECK (port BETWEEN 1 AND 65535),
    weight      int  NOT NULL DEFAULT 1 CHECK (weight > 0),
    state       text NOT NULL CHECK (state IN ('active', 'joining', 'leaving', 'inactive')),
    UNIQUE (host, port)
);
GRANT SELECT ON expanse.node TO expanse_admin, pg_monitor;
COMMENT ON TABLE expanse.node IS 'Nodes of the cluster.';

CREATE TABLE expanse.hash_map (
    hash_map_version int PRIMARY KEY,
    current          boolean NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX hash_map_one_current ON expanse.hash_map (current) WHERE current;
GRANT SELECT ON expanse.hash_map TO expanse_admin, pg_monitor;
COMMENT ON TABLE expanse.hash_map IS 'Versions of the hash map.';

CREATE TABLE expanse.hash_map_range (
    hash_map_version int NOT NULL REFERENCES expanse.hash_map ON DELETE CASCADE,
    node_id          int NOT NULL REFERENCES expanse.node,
    first_bucket     int NOT NULL,
    last_bucket      int NOT NULL,
    PRIMARY KEY (hash_map_version, first_bucket),
    CHECK (0 <= first_bucket AND first_bucket <= last_bucket AND last_bucket <= 65535)
);
GRANT SELECT ON expanse.hash_map_range TO expanse_admin, pg_monitor;
COMMENT ON TABLE expanse.hash_map_range IS 'Which node owns which buckets in which version.';

-- Group 0 is the group of the replicated tables: no version, no type.
CREATE TABLE expanse.colocation_group (
    group_id          int PRIMARY KEY,
    hash_map_version  int REFERENCES expanse.hash_map,
    moving_to         int REFERENCES expanse.hash_map,
    distribution_type regtype
);
GRANT SELECT ON expanse.colocation_group TO expanse_admin, pg_monitor;
COMMENT ON TABLE expanse.colocation_group IS 'Groups of tables whose equal keys lie on the same node.';

CREATE TABLE expanse.distributed_table (
    relation            regclass PRIMARY KEY,
    group_id            int NOT NULL REFERENCES expanse.colocation_group,
    distribution_column text    -- NULL for a replicated table
);
GRANT SELECT ON expanse.distributed_table TO expanse_admin, pg_monitor;
COMMENT ON TABLE expanse.distributed_table IS 'Distributed and replicated tables.';

CREATE TABLE expanse.cluster (
    cluster_id         uuid NOT NULL,
    schema_locked_by   bigint,
    singleton          boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    last_node_id       int NOT NULL DEFAULT 1,   -- ids of nodes are never given twice
    -- What nodes show one another, so that no client's session is taken for a node's.
    peer_key           text NOT NULL
        DEFAULT replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')
);
GRANT SELECT (cluster_id, schema_locked_by, last_node_id) ON expanse.cluster TO expanse_admin, pg_monitor;
COMMENT ON TABLE expanse.cluster IS 'The cluster as a whole, in one row.';

CREATE TABLE expanse.storage (
    storage_name text PRIMARY KEY,
    directory    text NOT NULL
);
GRANT SELECT ON expanse.storage TO PUBLIC;
COMMENT ON TABLE expanse.storage IS 'Tablespaces that every node has.';

CREATE TABLE expanse.local_node (
    node_id   int NOT NULL,
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton)
);
GRANT SELECT ON expanse.local_node TO PUBLIC;
COMMENT ON TABLE expanse.local_node IS 'The id of this node, in one row.';

CREATE TABLE expanse.schema_gate ();
COMMENT ON TABLE expanse.schema_gate IS 'Lock of the schema: schema changes and what must not meet one lock this table.';

CREATE TABLE expanse.gate_0 ();
COMMENT ON TABLE expanse.gate_0 IS 'Group lock of the replicated tables.';

CREATE FUNCTION expanse.invalidate_metadata() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'invalidate_metadata';
GRANT EXECUTE ON FUNCTION expanse.invalidate_metadata() TO PUBLIC;
COMMENT ON FUNCTION expanse.invalidate_metadata() IS 'Tells all sessions of this node that the metadata has changed.';

CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON expanse.node
    FOR EACH STATEMENT EXECUTE FUNCTION expanse.invalidate_metadata();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON expanse.hash_map
    FOR EACH STATEMENT EXECUTE FUNCTION expanse.invalidate_metadata();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON expanse.hash_map_range
    FOR EACH STATEMENT EXECUTE FUNCTION expanse.invalidate_metadata();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON expanse.colocation_group
    FOR EACH STATEMENT EXECUTE FUNCTION expanse.invalidate_metadata();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON expanse.distributed_table
    FOR EACH STATEMENT EXECUTE FUNCTION expanse.invalidate_metadata();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON expanse.cluster
    FOR EACH STATEMENT EXECUTE FUNCTION expanse.invalidate_metadata();
CREATE TRIGGER invalidate AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON expanse.local_node
    FOR EACH STATEMENT EXECUTE FUNCTION expanse.invalidate_metadata();
