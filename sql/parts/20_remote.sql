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
