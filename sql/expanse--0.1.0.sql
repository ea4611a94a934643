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
    state       text NOT NULL CHECK (state IN ('active', 'joining', 'leaving', 'inactive')),
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
    singleton          boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    last_node_id       int NOT NULL DEFAULT 1,   -- ids of nodes are never given again
    -- What nodes show one another, so that nobody else's session is taken for a node's.
    peer_key           text NOT NULL
        DEFAULT replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')
);

-- Tablespaces that every node has; {node} in the directory stands for the node's name.
CREATE TABLE expanse.storage (
    storage_name text PRIMARY KEY,
    directory    text NOT NULL
);

-- This server's own identity; the only metadata that differs between nodes.
CREATE TABLE expanse.local_node (
    node_id   int NOT NULL,
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton)
);

GRANT SELECT ON expanse.local_node, expanse.storage TO PUBLIC;
GRANT SELECT ON expanse.node, expanse.hash_map, expanse.hash_map_range, expanse.colocation_group,
        expanse.distributed_table
    TO expanse_admin, pg_monitor;
GRANT SELECT (cluster_id, schema_locked_by, last_node_id) ON expanse.cluster TO expanse_admin, pg_monitor;

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
-- Changes of the metadata. Every node runs them on its own copy, in one transaction over all nodes; they are
-- for the functions below, which check first. A relation is named by its schema and name: OIDs differ.
-- ---------------------------------------------------------------------------

-- One change at a time: held on the active node with the lowest id until the transaction ends. For other nodes, as whatever
-- user they work for.
CREATE FUNCTION expanse.lock_schema_gate() RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'lock_schema_gate';
-- On this node: transaction blocks wait at their BEGIN for a moment; tables are locked, modes as PostgreSQL numbers them. For
-- other nodes, as whatever user they work for.
CREATE FUNCTION expanse.close_door() RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'close_door';
CREATE FUNCTION expanse.lock_tables(tables regclass[], modes int[]) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'lock_tables';
-- This node's part of an index that is created concurrently. For other nodes, as whatever user they work for and under that
-- session's search path.
CREATE FUNCTION expanse.add_unbuilt_index(definition text) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'add_unbuilt_index';

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

