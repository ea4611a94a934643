-- ---------------------------------------------------------------------------
-- Rows that a statement of this session needs and that were read elsewhere. Every user may call these functions: they
-- are about the caller's own session.
-- ---------------------------------------------------------------------------

CREATE FUNCTION expanse.exchange_add(number int, first boolean, lines text) RETURNS void
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'exchange_add';
GRANT EXECUTE ON FUNCTION expanse.exchange_add(int, boolean, text) TO PUBLIC;
COMMENT ON FUNCTION expanse.exchange_add(int, boolean, text) IS
    'Adds rows, as lines of COPY, to an exchange of this session.';

-- Declared immutable because it gives the same rows throughout the statement.
CREATE FUNCTION expanse.exchange_rows(number int) RETURNS SETOF record
    LANGUAGE c IMMUTABLE PARALLEL RESTRICTED AS 'MODULE_PATHNAME', 'exchange_rows';
GRANT EXECUTE ON FUNCTION expanse.exchange_rows(int) TO PUBLIC;
COMMENT ON FUNCTION expanse.exchange_rows(int) IS 'Gives the rows of an exchange of this session.';

CREATE FUNCTION expanse.returned_rows(number int) RETURNS SETOF record
    LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'exchange_rows';
GRANT EXECUTE ON FUNCTION expanse.returned_rows(int) TO PUBLIC;
COMMENT ON FUNCTION expanse.returned_rows(int) IS 'Gives the rows of an exchange that this session alone has.';

CREATE FUNCTION expanse.row_moves(key anyelement) RETURNS boolean
    LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'row_moves';
GRANT EXECUTE ON FUNCTION expanse.row_moves(anyelement) TO PUBLIC;
COMMENT ON FUNCTION expanse.row_moves(anyelement) IS
    'Marks the rows of a DELETE that are inserted on another node; true in any other place.';
