#!/usr/bin/env bash
# deadlock.sh BOX DIR PORT: transactions on several nodes wait for each other, and one gives way; readers see them whole.
#
# DIR is a running cluster in a box of three nodes whose first listens on PORT. Rounds of two transactions that lock two rows
# of different nodes in opposite order, asked at different nodes: one commits, the other (the younger) fails with
# SQLSTATE 40P01, and neither waits for long. Who waits for a row that gets another distribution key is told so (40001). Then writers change a distributed, a replicated and a plain table together,
# and whoever reads all three sees each of these transactions entirely or not at all.
set -uo pipefail
box=$1 dir=$2 port=$3
# shellcheck source=lib.sh
source "$(dirname "$0")/lib.sh"
limit_s=6

sql "$port" -c 'CREATE TABLE d (k int PRIMARY KEY, v int NOT NULL)' \
    -c "SELECT cluster_distribute_table('d', 'k')" -c 'INSERT INTO d SELECT i, 0 FROM generate_series(1, 50) i' >/dev/null
key_of() { sql "$port" -c "SELECT min(k) FROM d WHERE cluster_owner('d', k) = '$1'"; }
one=$(key_of n1) two=$(key_of n2) three=$(key_of n3)

round() { # round OLDER_PORT YOUNGER_PORT KEY KEY
    local begin
    open_session older "$1" && open_session younger "$2" || return 1
    check 'the older transaction locks its row' done_by older "BEGIN; UPDATE d SET v = v + 1 WHERE k = $3"
    check 'the younger one locks its own' done_by younger "BEGIN; UPDATE d SET v = v + 1 WHERE k = $4"
    begin=$SECONDS
    say older "UPDATE d SET v = v + 1 WHERE k = $4; COMMIT;"
    say younger "UPDATE d SET v = v + 1 WHERE k = $3; COMMIT;"
    close_session younger
    check 'the older transaction commits' close_session older
    check 'the younger one is told of a deadlock' grep -q 'ERROR:  40P01: deadlock detected' "$dir/younger.out"
    check 'nobody waits for long' [ $((SECONDS - begin)) -lt $limit_s ]
    grep ERROR "$dir/older.out"
    grep -q 40P01 "$dir/younger.out" || cat "$dir/younger.out"
}

round "$port" $((port + 2)) "$two" "$three"  # both rows are on other nodes than the older one's
round "$port" $((port + 1)) "$one" "$two"    # both wait on a node of their own
round $((port + 2)) $((port + 2)) "$one" "$two"
check 'only the older ones have written' [ "$(sql "$port" -c 'SELECT sum(v) FROM d')" = 6 ]

# Waits, at PORT, for a row whose key another transaction changes before its END (COMMIT or ROLLBACK).
waiting() { # waiting PORT KEY END STATEMENT
    local waiter
    open_session mover "$port" && done_by mover "BEGIN; UPDATE d SET k = k + 1000 WHERE k = $2 RETURNING k" || return 1
    sql "$1" -v VERBOSITY=verbose -c "$4" >"$dir/told" 2>&1 &
    waiter=$!
    until_finds somebody_waits || sessions >&2
    say mover "$3;"
    close_session mover
    wait $waiter
    cat "$dir/told" "$dir/mover.out"
}

somebody_waits() { # for a row, on any node
    local at
    for at in $(ports); do
        [[ $(fragment "$at" -c "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple')") == 0 ]] || return 0
    done
    return 1
}

moved() { # moved PORT KEY STATEMENT: refused when the row moves; done when it stays after all
    local told
    told=$(waiting "$1" "$2" ROLLBACK "BEGIN; $3; ROLLBACK")
    [[ $told != *ERROR* ]] || { echo "$told"; return 1; }
    told=$(waiting "$1" "$2" COMMIT "$3")
    [[ $told == *'ERROR:  40001: '* ]] || { echo "not told: $told"; return 1; }
    [[ $(sql "$port" -c "UPDATE d SET k = k - 1000 WHERE k = $2 + 1000 RETURNING k") == "$2" ]]
}

for key in "$one" "$two"; do
    check 'an UPDATE is told that the row has moved' moved "$port" "$key" "UPDATE d SET v = 9 WHERE k = $key"
    check 'a DELETE is told that the row has moved' moved $((port + 1)) "$key" "DELETE FROM d WHERE k = $key"
    check 'so is who locks it' moved $((port + 2)) "$key" "SELECT FROM d WHERE k = $key FOR UPDATE"
    check 'and who looks at all rows' moved "$port" "$key" "UPDATE d SET v = v WHERE v > 0"
done

