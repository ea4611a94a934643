-- Tables with rows become spread; every node has the same definition and its own rows.
SELECT port AS n1 FROM cluster_nodes WHERE node_name = 'n1' \gset
SELECT port AS n2 FROM cluster_nodes WHERE node_name = 'n2' \gset
SELECT port AS n3 FROM cluster_nodes WHERE node_name = 'n3' \gset
CREATE SCHEMA spread;
SET search_path = spread;
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TYPE pair AS (a int, b mood);
CREATE FUNCTION next(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.note := concat(new.note, ''!''); RETURN new; END';
CREATE TABLE country (code text PRIMARY KEY, name text);
INSERT INTO country VALUES ('at', E'tab\there'), ('de', E'back\\slash'), ('ch', E'line\nfeed'), ('li', NULL);
CREATE TABLE person (
    id bigint,
    nr serial,
    ident int GENERATED ALWAYS AS IDENTITY,
    m mood DEFAULT 'sad',
    p positive,
    q pair,
    doubled int GENERATED ALWAYS AS (next(7)) STORED,
    note text COLLATE "C",
    code text REFERENCES country,
    PRIMARY KEY (id, nr),
    UNIQUE (note, id),
    CHECK (next(p) > 1),
    EXCLUDE USING btree (id WITH =, nr WITH =)
) WITH (fillfactor = 70);
CREATE INDEX person_lower ON person (lower(note)) WHERE p > 3;
ALTER TABLE person ALTER note SET STORAGE EXTERNAL, ALTER note SET STATISTICS 10;
COMMENT ON TABLE person IS 'it''s a person';
COMMENT ON COLUMN person.note IS 'a note';
COMMENT ON CONSTRAINT person_pkey ON person IS 'a key';
GRANT SELECT (note) ON person TO PUBLIC;
GRANT INSERT ON person TO expanse_admin WITH GRANT OPTION;
CREATE POLICY own ON person FOR SELECT TO PUBLIC USING (id > 0);
ALTER TABLE person ENABLE ROW LEVEL SECURITY;
INSERT INTO person (id, p, q, note, code)
    SELECT i, i, ROW(i, 'happy'::mood)::pair, 'note ' || i, (ARRAY['at', 'de', 'ch', NULL])[i % 4 + 1] FROM generate_series(1, 300) AS i;
CREATE TRIGGER stamp BEFORE INSERT ON person FOR EACH ROW EXECUTE FUNCTION stamp();
ALTER TABLE person ENABLE ALWAYS TRIGGER stamp;
CREATE STATISTICS person_st ON id, p FROM person;

BEGIN;
SELECT cluster_replicate_table('country');
ROLLBACK;
SELECT cluster_replicate_table('country');
SELECT cluster_distribute_table('person', 'id');

-- What each node holds of it: asked as the node itself would be
CREATE VIEW pg_temp.here AS
    SELECT count(*) > 50 AS some, bool_and(cluster_owner('spread.person', id) = (SELECT node_name FROM cluster_nodes WHERE local)) AS own,
           count(DISTINCT nr) = count(*) AS numbers, bool_and(note !~ '!') AS untouched
    FROM spread.person;
SET expanse.internal = on;
SELECT * FROM pg_temp.here;
SELECT count(*) FROM country;
\set describe 'SELECT md5(string_agg(line, chr(10) ORDER BY line)) AS definition FROM ( SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = ''spread.person''::regclass UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = ''spread.person''::regclass UNION ALL SELECT concat_ws('' '', attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attstorage, attstattarget, attacl, attcollation::regcollation) FROM pg_attribute WHERE attrelid = ''spread.person''::regclass AND attnum > 0 AND NOT attisdropped UNION ALL SELECT concat_ws('' '', tgname, tgenabled) FROM pg_trigger WHERE tgrelid = ''spread.person''::regclass AND NOT tgisinternal UNION ALL SELECT concat_ws('' '', relrowsecurity, relreplident, reloptions, relacl, obj_description(oid)) FROM pg_class WHERE oid = ''spread.person''::regclass UNION ALL SELECT polname FROM pg_policy WHERE polrelid = ''spread.person''::regclass UNION ALL SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = ''spread.person''::regclass UNION ALL SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext WHERE stxrelid = ''spread.person''::regclass) AS l (line)'
RESET search_path;
:describe \gset first_
\c - - - :n2
SET expanse.internal = on;
SELECT count(*) > 50 AS some FROM spread.person;
SELECT count(*), count(name) FROM spread.country;
:describe \gset second_
SELECT relation, kind, distribution_column FROM cluster_tables;
\c - - - :n3
SET expanse.internal = on;
SELECT count(*) > 50 AS some FROM spread.person;
SELECT md5(string_agg(country::text, ',' ORDER BY code)) AS country FROM spread.country \gset third_
:describe \gset third_
SELECT :'first_definition' = :'second_definition' AS second_same, :'first_definition' = :'third_definition' AS third_same;
\c - - - :n1
SET expanse.internal = on;
SET search_path = spread;
SELECT md5(string_agg(country::text, ',' ORDER BY code)) = :'third_country' AS copies_equal FROM country;

-- No two nodes give the same number
SELECT nextval('person_nr_seq') % 64 AS remainder, nextval('person_nr_seq') > 300 AS beyond;
\c - - - :n2
SELECT nextval('spread.person_nr_seq') % 64 AS remainder, nextval('spread.person_nr_seq') > 300 AS beyond;
\c - - - :n3
SELECT nextval('spread.person_nr_seq') % 64 AS remainder, nextval('spread.person_ident_seq') % 64 AS identity;

-- From any node
SET search_path = spread;
CREATE TABLE third (id bigint, x text);
INSERT INTO third SELECT i, 'x' FROM generate_series(1, 90) AS i;
SELECT cluster_distribute_table('third', 'id', 'person');
SELECT relation, kind, distribution_column, colocation_group = (SELECT colocation_group FROM cluster_tables WHERE relation = 'person'::regclass) AS together
FROM cluster_tables ORDER BY relation::text;
SELECT relation, node_name, bytes > 0 AS stored FROM cluster_fragments WHERE relation = 'third'::regclass;
DROP TABLE third;
\c - - - :n1
SELECT relation FROM cluster_tables;
SELECT to_regclass('spread.third');
DROP SCHEMA spread CASCADE;
SELECT relation FROM cluster_tables;
\c - - - :n2
SELECT to_regclass('spread.person'), to_regclass('spread.country');
SELECT to_regnamespace('spread');
\c - - - :n3
SELECT to_regnamespace('spread');
SELECT count(*) FROM pg_prepared_xacts;
