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
