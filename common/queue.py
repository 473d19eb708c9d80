"""The one door to django-q2. A task carries a row id and nothing else: it is a hint that the row wants attention.

Whatever a task does must be safe to repeat, late or in another order; a sweep finds rows whose hint was lost.
"""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.signing import SignedPackage

from common import broker, discovery
from common.errors import AgentError, StopCheck

TaskFunction = Callable[[int], object]


class Lane(TextChoices):
    """Talk answers people and must never wait behind work."""

    TALK = "talk", "Talk"
    WORK = "work", "Work"


class UnknownTask(AgentError):
    """Only functions registered in a tasks.py or in the schedule run in the cluster."""


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A function that the cluster may run for a row."""

    name: str
    lane: Lane
    function: TaskFunction
    path: str


_tasks: dict[str, Registered] = {}
_paths: dict[str, Registered] = {}
_scheduled: set[str] = set()


def _never() -> bool:
    return False


_stop_check: StopCheck = _never


def task(name: str, *, lane: Lane) -> Callable[[TaskFunction], TaskFunction]:
    """Registers a function of one row id under a short name, as in `@task("run.advance", lane=Lane.WORK)`."""

    def register(function: TaskFunction) -> TaskFunction:
        path = f"{function.__module__}.{function.__qualname__}"
        if name in _tasks and _tasks[name].path != path:
            raise UnknownTask(f"The task name {name} is taken by {_tasks[name].path}.")
        _tasks[name] = _paths[path] = Registered(name=name, lane=lane, function=function, path=path)
        return function

    return register


def enqueue(name: str, row_id: int, *, after: float = 0.0) -> None:
    """Asks the cluster to run task `name` for a row once the current transaction has committed, and (about 2 s more or
    less) `after` so many seconds. One SQL round trip."""
    registered = find(name)
    package = {
        "id": uuid.uuid4().hex,
        "name": f"{name} {row_id}",
        "func": registered.path,
        "args": (row_id,),
        "kwargs": {},
        "started": timezone.now(),
    }
    if after > 0:
        broker.insert_later(registered.lane.value, SignedPackage.dumps(package), after=after)
    else:
        broker.insert(registered.lane.value, SignedPackage.dumps(package))


def run_now(name: str, row_id: int) -> None:
    """Runs a task here and now, for tests and commands."""
    find(name).function(row_id)


def find(name: str) -> Registered:
    """The registered task of that name; the apps' `tasks.py` are read on first use. Raises UnknownTask."""
    if name not in _tasks:
        discovery.load("tasks")
    try:
        return _tasks[name]
    except KeyError:
        raise UnknownTask(f"No tasks.py registers the task {name}.") from None


def allow_scheduled(paths: Iterable[str]) -> None:
    """Lets the cluster run these dotted functions without arguments: the schedule's table."""
    _scheduled.update(paths)


def execute(path: str, args: tuple[object, ...]) -> None:
    """Runs what a queue row names: a registered task with its row id, or a scheduled function. Raises UnknownTask."""
    match args:
        case (int() as row_id,) if path in _paths:
            _paths[path].function(row_id)
        case () if path in _scheduled:
            import_string(path)()
        case _:
            raise UnknownTask(f"Refused to run {path}{args!r}: only registered tasks run, with a row id.")


def draining() -> bool:
    """Whether this worker was told to stop: a long task parks at its next step instead of being killed."""
    return _stop_check()


def drain_when(check: StopCheck) -> None:
    """A worker process says here how its tasks learn that it was told to stop."""
    global _stop_check
    _stop_check = check


def backlog(lane: Lane) -> int:
    """How many tasks of a lane wait for a worker (those at work not counted)."""
    return broker.waiting(lane.value)
