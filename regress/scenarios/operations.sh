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

filled || exit 1
check 'paused and resumed' paused_and_resumed
check 'whole after a pause' all_there moved "$rows"
check 'cancelled while paused' cancelled_while_paused
check 'whole after a cancelled pause' all_there moved "$rows"
summary
