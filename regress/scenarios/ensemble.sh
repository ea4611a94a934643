#!/usr/bin/env bash
# ensemble.sh BOX DIR PORT [ROUNDS]: the coordination store fails while data is written and read.
#
# DIR is a running cluster in a box of three nodes over an ensemble of three ZooKeeper servers; the first node listens on
# PORT. Each server of the ensemble is killed, then each is stopped for a while (SIGSTOP), then all are gone at once. All the
# time clients write and read at a fixed rate: no statement may fail or be slower; a disturbance during which one was slower
# is tried again, because a machine does other things too, and what the store slows down it always slows down. Each time
# the status on all nodes has to be whole again by itself.
set -uo pipefail
box=$1 dir=$2 port=$3 rounds=${4:-1}
patience=60 passed=0 failed=0 rate=40 tries=3

sql() { # sql PORT QUERY
    PGCONNECT_TIMEOUT=5 "$box/bin/psql" -X -q -A -t -h 127.0.0.1 -p "$1" -U postgres -d postgres -v ON_ERROR_STOP=1 -c "$2"
}

check() { # check NAME COMMAND...
    if "${@:2}"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "failed: $1"; fi
}

until_true() { # until_true COMMAND...: polls, with a bound
    local deadline=$((SECONDS + patience))
    while ((SECONDS < deadline)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.2
    done
    echo "after $patience s: $*"
    "$@"
}

says() { # says WANTED PORT QUERY
    local said
    said=$(sql "$2" "$3") && [[ $said == "$1" ]] || { echo "$3 on $2: $said, not $1"; return 1; }
}

whole() { # every node sees every node ready, a leader, and nothing blocked
    local at
    for at in $port $((port + 1)) $((port + 2)); do
        says '3 1 0' "$at" "SELECT count(*) FILTER (WHERE status = 'ready') || ' ' || count(*) FILTER (WHERE leader)
            || ' ' || (SELECT count(*) FROM cluster_blocked) FROM cluster_nodes" || return 1
    done
}

store_is_missed() { # every node says that the store does not answer
    local at
    for at in $port $((port + 1)) $((port + 2)); do
        says t "$at" "SELECT count(*) > 0 FROM cluster_blocked WHERE why LIKE '%coordination store does not answer%'" || return 1
    done
}

member() { <"$dir/zookeeper/$1/zookeeper.pid" tr -d '\n'; }

up() { "$box/bin/expansectl" dev up --dir "$dir" --nodes 3 >/dev/null; }

# Reads and writes at a fixed rate over all owners, in the background, until the file is removed.
traffic() {
    local script=$dir/traffic.sql
    cat >"$script" <<'EOSQL'
\set id random(1, 1000)
UPDATE ensemble SET hits = hits + 1 WHERE id = :id;
SELECT hits FROM ensemble WHERE id = :id;
EOSQL
    "$box/bin/pgbench" -n -h 127.0.0.1 -p "$port" -U postgres -f "$script" -c 4 -R $rate -T 100000 -l \
        --log-prefix="$dir/traffic" postgres >"$dir/traffic.out" 2>&1 &
    pgbench=$!
    trap 'kill $pgbench 2>/dev/null' EXIT
}

# Transactions so far.
seen() { sql "$port" 'SELECT sum(hits) FROM ensemble'; }

unharmed() { # unharmed SINCE_COUNT SINCE_TIME SECONDS: the rate was kept and nothing took longer than a second
    local before=$1 began=$2 took=$3 done slowest
    kill -0 "$pgbench" 2>/dev/null || { echo "a statement failed: $(tail -n 3 "$dir/traffic.out")"; return 1; }
    done=$(($(seen) - before))
    # Columns: client, number, microseconds taken, script, time it ended at ...
    slowest=$(cat "$dir"/traffic.[0-9]* | awk -v began="$began" '$5 >= began && $3 > max {max = $3} END {print int(max / 1000)}')
    echo "$done transactions in $took s, the slowest $slowest ms"
    ((done >= took * rate * 8 / 10 && slowest < 1000))
}

disturbed() { # disturbed NAME COMMAND...: how data traffic is during the command
    local before began start try
    for ((try = 1; try <= tries; try++)); do
        before=$(seen) began=$(date +%s) start=$SECONDS
        "${@:2}" || break
        sleep 2
        if unharmed "$before" "$began" $((SECONDS - start)); then
            passed=$((passed + 1))
            return
        fi
        kill -0 "$pgbench" 2>/dev/null || break
    done
    failed=$((failed + 1))
    echo "failed: $1"
}

killed() { # killed MEMBER: one server gone, then back
    kill -9 "$(member "$1")"
    sleep 3
    until_true whole || return 1
    up && until_true whole
}

stopped() { # stopped MEMBER: one server silent for longer than a session, then back
    local pid
    pid=$(member "$1")
    kill -STOP "$pid"
    sleep 7
    until_true whole
    local status=$?
    kill -CONT "$pid"
    ((status == 0)) && until_true whole
}

gone() { # all of them
    local number
    for number in 1 2 3; do kill -9 "$(member $number)"; done
    until_true store_is_missed || return 1
    sleep 10
    up && until_true whole
}

sql "$port" 'CREATE TABLE ensemble (id int PRIMARY KEY, hits int NOT NULL)' &&
    sql "$port" "SELECT cluster_distribute_table('ensemble', 'id')" >/dev/null &&
    sql "$port" 'INSERT INTO ensemble SELECT i, 0 FROM generate_series(1, 1000) i' || exit 1
check 'whole at the beginning' until_true whole
traffic
sleep 3
for _ in $(seq 1 "$rounds"); do
    for number in 1 2 3; do disturbed "server $number killed" killed $number; done
    for number in 1 2 3; do disturbed "server $number stopped" stopped $number; done
    disturbed 'all servers gone' gone
done
kill "$pgbench" 2>/dev/null
wait "$pgbench" 2>/dev/null
trap - EXIT
check 'no statement failed' bash -c "! grep -qiE 'error|aborted' '$dir/traffic.out'"
sql "$port" 'DROP TABLE ensemble' || failed=$((failed + 1))
echo "$passed passed, $failed failed"
((failed == 0))
