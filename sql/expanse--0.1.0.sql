\echo Use "CREATE EXTENSION expanse" to load this file. \quit

-- ---------------------------------------------------------------------------
-- Schema and role
-- ---------------------------------------------------------------------------

CREATE SCHEMA expanse;
GRANT USAGE ON SCHEMA expanse TO PUBLIC;

-- Members may call the functions that change the cluster.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'expanse_admin') THEN
        CREATE ROLE expanse_admin;
    END IF;
END
$$;

-- ---------------------------------------------------------------------------
-- Metadata: the same on every node but for local_node; column order is read by
-- catalog/metadata.rs
-- ---------------------------------------------------------------------------

CREATE TABLE expanse.node (
    node_id     int PRIMARY KEY,
    node_name   text NOT NULL UNIQUE,
    host        text NOT NULL,
    port        int  NOT NULL CHECK (port BETWEEN 1 AND 65535),
    weight      int  NOT NULL DEFAULT 1 CHECK (weight > 0),
    state       text NOT NULL CHECK (state IN ('active', 'joining', 'inactive')),
    UNIQUE (host, port)
);

CREATE TABLE expanse.hash_map (
    hash_map_version int PRIMARY KEY,
    current          boolean NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX hash_map_one_current ON expanse.hash_map (current) WHERE current;

CREATE TABLE expanse.hash_map_range (
    hash_map_version int NOT NULL REFERENCES expanse.hash_map ON DELETE CASCADE,
    node_id          int NOT NULL REFERENCES expanse.node,
    first_bucket     int NOT NULL,
    last_bucket      int NOT NULL,
    PRIMARY KEY (hash_map_version, first_bucket),
    CHECK (0 <= first_bucket AND first_bucket <= last_bucket AND last_bucket <= 65535)
);

-- Group 0 is the group of the replicated tables: no version, no type.
CREATE TABLE expanse.colocation_group (
    group_id          int PRIMARY KEY,
    hash_map_version  int REFERENCES expanse.hash_map,
    moving_to         int REFERENCES expanse.hash_map,
    distribution_type regtype
);

CREATE TABLE expanse.distributed_table (
    relation            regclass PRIMARY KEY,
    group_id            int NOT NULL REFERENCES expanse.colocation_group,
    distribution_column text    -- NULL for a replicated table
);

CREATE TABLE expanse.cluster (
    cluster_id         uuid NOT NULL,
    schema_locked_by   bigint,
    singleton          boolean PRIMARY KEY DEFAULT true CHECK (singleton)
);

-- This server's own identity; the only metadata that differs between nodes.
CREATE TABLE expanse.local_node (
    node_id   int NOT NULL,
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton)
);

-- Gate of the schema: locked by schema changes and by whatever must not meet one.
CREATE TABLE expanse.schema_gate ();
-- Gate of the replicated tables.
CREATE TABLE expanse.gate_0 ();

-- Decisions of transactions over several nodes that this node coordinated: there exactly if committed.
CREATE TABLE expanse.commit_record (
    transaction_name text PRIMARY KEY,
    written_at       timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION expanse.invalidate_metadata() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'invalidate_metadata';

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

-- ---------------------------------------------------------------------------
-- Buckets
-- ---------------------------------------------------------------------------

CREATE FUNCTION pg_catalog.cluster_bucket(value anyelement) RETURNS int
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cluster_bucket';
COMMENT ON FUNCTION pg_catalog.cluster_bucket(anyelement) IS
    'hash bucket (0..65535) of a distribution column''s value';
