-- ---------------------------------------------------------------------------
-- Snapshots of several nodes that belong together. These functions are for the coordinator of a read or a write, as the
-- user that it works for.
-- ---------------------------------------------------------------------------

CREATE FUNCTION expanse.announce_transaction(name text, members bigint) RETURNS void
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'announce_transaction';
GRANT EXECUTE ON FUNCTION expanse.announce_transaction(text, bigint) TO PUBLIC;
COMMENT ON FUNCTION expanse.announce_transaction(text, bigint) IS
    'Tells this node the name and the number of members of the transaction that its session works for.';

CREATE FUNCTION expanse.report_transactions() RETURNS text
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'report_transactions';
GRANT EXECUTE ON FUNCTION expanse.report_transactions() TO PUBLIC;
COMMENT ON FUNCTION expanse.report_transactions() IS
    'Gives the transactions over several nodes that are prepared here, and those that were committed lately.';

CREATE FUNCTION expanse.await_transactions(fingerprints text, timeout_ms int) RETURNS boolean
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'await_transactions';
GRANT EXECUTE ON FUNCTION expanse.await_transactions(text, int) TO PUBLIC;
COMMENT ON FUNCTION expanse.await_transactions(text, int) IS
    'Waits until prepared transactions are decided, for at most timeout_ms milliseconds; tells whether they are.';

CREATE FUNCTION expanse.hold_commits() RETURNS boolean
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'hold_commits';
GRANT EXECUTE ON FUNCTION expanse.hold_commits() TO PUBLIC;
COMMENT ON FUNCTION expanse.hold_commits() IS
    'Suspends commits of transactions that this node coordinates for a moment; tells whether none commits now.';

CREATE FUNCTION expanse.release_commits() RETURNS void
    LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'release_commits';
GRANT EXECUTE ON FUNCTION expanse.release_commits() TO PUBLIC;
COMMENT ON FUNCTION expanse.release_commits() IS 'Resumes commits of transactions that this node coordinates.';
