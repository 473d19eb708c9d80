"""The same inserts without the product: `pgbench` of the embedded PostgreSQL, on the bench's own database."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from agent_site import embedded_postgres
from agent_site.trial import Trial

# What one message of a known chat leaves behind, in the order in which it is inserted; each with the columns that must
# be new in every row.
TABLES: list[tuple[str, dict[str, str]]] = [
    ("telegram_bridge_telegramupdate", {"update_id": ":fresh"}),
    ("threads_message", {"external_id": ":fresh::text"}),
    ("jobs_job", {}),
    ("jobs_jobmessage", {"job_id": "lastval_of('jobs_job')", "message_id": "lastval_of('threads_message')"}),
    ("jobs_jobevent", {"job_id": "lastval_of('jobs_job')"}),
    ("django_q_ormq", {}),
]
TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)


def run(trial: Trial, database: "psycopg.Connection[Any]", *, connections: int, seconds: int) -> float:
    """Transactions a second of a script that copies the rows of one message, as the intake has just written them."""
    script = trial.folder / "inserts.sql"
    script.write_text(_script(database))
    entry = embedded_postgres.settings(Path(trial.environment["DATA_DIR"]))
    options = ["-h", entry["HOST"], "-U", entry["USER"], "-c", str(connections), "-j", "2", "-T", str(seconds)]
    done = subprocess.run(
        [str(embedded_postgres.program("pgbench")), "-n", "-M", "prepared", *options, "-f", str(script), entry["NAME"]],
        env={**os.environ, "PGPASSWORD": entry["PASSWORD"]},
        capture_output=True,
        text=True,
        check=False,
    )
    found = TPS.search(done.stdout)
    if found is None:
        raise RuntimeError(f"pgbench did not work: {done.stderr[-2000:]}")
    return float(found[1])


def _script(database: "psycopg.Connection[Any]") -> str:
    lines = [r"\set fresh random(1000000000000, 9000000000000)", "BEGIN;"]
    lines += [_copy(database, table, fresh) for table, fresh in TABLES]
    return "\n".join([*lines, "SELECT pg_notify('queue_bench', '');", "COMMIT;", ""])


def _copy(database: "psycopg.Connection[Any]", table: str, fresh: dict[str, str]) -> str:
    """Inserts a copy of a table's newest row, with another key."""
    newest = database.execute(sql.SQL("SELECT max(id) FROM {}").format(sql.Identifier(table))).fetchone()
    columns = database.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND column_name <> 'id'", [table]
    ).fetchall()
    names = [f'"{name}"' for (name,) in columns]
    values = [_value(fresh[name]) if name in fresh else f'"{name}"' for (name,) in columns]
    assert newest is not None
    return f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {table} WHERE id = {newest[0]};"


def _value(wanted: str) -> str:
    """`lastval_of('x')` is the key that this transaction gave to its row of x."""
    return re.sub(r"lastval_of\('(\w+)'\)", r"currval(pg_get_serial_sequence('\1', 'id'))", wanted)
