\echo Use "ALTER EXTENSION expanse UPDATE" to load this file. \quit

-- Privileges and comments that each object states by itself, and functions whose text names columns.

COMMENT ON EXTENSION expanse IS
    'PostgreSQL that grows while it is in use: tables distributed over nodes by versioned hash maps';

COMMENT ON SCHEMA expanse IS 'Internal objects of the extension Expanse.';

COMMENT ON TABLE expanse.node IS 'Nodes of the cluster.';
COMMENT ON TABLE expanse.hash_map IS 'Versions of the hash map.';
COMMENT ON TABLE expanse.hash_map_range IS 'Which node owns which buckets in which version.';
COMMENT ON TABLE expanse.colocation_group IS 'Groups of tables whose equal keys lie on the same node.';
COMMENT ON TABLE expanse.distributed_table IS 'Distributed and replicated tables.';
COMMENT ON TABLE expanse.cluster IS 'The cluster as a whole, in one row.';
COMMENT ON TABLE expanse.storage IS 'Tablespaces that every node has.';
COMMENT ON TABLE expanse.local_node IS 'The id of this node, in one row.';
COMMENT ON TABLE expanse.schema_gate IS 'Lock of the schema: schema changes and what must not meet one lock this table.';
COMMENT ON TABLE expanse.gate_0 IS 'Group lock of the replicated tables.';
GRANT EXECUTE ON FUNCTION expanse.invalidate_metadata() TO PUBLIC;
COMMENT ON FUNCTION expanse.invalidate_metadata() IS 'Tells all sessions of this node that the metadata has changed.';

CREATE OR REPLACE FUNCTION expanse.put_node(node_id int, node_name text, host text, port int, weight int, state text)
    RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        INSERT INTO expanse.node (node_id, node_name, host, port, weight, state) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (node_id) DO UPDATE
            SET host = excluded.host, port = excluded.port, weight = excluded.weight, state = excluded.state;
        UPDATE expanse.cluster SET last_node_id = greatest(last_node_id, $1);
    END;

