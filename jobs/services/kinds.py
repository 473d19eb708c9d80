"""OK for this kind: a card that also gives a standing permission for calls like those it lists, in this thread."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError

from jobs.models import Job
from jobs.services.cards import Judged
from tools.models import Decision, Scope
from tools.standing import Kind, kind_check, kinds_of, standing_grant

WORD = "kind"
CHOICE = (WORD, "OK for this kind")


def kinds_for(job: Job, calls: Iterable[Judged]) -> list[Kind]:
    """The kinds that a card may offer to permit: those of all its calls, or none.

    None for a run that has read an outsider's text, and where one of the calls has no kind or may never have one.
    """
    asked = [each.call for each in calls if each.verdict.decision == Decision.ASK]
    if job.run is not None and job.run.tainted_by:
        return []
    kinds = [kinds_of(call) for call in asked]
    if not all(kinds):
        return []
    found = list(dict.fromkeys(kind for each in kinds for kind in each))
    try:
        for kind in found:
            kind_check(kind)
    except ValidationError:
        return []
    return found


def kinds_text(kinds: list[Kind]) -> str:
    """What the button permits, for the card; empty without one."""
    if not kinds:
        return ""
    words = "; ".join(f"{kind.tool}: {kind.words}" for kind in kinds)
    days = settings.STANDING_PERMISSION_DAYS
    return f"\n“{CHOICE[1]}” also permits from now on, in this chat, for {days} days: {words}"


def kinds_signed(kinds: list[Kind]) -> list[dict[str, Any]]:
    """The kinds as the card keeps them: what is granted is exactly what was shown."""
    return [asdict(kind) for kind in kinds]


def kinds_grant(job: Job, kinds: list[dict[str, Any]], *, actor: str) -> int:
    """Give the permissions that a card has shown; how many."""
    for kind in kinds:
        standing_grant(
            kind=Kind(**kind),
            scope=Scope.THREAD,
            scope_ref=f"thread:{job.thread_id}",
            expires_in=timedelta(days=settings.STANDING_PERMISSION_DAYS),
            max_uses=None,
            created_by=actor,
            reason=f"Permitted with the card of job {job.pk}.",
        )
    return len(kinds)
