#!/usr/bin/env bash
# rebind.sh BOX DIR PORT: a group moves, is compared, goes back and moves again while it is written to.
#
# DIR is a running cluster in a box of three nodes whose first node listens on PORT. Writers change a distributed table and
# a plain one in the same transactions, so both must always be the same. What a statement changes depends on the key
# alone: by anything else, two statements of one transaction could see different states of the row.
set -uo pipefail
box=$1 dir=$2 port=$3
source "$(dirname "$0")/lib.sh"
fixed=20000 # rows that the writers leave alone; the writers' keys are beyond
writers=() log=$dir/writers.log

filled() {
    sql "$port" -c 'CREATE TABLE moved (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0, note text)' \
        -c 'CREATE INDEX moved_rest ON moved ((id % 100))' -c "COMMENT ON INDEX moved_rest IS 'kept'" \
        -c 'CREATE TABLE plain (LIKE moved INCLUDING ALL)' -c "SELECT cluster_distribute_table('moved', 'id')" \
        -c "INSERT INTO moved SELECT i, 0, repeat('x', 300) FROM generate_series(1, 2 * $fixed) i" \
        -c 'INSERT INTO plain SELECT * FROM moved' -c 'ANALYZE moved' \
        -c 'CREATE TABLE other (id int PRIMARY KEY)' -c "SELECT cluster_distribute_table('other', 'id')" \
        -c 'INSERT INTO other SELECT generate_series(1, 1000)' >/dev/null
    group=$(sql "$port" -c "SELECT colocation_group FROM cluster_tables WHERE relation = 'moved'::regclass")
    cat >"$dir/write.sql" <<'EOSQL'
\set old random(20001, 40000)
\set new random(1000000, 9000000000)
BEGIN;
UPDATE moved SET n = n + 1, note = 'written ' || :new WHERE id = :old;
UPDATE plain SET n = n + 1, note = 'written ' || :new WHERE id = :old;
INSERT INTO moved VALUES (:new, 1, 'new') ON CONFLICT (id) DO NOTHING;
INSERT INTO plain VALUES (:new, 1, 'new') ON CONFLICT (id) DO NOTHING;
DELETE FROM moved WHERE id = :old + 1 AND id % 7 = 1;
DELETE FROM plain WHERE id = :old + 1 AND id % 7 = 1;
COMMIT;
EOSQL
}

write_on() { # two writers with plain and one with prepared statements, until write_off
    local mode
    for mode in simple simple prepared; do
        "$box/bin/pgbench" -n -M $mode -T 600 -f "$dir/write.sql" -h 127.0.0.1 -p "$port" -U postgres postgres \
            >>"$log" 2>&1 &
        writers+=($!)
    done
}

write_off() { kill -TERM "${writers[@]}"; wait "${writers[@]}"; writers=(); until_finds no_pgbench; } 2>/dev/null

nothing_failed() { ! grep -E 'ERROR|FATAL|aborted' "$log"; }