CREATE OR REPLACE FUNCTION expanse.put_storage(storage_name text, directory text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        INSERT INTO expanse.storage (storage_name, directory) VALUES ($1, $2) ON CONFLICT DO NOTHING;
    END;

CREATE OR REPLACE FUNCTION expanse.dump_metadata() RETURNS jsonb
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

CREATE OR REPLACE FUNCTION expanse.load_metadata(node_id int, metadata jsonb) RETURNS void
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

GRANT EXECUTE ON FUNCTION expanse.qualified_name(regclass) TO PUBLIC;
COMMENT ON FUNCTION expanse.qualified_name(regclass) IS 'Gives the name of a relation with its schema, quoted.';
COMMENT ON FUNCTION expanse.add_group(int, int, text) IS 'Adds a colocation group, with its group lock.';
COMMENT ON FUNCTION expanse.remove_group(int) IS 'Removes a colocation group, with its group lock.';
COMMENT ON FUNCTION expanse.add_table(regclass, int, text) IS
    'Records a distributed table, or a replicated one, which has no distribution column.';
COMMENT ON FUNCTION expanse.remove_table(regclass) IS 'Removes the record of a distributed or replicated table.';
COMMENT ON FUNCTION expanse.set_group(regclass, int) IS 'Puts a table into another colocation group.';
COMMENT ON FUNCTION expanse.set_motion(int, int) IS
    'Records the hash map version that a group moves to; NULL when it does not move.';
COMMENT ON FUNCTION expanse.set_binding(int, int, text) IS
    'Binds a group to a hash map version, and its only table to another distribution column if one is given.';
COMMENT ON FUNCTION expanse.make_current(int) IS 'Makes a hash map version the current one.';
COMMENT ON FUNCTION expanse.drop_unused_hash_maps() IS
    'Drops hash map versions that are neither current nor have tables, with their empty groups.';
COMMENT ON FUNCTION expanse.put_node(int, text, text, int, int, text) IS
    'Adds a node, or changes its address, weight and state.';
COMMENT ON FUNCTION expanse.set_node_state(int, text) IS 'Changes the state of a node.';
COMMENT ON FUNCTION expanse.remove_node(int) IS 'Removes a node.';
COMMENT ON FUNCTION expanse.put_storage(text, text) IS 'Adds a storage.';
COMMENT ON FUNCTION expanse.remove_storage(text) IS 'Removes a storage.';
COMMENT ON FUNCTION expanse.set_schema_lock(bigint) IS 'Records the operation that holds the schema locked; NULL for none.';
COMMENT ON FUNCTION expanse.dump_metadata() IS 'Gives all metadata of this node but its identity, for a node that joins.';
COMMENT ON FUNCTION expanse.load_metadata(int, jsonb) IS
    'Takes over what dump_metadata gave on another node; tables that do not exist here are left out.';
COMMENT ON FUNCTION expanse.clear_metadata() IS 'Removes all metadata: this server belongs to no cluster any more.';

GRANT EXECUTE ON FUNCTION pg_catalog.cluster_bucket(anyelement) TO PUBLIC;
COMMENT ON FUNCTION pg_catalog.cluster_bucket(anyelement) IS
    E'Gives the hash bucket (0 to 65535) of a value of a distribution column. NULL for NULL.\n'
    'Errors: XP015 if the type has no built-in extended hash function.';
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_owner(regclass, anyelement) TO PUBLIC;
COMMENT ON FUNCTION pg_catalog.cluster_owner(regclass, anyelement) IS
    E'Gives the name of the node that owns the rows with this value in the distribution column. NULL for NULL.\n'
    'Errors: XP002 without a cluster, XP018 if the table is not distributed, XP015 if the value''s type cannot be '
    'hashed.';
GRANT EXECUTE ON FUNCTION expanse.owns(anyelement, int) TO PUBLIC;
COMMENT ON FUNCTION expanse.owns(anyelement, int) IS
    'Tells whether this node owns the value''s bucket in that hash map version.';

COMMENT ON FUNCTION expanse.store_status(text) IS 'Stores the status that the views show, as text.';
COMMENT ON FUNCTION expanse.publish_status(jsonb) IS 'Stores the status that the views show; called by the sidecar.';
COMMENT ON FUNCTION expanse.fetch_status() IS 'Gives the status that the sidecar has stored, as text.';
COMMENT ON FUNCTION expanse.cluster_status() IS 'Gives the status that the sidecar has stored.';

COMMENT ON FUNCTION pg_catalog.cluster_run_on_nodes(text) IS
    E'Runs a command on every node, each time in a session and a transaction of its own, as the calling user. '
    'Gives a row for each node: its name, whether the command succeeded, and the first value of the last '
    'statement, its command tag, or the message of its error.\n'
    'Errors: XP002 without a cluster. The error of a node is a row of the result.';

COMMENT ON TABLE expanse.commit_record IS
    'Decisions of transactions over several nodes that this node coordinated: a record is there exactly if the '
    'transaction is committed.';
COMMENT ON FUNCTION expanse.recover_transactions() IS
    'Finishes prepared transactions that this node coordinates and that a crash has left; gives their number.';

GRANT EXECUTE ON FUNCTION expanse.announce_transaction(text, bigint) TO PUBLIC;
COMMENT ON FUNCTION expanse.announce_transaction(text, bigint) IS
    'Tells this node the name and the number of members of the transaction that its session works for.';
GRANT EXECUTE ON FUNCTION expanse.report_transactions() TO PUBLIC;
COMMENT ON FUNCTION expanse.report_transactions() IS
    'Gives the transactions over several nodes that are prepared here, and those that were committed lately.';
GRANT EXECUTE ON FUNCTION expanse.await_transactions(text, int) TO PUBLIC;
COMMENT ON FUNCTION expanse.await_transactions(text, int) IS
    'Waits until prepared transactions are decided, for at most timeout_ms milliseconds; tells whether they are.';
GRANT EXECUTE ON FUNCTION expanse.hold_commits() TO PUBLIC;
COMMENT ON FUNCTION expanse.hold_commits() IS
    'Suspends commits of transactions that this node coordinates for a moment; tells whether none commits now.';
GRANT EXECUTE ON FUNCTION expanse.release_commits() TO PUBLIC;
COMMENT ON FUNCTION expanse.release_commits() IS 'Resumes commits of transactions that this node coordinates.';

COMMENT ON FUNCTION expanse.wait_edges() IS 'Gives the waits for locks on this node, by the sessions that they are for.';
COMMENT ON FUNCTION expanse.wait_graph() IS
    'Gives the waits for locks on this node, and when the transactions of its own sessions began.';
COMMENT ON FUNCTION expanse.mark_deadlocked(int) IS
    'Makes a session of this node report SQLSTATE 40P01 when it is cancelled next.';
COMMENT ON FUNCTION expanse.break_deadlocks() IS
    'Cancels sessions of this node that close a cycle of waits over several nodes; gives their number.';

GRANT EXECUTE ON FUNCTION expanse.exchange_add(int, boolean, text) TO PUBLIC;
COMMENT ON FUNCTION expanse.exchange_add(int, boolean, text) IS
    'Adds rows, as lines of COPY, to an exchange of this session.';
GRANT EXECUTE ON FUNCTION expanse.exchange_rows(int) TO PUBLIC;
COMMENT ON FUNCTION expanse.exchange_rows(int) IS 'Gives the rows of an exchange of this session.';
GRANT EXECUTE ON FUNCTION expanse.returned_rows(int) TO PUBLIC;
COMMENT ON FUNCTION expanse.returned_rows(int) IS 'Gives the rows of an exchange that this session alone has.';
GRANT EXECUTE ON FUNCTION expanse.row_moves(anyelement) TO PUBLIC;
COMMENT ON FUNCTION expanse.row_moves(anyelement) IS
    'Marks the rows of a DELETE that are inserted on another node; true in any other place.';

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

GRANT EXECUTE ON FUNCTION expanse.lock_schema_gate() TO PUBLIC;
COMMENT ON FUNCTION expanse.lock_schema_gate() IS
    'Locks the schema for one change at a time until the transaction ends; called on the active node with the '
    'lowest id.';
GRANT EXECUTE ON FUNCTION expanse.close_door() TO PUBLIC;
COMMENT ON FUNCTION expanse.close_door() IS
    'Closes the begin barrier of this node: transaction blocks wait at their BEGIN for a moment.';
GRANT EXECUTE ON FUNCTION expanse.lock_tables(regclass[], int[]) TO PUBLIC;
COMMENT ON FUNCTION expanse.lock_tables(regclass[], int[]) IS
    'Locks tables of this node, in modes as PostgreSQL numbers them.';
GRANT EXECUTE ON FUNCTION expanse.add_unbuilt_index(text) TO PUBLIC;
COMMENT ON FUNCTION expanse.add_unbuilt_index(text) IS
    'Adds this node''s part of an index that is created concurrently, under the search path of the session.';
COMMENT ON FUNCTION expanse.lock_schema(bigint) IS 'Locks the schema for an operation, on all nodes.';
COMMENT ON FUNCTION expanse.unlock_schema(bigint) IS 'Unlocks the schema that an operation has locked, on all nodes.';

CREATE OR REPLACE FUNCTION expanse.spread_sequence(sequence regclass, used bigint) RETURNS void
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

COMMENT ON FUNCTION pg_catalog.cluster_distribute_table(regclass, text, regclass) IS
    E'Distributes a table of this node over all nodes, by the hash of a column. Its rows move to their owners in '
    'the same transaction. The table joins the colocation group of colocate_with, or that of its type in the '
    'current hash map.\n'
    'Errors: XP002 without a cluster, XP008 if a node is not active, XP013, XP014, XP015 and XP016 if table or '
    'column are not suitable, XP017 if the table is distributed already, XP019 if it cannot be colocated, XP021 '
    'while an operation locks the schema, 25001 in a REPEATABLE READ transaction.';
COMMENT ON FUNCTION pg_catalog.cluster_replicate_table(regclass) IS
    E'Gives every node a full copy of a table of this node, in the same transaction.\n'
    'Errors: XP002 without a cluster, XP008 if a node is not active, XP016 if the table is not suitable, XP017 if '
    'it is distributed or replicated already, XP021 while an operation locks the schema.';
COMMENT ON FUNCTION pg_catalog.cluster_localize_table(regclass) IS
    E'Makes a distributed or replicated table a plain table of this node again, with all its rows. Its writers '
    'wait meanwhile.\n'
    'Errors: XP018 if the table is not distributed, XP008 if a node is not active, XP020 if a foreign key needs '
    'tables that stay distributed, XP024 while its group is moved, XP021 while an operation locks the schema.';
GRANT EXECUTE ON FUNCTION expanse.spread_sequence(regclass, bigint) TO PUBLIC;
COMMENT ON FUNCTION expanse.spread_sequence(regclass, bigint) IS 'Makes a sequence give values that no other node gives.';
GRANT EXECUTE ON FUNCTION expanse.check_key() TO PUBLIC;
COMMENT ON FUNCTION expanse.check_key() IS 'Refuses a row whose distribution column a trigger has changed.';
COMMENT ON FUNCTION expanse.guard_key(regclass, boolean) IS
    'Adds or removes the trigger that watches the distribution column of a table.';
COMMENT ON FUNCTION expanse.fragments() IS
    'Gives every node''s part of every distributed table, with estimated rows and bytes.';

GRANT EXECUTE ON FUNCTION expanse.group_relations(int) TO PUBLIC;
COMMENT ON FUNCTION expanse.group_relations(int) IS 'Gives the tables of a colocation group.';
GRANT EXECUTE ON FUNCTION expanse.move_plan(regclass, int) TO PUBLIC;
COMMENT ON FUNCTION expanse.move_plan(regclass, int) IS
    'Gives the buckets of the relation''s group that go from one node to another; to the current hash map unless '
    'told otherwise.';
GRANT EXECUTE ON FUNCTION expanse.bucket_filter(regclass, int[], int[], text) TO PUBLIC;
COMMENT ON FUNCTION expanse.bucket_filter(regclass, int[], int[], text) IS
    'Gives the condition on the distribution column that holds for rows in these ranges of buckets, of built-in '
    'functions only.';
GRANT EXECUTE ON FUNCTION expanse.bucket_filter(regclass, int4range[], text) TO PUBLIC;
COMMENT ON FUNCTION expanse.bucket_filter(regclass, int4range[], text) IS
    'Gives the condition on the distribution column that holds for rows in these ranges of buckets.';
COMMENT ON FUNCTION expanse.begin_move(int, int) IS
    'Begins a move of a group: from its commit on, every node filters the group''s rows by ownership.';
COMMENT ON FUNCTION expanse.wait_for_statements(int, int) IS
    'Tells whether the statements of this node that hold the group lock now have ended within timeout_ms '
    'milliseconds.';
COMMENT ON FUNCTION expanse.empty_publication(text) IS
    'Takes all tables out of a publication of this node that is about to be dropped; gives their number.';
COMMENT ON FUNCTION expanse.lock_gate(int) IS
    'Locks the group lock on this node: writers of the group wait until the transaction ends.';
COMMENT ON FUNCTION expanse.hold_gate(int, int, boolean) IS
    'Locks the group lock on this node for at most limit_ms milliseconds, which the session itself keeps.';
COMMENT ON FUNCTION expanse.lock_all_gates() IS
    'Locks the group locks of all groups on this node: writers wait until the transaction ends.';
COMMENT ON FUNCTION expanse.hold_writers(int) IS
    'Makes writers of the group (0: of replicated tables) wait on every node until the transaction ends.';
COMMENT ON FUNCTION expanse.freeze_group(int, int, int, boolean) IS
    'Makes writers of the group, and readers if told so, wait on every node until the transaction ends, for at '
    'most limit_ms milliseconds.';
COMMENT ON FUNCTION expanse.bind_group(int, int, text) IS
    'Switches a group to another hash map: writers wait on every node until the transaction ends, then go on by '
    'the new map.';
COMMENT ON FUNCTION expanse.rebind_empty(int, int) IS
    'Binds a group without a row to another version at once; false if it has a row, or may get one.';
COMMENT ON FUNCTION expanse.age_hash_maps() IS
    'Drops versions that nothing is bound to and that are not current, on all nodes.';
GRANT EXECUTE ON FUNCTION expanse.idle_indexes(int) TO PUBLIC;
COMMENT ON FUNCTION expanse.idle_indexes(int) IS
    'Gives the indexes of a group without rows on this node that neither a constraint nor logical replication '
    'needs.';
COMMENT ON FUNCTION expanse.rest_indexes(int) IS
    'Suspends these indexes: they are not kept up, and not used, until REINDEX INDEX CONCURRENTLY has built them '
    'anew.';
COMMENT ON FUNCTION expanse.limit_copies(int, bigint) IS
    'Limits what copies of the group that start on this node send in all, in bytes a second; NULL for no limit.';
COMMENT ON FUNCTION expanse.bucket_digests(regclass, int[], int[], text, text, int[], int[]) IS
    'Gives number and digest of the rows of every bucket in these ranges on this node, to be compared with '
    'another node''s.';
COMMENT ON FUNCTION expanse.delete_surplus(int) IS
    'Deletes rows of this node that another node owns by the current binding; gives their number.';
COMMENT ON FUNCTION expanse.end_move(int) IS 'Ends the move of a group, and drops hash maps that nothing needs any more.';
COMMENT ON FUNCTION expanse.check_adoption(regclass, text) IS
    'Raises every reason why the table cannot be distributed by this column by a rewrite.';
COMMENT ON FUNCTION expanse.adopt_table(regclass, text, int) IS
    'Makes a plain table of this node a distributed one of which this node owns all rows, moving to that version; '
    'gives its group.';
COMMENT ON FUNCTION expanse.set_apart(regclass, int) IS
    'Puts a table into a group of its own that moves to that version; gives the group.';
COMMENT ON FUNCTION expanse.join_group(regclass, int) IS
    'Puts a table into that group, or into the one that a new table would join; false when there is none that it '
    'fits.';

COMMENT ON FUNCTION expanse.disk_space(text) IS
    'Gives the room on the file system of a directory of this server (NULL: its data directory), in bytes.';
COMMENT ON FUNCTION expanse.check_storage(text, text, text) IS
    'Raises every reason why this node cannot have a storage; else gives where it would be. Two nodes would share '
    'it exactly if place is the same.';
COMMENT ON FUNCTION expanse.make_storage_directory(text) IS 'Makes a directory as the server''s user; for superusers.';
COMMENT ON FUNCTION expanse.remove_storage_directory(text) IS
    'Removes a directory that was made so and is empty; for superusers.';
COMMENT ON FUNCTION expanse.record_storage(text, text) IS 'Adds a storage to the metadata of all nodes.';
COMMENT ON FUNCTION expanse.forget_storage(text) IS 'Removes a storage from the metadata of all nodes.';
GRANT EXECUTE ON FUNCTION expanse.storage_of(oid) TO PUBLIC;
COMMENT ON FUNCTION expanse.storage_of(oid) IS 'Gives the tablespace that a relation of this node lies in.';
COMMENT ON FUNCTION expanse.storage_contents(text) IS
    'Gives what lies in a tablespace of this node: relations of this database, then other databases with anything '
    'there.';
COMMENT ON FUNCTION expanse.storage_sizes() IS 'Gives every storage as it is on this node, sizes in bytes.';
COMMENT ON FUNCTION expanse.storage_parts() IS 'Gives every storage as it is on every node, sizes in bytes.';

COMMENT ON FUNCTION pg_catalog.cluster_init(text, text, int) IS
    E'Makes this server the first node of a new cluster. The address is the one at which other nodes reach this '
    'server.\n'
    'Errors: XP003 if it belongs to a cluster already, XP012 if a setting is not suitable, XP025 for a bad name, '
    'host or port.';
COMMENT ON FUNCTION expanse.check_new_node(text, text, int) IS 'Raises every reason to refuse a new server.';
COMMENT ON FUNCTION expanse.join_node(text, text, int, int) IS
    'Registers a new server as joining, on all nodes, and gives it the metadata; gives its node id.';
COMMENT ON FUNCTION expanse.activate_nodes(text[], text) IS
    'Makes nodes active, with one new current hash map; gives its version.';
COMMENT ON FUNCTION expanse.abort_join(text) IS 'Undoes join_node.';
COMMENT ON FUNCTION expanse.begin_shrink(text[], text) IS
    'Makes a new current hash map in which these nodes own nothing; gives its version.';
COMMENT ON FUNCTION expanse.undo_shrink(text[], int) IS
    'Makes the nodes own buckets of the current hash map again, which is that version if it is still there; gives '
    'its version.';
COMMENT ON FUNCTION expanse.remove_nodes(text[]) IS
    'Removes nodes, which lose metadata and distributed tables; refused while a group is bound to them.';
COMMENT ON FUNCTION expanse.lose_nodes(text[], text) IS
    'Removes nodes that do not answer without asking them; their rows are lost.';
COMMENT ON FUNCTION expanse.forget_nodes(text[]) IS 'Removes the last traces of nodes that have left.';
COMMENT ON FUNCTION expanse.leave_cluster() IS
    'Makes this server leave the cluster: it keeps nothing that could be taken for a whole table.';
COMMENT ON FUNCTION expanse.set_aside() IS
    'Moves the parts of distributed tables of this server, which was removed while it was away, to schema '
    'expanse_lost.';

COMMENT ON FUNCTION pg_catalog.cluster_expand(jsonb, text, boolean, interval, text) IS
    E'Starts to add servers to the cluster, with one new hash map, and gives the id of the operation. The argument '
    'nodes is an array of objects with node_name, host, port (default 5432) and weight (default 1), or one such '
    'object. The layout is minimal, which moves least, or contiguous. With rebind all tables follow, with '
    'reversible_for and max_rate as in cluster_rebind.\n'
    'Errors: XP005, XP009, XP010, XP011 and XP012 if a server is not suitable, XP006 if it cannot be reached, '
    'XP021 while another operation changes the nodes, XP022 without a sidecar, XP025 for bad arguments, 25001 '
    'inside a transaction block.';
COMMENT ON FUNCTION pg_catalog.cluster_expand(text, text, int, text, boolean, int, interval, text) IS
    E'Starts to add a server to the cluster, and gives the id of the operation. The other arguments are those of the '
    'function for several servers.\n'
    'Errors: those of the function for several servers.';
COMMENT ON FUNCTION pg_catalog.cluster_shrink(text[], text, boolean) IS
    E'Starts to let nodes leave the cluster, and gives the id of the operation. Every group is rebound first. With '
    'lose_data nodes that do not answer are removed and their rows are lost. The layout is minimal, which moves '
    'least, or contiguous.\n'
    'Errors: XP004 for an unknown node, XP021 while another operation changes the nodes, XP022 without a sidecar, '
    'XP025 for bad arguments, XP040 if no node would be left, XP133 if the others lack room, XP134 and XP135 if '
    'nodes do not answer, 25001 inside a transaction block.';
COMMENT ON FUNCTION pg_catalog.cluster_shrink(text, text, boolean) IS
    E'Starts to let a node leave the cluster, and gives the id of the operation. The other arguments are those of the '
    'function for several nodes.\n'
    'Errors: those of the function for several nodes.';
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
COMMENT ON FUNCTION pg_catalog.cluster_rebind_all(int, interval, interval, text) IS
    E'Starts to move all tables to the current hash map, at_once groups at a time, the one that relieves the '
    'fullest node most first; gives the id of the operation. The other arguments are those of cluster_rebind.\n'
    'Errors: XP021 while it runs already, XP022 without a sidecar, XP025 for bad arguments, 25001 inside a '
    'transaction block. The operation fails with the error of a rebind that failed, or XP136.';
COMMENT ON FUNCTION pg_catalog.cluster_add_storage(text, text) IS
    E'Starts to make a tablespace on every node, and gives the id of the operation. In the directory {node} stands '
    'for the name of the node.\n'
    'Errors: XP051 if the name exists, XP052 and XP140 if a node cannot use the directory, XP021 while another '
    'operation changes nodes or storages, XP022 without a sidecar, XP025 for a bad name or directory, 25001 '
    'inside a transaction block.';
COMMENT ON FUNCTION pg_catalog.cluster_drop_storage(text) IS
    E'Starts to remove an empty storage from every node, with the directories that were made for it; gives the id '
    'of the operation.\n'
    'Errors: XP050 if it does not exist, XP141 if it is in use, XP021 while another operation changes nodes or '
    'storages, XP022 without a sidecar, 25001 inside a transaction block.';
COMMENT ON FUNCTION pg_catalog.cluster_move_table(regclass, text, regclass) IS
    E'Starts to move the tables of a colocation group with their indexes to a storage, one table on one node at a '
    'time, and gives the id of the operation. Statements that use a part wait while it is copied. With cluster_on '
    'the table is written in the order of that index. The storage pg_default moves them back.\n'
    'Errors: XP018 if the table is not distributed, XP050 and XP142 if the storage or its tablespace does not '
    'exist, XP053 if the index has no order, XP024 and XP021 while another operation moves the group, XP022 '
    'without a sidecar, XP133 without room, 25001 inside a transaction block. The operation fails with XP144 if a '
    'table cannot be locked.';
COMMENT ON FUNCTION pg_catalog.cluster_wait(bigint, interval) IS
    E'Waits until an operation has finished, with its progress as notices. NULL as the timeout waits without '
    'limit; the operation goes on after a timeout.\n'
    'Errors: the error of the operation, 57014 if it was cancelled or has not finished within the timeout, XP022 '
    'without a sidecar, XP023 for an unknown operation.';
COMMENT ON FUNCTION pg_catalog.cluster_pause(bigint) IS
    E'Pauses an operation where it is, also while it is undone. Locks of the operation stay.\n'
    'Errors: XP022 without a sidecar, XP023 for an unknown operation, XP130 if it has finished.';
COMMENT ON FUNCTION pg_catalog.cluster_resume(bigint) IS
    E'Resumes a paused operation.\n'
    'Errors: XP022 without a sidecar, XP023 for an unknown operation, XP130 if it has finished, XP132 if it is '
    'not paused.';
COMMENT ON FUNCTION pg_catalog.cluster_cancel(bigint) IS
    E'Cancels an operation: what it has done is undone. Returns as soon as the request is in the journal.\n'
    'Errors: XP022 without a sidecar, XP023 for an unknown operation, XP130 if it has finished, XP131 if it '
    'cannot be undone any more.';
COMMENT ON FUNCTION pg_catalog.cluster_reverse(bigint) IS
    E'Goes back to the old hash map after the switch of a rebind, without another copy.\n'
    'Errors: XP022 without a sidecar, XP023 for an unknown operation, XP129 if it is not a rebind that has '
    'switched, XP130 if it has finished, XP131 if the old copies are being deleted.';
COMMENT ON FUNCTION pg_catalog.cluster_finish(bigint) IS
    E'Lets a rebind that can still be reversed delete the old copies now.\n'
    'Errors: XP022 without a sidecar, XP023 for an unknown operation, XP129 if it is not a rebind or is being '
    'undone, XP130 if it has finished.';

COMMENT ON FUNCTION pg_catalog.cluster_plan_rebind(regclass) IS
    E'Gives what cluster_rebind would move: estimated rows and bytes from node to node. NULL for a node that does '
    'not answer.\n'
    'Errors: XP002 without a cluster, XP018 if the table is not distributed.';
COMMENT ON FUNCTION pg_catalog.cluster_plan_rebind_all() IS
    E'Gives what cluster_rebind_all would move: estimated rows and bytes from node to node. NULL for a node that '
    'does not answer.\n'
    'Errors: XP002 without a cluster.';
COMMENT ON FUNCTION pg_catalog.cluster_plan_expand(jsonb, text) IS
    E'Gives what cluster_expand for several servers and the rebinds after it would move: estimated rows and bytes '
    'from node to node; buckets are NULL for a replicated table.\n'
    'Errors: XP002 without a cluster, XP005 if a name exists, XP025 for bad arguments.';
COMMENT ON FUNCTION pg_catalog.cluster_plan_expand(text, text, int) IS
    E'Gives what cluster_expand and the rebinds after it would move: estimated rows and bytes from node to node; '
    'buckets are NULL for a replicated table.\n'
    'Errors: XP002 without a cluster, XP005 if the name exists, XP025 for bad arguments.';
COMMENT ON FUNCTION pg_catalog.cluster_plan_shrink(text[], text) IS
    E'Gives what cluster_shrink for several nodes would move: estimated rows and bytes from node to node.\n'
    'Errors: XP002 without a cluster, XP004 for an unknown node, XP025 for bad arguments, XP040 if no node would '
    'be left.';
COMMENT ON FUNCTION pg_catalog.cluster_plan_shrink(text, text) IS
    E'Gives what cluster_shrink would move: estimated rows and bytes from node to node.\n'
    'Errors: XP002 without a cluster, XP004 for an unknown node, XP025 for bad arguments, XP040 if no node would '
    'be left.';

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
COMMENT ON VIEW pg_catalog.cluster_hash_maps IS 'Versions of the hash map; new tables are bound to the current one.';
COMMENT ON COLUMN pg_catalog.cluster_hash_maps.hash_map_version IS 'Version.';
COMMENT ON COLUMN pg_catalog.cluster_hash_maps.current IS 'True for the version that new tables are bound to.';
COMMENT ON COLUMN pg_catalog.cluster_hash_maps.nodes IS 'Number of nodes that own buckets in it.';
COMMENT ON COLUMN pg_catalog.cluster_hash_maps.tables IS 'Number of tables bound to it.';
COMMENT ON COLUMN pg_catalog.cluster_hash_maps.created_at IS 'When it was made.';
COMMENT ON VIEW pg_catalog.cluster_hash_map_ranges IS 'Which node owns which buckets in which version of the hash map.';
COMMENT ON COLUMN pg_catalog.cluster_hash_map_ranges.hash_map_version IS 'Version of the hash map.';
COMMENT ON COLUMN pg_catalog.cluster_hash_map_ranges.node_name IS 'Node that owns the range.';
COMMENT ON COLUMN pg_catalog.cluster_hash_map_ranges.first_bucket IS 'First bucket of the range, from 0.';
COMMENT ON COLUMN pg_catalog.cluster_hash_map_ranges.last_bucket IS 'Last bucket of the range, up to 65535.';
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
COMMENT ON VIEW pg_catalog.cluster_fragments IS 'Every node''s part of every distributed table. Asks all nodes.';
COMMENT ON COLUMN pg_catalog.cluster_fragments.relation IS 'Table.';
COMMENT ON COLUMN pg_catalog.cluster_fragments.node_name IS 'Node.';
COMMENT ON COLUMN pg_catalog.cluster_fragments.row_estimate IS
    'Rows of the part, as the node''s statistics estimate them; NULL if the node does not answer.';
COMMENT ON COLUMN pg_catalog.cluster_fragments.bytes IS
    'Bytes of the part with its indexes; NULL if the node does not answer.';
COMMENT ON VIEW pg_catalog.cluster_storage IS 'Tablespaces that every node has. Asks all nodes.';
COMMENT ON COLUMN pg_catalog.cluster_storage.storage_name IS 'Name of the tablespace.';
COMMENT ON COLUMN pg_catalog.cluster_storage.directory IS 'Directory; {node} stands for the name of the node.';
COMMENT ON COLUMN pg_catalog.cluster_storage.tables IS 'Distributed and replicated tables in it.';
COMMENT ON COLUMN pg_catalog.cluster_storage.bytes IS 'Bytes in it on all nodes.';
COMMENT ON COLUMN pg_catalog.cluster_storage.free_bytes IS 'Free bytes on the node that has least.';
COMMENT ON COLUMN pg_catalog.cluster_storage.nodes IS 'Number of nodes that have it and answer.';
COMMENT ON COLUMN pg_catalog.cluster_storage.missing_on IS 'Nodes that lack it or do not answer.';
COMMENT ON VIEW pg_catalog.cluster_storage_nodes IS 'Every node''s part of every storage. Asks all nodes.';
COMMENT ON COLUMN pg_catalog.cluster_storage_nodes.storage_name IS 'Name of the tablespace.';
COMMENT ON COLUMN pg_catalog.cluster_storage_nodes.node_name IS 'Node.';
COMMENT ON COLUMN pg_catalog.cluster_storage_nodes.directory IS
    'Directory on that node; NULL if the node does not answer or lacks it.';
COMMENT ON COLUMN pg_catalog.cluster_storage_nodes.tables IS 'Distributed and replicated tables in it.';
COMMENT ON COLUMN pg_catalog.cluster_storage_nodes.bytes IS 'Bytes in it.';
COMMENT ON COLUMN pg_catalog.cluster_storage_nodes.free_bytes IS 'Free bytes on its file system.';
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
