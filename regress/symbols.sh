#!/usr/bin/env bash
# symbols.sh LIBRARY SQL_DIR: every function that the SQL names is in the library, and the other way round.
set -euo pipefail
library=$1 sql=$2

named() { # the link symbol of each "LANGUAGE c ... AS 'MODULE_PATHNAME', 'symbol'"
    grep -ho "'MODULE_PATHNAME', '[a-z0-9_]*'" "$sql"/*.sql | sed "s/.*, '//; s/'//" | sort -u
}

there() { # each function declared for PostgreSQL's function manager leaves a pg_finfo_ record
    nm -D --defined-only "$library" | sed -n 's/.* pg_finfo_//p' | sort -u
}

missing=$(comm -23 <(named) <(there))
unused=$(comm -13 <(named) <(there))
[[ -z $missing ]] || { echo "named in SQL, not in the library:"; echo "$missing"; }
[[ -z $unused ]] || { echo "in the library, not named in SQL:"; echo "$unused"; }
if [[ -n $missing$unused ]]; then
    echo "symbols: 0 passed, 1 failed"
    exit 1
fi
echo "symbols: 1 passed, 0 failed"
