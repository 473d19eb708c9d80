"""Health checks: each app registers its own in `health.py`; the page asks them all."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from common import discovery


class Level(StrEnum):
    """OK works; DEGRADED works with something missing; DOWN can't do its work."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one check found; `reason` is a sentence, empty when all is well."""

    level: Level
    reason: str = ""


_checks: dict[str, Callable[[], Result]] = {}
ORDER = [Level.OK, Level.DEGRADED, Level.DOWN]


def register(name: str) -> Callable[[Callable[[], Result]], Callable[[], Result]]:
    """Decorator: `check()` is asked under `name` whenever somebody looks at /health."""

    def keep(check: Callable[[], Result]) -> Callable[[], Result]:
        _checks[name] = check
        return check

    return keep


def report() -> tuple[Level, dict[str, Result], float]:
    """The worst level, each check's result by name, and the milliseconds that asking took."""
    discovery.load("health")
    began = time.perf_counter()
    results = {name: _ask(check) for name, check in sorted(_checks.items())}
    worst = max((result.level for result in results.values()), key=ORDER.index, default=Level.OK)
    return worst, results, (time.perf_counter() - began) * 1000


def _ask(check: Callable[[], Result]) -> Result:
    # A check that breaks is itself a finding: the page must answer whatever is wrong.
    try:
        return check()
    except Exception as error:
        return Result(level=Level.DOWN, reason=f"The check failed: {type(error).__name__}.")
