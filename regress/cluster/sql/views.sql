-- Views over a plain table are its node's; as soon as the table is spread, every node has them.
SELECT port AS n1 FROM cluster_nodes WHERE node_name = 'n1' \gset
SELECT port AS n2 FROM cluster_nodes WHERE node_name = 'n2' \gset
CREATE ROLE views_reader;
CREATE ROLE views_owner;
CREATE SCHEMA views;
GRANT USAGE, CREATE ON SCHEMA views TO views_owner;
GRANT USAGE ON SCHEMA views TO views_reader;
SET search_path = views;
CREATE TABLE sale (id bigint PRIMARY KEY, kind text, amount int);
CREATE TABLE kind (kind text PRIMARY KEY, label text);
CREATE TABLE note (id bigint, note text);
INSERT INTO sale SELECT i, 'k' || i % 3, i % 10 FROM generate_series(1, 60) i;
INSERT INTO kind SELECT 'k' || i, 'kind ' || i FROM generate_series(0, 2) i;
INSERT INTO note VALUES (1, 'one');
CREATE VIEW big WITH (security_barrier) AS SELECT id, amount, kind FROM sale WHERE amount > 5;
CREATE VIEW "Labelled" (nr, what) AS SELECT b.id, label FROM big b JOIN kind USING (kind);
CREATE VIEW noted AS SELECT * FROM sale JOIN note USING (id);
CREATE VIEW summary AS WITH sums AS (SELECT kind, sum(amount) FROM sale GROUP BY kind) SELECT * FROM sums;
ALTER VIEW summary OWNER TO views_owner;
GRANT SELECT ON sale TO views_owner;
GRANT SELECT (id) ON big TO views_reader;
GRANT SELECT ON summary TO views_reader;
ALTER VIEW big ALTER amount SET DEFAULT 9;
COMMENT ON VIEW big IS 'more than 5';
COMMENT ON COLUMN big.amount IS 'in cents';
CREATE FUNCTION no_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER unchanged INSTEAD OF UPDATE ON summary FOR EACH ROW EXECUTE FUNCTION no_change();
CREATE RULE kept AS ON DELETE TO big DO INSTEAD NOTHING;

SELECT cluster_distribute_table('sale', 'id');
\set there 'SELECT string_agg(relname::text, $$ $$ ORDER BY relname) FROM pg_class WHERE relkind = $$v$$ AND relnamespace = $$views$$::regnamespace'
SELECT node_name, result FROM cluster_run_on_nodes(:'there') ORDER BY 1;
SELECT cluster_replicate_table('kind');
SELECT node_name, result FROM cluster_run_on_nodes(:'there') ORDER BY 1;
SELECT count(DISTINCT result) FROM cluster_run_on_nodes($$SELECT string_agg(concat_ws('|', oid::regclass, relowner::regrole, reloptions, relacl,
    obj_description(oid), pg_get_viewdef(oid), (SELECT string_agg(concat_ws(' ', attname, attacl, col_description(attrelid, attnum)), ',')
    FROM pg_attribute WHERE attrelid = pg_class.oid)), chr(10) ORDER BY relname) FROM pg_class WHERE oid IN ('views.big'::regclass, 'views."Labelled"'::regclass, 'views.summary'::regclass)$$);

\c - - - :n2
SET search_path = views;
SELECT count(*), sum(amount), obj_description('big'::regclass) FROM big;
SELECT what, count(*) FROM "Labelled" GROUP BY what ORDER BY what;
SELECT * FROM summary ORDER BY kind;
INSERT INTO big (id, kind) VALUES (1000, 'k1');
DELETE FROM big;
UPDATE summary SET sum = 0;
SELECT * FROM sale WHERE id = 1000;
SET ROLE views_reader;
SELECT count(id) FROM big;
SELECT count(amount) FROM big;
RESET ROLE;

-- What a view needs has to be on the other nodes, or come with it.
\c - - - :n1
SET search_path = views;
CREATE TABLE t (id int PRIMARY KEY, v int);
CREATE SEQUENCE plain;
CREATE FUNCTION total() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT sum(v) FROM t; END;
CREATE VIEW with_total AS SELECT id, total() FROM t;
CREATE VIEW over_total AS SELECT * FROM with_total;
CREATE VIEW first AS SELECT * FROM t;
CREATE VIEW second AS SELECT * FROM t;
CREATE RULE down AS ON INSERT TO first DO INSTEAD INSERT INTO second VALUES (new.id);
CREATE VIEW typed AS SELECT (jsonb_populate_record(NULL::t, '{"id": 7}')).*;
CREATE VIEW numbered AS SELECT * FROM t;
ALTER VIEW numbered ALTER v SET DEFAULT nextval('plain');
SELECT cluster_distribute_table('t', 'id');
SELECT node_name, result FROM cluster_run_on_nodes(:'there') ORDER BY 1;
\c - - - :n2
SET search_path = views;
INSERT INTO first VALUES (5);
SELECT id FROM typed UNION ALL SELECT id FROM second ORDER BY id;
-- A view of another owner stays where it is, and the table is distributed nevertheless.
\c - - - :n1
SET search_path = views;
CREATE TABLE own (id bigint PRIMARY KEY);
CREATE VIEW own_view AS SELECT count(*) FROM own;
ALTER TABLE own OWNER TO views_owner;
GRANT expanse_admin TO views_owner;
SET ROLE views_owner;
SELECT cluster_distribute_table('own', 'id');
RESET ROLE;
SELECT node_name, result FROM cluster_run_on_nodes('SELECT to_regclass($$views.own_view$$)') ORDER BY 1;
CREATE OR REPLACE VIEW own_view AS SELECT count(*) FROM own;
SELECT node_name, result FROM cluster_run_on_nodes('SELECT to_regclass($$views.own_view$$)') ORDER BY 1;

-- Where the table goes from, its views go; here they stay.
SELECT cluster_localize_table('sale');
SELECT node_name, result FROM cluster_run_on_nodes(:'there') ORDER BY 1;
SELECT count(*) FROM "Labelled";
SELECT cluster_distribute_table('sale', 'id');
SELECT node_name, result FROM cluster_run_on_nodes(:'there') ORDER BY 1;
SET client_min_messages = warning;
DROP SCHEMA views CASCADE;
SELECT node_name, result FROM cluster_run_on_nodes('SELECT count(*) FROM pg_class WHERE relname = $$Labelled$$') ORDER BY 1;
DROP ROLE views_reader, views_owner;
