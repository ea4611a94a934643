#!/usr/bin/env bash
# schema.sh BOX DIR PORT: the schema changes while everybody works; indexes are made, rebuilt and dropped concurrently.
#
# Transactions change rows of several nodes all the time: each schema change is done, and none of them fails or waits for long.
# DIR is a running cluster in a box of three nodes whose first listens on PORT. Somebody writes a table for long: whoever
# makes an index of it waits, and nobody else does, neither writers of the table nor those who change the schema. A build
# fails on one node, is cancelled, and loses its session: the index is on all nodes or on none, what is not valid can be
# built or dropped from anywhere, and nothing else is left. Two nodes make indexes at the same time.
set -uo pipefail
box=$1 dir=$2 port=$3
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"

sql "$port" -c 'CREATE TABLE d (k int NOT NULL, v int)' -c "SELECT cluster_distribute_table('d', 'k')" \
    -c 'INSERT INTO d SELECT i, i FROM generate_series(1, 3000) i' \
    -c 'CREATE TABLE r (k int PRIMARY KEY, v int)' -c "SELECT cluster_replicate_table('r')" >/dev/null
two=$(sql "$port" -c "SELECT min(k) FROM d WHERE cluster_owner('d', k) = 'n2'")
three=$(sql "$port" -c "SELECT min(k) FROM d WHERE cluster_owner('d', k) = 'n3'")

# on_all INDEX STATE: what every node has of it: valid, invalid or none.
state_of() {
    fragment "$1" -c "SELECT coalesce((SELECT CASE WHEN indisvalid AND indisready THEN 'valid' ELSE 'invalid' END
        FROM pg_index WHERE indexrelid = to_regclass('$2')), 'none')"
}
on_all() {
    local at state
    for at in $(ports); do
        state=$(state_of "$at" "$1")
        [[ $state == "$2" ]] || { echo "$1 at port $at: $state instead of $2"; return 1; }
    done
}
clean() { # no index that is not valid, and no prepared transaction, on any node
    local at
    for at in $(ports); do [[ $(left_over "$at") == 0 ]] || return 1; done
}
nothing_left() { until_finds clean; } # recovery may be at it
runs() { [[ $(fragment "$1" -c "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '$2%'") -gt 0 ]]; }
runs_not() { ! runs "$@"; }

# hold PORT STATEMENT: in a transaction that stays open until release.
hold() { open_session holder "$1" && done_by holder "BEGIN ISOLATION LEVEL ${3:-READ COMMITTED}; $2"; }
release() { say holder 'COMMIT;' && close_session holder; }

# Somebody writes for long.
check 'a long transaction writes' hold "$port" "UPDATE d SET v = v WHERE k = $two"
PGOPTIONS='-c lock_timeout=300ms' check_fails 'lock_timeout holds for the whole' 55P03 $((port + 2)) \
    'CREATE INDEX CONCURRENTLY dv ON d (v)'
check 'it leaves nothing' on_all dv none
sql $((port + 2)) -c 'CREATE INDEX CONCURRENTLY dv ON d (v)' &
creating=$!
sleep 1
check 'it waits' kill -0 "$creating"
for ((i = 0; i < 10; i++)); do
    check 'others write' sql "$port" -c "SET lock_timeout = '5s'" -c "UPDATE d SET v = v + 1 WHERE k = $three" \
        -c "INSERT INTO d VALUES ($((10000 + i)), 0)"
done
check 'others change the schema' sql "$port" -c "SET lock_timeout = '10s'" -c 'CREATE TABLE e (k int)' \
    -c "SELECT cluster_distribute_table('e', 'k')" -o /dev/null
check 'the long one can, too' release
check 'then the index is made' wait "$creating"
check 'on all nodes' on_all dv valid

check 'a long transaction reads' hold $((port + 1)) 'SELECT count(*) FROM d'
sql "$port" -c 'DROP INDEX CONCURRENTLY dv' &
dropping=$!
sleep 0.5
check 'a drop waits for it' kill -0 "$dropping"
check 'others read meanwhile' sql "$port" -c "SET lock_timeout = '5s'" -c 'SELECT count(*) FROM d' -o /dev/null
check 'it ends' release
check 'then the index is dropped' wait "$dropping"
check 'from all nodes' on_all dv none

# A build fails on one node.
sql "$port" -c "INSERT INTO d VALUES ($two, 0)"
check_fails 'the node is named' 'while executing on node "n2"' "$port" 'CREATE UNIQUE INDEX CONCURRENTLY du ON d (k) WHERE v >= 0'
sql $((port + 2)) -c 'DROP INDEX CONCURRENTLY du'
check_fails 'and what can be done' 'REINDEX INDEX CONCURRENTLY public.du builds it' "$port" \
    'CREATE UNIQUE INDEX CONCURRENTLY du ON d (k)'
