-- ---------------------------------------------------------------------------
-- Transactions over several nodes: commit records and recovery
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
