#!/usr/bin/env bash
# crash.sh BOX DIR PORT [ROUNDS]: transfers between nodes are killed at every point of their commit.
#
# DIR is a running cluster in a box whose first node listens on PORT. Each round moves 1 between two accounts on
# different nodes and logs it, in one transaction, and ends its backend as kill -9 would at one point (expanse.fault); in
# every third round a participating server is killed too and started again. Afterwards no prepared transaction is left
# anywhere, and each account agrees with the log: both sides of a transfer and its log entry, or none.
set -uo pipefail
box=$1 dir=$2 port=$3 rounds=${4:-21}
points=(before_prepare during_prepare after_prepare before_local_commit after_local_commit
        before_commit_prepared during_commit_prepared)
patience=60 passed=0 failed=0

sql() { # sql PORT ARGUMENT...
    PGCONNECT_TIMEOUT=5 PGOPTIONS='-c statement_timeout=30s' "$box/bin/psql" -X -q -A -t \
        -h 127.0.0.1 -p "$1" -U postgres -d postgres -v ON_ERROR_STOP=1 "${@:2}"
}

until_says() { # until_says WANTED PORT QUERY: polls, with a bound
    local deadline=$((SECONDS + patience)) said=
    while ((SECONDS < deadline)); do
        said=$(sql "$2" -c "$3" 2>&1) && [[ $said == "$1" ]] && return 0
        sleep 0.1
    done
    echo "node at $2 after $patience s: $3: $said, not $1"
    return 1
}

node_ports() { sql "$port" -c 'SELECT port FROM cluster_nodes ORDER BY node_id'; }

settled() { # settled PORT...: every server answers and holds no prepared transaction
    local at
    for at; do until_says 0 "$at" 'SELECT count(*) FROM pg_prepared_xacts' || return 1; done
}

# Accounts 1.. whose owners differ: "a b" on two nodes other than the first, and one on the first.
pick() {
    sql "$port" -F ' ' -c "
        SELECT min(i) FILTER (WHERE o = 'n2'), min(i) FILTER (WHERE o = 'n3')
        FROM (SELECT i, cluster_owner('crash_account', i) AS o FROM generate_series(1, 100) i) s"
}

balance() { sql "$port" -c "SELECT balance FROM crash_account WHERE id = $1"; }

transfer() { # transfer NUMBER FAULT: the connection is lost in its middle
    sql "$port" <<EOSQL >/dev/null 2>&1
SET expanse.fault = '$2';
BEGIN;
UPDATE crash_account SET balance = balance - 1 WHERE id = $a;
UPDATE crash_account SET balance = balance + 1 WHERE id = $b;
INSERT INTO crash_log VALUES ($1);
COMMIT;
EOSQL
}

kill_server() { kill -9 "$(head -n 1 "$dir/$1/data/postmaster.pid")"; }

round() { # round NUMBER
    local point=${points[$(($1 % ${#points[@]}))]} logged from to
    transfer "$1" "$point" && [[ $point != during_* ]] && echo "the transfer was not killed at $point"
    if (($1 % 3 == 0)); then
        kill_server n2
        until_says 0 "$port" 'SELECT 0' || return 1
        "$box/bin/expansectl" dev up --dir "$dir" >/dev/null || return 1
    fi
    # shellcheck disable=SC2086
    settled $ports || return 1
    until_says 1 "$port" "SELECT 1 FROM crash_account HAVING count(*) = 100" || return 1
    logged=$(sql "$port" -c 'SELECT count(*) FROM crash_log') || return 1
    from=$(balance "$a") to=$(balance "$b")
    if [[ $from != $((1000 - logged)) || $to != $((1000 + logged)) ]]; then
        echo "killed at $point: $logged transfers logged, balances $from and $to"
        return 1
    fi
}

sql "$port" <<'EOSQL' >/dev/null || exit 1
DROP TABLE IF EXISTS crash_account;
DROP TABLE IF EXISTS crash_log;
CREATE TABLE crash_account (id int PRIMARY KEY, balance int NOT NULL);
CREATE TABLE crash_log (transfer int PRIMARY KEY);
SELECT cluster_distribute_table('crash_account', 'id');
SELECT cluster_distribute_table('crash_log', 'transfer');
INSERT INTO crash_account SELECT i, 1000 FROM generate_series(1, 100) i;
EOSQL
read -r a b < <(pick)
ports=$(node_ports)
for number in $(seq 1 "$rounds"); do
    if round "$number"; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "round $number failed"
    fi
done
sql "$port" -c 'DROP TABLE crash_account' -c 'DROP TABLE crash_log' || failed=$((failed + 1))
echo "$passed passed, $failed failed"
((failed == 0))
