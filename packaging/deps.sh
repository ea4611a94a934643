#!/usr/bin/env bash
# Installs what is missing to build and test: Debian packages when this user may, else it says what to install.
set -euo pipefail

missing=()
need() { # need PACKAGE TEST...
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}
header() { echo "#include <$1>" | cc -fsyntax-only -x c - "${@:2}"; }
# shellcheck disable=SC2144
libclang() { ls /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* 2>/dev/null | grep -q .; }

need build-essential command -v cc
need pkg-config command -v pkg-config
need libclang-dev libclang
need libpq-dev header libpq-fe.h -I/usr/include/postgresql
need postgresql-15 test -x /usr/lib/postgresql/15/bin/postgres
need postgresql-server-dev-15 test -f /usr/include/postgresql/15/server/postgres.h
need zookeeper test -f /usr/share/java/zookeeper.jar
need libslf4j-java test -f /usr/share/java/slf4j-simple.jar
need default-jre-headless command -v java
need iproute2 command -v ip
need systemd command -v systemd-analyze

if ((${#missing[@]})); then
    if [[ $(id -u) == 0 ]]; then
        as_root=()
    elif sudo -n true 2>/dev/null; then
        as_root=(sudo -n)
    else
        echo "These Debian packages are missing; install them and try again:" >&2
        echo "  sudo apt-get install ${missing[*]}" >&2
        exit 1
    fi
    echo "installing ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    # Debian makes and starts a server of its own on 5432 with the package; Expanse leaves it alone.
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if ! command -v cargo >/dev/null; then
    echo "Rust is missing: install it from https://rustup.rs (1.88 or newer) and try again." >&2
    exit 1
fi
