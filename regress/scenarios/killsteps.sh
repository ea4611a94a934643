#!/usr/bin/env bash
# killsteps.sh BOX DIR PORT POINT...: whoever runs an operation dies before and after its journal writes.
#
# DIR is a running cluster in a box of three nodes whose first node listens on PORT, started with EXPANSE_FAULT_FILE
# naming DIR/fault/at. In each round a fourth server joins, all tables are rebound to it, and it leaves again; at the
# POINTth journal write of each of these operations the sidecar that runs it is killed, or a server is (kill -9, the
# sidecar waits meanwhile). With "s" in front of POINT the operations are those that make a storage, move the tables
# there and remove it when they are back; with "r" those that give a table another distribution column, and a plain one its
# first; with "a" the rebind of all tables. POINT "all" goes on until no operation has so many writes. A writer runs all
# the while. Each operation has to end on its own, and after each round nothing may be left of any, nor a row be missing
# or be twice.
set -uo pipefail
box=$1 dir=$2 port=$3
source "$(dirname "$0")/lib.sh"
points=("${@:4}") rows=5000 base=$port fault=$dir/fault/at hits=0 tables=moved
# Session timeout of the coordination store, and what comes on top.
takeover_limit=15

setup() {
    mkdir -p "$dir/fault" && chmod 777 "$dir/fault" || return 1
    sql "$port" -c 'CREATE TABLE moved (id bigint PRIMARY KEY, note text)' \
        -c 'CREATE INDEX moved_note ON moved (note)' -c "SELECT cluster_distribute_table('moved', 'id')" \
        -c "INSERT INTO moved SELECT i, repeat('x', 50) FROM generate_series(1, $rows) i" \
        -c 'CREATE TABLE copied (id int PRIMARY KEY, note text)' -c "SELECT cluster_replicate_table('copied')" \
        -c "INSERT INTO copied SELECT i, 'copy ' || i FROM generate_series(1, 100) i" >/dev/null || return 1
    install -d -o "$(stat -c %U "$dir/n1/data")" "$dir/disks" || return 1
    add_server >/dev/null
    echo "$rows" >"$dir/acknowledged.moved"
}

# Inserts one row after the other into the tables, on any node that answers; what was acknowledged is noted.
writer() {
    local key=$((rows + 1 + $(cat "$dir"/acknowledged.* | wc -l) * 10)) at=0 table
    while [[ ! -e $dir/stop ]]; do
        at=$(((at + 1) % 3)) key=$((key + 1))
        for table in $tables; do
            sql $((base + at)) -c "INSERT INTO $table (id, note) VALUES ($key, 'new')" >/dev/null 2>&1 &&
                echo $key >>"$dir/acknowledged.$table"
        done
        sleep 0.02
    done
}

# any SQL: on the first node that answers
any() {
    local at
    for at in 0 1 2; do sql $((base + at)) -c "$1" 2>/dev/null && return 0; done
    return 1
}

ended() { [[ $(any "SELECT state FROM cluster_operations WHERE operation_id = $1") =~ ^(succeeded|failed|cancelled)$ ]]; }

# Sidecars of nodes whose server is away show what they knew last: ask all.
some_say_ended() {
    local at state
    for at in 0 1 2; do
        state=$(sql $((base + at)) -c "SELECT state FROM cluster_operations WHERE operation_id = $1" 2>/dev/null)
        [[ $state =~ ^(succeeded|failed|cancelled)$ ]] && return 0
    done
    return 1
}

start() { # start SQL: the operation's id
    local at id deadline=$((SECONDS + patience))
    while ((SECONDS < deadline)); do
        for at in 0 1 2; do
            id=$(sql $((base + at)) -c "SELECT $1" 2>>"$dir/refusals") && { echo "$id"; return 0; }
        done
        sleep 0.2
    done
    return 1
}

revive() { # everything that is down runs again
    local try
    for try in 1 2 3 4 5; do
        restart 2>/dev/null && return 0
        sleep 1
    done
    restart
}

kill_server() { kill -9 "$(head -n 1 "$dir/n$1/data/postmaster.pid")"; }

# struck KIND SIDE POINT VICTIM SQL: the operation runs with the fault; it ends by itself. False: it could not be started.
struck() {
    local kind=$1 side=$2 point=$3 victim=$4 id begun action=kill
    rm -f "$fault" "$fault.go"
    [[ $victim == sidecar ]] || action=wait
    echo "$kind $side $point $action" >"$fault"
    chmod 666 "$fault"
    id=$(start "$5") || { tail -n 3 "$dir/refusals"; return 1; }
    local deadline=$((SECONDS + patience))
    while [[ -e $fault ]] && ! some_say_ended "$id" && ((SECONDS < deadline)); do sleep 0.02; done
    if [[ ! -e $fault ]]; then
        hits=$((hits + 1)) struck_any=1 begun=$SECONDS
        if [[ $victim != sidecar ]]; then
            kill_server "$victim"
            touch "$fault.go"
            sleep 0.5
            revive
        else
            check "$kind $side write $point: another goes on with $id" until_taken_over "$id"
        fi
    fi
    rm -f "$fault"
    until_finds some_say_ended "$id" || { stuck "$id"; return 1; }
    ((SECONDS - ${begun:-SECONDS} <= 60)) || echo "$kind $side $point took $((SECONDS - begun)) s"
    revive
}