same() { # the distributed and the plain table
    [[ $(sql "$port" -c "SELECT (SELECT count(*) FROM (TABLE moved EXCEPT ALL TABLE plain) a),
        (SELECT count(*) FROM (TABLE plain EXCEPT ALL TABLE moved) b)") == '0|0' ]] || differences
}

differences() { # some of them; always false
    sql "$port" -c "SELECT 'moved', id, n, left(note, 40) FROM (TABLE moved EXCEPT ALL TABLE plain) a LIMIT 5" \
        -c "SELECT 'plain', id, n, left(note, 40) FROM (TABLE plain EXCEPT ALL TABLE moved) b LIMIT 5"
    return 1
}

count() { sql "$port" -c 'SELECT count(*) FROM plain'; }

version() { sql "$port" -c "SELECT hash_map_version FROM cluster_tables WHERE relation = 'moved'::regclass"; }

# Milliseconds at which a step of an operation was done, as the log has it.
done_at() { date -d "$(grep -hs "step done operation=$1 step=\"$2\"" "$dir"/n*/expansed.log | head -n 1 | cut -d ' ' -f 1)" +%s%3N; }

shown() { # shown ID EXPRESSION: in cluster_operations
    sql "$port" -c "SELECT $2 FROM cluster_operations WHERE operation_id = $1"
}

rebind() { sql "$port" -c "SELECT cluster_rebind('moved', $1)"; }

reversed() {
    local id old took
    old=$(version)
    id=$(rebind "reversible_for => '1 hour', max_rate => '1MB'") || return 1
    check_fails 'not reversed before the switch' XP129 "$port" "SELECT cluster_reverse($id)"
    until_finds done_with "$id" copy || return 1
    check 'the index rests meanwhile' test "$(index_state)" = 'f|f'
    until_finds done_with "$id" catch_up || return 1
    took=$(($(done_at "$id" catch_up) - $(done_at "$id" copy)))
    check "3 MB are not copied faster than allowed (took $took ms)" test "$took" -gt 1500
    until_finds says "$id" phase reversible || return 1
    check 'the index is there with its comment' test "$(index_state)|$(index_comment)" = 't|t|kept'
    check 'bound to the new map' test "$(version)" != "$old"
    sql "$port" -c "SELECT cluster_reverse($id)" >/dev/null || return 1
    until_finds in_state "$id" cancelled || return 1
    check 'bound to the old map again' test "$(version)" = "$old"
    check_fails 'not reversed twice' XP130 "$port" "SELECT cluster_reverse($id)"
}

index_state() { fragment "$newest" -c "SELECT indisready, indisvalid FROM pg_index WHERE indexrelid = 'moved_rest'::regclass"; }
index_comment() { fragment "$newest" -c "SELECT obj_description('moved_rest'::regclass)"; }

beside() { # one group's table is locked for ever by somebody, on one node: another group moves
    local stuck id
    fragment "$port" -c 'BEGIN' -c 'LOCK TABLE moved IN EXCLUSIVE MODE' -c 'SELECT pg_sleep(600)' >/dev/null 2>&1 &
    until_finds locked || return 1
    stuck=$(rebind "max_write_freeze => '500 ms'") || return 1
    until_finds done_with "$stuck" settle || return 1
    id=$(sql "$port" -c "SELECT cluster_rebind('other')") || return 1
    check 'the other group moves' until_finds in_state "$id" succeeded
    check 'this one does not' test "$(shown "$stuck" state)" = running
    sql "$port" -c "SELECT cluster_cancel($stuck)" >/dev/null || return 1
    send_away
    check 'and is undone' until_finds in_state "$stuck" cancelled
    check 'nothing of it is left' all_there moved "$(count)"
}

send_away() { # whoever sleeps for ever
    sql "$port" -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'" >/dev/null
}

locked() { [[ $(sql "$port" -c "SELECT count(*) FROM pg_locks WHERE relation = 'moved'::regclass AND mode = 'ExclusiveLock' AND granted") == 1 ]]; }

corrupted() { # one byte on the new owner is changed behind everybody's back
    local id old said
    old=$(version)
    id=$(rebind "reversible_for => '1 hour'") || return 1
    until_finds done_with "$id" settle || return 1
    open_session long "$port" && done_by long 'BEGIN; UPDATE moved SET n = n WHERE id = -1' || return 1
    until_finds done_with "$id" prepare_reverse || return 1
    until_finds says "$id" "freeze_outcome ~ 'long transaction'" t || return 1
    check 'no row is held up behind a long transaction' quick_write
    until_finds fragment "$newest" -c "SELECT 1 / count(*) FROM moved WHERE id = $victim" >/dev/null 2>&1
    fragment "$newest" -c "UPDATE moved SET note = overlay(note PLACING 'y' FROM 7) WHERE id = $victim" || return 1
    say long 'COMMIT;' && close_session long || return 1
    until_finds in_state "$id" failed || return 1
    check 'the difference has its own code' says "$id" error_sqlstate XP127
    said=$(sql "$port" -c "SELECT cluster_wait($id)" 2>&1)
    check 'the bucket is named' grep -q "public.moved.*buckets $bucket\\." <<<"$said"
    check 'the switch was reversed' test "$(version)" = "$old"
}

quick_write() {
    local start=${EPOCHREALTIME/./} took
    sql "$port" -c 'UPDATE moved SET n = n WHERE id = 1' || return 1
    took=$((${EPOCHREALTIME/./} - start))
    ((took < 1000000)) || { echo "took $took us"; return 1; }
}

frozen() { # frozen: does somebody hold the gate on every node?
    local at
    for at in $(ports); do
        [[ $(sql "$at" -c "SELECT count(*) FROM pg_locks WHERE relation = 'expanse.gate_$group'::regclass
            AND mode = 'ShareLock' AND granted") != 0 ]] || return 1
    done
}

thawed() { # thawed: does nobody hold it on any?
    local at
    for at in $(ports); do
        [[ $(sql "$at" -c "SELECT count(*) FROM pg_locks WHERE relation = 'expanse.gate_$group'::regclass
            AND mode = 'ShareLock' AND granted") == 0 ]] || return 1
    done
}

stopped() { # the sidecar stands still in the middle of a freeze that can not be drained
    local id sidecar start took
    id=$(rebind "max_write_freeze => '2 s', reversible_for => '1 hour'") || return 1
    until_finds done_with "$id" copy || return 1
    # Somebody who may have written there, and whose coordinator does not hold the gate.
    fragment "$port" -c 'BEGIN' -c 'LOCK TABLE moved IN ROW EXCLUSIVE MODE' -c 'SELECT pg_sleep(600)' >/dev/null 2>&1 &
    until_finds frozen || return 1
    start=${EPOCHREALTIME/./}
    sidecar=$(<"$(runner_of "$id")/expansed.pid")
    kill -STOP "$sidecar"
    until_finds thawed
    took=$((${EPOCHREALTIME/./} - start))
    check 'writes go on while the sidecar stands still' quick_write
    kill -CONT "$sidecar"
    send_away
    check "the freeze ended by itself (after $took us)" test "$took" -lt 3000000
    until_finds says "$id" phase reversible || return 1
    check 'the attempts are counted' says "$id" 'freeze_attempts > 1' t
    check 'no freeze was longer than allowed' says "$id" 'writes_waited_ms < 2500' t
    sql "$port" -c "SELECT cluster_finish($id)" >/dev/null || return 1
    until_finds in_state "$id" succeeded
}

killed() { # the sidecar dies with the snapshots of the switch, and the next one while it goes back
    local id on
    id=$(rebind "reversible_for => '1 hour'") || return 1
    until_finds done_with "$id" switch || return 1
    on=$(runner_of "$id")
    kill -9 "$(<"$on/expansed.pid")"
    until_finds seen "$id" 'old and new copies agree' || return 1
    restart
    until_finds says "$id" phase reversible || return 1
    sql "$port" -c "SELECT cluster_reverse($id)" >/dev/null || return 1
    until_finds seen "$id" 'purpose=Back' || until_finds in_state "$id" cancelled || return 1
    kill -9 "$(<"$(runner_of "$id")/expansed.pid")"
    until_finds in_state "$id" cancelled || return 1
    restart
}

seen() { grep -hs -- "$2" "$dir"/n*/expansed.log | grep -q "operation=$1\b"; } # seen ID TEXT: in a log

# Publications of a table go while it is written to; many, because a write fails only if one goes while it looks at it.
publications_gone() {
    local names script=$dir/publications.sql
    names=$(seq -f 'came_%g' 60)
    { printf 'CREATE PUBLICATION %s FOR TABLE moved;\n' $names
        printf "SELECT expanse.empty_publication('%s');\n" $names
        echo 'SELECT pg_sleep(0.1);'
        printf 'DROP PUBLICATION %s;\n' $names; } >"$script"
    sql "$port" -f "$script" -f "$script" -f "$script" >/dev/null
}

# A row that moves and that the writers leave alone, and its bucket.
choose_victim() {
    victim=$(sql "$port" -c "SELECT min(id) FROM moved WHERE id <= $fixed AND EXISTS (
        SELECT FROM expanse.move_plan('moved') WHERE cluster_bucket(id) BETWEEN first_bucket AND last_bucket)")
    bucket=$(sql "$port" -c "SELECT cluster_bucket($victim::bigint)")
}

under_load() { # under_load NAME COMMAND: and everything is there afterwards
    write_on
    check "$1" "$2"
    write_off
    check "$1: the same as a plain table" same
    check "$1: nothing is left" all_there moved "$(count)"
}

filled || exit 1
grow || exit 1
newest=$(ports | tail -n 1)
choose_victim || exit 1
check 'beside a stuck one' beside
under_load 'reversed' reversed
under_load 'sidecars killed' killed
under_load 'one byte changed' corrupted
under_load 'sidecar stopped in a freeze' stopped
under_load 'publications dropped' publications_gone
check 'no statement failed' nothing_failed
summary
