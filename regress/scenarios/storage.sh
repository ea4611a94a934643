#!/usr/bin/env bash
# storage.sh BOX DIR PORT: tablespaces on all nodes come, tables move into them under load, and they go again.
#
# DIR is a running cluster in a box of three nodes whose first node listens on PORT. Writers run while tables move; no
# statement of theirs may fail. Whoever runs the move is killed in the middle.
set -uo pipefail
box=$1 dir=$2 port=$3
source "$(dirname "$0")/lib.sh"
rows=30000 base=$port disks=$dir/disks

filled() {
    install -d -o "$(stat -c %U "$dir/n1/data")" "$disks" || return 1
    for n in 1 2 3 4; do install -d -o "$(stat -c %U "$dir/n1/data")" "$disks/n$n" || return 1; done
    sql "$port" -c 'CREATE SCHEMA app' -c 'CREATE TABLE app.kind (id int PRIMARY KEY, name text)' \
        -c "SELECT cluster_replicate_table('app.kind')" \
        -c "INSERT INTO app.kind SELECT i, 'kind ' || i FROM generate_series(1, 10) i" \
        -c 'CREATE TABLE app.item (key int PRIMARY KEY, weight int, note text)' \
        -c "SELECT cluster_distribute_table('app.item', 'key')" \
        -c 'CREATE TABLE app.entry (key int, n int, PRIMARY KEY (key, n))' \
        -c "SELECT cluster_distribute_table('app.entry', 'key', 'app.item')" \
        -c 'ALTER TABLE app.entry ADD FOREIGN KEY (key) REFERENCES app.item' \
        -c 'CREATE INDEX item_weight ON app.item (weight, key)' \
        -c 'CREATE TABLE app.other (word text PRIMARY KEY)' -c "SELECT cluster_distribute_table('app.other', 'word')" \
        -c "INSERT INTO app.item SELECT i, (i * 7919) % $rows, repeat('x', 200) FROM generate_series(1, $rows) i" \
        -c "INSERT INTO app.entry SELECT i, 0 FROM generate_series(1, $rows) i" >/dev/null
}

writer() {
    local key n
    while [[ -d $dir && ! -e $dir/stop ]]; do
        key=$((1 + (RANDOM * 32768 + RANDOM) % rows)) n=$((RANDOM * 32768 + RANDOM))
        sql "$port" -c "UPDATE app.item SET note = note || '' WHERE key = $key" \
            -c "INSERT INTO app.entry VALUES ($key, $n) ON CONFLICT DO NOTHING" \
            -c 'SELECT count(*) FROM app.item JOIN app.entry USING (key)' -o /dev/null 2>>"$dir/failures" && echo . >>"$dir/writes"
    done
}

