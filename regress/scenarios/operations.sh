#!/usr/bin/env bash
# operations.sh BOX DIR PORT: operations are paused, resumed and cancelled; nodes leave and come again.
#
# DIR is a running cluster in a box of three nodes whose first node listens on PORT.
set -uo pipefail
box=$1 dir=$2 port=$3
source "$(dirname "$0")/lib.sh"
rows=50000

filled() {
    sql "$port" -c 'CREATE TABLE moved (id bigint PRIMARY KEY, note text)' \
        -c "SELECT cluster_distribute_table('moved', 'id')" \
        -c "INSERT INTO moved SELECT i, repeat('x', 200) FROM generate_series(1, $rows) i" -c 'ANALYZE moved' >/dev/null
}

streams() { # streams ENABLED: subscriptions on all nodes
    local at sum=0
    for at in $(ports); do
        sum=$((sum + $(fragment "$at" -c "SELECT count(*) FROM pg_subscription WHERE subenabled = $1")))
    done
    echo "$sum"
}

paused_and_resumed() {
    local id on
    grow || return 1
    id=$(sql "$port" -c "SELECT cluster_rebind('moved')") || return 1
    until_finds done_with "$id" copy || return 1
    sql "$port" -c "SELECT cluster_pause($id)" >/dev/null || return 1
    # The copy may have been quicker; then it is paused in what comes after.
    until_finds in_state "$id" paused || return 1
    check 'streams of a paused operation stand still' test "$(streams true)" = 0
    check_fails 'a paused operation is still there' XP024 "$port" "SELECT cluster_rebind('moved')"
    on=$(runner_of "$id")
    kill -9 "$(<"$on/expansed.pid")"
    until_finds another_leads "$on" || return 1
    check 'paused under another leader' in_state "$id" paused
    restart
    sql "$port" -c "SELECT cluster_resume($id)" >/dev/null || return 1
    until_finds in_state "$id" succeeded || return 1
    check_fails 'finished: not paused' XP130 "$port" "SELECT cluster_pause($id)"
    check_fails 'finished: not resumed' XP130 "$port" "SELECT cluster_resume($id)"
    check_fails 'finished: not cancelled' XP130 "$port" "SELECT cluster_cancel($id)"
    check_fails 'unknown' XP023 "$port" "SELECT cluster_pause(4711)"
    check_fails 'in a transaction' 25001 "$port" "BEGIN; SELECT cluster_pause(1)"
}

another_leads() { # another_leads DIRECTORY: as any node sees it
    local at name
    for at in $(ports); do
        name=$(sql "$at" -c 'SELECT node_name FROM cluster_nodes WHERE leader' 2>/dev/null)
        [[ -n $name && $name != "$(basename "$1")" ]] && return 0
    done
    return 1
}

cancelled_while_paused() {
    local id
    grow || return 1
    id=$(sql "$port" -c "SELECT cluster_rebind('moved')") || return 1
    until_finds done_with "$id" settle || return 1
    sql "$port" -c "SELECT cluster_pause($id)" >/dev/null || return 1
    until_finds in_state "$id" paused || return 1
    sql "$port" -c "SELECT cluster_cancel($id)" >/dev/null || return 1
    until_finds in_state "$id" cancelled
}

