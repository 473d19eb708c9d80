"""Which processes of a trial there are, what each is, and who is at work: for `bench/chaos`, that helps nobody."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg

from agent_site import embedded_postgres
from agent_site.trial import Trial
from bench.support.instance import connect
from common.errors import AgentError

AT_WORK = """
SELECT lease_owner, 'agents_run', id, lease_epoch FROM agents_run WHERE lease_expires_at > now()
UNION ALL SELECT lease_owner, 'jobs_job', id, lease_epoch FROM jobs_job WHERE lease_expires_at > now()
"""
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@dataclass(frozen=True, kw_only=True)
class Working:
    """The lease that a process held when it was looked at."""

    table: str
    row: int
    epoch: int


class Population:
    """Names are learned from the heartbeats; the web server has none, and is whoever has workers and is no cluster."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.names: dict[int, str] = {}

    def forget(self) -> None:
        """All are dead, and their pids may come again."""
        self.names.clear()

    def processes(self) -> list[tuple[psutil.Process, str]]:
        """The product's own processes (not what its tools started), each with what it is."""
        self._learn_names()
        found: list[tuple[psutil.Process, str]] = []
        for child in self._children():
            name = self.names.get(child.pid, "")
            found.append((child, name))
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [(under, f"{name} worker") for under in child.children()]
        return found

    def working(self) -> dict[int, Working]:
        """The leases that are held, by the pid of their holder; empty while the database is away."""
        with self._rows(AT_WORK) as rows:
            return {
                int(owner.split(":")[1]): Working(table=table, row=row, epoch=epoch)
                for owner, table, row, epoch in rows
                if owner.count(":") == 2
            }

    def is_overtaken(self, work: Working | None) -> bool:
        """Whether another has taken the lease since."""
        if work is None:
            return False
        with self._rows(f"SELECT lease_epoch FROM {work.table} WHERE id = {work.row}") as rows:
            return bool(rows) and rows[0][0] > work.epoch

    def cut_connections(self) -> None:
        """As a network does, or an administrator: every connection to PostgreSQL but this one ends at once."""
        with self._rows(CUT):
            return

    def postmaster(self) -> psutil.Process | None:
        """The embedded PostgreSQL's first process, if it runs."""
        path = Path(self.trial.environment["DATA_DIR"], "postgres", "postmaster.pid")
        try:
            process = psutil.Process(int(path.read_text().split("\n", 1)[0]))
            return process if process.name().startswith("postgres") else None
        except (OSError, ValueError, psutil.NoSuchProcess):
            return None

    def _learn_names(self) -> None:
        with self._rows("SELECT name, pid FROM ops_heartbeat") as rows:
            self.names |= {pid: name for name, pid in rows}
        for child in self._children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if child.pid not in self.names and time.time() - child.create_time() > 3 and child.children():
                    self.names[child.pid] = "web"

    def _children(self) -> list[psutil.Process]:
        assert self.trial.process is not None
        try:
            return psutil.Process(self.trial.process.pid).children()
        except psutil.NoSuchProcess:
            return []

    @contextlib.contextmanager
    def _rows(self, query: str) -> Iterator[list[tuple[Any, ...]]]:
        """What the database says. To connect would start a server that is away, and that is the product's to do."""
        found: list[tuple[Any, ...]] = []
        if embedded_postgres.is_running(Path(self.trial.environment["DATA_DIR"])):
            with contextlib.suppress(psycopg.Error, AgentError), connect(self.trial) as database:
                found = database.execute(query.encode()).fetchall()
        yield found
