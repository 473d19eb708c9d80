#!/bin/sh
# What a container runs: prepare | web | cluster talk | cluster work | bridge | up, or any other word of manage.py.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python}

if [ -z "${DATABASE_URL:-}" ]; then
    echo "DATABASE_URL is not set: name a PostgreSQL server, as postgres://user:password@host:5432/name." >&2
    exit 1
fi
[ $# -gt 0 ] || set -- up

# Without a bot there is nothing to carry. Ending would have Docker start it again and again.
if [ "$1" = bridge ] && [ -z "${TELEGRAM_BOT_TOKEN:-}" ]; then
    echo "There is no TELEGRAM_BOT_TOKEN: the bridge waits until the container is made anew with one."
    exec sleep infinity
fi

exec "$PYTHON" manage.py "$@"
