-- ---------------------------------------------------------------------------
-- Deadlocks over several nodes
-- ---------------------------------------------------------------------------

-- A session is named node:pid:user. A session that works for another node's session, as its application name says, has the
-- name of that one, so that the edges of all nodes make one graph.
CREATE FUNCTION expanse.wait_edges(OUT waiting text, OUT blocking text) RETURNS SETOF record
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        WITH session AS MATERIALIZED (
            SELECT a.pid,
                   CASE WHEN a.application_name ~ '^expanse:[^:]+:[0-9]+$' THEN substr(a.application_name, 9)
                        ELSE n.node_name || ':' || a.pid END || ':' || a.usename AS vertex
            FROM pg_stat_activity a, expanse.local_node l JOIN expanse.node n ON n.node_id = l.node_id
            WHERE a.backend_type = 'client backend' AND a.datname = current_database()
        )
        SELECT DISTINCT w.vertex, b.vertex
        FROM pg_locks k
        JOIN session w ON w.pid = k.pid
        CROSS JOIN LATERAL unnest(pg_blocking_pids(k.pid)) AS p (pid)
        JOIN session b ON b.pid = p.pid
        WHERE NOT k.granted AND k.waitstart < clock_timestamp() - interval '500 ms' AND w.vertex <> b.vertex;
    END;
REVOKE ALL ON FUNCTION expanse.wait_edges() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.wait_edges() TO expanse_admin;
COMMENT ON FUNCTION expanse.wait_edges() IS 'Gives the waits for locks on this node, by the sessions that they are for.';

CREATE FUNCTION expanse.wait_graph() RETURNS json
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        SELECT json_build_object(
            'edges', (SELECT coalesce(json_agg(e), '[]') FROM expanse.wait_edges() e),
            'began', (
                SELECT coalesce(json_object_agg(n.node_name || ':' || a.pid || ':' || a.usename,
                                                extract(epoch FROM a.xact_start)), '{}')
                FROM pg_stat_activity a, expanse.local_node l JOIN expanse.node n ON n.node_id = l.node_id
                WHERE a.backend_type = 'client backend' AND a.xact_start IS NOT NULL
                  AND a.datname = current_database() AND a.application_name !~ '^expanse:[^:]+:[0-9]+$'
            ));
    END;
REVOKE ALL ON FUNCTION expanse.wait_graph() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.wait_graph() TO expanse_admin;
COMMENT ON FUNCTION expanse.wait_graph() IS
    'Gives the waits for locks on this node, and when the transactions of its own sessions began.';

CREATE FUNCTION expanse.mark_deadlocked(pid int) RETURNS void
    LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'mark_deadlocked';
REVOKE ALL ON FUNCTION expanse.mark_deadlocked(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.mark_deadlocked(int) TO expanse_admin;
COMMENT ON FUNCTION expanse.mark_deadlocked(int) IS
    'Makes a session of this node report SQLSTATE 40P01 when it is cancelled next.';

-- Every node finds the same cycles and the same victim in each, the youngest transaction, so exactly one node acts.
CREATE FUNCTION expanse.break_deadlocks() RETURNS int
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    victim text;
    broken int := 0;
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()
          AND datname = current_database() AND wait_event_type IN ('Lock', 'Extension')
          AND state_change < clock_timestamp() - interval '500 ms'
    ) THEN
        RETURN 0;
    END IF;
    FOR victim IN
        WITH RECURSIVE graph AS MATERIALIZED (
            SELECT result::json AS node FROM cluster_run_on_nodes('SELECT expanse.wait_graph()') WHERE ok
        ), edge AS MATERIALIZED (
            SELECT DISTINCT e.waiting, e.blocking
            FROM graph CROSS JOIN LATERAL json_to_recordset(node -> 'edges') AS e (waiting text, blocking text)
        ), began AS MATERIALIZED (
            SELECT b.key AS vertex, b.value::numeric AS at
            FROM graph CROSS JOIN LATERAL json_each_text(node -> 'began') AS b
        ), reach AS (
            SELECT waiting, blocking FROM edge
            UNION
            SELECT r.waiting, e.blocking FROM reach r JOIN edge e ON e.waiting = r.blocking
        ), cycle AS (
            SELECT DISTINCT there.waiting AS member, there.blocking AS vertex
            FROM reach there JOIN reach back ON back.waiting = there.blocking AND back.blocking = there.waiting
        )
        SELECT DISTINCT first_value(vertex) OVER (PARTITION BY member ORDER BY at DESC NULLS LAST, vertex COLLATE "C" DESC)
        FROM cycle LEFT JOIN began USING (vertex)
    LOOP
        IF split_part(victim, ':', 1) = (
            SELECT node_name FROM expanse.local_node JOIN expanse.node USING (node_id)
        ) THEN
            PERFORM expanse.mark_deadlocked(split_part(victim, ':', 2)::int);
            IF pg_cancel_backend(split_part(victim, ':', 2)::int) THEN
                RAISE LOG 'deadlock over nodes: session % gives way', victim;
                broken := broken + 1;
            END IF;
        END IF;
    END LOOP;
    RETURN broken;
END
$$;
REVOKE ALL ON FUNCTION expanse.break_deadlocks() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION expanse.break_deadlocks() TO expanse_admin;
COMMENT ON FUNCTION expanse.break_deadlocks() IS
    'Cancels sessions of this node that close a cycle of waits over several nodes; gives their number.';
