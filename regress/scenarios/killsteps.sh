#!/usr/bin/env bash
# killsteps.sh BOX DIR PORT POINT...: whoever runs an operation dies before and after its journal writes.
#
# DIR is a running cluster in a box of three nodes whose first node listens on PORT, started with EXPANSE_FAULT_FILE
# naming DIR/fault/at. In each round a fourth server joins, all tables are rebound to it, and it leaves again; at the
# POINTth journal write of each of these operations the sidecar that runs it is killed, or a server is (kill -9, the
# sidecar waits meanwhile). With "s" in front of POINT the operations are those that make a storage, move the tables
# there and remove it when they are back. POINT "all" goes on until no operation has so many writes. A writer runs all the while. Each
# operation has to end on its own, and after each round nothing may be left of any, nor a row be missing or be twice.
set -uo pipefail
box=$1 dir=$2 port=$3
source "$(dirname "$0")/lib.sh"
points=("${@:4}") rows=5000 base=$port fault=$dir/fault/at hits=0
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
    echo "$rows" >"$dir/acknowledged"
}

# Inserts one row after the other, on any node that answers; what was acknowledged is noted.
writer() {
    local key=$((rows + 1 + $(wc -l <"$dir/acknowledged") * 10)) at=0
    while [[ ! -e $dir/stop ]]; do
        at=$(((at + 1) % 3)) key=$((key + 1))
        sql $((base + at)) -c "INSERT INTO moved VALUES ($key, 'new')" >/dev/null 2>&1 && echo $key >>"$dir/acknowledged"
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

round() { # round SIDE POINT VICTIM
    local what="$1 write $2, victim $3"
    rm -f "$dir/stop"
    writer &
    writing=$!
    check "expand, $what" struck expand "$1" "$2" "$3" "cluster_expand('n4', '127.0.0.1', $((base + 3)))"
    check "then joined, $what" finally joined "cluster_expand('n4', '127.0.0.1', $((base + 3)))"
    check "rebind, $what" struck rebind "$1" "$2" "$3" "cluster_rebind('moved')"
    check "then bound, $what" finally bound "cluster_rebind('moved')"
    check "shrink, $what" struck shrink "$1" "$2" "$3" "cluster_shrink('n4')"
    check "then left, $what" finally not_joined "cluster_shrink('n4')"
    check "then bound again, $what" finally bound "cluster_rebind('moved')"
    touch "$dir/stop"
    wait "$writing"
    check "clean, $what" until_finds clean
    check "whole, $what" whole
}

storage_round() { # storage_round SIDE POINT VICTIM
    local what="$1 write $2, victim $3" directory=$dir/disks/{node}
    rm -f "$dir/stop"
    writer &
    writing=$!
    check "add_storage, $what" struck add_storage "$1" "$2" "$3" "cluster_add_storage('fast', '$directory')"
    check "then there, $what" finally has_storage "cluster_add_storage('fast', '$directory')"
    check "move_table, $what" struck move_table "$1" "$2" "$3" "cluster_move_table('moved', 'fast', 'moved_pkey')"
    check "then moved, $what" finally lies_fast "cluster_move_table('moved', 'fast')"
    check "and back, $what" finally lies_back "cluster_move_table('moved', 'pg_default')"
    check "drop_storage, $what" struck drop_storage "$1" "$2" "$3" "cluster_drop_storage('fast')"
    check "then gone, $what" finally no_storage "cluster_drop_storage('fast')"
    touch "$dir/stop"
    wait "$writing"
    check "clean, $what" until_finds clean
    check "whole, $what" whole
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
    local at sum=0 seen lost
    for at in 0 1 2; do sum=$((sum + $(fragment $((base + at)) -c 'SELECT count(*) FROM moved'))); done
    seen=$(sql "$port" -c 'SELECT count(*) FROM moved')
    lost=$(sql "$port" -c 'CREATE TEMP TABLE said (id bigint)' -c "\\copy said FROM '$dir/acknowledged'" \
        -c 'SELECT count(*) FROM said LEFT JOIN moved USING (id) WHERE moved.id IS NULL')
    for at in 0 1 2; do fragment $((base + at)) -c 'SELECT * FROM copied ORDER BY id' | md5sum; done >"$dir/sums"
    ((sum == seen && lost == 0 && $(sort -u "$dir/sums" | wc -l) == 1)) ||
        { echo "$sum rows in fragments, $seen seen, $lost acknowledged ones lost"; sort "$dir/sums" | uniq -c; return 1; }
}

storage_point() {
    storage_round before "$1" sidecar
    storage_round after "$1" sidecar
    storage_round before "$1" $((1 + $1 % 3))
}

all_points() { # until no operation has so many writes
    local point=1 struck_any=1
    while ((struck_any)); do
        struck_any=0
        one_point $point
        storage_point $point
        point=$((point + 1))
    done
}

one_point() {
    round before "$1" sidecar
    round after "$1" sidecar
    # Another server each time.
    round before "$1" $((1 + $1 % 3))
}

setup || exit 1
for point in "${points[@]}"; do
    if [[ $point == all ]]; then all_points; elif [[ $point == s* ]]; then storage_point "${point#s}"; else struck_any=0 one_point "$point"; fi
done
check "faults were reached: $hits" test "$hits" -gt 0
summary
