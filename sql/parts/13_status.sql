-- ---------------------------------------------------------------------------
-- Status: the sidecar's view of the cluster, in shared memory
-- ---------------------------------------------------------------------------

CREATE FUNCTION expanse.store_status(status text) RETURNS void
    LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'publish_status';
REVOKE ALL ON FUNCTION expanse.store_status(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.store_status(text) TO expanse_admin;
COMMENT ON FUNCTION expanse.store_status(text) IS 'Stores the status that the views show, as text.';

CREATE FUNCTION expanse.publish_status(status jsonb) RETURNS void
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT expanse.store_status($1::text);
    END;
REVOKE ALL ON FUNCTION expanse.publish_status(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.publish_status(jsonb) TO expanse_admin;
COMMENT ON FUNCTION expanse.publish_status(jsonb) IS 'Stores the status that the views show; called by the sidecar.';

CREATE FUNCTION expanse.fetch_status() RETURNS text
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'cluster_status';
REVOKE ALL ON FUNCTION expanse.fetch_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.fetch_status() TO expanse_admin, pg_monitor;
COMMENT ON FUNCTION expanse.fetch_status() IS 'Gives the status that the sidecar has stored, as text.';

CREATE FUNCTION expanse.cluster_status() RETURNS jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT expanse.fetch_status()::jsonb;
    END;
REVOKE ALL ON FUNCTION expanse.cluster_status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.cluster_status() TO expanse_admin, pg_monitor;
COMMENT ON FUNCTION expanse.cluster_status() IS 'Gives the status that the sidecar has stored.';