stuck() {
    any "SELECT operation_id, kind, state, phase, error FROM cluster_operations WHERE finished_at IS NULL"
}

until_taken_over() {
    local deadline=$((SECONDS + takeover_limit))
    while ((SECONDS <= deadline)); do
        some_say_ended "$1" && return 0
        (($(grep -hs "runs operation=$1 " "$dir"/n*/expansed.log | wc -l) > 1)) && return 0
        sleep 0.05
    done
    return 1
}

joined() { [[ $(any "SELECT count(*) FROM cluster_nodes WHERE node_name = 'n4' AND state = 'active'") == 1 ]]; }
not_joined() { [[ $(any "SELECT count(*) FROM cluster_nodes WHERE node_name = 'n4'") == 0 ]]; }
bound() { [[ $(any "SELECT count(*) FROM cluster_hash_maps WHERE current AND tables = 1") == 1 ]]; }

# finally CONDITION SQL: repeated without faults until it has had its effect: an operation may have been undone.
finally() {
    local id
    "$1" && return 0
    id=$(start "$2") || { tail -n 3 "$dir/refusals"; return 1; }
    until_finds some_say_ended "$id" && until_finds "$1"
}

begin() { rm -f "$dir/stop"; writer & writing=$!; }

end() { # end WHAT
    touch "$dir/stop"
    wait "$writing"
    check "clean, $1" until_finds clean
    check "whole, $1" whole
}

round() { # round SIDE POINT VICTIM
    local what="$1 write $2, victim $3"
    begin
    check "expand, $what" struck expand "$1" "$2" "$3" "cluster_expand('n4', '127.0.0.1', $((base + 3)))"
    check "then joined, $what" finally joined "cluster_expand('n4', '127.0.0.1', $((base + 3)))"
    check "rebind, $what" struck rebind "$1" "$2" "$3" "cluster_rebind('moved')"
    check "then bound, $what" finally bound "cluster_rebind('moved')"
    check "shrink, $what" struck shrink "$1" "$2" "$3" "cluster_shrink('n4')"
    check "then left, $what" finally not_joined "cluster_shrink('n4')"
    check "then bound again, $what" finally bound "cluster_rebind('moved')"
    end "$what"
}

storage_round() { # storage_round SIDE POINT VICTIM
    local what="$1 write $2, victim $3" directory=$dir/disks/{node}
    begin
    check "add_storage, $what" struck add_storage "$1" "$2" "$3" "cluster_add_storage('fast', '$directory')"
    check "then there, $what" finally has_storage "cluster_add_storage('fast', '$directory')"
    check "move_table, $what" struck move_table "$1" "$2" "$3" "cluster_move_table('moved', 'fast', 'moved_pkey')"
    check "then moved, $what" finally lies_fast "cluster_move_table('moved', 'fast')"
    check "and back, $what" finally lies_back "cluster_move_table('moved', 'pg_default')"
    check "drop_storage, $what" struck drop_storage "$1" "$2" "$3" "cluster_drop_storage('fast')"
    check "then gone, $what" finally no_storage "cluster_drop_storage('fast')"
    end "$what"
}

# Two tables more, for rounds that need them: one of another group, and a plain one of the first node.
with_others() {
    sql "$port" -c 'CREATE TABLE turned (id bigint, customer int DEFAULT 5, note text, PRIMARY KEY (id, customer))' \
        -c "SELECT cluster_distribute_table('turned', 'customer')" \
        -c 'CREATE TABLE adopted (id bigint, customer int DEFAULT 5, note text)' \
        -c "INSERT INTO turned SELECT i, i % 97, 'old' FROM generate_series(1, 1000) i" \
        -c 'INSERT INTO adopted TABLE turned' >/dev/null || return 1
    echo 1 >"$dir/acknowledged.turned" && echo 1 >"$dir/acknowledged.adopted"
    tables='moved turned adopted'
}

without_others() {
    rm -f "$dir"/acknowledged.{turned,adopted}
    tables=moved
    sql "$port" -c 'DROP TABLE turned, adopted' >/dev/null
}

by() { [[ $(any "SELECT distribution_column FROM cluster_tables WHERE relation = '$1'::regclass") == "$2" ]]; }
turned_by_id() { by turned id; }
turned_by_customer() { by turned customer; }
adopted_by_id() { on_three "SELECT count(*) FROM pg_class WHERE relname = 'adopted'" 1 && by adopted id; }
adopted_is_plain() {
    sql "$port" -c "SELECT cluster_localize_table('adopted')" >/dev/null 2>>"$dir/refusals"
    on_three "SELECT count(*) FROM expanse.distributed_table WHERE relation = to_regclass('adopted')" 0
}

