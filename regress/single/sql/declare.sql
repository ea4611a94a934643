-- What cannot be distributed or replicated is refused with its own SQLSTATE, and stays as it was.
CREATE SCHEMA declare;
SET search_path = declare;
CREATE TABLE plain (k bigint, v int, g int GENERATED ALWAYS AS (v + 1) STORED, p point, j jsonb, t text);
SELECT cluster_distribute_table('nothing', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_distribute_table('plain', NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_distribute_table('plain', 'none');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_distribute_table('plain', 'g');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_distribute_table('plain', 'p');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_distribute_table('pg_class', 'oid');
\echo :LAST_ERROR_SQLSTATE
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN small AS int;
CREATE TABLE typed (e mood, d small, a int[], r regclass);
SELECT cluster_distribute_table('typed', 'e');
SELECT cluster_distribute_table('typed', 'd');
SELECT cluster_distribute_table('typed', 'a');
SELECT cluster_distribute_table('typed', 'r');
\echo :LAST_ERROR_SQLSTATE

-- Keys
CREATE TABLE keyed (k bigint, v int PRIMARY KEY);
SELECT cluster_distribute_table('keyed', 'k');
\echo :LAST_ERROR_SQLSTATE
CREATE TABLE indexed (k bigint, v int);
CREATE UNIQUE INDEX ON indexed (v) INCLUDE (k);
SELECT cluster_distribute_table('indexed', 'k');
CREATE TABLE excluded (k bigint, c circle, EXCLUDE USING gist (c WITH &&));
SELECT cluster_distribute_table('excluded', 'k');

-- Kinds
CREATE VIEW seen AS SELECT * FROM plain;
SELECT cluster_distribute_table('seen', 'k');
CREATE TEMP TABLE short (k bigint);
SELECT cluster_distribute_table('short', 'k');
CREATE UNLOGGED TABLE unlogged (k bigint);
SELECT cluster_replicate_table('unlogged');
CREATE TABLE parts (k bigint) PARTITION BY RANGE (k);
CREATE TABLE part PARTITION OF parts DEFAULT;
SELECT cluster_distribute_table('parts', 'k');
SELECT cluster_distribute_table('part', 'k');
CREATE TABLE child () INHERITS (plain);
SELECT cluster_distribute_table('child', 'k');
SELECT cluster_distribute_table('plain', 'k');
DROP TABLE child;
CREATE TABLE ruled (k bigint);
CREATE RULE none AS ON DELETE TO ruled DO INSTEAD NOTHING;
SELECT cluster_distribute_table('ruled', 'k');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO plain (k) VALUES (NULL);
SELECT cluster_distribute_table('plain', 'k');
DELETE FROM plain;

-- Foreign keys
CREATE TABLE parent (id bigint PRIMARY KEY);
CREATE TABLE detail (k bigint REFERENCES parent, id bigint);
SELECT cluster_distribute_table('detail', 'k');
SELECT cluster_distribute_table('parent', 'id');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_replicate_table('detail');
SELECT cluster_replicate_table('parent');
SELECT cluster_distribute_table('detail', 'id');

-- Groups
CREATE TABLE one (k bigint PRIMARY KEY);
CREATE TABLE two (k bigint, x bigint, FOREIGN KEY (k) REFERENCES one);
CREATE TABLE other (k text);
ALTER TABLE two DROP CONSTRAINT two_k_fkey;
SELECT cluster_distribute_table('one', 'k');
ALTER TABLE two ADD FOREIGN KEY (k) REFERENCES one;
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_distribute_table('two', 'k', 'one');
ALTER TABLE two ADD FOREIGN KEY (x) REFERENCES one;
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE two ADD FOREIGN KEY (k) REFERENCES one;
SELECT cluster_distribute_table('other', 'k', 'one');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_distribute_table('other', 'k', 'typed');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_distribute_table('other', 'k', 'parent');
SELECT cluster_distribute_table('other', 'k');
SELECT cluster_distribute_table('other', 'k');
\echo :LAST_ERROR_SQLSTATE
SELECT cluster_replicate_table('other');
SELECT relation, kind, distribution_column,
       dense_rank() OVER (ORDER BY colocation_group) AS grp
FROM cluster_tables ORDER BY relation::text;
SELECT relation, node_name FROM cluster_fragments;
-- Without a primary key, a rebind follows changes by whole rows.
SELECT relname, relreplident FROM pg_class WHERE oid IN ('one'::regclass, 'two'::regclass) ORDER BY 1;
\d two

-- Only for owners
CREATE ROLE expanse_stranger;
GRANT expanse_admin TO expanse_stranger;
GRANT USAGE ON SCHEMA declare TO expanse_stranger;
SET ROLE expanse_stranger;
SELECT cluster_distribute_table('declare.typed', 'd');
RESET ROLE;
REVOKE ALL ON SCHEMA declare FROM expanse_stranger;
DROP ROLE expanse_stranger;

DROP SCHEMA declare CASCADE;
SELECT * FROM cluster_tables;
