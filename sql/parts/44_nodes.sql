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
