#!/usr/bin/env bash
# install-service.sh PROGRAM [ROOT [SYSTEMD_VERSION]]: the systemd unit of expansed, as this version of systemd wants it.
#
# PROGRAM is where expansed has been installed; ROOT stands before all paths that are written (for packages).
set -euo pipefail
program=$1 root=${2:-} version=${3:-}
here=$(cd "$(dirname "$0")" && pwd)
units=$root/etc/systemd/system
[[ -n $version ]] || version=$(systemctl --version | awk 'NR == 1 {print $2}')

install -d "$units"
sed "s|^ExecStart=/usr/bin/expansed |ExecStart=$program |" "$here/expansed.service" >"$units/expansed.service"
dropin=$units/expansed.service.d/notify-reload.conf
if ((version >= 253)); then
    install -D -m 644 "$here/notify-reload.conf" "$dropin"
else
    rm -f "$dropin"
fi
if [[ ! -e $root/etc/expanse/expansed.toml ]]; then
    install -D -m 640 "$here/expansed.toml" "$root/etc/expanse/expansed.toml"
fi
