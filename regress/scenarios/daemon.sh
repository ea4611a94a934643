#!/usr/bin/env bash
# daemon.sh BOX DIR PORT: what operators see of the sidecar, and what it costs.
#
# DIR is a running cluster in a box of three nodes whose first listens on PORT; sidecars serve HTTP 1000 above. Health,
# metrics and page are asked for; settings are changed by SIGHUP; a server and a sidecar are ended, and every node has to say
# why something does not happen, until they are back.
set -uo pipefail
box=$1 dir=$2 port=$3
patience=40 passed=0 failed=0 idle_seconds=30

sql() { # sql PORT QUERY
    PGCONNECT_TIMEOUT=5 "$box/bin/psql" -X -q -A -t -h 127.0.0.1 -p "$1" -U postgres -d postgres -v ON_ERROR_STOP=1 -c "$2"
}

http() { # http PORT REQUEST_LINE: the whole answer
    local answer
    exec 3<>"/dev/tcp/127.0.0.1/$1" || return 1
    printf '%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' "$2" >&3
    answer=$(timeout 10 cat <&3)
    exec 3>&-
    printf '%s\n' "$answer" | tr -d '\r'
}

status_is() { # status_is PORT PATH CODE
    local line
    line=$(http "$1" "GET $2" 2>/dev/null | head -n 1)
    [[ $line == "HTTP/1.1 $3 "* ]] || { echo "$2 on $1: $line"; return 1; }
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

blocked() { # blocked PORT NODE PATTERN: why something of NODE does not happen
    says t "$1" "SELECT count(*) > 0 FROM cluster_blocked WHERE node_name = '$2' AND why LIKE '$3' AND hint <> ''"
}

nothing_blocked() {
    local at
    for at in $port $((port + 1)) $((port + 2)); do says 0 "$at" 'SELECT count(*) FROM cluster_blocked' || return 1; done
}

idle_cost() { # memory under 30 MiB, processor under 0.5 %
    local n pid name before=() now cost memory ticks
    ticks=$(getconf CLK_TCK)
    for n in 1 2 3; do
        pid=$(<"$dir/n$n/expansed.pid")
        before[n]=$(awk '{print $14 + $15}' "/proc/$pid/stat")
    done
    sleep "$idle_seconds"
    for n in 1 2 3; do
        pid=$(<"$dir/n$n/expansed.pid")
        now=$(awk '{print $14 + $15}' "/proc/$pid/stat")
        memory=$(awk '/^VmRSS/ {print $2}' "/proc/$pid/status")
        cost=$(((now - before[n]) * 10000 / (idle_seconds * ticks)))
        echo "n$n: $memory kB, $((cost / 100)).$(printf '%02d' $((cost % 100))) % of a processor"
        ((memory < 30 * 1024 && cost <= 50)) || return 1
    done
}

metrics_are_well_formed() {
    local text family
    text=$(http $((port + 1000)) 'GET /metrics' | sed '1,/^$/d')
    if grep -vE '^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{([a-z_]+="([^"\\]|\\.)*",?)*\})? [-+0-9.e]+(Inf)?)?$' <<<"$text"; then
        echo 'lines that Prometheus can not read'
        return 1
    fi
    [[ -z $(grep -v '^#' <<<"$text" | sed 's/ [^ ]*$//' | grep . | sort | uniq -d) ]] || { echo 'a sample is there twice'; return 1; }
    for family in expanse_freeze_seconds expanse_operation_step_seconds_bucket expanse_executor_wait_seconds_bucket \
        expanse_executor_run_seconds_sum expanse_executor_tries_total expanse_node_load process_resident_memory_bytes; do
        grep -q "$family" <<<"$text" || { echo "no $family"; return 1; }
    done
}

cluster_is_json() {
    local json
    json=$(http $((port + 1000)) 'GET /cluster' | sed '1,/^$/d')
    says '3 1 {n1,n2,n3}' "$port" "SELECT format('%s %s %s', jsonb_array_length(j -> 'nodes'), (SELECT count(*) FROM jsonb_array_elements(j -> 'hash_maps') m WHERE (m ->> 'current')::bool),
        (SELECT array_agg(n ->> 'node_name' ORDER BY 1) FROM jsonb_array_elements(j -> 'nodes') n)) FROM (SELECT \$json\$$json\$json\$::jsonb AS j) s"
}

logged() { grep -q "$1" "$dir/n1/expansed.log"; }

reload() { kill -HUP "$(<"$dir/n1/expansed.pid")"; }

configure() { # configure LINE...: n1's configuration with these lines at its end
    cp "$dir/n1/expansed.toml.before" "$dir/n1/expansed.toml" && printf '%s\n' "$@" >>"$dir/n1/expansed.toml"
}

limit_is() { says "$1" "$port" "SELECT DISTINCT socket_limit FROM cluster_executor WHERE class = 'maintenance'"; }

end_server() { "$box/bin/pg_ctl" --version >/dev/null && kill -INT "$(head -n 1 "$dir/$1/data/postmaster.pid")"; }

up() { "$box/bin/expansectl" dev up --dir "$dir" --nodes 3 >/dev/null; }

as_owner() { # as_owner COMMAND...: as the user of the servers
    if [[ $(id -u) == 0 ]]; then runuser -u postgres -- "$@"; else exec "$@"; fi
}

