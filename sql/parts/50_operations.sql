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