aged() { # aged VERSION: it is gone, and the journal says so once
    [[ $(sql "$port" -c "SELECT (SELECT count(*) FROM cluster_hash_maps WHERE hash_map_version = $1),
        (SELECT count(*) FROM cluster_operations WHERE kind = 'drop_hash_map' AND target = 'hash map version $1')") == '0|1' ]]
}

empty_follows_at_once() {
    local id version
    sql "$port" -c 'CREATE TABLE emptied (id text PRIMARY KEY)' -c "SELECT cluster_distribute_table('emptied', 'id')" \
        -c "INSERT INTO emptied VALUES ('a'), ('b'), ('c')" >/dev/null || return 1
    version=$(sql "$port" -c "SELECT hash_map_version FROM cluster_tables WHERE relation = 'emptied'::regclass")
    grow || return 1
    sql "$port" -c 'DELETE FROM emptied' >/dev/null
    id=$(sql "$port" -c "SELECT cluster_rebind('emptied')") || return 1
    until_finds in_state "$id" succeeded || return 1
    check 'an empty group was bound without a copy' grep -qs "bound without a copy operation=$id" "$dir"/n*/expansed.log
    check 'it is on the current map' test "$(sql "$port" -c "SELECT hash_map_version FROM cluster_tables
        WHERE relation = 'emptied'::regclass")" -gt "$version"
    id=$(sql "$port" -c "SELECT cluster_rebind('moved')") && until_finds in_state "$id" succeeded
    check 'an unused version disappears and says so' until_finds aged "$version"
}

last_table_goes() {
    local version
    version=$(sql "$port" -c 'SELECT hash_map_version FROM cluster_hash_maps WHERE current')
    sql "$port" -c 'CREATE TABLE last (id int PRIMARY KEY)' -c "SELECT cluster_distribute_table('last', 'id')" >/dev/null
    grow || return 1
    check 'a bound version stays' test "$(sql "$port" -c "SELECT count(*) FROM cluster_hash_maps WHERE hash_map_version = $version")" = 1
    sql "$port" -c 'DROP TABLE last, emptied, moved'
    until_finds aged "$version"
}

localized() {
    local before
    sql "$port" -c 'CREATE TABLE back (id bigint GENERATED ALWAYS AS IDENTITY, key int PRIMARY KEY, note text)' \
        -c "SELECT cluster_distribute_table('back', 'key')" \
        -c "INSERT INTO back (key, note) SELECT i, 'row ' || i FROM generate_series(1, 5000) i" >/dev/null
    before=$(sql "$port" -c 'SELECT md5(string_agg(b::text, chr(10) ORDER BY key)) FROM back b')
    sql "$port" -o /dev/null -c "SELECT cluster_localize_table('back')" || return 1
    check 'all rows are here' test "$(fragment "$port" -c 'SELECT md5(string_agg(b::text, chr(10) ORDER BY key)) FROM back b')" = "$before"
    check 'the others have it no more' test -z "$(fragment $((port + 1)) -c "SELECT to_regclass('back')")"
    check 'it is a plain table' test "$(sql "$port" -c "SELECT count(*) FROM cluster_tables WHERE relation = 'back'::regclass")" = 0
    check 'ids go on' sql "$port" -o /dev/null -c "INSERT INTO back (key) VALUES (0)" \
        -c 'SELECT 1 / (max(id) FILTER (WHERE key = 0) > max(id) FILTER (WHERE key <> 0))::int FROM back'
    check_fails 'not twice' XP018 "$port" "SELECT cluster_localize_table('back')"
    check 'it can be spread again' sql "$port" -o /dev/null -c "SELECT cluster_distribute_table('back', 'key')"
    check 'with all its rows' test "$(sql "$port" -c 'SELECT count(*) FROM back')" = 5001
}

# A table joins the group after its rebind has been planned: by a transaction that the plan did not see.
joined_late() {
    local id
    sql "$port" -c 'CREATE TABLE first (id int PRIMARY KEY)' -c "SELECT cluster_distribute_table('first', 'id')" \
        -c 'INSERT INTO first SELECT generate_series(1, 2000)' -c 'CREATE TABLE late (id int PRIMARY KEY, note text)' \
        -c "INSERT INTO late SELECT i, 'late' FROM generate_series(1, $rows) i" >/dev/null || return 1
    grow || return 1
    open_session joins "$port" && done_by joins "BEGIN; SELECT cluster_distribute_table('late', 'id', colocate_with => 'first')" || return 1
    id=$(sql "$port" -c "SELECT cluster_rebind('first')") || return 1
    until_finds done_with "$id" plan || return 1
    say joins 'COMMIT;' && close_session joins || return 1
    until_finds in_state "$id" succeeded || return 1
    check 'it was planned again' grep -qs "planned again operation=$id" "$dir"/n*/expansed.log
    check 'both follow' test "$(sql "$port" -c "SELECT count(DISTINCT hash_map_version) FROM cluster_tables WHERE relation IN ('first'::regclass, 'late'::regclass)")" = 1
    check 'rows of the first' all_there first 2000
    check 'rows of the late one' all_there late "$rows"
    sql "$port" -c 'DROP TABLE first, late'
}

# A write of a replicated table is prepared, its coordinator gone, when a node is to become active.
undecided() {
    local id at name host new
    sql "$port" -c 'CREATE TABLE kind (id int PRIMARY KEY, name text)' -c "SELECT cluster_replicate_table('kind')" \
        -c "INSERT INTO kind VALUES (1, 'old'), (2, 'old')" >/dev/null || return 1
    read -r name host new < <(add_server) || return 1
    open_session gate "$port" && done_by gate 'BEGIN; LOCK TABLE expanse.gate_0 IN ROW EXCLUSIVE MODE' || return 1
    id=$(sql "$port" -c "SELECT cluster_expand('$name', '$host', $new)") || return 1
    until_finds done_with "$id" copy_replicated || return 1
    for at in $(ports); do
        [[ $at == "$new" ]] || fragment "$at" -c "BEGIN; UPDATE kind SET name = 'new' WHERE id = 1; PREPARE TRANSACTION 'held'" || return 1
    done
    say gate 'COMMIT;' && close_session gate || return 1
    check 'it waits for the write' until_finds says "$id" "phase ~ 'prepared and not decided'" t
    for at in $(ports); do [[ $at == "$new" ]] || fragment "$at" -c "COMMIT PREPARED 'held'" || return 1; done
    until_finds in_state "$id" succeeded || return 1
    check 'and has it' test "$(fragment "$new" -c 'SELECT string_agg(name, $$ $$ ORDER BY id) FROM kind')" = 'new old'
    sql "$port" -c 'DROP TABLE kind'
}

filled || exit 1
check 'paused and resumed' paused_and_resumed
check 'whole after a pause' all_there moved "$rows"
check 'cancelled while paused' cancelled_while_paused
check 'whole after a cancelled pause' all_there moved "$rows"
check 'a table joins while its group is planned' joined_late
check 'an empty group follows at once' empty_follows_at_once
check 'a version goes with its last table' last_table_goes
check 'localized' localized
check 'a write that is not decided' undecided
summary
