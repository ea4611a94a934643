-- Reads over fragments: what is pushed to the nodes, and that it equals plain tables.
SELECT port AS n2 FROM cluster_nodes WHERE node_name = 'n2' \gset
SELECT port AS n3 FROM cluster_nodes WHERE node_name = 'n3' \gset
CREATE SCHEMA read;
SET search_path = read;
SET client_min_messages = warning;
CREATE TABLE plain_orders (id bigint PRIMARY KEY, customer int, total numeric(12,2), note text);
CREATE TABLE plain_items (id bigint, nr int, price numeric(10,2), PRIMARY KEY (id, nr));
INSERT INTO plain_orders SELECT g, g % 7, (g * 7 % 1000) / 3.0, CASE WHEN g % 5 = 0 THEN NULL ELSE 'note ' || g % 9 END FROM generate_series(1, 500) g;
INSERT INTO plain_items SELECT g, n, (g * n % 500) / 7.0 FROM generate_series(1, 550) g, generate_series(1, 3) n WHERE (g * n) % 3 <> 0;
CREATE TABLE orders (LIKE plain_orders INCLUDING ALL);
CREATE TABLE items (LIKE plain_items INCLUDING ALL);
INSERT INTO orders TABLE plain_orders;
INSERT INTO items TABLE plain_items;
SELECT cluster_distribute_table('orders', 'id');
SELECT cluster_distribute_table('items', 'id', 'orders');
-- A filter and the needed columns.
EXPLAIN (COSTS OFF) SELECT note FROM orders WHERE customer = 3;
(SELECT note FROM orders WHERE customer = 3) EXCEPT ALL (SELECT note FROM plain_orders WHERE customer = 3);
-- A join on the distribution column, an outer join, EXISTS.
EXPLAIN (COSTS OFF) SELECT count(*), sum(price) FROM orders JOIN items USING (id) WHERE customer = 3;
SELECT count(*), sum(price) FROM orders JOIN items USING (id) WHERE customer = 3;
SELECT count(*), sum(price) FROM plain_orders JOIN plain_items USING (id) WHERE customer = 3;
SELECT count(*), count(nr) FROM orders LEFT JOIN items USING (id);
SELECT count(*), count(nr) FROM plain_orders LEFT JOIN plain_items USING (id);
SELECT count(*) FROM items i WHERE NOT EXISTS (SELECT FROM orders o WHERE o.id = i.id);
SELECT count(*) FROM plain_items i WHERE NOT EXISTS (SELECT FROM plain_orders o WHERE o.id = i.id);
-- Groupings: complete on the nodes, and combined here with PostgreSQL's scale of averages.
SELECT id, count(*) FROM items GROUP BY id HAVING count(*) > 1 ORDER BY id LIMIT 3;
SELECT customer, avg(total), count(*) FILTER (WHERE note IS NULL), stddev(total) FROM orders GROUP BY customer ORDER BY customer;
SELECT customer, avg(total), count(*) FILTER (WHERE note IS NULL), stddev(total) FROM plain_orders GROUP BY customer ORDER BY customer;
-- By an expression over a unique column: the number of groups is not known, so the nodes group partially.
CREATE TABLE numbers (k bigint PRIMARY KEY, n int);
SELECT cluster_distribute_table('numbers', 'k');
INSERT INTO numbers SELECT i, i % 3 FROM generate_series(1, 20000) i;
ANALYZE numbers;
EXPLAIN (COSTS OFF) SELECT k % 10, count(*), sum(n) FROM numbers GROUP BY 1 ORDER BY 1;
SELECT k % 10, count(*), sum(n) FROM numbers GROUP BY 1 ORDER BY 1;
-- The first rows of an order, and DISTINCT: each node delivers as many, or each once; not where rows are made of others, locked, or limited otherwise.
EXPLAIN (COSTS OFF) SELECT k + 1, n FROM numbers WHERE k > 5 ORDER BY n DESC NULLS LAST, k % 7, k LIMIT 3 OFFSET 2;
SELECT k + 1, n FROM numbers WHERE k > 5 ORDER BY n DESC NULLS LAST, k % 7, k LIMIT 3 OFFSET 2;
EXPLAIN (COSTS OFF) SELECT o.id, nr FROM orders o JOIN items i USING (id) ORDER BY price + total, 1, 2 LIMIT 2;
SELECT o.id, nr FROM orders o JOIN items i USING (id) ORDER BY price + total, 1, 2 LIMIT 2;
SELECT o.id, nr FROM plain_orders o JOIN plain_items i USING (id) ORDER BY price + total, 1, 2 LIMIT 2;
EXPLAIN (COSTS OFF) SELECT DISTINCT n, k % 2 FROM numbers ORDER BY 1, 2;
SELECT DISTINCT n, k % 2 FROM numbers ORDER BY 1, 2;
EXPLAIN (COSTS OFF) SELECT DISTINCT ON (n) n, k FROM numbers ORDER BY n, k;
SELECT DISTINCT ON (n) n, k FROM numbers ORDER BY n, k;
EXPLAIN (COSTS OFF) SELECT k FROM numbers ORDER BY n FETCH FIRST 2 ROWS WITH TIES;
EXPLAIN (COSTS OFF) SELECT generate_series(1, 2), k FROM numbers ORDER BY n LIMIT 3;
EXPLAIN (COSTS OFF) SELECT k FROM numbers ORDER BY random() LIMIT 3;
DROP TABLE numbers;
SELECT count(*), sum(total), avg(total), min(note), max(id) FROM orders WHERE id < 0;
-- Off the distribution column: joined here.
SELECT count(*) FROM orders o JOIN items i ON i.nr = o.customer;
SELECT count(*) FROM plain_orders o JOIN plain_items i ON i.nr = o.customer;
-- Parameters, whole rows, system columns, locks.
PREPARE by_customer(int) AS SELECT count(*) FROM orders WHERE customer = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE by_customer(3);
EXECUTE by_customer(4);
RESET plan_cache_mode;
SELECT o, tableoid::regclass FROM orders o WHERE id BETWEEN 4 AND 5 ORDER BY id;
SELECT ctid FROM orders;
SELECT * FROM orders FOR UPDATE;
-- A stable function that the planner calls sees the whole table.
CREATE FUNCTION all_orders() RETURNS bigint LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT count(*) FROM orders); END';
SELECT count(*) FROM plain_orders WHERE id < all_orders();
SELECT all_orders();
-- Grouping by what is computed once
SELECT now() IS NULL AS never, count(*) FROM orders GROUP BY 1;
SELECT current_setting('work_mem') <> '' AS known, now() IS NULL AS never, count(DISTINCT id) FROM orders GROUP BY 1, 2;
-- A local table is changed by what fragments say.
UPDATE plain_orders p SET note = 'seen' FROM items i WHERE i.id = p.id AND i.nr = 2;
SELECT count(*) FROM plain_orders WHERE note = 'seen';
SELECT count(DISTINCT id) FROM plain_items JOIN plain_orders USING (id) WHERE nr = 2;
DROP SCHEMA read CASCADE;
\c - - - :n2
SET client_min_messages = error;
DROP SCHEMA IF EXISTS read CASCADE;
\c - - - :n3
SET client_min_messages = error;
DROP SCHEMA IF EXISTS read CASCADE;
