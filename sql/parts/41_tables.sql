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
