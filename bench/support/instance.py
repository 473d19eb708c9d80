"""A throw-away instance of the product between two stand-ins, with a look into its database and its processes."""

import re
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import psycopg

from agent_site import embedded_postgres
from agent_site.trial import Trial
from bench.support.outside import Model, Telegram

FIRST_CHAT = 1000
ERROR = re.compile(r"([\w.]+(Error|Exception|Deadlock\w*|Conflict)\b:?)|(.*\b(ERROR|CRITICAL)\b)")


def people(count: int) -> list[int]:
    """The ids of that many owners, each with a private chat of the same id."""
    return list(range(FIRST_CHAT, FIRST_CHAT + count))


def configured(trial: Trial, *, telegram: Telegram, model_url: str, masters: Iterable[int], webhook: bool) -> Trial:
    """The settings that join a trial to its stand-ins."""
    trial.environment |= {
        "TELEGRAM_API_URL": telegram.url,
        "TELEGRAM_BOT_TOKEN": telegram.token,
        "TELEGRAM_WEBHOOK_SECRET": "bench-secret",
        "MASTER_CHAT_IDS": ",".join(map(str, masters)),
        "ANTHROPIC_BASE_URL": model_url,
        "ANTHROPIC_API_KEY": "bench",
        "PUBLIC_URL": trial.url if webhook else "",
        # The stand-in's tokens cost as much as real ones; a bench must not run into the day's limit.
        "DAILY_COST_LIMIT_USD": "1000000",
        "PROACTIVE_DAILY_TOKEN_LIMIT": "1000000000",
    }
    return trial


class Instance:
    """`with Instance(masters=people(100), APPROVAL_POLICY="risky") as it:` runs it until the block ends.

    `flood`: the stand-in holds Telegram's limits. `model_url`: another model than the benches' own process.
    """

    def __init__(
        self,
        *,
        masters: Iterable[int],
        webhook: bool = True,
        flood: bool = False,
        model_url: str = "",
        **settings: str,
    ) -> None:
        self._stack = ExitStack()
        self._masters, self._webhook, self._flood, self._model_url = masters, webhook, flood, model_url
        self.trial = Trial(**settings)

    def __enter__(self) -> "Instance":
        with ExitStack() as stack:
            self.telegram = stack.enter_context(Telegram(flood=self._flood))
            if not self._model_url:
                self.model = stack.enter_context(Model())
            url = self._model_url or self.model.url
            configured(self.trial, telegram=self.telegram, model_url=url, masters=self._masters, webhook=self._webhook)
            stack.enter_context(self.trial)
            self.database = stack.enter_context(connect(self.trial))
            if self._webhook:
                self._wait_for_webhook()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _wait_for_webhook(self) -> None:
        """Until an update of a kind that asks for nothing is acknowledged: the bridge has set the webhook by then."""
        update = self.telegram.call("raw_update", update={"my_chat_member": {}})
        if not self.telegram.until("times", timeout=20.0, update_id=update["update_id"])["done"]:
            told = self.trial.log.read_text(errors="replace")[-3000:]
            raise TimeoutError(f"The webhook was not set within 20 s:\n{told}")

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query to its database."""
        return self.database.execute(query, values).fetchall()

    def one(self, query: str, *values: Any) -> Any:
        """The first column of the first row."""
        return self.rows(query, *values)[0][0]

    def processes(self) -> list[psutil.Process]:
        """The supervisor and everything under it; the database server is none of them."""
        assert self.trial.process is not None
        return family(self.trial.process.pid)

    def names(self) -> dict[int, str]:
        """What each process is, by its heartbeat, its parent's, or its place in the supervisor's table."""
        top, *rest = self.processes()
        beats = {pid: name for name, pid in self.rows("SELECT name, pid FROM ops_heartbeat")}
        names = {top.pid: "supervisor"}
        for process in rest:
            parent = names.get(process.ppid(), "")
            known = "web" if parent == "supervisor" else f"{parent}, worker"
            names[process.pid] = beats.get(process.pid, known)
        return names

    def cpu(self) -> "Cpu":
        """Seconds of CPU used so far."""
        assert self.trial.process is not None
        outside = self.telegram.cpu() + (0.0 if self._model_url else self.model.cpu())
        return cpu(self.trial, top=self.trial.process.pid, outside=outside)


@dataclass(frozen=True, kw_only=True)
class Cpu:
    """Seconds: of our processes, of PostgreSQL, of the stand-ins."""

    product: float
    database: float
    outside: float

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(
            product=self.product - other.product,
            database=self.database - other.database,
            outside=self.outside - other.outside,
        )

    def each(self, count: int) -> str:
        """In milliseconds a piece."""
        ours, database, outside = (1000 * value / count for value in (self.product, self.database, self.outside))
        told = f"{ours + database:.1f} ms (ours {ours:.1f}, PostgreSQL {database:.1f})"
        return f"{told}; beside it the stand-ins {outside:.1f}" if outside else told


def cpu(trial: Trial, *, top: int, outside: float = 0.0) -> Cpu:
    """What a trial has used so far, `top` being the process that everything of ours descends from."""
    # PostgreSQL is not ours by descent, for it puts itself into the background.
    path = Path(trial.environment["DATA_DIR"], "postgres", "postmaster.pid")
    postmaster = int(path.read_text().split("\n", 1)[0])
    return Cpu(
        product=sum(_seconds(process) for process in family(top)),
        database=sum(_seconds(process) for process in family(postmaster)),
        outside=outside,
    )


def family(pid: int) -> list[psutil.Process]:
    """A process and everything under it."""
    top = psutil.Process(pid)
    return [top, *top.children(recursive=True)]


def complaints(trial: Trial, *, most: int = 5) -> list[str]:
    """The last lines of a trial's log that end a traceback or begin with an error."""
    lines = trial.log.read_text(errors="replace").splitlines()
    return [line[:300] for line in lines if ERROR.match(line)][-most:]


def _seconds(process: psutil.Process) -> float:
    """With that of its children that have ended, so that nothing is lost when a worker is replaced."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system + times.children_user + times.children_system


def connect(trial: Trial) -> psycopg.Connection[Any]:
    """A connection of the bench's own to a trial's database."""
    return connect_to(Path(trial.environment["DATA_DIR"]))


def connect_to(data_dir: Path) -> psycopg.Connection[Any]:
    """The same, by the folder in which the database lies."""
    entry = embedded_postgres.settings(data_dir)
    return psycopg.connect(
        host=entry["HOST"], dbname=entry["NAME"], user=entry["USER"], password=entry["PASSWORD"], autocommit=True
    )
