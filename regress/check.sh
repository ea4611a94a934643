#!/usr/bin/env bash
# check.sh BOX [LEVEL...]: all test levels, or the ones named, against the PostgreSQL in BOX.
#
# A level prints its output only when it fails; the last line sums up the tests of all levels.
set -uo pipefail
box=$1
shift
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/expanse-check.XXXXXX")
chmod 755 "$work"
passed=0 failed=0
ctl=$box/bin/expansectl
pgxs=$(dirname "$("$box/bin/pg_config" --pgxs)")
port=${EXPANSE_CHECK_PORT:-7900}

cleanup() {
    for dir in "$work"/box-*; do
        [[ -d $dir ]] && "$ctl" dev down --dir "$dir" --purge >/dev/null 2>&1
    done
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# level NAME COMMAND...: runs a level and adds up what it says it ran.
level() {
    local name=$1 start=$SECONDS log=$work/level.log ok fail status
    shift
    printf '%-14s' "$name"
    "$@" >"$log" 2>&1
    status=$?
    ok=$(count passed "$log") fail=$(count failed "$log")
    ((ok + fail == 0)) && { ((status == 0)) && ok=1 || fail=1; }
    ((status != 0 && fail == 0)) && fail=1
    passed=$((passed + ok)) failed=$((failed + fail))
    printf '%5d passed %3d failed %5d s\n' "$ok" "$fail" $((SECONDS - start))
    ((fail == 0)) || { echo "--- $name"; tail -n 200 "$log"; echo "---"; }
}

# The sum of "N passed" (or "N failed") over all lines that runners close with.
count() {
    grep -E '[0-9]+ passed[,;] [0-9]+ failed' "$2" | grep -Eo "[0-9]+ $1" | awk '{sum += $1} END {print sum + 0}'
}

# regress SCHEDULE_DIR PORT: stock pg_regress on a running server, every file of sql/ in order.
regress() {
    local suite=$1 on=$2 out=$work/$(basename "$1") tests status
    tests=$(cd "$suite/sql" && ls -- *.sql | sed 's/\.sql$//')
    mkdir -p "$out"
    PGHOST=127.0.0.1 PGUSER=postgres EXPANSE_PORT=$on "$pgxs/../../src/test/regress/pg_regress" \
        --bindir="$box/bin" --inputdir="$suite" --outputdir="$out" --host=127.0.0.1 --port="$on" \
        --user=postgres --dbname=postgres --use-existing $tests
    status=$?
    if ((status == 0)); then
        # pg_regress removes its summary when all is well.
        echo "$(wc -w <<<"$tests") passed, 0 failed"
    else
        cat "$out/regression.diffs" 2>/dev/null
        [[ -z ${KEEP_RESULTS:-} ]] || cp -r "$out/results" "$KEEP_RESULTS"
        echo "$(grep -c '\.\.\. ok' "$out/regression.out") passed, $(grep -c FAILED "$out/regression.out") failed"
    fi
    return $status
}

on_box() { # on_box NAME NODES PORT COMMAND...: runs a command against a cluster in a box
    local name=$1 dir=$work/box-$1 nodes=$2 at=$3 status
    shift 3
    "$ctl" dev up --dir "$dir" --nodes "$nodes" --base-port "$at" --coordination "${coordination:-dir}" || return 1
    BOX_DIR=$dir "$@"
    status=$?
    regress/logs.sh "$name" "$dir" || status=1
    "$ctl" dev down --dir "$dir" --purge || status=1
    return $status
}

unit() { cargo test --release --workspace --no-fail-fast 2>&1; }
single() { on_box single 1 $port regress regress/single $port; }
cluster() { on_box cluster 3 $((port + 10)) regress regress/cluster $((port + 10)); }
differential() {
    on_box differential 3 $((port + 20)) target/release/expanse-differential --attach $((port + 20))
}
foreign() { regress/foreign/run.sh "$box" "$work" $((port + 40)); }
crash() {
    on_box crash 3 $((port + 50)) regress/scenarios/crash.sh "$box" "$work/box-crash" $((port + 50)) "${EXPANSE_ROUNDS:+$((EXPANSE_ROUNDS * 7))}"
}
takeover() {
    on_box takeover 3 $((port + 60)) regress/scenarios/takeover.sh "$box" "$work/box-takeover" $((port + 60))
}
daemon() {
    on_box daemon 3 $((port + 80)) regress/scenarios/daemon.sh "$box" "$work/box-daemon" $((port + 80))
}
ensemble() {
    coordination=ensemble on_box ensemble 3 $((port + 83)) regress/scenarios/ensemble.sh "$box" "$work/box-ensemble" \
        $((port + 83)) "${EXPANSE_ROUNDS:-1}"
}
overload() {
    on_box overload 3 $((port + 75)) target/release/expanse-overload --dir "$work/box-overload" \
        --base-port $((port + 75)) --rounds "${EXPANSE_ROUNDS:-3}"
}
deadlock() {
    on_box deadlock 3 $((port + 70)) regress/scenarios/deadlock.sh "$box" "$work/box-deadlock" $((port + 70))
}
schema() {
    on_box schema 3 $((port + 65)) regress/scenarios/schema.sh "$box" "$work/box-schema" $((port + 65))
}
operations() {
    on_box operations 3 $((port + 80)) regress/scenarios/operations.sh "$box" "$work/box-operations" $((port + 80))
}
shrink() {
    on_box shrink 3 $((port + 90)) regress/scenarios/shrink.sh "$box" "$work/box-shrink" $((port + 90))
}
storage() {
    on_box storage 3 $((port + 95)) regress/scenarios/storage.sh "$box" "$work/box-storage" $((port + 95))
}
killsteps() { # killsteps POINT...: see the script
    EXPANSE_FAULT_FILE=$work/box-killsteps/fault/at on_box killsteps 3 $((port + 100)) \
        regress/scenarios/killsteps.sh "$box" "$work/box-killsteps" $((port + 100)) "$@"
}
rebind() {
    on_box rebind 3 $((port + 85)) regress/scenarios/rebind.sh "$box" "$work/box-rebind" $((port + 85))
}
rewrite() {
    on_box rewrite 3 $((port + 95)) regress/scenarios/rewrite.sh "$box" "$work/box-rewrite" $((port + 95))
}
growth() {
    local dir=$work/box-growth status
    target/release/expanse-demo --expansectl "$ctl" --dir "$dir" --base-port $((port + 30)) \
        --coordination "$1" --scale 0.01 --calm 2 --keep
    status=$?
    [[ -d $dir ]] && { regress/logs.sh growth "$dir" || status=1; }
    "$ctl" dev down --dir "$dir" --purge || status=1
    return $status
}

all=(format lint unit symbols foreign single cluster differential crash takeover deadlock schema operations rebind rewrite shrink storage killsteps
    daemon ensemble overload service growth-dir growth-zookeeper)
for name in "${@:-${all[@]}}"; do
    case $name in
        format) level format cargo fmt --all --check ;;
        lint) level lint cargo clippy --release --workspace --all-targets -- -D warnings ;;
        unit) level unit unit ;;
        symbols) level symbols regress/symbols.sh target/release/libexpanse.so sql ;;
        foreign) level foreign foreign ;;
        crash) level crash crash ;;
        takeover) level takeover takeover ;;
        daemon) level daemon daemon ;;
        ensemble) level ensemble ensemble ;;
        overload) level overload overload ;;
        service) level service regress/service.sh ;;
        deadlock) level deadlock deadlock ;;
        schema) level schema schema ;;
        operations) level operations operations ;;
        shrink) level shrink shrink ;;
        storage) level storage storage ;;
        killsteps) level killsteps killsteps 3 s5 r9 a3 ;;
        killsteps-all) level killsteps-all killsteps all ;;
        rebind) level rebind rebind ;;
        rewrite) level rewrite rewrite ;;
        single) level single single ;;
        cluster) level cluster cluster ;;
        differential) level differential differential ;;
        growth-dir) level growth-dir growth dir ;;
        growth-zookeeper) level growth-zookeeper growth zookeeper ;;
        *) echo "no such level: $name" >&2; exit 2 ;;
    esac
done
echo "$passed passed, $failed failed"
((failed == 0))
