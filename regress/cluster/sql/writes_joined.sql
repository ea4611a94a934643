-- UPDATE, DELETE and MERGE that read rows of other nodes: they come out as on plain tables.
SET client_min_messages = warning;
CREATE SCHEMA spread;
CREATE SCHEMA plain;
CREATE SEQUENCE plain.counter;
SET search_path = spread, public;
CREATE TABLE orders (id bigint PRIMARY KEY, customer int, total numeric, note text);
CREATE TABLE customers (id int PRIMARY KEY, name text, region int);
CREATE TABLE regions (code int PRIMARY KEY, label text);
CREATE TABLE here (id int, v text);
CREATE TABLE plain.orders (LIKE orders INCLUDING ALL);
CREATE TABLE plain.customers (LIKE customers INCLUDING ALL);
CREATE TABLE plain.regions (LIKE regions INCLUDING ALL);
CREATE TABLE plain.here (LIKE here);
SELECT cluster_distribute_table('orders', 'id'), cluster_distribute_table('customers', 'id'), cluster_replicate_table('regions');
-- Runs a statement on both and compares all tables.
CREATE FUNCTION public.on_both(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    spread_rows bigint; plain_rows bigint; other bigint; name text;
BEGIN
    SET LOCAL search_path = spread;
    EXECUTE statement;
    GET DIAGNOSTICS spread_rows = ROW_COUNT;
    SET LOCAL search_path = plain;
    EXECUTE statement;
    GET DIAGNOSTICS plain_rows = ROW_COUNT;
    FOREACH name IN ARRAY ARRAY['orders', 'customers', 'regions', 'here'] LOOP
        EXECUTE format('SELECT count(*) FROM ((TABLE spread.%1$I EXCEPT ALL TABLE plain.%1$I) UNION ALL (TABLE plain.%1$I EXCEPT ALL TABLE spread.%1$I)) d', name) INTO other;
        IF other > 0 THEN
            RETURN format('%s: %s rows differ', name, other);
        END IF;
    END LOOP;
    RETURN CASE WHEN spread_rows = plain_rows THEN 'alike, rows: ' || plain_rows
                ELSE format('%s rows instead of %s', spread_rows, plain_rows) END;
END $$;
SELECT on_both($$INSERT INTO customers SELECT i, 'c' || i, i % 5 FROM generate_series(1, 50) i$$);
SELECT on_both($$INSERT INTO orders SELECT i, i % 50 + 1, i, NULL FROM generate_series(1, 500) i$$);
SELECT on_both($$INSERT INTO regions VALUES (0, 'zero'), (1, 'one'), (2, 'two')$$);
SELECT on_both($$INSERT INTO here VALUES (1, 'a'), (2, E'tab\t, back\\slash\nline'), (3, NULL), (4, '\N')$$);
-- What is read here and sent along.
EXPLAIN (COSTS OFF) UPDATE orders SET note = c.name FROM customers c WHERE c.id = orders.customer AND c.region = 3;
SELECT on_both($$UPDATE orders SET note = c.name FROM customers c WHERE c.id = orders.customer AND c.region = 3$$);
SELECT on_both($$DELETE FROM orders WHERE customer IN (SELECT id FROM customers WHERE region = 1)$$);
SELECT on_both($$DELETE FROM orders WHERE customer NOT IN (SELECT id FROM customers WHERE region > 0) AND id % 3 = 0$$);
SELECT on_both($$UPDATE orders SET total = total + (SELECT count(*) FROM customers c WHERE c.region = orders.customer % 5)$$);
SELECT on_both($$DELETE FROM orders o WHERE EXISTS (SELECT FROM customers c WHERE c.id = o.customer AND c.name LIKE '%7')$$);
SELECT on_both($$UPDATE orders o SET total = s.most FROM (SELECT customer, max(total) AS most FROM orders GROUP BY customer) s WHERE s.customer = o.customer AND o.id % 2 = 0$$);
SELECT on_both($$UPDATE orders SET note = here.v FROM here WHERE here.id = orders.customer$$);
SELECT on_both($$WITH x AS (SELECT id, name FROM customers WHERE region = 2) UPDATE orders SET note = 'cte ' || x.name FROM x WHERE x.id = orders.customer$$);
SELECT on_both($$UPDATE orders SET note = coalesce(b.name, 'none') FROM customers a LEFT JOIN customers b ON b.id = a.id AND b.region = 4 WHERE a.id = orders.customer$$);
SELECT on_both($$UPDATE orders SET total = (SELECT sum(o.total) FROM orders o)$$);
SELECT on_both($$UPDATE orders o SET note = l.name FROM customers c, LATERAL (SELECT name FROM customers d WHERE d.id = c.id AND d.region = c.region + 0) l WHERE c.id = o.customer$$);
-- Replicated tables, alike on every node.
SELECT on_both($$UPDATE regions SET label = (SELECT max(name) FROM customers WHERE region = regions.code)$$);
SELECT on_both($$DELETE FROM regions USING customers c WHERE c.id = regions.code AND c.id = 2$$);
SELECT on_both($$MERGE INTO regions r USING customers c ON r.code = c.id WHEN MATCHED THEN UPDATE SET label = c.name WHEN NOT MATCHED AND c.id < 10 THEN INSERT VALUES (c.id, c.name)$$);
SELECT DISTINCT result FROM cluster_run_on_nodes('SELECT count(*) || max(label) FROM spread.regions');
-- MERGE: a row that matches nothing is inserted once, where it belongs.
SELECT on_both($$MERGE INTO orders o USING (SELECT i AS id, i * 2 AS total FROM generate_series(400, 600) i) s ON o.id = s.id
    WHEN MATCHED AND s.id % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET total = s.total WHEN NOT MATCHED THEN INSERT VALUES (s.id, 1, s.total, 'new')$$);
SELECT on_both($$MERGE INTO orders o USING customers c ON o.id = c.id WHEN MATCHED THEN UPDATE SET note = 'm' || c.name WHEN NOT MATCHED THEN INSERT VALUES (c.id, 2, 3, c.name)$$);
SELECT on_both($$MERGE INTO orders o USING customers c ON o.customer = c.id WHEN MATCHED AND c.region = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET note = 'x' || c.name$$);
SELECT on_both($$MERGE INTO orders o USING (SELECT id + 1000 AS k, v FROM here) h ON o.id = h.k WHEN NOT MATCHED THEN INSERT VALUES (h.k, 0, 0, h.v)$$);
SELECT on_both($$MERGE INTO orders o USING (VALUES (1, 'one'), (2000, 'far')) s (k, v) ON o.id = s.k WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT (id, note) VALUES (s.k, s.v)$$);
MERGE INTO orders o USING here h ON o.id = h.id + 1000 WHEN NOT MATCHED THEN INSERT VALUES (h.id + 1000, 0, 0, h.v);
MERGE INTO orders o USING regions r ON o.id = r.code WHEN MATCHED THEN UPDATE SET id = 7;
-- Again and again with other values, in a savepoint, with RETURNING.
PREPARE noted(int, text) AS UPDATE orders SET note = $2 || c.name FROM customers c WHERE c.id = orders.customer AND c.region = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE noted(1, 'p');
EXECUTE noted(2, 'q');
RESET plan_cache_mode;
DEALLOCATE noted;
SELECT on_both($$UPDATE orders SET note = CASE c.region WHEN 1 THEN 'p' ELSE 'q' END || c.name FROM customers c WHERE c.id = orders.customer AND c.region IN (1, 2)$$);
BEGIN;
SAVEPOINT before;
DELETE FROM orders USING customers c WHERE c.id = orders.customer;
SELECT count(*) FROM orders WHERE customer BETWEEN 1 AND 50;
ROLLBACK TO before;
UPDATE orders SET total = -c.region FROM customers c WHERE c.id = orders.customer AND orders.id BETWEEN 5 AND 8 RETURNING orders.id, c.name, total;
ROLLBACK;
-- Values that each node makes by itself.
UPDATE orders SET note = gen_random_uuid() WHERE id < 100;
SELECT count(*) = count(DISTINCT note) AS all_different FROM orders WHERE id < 100;
UPDATE plain.orders p SET note = o.note FROM orders o WHERE o.id = p.id;
-- Refused, not done wrong.
UPDATE orders SET note = c::text FROM customers c WHERE c.id = orders.customer;
UPDATE orders SET note = c.ctid FROM customers c WHERE c.id = orders.customer;
UPDATE orders SET note = nextval('plain.counter') FROM customers c WHERE c.id = orders.customer;
SELECT on_both($$UPDATE orders SET total = 0$$);
DROP SCHEMA spread CASCADE;
DROP SCHEMA plain CASCADE;
DROP FUNCTION public.on_both;
