#!/usr/bin/env bash
# rewrite.sh BOX DIR PORT: tables get another distribution column, and a plain table becomes a distributed one, while they
# are written to and read.
#
# DIR is a running cluster in a box of three nodes whose first node listens on PORT. Writers change a distributed table, one
# that begins as a plain one of the first node, and a plain one that stays so, in the same transactions: all must always be
# the same.
set -uo pipefail
box=$1 dir=$2 port=$3
source "$(dirname "$0")/lib.sh"
fixed=10000 # rows that are never deleted; the writers' new keys are beyond
clients=() log=$dir/clients.log

filled() {
    local columns='(id bigint, customer int, n int NOT NULL DEFAULT 0, note text, PRIMARY KEY (id, customer))'
    sql "$port" -c "CREATE TABLE turned $columns" -c 'CREATE TABLE beside (id bigint PRIMARY KEY, n int)' \
        -c 'CREATE TABLE adopted (LIKE turned INCLUDING ALL)' -c 'CREATE TABLE plain (LIKE turned INCLUDING ALL)' \
        -c "SELECT cluster_distribute_table('turned', 'id'), cluster_distribute_table('beside', 'id', 'turned')" \
        -c "INSERT INTO plain SELECT i, i % 97, 0, repeat('x', 100) FROM generate_series(1, 2 * $fixed) i" \
        -c 'INSERT INTO turned TABLE plain' -c 'INSERT INTO adopted TABLE plain' \
        -c "INSERT INTO beside SELECT i, i FROM generate_series(1, $fixed) i" -c 'ANALYZE turned, adopted' >/dev/null
    # What a statement changes depends on the key alone, and each writer changes the customers of rows of its own: one table
    # might else be changed by what another transaction does between two statements.
    cat >"$dir/write.sql" <<'EOSQL'
\set old random(10001, 15000)
\set own 15001 + 2 * random(1, 2400) + :writer
\set new random(1000000, 9000000000)
\set other random(0, 96)
BEGIN;
UPDATE turned SET n = n + 1, note = 'written ' || :new WHERE id = :old;
UPDATE adopted SET n = n + 1, note = 'written ' || :new WHERE id = :old;
UPDATE plain SET n = n + 1, note = 'written ' || :new WHERE id = :old;
UPDATE turned SET customer = :other WHERE id = :own;
UPDATE adopted SET customer = :other WHERE id = :own;
UPDATE plain SET customer = :other WHERE id = :own;
INSERT INTO turned VALUES (:new, :other, 1, 'new') ON CONFLICT DO NOTHING;
INSERT INTO adopted VALUES (:new, :other, 1, 'new') ON CONFLICT DO NOTHING;
INSERT INTO plain VALUES (:new, :other, 1, 'new') ON CONFLICT DO NOTHING;
DELETE FROM turned WHERE id = :old + 2 AND id % 7 = 1;
DELETE FROM adopted WHERE id = :old + 2 AND id % 7 = 1;
DELETE FROM plain WHERE id = :old + 2 AND id % 7 = 1;
COMMIT;
EOSQL
    # 1 / 0 when a row that nobody touches is missed or seen twice.
    cat >"$dir/read.sql" <<EOSQL
SELECT 1 / (count(*) = $fixed)::int FROM turned WHERE id <= $fixed;
SELECT 1 / (count(*) = $fixed)::int FROM adopted WHERE id <= $fixed;
SELECT 1 / (max(c) = $((fixed / 97 + 1)))::int FROM (SELECT customer, count(*) AS c FROM turned WHERE id <= $fixed GROUP BY 1) s;
SELECT 1 / (count(*) = $fixed)::int FROM turned JOIN beside USING (id);
EOSQL
}

clients_on() { # two writers and two readers, simple and prepared, until clients_off
    local mode writer=0
    for mode in simple prepared; do
        "$box/bin/pgbench" -n -M $mode -T 600 -D writer=$writer -f "$dir/write.sql" -h 127.0.0.1 -p "$port" -U postgres postgres >>"$log" 2>&1 &
        clients+=($!)
        "$box/bin/pgbench" -n -M $mode -T 600 -R 10 -f "$dir/read.sql" -h 127.0.0.1 -p "$port" -U postgres postgres >>"$log" 2>&1 &
        clients+=($!)
        writer=1
    done
}

clients_off() { kill -TERM "${clients[@]}"; wait "${clients[@]}"; clients=(); until_finds no_pgbench; } 2>/dev/null

nothing_failed() { ! grep -E 'ERROR|FATAL|aborted' "$log"; }

