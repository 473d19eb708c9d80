"""Dead letters: what could not be sent or handled and waits for a person. Apps register theirs in `dead_letters.py`."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model, QuerySet

from common import discovery
from common.errors import AgentError
from common.text import shorten

MOST = 1000
NUMBERS = re.compile(r"\d+(\.\d+)?")


class NoSuchLetter(AgentError):
    """There is no such dead letter; `manage.py dead_letters` lists them."""


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """One of them as a person reads it. `where`: the chat or sender; `text`: what it says, as far as that is known."""

    ref: str
    reason: str
    since: datetime
    attempts: int
    where: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Pile:
    """The dead letters of one direction: how to find, describe and retry them. `reason` names the column with it."""

    kind: str
    rows: Callable[[], "QuerySet[Any]"]
    describe: Callable[[Any], DeadLetter]
    retry: Callable[[Any, str], object]
    reason: str = "error"


@dataclass(frozen=True, kw_only=True)
class Cause:
    """A reason without its numbers, how many died of it, and the first and last of them."""

    text: str
    count: int
    oldest: datetime
    newest: datetime


_piles: dict[str, Pile] = {}


def register(pile: Pile) -> Pile:
    """Make a pile known under its kind."""
    _piles[pile.kind] = pile
    return pile


def piles() -> list[Pile]:
    """Every pile, by kind."""
    discovery.load("dead_letters")
    return [_piles[kind] for kind in sorted(_piles)]


def cause_of(reason: str) -> str:
    """A reason without what differs from case to case, so that the same fault is counted as one."""
    return shorten(NUMBERS.sub("#", reason.partition("\n")[0]).strip() or "No reason was kept.", 160)


def causes(pile: Pile) -> list[Cause]:
    """What the letters of a pile died of, the most frequent first. At most 1,000 letters are looked at."""
    found: dict[str, list[datetime]] = {}
    for row in pile.rows()[:MOST]:
        letter = pile.describe(row)
        found.setdefault(cause_of(letter.reason), []).append(letter.since)
    all_causes = [
        Cause(text=text, count=len(times), oldest=min(times), newest=max(times)) for text, times in found.items()
    ]
    return sorted(all_causes, key=lambda cause: -cause.count)


def of_cause(pile: Pile, cause: str) -> list[int]:
    """The keys of the letters that died of one cause."""
    reasons = pile.rows().values_list("pk", pile.reason)[:MOST]
    return [pk for pk, reason in reasons if cause_of(reason) == cause]


def letters() -> Iterator[tuple[Pile, Model]]:
    """Every dead letter with its pile, the oldest of each pile first: the order in which they are to be retried."""
    for pile in piles():
        for row in pile.rows().order_by("pk"):
            yield pile, row


def letter_of(ref: str) -> tuple[Pile, Model]:
    """The dead letter of a label such as `delivery:12`. Raises NoSuchLetter."""
    kind, _, pk = ref.partition(":")
    discovery.load("dead_letters")
    if kind in _piles and pk.isdecimal() and len(pk) < 18:
        row = _piles[kind].rows().filter(pk=int(pk)).first()
        if row is not None:
            return _piles[kind], row
    raise NoSuchLetter(f"There is no dead letter {ref}; `manage.py dead_letters` lists them.")
