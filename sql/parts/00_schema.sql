\echo Use "CREATE EXTENSION expanse" to load this file. \quit

-- ---------------------------------------------------------------------------
-- Schema and role
-- ---------------------------------------------------------------------------

CREATE SCHEMA expanse;
COMMENT ON SCHEMA expanse IS 'Internal objects of the extension Expanse.';

GRANT USAGE ON SCHEMA expanse TO PUBLIC;

-- Members may call the functions that change the cluster.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'expanse_admin') THEN
        CREATE ROLE expanse_admin;
    END IF;
END
$$;
