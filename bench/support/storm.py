"""What goes wrong in `bench/chaos`, drawn from a seed: kills, stopped processes, faults of Telegram and the model."""

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg

from agent_site import embedded_postgres
from agent_site.trial import Trial
from bench.support.crowd import CrowdSide
from bench.support.instance import connect
from bench.support.unsteady import Unsteady
from common.errors import AgentError

BEYOND_LEASE = 25.0
"""Seconds; a lease lasts 20 s."""
WEIGHTS = {
    "cluster.work worker": 30,
    "cluster.talk worker": 20,
    "bridge": 14,
    "cluster.work": 8,
    "cluster.talk": 8,
    "web worker": 6,
    "web": 4,
    "postgres": 5,
    "supervisor": 5,
}
STOPPABLE = ("cluster.work worker", "cluster.talk worker", "cluster.work", "cluster.talk", "bridge", "web worker")


class Storm:
    """`blow` makes one thing go wrong; `kills` counts the processes that were killed, by what they were."""

    def __init__(
        self, trial: Trial, telegram: CrowdSide, model: Unsteady, *, seed: int, stops: bool, tell: bool
    ) -> None:
        self.trial, self.telegram, self.model, self.stops, self.tell = trial, telegram, model, stops, tell
        self.random = random.Random(seed)
        self.kills: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.stopped: list[tuple[float, psutil.Process]] = []
        self.killed_ns: list[tuple[str, int]] = []
        self.names: dict[int, str] = {}

    @property
    def count(self) -> int:
        return len(self.killed_ns)

    def blow(self) -> None:
        """One kill, and now and then a fault beside it. Whoever was stopped long enough is woken."""
        self.wake_due()
        if self.random.random() < 0.5:
            self.random.choice([self.telegram_fault, self.model_fault])()
        if self.stops and self.random.random() < 0.08:
            self.stop_one()
        self.kill_one()

    def kill_one(self) -> None:
        names = list(WEIGHTS)
        name = self.random.choices(names, weights=[WEIGHTS[name] for name in names])[0]
        if name == "supervisor":
            self.kill_supervisor()
        elif name == "postgres":
            self.kill(name, postmaster(self.trial))
        else:
            self.kill(name, self._one_of(name))

    def kill_supervisor(self) -> None:
        process = self.trial.process
        assert process is not None
        self.kill("supervisor", psutil.Process(process.pid))
        process.wait()
        self.names.clear()
        self.trial.start()

    def kill(self, name: str, process: psutil.Process | None) -> None:
        if process is None:
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            self.kills[name] += 1
            self.killed_ns.append((name, time.monotonic_ns()))
            self._say(f"killed {name} ({process.pid})")

    def stop_one(self) -> None:
        name = self.random.choice(STOPPABLE)
        process = self._one_of(name)
        if process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
                self.stopped.append((time.monotonic() + BEYOND_LEASE, process))
                self.faults[f"stopped for {BEYOND_LEASE:g} s: {name}"] += 1
                self._say(f"stopped {name} ({process.pid})")

    def wake_due(self, *, all_of_them: bool = False) -> None:
        """Lets stopped processes go on whose time is over."""
        now = time.monotonic()
        for at, process in list(self.stopped):
            if all_of_them or at <= now:
                self.stopped.remove((at, process))
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()
                    self._say(f"woke {process.pid}")

    def telegram_fault(self) -> None:
        choices: dict[str, Callable[[], object]] = {
            "Telegram: 429 to sends": lambda: self._fail("sendMessage", status=429, n=2, retry_after=1),
            "Telegram: 502 to sends": lambda: self._fail("sendMessage", status=502, n=2),
            "Telegram: 500 to all": lambda: self._fail("*", status=500, n=3),
            "Telegram: cut after a send": lambda: self.telegram.call("reset_after", method="sendMessage"),
            "Telegram: cut before a send": lambda: self.telegram.call("reset_before", method="sendMessage"),
            "Telegram: cut after an edit": lambda: self.telegram.call("reset_after", method="editMessageText"),
            "Telegram: cut while polling": lambda: self.telegram.call("reset_before", method="getUpdates"),
            "Telegram: offline for 3 s": lambda: self.telegram.bench("go_offline", seconds=3.0),
        }
        self._order(choices)

    def model_fault(self) -> None:
        choices: dict[str, Callable[[], object]] = {
            "model: 429": lambda: self.model.order(fail={"status": 429, "n": 2, "retry_after": 1}),
            "model: 529": lambda: self.model.order(fail={"status": 529, "n": 2}),
            "model: 500": lambda: self.model.order(fail={"status": 500, "n": 1}),
            "model: a cut stream": lambda: self.model.order(cut={"after_events": 3, "n": 1, "end": "cut"}),
            "model: a stream closed early": lambda: self.model.order(cut={"after_events": 4, "n": 1, "end": "closed"}),
            "model: an error in a stream": lambda: self.model.order(cut={"after_events": 2, "n": 1, "end": "error"}),
        }
        self._order(choices)

    def calm(self) -> None:
        """Nothing more goes wrong from here on."""
        self.wake_due(all_of_them=True)
        self.telegram.bench("calm")
        self.model.order(clear={})

    def _fail(self, method: str, **arguments: int) -> None:
        self.telegram.call("fail_next", method=method, **arguments)

    def _order(self, choices: dict[str, Callable[[], object]]) -> None:
        name = self.random.choice(list(choices))
        choices[name]()
        self.faults[name] += 1
        self._say(name)

    def _one_of(self, name: str) -> psutil.Process | None:
        found = [process for process, known in self._processes() if known == name]
        return self.random.choice(found) if found else None

    def _processes(self) -> list[tuple[psutil.Process, str]]:
        """The product's own processes (not what its tools started), each with what it is."""
        assert self.trial.process is not None
        self._learn_names()
        found: list[tuple[psutil.Process, str]] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.trial.process.pid).children():
                name = self.names.get(child.pid, "")
                found.append((child, name))
                with contextlib.suppress(psutil.NoSuchProcess):
                    found += [(under, f"{name} worker") for under in child.children()]
        return found

    def _learn_names(self) -> None:
        """From the heartbeats; the web server has none, and is whoever holds workers but is no cluster."""
        # To connect would start a PostgreSQL that is away: that is the product's to do.
        if embedded_postgres.is_running(Path(self.trial.environment["DATA_DIR"])):
            with contextlib.suppress(psycopg.Error, AgentError), connect(self.trial) as database:
                self.names |= {pid: name for name, pid in database.execute("SELECT name, pid FROM ops_heartbeat")}
        with contextlib.suppress(psutil.NoSuchProcess, AssertionError):
            assert self.trial.process is not None
            for child in psutil.Process(self.trial.process.pid).children():
                if child.pid not in self.names and time.time() - child.create_time() > 3 and child.children():
                    self.names[child.pid] = "web"

    def _say(self, what: str) -> None:
        if self.tell:
            print(f"{time.strftime('%H:%M:%S')}  {what}", flush=True)


def postmaster(trial: Trial) -> psutil.Process | None:
    """The embedded PostgreSQL's first process, if it runs."""
    path = Path(trial.environment["DATA_DIR"], "postgres", "postmaster.pid")
    try:
        process = psutil.Process(int(path.read_text().split("\n", 1)[0]))
        return process if process.name().startswith("postgres") else None
    except (OSError, ValueError, psutil.NoSuchProcess):
        return None
