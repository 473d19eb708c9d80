from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.support.figures import Report
from bench.support.storm import Storm
from bench.support.unsteady import Call


@dataclass(frozen=True, kw_only=True)
class After:
    """What is left of the storm. `crowd` is what the stand-in's people remember, see Crowd.record."""

    report: Report
    database: psycopg.Connection[Any]
    crowd: dict[str, Any]
    waiting: list[str]
    calls: list[Call]
    workspace: Path
    storm: Storm
    times_held: bool
    tell: bool = False
    median_limit: float = 5.0

    def one(self, query: str) -> Any:
        return self.database.execute(query).fetchall()[0][0]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.database.execute(query).fetchall()

    def none(self, name: str, found: list[Any] | int) -> None:
        """A count that must be 0; what was found is named beneath it."""
        count = found if isinstance(found, int) else len(found)
        self.report.at_most(name, count, 0, "")
        for one in [] if isinstance(found, int) else found[:5]:
            self.note(str(one))

    def note(self, text: str) -> None:
        """A figure that has no limit."""
        self.report.say(f"          {text}")
