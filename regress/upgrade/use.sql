-- What the cluster does after the upgrade: data and metadata are there, and statements of each kind work.
SELECT count(*), sum(amount) FROM orders;
SELECT c.name, count(*), sum(o.amount) FROM orders o JOIN line l ON l.order_id = o.id JOIN country c ON c.code = o.country
    GROUP BY 1 ORDER BY 1;
UPDATE note SET body = 'after' WHERE topic = 'upgrade';
SELECT * FROM note;
INSERT INTO orders (country, amount) VALUES ('de', 4711) RETURNING id > 1000 AS new, amount;
CREATE TABLE later (key uuid PRIMARY KEY, at timestamptz);
SELECT cluster_distribute_table('later', 'key');
SELECT cluster_localize_table('note');
ALTER TABLE orders ADD COLUMN state text DEFAULT 'new';
SELECT cluster_bucket(4711::bigint), cluster_owner('orders', 4711::bigint);
SELECT relation, kind, distribution_column, hash_map_version, colocation_group, moving_to FROM cluster_tables;
SELECT node_name, host, state, role, weight, buckets, node_id, local FROM cluster_nodes;
SELECT hash_map_version, current, nodes, tables FROM cluster_hash_maps;
SELECT * FROM cluster_hash_map_ranges;
SELECT * FROM expanse.storage_sizes();
SELECT expanse.dump_metadata() - 'cluster' - 'hash_maps';
