#!/usr/bin/env bash
# logs.sh LEVEL DIR: fails on any line in the logs of a cluster in a box that says that something went wrong and that
# regress/logs.expected does not list for this level.
set -uo pipefail
level=$1 dir=$2
here=$(cd "$(dirname "$0")" && pwd)
bad='(WARNING|ERROR|FATAL|PANIC):  |Z +(WARN|ERROR) |terminated by signal|panicked at|TRAP:'

# The patterns that count for this level, one a line.
patterns() {
    local levels pattern
    while IFS=$'\t' read -r levels pattern; do
        [[ -z $levels || $levels == \#* ]] && continue
        [[ $levels == '*' || ,$levels, == *,$level,* ]] && printf '%s\n' "$pattern"
    done <"$here/logs.expected"
}

found=$(cd "$dir" && grep -HE -- "$bad" n*/server.log n*/expansed.log 2>/dev/null | grep -vEf <(patterns))
if [[ -n $found ]]; then
    echo "unexpected lines in the logs ($(wc -l <<<"$found")):"
    head -n 40 <<<"$found"
    echo 'log check: 0 passed, 1 failed'
    exit 1
fi
echo 'log check: 1 passed, 0 failed'