CREATE FUNCTION expanse.add_table(relation regclass, group_id int, distribution_column text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        INSERT INTO expanse.distributed_table (relation, group_id, distribution_column) VALUES ($1, $2, $3)
            ON CONFLICT (relation) DO UPDATE
            SET group_id = excluded.group_id, distribution_column = excluded.distribution_column;
    END;

CREATE FUNCTION expanse.remove_table(relation regclass) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        DELETE FROM expanse.distributed_table t WHERE t.relation = $1;
    END;

CREATE FUNCTION expanse.make_current(hash_map_version int) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        UPDATE expanse.hash_map SET current = false WHERE current AND hash_map.hash_map_version <> $1;
        UPDATE expanse.hash_map SET current = true WHERE hash_map.hash_map_version = $1 AND NOT current;
    END;

-- Versions that are neither current nor have tables, and their empty groups; none while a group is in motion, which may
-- go back to a version that nothing is bound to meanwhile.
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

CREATE FUNCTION expanse.put_node(node_id int, node_name text, host text, port int, weight int, state text)
    RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        INSERT INTO expanse.node VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (node_id) DO UPDATE
            SET host = excluded.host, port = excluded.port, weight = excluded.weight, state = excluded.state;
        UPDATE expanse.cluster SET last_node_id = greatest(last_node_id, $1);
    END;

CREATE FUNCTION expanse.set_node_state(node_id int, state text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        UPDATE expanse.node SET state = $2 WHERE node.node_id = $1;
    END;

CREATE FUNCTION expanse.remove_node(node_id int) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        DELETE FROM expanse.node WHERE node.node_id = $1;
    END;

CREATE FUNCTION expanse.put_storage(storage_name text, directory text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        INSERT INTO expanse.storage VALUES ($1, $2) ON CONFLICT DO NOTHING;
    END;

CREATE FUNCTION expanse.remove_storage(storage_name text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        DELETE FROM expanse.storage WHERE storage.storage_name = $1;
    END;

CREATE FUNCTION expanse.set_motion(group_id int, moving_to int) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        UPDATE expanse.colocation_group SET moving_to = $2 WHERE colocation_group.group_id = $1;
    END;

-- Also to another distribution column of the group's only table.
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

CREATE FUNCTION expanse.set_group(relation regclass, group_id int) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        UPDATE expanse.distributed_table t SET group_id = $2 WHERE t.relation = $1;
    END;

CREATE FUNCTION expanse.set_schema_lock(operation bigint) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        UPDATE expanse.cluster SET schema_locked_by = $1;
    END;

-- Writers of the group wait on this node until the transaction ends.
CREATE FUNCTION expanse.lock_gate(group_id int) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('LOCK TABLE expanse.gate_%s IN SHARE MODE', $1);
END
$$;

-- The same for no longer than a limit, which the session itself keeps: it is ended when it is left alone.
CREATE FUNCTION expanse.hold_gate(group_id int, limit_ms int, readers boolean DEFAULT false) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM set_config('idle_in_transaction_session_timeout', greatest($2, 1)::text, true);
    EXECUTE format('LOCK TABLE expanse.gate_%s IN %s MODE', $1, CASE WHEN $3 THEN 'ACCESS EXCLUSIVE' ELSE 'SHARE' END);
END
$$;

-- All metadata of this node but its identity, for a node that joins.
CREATE FUNCTION expanse.dump_metadata() RETURNS jsonb
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    sequences jsonb := '{}';
    sequence  regclass;
    used      bigint;
BEGIN
    -- What a sequence gave here is not less than what it gave before it was spread.
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

CREATE FUNCTION expanse.qualified_name(relation regclass) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = $1;
    END;

-- This server belongs to no cluster (any more).
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

-- Writers of any group wait on this node until the transaction ends.
CREATE FUNCTION expanse.lock_all_gates() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM expanse.lock_gate(group_id) FROM expanse.colocation_group ORDER BY group_id;
END
$$;

-- This server leaves the cluster, and keeps nothing that could be taken for a whole table. A node that has no part of
-- the cluster any more decides nothing: it is refused before while a transaction is undecided.
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

-- This server was taken out of the cluster while it was away: its parts of spread tables, which nobody counts on any
-- more, are kept in schema expanse_lost, out of the way of statements that take them for the tables.
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

-- Takes over what dump_metadata gave on another node; tables that do not exist here are left out.
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
    -- The key is in no statement's text: the session has it.
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

-- A sequence gives values that no other node gives: those whose remainder by the step is this node's id. What it gave
-- before it was spread (up to `used`) is left behind, so nodes that come later are covered too. The step leaves a
-- bigint 9 * 10^15 values a node on up to 1024 nodes, an integer 33 million on up to 64, a smallint 2047 on up to 16.
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
        RAISE EXCEPTION 'sequence "%" can not be spread to node %', $1, node
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

-- ---------------------------------------------------------------------------
-- Beginning a cluster
-- ---------------------------------------------------------------------------

CREATE FUNCTION pg_catalog.cluster_init(node_name text, host text, port int) RETURNS void
    LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'cluster_init';
COMMENT ON FUNCTION pg_catalog.cluster_init(text, text, int) IS
    'make this server the first node of a new cluster';

-- ---------------------------------------------------------------------------
-- New nodes; called by the sidecar
-- ---------------------------------------------------------------------------

-- Raises every reason to refuse a new server.
CREATE FUNCTION expanse.check_new_node(node_name text, host text, port int) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'check_new_node';
-- Registers it as joining, on all nodes, and gives it the metadata: its node id.
CREATE FUNCTION expanse.join_node(node_name text, host text, port int, weight int DEFAULT 1) RETURNS int
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'join_node';
-- Makes nodes active, with one new current hash map: its version.
CREATE FUNCTION expanse.activate_nodes(node_names text[], layout text DEFAULT 'minimal') RETURNS int
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'activate_nodes';
-- Undoes join_node.
CREATE FUNCTION expanse.abort_join(node_name text) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'abort_join';
-- Schema changes of spread tables are refused while an operation holds the lock.
CREATE FUNCTION expanse.lock_schema(operation bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'lock_schema';
CREATE FUNCTION expanse.unlock_schema(operation bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'unlock_schema';

-- ---------------------------------------------------------------------------
-- Nodes that leave; called by the sidecar
-- ---------------------------------------------------------------------------

-- A new current hash map in which these nodes own nothing: its version.
CREATE FUNCTION expanse.begin_shrink(node_names text[], layout text DEFAULT 'minimal') RETURNS int
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'begin_shrink';
-- They own buckets of the current hash map again, which is that version if it is still there: its version.
CREATE FUNCTION expanse.undo_shrink(node_names text[], hash_map_version int) RETURNS int
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'undo_shrink';
-- They leave, and lose metadata and spread tables; refused while a group is bound to them.
CREATE FUNCTION expanse.remove_nodes(node_names text[]) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'remove_nodes';
-- Nodes that do not answer leave without being asked, and their rows are lost.
CREATE FUNCTION expanse.lose_nodes(node_names text[], layout text DEFAULT 'minimal') RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'lose_nodes';
-- Removes the last traces of nodes that have left.
CREATE FUNCTION expanse.forget_nodes(node_names text[]) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'forget_nodes';

-- Room on the file system of a directory of this server (NULL: its data directory), in bytes.
CREATE FUNCTION expanse.disk_space(directory text DEFAULT NULL, OUT free_bytes bigint, OUT total_bytes bigint) RETURNS SETOF record
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'disk_space';

-- ---------------------------------------------------------------------------
-- Storages: tablespaces that every node has; called by the sidecar
-- ---------------------------------------------------------------------------

-- Raises every reason why this node can not have one; else where it would be, the same place for two nodes exactly if they
-- would share it, and whether the tablespace is there already.
CREATE FUNCTION expanse.check_storage(storage_name text, directory text, node_name text,
        OUT location text, OUT place text, OUT present boolean) RETURNS SETOF record
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'check_storage';
-- On this node, for superusers: makes a directory as the server's user; removes one that was made so and is empty.
CREATE FUNCTION expanse.make_storage_directory(location text) RETURNS boolean
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'make_storage_directory';
CREATE FUNCTION expanse.remove_storage_directory(location text) RETURNS boolean
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'remove_storage_directory';
-- In the metadata of all nodes.
CREATE FUNCTION expanse.record_storage(storage_name text, directory text) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'record_storage';
CREATE FUNCTION expanse.forget_storage(storage_name text) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'forget_storage';

-- The tablespace a relation of this node lies in.
CREATE FUNCTION expanse.storage_of(relation oid) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT s.spcname::text FROM pg_class c CROSS JOIN pg_database d JOIN pg_tablespace s
            ON s.oid = CASE c.reltablespace WHEN 0 THEN d.dattablespace ELSE c.reltablespace END
        WHERE c.oid = $1 AND d.datname = current_database();
    END;

-- What lies in a tablespace of this node: relations of this database, then other databases with anything there.
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

-- Every storage as it is on this node.
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
CREATE FUNCTION expanse.storage_parts(
        OUT storage_name text, OUT node_name text, OUT directory text, OUT tables int, OUT bytes bigint,
        OUT free_bytes bigint) RETURNS SETOF record
    LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'storage_parts';
REVOKE ALL ON FUNCTION expanse.storage_sizes(), expanse.storage_parts() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.storage_sizes(), expanse.storage_parts() TO pg_monitor, expanse_admin;

-- ---------------------------------------------------------------------------
-- Rebinding; called by the sidecar
-- ---------------------------------------------------------------------------

CREATE FUNCTION expanse.group_relations(group_id int) RETURNS SETOF regclass
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT t.relation FROM expanse.distributed_table t WHERE t.group_id = $1 ORDER BY t.relation::oid;
    END;

-- Which buckets of the relation's group go where; to the current hash map unless told otherwise.
CREATE FUNCTION expanse.move_plan(
        relation regclass, target_version int DEFAULT NULL,
        OUT source_node text, OUT target_node text, OUT first_bucket int, OUT last_bucket int) RETURNS SETOF record
    LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'move_plan';
-- From its commit on, every node filters the group's rows by ownership.
CREATE FUNCTION expanse.begin_move(group_id int, target_version int) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'begin_move';
-- On this node: have the statements that hold the group's gate now ended in time?
CREATE FUNCTION expanse.wait_for_statements(group_id int, timeout_ms int) RETURNS boolean
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'wait_for_statements';
-- Takes all tables out of a publication of this node that is about to be dropped; how many.
CREATE FUNCTION expanse.empty_publication(name text) RETURNS int
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'empty_publication';
-- Writers of the group (0: of the replicated tables) wait on every node until the transaction ends.
CREATE FUNCTION expanse.hold_writers(group_id int) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'hold_writers';
-- Writers of the group, and readers if told so, wait on every node until the transaction ends, which it does by itself
-- after the limit.
CREATE FUNCTION expanse.freeze_group(
        group_id int, hash_map_version int, limit_ms int, readers boolean DEFAULT false) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'freeze_group';
-- The switch: writers wait on every node until the transaction ends, then go on by the new map.
CREATE FUNCTION expanse.bind_group(
        group_id int, hash_map_version int, distribution_column text DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'bind_group';
-- A group without a row is bound to another version at once; false if it has one, or may get one.
CREATE FUNCTION expanse.rebind_empty(group_id int, hash_map_version int) RETURNS boolean
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'rebind_empty';
-- Drops versions that nothing is bound to and that are not current.
CREATE FUNCTION expanse.age_hash_maps() RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'age_hash_maps';
-- On this node, which owns no row of the group: its indexes that neither a constraint nor logical replication needs.
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
-- They are not kept up any more, and not used, until REINDEX INDEX CONCURRENTLY has built them anew.
CREATE FUNCTION expanse.rest_indexes(group_id int) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        UPDATE pg_index SET indisready = false, indisvalid = false
        WHERE indexrelid IN (SELECT x::oid FROM expanse.idle_indexes($1) AS x) AND (indisready OR indisvalid);
    END;
-- On this node: copies of the group that start here send no more than that in all. NULL: as fast as they can.
CREATE FUNCTION expanse.limit_copies(group_id int, bytes_per_second bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'limit_copies';
-- On this node: deletes rows that another node owns by the current binding; how many.
CREATE FUNCTION expanse.delete_surplus(group_id int) RETURNS bigint
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'delete_surplus';
-- On this node: number and digest of the rows of every bucket in these ranges, to be compared with another node's.
CREATE FUNCTION expanse.bucket_digests(
        relation regclass, first_buckets int[], last_buckets int[], by_column text DEFAULT NULL,
        other_column text DEFAULT NULL, other_first int[] DEFAULT NULL, other_last int[] DEFAULT NULL,
        OUT bucket int, OUT row_count bigint, OUT digest numeric) RETURNS SETOF record
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'bucket_digests';
-- A table gets a group of its own that is in motion to that version: the group.
CREATE FUNCTION expanse.set_apart(relation regclass, target_version int) RETURNS int
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'set_apart';
-- It joins that group, or the one that a new table would join; false when there is none that it is together with.
CREATE FUNCTION expanse.join_group(relation regclass, group_id int DEFAULT NULL) RETURNS boolean
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'join_group';
-- Raises every reason why the table can not be distributed by this column by a rewrite.
CREATE FUNCTION expanse.check_adoption(relation regclass, distribution_column text) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'check_adoption';
-- A table of this node becomes a distributed one of which this node owns all rows, in motion to that version: its group.
CREATE FUNCTION expanse.adopt_table(relation regclass, distribution_column text, target_version int) RETURNS int
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'adopt_table';
-- Ends the motion, and drops hash maps that nothing needs any more.
CREATE FUNCTION expanse.end_move(group_id int) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'end_move';

-- ---------------------------------------------------------------------------
-- Spreading tables
-- ---------------------------------------------------------------------------

CREATE FUNCTION pg_catalog.cluster_distribute_table(
        relation regclass, distribution_column text, colocate_with regclass DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_distribute_table';
COMMENT ON FUNCTION pg_catalog.cluster_distribute_table(regclass, text, regclass) IS
    'spread a table of this node over all nodes by the hash of a column';

CREATE FUNCTION pg_catalog.cluster_replicate_table(relation regclass) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_replicate_table';
COMMENT ON FUNCTION pg_catalog.cluster_replicate_table(regclass) IS
    'give every node a full copy of a table';

CREATE FUNCTION pg_catalog.cluster_localize_table(relation regclass) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_localize_table';
COMMENT ON FUNCTION pg_catalog.cluster_localize_table(regclass) IS
    'make a spread table a plain table of this node again, with all its rows';

-- The condition on the distribution column that holds for rows in these ranges of buckets, of built-in functions only.
CREATE FUNCTION expanse.bucket_filter(
        relation regclass, first_buckets int[], last_buckets int[], by_column text DEFAULT NULL) RETURNS text
    LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'bucket_filter';
CREATE FUNCTION expanse.bucket_filter(relation regclass, ranges int4range[], by_column text DEFAULT NULL) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT expanse.bucket_filter($1, array_agg(lower(r)), array_agg(upper(r) - 1), $3) FROM unnest($2) AS r;
    END;

-- ---------------------------------------------------------------------------
-- Buckets
-- ---------------------------------------------------------------------------

CREATE FUNCTION pg_catalog.cluster_bucket(value anyelement) RETURNS int
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cluster_bucket';
COMMENT ON FUNCTION pg_catalog.cluster_bucket(anyelement) IS
    'hash bucket (0..65535) of a distribution column''s value';

CREATE FUNCTION expanse.owns(value anyelement, hash_map_version int) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'owns';
COMMENT ON FUNCTION expanse.owns(anyelement, int) IS
    'does this node own the value''s bucket in that hash map version';

-- Rows that a statement of this session needs and that were read elsewhere. Anybody may call them: they are about the
-- caller's own session. exchange_rows is declared immutable because it gives the same rows throughout the statement.
CREATE FUNCTION expanse.exchange_add(number int, first boolean, lines text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'exchange_add';
CREATE FUNCTION expanse.exchange_rows(number int) RETURNS SETOF record
    LANGUAGE c IMMUTABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'exchange_rows';
-- The same, of rows that this session alone has.
CREATE FUNCTION expanse.returned_rows(number int) RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'exchange_rows';

-- Part of a DELETE's text: its rows are inserted elsewhere, and who waits for one of them is to know.
CREATE FUNCTION expanse.row_moves(key anyelement) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'row_moves';

CREATE FUNCTION pg_catalog.cluster_owner(relation regclass, value anyelement) RETURNS text
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'cluster_owner';
COMMENT ON FUNCTION pg_catalog.cluster_owner(regclass, anyelement) IS
    'name of the node that owns the rows with this value in the distribution column';

-- Triggers of tables whose own triggers could change the distribution column.
CREATE FUNCTION expanse.check_key() RETURNS trigger
    LANGUAGE c AS 'MODULE_PATHNAME', 'check_key';
CREATE FUNCTION expanse.guard_key(relation regclass, watch boolean) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'guard_key';

-- ---------------------------------------------------------------------------
-- Operations: handed to the sidecar of this server
-- ---------------------------------------------------------------------------

-- With rebind: reversible_for and max_rate (of each rebind) as in cluster_rebind.
CREATE FUNCTION pg_catalog.cluster_expand(
        nodes jsonb, layout text DEFAULT 'minimal', rebind boolean DEFAULT false,
        reversible_for interval DEFAULT '0', max_rate text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_expand';
COMMENT ON FUNCTION pg_catalog.cluster_expand(jsonb, text, boolean, interval, text) IS
    'start to add servers, [{"node_name", "host", "port", "weight"}, ...], to the cluster; gives the operation''s id';

-- A call, so that it is a transaction of its own just like the one above.
CREATE FUNCTION pg_catalog.cluster_expand(
        node_name text, host text, port int DEFAULT 5432, layout text DEFAULT 'minimal',
        rebind boolean DEFAULT false, weight int DEFAULT 1, reversible_for interval DEFAULT '0',
        max_rate text DEFAULT NULL) RETURNS bigint
    LANGUAGE sql VOLATILE
    RETURN pg_catalog.cluster_expand(
        jsonb_build_object('node_name', node_name, 'host', host, 'port', port, 'weight', weight), layout, rebind,
        reversible_for, max_rate);
COMMENT ON FUNCTION pg_catalog.cluster_expand(text, text, int, text, boolean, int, interval, text) IS
    'start to add a server to the cluster; gives the operation''s id';

CREATE FUNCTION pg_catalog.cluster_shrink(
        node_names text[], layout text DEFAULT 'minimal', lose_data boolean DEFAULT false) RETURNS bigint
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_shrink';
COMMENT ON FUNCTION pg_catalog.cluster_shrink(text[], text, boolean) IS
    'start to let nodes leave the cluster; gives the operation''s id';

CREATE FUNCTION pg_catalog.cluster_shrink(
        node_name text, layout text DEFAULT 'minimal', lose_data boolean DEFAULT false) RETURNS bigint
    LANGUAGE sql VOLATILE
    RETURN pg_catalog.cluster_shrink(ARRAY[node_name], layout, lose_data);
COMMENT ON FUNCTION pg_catalog.cluster_shrink(text, text, boolean) IS
    'start to let a node leave the cluster; gives the operation''s id';

CREATE FUNCTION pg_catalog.cluster_rebind_all(
        at_once int DEFAULT 1, max_write_freeze interval DEFAULT '500 ms', reversible_for interval DEFAULT '0',
        max_rate text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_rebind_all';
COMMENT ON FUNCTION pg_catalog.cluster_rebind_all(int, interval, interval, text) IS
    'start to move all tables to the current hash map, what gives most relief first; gives the operation''s id';

-- What would move, with nothing changed: rows and bytes are estimates, NULL for a node that does not answer; buckets
-- are NULL for a replicated table.
CREATE FUNCTION pg_catalog.cluster_plan_rebind(moving regclass,
        OUT relation regclass, OUT source_node text, OUT target_node text, OUT buckets int, OUT row_estimate bigint,
        OUT byte_estimate bigint) RETURNS SETOF record
    LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_plan_rebind';
COMMENT ON FUNCTION pg_catalog.cluster_plan_rebind(regclass) IS
    'what cluster_rebind would move';

CREATE FUNCTION pg_catalog.cluster_plan_rebind_all(
        OUT relation regclass, OUT source_node text, OUT target_node text, OUT buckets int, OUT row_estimate bigint,
        OUT byte_estimate bigint) RETURNS SETOF record
    LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_plan_rebind_all';
COMMENT ON FUNCTION pg_catalog.cluster_plan_rebind_all() IS
    'what cluster_rebind_all would move';

CREATE FUNCTION pg_catalog.cluster_plan_expand(nodes jsonb, layout text DEFAULT 'minimal',
        OUT relation regclass, OUT source_node text, OUT target_node text, OUT buckets int, OUT row_estimate bigint,
        OUT byte_estimate bigint) RETURNS SETOF record
    LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_plan_expand';
COMMENT ON FUNCTION pg_catalog.cluster_plan_expand(jsonb, text) IS
    'what cluster_expand and the rebinds after it would move';

CREATE FUNCTION pg_catalog.cluster_plan_expand(node_name text, layout text DEFAULT 'minimal', weight int DEFAULT 1,
        OUT relation regclass, OUT source_node text, OUT target_node text, OUT buckets int, OUT row_estimate bigint,
        OUT byte_estimate bigint) RETURNS SETOF record
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT * FROM pg_catalog.cluster_plan_expand(jsonb_build_object('node_name', $1, 'weight', $3), $2);
    END;
COMMENT ON FUNCTION pg_catalog.cluster_plan_expand(text, text, int) IS
    'what cluster_expand and the rebinds after it would move';

CREATE FUNCTION pg_catalog.cluster_plan_shrink(node_names text[], layout text DEFAULT 'minimal',
        OUT relation regclass, OUT source_node text, OUT target_node text, OUT buckets int, OUT row_estimate bigint,
        OUT byte_estimate bigint) RETURNS SETOF record
    LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_plan_shrink';
COMMENT ON FUNCTION pg_catalog.cluster_plan_shrink(text[], text) IS
    'what cluster_shrink would move';

CREATE FUNCTION pg_catalog.cluster_plan_shrink(node_name text, layout text DEFAULT 'minimal',
        OUT relation regclass, OUT source_node text, OUT target_node text, OUT buckets int, OUT row_estimate bigint,
        OUT byte_estimate bigint) RETURNS SETOF record
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT * FROM pg_catalog.cluster_plan_shrink(ARRAY[$1], $2);
    END;
COMMENT ON FUNCTION pg_catalog.cluster_plan_shrink(text, text) IS
    'what cluster_shrink would move';

REVOKE ALL ON FUNCTION pg_catalog.cluster_plan_rebind(regclass), pg_catalog.cluster_plan_rebind_all(),
        pg_catalog.cluster_plan_expand(jsonb, text), pg_catalog.cluster_plan_expand(text, text, int),
        pg_catalog.cluster_plan_shrink(text[], text), pg_catalog.cluster_plan_shrink(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_plan_rebind(regclass), pg_catalog.cluster_plan_rebind_all(),
        pg_catalog.cluster_plan_expand(jsonb, text), pg_catalog.cluster_plan_expand(text, text, int),
        pg_catalog.cluster_plan_shrink(text[], text), pg_catalog.cluster_plan_shrink(text, text)
    TO expanse_admin, pg_monitor;

CREATE FUNCTION pg_catalog.cluster_rebind(
        relation regclass, strategy text DEFAULT 'move', max_write_freeze interval DEFAULT '500 ms',
        reversible_for interval DEFAULT '0', distribution_column text DEFAULT NULL, colocate_with regclass DEFAULT NULL,
        max_rate text DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_rebind';
COMMENT ON FUNCTION pg_catalog.cluster_rebind(regclass, text, interval, interval, text, regclass, text) IS
    'start to move a table''s colocation group to the current hash map, or by "rewrite" a table to another distribution column; gives the operation''s id';

CREATE FUNCTION pg_catalog.cluster_add_storage(name text, directory text) RETURNS bigint
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_add_storage';
COMMENT ON FUNCTION pg_catalog.cluster_add_storage(text, text) IS
    'start to make a tablespace on every node, {node} in its directory is the node''s name; gives the operation''s id';

CREATE FUNCTION pg_catalog.cluster_drop_storage(name text) RETURNS bigint
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_drop_storage';
COMMENT ON FUNCTION pg_catalog.cluster_drop_storage(text) IS
    'start to remove an empty storage from every node; gives the operation''s id';

CREATE FUNCTION pg_catalog.cluster_move_table(
        relation regclass, storage text, cluster_on regclass DEFAULT NULL) RETURNS bigint
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_move_table';
COMMENT ON FUNCTION pg_catalog.cluster_move_table(regclass, text, regclass) IS
    'start to move a table''s colocation group to a storage, node by node, the table in the order of an index if one is given; gives the operation''s id';

CREATE FUNCTION pg_catalog.cluster_wait(operation bigint, timeout interval DEFAULT NULL) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_wait';
COMMENT ON FUNCTION pg_catalog.cluster_wait(bigint, interval) IS
    'wait until an operation has finished; raises its error';

CREATE FUNCTION pg_catalog.cluster_cancel(operation bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_cancel';
COMMENT ON FUNCTION pg_catalog.cluster_cancel(bigint) IS
    'undo an operation that has not finished';

CREATE FUNCTION pg_catalog.cluster_pause(operation bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_pause';
COMMENT ON FUNCTION pg_catalog.cluster_pause(bigint) IS
    'let an operation stand still where it is';

CREATE FUNCTION pg_catalog.cluster_resume(operation bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_resume';
COMMENT ON FUNCTION pg_catalog.cluster_resume(bigint) IS
    'let a paused operation go on';

CREATE FUNCTION pg_catalog.cluster_reverse(operation bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_reverse';
COMMENT ON FUNCTION pg_catalog.cluster_reverse(bigint) IS
    'go back to the old hash map after the switch of a rebind, without another copy';

CREATE FUNCTION pg_catalog.cluster_finish(operation bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'cluster_finish';
COMMENT ON FUNCTION pg_catalog.cluster_finish(bigint) IS
    'let a rebind that can still be reversed delete the old copies now';

-- ---------------------------------------------------------------------------
-- Status: the sidecar's view of the cluster, in shared memory
-- ---------------------------------------------------------------------------

CREATE FUNCTION expanse.store_status(status text) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'publish_status';
CREATE FUNCTION expanse.publish_status(status jsonb) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT expanse.store_status($1::text);
    END;

CREATE FUNCTION expanse.fetch_status() RETURNS text
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'cluster_status';
CREATE FUNCTION expanse.cluster_status() RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT expanse.fetch_status()::jsonb;
    END;
REVOKE ALL ON FUNCTION expanse.fetch_status(), expanse.cluster_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.fetch_status(), expanse.cluster_status() TO pg_monitor, expanse_admin;

-- ---------------------------------------------------------------------------
-- Views
-- ---------------------------------------------------------------------------

-- Views are relations, which belong into pg_catalog only when the system says so.
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
COMMENT ON VIEW pg_catalog.cluster_nodes IS 'nodes of the cluster, with their share of the current hash map';

CREATE VIEW pg_catalog.cluster_hash_maps AS
    SELECT m.hash_map_version, m.current,
           (SELECT count(DISTINCT r.node_id) FROM expanse.hash_map_range r
            WHERE r.hash_map_version = m.hash_map_version)::int AS nodes,
           (SELECT count(*) FROM expanse.colocation_group g JOIN expanse.distributed_table t USING (group_id)
            WHERE g.hash_map_version = m.hash_map_version)::int AS tables,
           m.created_at
    FROM expanse.hash_map m
    ORDER BY m.hash_map_version;
COMMENT ON VIEW pg_catalog.cluster_hash_maps IS 'versions of the hash map; new tables are bound to the current one';

CREATE VIEW pg_catalog.cluster_hash_map_ranges AS
    SELECT r.hash_map_version, n.node_name, r.first_bucket, r.last_bucket
    FROM expanse.hash_map_range r JOIN expanse.node n USING (node_id)
    ORDER BY r.hash_map_version, r.first_bucket;
COMMENT ON VIEW pg_catalog.cluster_hash_map_ranges IS 'which node owns which buckets in which version';

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
COMMENT ON VIEW pg_catalog.cluster_tables IS 'distributed and replicated tables';

CREATE VIEW pg_catalog.cluster_storage_nodes AS
    SELECT p.storage_name, p.node_name, p.directory, p.tables, p.bytes, p.free_bytes
    FROM expanse.storage_parts() AS p
    ORDER BY p.storage_name, p.node_name;
COMMENT ON VIEW pg_catalog.cluster_storage_nodes IS
    'every node''s part of every storage; asks all nodes, and shows NULL for those that do not answer';

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
COMMENT ON VIEW pg_catalog.cluster_storage IS
    'tablespaces that every node has: tables, bytes on all nodes, least room on any';

CREATE FUNCTION expanse.fragments(
        OUT relation regclass, OUT node_name text, OUT row_estimate bigint, OUT bytes bigint) RETURNS SETOF record
    LANGUAGE c STABLE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'fragments';
REVOKE ALL ON FUNCTION expanse.fragments() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.fragments() TO pg_monitor, expanse_admin;

CREATE VIEW pg_catalog.cluster_fragments AS
    SELECT f.relation, f.node_name, f.row_estimate, f.bytes
    FROM expanse.fragments() AS f
    ORDER BY f.relation::text, f.node_name;
COMMENT ON VIEW pg_catalog.cluster_fragments IS
    'every node''s part of every spread table; asks all nodes, and shows NULL for those that do not answer';

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
COMMENT ON VIEW pg_catalog.cluster_operations IS 'operations of the cluster, running and finished';

CREATE VIEW pg_catalog.cluster_executor AS
    SELECT e.node_name, e.address, e.class, e."limit" AS socket_limit, e.in_use, e.waiting, e.tries, e.retries, e.timeouts, e.failures,
           e.retry_budget, e.breaker, e.load_factor, e.reason
    FROM jsonb_to_recordset(expanse.cluster_status() -> 'executor') AS e (
        node_name text, address text, class text, "limit" bigint, in_use bigint, waiting bigint, tries bigint,
        retries bigint, timeouts bigint, failures bigint, retry_budget double precision, breaker text,
        load_factor double precision, reason text);
COMMENT ON VIEW pg_catalog.cluster_executor IS
    'how this node''s sidecar runs commands on the nodes: sockets and tries of each class, and why commands wait or are refused';

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
COMMENT ON VIEW pg_catalog.cluster_blocked IS 'what should happen and does not, why, since when, and what to do';

GRANT SELECT ON pg_catalog.cluster_executor, pg_catalog.cluster_blocked TO pg_monitor, expanse_admin;
GRANT SELECT ON pg_catalog.cluster_nodes, pg_catalog.cluster_hash_maps, pg_catalog.cluster_hash_map_ranges,
        pg_catalog.cluster_tables, pg_catalog.cluster_fragments, pg_catalog.cluster_operations,
        pg_catalog.cluster_storage, pg_catalog.cluster_storage_nodes
    TO pg_monitor, expanse_admin;

-- ---------------------------------------------------------------------------
-- Transactions over nodes
-- ---------------------------------------------------------------------------

CREATE FUNCTION expanse.recover_transactions() RETURNS int
    LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'recover_transactions';
COMMENT ON FUNCTION expanse.recover_transactions() IS
    'finishes prepared transactions that this node coordinates and a crash left; how many';

-- Snapshots of several nodes that belong together: called by the coordinator of a read or write as its own user.
CREATE FUNCTION expanse.announce_transaction(name text, members bigint) RETURNS void
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'announce_transaction';
CREATE FUNCTION expanse.report_transactions() RETURNS text
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'report_transactions';
CREATE FUNCTION expanse.await_transactions(fingerprints text, timeout_ms int) RETURNS boolean
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'await_transactions';
-- For a moment no transaction over several nodes that this node coordinates begins to commit; whether none commits now.
CREATE FUNCTION expanse.hold_commits() RETURNS boolean
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'hold_commits';
CREATE FUNCTION expanse.release_commits() RETURNS void
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'release_commits';


CREATE FUNCTION pg_catalog.cluster_run_on_nodes(command text,
        OUT node_name text, OUT ok boolean, OUT result text) RETURNS SETOF record
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'cluster_run_on_nodes';
COMMENT ON FUNCTION pg_catalog.cluster_run_on_nodes(text) IS
    'runs a command on every node, each in a session and transaction of its own';

-- Who waits for whom on this node. A session is named node:pid:user; one that works for another node's session (its
-- application name says so) by that one, so that the edges of all nodes make one graph.
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
COMMENT ON FUNCTION expanse.wait_edges() IS 'waits for locks on this node, by the sessions they are for';

-- The waits of this node, and when the transactions of its own sessions began.
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
COMMENT ON FUNCTION expanse.wait_graph() IS 'who waits for whom on this node, and when its transactions began';

CREATE FUNCTION expanse.mark_deadlocked(pid int) RETURNS void
    LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'mark_deadlocked';
COMMENT ON FUNCTION expanse.mark_deadlocked(int) IS
    'the session is about to be cancelled because of a deadlock over nodes: it reports SQLSTATE 40P01';

-- Cancels the sessions of this node that are to give way in a cycle of waits over nodes; how many. Every node finds the
-- same cycles and the same victim in each (the youngest transaction), so exactly one node acts.
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
COMMENT ON FUNCTION expanse.break_deadlocks() IS
    'cancels sessions of this node that close a cycle of waits over nodes; how many';

-- ---------------------------------------------------------------------------
-- Privileges: what changes the cluster is for superusers and members of expanse_admin
-- ---------------------------------------------------------------------------

DO $$
DECLARE
    changing regprocedure;
BEGIN
    FOR changing IN
        SELECT p.oid FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
        WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass
          AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'expanse')
          AND p.provolatile = 'v'
          AND p.proname NOT IN ('invalidate_metadata', 'check_key', 'lock_schema_gate', 'add_unbuilt_index', 'close_door', 'lock_tables', 'spread_sequence', 'exchange_add', 'returned_rows')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', changing);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO expanse_admin', changing);
    END LOOP;
END
$$;

-- ---------------------------------------------------------------------------
-- Parts of aggregates: what a node delivers of an aggregate that is combined elsewhere is its transition state.
-- partial_NAME has the transition function of pg_catalog.NAME and ends with its serialized state.
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
