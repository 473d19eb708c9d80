"""`manage.py price`: a line filter. {"model", "usage", "at", "batch", "geo", "speed"} in, {"usd": "0.0123"} out.

`usage` is the Messages API's object; `at` an ISO date or time (now). Null: unknown, with a sentence in "reason".
"""

import json
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand

from budget.prices import usage_cost, usage_from_api


class Command(BaseCommand):
    help = "Prices usage: one JSON object a line in, one JSON object a line out."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        for line in sys.stdin:
            if line.strip():
                self.stdout.write(json.dumps(_priced(line)))
                self.stdout.flush()


def _priced(line: str) -> dict[str, str | None]:
    try:
        asked = json.loads(line)
        usage = usage_from_api(
            asked.get("usage") or {},
            batch=bool(asked.get("batch")),
            geo=asked.get("geo"),
            speed=asked.get("speed"),
        )
        cost = usage_cost(model=str(asked.get("model") or ""), usage=usage, at=_day(asked.get("at")))
    except (ValueError, TypeError, AttributeError, ArithmeticError) as error:
        return {"usd": None, "reason": f"This line can't be read: {error}"}
    if cost is None:
        return {"usd": None, "reason": "There is no price for this model on that day and at that speed."}
    return {"usd": _plain(cost)}


def _plain(cost: Decimal) -> str:
    """Exact, without an exponent and trailing zeros."""
    return f"{cost.normalize():f}" if cost else "0"


def _day(at: Any) -> date | None:
    """The UTC day of an ISO date, a time (UTC if it names no zone), or seconds since 1970; None for now."""
    if at in (None, ""):
        return None
    if isinstance(at, int | float):
        return datetime.fromtimestamp(at, UTC).date()
    moment = datetime.fromisoformat(str(at))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).date()
