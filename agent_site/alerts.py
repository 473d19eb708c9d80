"""Tells the master when a machine is nearly full or too much fails, and again when that is over.

Scheduled once a minute. Whether an alert stands is read from the notices, so it does not matter which process looks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from agent_site import measures
from ops.models import Notice
from ops.notices import notice
from ops.selectors import is_silent, processes

ALERT, ALL_CLEAR = "alert", "all_clear"
FULL_PERCENT, WELL_PERCENT = 90.0, 85.0
FAILED_SHARE, WELL_SHARE = 0.3, 0.15
LEAST_FAILED = 5
"""Fewer are an accident, not a rate."""
FAILURES = {
    "updates": ({"failed"}, "updates of Telegram"),
    "jobs": ({"failed", "dead"}, "jobs"),
    "deliveries": ({"failed"}, "deliveries"),
    "model_calls": ({"failed", "unknown"}, "model calls"),
    "tool_calls": ({"failed", "unknown"}, "tool calls"),
}
WHAT_TO_DO = {
    "cpu": "System → Processes shows who is at work; `/freeze` stops it.",
    "memory": "Restart with `./run restart` if it does not come down, or give the machine more.",
    "disk": "Make room: a full disk stops the database, and with it everything.",
}


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One thing that is looked at. Between `bad` and `well` an alert stays as it was."""

    key: str
    bad: bool
    well: bool
    alert: str
    all_clear: str


def look() -> int:
    """Scheduled: compares each reading with what was told last; returns how many notices that made."""
    return sum(_tell(reading) for reading in [*machines(), *failures()])


def machines() -> Iterator[Reading]:
    """CPU (over some minutes), memory and disk of each machine whose processes beat."""
    seen = set()
    for row in processes():
        for what, percent in row.detail.get("usage", {}).items():
            if (row.host, what) in seen or is_silent(row):
                continue
            seen.add((row.host, what))
            yield Reading(
                key=f"{what}@{row.host}",
                bad=percent > FULL_PERCENT,
                well=percent < WELL_PERCENT,
                alert=f"{what.capitalize()} of {row.host} is at {percent:.0f} %. {WHAT_TO_DO[what]}",
                all_clear=f"{what.capitalize()} of {row.host} is back at {percent:.0f} %.",
            )


def failures() -> Iterator[Reading]:
    """The share of each kind that failed of late."""
    rows = measures.recent()
    for kind, (outcomes, name) in FAILURES.items():
        total = sum(row.count for row in rows if row.kind == kind)
        failed = sum(row.count for row in rows if row.kind == kind and row.outcome in outcomes)
        share = failed / total if total else 0.0
        span = f"of the last {measures.MINUTES} minutes"
        yield Reading(
            key=kind,
            bad=failed >= LEAST_FAILED and share >= FAILED_SHARE,
            well=failed < LEAST_FAILED or share <= WELL_SHARE,
            alert=f"{failed} of {total} {name} {span} have failed. The admin and `/health` say why.",
            all_clear=f"The {name} go well again: {failed} of {total} {span} have failed.",
        )


def _tell(reading: Reading) -> bool:
    """Within the cooldown of an hour neither is repeated; what flaps is told once."""
    stands = _stands(reading.key)
    if reading.bad and not stands:
        return notice(kind=ALERT, key=reading.key, text=reading.alert, severity=Notice.Severity.WARNING) is not None
    if reading.well and stands:
        return notice(kind=ALL_CLEAR, key=reading.key, text=reading.all_clear) is not None
    return False


def _stands(key: str) -> bool:
    """Whether the last word about it was an alert: two indexed looks."""
    last = [
        Notice.objects.filter(kind=kind, key=key).order_by("-created_at").values_list("pk", flat=True).first() or 0
        for kind in (ALERT, ALL_CLEAR)
    ]
    return last[0] > last[1]