# lies STORAGE TABLE...: these tables, their indexes and TOAST are there on every node, and no part of them is elsewhere.
lies() {
    local at found storage=$1
    shift
    for at in $(ports); do
        found=$(fragment "$at" -c "SELECT DISTINCT coalesce(s.spcname, 'pg_default') FROM pg_class t
            JOIN LATERAL (SELECT t.oid UNION ALL SELECT t.reltoastrelid UNION ALL SELECT indexrelid FROM pg_index
                          WHERE indrelid IN (t.oid, t.reltoastrelid)) AS p (part) ON true
            JOIN pg_class c ON c.oid = p.part LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
            WHERE t.oid = ANY ('{$(IFS=,; echo "$*")}'::regclass[]::oid[])")
        [[ $found == "$storage" ]] || { echo "on port $at: $found"; return 1; }
    done
}

in_order() { # the rows of app.item lie by weight on every node
    local at
    for at in $(ports); do
        [[ $(fragment "$at" -c "SELECT count(*) FROM (SELECT weight < lag(weight) OVER (ORDER BY ctid) AS back
            FROM app.item) r WHERE back") == 0 ]] || return 1
    done
}

whole() {
    check "items: $1" test "$(sql "$port" -c 'SELECT count(*), sum(key), sum(weight), sum(length(note)) FROM app.item')" = "$items"
    check "items once: $1" all_there app.item "$rows"
    check "entries: $1" all_there app.entry "$(sql "$port" -c 'SELECT count(*) FROM app.entry')"
}

# Every node has it, in its own directory, and the topology in the store says so.
has_storage() { # has_storage NAME PATTERN
    local at
    for at in $(ports); do
        [[ $(fragment "$at" -c "SELECT replace('$2', '{node}', (SELECT node_name FROM cluster_nodes WHERE local)) =
            (SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = '$1')") == t ]] || return 1
    done
    until_finds grep -rqs "\"storage_name\":\"$1\",\"directory\":\"$2\"" "$dir/coordination"
}

no_storage() { # no_storage NAME: neither tablespace, directory, record nor topology
    local at
    for at in $(ports); do
        [[ $(fragment "$at" -c "SELECT (SELECT count(*) FROM pg_tablespace WHERE spcname = '$1') +
            (SELECT count(*) FROM expanse.storage WHERE storage_name = '$1')") == 0 ]] || return 1
    done
    ! compgen -G "$disks/*/$1" && until_finds not_in_topology "$1"
}

not_in_topology() { ! grep -rqs "\"storage_name\":\"$1\"" "$dir/coordination"/topology*; }

# The sidecar that runs the move is killed while a table is being copied; another goes on.
moved_through_a_kill() {
    local id at pid
    begin_writing
    id=$(sql "$port" -c "SELECT cluster_move_table('app.entry', 'slow')") || return 1
    until_finds done_with "$id" check || return 1
    at=$(runner_of "$id")
    pid=$(cat "$at/expansed.pid") && kill -9 "$pid" || return 1
    until_finds in_state "$id" succeeded || return 1
    check 'no statement failed while the group moved' end_writing
    check 'the group lies in slow' lies slow app.item app.entry
    restart
}

cancelled() { # a move that waits for somebody's lock is cancelled: everything is where it was
    local id holder
    sql "$port" -c 'SET expanse.internal = on' -c 'BEGIN' -c 'LOCK TABLE app.item' -c 'SELECT pg_sleep(60)' >/dev/null 2>&1 &
    holder=$!
    until_finds locked || return 1
    id=$(sql "$port" -c "SELECT cluster_move_table('app.item', 'fast')") || return 1
    until_finds says_why "$id" || return 1
    sql "$port" -c "SELECT cluster_cancel($id)" >/dev/null || return 1
    sql "$port" -c "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'" >/dev/null
    wait $holder
    until_finds in_state "$id" cancelled && lies slow app.item app.entry
}

locked() { [[ $(sql "$port" -c "SELECT count(*) FROM pg_locks WHERE relation = 'app.item'::regclass AND mode = 'AccessExclusiveLock' AND granted") == 1 ]]; }

says_why() { # says_why ID
    [[ $(sql "$port" -c "SELECT freeze_outcome ~ 'uses app.item in a long transaction|lock timeout' FROM cluster_operations
        WHERE operation_id = $1") == t ]]
}

joined() {
    grow || return 1
    has_storage slow "$disks/{node}/slow" && may_create && lies slow app.item app.entry && lies pg_default app.other app.kind &&
        operation 'cluster_rebind_all()' && lies slow app.item app.entry
}

may_create() { # the role may use slow on every node
    local at
    for at in $(ports); do
        [[ $(fragment "$at" -c "SELECT has_tablespace_privilege('app_owner', 'slow', 'CREATE')") == t ]] || return 1
    done
}

left() {
    local id
    id=$(sql "$port" -c "SELECT cluster_shrink('n4')") && until_finds in_state "$id" succeeded || return 1
    check 'the node that has left does nothing for the others' next_in_line "$id"
    [[ $(fragment $((base + 3)) -c "SELECT count(*) FROM pg_tablespace WHERE spcname = 'slow'") == 0 ]] &&
        ! compgen -G "$disks/n4/slow"
}

# Operation $1 has just ended. Of all sidecars only that of n4 is left to lead: its server has nothing to say any more.
next_in_line() {
    local at id other=$((port + 1)) leader
    leader=$(runner_of "$1")
    [[ $leader == "$dir/n2" ]] && other=$port
    kill -STOP "$(cat "$leader/expansed.pid")" || return 1
    id=$(sql "$other" -c "SELECT cluster_add_storage('late', '$disks/{node}/late')")
    for at in n1 n2 n3; do kill -9 "$(cat "$dir/$at/expansed.pid")"; done
    patience=3 until_finds grep -qs 'elected, but cannot lead' "$dir/n4/expansed.log"
    restart
    until_finds in_state "$id" succeeded && has_storage late "$disks/{node}/late" && operation "cluster_drop_storage('late')"
}

taken_back() { # no directory for n4: the expansion is undone, and leaves nothing there
    local name host at
    rmdir "$disks/n4" || return 1
    operation "cluster_expand('n4', '127.0.0.1', $((base + 3)))" failed || return 1
    [[ $(fragment $((base + 3)) -c "SELECT count(*) FROM pg_extension WHERE extname = 'expanse'") == 0 ]]
}

filled || exit 1
items=$(sql "$port" -c 'SELECT count(*), sum(key), sum(weight), sum(length(note)) FROM app.item')
check_fails 'one directory for all' XP140 "$port" "SELECT cluster_add_storage('fast', '$disks/fast')"
check_fails 'no parent on a node' XP052 "$port" "SELECT cluster_add_storage('fast', '$disks/{node}/no/fast')"
check_fails 'inside the data directory' XP052 "$port" "SELECT cluster_add_storage('fast', '$dir/{node}/data/fast')"
check 'nothing has been made' no_storage fast
check 'fast comes' "$box/bin/expansectl" -p "$port" storage add fast "$disks/{node}/fast"
check 'slow comes' operation "cluster_add_storage('slow', '$disks/{node}/slow')"
check 'fast is everywhere' has_storage fast "$disks/{node}/fast"
check_fails 'twice' XP051 "$port" "SELECT cluster_add_storage('fast', '$disks/{node}/fast')"
check_fails 'in use' XP052 "$port" "SELECT cluster_add_storage('third', '$disks/{node}/fast')"
begin_writing
check 'the group moves in order' "$box/bin/expansectl" -p "$port" storage move app.item fast --cluster-on app.item_weight
check 'the group lies in fast' lies fast app.item app.entry
check 'no statement failed meanwhile' end_writing
check 'others stay' lies pg_default app.other app.kind
whole 'in fast'
check 'rewritten in order' operation "cluster_move_table('app.item', 'fast', 'app.item_weight')"
check 'in order' in_order
check_fails 'fast is used' XP141 "$port" "SELECT cluster_drop_storage('fast')"
check_fails 'it says where' 'lies in it on node "n1"' "$port" "SELECT cluster_drop_storage('fast')"
check 'moves through a kill' moved_through_a_kill
whole 'in slow'
check 'a replicated table moves' operation "cluster_move_table('app.kind', 'fast')"
check 'it lies there' lies fast app.kind
check 'and back' operation "cluster_move_table('app.kind', 'pg_default')"
check 'a table is spread in a storage' sql "$port" -o /dev/null -c 'CREATE TABLE app.born (key int PRIMARY KEY USING INDEX TABLESPACE slow) TABLESPACE slow' \
    -c "SELECT cluster_distribute_table('app.born', 'key')" -c 'CREATE INDEX born_index ON app.born (key) TABLESPACE slow'
check 'it lies there' lies slow app.born
check_fails 'SET TABLESPACE' XP020 "$port" 'ALTER TABLE app.born SET TABLESPACE pg_default'
check_fails 'DROP TABLESPACE' XP054 "$port" 'DROP TABLESPACE fast'
check 'a privilege is everywhere' sql "$port" -o /dev/null -c 'CREATE ROLE app_owner' -c 'GRANT CREATE ON TABLESPACE slow TO app_owner'
check 'a move is cancelled' cancelled
check 'a node joins' joined
check 'a node leaves' left
check 'a node that can not have it' taken_back
sql "$((port + 1))" -c 'SET expanse.internal = on' -c 'CREATE TABLE mine () TABLESPACE fast' >/dev/null
check_fails 'a table of n2' 'table public.mine lies in it on node "n2"' "$port" "SELECT cluster_drop_storage('fast')"
sql "$((port + 1))" -c 'SET expanse.internal = on' -c 'DROP TABLE mine' >/dev/null
check 'fast goes' "$box/bin/expansectl" -p "$port" storage drop fast
check 'nothing is left of fast' no_storage fast
check 'one is listed' test "$("$box/bin/expansectl" -p "$port" --json storage list | grep -c '"storage"')" = 1
whole 'at the end'
summary
