-- ---------------------------------------------------------------------------
-- Schema changes. These functions are for other nodes, as the user that they work for.
-- ---------------------------------------------------------------------------

CREATE FUNCTION expanse.lock_schema_gate() RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'lock_schema_gate';
GRANT EXECUTE ON FUNCTION expanse.lock_schema_gate() TO PUBLIC;
COMMENT ON FUNCTION expanse.lock_schema_gate() IS
    'Locks the schema for one change at a time until the transaction ends; called on the active node with the '
    'lowest id.';

CREATE FUNCTION expanse.close_door() RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'close_door';
GRANT EXECUTE ON FUNCTION expanse.close_door() TO PUBLIC;
COMMENT ON FUNCTION expanse.close_door() IS
    'Closes the begin barrier of this node: transaction blocks wait at their BEGIN for a moment.';

CREATE FUNCTION expanse.lock_tables(tables regclass[], modes int[]) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'lock_tables';
GRANT EXECUTE ON FUNCTION expanse.lock_tables(regclass[], int[]) TO PUBLIC;
COMMENT ON FUNCTION expanse.lock_tables(regclass[], int[]) IS
    'Locks tables of this node, in modes as PostgreSQL numbers them.';

CREATE FUNCTION expanse.add_unbuilt_index(definition text) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'add_unbuilt_index';
GRANT EXECUTE ON FUNCTION expanse.add_unbuilt_index(text) TO PUBLIC;
COMMENT ON FUNCTION expanse.add_unbuilt_index(text) IS
    'Adds this node''s part of an index that is created concurrently, under the search path of the session.';

-- Schema changes of distributed tables are refused while an operation holds the lock.

CREATE FUNCTION expanse.lock_schema(operation bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'lock_schema';
REVOKE ALL ON FUNCTION expanse.lock_schema(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.lock_schema(bigint) TO expanse_admin;
COMMENT ON FUNCTION expanse.lock_schema(bigint) IS 'Locks the schema for an operation, on all nodes.';

CREATE FUNCTION expanse.unlock_schema(operation bigint) RETURNS void
    LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp AS 'MODULE_PATHNAME', 'unlock_schema';
REVOKE ALL ON FUNCTION expanse.unlock_schema(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.unlock_schema(bigint) TO expanse_admin;
COMMENT ON FUNCTION expanse.unlock_schema(bigint) IS 'Unlocks the schema that an operation has locked, on all nodes.';
