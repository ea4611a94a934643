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
