#!/usr/bin/env bash
# shrink.sh BOX DIR PORT: several nodes come in one map, nodes leave, come again, and one is lost for good.
#
# DIR is a running cluster in a box of three nodes whose first node listens on PORT. Writers run meanwhile; no statement
# of theirs may fail.
set -uo pipefail
box=$1 dir=$2 port=$3
source "$(dirname "$0")/lib.sh"
rows=20000 base=$port

filled() {
    sql "$port" -c "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('good', 'bad')" \
        -c "CREATE COLLATION app.german (locale = 'C'); CREATE TEXT SEARCH CONFIGURATION app.words (COPY = simple)" \
        -c 'CREATE OPERATOR app.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)' \
        -c 'CREATE TABLE app.kind (id int PRIMARY KEY, name text)' \
        -c "SELECT cluster_replicate_table('app.kind')" \
        -c "INSERT INTO app.kind SELECT i, 'kind ' || i FROM generate_series(1, 10) i" \
        -c "CREATE TABLE app.item (id bigint GENERATED ALWAYS AS IDENTITY, key int PRIMARY KEY, kind int, mood app.mood DEFAULT 'good')" \
        -c "SELECT cluster_distribute_table('app.item', 'key')" \
        -c 'CREATE TABLE app.entry (key int, n int, note text, PRIMARY KEY (key, n))' \
        -c "SELECT cluster_distribute_table('app.entry', 'key', 'app.item')" \
        -c 'CREATE TABLE app.word (word text PRIMARY KEY, n int)' \
        -c "SELECT cluster_distribute_table('app.word', 'word')" \
        -c "INSERT INTO app.item (key, kind) SELECT i, 1 + i % 10 FROM generate_series(1, $rows) i" \
        -c "INSERT INTO app.entry SELECT i, 1, repeat('x', 100) FROM generate_series(1, $rows) i" \
        -c "INSERT INTO app.word SELECT 'word ' || i, 0 FROM generate_series(1, $rows) i" \
        -c 'ANALYZE app.item' -c 'ANALYZE app.entry' -c 'ANALYZE app.word' >/dev/null
}

# Writes until the file $dir/stop is there; what fails is kept.
writer() {
    local key n
    while [[ -d $dir && ! -e $dir/stop ]]; do
        key=$((1 + (RANDOM * 32768 + RANDOM) % rows)) n=$((RANDOM * 32768 + RANDOM))
        sql "$port" -c "UPDATE app.word SET n = n + 1 WHERE word = 'word $key'" \
            -c "INSERT INTO app.entry VALUES ($key, $n, 'more') ON CONFLICT DO NOTHING" \
            -c "UPDATE app.kind SET name = name || '' WHERE id = 1 + $n % 10" 2>>"$dir/failures" && echo . >>"$dir/writes"
    done
}

balanced() { # balanced NODES: so many nodes share the current map, within one bucket of each other
    local found
    found=$(sql "$port" -c 'SELECT count(*), max(buckets) - min(buckets) <= 1, sum(buckets) FROM cluster_nodes')
    [[ $found == "$1|t|65536" ]] || { echo "$found"; return 1; }
}

