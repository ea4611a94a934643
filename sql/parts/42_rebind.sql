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
