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