check 'it is valid where it was built' [ "$(state_of "$port" du)$(state_of $((port + 1)) du)" = validinvalid ]
check_fails 'a build that fails again leaves nothing more' 23505 "$port" 'REINDEX INDEX CONCURRENTLY du'
check 'only the index' [ "$(left_over $((port + 1)))" = 1 ]
sql "$port" -c "DELETE FROM d WHERE k = $two"
check 'it can be built' sql "$port" -c 'REINDEX INDEX CONCURRENTLY du'
check 'on all nodes' on_all du valid
check 'and rebuilt with its table' sql $((port + 2)) -c 'REINDEX TABLE CONCURRENTLY d'
check 'nothing is left' nothing_left
check 'and dropped from another node' sql $((port + 2)) -c 'DROP INDEX CONCURRENTLY du'

# A build is interrupted while it waits for somebody else's snapshot on another node.
interrupted() { # interrupted FUNCTION
    check 'a snapshot is held' hold $((port + 1)) 'TABLE pg_class LIMIT 1' 'REPEATABLE READ'
    sql "$port" -c 'CREATE INDEX CONCURRENTLY rv ON r (v)' >/dev/null 2>&1 &
    creating=$!
    check 'the other node builds' until_finds runs $((port + 1)) 'REINDEX INDEX CONCURRENTLY'
    check "$1" sql "$port" -o /dev/null -c "SELECT $1(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY rv%'"
    wait "$creating"
}
interrupted pg_cancel_backend
check 'the other node has stopped' until_finds runs_not $((port + 1)) 'REINDEX INDEX CONCURRENTLY'
check 'it waits no longer' release
check 'the index is not valid there' [ "$(state_of "$port" rv)$(state_of $((port + 1)) rv)" = validinvalid ]
check 'it can be built from there' sql $((port + 1)) -c 'REINDEX INDEX CONCURRENTLY rv'
check 'and on the others' on_all rv valid
check 'and dropped' sql $((port + 1)) -c 'DROP INDEX rv'
interrupted pg_terminate_backend
check 'it waits no longer' release
check 'the other node comes to an end' until_finds runs_not $((port + 1)) 'REINDEX INDEX CONCURRENTLY'
check 'the index can be built' sql $((port + 2)) -c 'REINDEX INDEX CONCURRENTLY rv'
check 'nothing is left' nothing_left
check 'it is on all nodes' on_all rv valid

# Schema changes under load: transactions on several nodes, from two of them.
sql "$port" -c 'CREATE TABLE a (k int PRIMARY KEY, v int NOT NULL)' -c "SELECT cluster_distribute_table('a', 'k')" \
    -c 'INSERT INTO a SELECT i, 0 FROM generate_series(1, 3000) i' >/dev/null
cat >"$dir/transfer.sql" <<'EOF'
\set x random(1, 3000)
\set y random(1, 3000)
BEGIN;
UPDATE a SET v = v + 1 WHERE k = least(:x, :y);
UPDATE a SET v = v - 1 WHERE k = greatest(:x, :y);
COMMIT;
EOF
for at in $((port + 1)) $((port + 2)); do
    "$box/bin/pgbench" -h 127.0.0.1 -p "$at" -U postgres -n -f "$dir/transfer.sql" -c 3 -T 600 -P 1 postgres >"$dir/load.$at" 2>&1 &
done
loads=$(jobs -p)
check 'there is a load' until_finds grep -q progress "$dir/load.$((port + 2))"
for change in 'ALTER TABLE a ADD COLUMN c int' 'CREATE INDEX av ON a (v)' 'ALTER TABLE a ADD CHECK (v > -100000)' \
    'ALTER TABLE a RENAME c TO d' 'REINDEX TABLE a' 'CREATE INDEX CONCURRENTLY aw ON a (v)' 'DROP INDEX av' \
    'DROP INDEX CONCURRENTLY aw' 'BEGIN; ALTER TABLE a ADD COLUMN e int; ALTER TABLE a DROP COLUMN d; COMMIT'; do
    check "$change" sql "$port" -c "$change"
