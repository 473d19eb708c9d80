"""Each process says that it is alive and when it last got something done."""

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import psutil
from django.db import connection

from common.host import host_id
from ops.models import Heartbeat
from ops.selectors import ENDED


def beat(name: str, *, progressed: bool = False, detail: dict[str, Any] | None = None) -> None:
    """Stamp this process's row by the database's clock; one statement. `progressed` stamps the second clock too.

    Its commit does not wait for the disk: after a crash of the server nobody asks for the last second's beat.
    """
    started = datetime.fromtimestamp(psutil.Process().create_time(), UTC)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO ops_heartbeat (name, host, pid, started_at, alive_at, progressed_at, detail)
            VALUES (%s, %s, %s, %s, now(), CASE WHEN %s THEN now() END, %s)
            ON CONFLICT ON CONSTRAINT one_heartbeat_a_process DO UPDATE SET
                pid = EXCLUDED.pid, started_at = EXCLUDED.started_at, alive_at = now(), detail = EXCLUDED.detail,
                progressed_at = COALESCE(EXCLUDED.progressed_at, ops_heartbeat.progressed_at)
            RETURNING set_config('synchronous_commit', 'off', true)
            """,
            [name, host_id(), os.getpid(), started, progressed, json.dumps(detail or {})],
        )


def rest(pids: Iterable[int]) -> None:
    """Mark these processes of this host as ended on purpose: nobody misses them. The next beat takes the mark away."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE ops_heartbeat SET alive_at = now(), detail = detail || %s WHERE host = %s AND pid = ANY(%s)",
            [json.dumps({ENDED: True}), host_id(), list(pids)],
        )


def forget(name: str) -> None:
    """Remove this host's row of a process that was ended on purpose."""
    Heartbeat.objects.filter(name=name, host=host_id()).delete()
