# What scenarios share: sourced, with box, dir and port set. A scenario ends with summary.
patience=${patience:-60} passed=0 failed=0

sql() { # sql PORT ARGUMENT...
    PGCONNECT_TIMEOUT=5 "$box/bin/psql" -X -q -A -t -h 127.0.0.1 -p "$1" -U postgres -d postgres \
        -v ON_ERROR_STOP=1 "${@:2}"
}

fragment() { PGOPTIONS='-c expanse.internal=on' sql "$@"; }

ports() { sql "$port" -c 'SELECT port FROM cluster_nodes ORDER BY node_id'; }

check() { # check NAME COMMAND...
    if "${@:2}"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "failed: $1"; fi
}

# check_fails NAME SAID PORT STATEMENT: it is refused with that code, or in these words.
check_fails() {
    local said
    said=$(sql "$3" -v VERBOSITY=verbose -c "$4" 2>&1)
    if [[ $said == *"$2"* ]]; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "failed: $1: $said"; fi
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

# Sessions that go on step by step: their names, the descriptors that lead to them, and what they say in $dir/NAME.out.
declare -A into=() session=()

open_session() { # open_session NAME PORT
    local descriptor
    rm -f "$dir/$1.in"
    mkfifo "$dir/$1.in" || return 1
    sql "$2" -v VERBOSITY=verbose -f - <"$dir/$1.in" >"$dir/$1.out" 2>&1 &
    session[$1]=$!
    exec {descriptor}>"$dir/$1.in"
    into[$1]=$descriptor
}

say() { echo "$2" >&"${into[$1]}"; } # say NAME STATEMENTS

done_by() { # done_by NAME STATEMENTS: sends them and waits for their end
    say "$1" "$2; \\echo it is done" && until_finds answered "$1" && ! grep -q ERROR "$dir/$1.out"
}
answered() { grep -qE 'it is done|ERROR' "$dir/$1.out"; }

close_session() { # close_session NAME: true when nothing of it failed
    local descriptor=${into[$1]}
    # Others may have inherited the descriptor, so the end of the file may not come. It may have ended by itself, too.
    (say "$1" '\q') 2>/dev/null
    exec {descriptor}>&-
    wait "${session[$1]}"
}

# says ID EXPRESSION WANTED: what cluster_operations shows of an operation. A node whose sidecar is gone shows what it knew
# last, so all are asked.
says() {
    local at
    for at in $(ports); do
        [[ $(sql "$at" -c "SELECT $2 FROM cluster_operations WHERE operation_id = $1" 2>/dev/null) == "$3" ]] && return 0
    done
    return 1
}

in_state() { says "$1" state "$2"; } # in_state ID STATE

operation() { # operation SQL [STATE]: starts it and waits for its end
    local id
    id=$(sql "$port" -c "SELECT $1") || return 1
    until_finds in_state "$id" "${2:-succeeded}"
}

# A scenario's writer runs until the file $dir/stop is there, adds what fails to $dir/failures and a line to $dir/writes
# for each round. Whatever happens, it does not outlive the scenario.
trap '[[ -z ${writing:-} ]] || kill "$writing" 2>/dev/null' EXIT
begin_writing() { rm -f "$dir/stop"; : >"$dir/failures"; : >"$dir/writes"; writer & writing=$!; }

end_writing() { # true when it wrote and no statement failed
    touch "$dir/stop"
    wait "$writing"
    { ! grep -q ERROR "$dir/failures" && [[ -s $dir/writes ]]; } || { sort "$dir/failures" | uniq -c | head; return 1; }
}

done_with() { grep -qs "step done operation=$1 step=\"$2\"" "$dir"/n*/expansed.log; }

# Directory of the node whose sidecar was the last to run operation $1.
runner_of() {
    grep -hs "runs operation=$1 " "$dir"/n*/expansed.log | sort | tail -n 1 >"$dir/last_run"
    grep -lsFf "$dir/last_run" "$dir"/n*/expansed.log | head -n 1 | xargs -r dirname
}

add_server() { "$box/bin/expansectl" dev add --dir "$dir"; } # prints name, host, port

expanded() { # expanded NAME HOST PORT
    local id
    id=$(sql "$port" -c "SELECT cluster_expand('$1', '$2', $3)") || return 1
    until_finds in_state "$id" succeeded
}

grow() { # one node more
    local name host at
    read -r name host at < <(add_server) || return 1
    expanded "$name" "$host" "$at"
}

restart() { "$box/bin/expansectl" dev up --dir "$dir" --nodes 3 >/dev/null; } # whatever does not run

# all_there TABLE ROWS: every row on exactly one node, and nothing of an operation left on any.
all_there() {
    local at sum=0 left=0
    for at in $(ports); do
        sum=$((sum + $(fragment "$at" -c "SELECT count(*) FROM $1")))
        left=$((left + $(left_over "$at")))
    done
    ((sum == $2 && left == 0)) || { echo "$sum rows of $2 in $1, $left things left"; return 1; }
}

left_over() { # left_over PORT: how many things that only a running operation may have
    fragment "$1" -c "SELECT (SELECT count(*) FROM pg_subscription) + (SELECT count(*) FROM pg_publication) +
        (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_prepared_xacts) +
        (SELECT count(*) FROM expanse.colocation_group WHERE moving_to IS NOT NULL) +
        (SELECT count(*) FROM expanse.cluster WHERE schema_locked_by IS NOT NULL) +
        (SELECT count(*) FROM expanse.node WHERE state <> 'active') +
        (SELECT count(*) FROM pg_index WHERE NOT (indisvalid AND indisready))"
}

# What pgbench had sent when it was ended is still done: true once its last session is over.
no_pgbench() { [[ $(sql "$port" -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'") == 0 ]]; }

sessions() { # what every session on every node does, for whoever wonders why something does not happen
    local at
    for at in $(ports); do
        fragment "$at" -c "SELECT '$at', pid, application_name, state, wait_event_type, wait_event, now() - query_start, left(query, 80)
            FROM pg_stat_activity WHERE backend_type = 'client backend' AND (state <> 'idle' OR backend_xid IS NOT NULL)" \
            -c "SELECT '$at prepared', * FROM pg_prepared_xacts"
    done
}

summary() {
    echo "$passed passed, $failed failed"
    ((failed == 0))
}