done
sleep 1.5
# shellcheck disable=SC2086 # several
kill $loads
wait $loads 2>/dev/null
check 'no transaction failed' [ -z "$(grep -hE 'ERROR| [1-9][0-9]* failed' "$dir"/load.*)" ]
grep -hE 'ERROR| [1-9][0-9]* failed' "$dir"/load.* | head -5
no_load() {
    local at
    for at in $(ports); do
        [[ $(sql "$at" -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'") == 0 ]] || return 1
    done
}
check 'the load is over' until_finds no_load
check 'the sum is right' [ "$(sql "$port" -c 'SELECT sum(v) FROM a')" = 0 ]
check 'nothing is left of it' nothing_left

# Two nodes at once, about two tables and about one.
both() { # both STATEMENT STATEMENT
    sql "$port" -c "$1" &
    local first=$!
    sql $((port + 1)) -c "$2"
    local second=$?
    wait "$first" && ((second == 0))
}
for round in 1 2 3; do
    check "two tables, round $round" both "CREATE INDEX CONCURRENTLY d$round ON d (v)" "CREATE INDEX CONCURRENTLY r$round ON r (v)"
    check "one table, round $round" both "CREATE INDEX CONCURRENTLY e$round ON d (v)" "DROP INDEX CONCURRENTLY d$round"
done
# What a statement names gets another meaning while it waits, or becomes a spread table.
asked() { [[ $(sql "$port" -c "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = \$\$$1\$\$") == 1 ]]; }
meanwhile() { # meanwhile CHANGE STATEMENT: fails as the statement does
    local waiting
    hold "$port" "$1" || return 1
    sql "$port" -c "$2" >"$dir/said" 2>&1 &
    waiting=$!
    until_finds asked "$2"
    sleep 0.5
    release
    wait "$waiting"
}
sql "$port" -c 'CREATE TABLE p (k int)' -c 'CREATE TABLE new (k int NOT NULL, v int)' -c "SELECT cluster_distribute_table('new', 'k')" >/dev/null
check 'the table of that name by then' meanwhile 'ALTER TABLE a RENAME TO old; ALTER TABLE new RENAME TO a' 'CREATE INDEX i1 ON a (v)'
check 'and concurrently' meanwhile 'ALTER TABLE a RENAME TO new; ALTER TABLE old RENAME TO a' 'CREATE INDEX CONCURRENTLY i2 ON a (v)'
check 'its own index' meanwhile 'CREATE INDEX i3 ON a (v)' 'CREATE INDEX i4 ON a (v)'
for index in i1 i2 i3 i4; do check "$index is on all nodes" on_all "$index" valid; done
check 'each on its table' [ "$(sql "$port" -c "SELECT string_agg(indrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indexrelid::regclass::text ~ '^i[0-9]'")" = 'new a a a' ]
sql "$port" -c 'CREATE SCHEMA apart'
plain_table() {
    sql "$port" -c 'CREATE TABLE p (k int NOT NULL CONSTRAINT positive CHECK (k > 0), v int)' -c 'CREATE INDEX pi ON p (v)' \
        -c 'CREATE STATISTICS ps ON k, v FROM p' -c 'CREATE POLICY py ON p' \
        -c 'CREATE TRIGGER pt BEFORE UPDATE ON p FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()'
}
sql "$port" -c 'DROP TABLE p'
for statement in 'CREATE INDEX ON p (k)' 'ALTER TABLE p ADD w int' 'TRUNCATE p' 'ALTER TABLE p RENAME TO q' 'ALTER TABLE p RENAME v TO w' \
    'ALTER TABLE p RENAME CONSTRAINT positive TO pc' 'ALTER INDEX pi RENAME TO pj' 'ALTER TABLE p SET SCHEMA apart' \
    'CREATE TRIGGER pu BEFORE UPDATE ON p FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()' \
    'ALTER TRIGGER pt ON p RENAME TO pu' 'DROP TRIGGER pt ON p' 'CREATE POLICY pz ON p' 'ALTER POLICY py ON p TO postgres' 'DROP POLICY py ON p' \
    'CREATE RULE pr AS ON DELETE TO p DO ALSO NOTIFY p' 'CREATE STATISTICS pv ON v, k FROM p' 'COMMENT ON TABLE p IS NULL' \
    'DROP INDEX pi' 'DROP INDEX CONCURRENTLY pi' 'CREATE INDEX CONCURRENTLY pj ON p (k)'; do
    plain_table
    meanwhile "SELECT cluster_distribute_table('p', 'k')" "$statement"
    check "$statement is told" grep -q 'table "p" has been distributed meanwhile' "$dir/said"
    sql "$port" -c 'DROP TABLE p'
done
plain_table
check 'alone, an index is made concurrently' sql "$port" -c 'CREATE INDEX CONCURRENTLY pj ON p (k)'
check 'and dropped' sql "$port" -c 'DROP INDEX CONCURRENTLY pj'
sql "$port" -c 'DROP TABLE p'

for index in r1 r2 r3 e1 e2 e3; do check "$index is there" on_all "$index" valid; done
for index in d1 d2 d3; do check "$index is gone" on_all "$index" none; done
check 'nothing is left' nothing_left
summary
