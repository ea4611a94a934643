#!/usr/bin/env bash
# run.sh BOX WORK PORT: each released version of the extension can be upgraded to the present one, in one step.
#
# A database in which the released version was installed, used and upgraded is compared with one in which the present version
# was installed and used: every object of the extension (snapshot.sql), and what statements answer afterwards (use.sql).
set -uo pipefail
box=$1 work=$2/upgrade port=$3
here=$(cd "$(dirname "$0")" && pwd)
sql=$here/../../sql
present=$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$sql/expanse.control")
passed=0 failed=0

as_server() {
    if [[ $(id -u) == 0 ]]; then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}
psql() { "$box/bin/psql" -X -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$port" -U postgres -d "$1" "${@:2}"; }
stop() { as_server "$box/bin/pg_ctl" stop -s -w -m fast -D "$work/data"; }
check() { # check WHAT COMMAND...
    if "${@:2}"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "failed: $1"; fi
}
make() { # make DATABASE VERSION
    psql postgres -q -c "CREATE DATABASE $1" &&
        psql "$1" -q -c "CREATE EXTENSION expanse VERSION '$2'" &&
        psql "$1" -q -v port="$port" -f "$here/data.sql" >/dev/null
}
upgrade() { # upgrade DATABASE
    psql "$1" -q -c 'ALTER EXTENSION expanse UPDATE' &&
        [[ $(psql "$1" -At -c "SELECT extversion FROM pg_extension WHERE extname = 'expanse'") == "$present" ]]
}
in_one_step() { # in_one_step VERSION
    [[ $(psql postgres -At -c "SELECT path FROM pg_extension_update_paths('expanse') WHERE source = '$1' AND target = '$present'") == "$1--$present" ]]
}
all_commented() { # all_commented DATABASE
    local without
    without=$(psql "$1" -At -f "$here/uncommented.sql") && [[ -z $without ]] || { echo "without a comment: $without" && false; }
}
record() { # record DATABASE
    psql "$1" -f "$here/snapshot.sql" >"$work/$1.objects" && psql "$1" -a -f "$here/use.sql" >"$work/$1.use" 2>&1
}
same() { # same KIND DATABASE LINES: as many lines as there are at least, and the same ones
    (($(wc -l <"$work/present.$1") >= $3)) && diff -u "$work/present.$1" "$work/$2.$1"
}

mkdir -p "$work"
[[ $(id -u) != 0 ]] || chown postgres "$work"
trap 'stop >/dev/null 2>&1' EXIT
as_server "$box/bin/initdb" -A trust -U postgres --no-sync -E UTF8 --locale=C.UTF-8 -D "$work/data" >/dev/null || exit 1
as_server "$box/bin/pg_ctl" start -s -w -D "$work/data" -l "$work/server.log" \
    -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$work -c max_prepared_transactions=20 -c wal_level=logical -c shared_preload_libraries=expanse" || exit 1

check 'released files are as they were released' sh -c "cd '$sql' && sha256sum --quiet -c '$here/released.sha256'"
check "version $present is installed and used" make present "$present"
check 'every object has a comment' all_commented present
check "version $present is recorded" record present
while read -r _ file; do
    version=${file#expanse--} version=${version%.sql}
    [[ $version != *--* ]] || continue
    database=from_${version//./_}
    check "version $version is installed and used" make "$database" "$version"
    check "version $version has a script for its upgrade" in_one_step "$version"
    check "version $version is upgraded" upgrade "$database"
    check "version $version upgraded is recorded" record "$database"
    check "objects after an upgrade from $version are those of a new $present" same objects "$database" 2000
    check "answers after an upgrade from $version are those of a new $present" same use "$database" 80
done <"$here/released.sha256"
echo "$passed passed, $failed failed"
((failed == 0))
