-- ---------------------------------------------------------------------------
-- Buckets: which node a value belongs to
-- ---------------------------------------------------------------------------

CREATE FUNCTION pg_catalog.cluster_bucket(value anyelement) RETURNS int
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'cluster_bucket';
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_bucket(anyelement) TO PUBLIC;
COMMENT ON FUNCTION pg_catalog.cluster_bucket(anyelement) IS
    E'Gives the hash bucket (0 to 65535) of a value of a distribution column. NULL for NULL.\n'
    'Errors: XP015 if the type has no built-in extended hash function.';

CREATE FUNCTION pg_catalog.cluster_owner(relation regclass, value anyelement) RETURNS text
    LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'cluster_owner';
GRANT EXECUTE ON FUNCTION pg_catalog.cluster_owner(regclass, anyelement) TO PUBLIC;
COMMENT ON FUNCTION pg_catalog.cluster_owner(regclass, anyelement) IS
    E'Gives the name of the node that owns the rows with this value in the distribution column. NULL for NULL.\n'
    'Errors: XP002 without a cluster, XP018 if the table is not distributed, XP015 if the value''s type cannot be '
    'hashed.';

CREATE FUNCTION expanse.owns(value anyelement, hash_map_version int) RETURNS boolean
    LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'owns';
GRANT EXECUTE ON FUNCTION expanse.owns(anyelement, int) TO PUBLIC;
COMMENT ON FUNCTION expanse.owns(anyelement, int) IS
    'Tells whether this node owns the value''s bucket in that hash map version.';