three_tables() {
    sql "$port" -c 'CREATE TABLE spread (k int PRIMARY KEY, v int)' -c "SELECT cluster_distribute_table('spread', 'k')" \
        -c 'CREATE TABLE copied (k int PRIMARY KEY, v int)' -c "SELECT cluster_replicate_table('copied')" \
        -c 'CREATE TABLE plain (k int PRIMARY KEY, v int)' -c 'INSERT INTO spread SELECT i, 0 FROM generate_series(1, 20) i' \
        -c 'INSERT INTO copied SELECT i, 0 FROM generate_series(1, 4) i' -c 'INSERT INTO plain TABLE copied' >/dev/null || return 1
    cat >"$dir/write.sql" <<'EOSQL'
\set one random(1, 4)
\set other random(1, 20)
BEGIN;
UPDATE plain SET v = v + 1 WHERE k = :one;
UPDATE copied SET v = v + 1 WHERE k = :one;
UPDATE spread SET v = v + 2 WHERE k = :other;
COMMIT;
EOSQL
}

# Reads of all three tables that give t: in one statement, by statements of a transaction, and by those of a report.
in_one() { echo 'SELECT (SELECT sum(v) FROM spread) = (SELECT sum(v) FROM plain) + (SELECT sum(v) FROM copied);'; }
in_transaction() {
    echo 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT sum(v) AS spread FROM spread \gset'
    echo 'SELECT sum(v) AS plain FROM plain \gset'
    echo 'SELECT :spread = :plain + sum(v) FROM copied; COMMIT;'
}
in_report() {
    echo 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT sum(v) AS plain FROM plain \gset'
    echo "COPY plain TO '$dir/plain.copied';"
    echo 'SELECT sum(v) AS spread FROM spread \gset'
    echo 'SELECT :spread = :plain + sum(v) FROM copied; COMMIT;'
}

seen_whole() { # seen_whole READ: a hundred times while three sessions write
    local n seen
    "$box/bin/pgbench" -n -c 3 -T 5 -f "$dir/write.sql" -h 127.0.0.1 -p "$port" -U postgres postgres >"$dir/write.log" 2>&1 &
    seen=$(for n in {1..100}; do "$1"; done | sql "$port" -v ON_ERROR_STOP=0 2>&1 | sort | uniq -c)
    wait $!
    grep -q 'failed transactions: 0 ' "$dir/write.log" && [[ $seen =~ ^\ *100\ t$ ]] || { cat "$dir/write.log"; echo "$seen"; return 1; }
}

dumped() { # what pg_dump sees of the three belongs together, too
    local n sums
    "$box/bin/pgbench" -n -c 3 -T 5 -f "$dir/write.sql" -h 127.0.0.1 -p "$port" -U postgres postgres >"$dir/write.log" 2>&1 &
    for n in {1..5}; do
        "$box/bin/pg_dump" -h 127.0.0.1 -p "$port" -U postgres -a -t spread -t copied -t plain postgres >"$dir/dump.sql" 2>"$dir/dump.log" ||
            { cat "$dir/dump.log"; return 1; }
        sums=$(awk '/^COPY public/ { split($2, n, "."); t = n[2] } /^[0-9]+\t/ { s[t] += $2 }
            END { print s["spread"] - s["plain"] - s["copied"], (s["spread"] > 0) }' "$dir/dump.sql")
        [[ $sums == '0 1' ]] || { echo "dump: $sums"; return 1; }
    done
    wait $!
}

# A row comes to a replicated table while a statement about all of its rows waits: after it on one node, before it on another.
copies_differ() {
    local waiter
    sql "$port" -c 'INSERT INTO copied SELECT i, 0 FROM generate_series(101, 103) i' || return 1
    open_session adds $((port + 1)) && done_by adds 'BEGIN; UPDATE copied SET v = v WHERE k = 101; INSERT INTO copied VALUES (200, 0)' || return 1
    sql "$port" -v VERBOSITY=verbose -c 'UPDATE copied SET v = v + 0 WHERE k > 100' >"$dir/told" 2>&1 &
    waiter=$!
    until_finds somebody_waits
    say adds 'COMMIT;' && close_session adds
    wait $waiter
    check 'it is told' grep -q 'ERROR:  40001: .*rows of a replicated table' "$dir/told"
    sql "$port" -c 'DELETE FROM copied WHERE k > 100'
    [[ $(for at in $(ports); do fragment "$at" -c 'SELECT md5(string_agg(c::text, chr(10) ORDER BY k)) FROM copied c'; done | uniq | wc -l) == 1 ]]
}

check 'three tables' three_tables
check 'copies stay alike' copies_differ
check 'a statement sees transactions as a whole' seen_whole in_one
check 'so does a transaction with one snapshot' seen_whole in_transaction
check 'and a report that begins with a plain table' seen_whole in_report
check 'and pg_dump' dumped
summary
