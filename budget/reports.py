"""What was spent: sums over the ledger. Reads only."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum

from budget.limits import setting_amounts, shown
from budget.models import LedgerEntry, Limit
from budget.prices import today

TOKENS = (
    F("input_tokens")
    + F("output_tokens")
    + F("cache_write_5m_tokens")
    + F("cache_write_1h_tokens")
    + F("cache_read_tokens")
)
GROUPS = {"model": "model", "scope": "scope", "job": "job_ref"}


@dataclass(frozen=True, kw_only=True)
class Spend:
    """Calls, counted tokens and USD of one group. `unpriced`: calls whose cost is unknown, and not in `usd`;
    `flagged`: calls charged at their reservation, because their end is unknown."""

    name: str
    calls: int
    tokens: int
    usd: Decimal
    unpriced: int
    flagged: int


@dataclass(frozen=True, kw_only=True)
class LimitState:
    """A limit today, its figures in its unit (usd or tokens)."""

    name: str
    unit: str
    amount: Decimal
    used: Decimal
    reserved: Decimal

    def __str__(self) -> str:
        held = f" and {shown(self.reserved, self.unit)} held by open calls" if self.reserved else ""
        return f"{self.name}: {shown(self.used, self.unit)} of {shown(self.amount, self.unit)} used{held}"


def spend_total(*, day: date | None = None) -> Spend:
    """All of one UTC day (today)."""
    return _spend(_entries(day).annotate(group=F("day")).values("group"), "total", empty=True)[0]


def spend_by(group: str, *, day: date | None = None, top: int = 50) -> list[Spend]:
    """One UTC day (today) by `group`, a key of GROUPS; the dearest first."""
    rows = _entries(day).annotate(group=F(GROUPS[group])).values("group")
    return _spend(rows, "")[:top]


def limit_states() -> list[LimitState]:
    """Every limit that is on, with what is used and reserved on this UTC day."""
    amounts = setting_amounts()
    return [
        LimitState(
            name=limit.name,
            unit=limit.unit,
            amount=Decimal(amounts[limit.name]) if limit.amount is None else limit.amount,
            # Counters of an earlier day stay until the next reservation starts them anew.
            used=limit.used if limit.day == today() else Decimal(0),
            reserved=limit.reserved if limit.day == today() else Decimal(0),
        )
        for limit in Limit.objects.filter(enabled=True)
    ]


def _entries(day: date | None) -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(day=day or today()).order_by()


def _spend(rows: "QuerySet[LedgerEntry, Any]", name: str, *, empty: bool = False) -> list[Spend]:
    summed = rows.annotate(
        calls=Count("id"),
        counted=Sum(TOKENS),
        usd=Sum("cost_usd"),
        unpriced=Count("id", filter=Q(cost_usd__isnull=True)),
        flagged=Count("id", filter=Q(outcome=LedgerEntry.Outcome.UNKNOWN)),
    )
    found = [
        Spend(
            name=name or str(row["group"]) or "(none)",
            calls=row["calls"],
            tokens=row["counted"],
            usd=row["usd"] or Decimal(0),
            unpriced=row["unpriced"],
            flagged=row["flagged"],
        )
        for row in summed
    ]
    none = Spend(name=name, calls=0, tokens=0, usd=Decimal(0), unpriced=0, flagged=0)
    return sorted(found, key=lambda spend: (-spend.usd, -spend.tokens)) or ([none] if empty else [])
