#!/usr/bin/env bash
# box.sh PG_CONFIG BOX: makes BOX a relocated copy of that PostgreSQL with this clone's build installed.
#
# PostgreSQL finds its files relative to its binary, so a copy of its tree works anywhere. BOX itself is a
# short symbolic name for the copy's own directories.
set -euo pipefail
pg_config=$1 box=$2
top=$(cd "$(dirname "$0")/.." && pwd)
bindir=$("$pg_config" --bindir) sharedir=$("$pg_config" --sharedir) libdir=$("$pg_config" --pkglibdir)
# A clone below a home directory can not be read by the servers' user: the copy then lives elsewhere.
root=$box
if [[ $(id -u) == 0 ]] && ! runuser -u postgres -- test -x "$top"; then
    root=/var/tmp/expanse-box-$(echo "$top" | cksum | cut -d' ' -f1)
fi
if [[ ! -x $root/tree$bindir/postgres || $bindir/postgres -nt $root/tree$bindir/postgres ]]; then
    rm -rf "$root" "$box"
    mkdir -p "$root/tree$(dirname "$bindir")" "$root/tree$(dirname "$sharedir")"
    cp -a "$(dirname "$bindir")" "$root/tree$(dirname "$(dirname "$bindir")")/"
    cp -a "$sharedir" "$root/tree$(dirname "$sharedir")/"
    ln -sfn "tree$bindir" "$root/bin"
    [[ $root == "$box" ]] || ln -sfn "$root" "$box"
fi
[[ -d $root/tree$libdir ]] || { echo "$libdir is not below the tree of $bindir" >&2; exit 1; }
install_new() { # a running server keeps the file it has mapped
    cp "$1" "$2.new" && mv "$2.new" "$2"
}
install_new "$top/target/release/libexpanse.so" "$root/tree$libdir/expanse.so"
cp "$top"/sql/expanse.control "$top"/sql/expanse--*.sql "$root/tree$sharedir/extension/"
for program in expansed expansectl; do
    install_new "$top/target/release/$program" "$root/tree$bindir/$program"
done
chmod -R a+rX "$root"