same() { # same TABLE: it and the plain one
    [[ $(sql "$port" -c "SELECT (SELECT count(*) FROM (TABLE $1 EXCEPT ALL TABLE plain) a),
        (SELECT count(*) FROM (TABLE plain EXCEPT ALL TABLE $1) b)") == '0|0' ]]
}

by() { sql "$port" -c "SELECT distribution_column FROM cluster_tables WHERE relation = '$1'::regclass"; }
group_of() { sql "$port" -c "SELECT colocation_group FROM cluster_tables WHERE relation = '$1'::regclass"; }
rewrite() { sql "$port" -c "SELECT cluster_rebind('$1', strategy => 'rewrite', $2)"; }

turned() { # to another column, back by a reversal, there again, and home to the old group
    local id
    id=$(rewrite turned "distribution_column => 'customer', reversible_for => '1 hour'") || return 1
    until_finds says "$id" phase reversible || return 1
    check 'by the new column' test "$(by turned)" = customer
    clients_off
    check 'the same by the new column' same turned
    clients_on
    sql "$port" -c "SELECT cluster_reverse($id)" >/dev/null || return 1
    until_finds in_state "$id" cancelled || return 1
    check 'by the old column again' test "$(by turned)" = id
    check 'in the old group again' test "$(group_of turned)" = "$(group_of beside)"
    id=$(rewrite turned "distribution_column => 'customer'") || return 1
    until_finds in_state "$id" succeeded || return 1
    check 'writes waited for no longer than allowed' says "$id" 'writes_waited_ms <= 500' t
    id=$(rewrite turned "distribution_column => 'id', colocate_with => 'beside'") || return 1
    until_finds in_state "$id" succeeded || return 1
    check 'beside the other table' test "$(group_of turned)" = "$(group_of beside)"
}

adopted() { # killed in the middle, then cancelled, then done
    local id reached
    id=$(rewrite adopted "distribution_column => 'customer', reversible_for => '1 hour'") || return 1
    check_fails 'one at a time' XP021 "$port" "SELECT cluster_rebind('adopted', strategy => 'rewrite', distribution_column => 'id')"
    until_finds done_with "$id" set_apart || return 1
    kill -9 "$(<"$(runner_of "$id")/expansed.pid")"
    until_finds says "$id" phase reversible
    reached=$?
    restart
    ((reached == 0)) || return 1
    sql "$port" -c "SELECT cluster_cancel($id)" >/dev/null || return 1
    until_finds in_state "$id" cancelled || return 1
    check 'a plain table again' test -z "$(by adopted)"
    check 'and nowhere else' test -z "$(sql $((port + 1)) -c "SELECT to_regclass('adopted')")"
    id=$(rewrite adopted "distribution_column => 'id', colocate_with => 'beside'") || return 1
    until_finds in_state "$id" succeeded || return 1
    check 'distributed' test "$(by adopted)" = id
    check 'beside the others' test "$(group_of adopted)" = "$(group_of beside)"
}

refused() {
    local how="strategy => 'rewrite', distribution_column"
    check_fails 'no such column' XP013 "$port" "SELECT cluster_rebind('turned', $how => 'nothing')"
    check_fails 'a key without it' XP014 "$port" "SELECT cluster_rebind('turned', $how => 'note')"
    check_fails 'no column for a plain table' XP025 "$port" "SELECT cluster_rebind('plain', strategy => 'rewrite')"
    check_fails 'no such strategy' XP025 "$port" "SELECT cluster_rebind('turned', 'guess')"
    check_fails 'the other strategy' XP025 "$port" "SELECT cluster_rebind('turned', distribution_column => 'customer')"
    check_fails 'another type beside' XP019 "$port" "SELECT cluster_rebind('turned', $how => 'customer', colocate_with => 'beside')"
    sql "$port" -c 'CREATE TABLE holes (a int, b int)' -c 'INSERT INTO holes VALUES (1, NULL)' -c 'CREATE TABLE heap (a int, b int)' \
        -c "SELECT cluster_distribute_table('heap', 'a')" -c 'ALTER TABLE heap REPLICA IDENTITY NOTHING' \
        -c 'INSERT INTO heap SELECT i % 10, i % 3 FROM generate_series(1, 1000) i' >/dev/null
    id=$(rewrite holes "distribution_column => 'b'")
    until_finds in_state "$id" failed
    check 'a null' says "$id" error_sqlstate XP016
    check 'the table is as it was' test "$(sql "$port" -c "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'holes'::regclass AND attname = 'b'")" = f
    check_fails 'no identity and strategy move' XP020 "$port" "SELECT cluster_rebind('heap')"
    id=$(rewrite heap "distribution_column => 'b'")
    until_finds in_state "$id" succeeded
    check 'rows that are the same are all there' all_there heap 1000
    check 'no identity, as before' test "$(sql "$port" -c "SELECT relreplident FROM pg_class WHERE oid = 'heap'::regclass")" = n
}

filled || exit 1
clients_on
check 'another column' turned
check 'a plain table' adopted
clients_off
check 'nothing failed' nothing_failed
check 'the same rows' same turned
check 'the same rows, once a plain table' same adopted
check 'bad input' refused
rows=$(sql "$port" -c 'SELECT count(*) FROM plain')
check 'every row once' all_there turned "$rows"
check 'every row of the adopted table once' all_there adopted "$rows"
summary
