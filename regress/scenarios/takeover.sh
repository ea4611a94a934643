#!/usr/bin/env bash
# takeover.sh BOX DIR PORT: the sidecar that runs a rebind is killed at several of its steps.
#
# DIR is a running cluster in a box whose first node listens on PORT. A new node joins, and a filled table is rebound to
# it; whoever leads when the named step is done is ended by kill -9, and another sidecar has to finish. Then one more
# rebind is cancelled in its copy. Afterwards every row is on exactly one node, and no publication, subscription, slot or
# motion is left on any.
set -uo pipefail
box=$1 dir=$2 port=$3
patience=60 passed=0 failed=0 rows=50000

sql() { # sql PORT ARGUMENT...
    PGCONNECT_TIMEOUT=5 "$box/bin/psql" -X -q -A -t -h 127.0.0.1 -p "$1" -U postgres -d postgres \
        -v ON_ERROR_STOP=1 "${@:2}"
}

fragment() { PGOPTIONS='-c expanse.internal=on' sql "$@"; }

ports() { sql "$port" -c 'SELECT port FROM cluster_nodes ORDER BY node_id'; }

check() { # check NAME COMMAND...
    if "${@:2}"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "failed: $1"; fi
}

until_finds() { # until_finds COMMAND...: polls, with a bound
    local deadline=$((SECONDS + patience))
    while ((SECONDS < deadline)); do
        "$@" && return 0
        sleep 0.05
    done
    echo "after $patience s: $*"
    return 1
}

# A node whose sidecar is gone shows what it knew last, so all are asked.
ended() { # ended ID STATE
    local at
    for at in $(ports); do
        [[ $(sql "$at" -c "SELECT state FROM cluster_operations WHERE operation_id = $1") == "$2" ]] && return 0
    done
    return 1
}

done_with() { grep -qs "step done operation=$1 step=\"$2\"" "$dir"/n*/expansed.log; }

leader() { grep -ls "runs operation=$1 " "$dir"/n*/expansed.log | head -n 1 | xargs -r dirname; }

grow() { # one node more
    local name host at id
    read -r name host at < <("$box/bin/expansectl" dev add --dir "$dir") || return 1
    id=$(sql "$port" -c "SELECT cluster_expand('$name', '$host', $at)") || return 1
    until_finds ended "$id" succeeded
}

clean() { # every row on one node, nothing left on any
    local at sum=0 left=0
    for at in $(ports); do
        sum=$((sum + $(fragment "$at" -c 'SELECT count(*) FROM takeover')))
        left=$((left + $(fragment "$at" -c "SELECT (SELECT count(*) FROM pg_subscription) +
            (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_replication_slots) +
            (SELECT count(*) FROM expanse.colocation_group WHERE moving_to IS NOT NULL)")))
    done
    ((sum == rows && left == 0)) || { echo "$sum rows of $rows, $left things left"; return 1; }
}

killed_at() { # killed_at STEP
    local id on
    grow || return 1
    id=$(sql "$port" -c "SELECT cluster_rebind('takeover')") || return 1
    until_finds done_with "$id" "$1" || return 1
    on=$(leader "$id")
    kill -9 "$(<"$on/expansed.pid")"
    until_finds ended "$id" succeeded || return 1
    "$box/bin/expansectl" dev up --dir "$dir" --nodes 3 >/dev/null
}

cancelled() {
    local id
    grow || return 1
    id=$(sql "$port" -c "SELECT cluster_rebind('takeover')") || return 1
    until_finds done_with "$id" settle || return 1
    sql "$port" -c "SELECT cluster_cancel($id)" >/dev/null
    until_finds ended "$id" cancelled
}

sql "$port" -c 'CREATE TABLE takeover (id bigint PRIMARY KEY, note text)' \
    -c "SELECT cluster_distribute_table('takeover', 'id')" \
    -c "INSERT INTO takeover SELECT i, repeat('x', 100) FROM generate_series(1, $rows) i" >/dev/null || exit 1
check 'killed after begin_move' killed_at begin_move
check 'clean after begin_move' clean
check 'killed after copy' killed_at copy
check 'clean after copy' clean
check 'cancelled' cancelled
check 'clean after cancel' clean
echo "$passed passed, $failed failed"
((failed == 0))
