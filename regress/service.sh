#!/usr/bin/env bash
# service.sh: the systemd unit is valid, hardened, and of the type that the version of systemd allows.
set -uo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/expanse-service.XXXXXX")
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # check NAME COMMAND...
    if "${@:2}"; then passed=$((passed + 1)); else failed=$((failed + 1)) && echo "failed: $1"; fi
}

installed() { # installed VERSION: as that version of systemd would get it
    "$top/packaging/install-service.sh" "$(command -v true)" "$work/$1" "$1"
}

type_of() { # type_of VERSION: what the last word on the type is
    cat "$work/$1/etc/systemd/system/expansed.service" "$work/$1"/etc/systemd/system/expansed.service.d/* 2>/dev/null |
        grep '^Type=' | tail -n 1
}

is() { [[ $1 == "$2" ]] || { echo "$1, not $2"; return 1; }; }

installed 252 && installed 255
check 'notify before systemd 253' is "$(type_of 252)" Type=notify
check 'notify-reload from systemd 253 on' is "$(type_of 255)" Type=notify-reload
# 25 means 2.5.
check 'hardened' systemd-analyze security --offline=true --threshold=25 --no-pager "$top/packaging/expansed.service"
check 'valid' systemd-analyze verify --man=no "$work/252/etc/systemd/system/expansed.service"
echo "$passed passed, $failed failed"
((failed == 0))
