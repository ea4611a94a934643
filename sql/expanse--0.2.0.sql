-- Put together from sql/parts by make sql: change those.

\echo Use "CREATE EXTENSION expanse" to load this file. \quit

-- ---------------------------------------------------------------------------
-- Schema and role
-- ---------------------------------------------------------------------------

CREATE SCHEMA expanse;
COMMENT ON SCHEMA expanse IS 'Internal objects of the extension Expanse.';

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

-- ---------------------------------------------------------------------------
-- Changes of the metadata. Every node runs them on its own copy, in one transaction over all nodes; they are for the
-- functions of the parts below, which check first. A relation is named by its schema and name: OIDs differ.
-- ---------------------------------------------------------------------------

CREATE FUNCTION expanse.qualified_name(relation regclass) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = $1;
    END;
GRANT EXECUTE ON FUNCTION expanse.qualified_name(regclass) TO PUBLIC;
COMMENT ON FUNCTION expanse.qualified_name(regclass) IS 'Gives the name of a relation with its schema, quoted.';

CREATE FUNCTION expanse.add_group(group_id int, hash_map_version int, distribution_type text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO expanse.colocation_group (group_id, hash_map_version, distribution_type)
        VALUES ($1, $2, $3::regtype)
        ON CONFLICT DO NOTHING;
    IF to_regclass(format('expanse.gate_%s', $1)) IS NULL THEN
        EXECUTE format('CREATE TABLE expanse.gate_%s ()', $1);
        EXECUTE format('ALTER EXTENSION expanse ADD TABLE expanse.gate_%s', $1);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION expanse.add_group(int, int, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.add_group(int, int, text) TO expanse_admin;
COMMENT ON FUNCTION expanse.add_group(int, int, text) IS 'Adds a colocation group, with its group lock.';

CREATE FUNCTION expanse.remove_group(group_id int) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM expanse.colocation_group g WHERE g.group_id = $1;
    IF to_regclass(format('expanse.gate_%s', $1)) IS NOT NULL THEN
        EXECUTE format('ALTER EXTENSION expanse DROP TABLE expanse.gate_%s', $1);
        EXECUTE format('DROP TABLE expanse.gate_%s', $1);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION expanse.remove_group(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.remove_group(int) TO expanse_admin;
COMMENT ON FUNCTION expanse.remove_group(int) IS 'Removes a colocation group, with its group lock.';

CREATE FUNCTION expanse.add_table(relation regclass, group_id int, distribution_column text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        INSERT INTO expanse.distributed_table (relation, group_id, distribution_column) VALUES ($1, $2, $3)
            ON CONFLICT (relation) DO UPDATE
            SET group_id = excluded.group_id, distribution_column = excluded.distribution_column;
    END;
REVOKE ALL ON FUNCTION expanse.add_table(regclass, int, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.add_table(regclass, int, text) TO expanse_admin;
COMMENT ON FUNCTION expanse.add_table(regclass, int, text) IS
    'Records a distributed table, or a replicated one, which has no distribution column.';

CREATE FUNCTION expanse.remove_table(relation regclass) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        DELETE FROM expanse.distributed_table t WHERE t.relation = $1;
    END;
REVOKE ALL ON FUNCTION expanse.remove_table(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.remove_table(regclass) TO expanse_admin;
COMMENT ON FUNCTION expanse.remove_table(regclass) IS 'Removes the record of a distributed or replicated table.';

CREATE FUNCTION expanse.set_group(relation regclass, group_id int) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        UPDATE expanse.distributed_table t SET group_id = $2 WHERE t.relation = $1;
    END;
REVOKE ALL ON FUNCTION expanse.set_group(regclass, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.set_group(regclass, int) TO expanse_admin;
COMMENT ON FUNCTION expanse.set_group(regclass, int) IS 'Puts a table into another colocation group.';

CREATE FUNCTION expanse.set_motion(group_id int, moving_to int) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        UPDATE expanse.colocation_group SET moving_to = $2 WHERE colocation_group.group_id = $1;
    END;
REVOKE ALL ON FUNCTION expanse.set_motion(int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.set_motion(int, int) TO expanse_admin;
COMMENT ON FUNCTION expanse.set_motion(int, int) IS
    'Records the hash map version that a group moves to; NULL when it does not move.';

CREATE FUNCTION expanse.set_binding(group_id int, hash_map_version int, distribution_column text DEFAULT NULL)
    RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        UPDATE expanse.distributed_table SET distribution_column = $3
            WHERE distributed_table.group_id = $1 AND $3 IS NOT NULL;
        UPDATE expanse.colocation_group g
            SET hash_map_version = $2,
                distribution_type = coalesce(
                    (SELECT a.atttypid FROM expanse.distributed_table t
                        JOIN pg_attribute a ON a.attrelid = t.relation AND a.attname = $3 AND NOT a.attisdropped
                        WHERE t.group_id = $1),
                    g.distribution_type)
            WHERE g.group_id = $1;
    END;
REVOKE ALL ON FUNCTION expanse.set_binding(int, int, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.set_binding(int, int, text) TO expanse_admin;
COMMENT ON FUNCTION expanse.set_binding(int, int, text) IS
    'Binds a group to a hash map version, and its only table to another distribution column if one is given.';

CREATE FUNCTION expanse.make_current(hash_map_version int) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        UPDATE expanse.hash_map SET current = false WHERE current AND hash_map.hash_map_version <> $1;
        UPDATE expanse.hash_map SET current = true WHERE hash_map.hash_map_version = $1 AND NOT current;
    END;
REVOKE ALL ON FUNCTION expanse.make_current(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.make_current(int) TO expanse_admin;
COMMENT ON FUNCTION expanse.make_current(int) IS 'Makes a hash map version the current one.';

-- No version is dropped while a group moves: the group may go back to a version that nothing is bound to meanwhile.
CREATE FUNCTION expanse.drop_unused_hash_maps() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM expanse.remove_group(g.group_id)
        FROM expanse.colocation_group g
        JOIN expanse.hash_map m ON m.hash_map_version = g.hash_map_version AND NOT m.current
        WHERE g.moving_to IS NULL
          AND NOT EXISTS (SELECT FROM expanse.distributed_table t WHERE t.group_id = g.group_id);
    DELETE FROM expanse.hash_map m
        WHERE NOT m.current
          AND NOT EXISTS (SELECT FROM expanse.colocation_group g
                          WHERE m.hash_map_version = g.hash_map_version OR g.moving_to IS NOT NULL);
END
$$;
REVOKE ALL ON FUNCTION expanse.drop_unused_hash_maps() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.drop_unused_hash_maps() TO expanse_admin;
COMMENT ON FUNCTION expanse.drop_unused_hash_maps() IS
    'Drops hash map versions that are neither current nor have tables, with their empty groups.';

CREATE FUNCTION expanse.put_node(node_id int, node_name text, host text, port int, weight int, state text)
    RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        INSERT INTO expanse.node (node_id, node_name, host, port, weight, state) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (node_id) DO UPDATE
            SET host = excluded.host, port = excluded.port, weight = excluded.weight, state = excluded.state;
        UPDATE expanse.cluster SET last_node_id = greatest(last_node_id, $1);
    END;
REVOKE ALL ON FUNCTION expanse.put_node(int, text, text, int, int, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.put_node(int, text, text, int, int, text) TO expanse_admin;
COMMENT ON FUNCTION expanse.put_node(int, text, text, int, int, text) IS
    'Adds a node, or changes its address, weight and state.';

CREATE FUNCTION expanse.set_node_state(node_id int, state text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        UPDATE expanse.node SET state = $2 WHERE node.node_id = $1;
    END;
REVOKE ALL ON FUNCTION expanse.set_node_state(int, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.set_node_state(int, text) TO expanse_admin;
COMMENT ON FUNCTION expanse.set_node_state(int, text) IS 'Changes the state of a node.';

CREATE FUNCTION expanse.remove_node(node_id int) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        DELETE FROM expanse.node WHERE node.node_id = $1;
    END;
REVOKE ALL ON FUNCTION expanse.remove_node(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.remove_node(int) TO expanse_admin;
COMMENT ON FUNCTION expanse.remove_node(int) IS 'Removes a node.';

CREATE FUNCTION expanse.put_storage(storage_name text, directory text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        INSERT INTO expanse.storage (storage_name, directory) VALUES ($1, $2) ON CONFLICT DO NOTHING;
    END;
REVOKE ALL ON FUNCTION expanse.put_storage(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.put_storage(text, text) TO expanse_admin;
COMMENT ON FUNCTION expanse.put_storage(text, text) IS 'Adds a storage.';

CREATE FUNCTION expanse.remove_storage(storage_name text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        DELETE FROM expanse.storage WHERE storage.storage_name = $1;
    END;
REVOKE ALL ON FUNCTION expanse.remove_storage(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.remove_storage(text) TO expanse_admin;
COMMENT ON FUNCTION expanse.remove_storage(text) IS 'Removes a storage.';

CREATE FUNCTION expanse.set_schema_lock(operation bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        UPDATE expanse.cluster SET schema_locked_by = $1;
    END;
REVOKE ALL ON FUNCTION expanse.set_schema_lock(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.set_schema_lock(bigint) TO expanse_admin;
COMMENT ON FUNCTION expanse.set_schema_lock(bigint) IS 'Records the operation that holds the schema locked; NULL for none.';

CREATE FUNCTION expanse.dump_metadata() RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sequences jsonb := '{}';
    sequence  regclass;
    used      bigint;
BEGIN
    -- What a sequence gave here is not less than what it gave before its table was distributed.
    FOR sequence IN
        SELECT d.objid FROM expanse.distributed_table t
            JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                AND d.refobjid = t.relation AND d.deptype IN ('a', 'i')
            JOIN pg_sequence s ON s.seqrelid = d.objid
        UNION
        SELECT d.refobjid FROM expanse.distributed_table t
            JOIN pg_attrdef a ON a.adrelid = t.relation
            JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = a.oid
                AND d.refclassid = 'pg_class'::regclass
            JOIN pg_sequence s ON s.seqrelid = d.refobjid
    LOOP
        EXECUTE format('SELECT last_value FROM %s', sequence) INTO used;
        sequences := sequences || jsonb_build_object(expanse.qualified_name(sequence), used);
    END LOOP;
    RETURN jsonb_build_object(
        'cluster', (SELECT to_jsonb(c) - 'peer_key' FROM expanse.cluster c),
        'nodes', (SELECT coalesce(jsonb_agg(n), '[]') FROM expanse.node n),
        'storages', (SELECT coalesce(jsonb_agg(s), '[]') FROM expanse.storage s),
        'hash_maps', (SELECT coalesce(jsonb_agg(m), '[]') FROM expanse.hash_map m),
        'ranges', (SELECT coalesce(jsonb_agg(r), '[]') FROM expanse.hash_map_range r),
        'groups', (SELECT coalesce(jsonb_agg(g), '[]') FROM expanse.colocation_group g),
        'tables', (SELECT coalesce(jsonb_agg(jsonb_build_object('name', expanse.qualified_name(t.relation),
                                                       'group_id', t.group_id, 'column', t.distribution_column)), '[]')
                   FROM expanse.distributed_table t),
        'sequences', sequences);
END
$$;
REVOKE ALL ON FUNCTION expanse.dump_metadata() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.dump_metadata() TO expanse_admin;
COMMENT ON FUNCTION expanse.dump_metadata() IS 'Gives all metadata of this node but its identity, for a node that joins.';

CREATE FUNCTION expanse.load_metadata(node_id int, metadata jsonb) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM expanse.distributed_table;
    DELETE FROM expanse.hash_map_range;
    PERFORM expanse.remove_group(g.group_id) FROM expanse.colocation_group g
        WHERE g.group_id > 0
          AND NOT EXISTS (SELECT FROM jsonb_to_recordset($2 -> 'groups') AS w (group_id int)
                          WHERE w.group_id = g.group_id);
    DELETE FROM expanse.colocation_group;
    DELETE FROM expanse.hash_map;
    DELETE FROM expanse.local_node;
    DELETE FROM expanse.node;
    DELETE FROM expanse.storage;
    DELETE FROM expanse.cluster;
    -- The key is not in the text of a statement: the session has it.
    INSERT INTO expanse.cluster SELECT * FROM jsonb_populate_record(NULL::expanse.cluster, $2 -> 'cluster'
        || jsonb_build_object('peer_key', nullif(current_setting('expanse.peer_key'), '')));
    INSERT INTO expanse.node SELECT * FROM jsonb_populate_recordset(NULL::expanse.node, $2 -> 'nodes');
    INSERT INTO expanse.storage SELECT * FROM jsonb_populate_recordset(NULL::expanse.storage, $2 -> 'storages');
    INSERT INTO expanse.local_node (node_id) VALUES ($1);
    INSERT INTO expanse.hash_map SELECT * FROM jsonb_populate_recordset(NULL::expanse.hash_map, $2 -> 'hash_maps');
    INSERT INTO expanse.hash_map_range
        SELECT * FROM jsonb_populate_recordset(NULL::expanse.hash_map_range, $2 -> 'ranges');
    PERFORM expanse.add_group(g.group_id, g.hash_map_version, g.distribution_type)
        FROM jsonb_to_recordset($2 -> 'groups') AS g (group_id int, hash_map_version int, distribution_type text);
    UPDATE expanse.colocation_group c SET moving_to = g.moving_to
        FROM jsonb_to_recordset($2 -> 'groups') AS g (group_id int, moving_to int)
        WHERE c.group_id = g.group_id AND g.moving_to IS NOT NULL;
    PERFORM expanse.add_table(to_regclass(t.name), t.group_id, t."column")
        FROM jsonb_to_recordset($2 -> 'tables') AS t (name text, group_id int, "column" text)
        WHERE to_regclass(t.name) IS NOT NULL;
    PERFORM expanse.spread_sequence(to_regclass(s.key), s.value::bigint)
        FROM jsonb_each_text($2 -> 'sequences') AS s
        WHERE to_regclass(s.key) IS NOT NULL;
END
$$;
REVOKE ALL ON FUNCTION expanse.load_metadata(int, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.load_metadata(int, jsonb) TO expanse_admin;
COMMENT ON FUNCTION expanse.load_metadata(int, jsonb) IS
    'Takes over what dump_metadata gave on another node; tables that do not exist here are left out.';

CREATE FUNCTION expanse.clear_metadata() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM expanse.distributed_table;
    PERFORM expanse.remove_group(group_id) FROM expanse.colocation_group WHERE group_id > 0;
    DELETE FROM expanse.colocation_group;
    DELETE FROM expanse.hash_map;
    DELETE FROM expanse.local_node;
    DELETE FROM expanse.node;
    DELETE FROM expanse.storage;
    DELETE FROM expanse.cluster;
END
$$;
REVOKE ALL ON FUNCTION expanse.clear_metadata() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.clear_metadata() TO expanse_admin;
COMMENT ON FUNCTION expanse.clear_metadata() IS 'Removes all metadata: this server belongs to no cluster any more.';

-- ---------------------------------------------------------------------------
-- Buckets: which node a value belongs to
-- ---------------------------------------------------------------------------

CREATE FUNCTION pg_catalog.cluster_bucket(value anyelement) RETURNS int
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cluster_bucket';
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_bucket(anyelement) TO PUBLIC;
COMMENT ON FUNCTION pg_catalog.cluster_bucket(anyelement) IS
    E'Gives the hash bucket (0 to 65535) of a value of a distribution column. NULL for NULL.\n'
    'Errors: XP015 if the type has no built-in extended hash function.';

CREATE FUNCTION pg_catalog.cluster_owner(relation regclass, value anyelement) RETURNS text
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'cluster_owner';
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_owner(regclass, anyelement) TO PUBLIC;
COMMENT ON FUNCTION pg_catalog.cluster_owner(regclass, anyelement) IS
    E'Gives the name of the node that owns the rows with this value in the distribution column. NULL for NULL.\n'
    'Errors: XP002 without a cluster, XP018 if the table is not distributed, XP015 if the value''s type cannot be '
    'hashed.';

CREATE FUNCTION expanse.owns(value anyelement, hash_map_version int) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'owns';
GRANT EXECUTE ON FUNCTION expanse.owns(anyelement, int) TO PUBLIC;
COMMENT ON FUNCTION expanse.owns(anyelement, int) IS
    'Tells whether this node owns the value''s bucket in that hash map version.';

-- ---------------------------------------------------------------------------
-- Status: the sidecar's view of the cluster, in shared memory
-- ---------------------------------------------------------------------------

CREATE FUNCTION expanse.store_status(status text) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'publish_status';
REVOKE ALL ON FUNCTION expanse.store_status(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.store_status(text) TO expanse_admin;
COMMENT ON FUNCTION expanse.store_status(text) IS 'Stores the status that the views show, as text.';

CREATE FUNCTION expanse.publish_status(status jsonb) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT expanse.store_status($1::text);
    END;
REVOKE ALL ON FUNCTION expanse.publish_status(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.publish_status(jsonb) TO expanse_admin;
COMMENT ON FUNCTION expanse.publish_status(jsonb) IS 'Stores the status that the views show; called by the sidecar.';

CREATE FUNCTION expanse.fetch_status() RETURNS text
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'cluster_status';
REVOKE ALL ON FUNCTION expanse.fetch_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.fetch_status() TO expanse_admin, pg_monitor;
COMMENT ON FUNCTION expanse.fetch_status() IS 'Gives the status that the sidecar has stored, as text.';

CREATE FUNCTION expanse.cluster_status() RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT expanse.fetch_status()::jsonb;
    END;
REVOKE ALL ON FUNCTION expanse.cluster_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.cluster_status() TO expanse_admin, pg_monitor;
COMMENT ON FUNCTION expanse.cluster_status() IS 'Gives the status that the sidecar has stored.';

-- ---------------------------------------------------------------------------
-- Commands for other nodes
-- ---------------------------------------------------------------------------

CREATE FUNCTION pg_catalog.cluster_run_on_nodes(command text,
        OUT node_name text, OUT ok boolean, OUT result text) RETURNS SETOF record
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cluster_run_on_nodes';
REVOKE ALL ON FUNCTION pg_catalog.cluster_run_on_nodes(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_run_on_nodes(text) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_run_on_nodes(text) IS
    E'Runs a command on every node, each time in a session and a transaction of its own, as the calling user. '
    'Gives a row for each node: its name, whether the command succeeded, and the first value of the last '
    'statement, its command tag, or the message of its error.\n'
    'Errors: XP002 without a cluster. The error of a node is a row of the result.';

-- ---------------------------------------------------------------------------
-- Transactions over several nodes: commit records and recovery
-- ---------------------------------------------------------------------------

CREATE TABLE expanse.commit_record (
    transaction_name text PRIMARY KEY,
    written_at       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE expanse.commit_record IS
    'Decisions of transactions over several nodes that this node coordinated: a record is there exactly if the '
    'transaction is committed.';

CREATE FUNCTION expanse.recover_transactions() RETURNS int
    LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'recover_transactions';
REVOKE ALL ON FUNCTION expanse.recover_transactions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.recover_transactions() TO expanse_admin;
COMMENT ON FUNCTION expanse.recover_transactions() IS
    'Finishes prepared transactions that this node coordinates and that a crash has left; gives their number.';

-- ---------------------------------------------------------------------------
-- Snapshots of several nodes that belong together. These functions are for the coordinator of a read or a write, as the
-- user that it works for.
-- ---------------------------------------------------------------------------

CREATE FUNCTION expanse.announce_transaction(name text, members bigint) RETURNS void
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'announce_transaction';
GRANT EXECUTE ON FUNCTION expanse.announce_transaction(text, bigint) TO PUBLIC;
COMMENT ON FUNCTION expanse.announce_transaction(text, bigint) IS
    'Tells this node the name and the number of members of the transaction that its session works for.';

CREATE FUNCTION expanse.report_transactions() RETURNS text
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'report_transactions';
GRANT EXECUTE ON FUNCTION expanse.report_transactions() TO PUBLIC;
COMMENT ON FUNCTION expanse.report_transactions() IS
    'Gives the transactions over several nodes that are prepared here, and those that were committed lately.';

CREATE FUNCTION expanse.await_transactions(fingerprints text, timeout_ms int) RETURNS boolean
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'await_transactions';
GRANT EXECUTE ON FUNCTION expanse.await_transactions(text, int) TO PUBLIC;
COMMENT ON FUNCTION expanse.await_transactions(text, int) IS
    'Waits until prepared transactions are decided, for at most timeout_ms milliseconds; tells whether they are.';

CREATE FUNCTION expanse.hold_commits() RETURNS boolean
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'hold_commits';
GRANT EXECUTE ON FUNCTION expanse.hold_commits() TO PUBLIC;
COMMENT ON FUNCTION expanse.hold_commits() IS
    'Suspends commits of transactions that this node coordinates for a moment; tells whether none commits now.';

CREATE FUNCTION expanse.release_commits() RETURNS void
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'release_commits';
GRANT EXECUTE ON FUNCTION expanse.release_commits() TO PUBLIC;
COMMENT ON FUNCTION expanse.release_commits() IS 'Resumes commits of transactions that this node coordinates.';

-- ---------------------------------------------------------------------------
-- Deadlocks over several nodes
-- ---------------------------------------------------------------------------

-- A session is named node:pid:user. A session that works for another node's session, as its application name says, has the
-- name of that one, so that the edges of all nodes make one graph.
CREATE FUNCTION expanse.wait_edges(OUT waiting text, OUT blocking text) RETURNS SETOF record
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        WITH session AS MATERIALIZED (
            SELECT a.pid,
                   CASE WHEN a.application_name ~ '^expanse:[^:]+:[0-9]+$' THEN substr(a.application_name, 9)
                        ELSE n.node_name || ':' || a.pid END || ':' || a.usename AS vertex
            FROM pg_stat_activity a, expanse.local_node l JOIN expanse.node n ON n.node_id = l.node_id
            WHERE a.backend_type = 'client backend' AND a.datname = current_database()
        )
        SELECT DISTINCT w.vertex, b.vertex
        FROM pg_locks k
        JOIN session w ON w.pid = k.pid
        CROSS JOIN LATERAL unnest(pg_blocking_pids(k.pid)) AS p (pid)
        JOIN session b ON b.pid = p.pid
        WHERE NOT k.granted AND k.waitstart < clock_timestamp() - interval '500 ms' AND w.vertex <> b.vertex;
    END;
REVOKE ALL ON FUNCTION expanse.wait_edges() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.wait_edges() TO expanse_admin;
COMMENT ON FUNCTION expanse.wait_edges() IS 'Gives the waits for locks on this node, by the sessions that they are for.';

CREATE FUNCTION expanse.wait_graph() RETURNS json
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT json_build_object(
            'edges', (SELECT coalesce(json_agg(e), '[]') FROM expanse.wait_edges() e),
            'began', (
                SELECT coalesce(json_object_agg(n.node_name || ':' || a.pid || ':' || a.usename,
                                                extract(epoch FROM a.xact_start)), '{}')
                FROM pg_stat_activity a, expanse.local_node l JOIN expanse.node n ON n.node_id = l.node_id
                WHERE a.backend_type = 'client backend' AND a.xact_start IS NOT NULL
                  AND a.datname = current_database() AND a.application_name !~ '^expanse:[^:]+:[0-9]+$'
            ));
    END;
REVOKE ALL ON FUNCTION expanse.wait_graph() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.wait_graph() TO expanse_admin;
COMMENT ON FUNCTION expanse.wait_graph() IS
    'Gives the waits for locks on this node, and when the transactions of its own sessions began.';

CREATE FUNCTION expanse.mark_deadlocked(pid int) RETURNS void
    LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'mark_deadlocked';
REVOKE ALL ON FUNCTION expanse.mark_deadlocked(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.mark_deadlocked(int) TO expanse_admin;
COMMENT ON FUNCTION expanse.mark_deadlocked(int) IS
    'Makes a session of this node report SQLSTATE 40P01 when it is cancelled next.';

-- Every node finds the same cycles and the same victim in each, the youngest transaction, so exactly one node acts.
CREATE FUNCTION expanse.break_deadlocks() RETURNS int
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    victim text;
    broken int := 0;
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()
          AND datname = current_database() AND wait_event_type IN ('Lock', 'Extension')
          AND state_change < clock_timestamp() - interval '500 ms'
    ) THEN
        RETURN 0;
    END IF;
    FOR victim IN
        WITH RECURSIVE graph AS MATERIALIZED (
            SELECT result::json AS node FROM cluster_run_on_nodes('SELECT expanse.wait_graph()') WHERE ok
        ), edge AS MATERIALIZED (
            SELECT DISTINCT e.waiting, e.blocking
            FROM graph CROSS JOIN LATERAL json_to_recordset(node -> 'edges') AS e (waiting text, blocking text)
        ), began AS MATERIALIZED (
            SELECT b.key AS vertex, b.value::numeric AS at
            FROM graph CROSS JOIN LATERAL json_each_text(node -> 'began') AS b
        ), reach AS (
            SELECT waiting, blocking FROM edge
            UNION
            SELECT r.waiting, e.blocking FROM reach r JOIN edge e ON e.waiting = r.blocking
        ), cycle AS (
            SELECT DISTINCT there.waiting AS member, there.blocking AS vertex
            FROM reach there JOIN reach back ON back.waiting = there.blocking AND back.blocking = there.waiting
        )
        SELECT DISTINCT first_value(vertex) OVER (PARTITION BY member ORDER BY at DESC NULLS LAST, vertex COLLATE "C" DESC)
        FROM cycle LEFT JOIN began USING (vertex)
    LOOP
        IF split_part(victim, ':', 1) = (
            SELECT node_name FROM expanse.local_node JOIN expanse.node USING (node_id)
        ) THEN
            PERFORM expanse.mark_deadlocked(split_part(victim, ':', 2)::int);
            IF pg_cancel_backend(split_part(victim, ':', 2)::int) THEN
                RAISE LOG 'deadlock over nodes: session % gives way', victim;
                broken := broken + 1;
            END IF;
        END IF;
    END LOOP;
    RETURN broken;
END
$$;
REVOKE ALL ON FUNCTION expanse.break_deadlocks() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.break_deadlocks() TO expanse_admin;
COMMENT ON FUNCTION expanse.break_deadlocks() IS
    'Cancels sessions of this node that close a cycle of waits over several nodes; gives their number.';

-- ---------------------------------------------------------------------------
-- Rows that a statement of this session needs and that were read elsewhere. Every user may call these functions: they
-- are about the caller's own session.
-- ---------------------------------------------------------------------------

CREATE FUNCTION expanse.exchange_add(number int, first boolean, lines text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'exchange_add';
GRANT EXECUTE ON FUNCTION expanse.exchange_add(int, boolean, text) TO PUBLIC;
COMMENT ON FUNCTION expanse.exchange_add(int, boolean, text) IS
    'Adds rows, as lines of COPY, to an exchange of this session.';

-- Declared immutable because it gives the same rows throughout the statement.
CREATE FUNCTION expanse.exchange_rows(number int) RETURNS SETOF record
    LANGUAGE c IMMUTABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'exchange_rows';
GRANT EXECUTE ON FUNCTION expanse.exchange_rows(int) TO PUBLIC;
COMMENT ON FUNCTION expanse.exchange_rows(int) IS 'Gives the rows of an exchange of this session.';

CREATE FUNCTION expanse.returned_rows(number int) RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'exchange_rows';
GRANT EXECUTE ON FUNCTION expanse.returned_rows(int) TO PUBLIC;
COMMENT ON FUNCTION expanse.returned_rows(int) IS 'Gives the rows of an exchange that this session alone has.';

CREATE FUNCTION expanse.row_moves(key anyelement) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'row_moves';
GRANT EXECUTE ON FUNCTION expanse.row_moves(anyelement) TO PUBLIC;
COMMENT ON FUNCTION expanse.row_moves(anyelement) IS
    'Marks the rows of a DELETE that are inserted on another node; true in any other place.';

-- ---------------------------------------------------------------------------
-- Parts of aggregates: what a node delivers of an aggregate that is combined elsewhere is its transition state.
-- partial_NAME has the transition function of pg_catalog.NAME and ends with its serialized state. Every user may call them,
-- as the aggregates that they are parts of.
-- ---------------------------------------------------------------------------

CREATE AGGREGATE expanse.partial_avg(bigint)
    (SFUNC = int8_avg_accum, STYPE = internal, FINALFUNC = int8_avg_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_avg(double precision)
    (SFUNC = float8_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_avg(integer)
    (SFUNC = int4_avg_accum, STYPE = bigint[], INITCOND = '{0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_avg(interval)
    (SFUNC = interval_accum, STYPE = interval[], INITCOND = '{0 second,0 second}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_avg(numeric)
    (SFUNC = numeric_avg_accum, STYPE = internal, FINALFUNC = numeric_avg_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_avg(real)
    (SFUNC = float4_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_avg(smallint)
    (SFUNC = int2_avg_accum, STYPE = bigint[], INITCOND = '{0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_corr(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_covar_pop(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_covar_samp(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_regr_avgx(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_regr_avgy(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_regr_intercept(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_regr_r2(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_regr_slope(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_regr_sxx(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_regr_sxy(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_regr_syy(double precision, double precision)
    (SFUNC = float8_regr_accum, STYPE = double precision[], INITCOND = '{0,0,0,0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev(bigint)
    (SFUNC = int8_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev(double precision)
    (SFUNC = float8_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev(integer)
    (SFUNC = int4_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev(numeric)
    (SFUNC = numeric_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev(real)
    (SFUNC = float4_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev(smallint)
    (SFUNC = int2_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_pop(bigint)
    (SFUNC = int8_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_pop(double precision)
    (SFUNC = float8_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_pop(integer)
    (SFUNC = int4_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_pop(numeric)
    (SFUNC = numeric_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_pop(real)
    (SFUNC = float4_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_pop(smallint)
    (SFUNC = int2_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_samp(bigint)
    (SFUNC = int8_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_samp(double precision)
    (SFUNC = float8_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_samp(integer)
    (SFUNC = int4_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_samp(numeric)
    (SFUNC = numeric_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_samp(real)
    (SFUNC = float4_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_stddev_samp(smallint)
    (SFUNC = int2_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_sum(bigint)
    (SFUNC = int8_avg_accum, STYPE = internal, FINALFUNC = int8_avg_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_sum(numeric)
    (SFUNC = numeric_avg_accum, STYPE = internal, FINALFUNC = numeric_avg_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_pop(bigint)
    (SFUNC = int8_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_pop(double precision)
    (SFUNC = float8_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_pop(integer)
    (SFUNC = int4_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_pop(numeric)
    (SFUNC = numeric_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_pop(real)
    (SFUNC = float4_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_pop(smallint)
    (SFUNC = int2_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_samp(bigint)
    (SFUNC = int8_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_samp(double precision)
    (SFUNC = float8_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_samp(integer)
    (SFUNC = int4_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_samp(numeric)
    (SFUNC = numeric_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_samp(real)
    (SFUNC = float4_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_var_samp(smallint)
    (SFUNC = int2_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_variance(bigint)
    (SFUNC = int8_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_variance(double precision)
    (SFUNC = float8_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_variance(integer)
    (SFUNC = int4_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_variance(numeric)
    (SFUNC = numeric_accum, STYPE = internal, FINALFUNC = numeric_serialize, PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_variance(real)
    (SFUNC = float4_accum, STYPE = double precision[], INITCOND = '{0,0,0}', PARALLEL = SAFE);
CREATE AGGREGATE expanse.partial_variance(smallint)
    (SFUNC = int2_accum, STYPE = internal, FINALFUNC = numeric_poly_serialize, PARALLEL = SAFE);

DO $$
DECLARE
    part regprocedure;
BEGIN
    FOR part IN SELECT oid FROM pg_proc WHERE pronamespace = 'expanse'::regnamespace AND prokind = 'a' LOOP
        EXECUTE format('COMMENT ON AGGREGATE %s IS %L', part,
            'Gives the transition state of ' || substr((SELECT proname FROM pg_proc WHERE oid = part), 9)
            || ', to be combined on another node.');
    END LOOP;
END
$$;

-- ---------------------------------------------------------------------------
-- Schema changes. These functions are for other nodes, as the user that they work for.
-- ---------------------------------------------------------------------------

CREATE FUNCTION expanse.lock_schema_gate() RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'lock_schema_gate';
GRANT EXECUTE ON FUNCTION expanse.lock_schema_gate() TO PUBLIC;
COMMENT ON FUNCTION expanse.lock_schema_gate() IS
    'Locks the schema for one change at a time until the transaction ends; called on the active node with the '
    'lowest id.';

CREATE FUNCTION expanse.close_door() RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'close_door';
GRANT EXECUTE ON FUNCTION expanse.close_door() TO PUBLIC;
COMMENT ON FUNCTION expanse.close_door() IS
    'Closes the begin barrier of this node: transaction blocks wait at their BEGIN for a moment.';

CREATE FUNCTION expanse.lock_tables(tables regclass[], modes int[]) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'lock_tables';
GRANT EXECUTE ON FUNCTION expanse.lock_tables(regclass[], int[]) TO PUBLIC;
COMMENT ON FUNCTION expanse.lock_tables(regclass[], int[]) IS
    'Locks tables of this node, in modes as PostgreSQL numbers them.';

CREATE FUNCTION expanse.add_unbuilt_index(definition text) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'add_unbuilt_index';
GRANT EXECUTE ON FUNCTION expanse.add_unbuilt_index(text) TO PUBLIC;
COMMENT ON FUNCTION expanse.add_unbuilt_index(text) IS
    'Adds this node''s part of an index that is created concurrently, under the search path of the session.';

-- Schema changes of distributed tables are refused while an operation holds the lock.

CREATE FUNCTION expanse.lock_schema(operation bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'lock_schema';
REVOKE ALL ON FUNCTION expanse.lock_schema(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.lock_schema(bigint) TO expanse_admin;
COMMENT ON FUNCTION expanse.lock_schema(bigint) IS 'Locks the schema for an operation, on all nodes.';

CREATE FUNCTION expanse.unlock_schema(operation bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'unlock_schema';
REVOKE ALL ON FUNCTION expanse.unlock_schema(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.unlock_schema(bigint) TO expanse_admin;
COMMENT ON FUNCTION expanse.unlock_schema(bigint) IS 'Unlocks the schema that an operation has locked, on all nodes.';

-- ---------------------------------------------------------------------------
-- Distributed, replicated and local tables
-- ---------------------------------------------------------------------------

CREATE FUNCTION pg_catalog.cluster_distribute_table(
        relation regclass, distribution_column text, colocate_with regclass DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_distribute_table';
REVOKE ALL ON FUNCTION pg_catalog.cluster_distribute_table(regclass, text, regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_distribute_table(regclass, text, regclass) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_distribute_table(regclass, text, regclass) IS
    E'Distributes a table of this node over all nodes, by the hash of a column. Its rows move to their owners in '
    'the same transaction. The table joins the colocation group of colocate_with, or that of its type in the '
    'current hash map.\n'
    'Errors: XP002 without a cluster, XP008 if a node is not active, XP013, XP014, XP015 and XP016 if table or '
    'column are not suitable, XP017 if the table is distributed already, XP019 if it cannot be colocated, XP021 '
    'while an operation locks the schema, 25001 in a REPEATABLE READ transaction.';

CREATE FUNCTION pg_catalog.cluster_replicate_table(relation regclass) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_replicate_table';
REVOKE ALL ON FUNCTION pg_catalog.cluster_replicate_table(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_replicate_table(regclass) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_replicate_table(regclass) IS
    E'Gives every node a full copy of a table of this node, in the same transaction.\n'
    'Errors: XP002 without a cluster, XP008 if a node is not active, XP016 if the table is not suitable, XP017 if '
    'it is distributed or replicated already, XP021 while an operation locks the schema.';

CREATE FUNCTION pg_catalog.cluster_localize_table(relation regclass) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_localize_table';
REVOKE ALL ON FUNCTION pg_catalog.cluster_localize_table(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_localize_table(regclass) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_localize_table(regclass) IS
    E'Makes a distributed or replicated table a plain table of this node again, with all its rows. Its writers '
    'wait meanwhile.\n'
    'Errors: XP018 if the table is not distributed, XP008 if a node is not active, XP020 if a foreign key needs '
    'tables that stay distributed, XP024 while its group is moved, XP021 while an operation locks the schema.';

-- This node gives the values whose remainder by the step is its id. Values up to `used`, which were given before, are
-- skipped, so nodes that come later are covered too. The step leaves a bigint 9 * 10^15 values a node on up to 1024
-- nodes, an integer 33 million on up to 64, a smallint 2047 on up to 16.
CREATE FUNCTION expanse.spread_sequence(sequence regclass, used bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    node  int := (SELECT node_id FROM expanse.local_node);
    s     pg_sequence := (SELECT q FROM pg_sequence q WHERE q.seqrelid = $1);
    step  bigint := CASE s.seqtypid WHEN 'bigint'::regtype THEN 1024 WHEN 'integer'::regtype THEN 64 ELSE 16 END;
    first bigint := greatest(s.seqmin, 0);
    next  bigint := greatest(s.seqmin, 0, $2 + 1);
BEGIN
    IF node > step OR s.seqincrement < 0 THEN
        RAISE EXCEPTION 'sequence "%" cannot be distributed to node %', $1, node
            USING ERRCODE = 'XP016',
                  HINT = 'Give the column the type bigint, and its sequence a positive increment.';
    END IF;
    first := first + (node - first % step + step) % step;
    next := next + (node - next % step + step) % step;
    IF (s.seqincrement, s.seqstart) IS DISTINCT FROM (step, first) THEN
        EXECUTE format('ALTER SEQUENCE %s INCREMENT BY %s START WITH %s RESTART WITH %s', $1, step, first, next);
    END IF;
END
$$;
GRANT EXECUTE ON FUNCTION expanse.spread_sequence(regclass, bigint) TO PUBLIC;
COMMENT ON FUNCTION expanse.spread_sequence(regclass, bigint) IS 'Makes a sequence give values that no other node gives.';

-- Triggers of tables whose own triggers could change the distribution column.
CREATE FUNCTION expanse.check_key() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'check_key';
GRANT EXECUTE ON FUNCTION expanse.check_key() TO PUBLIC;
COMMENT ON FUNCTION expanse.check_key() IS 'Refuses a row whose distribution column a trigger has changed.';

CREATE FUNCTION expanse.guard_key(relation regclass, watch boolean) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'guard_key';
REVOKE ALL ON FUNCTION expanse.guard_key(regclass, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.guard_key(regclass, boolean) TO expanse_admin;
COMMENT ON FUNCTION expanse.guard_key(regclass, boolean) IS
    'Adds or removes the trigger that watches the distribution column of a table.';

CREATE FUNCTION expanse.fragments(
        OUT relation regclass, OUT node_name text, OUT row_estimate bigint, OUT bytes bigint) RETURNS SETOF record
    LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'fragments';
REVOKE ALL ON FUNCTION expanse.fragments() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.fragments() TO expanse_admin, pg_monitor;
COMMENT ON FUNCTION expanse.fragments() IS
    'Gives every node''s part of every distributed table, with estimated rows and bytes.';

-- ---------------------------------------------------------------------------
-- Rebind: steps that the sidecar calls
-- ---------------------------------------------------------------------------

CREATE FUNCTION expanse.group_relations(group_id int) RETURNS SETOF regclass
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT t.relation FROM expanse.distributed_table t WHERE t.group_id = $1 ORDER BY t.relation::oid;
    END;
GRANT EXECUTE ON FUNCTION expanse.group_relations(int) TO PUBLIC;
COMMENT ON FUNCTION expanse.group_relations(int) IS 'Gives the tables of a colocation group.';

CREATE FUNCTION expanse.move_plan(
        relation regclass, target_version int DEFAULT NULL,
        OUT source_node text, OUT target_node text, OUT first_bucket int, OUT last_bucket int) RETURNS SETOF record
    LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'move_plan';
GRANT EXECUTE ON FUNCTION expanse.move_plan(regclass, int) TO PUBLIC;
COMMENT ON FUNCTION expanse.move_plan(regclass, int) IS
    'Gives the buckets of the relation''s group that go from one node to another; to the current hash map unless '
    'told otherwise.';

CREATE FUNCTION expanse.bucket_filter(
        relation regclass, first_buckets int[], last_buckets int[], by_column text DEFAULT NULL) RETURNS text
    LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'bucket_filter';
GRANT EXECUTE ON FUNCTION expanse.bucket_filter(regclass, int[], int[], text) TO PUBLIC;
COMMENT ON FUNCTION expanse.bucket_filter(regclass, int[], int[], text) IS
    'Gives the condition on the distribution column that holds for rows in these ranges of buckets, of built-in '
    'functions only.';

CREATE FUNCTION expanse.bucket_filter(relation regclass, ranges int4range[], by_column text DEFAULT NULL) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT expanse.bucket_filter($1, array_agg(lower(r)), array_agg(upper(r) - 1), $3) FROM unnest($2) AS r;
    END;
GRANT EXECUTE ON FUNCTION expanse.bucket_filter(regclass, int4range[], text) TO PUBLIC;
COMMENT ON FUNCTION expanse.bucket_filter(regclass, int4range[], text) IS
    'Gives the condition on the distribution column that holds for rows in these ranges of buckets.';

CREATE FUNCTION expanse.begin_move(group_id int, target_version int) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'begin_move';
REVOKE ALL ON FUNCTION expanse.begin_move(int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.begin_move(int, int) TO expanse_admin;
COMMENT ON FUNCTION expanse.begin_move(int, int) IS
    'Begins a move of a group: from its commit on, every node filters the group''s rows by ownership.';

CREATE FUNCTION expanse.wait_for_statements(group_id int, timeout_ms int) RETURNS boolean
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'wait_for_statements';
REVOKE ALL ON FUNCTION expanse.wait_for_statements(int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.wait_for_statements(int, int) TO expanse_admin;
COMMENT ON FUNCTION expanse.wait_for_statements(int, int) IS
    'Tells whether the statements of this node that hold the group lock now have ended within timeout_ms '
    'milliseconds.';

CREATE FUNCTION expanse.empty_publication(name text) RETURNS int
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'empty_publication';
REVOKE ALL ON FUNCTION expanse.empty_publication(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.empty_publication(text) TO expanse_admin;
COMMENT ON FUNCTION expanse.empty_publication(text) IS
    'Takes all tables out of a publication of this node that is about to be dropped; gives their number.';

CREATE FUNCTION expanse.lock_gate(group_id int) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('LOCK TABLE expanse.gate_%s IN SHARE MODE', $1);
END
$$;
REVOKE ALL ON FUNCTION expanse.lock_gate(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.lock_gate(int) TO expanse_admin;
COMMENT ON FUNCTION expanse.lock_gate(int) IS
    'Locks the group lock on this node: writers of the group wait until the transaction ends.';

-- The session keeps the limit itself: it is ended when its client has gone away.
CREATE FUNCTION expanse.hold_gate(group_id int, limit_ms int, readers boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('idle_in_transaction_session_timeout', greatest($2, 1)::text, true);
    EXECUTE format('LOCK TABLE expanse.gate_%s IN %s MODE', $1, CASE WHEN $3 THEN 'ACCESS EXCLUSIVE' ELSE 'SHARE' END);
END
$$;
REVOKE ALL ON FUNCTION expanse.hold_gate(int, int, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.hold_gate(int, int, boolean) TO expanse_admin;
COMMENT ON FUNCTION expanse.hold_gate(int, int, boolean) IS
    'Locks the group lock on this node for at most limit_ms milliseconds, which the session itself keeps.';

CREATE FUNCTION expanse.lock_all_gates() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM expanse.lock_gate(group_id) FROM expanse.colocation_group ORDER BY group_id;
END
$$;
REVOKE ALL ON FUNCTION expanse.lock_all_gates() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.lock_all_gates() TO expanse_admin;
COMMENT ON FUNCTION expanse.lock_all_gates() IS
    'Locks the group locks of all groups on this node: writers wait until the transaction ends.';

CREATE FUNCTION expanse.hold_writers(group_id int) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'hold_writers';
REVOKE ALL ON FUNCTION expanse.hold_writers(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.hold_writers(int) TO expanse_admin;
COMMENT ON FUNCTION expanse.hold_writers(int) IS
    'Makes writers of the group (0: of replicated tables) wait on every node until the transaction ends.';

CREATE FUNCTION expanse.freeze_group(
        group_id int, hash_map_version int, limit_ms int, readers boolean DEFAULT false) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'freeze_group';
REVOKE ALL ON FUNCTION expanse.freeze_group(int, int, int, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.freeze_group(int, int, int, boolean) TO expanse_admin;
COMMENT ON FUNCTION expanse.freeze_group(int, int, int, boolean) IS
    'Makes writers of the group, and readers if told so, wait on every node until the transaction ends, for at '
    'most limit_ms milliseconds.';

CREATE FUNCTION expanse.bind_group(
        group_id int, hash_map_version int, distribution_column text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'bind_group';
REVOKE ALL ON FUNCTION expanse.bind_group(int, int, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.bind_group(int, int, text) TO expanse_admin;
COMMENT ON FUNCTION expanse.bind_group(int, int, text) IS
    'Switches a group to another hash map: writers wait on every node until the transaction ends, then go on by '
    'the new map.';

CREATE FUNCTION expanse.rebind_empty(group_id int, hash_map_version int) RETURNS boolean
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'rebind_empty';
REVOKE ALL ON FUNCTION expanse.rebind_empty(int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.rebind_empty(int, int) TO expanse_admin;
COMMENT ON FUNCTION expanse.rebind_empty(int, int) IS
    'Binds a group without a row to another version at once; false if it has a row, or may get one.';

CREATE FUNCTION expanse.age_hash_maps() RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'age_hash_maps';
REVOKE ALL ON FUNCTION expanse.age_hash_maps() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.age_hash_maps() TO expanse_admin;
COMMENT ON FUNCTION expanse.age_hash_maps() IS
    'Drops versions that nothing is bound to and that are not current, on all nodes.';

CREATE FUNCTION expanse.idle_indexes(group_id int) RETURNS SETOF regclass
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT i.indexrelid::regclass
        FROM expanse.distributed_table t JOIN pg_index i ON i.indrelid = t.relation::oid
        WHERE t.group_id = $1 AND NOT (i.indisunique OR i.indisprimary OR i.indisexclusion OR i.indisreplident)
            AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
            AND NOT EXISTS (
                SELECT FROM expanse.hash_map_range r JOIN expanse.colocation_group g USING (hash_map_version)
                WHERE g.group_id = $1 AND r.node_id = (SELECT n.node_id FROM expanse.local_node n))
        ORDER BY i.indexrelid;
    END;
GRANT EXECUTE ON FUNCTION expanse.idle_indexes(int) TO PUBLIC;
COMMENT ON FUNCTION expanse.idle_indexes(int) IS
    'Gives the indexes of a group without rows on this node that neither a constraint nor logical replication '
    'needs.';

CREATE FUNCTION expanse.rest_indexes(group_id int) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        UPDATE pg_index SET indisready = false, indisvalid = false
        WHERE indexrelid IN (SELECT x::oid FROM expanse.idle_indexes($1) AS x) AND (indisready OR indisvalid);
    END;
REVOKE ALL ON FUNCTION expanse.rest_indexes(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.rest_indexes(int) TO expanse_admin;
COMMENT ON FUNCTION expanse.rest_indexes(int) IS
    'Suspends these indexes: they are not kept up, and not used, until REINDEX INDEX CONCURRENTLY has built them '
    'anew.';

CREATE FUNCTION expanse.limit_copies(group_id int, bytes_per_second bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'limit_copies';
REVOKE ALL ON FUNCTION expanse.limit_copies(int, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.limit_copies(int, bigint) TO expanse_admin;
COMMENT ON FUNCTION expanse.limit_copies(int, bigint) IS
    'Limits what copies of the group that start on this node send in all, in bytes a second; NULL for no limit.';

CREATE FUNCTION expanse.bucket_digests(
        relation regclass, first_buckets int[], last_buckets int[], by_column text DEFAULT NULL,
        other_column text DEFAULT NULL, other_first int[] DEFAULT NULL, other_last int[] DEFAULT NULL,
        OUT bucket int, OUT row_count bigint, OUT digest numeric) RETURNS SETOF record
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'bucket_digests';
REVOKE ALL ON FUNCTION expanse.bucket_digests(regclass, int[], int[], text, text, int[], int[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.bucket_digests(regclass, int[], int[], text, text, int[], int[]) TO expanse_admin;
COMMENT ON FUNCTION expanse.bucket_digests(regclass, int[], int[], text, text, int[], int[]) IS
    'Gives number and digest of the rows of every bucket in these ranges on this node, to be compared with '
    'another node''s.';

CREATE FUNCTION expanse.delete_surplus(group_id int) RETURNS bigint
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'delete_surplus';
REVOKE ALL ON FUNCTION expanse.delete_surplus(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.delete_surplus(int) TO expanse_admin;
COMMENT ON FUNCTION expanse.delete_surplus(int) IS
    'Deletes rows of this node that another node owns by the current binding; gives their number.';

CREATE FUNCTION expanse.end_move(group_id int) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'end_move';
REVOKE ALL ON FUNCTION expanse.end_move(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.end_move(int) TO expanse_admin;
COMMENT ON FUNCTION expanse.end_move(int) IS 'Ends the move of a group, and drops hash maps that nothing needs any more.';

CREATE FUNCTION expanse.check_adoption(relation regclass, distribution_column text) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'check_adoption';
REVOKE ALL ON FUNCTION expanse.check_adoption(regclass, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.check_adoption(regclass, text) TO expanse_admin;
COMMENT ON FUNCTION expanse.check_adoption(regclass, text) IS
    'Raises every reason why the table cannot be distributed by this column by a rewrite.';

CREATE FUNCTION expanse.adopt_table(relation regclass, distribution_column text, target_version int) RETURNS int
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'adopt_table';
REVOKE ALL ON FUNCTION expanse.adopt_table(regclass, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.adopt_table(regclass, text, int) TO expanse_admin;
COMMENT ON FUNCTION expanse.adopt_table(regclass, text, int) IS
    'Makes a plain table of this node a distributed one of which this node owns all rows, moving to that version; '
    'gives its group.';

CREATE FUNCTION expanse.set_apart(relation regclass, target_version int) RETURNS int
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'set_apart';
REVOKE ALL ON FUNCTION expanse.set_apart(regclass, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.set_apart(regclass, int) TO expanse_admin;
COMMENT ON FUNCTION expanse.set_apart(regclass, int) IS
    'Puts a table into a group of its own that moves to that version; gives the group.';

CREATE FUNCTION expanse.join_group(relation regclass, group_id int DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'join_group';
REVOKE ALL ON FUNCTION expanse.join_group(regclass, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.join_group(regclass, int) TO expanse_admin;
COMMENT ON FUNCTION expanse.join_group(regclass, int) IS
    'Puts a table into that group, or into the one that a new table would join; false when there is none that it '
    'fits.';

-- ---------------------------------------------------------------------------
-- Storages: tablespaces that every node has
-- ---------------------------------------------------------------------------

CREATE FUNCTION expanse.disk_space(
        directory text DEFAULT NULL, OUT free_bytes bigint, OUT total_bytes bigint) RETURNS SETOF record
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'disk_space';
REVOKE ALL ON FUNCTION expanse.disk_space(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.disk_space(text) TO expanse_admin;
COMMENT ON FUNCTION expanse.disk_space(text) IS
    'Gives the room on the file system of a directory of this server (NULL: its data directory), in bytes.';

CREATE FUNCTION expanse.check_storage(storage_name text, directory text, node_name text,
        OUT location text, OUT place text, OUT present boolean) RETURNS SETOF record
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'check_storage';
REVOKE ALL ON FUNCTION expanse.check_storage(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.check_storage(text, text, text) TO expanse_admin;
COMMENT ON FUNCTION expanse.check_storage(text, text, text) IS
    'Raises every reason why this node cannot have a storage; else gives where it would be. Two nodes would share '
    'it exactly if place is the same.';

CREATE FUNCTION expanse.make_storage_directory(location text) RETURNS boolean
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'make_storage_directory';
REVOKE ALL ON FUNCTION expanse.make_storage_directory(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.make_storage_directory(text) TO expanse_admin;
COMMENT ON FUNCTION expanse.make_storage_directory(text) IS 'Makes a directory as the server''s user; for superusers.';

CREATE FUNCTION expanse.remove_storage_directory(location text) RETURNS boolean
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'remove_storage_directory';
REVOKE ALL ON FUNCTION expanse.remove_storage_directory(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.remove_storage_directory(text) TO expanse_admin;
COMMENT ON FUNCTION expanse.remove_storage_directory(text) IS
    'Removes a directory that was made so and is empty; for superusers.';

CREATE FUNCTION expanse.record_storage(storage_name text, directory text) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'record_storage';
REVOKE ALL ON FUNCTION expanse.record_storage(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.record_storage(text, text) TO expanse_admin;
COMMENT ON FUNCTION expanse.record_storage(text, text) IS 'Adds a storage to the metadata of all nodes.';

CREATE FUNCTION expanse.forget_storage(storage_name text) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'forget_storage';
REVOKE ALL ON FUNCTION expanse.forget_storage(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.forget_storage(text) TO expanse_admin;
COMMENT ON FUNCTION expanse.forget_storage(text) IS 'Removes a storage from the metadata of all nodes.';

CREATE FUNCTION expanse.storage_of(relation oid) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT s.spcname::text FROM pg_class c CROSS JOIN pg_database d JOIN pg_tablespace s
            ON s.oid = CASE c.reltablespace WHEN 0 THEN d.dattablespace ELSE c.reltablespace END
        WHERE c.oid = $1 AND d.datname = current_database();
    END;
GRANT EXECUTE ON FUNCTION expanse.storage_of(oid) TO PUBLIC;
COMMENT ON FUNCTION expanse.storage_of(oid) IS 'Gives the tablespace that a relation of this node lies in.';

CREATE FUNCTION expanse.storage_contents(storage_name text) RETURNS SETOF text
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT pg_describe_object('pg_class'::regclass, c.oid, 0)
            FROM pg_class c JOIN pg_tablespace s ON s.oid = c.reltablespace
            WHERE s.spcname = $1 AND c.relkind <> 't'
              AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = c.oid AND i.indrelid IN
                              (SELECT t.oid FROM pg_class t WHERE t.reltablespace = s.oid))
        UNION ALL
        SELECT 'database ' || d.datname
            FROM pg_tablespace s JOIN pg_database d
              ON d.dattablespace = s.oid
              OR d.datname <> current_database() AND d.oid IN (SELECT pg_tablespace_databases(s.oid))
            WHERE s.spcname = $1
        ORDER BY 1;
    END;
REVOKE ALL ON FUNCTION expanse.storage_contents(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.storage_contents(text) TO expanse_admin;
COMMENT ON FUNCTION expanse.storage_contents(text) IS
    'Gives what lies in a tablespace of this node: relations of this database, then other databases with anything '
    'there.';

CREATE FUNCTION expanse.storage_sizes(
        OUT storage_name text, OUT directory text, OUT tables int, OUT bytes bigint, OUT free_bytes bigint)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT s.storage_name, pg_tablespace_location(t.oid),
               (SELECT count(*) FROM expanse.distributed_table d JOIN pg_class c ON c.oid = d.relation::oid
                WHERE c.reltablespace = t.oid)::int,
               pg_tablespace_size(t.oid),
               (SELECT f.free_bytes FROM expanse.disk_space(pg_tablespace_location(t.oid)) f)
        FROM expanse.storage s JOIN pg_tablespace t ON t.spcname = s.storage_name
        ORDER BY 1;
    END;
REVOKE ALL ON FUNCTION expanse.storage_sizes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.storage_sizes() TO expanse_admin, pg_monitor;
COMMENT ON FUNCTION expanse.storage_sizes() IS 'Gives every storage as it is on this node, sizes in bytes.';

CREATE FUNCTION expanse.storage_parts(
        OUT storage_name text, OUT node_name text, OUT directory text, OUT tables int, OUT bytes bigint,
        OUT free_bytes bigint) RETURNS SETOF record
    LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'storage_parts';
REVOKE ALL ON FUNCTION expanse.storage_parts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.storage_parts() TO expanse_admin, pg_monitor;
COMMENT ON FUNCTION expanse.storage_parts() IS 'Gives every storage as it is on every node, sizes in bytes.';

-- ---------------------------------------------------------------------------
-- Nodes that join and leave. The functions of schema expanse are steps that the sidecar calls.
-- ---------------------------------------------------------------------------

CREATE FUNCTION pg_catalog.cluster_init(node_name text, host text, port int) RETURNS void
    LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cluster_init';
REVOKE ALL ON FUNCTION pg_catalog.cluster_init(text, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_init(text, text, int) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_init(text, text, int) IS
    E'Makes this server the first node of a new cluster. The address is the one at which other nodes reach this '
    'server.\n'
    'Errors: XP003 if it belongs to a cluster already, XP012 if a setting is not suitable, XP025 for a bad name, '
    'host or port.';

CREATE FUNCTION expanse.check_new_node(node_name text, host text, port int) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'check_new_node';
REVOKE ALL ON FUNCTION expanse.check_new_node(text, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.check_new_node(text, text, int) TO expanse_admin;
COMMENT ON FUNCTION expanse.check_new_node(text, text, int) IS 'Raises every reason to refuse a new server.';

CREATE FUNCTION expanse.join_node(node_name text, host text, port int, weight int DEFAULT 1) RETURNS int
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'join_node';
REVOKE ALL ON FUNCTION expanse.join_node(text, text, int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.join_node(text, text, int, int) TO expanse_admin;
COMMENT ON FUNCTION expanse.join_node(text, text, int, int) IS
    'Registers a new server as joining, on all nodes, and gives it the metadata; gives its node id.';

CREATE FUNCTION expanse.activate_nodes(node_names text[], layout text DEFAULT 'minimal') RETURNS int
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'activate_nodes';
REVOKE ALL ON FUNCTION expanse.activate_nodes(text[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.activate_nodes(text[], text) TO expanse_admin;
COMMENT ON FUNCTION expanse.activate_nodes(text[], text) IS
    'Makes nodes active, with one new current hash map; gives its version.';

CREATE FUNCTION expanse.abort_join(node_name text) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'abort_join';
REVOKE ALL ON FUNCTION expanse.abort_join(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.abort_join(text) TO expanse_admin;
COMMENT ON FUNCTION expanse.abort_join(text) IS 'Undoes join_node.';

CREATE FUNCTION expanse.begin_shrink(node_names text[], layout text DEFAULT 'minimal') RETURNS int
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'begin_shrink';
REVOKE ALL ON FUNCTION expanse.begin_shrink(text[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.begin_shrink(text[], text) TO expanse_admin;
COMMENT ON FUNCTION expanse.begin_shrink(text[], text) IS
    'Makes a new current hash map in which these nodes own nothing; gives its version.';

CREATE FUNCTION expanse.undo_shrink(node_names text[], hash_map_version int) RETURNS int
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'undo_shrink';
REVOKE ALL ON FUNCTION expanse.undo_shrink(text[], int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.undo_shrink(text[], int) TO expanse_admin;
COMMENT ON FUNCTION expanse.undo_shrink(text[], int) IS
    'Makes the nodes own buckets of the current hash map again, which is that version if it is still there; gives '
    'its version.';

CREATE FUNCTION expanse.remove_nodes(node_names text[]) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'remove_nodes';
REVOKE ALL ON FUNCTION expanse.remove_nodes(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.remove_nodes(text[]) TO expanse_admin;
COMMENT ON FUNCTION expanse.remove_nodes(text[]) IS
    'Removes nodes, which lose metadata and distributed tables; refused while a group is bound to them.';

CREATE FUNCTION expanse.lose_nodes(node_names text[], layout text DEFAULT 'minimal') RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'lose_nodes';
REVOKE ALL ON FUNCTION expanse.lose_nodes(text[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.lose_nodes(text[], text) TO expanse_admin;
COMMENT ON FUNCTION expanse.lose_nodes(text[], text) IS
    'Removes nodes that do not answer without asking them; their rows are lost.';

CREATE FUNCTION expanse.forget_nodes(node_names text[]) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'forget_nodes';
REVOKE ALL ON FUNCTION expanse.forget_nodes(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.forget_nodes(text[]) TO expanse_admin;
COMMENT ON FUNCTION expanse.forget_nodes(text[]) IS 'Removes the last traces of nodes that have left.';

-- Commit records go too: leaving is refused before while a transaction that this node coordinates is undecided.
CREATE FUNCTION expanse.leave_cluster() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
DECLARE
    tables text := (SELECT string_agg(expanse.qualified_name(relation), ', ') FROM expanse.distributed_table);
BEGIN
    PERFORM expanse.clear_metadata();
    DELETE FROM expanse.commit_record;
    IF tables IS NOT NULL THEN
        EXECUTE 'DROP TABLE ' || tables || ' CASCADE';
    END IF;
END
$$;
REVOKE ALL ON FUNCTION expanse.leave_cluster() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.leave_cluster() TO expanse_admin;
COMMENT ON FUNCTION expanse.leave_cluster() IS
    'Makes this server leave the cluster: it keeps nothing that could be taken for a whole table.';

-- The parts are out of the way of statements that would take them for the tables; an operator may look for rows there.
CREATE FUNCTION expanse.set_aside() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET expanse.internal = on AS $$
DECLARE
    tables text[] := ARRAY(SELECT expanse.qualified_name(relation) FROM expanse.distributed_table);
    name   text;
BEGIN
    PERFORM expanse.clear_metadata();
    CREATE SCHEMA IF NOT EXISTS expanse_lost;
    FOREACH name IN ARRAY tables LOOP
        EXECUTE format('ALTER TABLE %s SET SCHEMA expanse_lost', name);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION expanse.set_aside() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.set_aside() TO expanse_admin;
COMMENT ON FUNCTION expanse.set_aside() IS
    'Moves the parts of distributed tables of this server, which was removed while it was away, to schema '
    'expanse_lost.';

-- ---------------------------------------------------------------------------
-- Operations: handed to the sidecar of this server. Each starts at once and gives an id; cluster_wait waits for its end.
-- ---------------------------------------------------------------------------

CREATE FUNCTION pg_catalog.cluster_expand(
        nodes jsonb, layout text DEFAULT 'minimal', rebind boolean DEFAULT false,
        reversible_for interval DEFAULT '0', max_rate text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_expand';
REVOKE ALL ON FUNCTION pg_catalog.cluster_expand(jsonb, text, boolean, interval, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_expand(jsonb, text, boolean, interval, text) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_expand(jsonb, text, boolean, interval, text) IS
    E'Starts to add servers to the cluster, with one new hash map, and gives the id of the operation. The argument '
    'nodes is an array of objects with node_name, host, port (default 5432) and weight (default 1), or one such '
    'object. The layout is minimal, which moves least, or contiguous. With rebind all tables follow, with '
    'reversible_for and max_rate as in cluster_rebind.\n'
    'Errors: XP005, XP009, XP010, XP011 and XP012 if a server is not suitable, XP006 if it cannot be reached, '
    'XP021 while another operation changes the nodes, XP022 without a sidecar, XP025 for bad arguments, 25001 '
    'inside a transaction block.';

-- One call of the function above, so that the call is a transaction of its own, too.
CREATE FUNCTION pg_catalog.cluster_expand(
        node_name text, host text, port int DEFAULT 5432, layout text DEFAULT 'minimal',
        rebind boolean DEFAULT false, weight int DEFAULT 1, reversible_for interval DEFAULT '0',
        max_rate text DEFAULT NULL) RETURNS bigint
    LANGUAGE sql VOLATILE
    RETURN pg_catalog.cluster_expand(
        jsonb_build_object('node_name', node_name, 'host', host, 'port', port, 'weight', weight), layout, rebind,
        reversible_for, max_rate);
REVOKE ALL ON FUNCTION pg_catalog.cluster_expand(text, text, int, text, boolean, int, interval, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_expand(text, text, int, text, boolean, int, interval, text) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_expand(text, text, int, text, boolean, int, interval, text) IS
    E'Starts to add a server to the cluster, and gives the id of the operation. The other arguments are those of the '
    'function for several servers.\n'
    'Errors: those of the function for several servers.';

CREATE FUNCTION pg_catalog.cluster_shrink(
        node_names text[], layout text DEFAULT 'minimal', lose_data boolean DEFAULT false) RETURNS bigint
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_shrink';
REVOKE ALL ON FUNCTION pg_catalog.cluster_shrink(text[], text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_shrink(text[], text, boolean) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_shrink(text[], text, boolean) IS
    E'Starts to let nodes leave the cluster, and gives the id of the operation. Every group is rebound first. With '
    'lose_data nodes that do not answer are removed and their rows are lost. The layout is minimal, which moves '
    'least, or contiguous.\n'
    'Errors: XP004 for an unknown node, XP021 while another operation changes the nodes, XP022 without a sidecar, '
    'XP025 for bad arguments, XP040 if no node would be left, XP133 if the others lack room, XP134 and XP135 if '
    'nodes do not answer, 25001 inside a transaction block.';

CREATE FUNCTION pg_catalog.cluster_shrink(
        node_name text, layout text DEFAULT 'minimal', lose_data boolean DEFAULT false) RETURNS bigint
    LANGUAGE sql VOLATILE
    RETURN pg_catalog.cluster_shrink(ARRAY[node_name], layout, lose_data);
REVOKE ALL ON FUNCTION pg_catalog.cluster_shrink(text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_shrink(text, text, boolean) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_shrink(text, text, boolean) IS
    E'Starts to let a node leave the cluster, and gives the id of the operation. The other arguments are those of the '
    'function for several nodes.\n'
    'Errors: those of the function for several nodes.';

CREATE FUNCTION pg_catalog.cluster_rebind(
        relation regclass, strategy text DEFAULT 'move', max_write_freeze interval DEFAULT '500 ms',
        reversible_for interval DEFAULT '0', distribution_column text DEFAULT NULL, colocate_with regclass DEFAULT NULL,
        max_rate text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_rebind';
REVOKE ALL ON FUNCTION pg_catalog.cluster_rebind(regclass, text, interval, interval, text, regclass, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_rebind(regclass, text, interval, interval, text, regclass, text) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_rebind(regclass, text, interval, interval, text, regclass, text) IS
    E'Starts to move the colocation group of a table to the current hash map, and gives the id of the operation. '
    'With the strategy move its rows are copied while it is used; with rewrite a table gets another distribution '
    'column, joins the group of colocate_with, or becomes distributed at all. Writes wait for the switch, for at '
    'most max_write_freeze (10 ms to 1 min). The switch can be reversed for reversible_for (up to 30 days). The '
    'copy sends at most max_rate bytes a second, such as 50MB; NULL for no limit.\n'
    'Errors: XP018 if the table is not distributed, XP013, XP014, XP015, XP016 and XP019 if a rewrite is not '
    'possible, XP020 without a replica identity, XP021 and XP024 while another operation moves the group, XP022 '
    'without a sidecar, XP025 for bad arguments, 25001 inside a transaction block. The operation fails with XP122 '
    'for settings, XP124 if no switch succeeds, XP127 if copies differ, XP133 without room.';

CREATE FUNCTION pg_catalog.cluster_rebind_all(
        at_once int DEFAULT 1, max_write_freeze interval DEFAULT '500 ms', reversible_for interval DEFAULT '0',
        max_rate text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_rebind_all';
REVOKE ALL ON FUNCTION pg_catalog.cluster_rebind_all(int, interval, interval, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_rebind_all(int, interval, interval, text) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_rebind_all(int, interval, interval, text) IS
    E'Starts to move all tables to the current hash map, at_once groups at a time, the one that relieves the '
    'fullest node most first; gives the id of the operation. The other arguments are those of cluster_rebind.\n'
    'Errors: XP021 while it runs already, XP022 without a sidecar, XP025 for bad arguments, 25001 inside a '
    'transaction block. The operation fails with the error of a rebind that failed, or XP136.';

CREATE FUNCTION pg_catalog.cluster_add_storage(name text, directory text) RETURNS bigint
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_add_storage';
REVOKE ALL ON FUNCTION pg_catalog.cluster_add_storage(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_add_storage(text, text) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_add_storage(text, text) IS
    E'Starts to make a tablespace on every node, and gives the id of the operation. In the directory {node} stands '
    'for the name of the node.\n'
    'Errors: XP051 if the name exists, XP052 and XP140 if a node cannot use the directory, XP021 while another '
    'operation changes nodes or storages, XP022 without a sidecar, XP025 for a bad name or directory, 25001 '
    'inside a transaction block.';

CREATE FUNCTION pg_catalog.cluster_drop_storage(name text) RETURNS bigint
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_drop_storage';
REVOKE ALL ON FUNCTION pg_catalog.cluster_drop_storage(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_drop_storage(text) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_drop_storage(text) IS
    E'Starts to remove an empty storage from every node, with the directories that were made for it; gives the id '
    'of the operation.\n'
    'Errors: XP050 if it does not exist, XP141 if it is in use, XP021 while another operation changes nodes or '
    'storages, XP022 without a sidecar, 25001 inside a transaction block.';

CREATE FUNCTION pg_catalog.cluster_move_table(
        relation regclass, storage text, cluster_on regclass DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_move_table';
REVOKE ALL ON FUNCTION pg_catalog.cluster_move_table(regclass, text, regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_move_table(regclass, text, regclass) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_move_table(regclass, text, regclass) IS
    E'Starts to move the tables of a colocation group with their indexes to a storage, one table on one node at a '
    'time, and gives the id of the operation. Statements that use a part wait while it is copied. With cluster_on '
    'the table is written in the order of that index. The storage pg_default moves them back.\n'
    'Errors: XP018 if the table is not distributed, XP050 and XP142 if the storage or its tablespace does not '
    'exist, XP053 if the index has no order, XP024 and XP021 while another operation moves the group, XP022 '
    'without a sidecar, XP133 without room, 25001 inside a transaction block. The operation fails with XP144 if a '
    'table cannot be locked.';

CREATE FUNCTION pg_catalog.cluster_wait(operation bigint, timeout interval DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_wait';
REVOKE ALL ON FUNCTION pg_catalog.cluster_wait(bigint, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_wait(bigint, interval) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_wait(bigint, interval) IS
    E'Waits until an operation has finished, with its progress as notices. NULL as the timeout waits without '
    'limit; the operation goes on after a timeout.\n'
    'Errors: the error of the operation, 57014 if it was cancelled or has not finished within the timeout, XP022 '
    'without a sidecar, XP023 for an unknown operation.';

CREATE FUNCTION pg_catalog.cluster_pause(operation bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_pause';
REVOKE ALL ON FUNCTION pg_catalog.cluster_pause(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_pause(bigint) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_pause(bigint) IS
    E'Pauses an operation where it is, also while it is undone. Locks of the operation stay.\n'
    'Errors: XP022 without a sidecar, XP023 for an unknown operation, XP130 if it has finished.';

CREATE FUNCTION pg_catalog.cluster_resume(operation bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_resume';
REVOKE ALL ON FUNCTION pg_catalog.cluster_resume(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_resume(bigint) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_resume(bigint) IS
    E'Resumes a paused operation.\n'
    'Errors: XP022 without a sidecar, XP023 for an unknown operation, XP130 if it has finished, XP132 if it is '
    'not paused.';

CREATE FUNCTION pg_catalog.cluster_cancel(operation bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_cancel';
REVOKE ALL ON FUNCTION pg_catalog.cluster_cancel(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_cancel(bigint) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_cancel(bigint) IS
    E'Cancels an operation: what it has done is undone. Returns as soon as the request is in the journal.\n'
    'Errors: XP022 without a sidecar, XP023 for an unknown operation, XP130 if it has finished, XP131 if it '
    'cannot be undone any more.';

CREATE FUNCTION pg_catalog.cluster_reverse(operation bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_reverse';
REVOKE ALL ON FUNCTION pg_catalog.cluster_reverse(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_reverse(bigint) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_reverse(bigint) IS
    E'Goes back to the old hash map after the switch of a rebind, without another copy.\n'
    'Errors: XP022 without a sidecar, XP023 for an unknown operation, XP129 if it is not a rebind that has '
    'switched, XP130 if it has finished, XP131 if the old copies are being deleted.';

CREATE FUNCTION pg_catalog.cluster_finish(operation bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_finish';
REVOKE ALL ON FUNCTION pg_catalog.cluster_finish(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_finish(bigint) TO expanse_admin;
COMMENT ON FUNCTION pg_catalog.cluster_finish(bigint) IS
    E'Lets a rebind that can still be reversed delete the old copies now.\n'
    'Errors: XP022 without a sidecar, XP023 for an unknown operation, XP129 if it is not a rebind or is being '
    'undone, XP130 if it has finished.';

-- ---------------------------------------------------------------------------
-- Plans: what an operation would move, with nothing changed. Rows and bytes are estimates, NULL for a node that does not
-- answer; buckets are NULL for a replicated table.
-- ---------------------------------------------------------------------------

CREATE FUNCTION pg_catalog.cluster_plan_rebind(moving regclass,
        OUT relation regclass, OUT source_node text, OUT target_node text, OUT buckets int, OUT row_estimate bigint,
        OUT byte_estimate bigint) RETURNS SETOF record
    LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_plan_rebind';
REVOKE ALL ON FUNCTION pg_catalog.cluster_plan_rebind(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_plan_rebind(regclass) TO expanse_admin, pg_monitor;
COMMENT ON FUNCTION pg_catalog.cluster_plan_rebind(regclass) IS
    E'Gives what cluster_rebind would move: estimated rows and bytes from node to node. NULL for a node that does '
    'not answer.\n'
    'Errors: XP002 without a cluster, XP018 if the table is not distributed.';

CREATE FUNCTION pg_catalog.cluster_plan_rebind_all(
        OUT relation regclass, OUT source_node text, OUT target_node text, OUT buckets int, OUT row_estimate bigint,
        OUT byte_estimate bigint) RETURNS SETOF record
    LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_plan_rebind_all';
REVOKE ALL ON FUNCTION pg_catalog.cluster_plan_rebind_all() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_plan_rebind_all() TO expanse_admin, pg_monitor;
COMMENT ON FUNCTION pg_catalog.cluster_plan_rebind_all() IS
    E'Gives what cluster_rebind_all would move: estimated rows and bytes from node to node. NULL for a node that '
    'does not answer.\n'
    'Errors: XP002 without a cluster.';

CREATE FUNCTION pg_catalog.cluster_plan_expand(nodes jsonb, layout text DEFAULT 'minimal',
        OUT relation regclass, OUT source_node text, OUT target_node text, OUT buckets int, OUT row_estimate bigint,
        OUT byte_estimate bigint) RETURNS SETOF record
    LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_plan_expand';
REVOKE ALL ON FUNCTION pg_catalog.cluster_plan_expand(jsonb, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_plan_expand(jsonb, text) TO expanse_admin, pg_monitor;
COMMENT ON FUNCTION pg_catalog.cluster_plan_expand(jsonb, text) IS
    E'Gives what cluster_expand for several servers and the rebinds after it would move: estimated rows and bytes '
    'from node to node; buckets are NULL for a replicated table.\n'
    'Errors: XP002 without a cluster, XP005 if a name exists, XP025 for bad arguments.';

CREATE FUNCTION pg_catalog.cluster_plan_expand(node_name text, layout text DEFAULT 'minimal', weight int DEFAULT 1,
        OUT relation regclass, OUT source_node text, OUT target_node text, OUT buckets int, OUT row_estimate bigint,
        OUT byte_estimate bigint) RETURNS SETOF record
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT * FROM pg_catalog.cluster_plan_expand(jsonb_build_object('node_name', $1, 'weight', $3), $2);
    END;
REVOKE ALL ON FUNCTION pg_catalog.cluster_plan_expand(text, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_plan_expand(text, text, int) TO expanse_admin, pg_monitor;
COMMENT ON FUNCTION pg_catalog.cluster_plan_expand(text, text, int) IS
    E'Gives what cluster_expand and the rebinds after it would move: estimated rows and bytes from node to node; '
    'buckets are NULL for a replicated table.\n'
    'Errors: XP002 without a cluster, XP005 if the name exists, XP025 for bad arguments.';

CREATE FUNCTION pg_catalog.cluster_plan_shrink(node_names text[], layout text DEFAULT 'minimal',
        OUT relation regclass, OUT source_node text, OUT target_node text, OUT buckets int, OUT row_estimate bigint,
        OUT byte_estimate bigint) RETURNS SETOF record
    LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_plan_shrink';
REVOKE ALL ON FUNCTION pg_catalog.cluster_plan_shrink(text[], text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_plan_shrink(text[], text) TO expanse_admin, pg_monitor;
COMMENT ON FUNCTION pg_catalog.cluster_plan_shrink(text[], text) IS
    E'Gives what cluster_shrink for several nodes would move: estimated rows and bytes from node to node.\n'
    'Errors: XP002 without a cluster, XP004 for an unknown node, XP025 for bad arguments, XP040 if no node would '
    'be left.';

CREATE FUNCTION pg_catalog.cluster_plan_shrink(node_name text, layout text DEFAULT 'minimal',
        OUT relation regclass, OUT source_node text, OUT target_node text, OUT buckets int, OUT row_estimate bigint,
        OUT byte_estimate bigint) RETURNS SETOF record
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT * FROM pg_catalog.cluster_plan_shrink(ARRAY[$1], $2);
    END;
REVOKE ALL ON FUNCTION pg_catalog.cluster_plan_shrink(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_plan_shrink(text, text) TO expanse_admin, pg_monitor;
COMMENT ON FUNCTION pg_catalog.cluster_plan_shrink(text, text) IS
    E'Gives what cluster_shrink would move: estimated rows and bytes from node to node.\n'
    'Errors: XP002 without a cluster, XP004 for an unknown node, XP025 for bad arguments, XP040 if no node would '
    'be left.';

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