moved_to_current() {
    [[ $(sql "$port" -c "SELECT count(*) FROM cluster_tables WHERE kind = 'distributed' AND hash_map_version <>
        (SELECT hash_map_version FROM cluster_hash_maps WHERE current)") == 0 ]]
}

whole() {
    local before
    check "items: $1" test "$(sql "$port" -c 'SELECT count(*), sum(key), count(DISTINCT id) FROM app.item')" = "$items"
    check "words: $1" all_there app.word "$rows"
    before=$(sql "$port" -c 'SELECT count(*) FROM app.entry')
    check "entries: $1" all_there app.entry "$before"
    check "kinds: $1" same_kinds
}

same_kinds() {
    local at
    for at in $(ports); do sql "$at" -c 'SELECT * FROM app.kind ORDER BY id' | md5sum; done | uniq | wc -l | grep -qx 1
}

two_come_in_one_map() {
    local a b planned done_rows
    read -r -a a < <(add_server) && read -r -a b < <(add_server) || return 1
    planned=$(sql "$port" -c "SELECT sum(row_estimate) FROM cluster_plan_expand(
        '[{\"node_name\": \"${a[0]}\"}, {\"node_name\": \"${b[0]}\"}]'::jsonb) WHERE buckets IS NOT NULL")
    "$box/bin/expansectl" -p "$port" expand --dry-run --node "${a[0]}=${a[1]}:${a[2]}" --node "${b[0]}=${b[1]}:${b[2]}" |
        tail -n 1 | grep -q '^all' || return 1
    begin_writing
    "$box/bin/expansectl" -p "$port" expand --rebind --node "${a[0]}=${a[1]}:${a[2]}" --node "${b[0]}=${b[1]}:${b[2]}" || return 1
    until_finds moved_to_current || return 1
    until_finds nothing_runs || return 1
    check 'no write failed while two came' end_writing
    check 'one new map' test "$(sql "$port" -c 'SELECT count(*) FROM cluster_hash_maps')" = 1
    done_rows=$(sql "$port" -c "SELECT sum(rows_done) FROM cluster_operations WHERE kind = 'rebind'")
    check "as many rows as planned: $done_rows of $planned" \
        test $((done_rows * 10)) -le $((planned * 11)) -a $((done_rows * 11)) -ge $((planned * 10))
}

nothing_runs() { [[ $(sql "$port" -c 'SELECT count(*) FROM cluster_operations WHERE finished_at IS NULL') == 0 ]]; }

two_leave() {
    begin_writing
    "$box/bin/expansectl" -p "$port" shrink --dry-run n4 n5 | tail -n 1 | grep -q '^all' || return 1
    "$box/bin/expansectl" -p "$port" shrink n4 n5 || return 1
    check 'no write failed while two left' end_writing
}

is_plain() { # is_plain NUMBER: this server knows nothing of the cluster
    [[ $(fragment $((base + $1 - 1)) -c "SELECT (SELECT count(*) FROM expanse.node) + (SELECT count(*) FROM expanse.local_node) +
        (SELECT count(*) FROM expanse.distributed_table) + (SELECT count(*) FROM pg_namespace WHERE nspname = 'app') +
        (SELECT count(*) FROM pg_prepared_xacts)") == 0 ]]
}

leader_leaves() {
    local name
    name=$(sql "$port" -c 'SELECT node_name FROM cluster_nodes WHERE leader')
    [[ -n $name ]] || return 1
    [[ $name == n1 ]] && port=$((port + 1))
    operation "cluster_shrink('$name')" || return 1
    check 'the leader has left' test "$(sql "$port" -c "SELECT count(*) FROM cluster_nodes WHERE node_name = '$name'")" = 0
    until_finds is_plain "${name#n}"
    left=$name
    own_is_refused $((base + ${name#n} - 1))
}

# Whatever somebody has made there meanwhile would go with an expansion that is undone.
own_is_refused() { # own_is_refused PORT
    fragment "$1" -c "CREATE FUNCTION mine() RETURNS int LANGUAGE sql RETURN 1" >/dev/null || return 1
    check_fails 'a server with something of its own' XP010 "$port" "SELECT cluster_expand('$left', '127.0.0.1', $1)"
    fragment "$1" -c 'DROP FUNCTION mine()' >/dev/null
}

undone() {
    local id
    id=$(sql "$port" -c "SELECT cluster_shrink('n4')") || return 1
    until_finds done_with "$id" begin || return 1
    sql "$port" -c "SELECT cluster_cancel($id)" >/dev/null || return 1
    until_finds in_state "$id" cancelled || return 1
    until_finds nothing_runs
    operation 'cluster_rebind_all()'
}

# A node does not answer, and is not given up after all: the removal is cancelled while a long writer stands in its way.
kept() {
    local id key
    key=$(sql "$port" -c "SELECT min(key) FROM app.item WHERE cluster_owner('app.item', key) = 'n1'")
    open_session writes "$port" && done_by writes "BEGIN; UPDATE app.item SET kind = kind WHERE key = $key" || return 1
    kill -9 "$(head -n 1 "$dir/n4/data/postmaster.pid")" || return 1
    id=$(sql "$port" -c "SELECT cluster_shrink('n4', lose_data => true)") || return 1
    until_finds noted n4 || return 1
    sql "$port" -c "SELECT cluster_cancel($id)" >/dev/null || return 1
    until_finds in_state "$id" cancelled || return 1
    say writes 'COMMIT;' && close_session writes || return 1
    check 'its note is gone' not_noted n4
    restart
    until_finds sql $((base + 3)) -o /dev/null -c 'SELECT count(*) FROM app.item' 2>/dev/null
    sleep 3
    check 'it was not set aside' test "$(fragment $((base + 3)) -c "SELECT count(*) FROM pg_namespace WHERE nspname = 'expanse_lost'")" = 0
}

noted() { grep -rqs "\"node_name\":\"$1\"" "$dir/coordination"/removed*; }
not_noted() { ! noted "$1"; }

# A node dies for good while a group moves onto it: it can be given up, and the move ends by itself.
lost_while_it_gets_rows() {
    local id shrink entries
    entries=$(sql "$port" -c 'SELECT count(*) FROM app.entry')
    grow || return 1
    id=$(sql "$port" -c "SELECT cluster_rebind('app.entry', max_rate => '50kB')") || return 1
    until_finds done_with "$id" copy || return 1
    kill -9 "$(<"$dir/n6/expansed.pid")" "$(head -n 1 "$dir/n6/data/postmaster.pid")" || return 1
    until_finds started_shrink || return 1
    shrink=$(sql "$port" -c "SELECT max(operation_id) FROM cluster_operations WHERE kind = 'shrink'")
    until_finds in_state "$shrink" succeeded || return 1
    until_finds nothing_runs || return 1
    check 'the move has ended' in_state "$id" failed
    check 'nothing of it is left' all_there app.entry "$entries"
}

started_shrink() { sql "$port" -c "SELECT cluster_shrink('n6', lose_data => true)" >/dev/null 2>&1; } # once somebody leads

lost() {
    local id pid
    pid=$(head -n 1 "$dir/n4/data/postmaster.pid")
    kill -9 "$pid" || return 1
    check_fails 'a node that does not answer' XP134 "$port" "SELECT cluster_shrink('n4')"
    id=$(sql "$port" -c "SELECT cluster_shrink('n4', lose_data => true)") || return 1
    until_finds in_state "$id" succeeded || return 1
    check 'it says what was lost' sql "$port" -o /dev/null -c "SELECT 1 / (result ~ 'lost: .* buckets of table app.word with about')::int
        FROM cluster_operations WHERE operation_id = $id"
    check 'reads and writes go on' sql "$port" -o /dev/null -c 'SELECT count(*) FROM app.item' \
        -c "INSERT INTO app.word SELECT 'new ' || i, 0 FROM generate_series(1, 1000) i" -c "UPDATE app.kind SET name = name"
}

# A server that was taken out while it was away comes back and believes that it is a node.
set_aside() {
    restart
    until_finds aside
}

aside() {
    [[ $(fragment $((base + 3)) -c "SELECT (SELECT count(*) FROM expanse.node), (SELECT count(*) FROM pg_class
        WHERE relnamespace = to_regnamespace('expanse_lost') AND relname = 'word')" 2>/dev/null) == '0|1' ]]
}

filled || exit 1
items=$(sql "$port" -c 'SELECT count(*), sum(key), count(DISTINCT id) FROM app.item')
check_fails 'to zero' XP040 "$port" "SELECT cluster_shrink(ARRAY['n1', 'n2', 'n3'])"
check_fails 'unknown' XP004 "$port" "SELECT cluster_shrink('n9')"
check_fails 'no node' XP025 "$port" "SELECT cluster_shrink(ARRAY[]::text[])"
check_fails 'named twice' XP025 "$port" "SELECT cluster_expand('[{\"node_name\":\"x\",\"host\":\"h\"},{\"node_name\":\"x\",\"host\":\"i\"}]')"
check 'two come in one map' two_come_in_one_map
check 'five share' balanced 5
whole 'five'
check 'two leave' two_leave
check 'three share' balanced 3
whole 'three'
check 'n4 is a plain server' is_plain 4
check 'n5 is a plain server' is_plain 5
check 'it comes again' operation "cluster_expand('n4', '127.0.0.1', $((base + 3)), rebind => true)"
check 'all follow' until_finds moved_to_current
until_finds nothing_runs
check 'its id is new' test "$(sql "$port" -c "SELECT node_id FROM cluster_nodes WHERE node_name = 'n4'")" = 6
whole 'again four'
check 'a shrink is undone' undone
check 'still four' balanced 4
whole 'undone'
check 'a node is not given up after all' kept
whole 'kept'
check 'a node is lost' lost
check 'three share what is left' balanced 3
check 'a lost node that comes back is set aside' set_aside
check 'a node is lost while it gets rows' lost_while_it_gets_rows
check 'three share again' balanced 3
check 'the leader leaves' leader_leaves
check 'two share' balanced 2
summary