child_of() { # child_of PID: the program itself, where runuser stands before it
    local child
    child=$(<"/proc/$1/task/$1/children") && echo "${child%% *}" | grep . || echo "$1"
}

ends_in_order() { # ends_in_order PID
    local deadline=$((SECONDS + patience))
    kill "$1" || return 1
    while kill -0 "$1" 2>/dev/null; do
        ((SECONDS < deadline)) || { echo "$1 does not end"; return 1; }
        sleep 0.2
    done
}

registered() { # registered NODE t|f: another node shows a status of it
    says "$2" $((port + 2)) "SELECT status IS NOT NULL FROM cluster_nodes WHERE node_name = '$1'"
}

# Metadata of n2 alone are changed while its sidecar is away.
other_metadata() { # other_metadata WEIGHT
    PGOPTIONS='-c expanse.internal=on' sql $((port + 1)) "UPDATE expanse.node SET weight = $1 WHERE node_name = 'n1'"
}

differs() {
    kill -9 "$(<"$dir/n2/expansed.pid")"
    until_true registered n2 f && other_metadata 7 && up && until_true blocked $((port + 1)) n2 '%catches up%differ%' &&
        registered n2 f && status_is $((port + 1001)) /readyz 503
}

# The end of a schema change is kept from n2, which is started again meanwhile.
in_doubt() {
    sql "$port" 'CREATE TABLE changed (k int PRIMARY KEY)' && sql "$port" "SELECT cluster_distribute_table('changed', 'k')" >/dev/null || return 1
    kill -STOP "$(<"$dir/n1/expansed.pid")"
    PGOPTIONS='-c expanse.fault=before_commit_prepared' sql "$port" 'ALTER TABLE changed ADD COLUMN note text' >/dev/null 2>&1
    until_true sql "$port" 'SELECT 1' || return 1
    kill -9 "$(head -n 1 "$dir/n2/data/postmaster.pid")"
    up && until_true blocked $((port + 1)) n2 '%catches up: prepared transaction%' && until_true registered n2 f
}

made_up_for() {
    kill -CONT "$(<"$dir/n1/expansed.pid")"
    until_true registered n2 t && says 0 $((port + 1)) 'SELECT count(*) FROM pg_prepared_xacts' &&
        says 0 $((port + 1)) 'SELECT count(note) FROM changed'
}

check 'nothing is blocked' until_true nothing_blocked
check 'health' status_is $((port + 1000)) /healthz 200
check 'ready' status_is $((port + 1000)) /readyz 200
check 'primary' status_is $((port + 1000)) /primary 200
check 'no replica' status_is $((port + 1000)) /replica 503
check 'page' status_is $((port + 1000)) / 200
check 'nothing else' status_is $((port + 1000)) /nothing 404
check 'read-only' bash -c "[[ \"\$1\" == *405* ]]" - "$(http $((port + 1000)) 'POST /cluster' | head -n 1)"
check 'metrics' metrics_are_well_formed
check 'cluster as JSON' until_true cluster_is_json
check 'idle cost' idle_cost

cp "$dir/n1/expansed.toml" "$dir/n1/expansed.toml.before"
configure '[executor]' 'maintenance_sockets = 5' '[operations]' 'lock_timeout_ms = 77'
reload
check 'a limit changes at run time' until_true limit_is 5
check 'what needs a restart is said' until_true logged 'field="operations.lock_timeout_ms"'
configure '[executor]' 'maintenance_sockets = 0'
reload
check 'a bad configuration is refused' until_true logged 'configuration is not reloaded'
check 'and what is in use stays' limit_is 5
cp "$dir/n1/expansed.toml.before" "$dir/n1/expansed.toml"
reload
check 'back again' until_true limit_is 8

end_server n2
check 'a server that is down is not ready' until_true status_is $((port + 1001)) /readyz 503
check 'others say so' until_true blocked "$port" n2 '%status entry%'
check 'its sidecar is healthy' status_is $((port + 1001)) /healthz 200
check 'started again' up
check 'ready again' until_true status_is $((port + 1001)) /readyz 200
check 'nothing is blocked any more' until_true nothing_blocked

check 'a node with other metadata is not ready' differs
check 'metadata as before' other_metadata 1
check 'then it is' until_true registered n2 t
check 'nor one with a schema change in doubt' in_doubt
check 'until that has ended' made_up_for
check 'nothing is blocked again' until_true nothing_blocked

kill -9 "$(<"$dir/n3/expansed.pid")"
check 'a sidecar that is gone is missed' until_true blocked "$port" n3 '%status entry%'
check 'its own server says so' until_true blocked $((port + 2)) n3 'its sidecar has not said anything%'

# Without a store to begin with: what needs only the server works.
as_owner "$box/bin/expansed" --config "$dir/n3/expansed.toml" --set coordination.url=zookeeper://127.0.0.1:1/none \
    >>"$dir/n3/expansed.log" 2>&1 &
check 'a sidecar without a store is healthy' until_true status_is $((port + 1002)) /healthz 200
check 'and its server ready' until_true status_is $((port + 1002)) /readyz 200
check 'and says what is missing' until_true blocked $((port + 2)) n3 '%coordination store does not answer%'
check 'and ends in order' ends_in_order "$(child_of $!)"
check 'started again' up
check 'nothing is blocked at the end' until_true nothing_blocked
echo "$passed passed, $failed failed"
((failed == 0))