rewrite_round() { # rewrite_round SIDE POINT VICTIM
    local what="rewrite, $1 write $2, victim $3" rewrite="strategy => 'rewrite', distribution_column =>"
    check "two tables, $what" with_others || return
    begin
    check "another column, $what" struck rebind "$1" "$2" "$3" "cluster_rebind('turned', $rewrite 'id')"
    check "then by it, $what" finally turned_by_id "cluster_rebind('turned', $rewrite 'id')"
    check "and back, $what" finally turned_by_customer "cluster_rebind('turned', $rewrite 'customer')"
    check "a first column, $what" struck rebind "$1" "$2" "$3" "cluster_rebind('adopted', $rewrite 'id')"
    check "then spread, $what" finally adopted_by_id "cluster_rebind('adopted', $rewrite 'id')"
    check "and plain, $what" until_finds adopted_is_plain
    end "$what"
    check "dropped, $what" without_others
}

all_bound() { [[ $(any 'SELECT count(*) FROM cluster_hash_maps WHERE tables > 0 AND NOT current') == 0 ]]; }

all_round() { # all_round SIDE POINT VICTIM
    local what="all, $1 write $2, victim $3"
    check "two tables, $what" with_others || return
    begin
    check "joined, $what" finally joined "cluster_expand('n4', '127.0.0.1', $((base + 3)))"
    check "rebind, $what" struck rebind_all "$1" "$2" "$3" 'cluster_rebind_all(2)'
    check "then bound, $what" finally all_bound 'cluster_rebind_all()'
    check "left, $what" finally not_joined "cluster_shrink('n4')"
    check "then bound again, $what" finally all_bound 'cluster_rebind_all()'
    end "$what"
    check "dropped, $what" without_others
}

# on_three SQL ANSWER: every node says so
on_three() {
    local at
    for at in 0 1 2; do [[ $(fragment $((base + at)) -c "$1" 2>/dev/null) == "$2" ]] || return 1; done
}

storages() {
    on_three "SELECT (SELECT count(*) FROM expanse.storage), (SELECT count(*) FROM pg_tablespace WHERE spcname = 'fast')" "$1"
}
has_storage() { storages '1|1'; }
no_storage() { storages '0|0' && [[ -z $(ls "$dir/disks") ]]; }
lies_fast() { on_three "SELECT expanse.storage_of('moved'::regclass), expanse.storage_of('moved_pkey'::regclass)" 'fast|fast'; }
lies_back() {
    on_three "SELECT expanse.storage_of('moved'::regclass), expanse.storage_of('moved_pkey'::regclass)" 'pg_default|pg_default'
}

clean() {
    local at
    [[ $(any 'SELECT count(*) FROM cluster_operations WHERE finished_at IS NULL') == 0 ]] || return 1
    for at in 0 1 2; do [[ $(left_over $((base + at)) 2>/dev/null) == 0 ]] || return 1; done
    [[ $(fragment $((base + 3)) -c "SELECT (SELECT count(*) FROM pg_subscription) + (SELECT count(*) FROM pg_publication) +
        (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_prepared_xacts)" 2>/dev/null) == 0 ]]
}

whole() { # every acknowledged row is there, every row once, every copy alike
    local at sum seen lost table
    for table in $tables; do
        sum=0
        for at in 0 1 2; do
            sum=$((sum + $(fragment $((base + at)) -c "SELECT count(*) FROM $table" 2>/dev/null || echo 0)))
        done
        seen=$(sql "$port" -c "SELECT count(*) FROM $table")
        lost=$(sql "$port" -c 'CREATE TEMP TABLE said (id bigint)' -c "\\copy said FROM '$dir/acknowledged.$table'" \
            -c "SELECT count(*) FROM said LEFT JOIN $table USING (id) WHERE $table.id IS NULL")
        ((sum == seen && lost == 0)) ||
            { echo "$table: $sum rows in fragments, $seen seen, $lost acknowledged ones lost"; return 1; }
    done
    for at in 0 1 2; do fragment $((base + at)) -c 'SELECT * FROM copied ORDER BY id' | md5sum; done >"$dir/sums"
    (($(sort -u "$dir/sums" | wc -l) == 1)) || { sort "$dir/sums" | uniq -c; return 1; }
}

point() { # point KIND POINT: a sidecar dies before and after it, and a server, another each time
    "$1" before "$2" sidecar
    "$1" after "$2" sidecar
    "$1" before "$2" $((1 + $2 % 3))
}

all_points() { # until no operation has so many writes
    local at=1 struck_any=1 kind
    while ((struck_any)); do
        struck_any=0
        for kind in round storage_round rewrite_round all_round; do point $kind $at; done
        at=$((at + 1))
    done
}

setup || exit 1
for at in "${points[@]}"; do
    case $at in
        all) all_points ;;
        s*) point storage_round "${at#s}" ;;
        r*) point rewrite_round "${at#r}" ;;
        a*) point all_round "${at#a}" ;;
        *) point round "$at" ;;
    esac
done
check "faults were reached: $hits" test "$hits" -gt 0
summary
