"""What a bench prints: its figures beside their limits, and whether any limit was missed."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.support.machine import machine

MISSED = "MISSED"


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The distribution of one measure."""

    count: int
    median: float
    p95: float
    p99: float
    most: float

    def __str__(self) -> str:
        return f"median {self.median:.1f}, p95 {self.p95:.1f}, p99 {self.p99:.1f}, most {self.most:.1f}, n {self.count}"


def spread(values: Sequence[float]) -> Spread:
    """Raises ValueError when there are none."""
    ordered = sorted(values)
    return Spread(
        count=len(ordered),
        median=statistics.median(ordered),
        p95=_rank(ordered, 0.95),
        p99=_rank(ordered, 0.99),
        most=ordered[-1],
    )


def _rank(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least this share does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Report:
    """Prints as it goes; `code` is what the bench ends with."""

    def __init__(self, title: str) -> None:
        self.code = 0
        self.say(f"{title}\n{machine()}\n")

    def say(self, line: str = "") -> None:
        print(line, flush=True)

    def at_most(self, name: str, value: float, limit: float, unit: str) -> None:
        self._held(name, value, f"at most {limit:g}", unit, kept=value <= limit)

    def at_least(self, name: str, value: float, limit: float, unit: str) -> None:
        self._held(name, value, f"at least {limit:g}", unit, kept=value >= limit)

    def must(self, name: str, kept: bool, detail: str = "") -> None:
        """A yes or no among the figures."""
        self._line(name, "yes" if kept else "no", "must be yes" + (f" ({detail})" if detail else ""), kept=kept)

    def _held(self, name: str, value: float, wanted: str, unit: str, *, kept: bool) -> None:
        told = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
        self._line(name, f"{told} {unit}".strip(), f"{wanted} {unit}".strip(), kept=kept)

    def _line(self, name: str, value: str, wanted: str, *, kept: bool) -> None:
        if not kept:
            self.code = 1
        self.say(f"  {'ok    ' if kept else MISSED}  {name:52} {value:>14}   {wanted}")

    def end(self) -> int:
        self.say("\nAll limits held." if self.code == 0 else "\nA limit was missed, see above.")
        return self.code
