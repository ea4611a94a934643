-- Privileges and row security hold on every node as on one.
SET client_min_messages = warning;
CREATE ROLE access_alice LOGIN;
CREATE ROLE access_bob LOGIN;
CREATE SCHEMA access;
GRANT USAGE ON SCHEMA access TO PUBLIC;
SET search_path = access;
CREATE TABLE docs (id bigint PRIMARY KEY, owner name, body text);
CREATE TABLE tags (id bigint, tag text);
SELECT cluster_distribute_table('docs', 'id'), cluster_distribute_table('tags', 'id', 'docs');
INSERT INTO docs SELECT i, CASE WHEN i % 2 = 0 THEN 'access_alice' ELSE 'access_bob' END, 'b' || i FROM generate_series(1, 20) i;
INSERT INTO tags SELECT i, 't' || i % 3 FROM generate_series(1, 20) i;
GRANT SELECT, INSERT, UPDATE, DELETE ON docs TO access_alice;
GRANT SELECT (id) ON tags TO access_alice;
GRANT SELECT ON tags TO access_bob;
GRANT SELECT ON docs TO access_bob;
ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON docs USING (owner = current_user);
SET ROLE access_alice;
SELECT count(*), min(owner), max(owner) FROM docs;
SELECT * FROM docs WHERE id = 2;
SELECT * FROM docs WHERE id = 3;
SELECT count(*) FROM docs JOIN tags USING (id);
SELECT count(tag) FROM tags;
SELECT count(id) FROM tags;
UPDATE docs SET body = 'x' WHERE id = 3;
WITH changed AS (UPDATE docs SET body = 'x' RETURNING id) SELECT count(*) FROM changed;
INSERT INTO docs VALUES (100, 'access_alice', 'new'), (102, 'access_alice', 'new');
INSERT INTO docs VALUES (101, 'access_alice', 'new'), (103, 'access_bob', 'not mine');
INSERT INTO docs VALUES (103, 'access_bob', 'not mine');
UPDATE docs SET owner = 'access_bob' WHERE id IN (4, 6, 8, 10);
DELETE FROM docs WHERE owner = 'access_bob';
DELETE FROM docs WHERE id = 100;
MERGE INTO docs d USING (VALUES (2, 'm'), (3, 'm')) s (id, b) ON d.id = s.id WHEN MATCHED THEN UPDATE SET body = b;
UPDATE docs SET body = 'joined' FROM tags WHERE tags.id = docs.id + 1 AND docs.id < 5;
UPDATE docs SET id = 1002 WHERE id = 2;
WITH gone AS (DELETE FROM docs WHERE id = 6 RETURNING *) SELECT * FROM gone;
COPY docs FROM stdin;
\.
TRUNCATE docs;
SELECT count(*) FROM docs;
SET ROLE access_bob;
SELECT count(*), min(id) FROM docs;
SELECT count(*) FROM tags t WHERE EXISTS (SELECT FROM docs d WHERE d.id = t.id);
UPDATE docs SET body = 'q' WHERE id = 1;
DELETE FROM tags;
DELETE FROM tags WHERE id = 1;
RESET ROLE;
-- Through a view and a function of the owner.
CREATE VIEW shown WITH (security_barrier) AS SELECT id, body FROM docs;
GRANT SELECT ON shown TO access_bob;
CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM access.docs';
SET ROLE access_bob;
SELECT count(*) FROM shown;
SELECT id FROM shown WHERE id = 8;
SELECT counted();
RESET ROLE;
-- Changes reach every node.
DROP POLICY own ON docs;
REVOKE UPDATE, DELETE ON docs FROM access_alice;
SET ROLE access_alice;
SELECT count(*) FROM docs;
DELETE FROM docs;
RESET ROLE;
SELECT DISTINCT result FROM cluster_run_on_nodes($$SELECT relrowsecurity || ' ' || relacl::text FROM pg_class WHERE oid = 'access.docs'::regclass$$);
-- A table that is older than default privileges has none of them, on any node.
CREATE TABLE early (id bigint PRIMARY KEY);
ALTER DEFAULT PRIVILEGES IN SCHEMA access GRANT SELECT ON TABLES TO access_bob;
SELECT cluster_distribute_table('early', 'id');
CREATE TABLE late (id bigint PRIMARY KEY);
SELECT cluster_distribute_table('late', 'id');
SELECT DISTINCT result FROM cluster_run_on_nodes($$SELECT has_table_privilege('access_bob', 'access.early', 'SELECT')
    || ' ' || has_table_privilege('access_bob', 'access.late', 'SELECT')$$);
-- Only nodes pass for nodes.
SET ROLE access_alice;
SET expanse.internal = on;
SET expanse.peer_key = 'guess';
SELECT peer_key FROM expanse.cluster;
SELECT expanse.hold_commits();
SELECT expanse.release_commits();
SELECT expanse.lock_schema_gate();
SELECT expanse.announce_transaction('expanse_1_1_1', 1);
\c -reuse-previous=on "user=access_alice options='-c expanse.peer_key=guess'"
SELECT count(*) FROM access.docs;
INSERT INTO access.docs VALUES (200, 'access_alice', 'anywhere');
SHOW expanse.peer_key;
\c -reuse-previous=on "user=access_alice options=''"
SELECT count(*) FROM access.docs;
\c -reuse-previous=on "user=postgres options=''"
SELECT result AS lengths_of_the_key FROM cluster_run_on_nodes('SELECT string_agg(DISTINCT length(peer_key)::text, $$ $$) FROM expanse.cluster');
SET client_min_messages = warning;
DROP SCHEMA access CASCADE;
DROP ROLE access_alice, access_bob;
