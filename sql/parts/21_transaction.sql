-- ---------------------------------------------------------------------------
-- Transactions over several nodes: commit records, recovery, and snapshots of several nodes that belong together
-- ---------------------------------------------------------------------------

CREATE TABLE expanse.commit_record (
    transaction_name text PRIMARY KEY,
    written_at       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE expanse.commit_record IS
    'Decisions of transactions over several nodes that this node coordinated: a record is there exactly if the '
    'transaction is committed.';

CREATE FUNCTION expanse.recover_transactions() RETURNS int
    LANGUAGE c VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME', 'recover_transactions';
REVOKE ALL ON FUNCTION expanse.recover_transactions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.recover_transactions() TO expanse_admin;
COMMENT ON FUNCTION expanse.recover_transactions() IS
    'Finishes prepared transactions that this node coordinates and that a crash has left; gives their number.';

-- For the coordinator of a read or a write, as the user that it works for.

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
