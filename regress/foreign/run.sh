#!/usr/bin/env bash
# run.sh BOX WORK PORT: statements that have nothing to do with Expanse print the same, byte for byte, on a server without
# the library, with it, and with it as a node of a cluster.
set -uo pipefail
box=$1 work=$2/foreign port=$3
here=$(cd "$(dirname "$0")" && pwd)
passed=0 failed=0

as_server() {
    if [[ $(id -u) == 0 ]]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}
psql() { "$box/bin/psql" -X -h 127.0.0.1 -p "$port" -U postgres -d "$1" "${@:2}"; }
start() { # start SETTING...
    as_server "$box/bin/pg_ctl" start -s -w -D "$work/data" -l "$work/server.log" \
        -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$work -c max_prepared_transactions=20 -c wal_level=logical $*"
}
stop() { as_server "$box/bin/pg_ctl" stop -s -w -m fast -D "$work/data"; }
record() { # record NAME DATABASE
    psql postgres -q -c "CREATE DATABASE $2" -c "ALTER DATABASE $2 SET extra_float_digits = 1" >/dev/null || return 1
    [[ $1 != node ]] || psql "$2" -q -c 'CREATE EXTENSION expanse' -c "SELECT cluster_init('n1', '127.0.0.1', $port)" \
        >/dev/null || return 1
    psql "$2" -a -f "$here/statements.sql" >"$work/$1.out" 2>&1
    psql postgres -q -c "DROP DATABASE $2 WITH (FORCE)"
}
same() { # same NAME
    if diff -u "$work/plain.out" "$work/$1.out"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

mkdir -p "$work"
[[ $(id -u) != 0 ]] || chown postgres "$work"
trap 'stop >/dev/null 2>&1' EXIT
as_server "$box/bin/initdb" -A trust -U postgres --no-sync -E UTF8 --locale=C.UTF-8 -D "$work/data" >/dev/null || exit 1
# The same database name everywhere: messages name it.
start && record plain probe && stop || exit 1
start -c shared_preload_libraries=expanse && record loaded probe && record node probe && stop || exit 1
same loaded
same node
echo "$passed passed, $failed failed"
((failed == 0))
