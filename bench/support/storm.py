"""What goes wrong in `bench/chaos`, drawn from a seed: kills, stopped processes, faults of all that is outside."""

import random
import time
from collections import Counter
from dataclasses import dataclass

import psutil

from agent_site.trial import Trial
from bench.support.crowded import CrowdSide
from bench.support.faults import Faults
from bench.support.population import Population, Working
from bench.support.unsteady import Unsteady

IDLE_STOP, LONGEST_STOP = 25.0, 45.0
"""Seconds; a lease lasts 20 s, and the sweep that finds it lapsed comes every 10 s. Who holds none waits for none."""
DOWN_SECONDS = (1.0, 4.0)
CATCH_SECONDS = 3.0
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
STOPPABLE = ("cluster.work worker", "cluster.work worker", "cluster.talk worker", "cluster.work", "bridge")


@dataclass(frozen=True, kw_only=True)
class Kill:
    """`at` is of the wall clock, `ns` of the monotonic one. `in_work`: it held the lease of a run or a job."""

    name: str
    at: float
    ns: int
    in_work: bool


@dataclass(kw_only=True)
class Stopped:
    """A process that was stopped, the lease that it held at that moment, and whether somebody has taken it over."""

    name: str
    process: psutil.Process
    since: float
    work: Working | None
    overtaken: bool = False


class Storm:
    """`blow` makes one thing go wrong. Each draw is taken whether or not there is something to take, so that a seed
    repeats them."""

    def __init__(
        self, trial: Trial, telegram: CrowdSide, model: Unsteady, *, seed: int, stops: float, tell: bool
    ) -> None:
        self.trial, self.stops, self.tell = trial, stops, tell
        self.random = random.Random(seed)
        self.population = Population(trial)
        self.faults = Faults(self.population, telegram, model, random.Random(f"faults {seed}"), say=self._say)
        self.kills: list[Kill] = []
        self.stopped: list[Stopped] = []
        self.woken: list[Stopped] = []
        self.downs: list[tuple[float, float]] = []

    def blow(self) -> None:
        """One kill, and now and then a fault beside it. Whoever was stopped long enough is woken."""
        self.wake_due()
        if self.random.random() < 0.5:
            self.faults.one()
        draw, name, place = self.random.random(), self.random.choice(STOPPABLE), self.random.random()
        if draw < self.stops and not self.stopped:  # two of two workers would be an outage and no takeover
            self.stop_one(name, place)
        self.kill_one()

    def kill_one(self) -> None:
        name, place, down = self._draw(), self.random.random(), self.random.uniform(*DOWN_SECONDS)
        if name == "supervisor":
            self.kill_supervisor(down)
        elif name == "postgres":
            self.kill(name, self.population.postmaster())
        else:
            self.kill(name, self._one_of(name, place))

    def kill_supervisor(self, down: float) -> None:
        """With everything under it; it is away for `down` seconds, in which people go on writing."""
        process = self.trial.process
        assert process is not None
        began = time.time()
        self.kill("supervisor", psutil.Process(process.pid))
        process.wait()
        self.stopped.clear()  # they died with it
        self.population.forget()
        time.sleep(down)
        self.downs.append((began, time.time()))
        self.trial.start()

    def kill(self, name: str, process: psutil.Process | None) -> None:
        if process is None:
            return
        work = self.population.working().get(process.pid)
        try:
            process.kill()
        except psutil.NoSuchProcess:
            return
        self.kills.append(Kill(name=name, at=time.time(), ns=time.monotonic_ns(), in_work=work is not None))
        self._say(f"killed {name} ({process.pid}{', at work' if work else ''})")

    def stop_one(self, name: str, place: float) -> None:
        """SIGSTOP: of workers one that is at work, tried for some seconds; who is idle leaves nothing to take over."""
        until = time.monotonic() + CATCH_SECONDS
        while (process := self._one_of(name, place)) is not None:
            try:
                process.suspend()
                work = self.population.working().get(process.pid)  # asked when it can move no more
                if work is not None or not name.endswith("worker") or time.monotonic() > until:
                    break
                process.resume()
            except psutil.NoSuchProcess:
                return
        if process is None:
            return
        self.stopped.append(Stopped(name=name, process=process, since=time.monotonic(), work=work))
        self._say(f"stopped {name} ({process.pid}{', at work' if work else ''})")

    def wake_due(self, *, all_of_them: bool = False) -> None:
        """Lets go on whoever was stopped long enough: until his work was taken over, and a moment more."""
        for one in list(self.stopped):
            stood = time.monotonic() - one.since
            one.overtaken = one.overtaken or self.population.is_overtaken(one.work)
            if all_of_them or stood > (LONGEST_STOP if one.work else IDLE_STOP) or one.overtaken:
                self.stopped.remove(one)
                try:
                    one.process.resume()
                except psutil.NoSuchProcess:
                    continue
                self.woken.append(one)
                self._say(f"woke {one.name} ({one.process.pid}) after {stood:.0f} s{', overtaken' * one.overtaken}")

    def was_down(self, at: float) -> bool:
        """Whether all of the product was dead at that moment of the wall clock."""
        return any(began <= at <= ended for began, ended in self.downs)

    def calm(self) -> None:
        """Nothing more goes wrong from here on; who was stopped stays so for his time (see wake_due)."""
        self.faults.calm()

    def told(self) -> list[str]:
        """What was done, for the report."""
        kills, faults = Counter(kill.name for kill in self.kills), self.faults.done
        at_work = sum(kill.in_work for kill in self.kills)
        return [
            ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) for counts in (kills, faults)
        ] + [f"killed while it held a run or a job: {at_work}; stopped {len(self.woken) + len(self.stopped)}"]

    def _draw(self) -> str:
        return self.random.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0]

    def _one_of(self, name: str, place: float) -> psutil.Process | None:
        """One of that name that runs, and rather one that is at work."""
        still = {one.process.pid for one in self.stopped}
        found = [one for one, known in self.population.processes() if known == name and one.pid not in still]
        at_work = self.population.working()
        found = [one for one in found if one.pid in at_work] or found
        return found[int(place * len(found))] if found else None

    def _say(self, what: str) -> None:
        if self.tell:
            print(f"{time.strftime('%H:%M:%S')}  {what}", flush=True)
