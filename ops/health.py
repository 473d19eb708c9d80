"""Health checks: each app registers its own in `health.py`; the page asks them all."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from common import discovery
from ops.selectors import connections_failing


class Level(StrEnum):
    """OK works; DEGRADED works with something missing; DOWN can't do its work."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one check found; `reason` is a sentence, empty when all is well; `better` says what would mend it."""

    level: Level
    reason: str = ""
    better: str = ""


_checks: dict[str, Callable[[], Result]] = {}
_without_database: set[str] = set()
ORDER = [Level.OK, Level.DEGRADED, Level.DOWN]
DATABASE = "database"
"""The check that is asked first: when it is down, the others would hang or fail for the same reason."""
NOT_ASKED = Result(level=Level.DOWN, reason="Not asked: the database does not answer.")


def register(name: str, *, needs_database: bool = True) -> Callable[[Callable[[], Result]], Callable[[], Result]]:
    """Decorator: `check()` is asked under `name` whenever somebody looks at /health."""

    def keep(check: Callable[[], Result]) -> Callable[[], Result]:
        _checks[name] = check
        if not needs_database:
            _without_database.add(name)
        return check

    return keep


def report() -> tuple[Level, dict[str, Result], float]:
    """The worst level, each check's result by name, and the milliseconds that asking took."""
    discovery.load("health")
    began = time.perf_counter()
    first = _ask(_checks[DATABASE]) if DATABASE in _checks else Result(level=Level.OK)
    results = {name: _result(name, first) for name in sorted(_checks)}
    worst = max((result.level for result in results.values()), key=ORDER.index, default=Level.OK)
    return worst, results, (time.perf_counter() - began) * 1000


def of_connections(*names: str) -> Result:
    """Degraded, with since when and why, where one of these connections fails on any host."""
    failing = connections_failing(*names)
    if not failing:
        return Result(level=Level.OK)
    return Result(level=Level.DEGRADED, reason=" ".join(row.sentence() for row in failing))


def _result(name: str, database: Result) -> Result:
    if name == DATABASE:
        return database
    if database.level == Level.DOWN and name not in _without_database:
        return NOT_ASKED
    return _ask(_checks[name])


def _ask(check: Callable[[], Result]) -> Result:
    # A check that breaks is itself a finding: the page must answer whatever is wrong.
    try:
        return check()
    except Exception as error:
        return Result(level=Level.DOWN, reason=f"The check failed: {type(error).__name__}.")
