"""What stands on an admin page below a row's own fields: tables and transcripts, put together by every app that knows
something of the row, in its `panels.py`. Whoever lies low knows the row by its label (`job:12`) only.

Everything that comes from people, models and tools is escaped here; nothing is ever marked safe that was not made by
`format_html`.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from common import discovery
from common.text import redact

LONG_TEXT = 1500
"""Characters that are shown at once; the rest is behind a click."""
MOST_TEXT = 100_000

TONES = {
    "good": ("done", "sent", "approved", "allowed", "handled", "completed", "settled", "ok", "allow", "connected"),
    "bad": ("failed", "dead", "rejected", "blocked", "refused", "unknown", "down", "deny", "error", "freeze"),
    "waiting": (
        "awaiting_approval",
        "pending",
        "waiting",
        "queued",
        "open",
        "ask",
        "asked",
        "expired",
        "degraded",
        "warning",
    ),
    "busy": ("executing", "classifying", "ready", "sending", "started", "processing", "stored"),
}
"""A word has the same colour on every page; all others are grey."""
_tone_of = {word: tone for tone, words in TONES.items() for word in words}


@dataclass(frozen=True, kw_only=True)
class Block:
    """A piece of a transcript: who, a line of facts about it, and its text or other parts, already escaped."""

    heading: str
    facts: Sequence[object] = ()
    body: Sequence[str] = ()
    tone: str = ""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A titled part of a page: rows under headers, or blocks. `empty` says in a sentence why there is nothing."""

    title: str
    empty: str
    headers: Sequence[str] = ()
    rows: Sequence[Sequence[object]] = ()
    blocks: Sequence[Block] = field(default=())
    footer: str = ""

    @property
    def cells(self) -> list[list[tuple[str, object]]]:
        """Each row's cells with their headers, which stand beside them on a narrow screen."""
        return [list(zip(self.headers, row, strict=True)) for row in self.rows]


PanelMaker = Callable[[HttpRequest, str], Panel]
_makers: dict[str, list[tuple[int, PanelMaker]]] = {}


def panel(kind: str, *, place: int) -> Callable[[PanelMaker], PanelMaker]:
    """Decorator: `make(request, ref)` makes a part of the page of each row with such a label, in order of `place`."""

    def keep(make: PanelMaker) -> PanelMaker:
        _makers.setdefault(kind, []).append((place, make))
        return make

    return keep


def panels_of(request: HttpRequest, ref: str) -> list[Panel]:
    """The registered parts of the page of the row that `ref` names."""
    discovery.load("panels")
    makers = sorted(_makers.get(ref.partition(":")[0], []), key=lambda entry: entry[0])
    return [make(request, ref) for _, make in makers]


@dataclass(frozen=True, kw_only=True)
class Column:
    """What an app above adds to a list: `annotate` reads it for the whole page, `show` makes a row's cell."""

    name: str
    title: str
    annotate: Callable[["QuerySet[Any]"], "QuerySet[Any]"]
    show: Callable[[Any], str]


_columns: dict[str, list[Column]] = {}


def column(kind: str, added: Column) -> None:
    """Add a column to the list of the rows with such a label."""
    _columns.setdefault(kind, []).append(added)


def columns_of(kind: str) -> list[Column]:
    """The columns that other apps add to a list."""
    discovery.load("panels")
    return _columns.get(kind, [])


def badge(state: str, label: str = "") -> str:
    """A state that can be seen: its label on the colour of its word."""
    return format_html('<span class="sa-badge sa-{}">{}</span>', _tone_of.get(state, "plain"), label or state)


def moment(at: datetime | None) -> str:
    """A time in the owner's zone, to the second."""
    if at is None:
        return "-"
    return format_html('<time datetime="{}">{}</time>', at.isoformat(), f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}")


def ago(at: datetime | None) -> str:
    """How long ago a time was, in its largest unit; the exact time on hover."""
    if at is None:
        return "never"
    seconds = max((timezone.now() - at).total_seconds(), 0)
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    size, unit = next((pair for pair in units if seconds >= pair[0]), units[-1])
    shown = f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"
    return format_html(
        '<time datetime="{}" title="{}">{} {} ago</time>', at.isoformat(), shown, int(seconds // size), unit
    )


def usd(amount: Decimal | None) -> str:
    """Money to a hundredth of a cent; an unknown price is said, never shown as zero."""
    return "unknown" if amount is None else f"${amount:,.4f}"


def text(content: str, *, prose: bool = False) -> str:
    """A text as it was written, escaped and without secrets; a long one opens on a click.

    `prose` is set like a letter, everything else like a listing.
    """
    style = "sa-text sa-prose" if prose else "sa-text"
    shown = redact(content[:MOST_TEXT]) + (
        f"\n… {len(content):,} characters in all" if len(content) > MOST_TEXT else ""
    )
    if not shown.strip():
        return format_html('<p class="sa-empty">{}</p>', "(empty)")
    if len(shown) <= LONG_TEXT:
        return format_html('<pre class="{}">{}</pre>', style, shown)
    return format_html(
        '<details><summary>{}…</summary><pre class="{}">{}</pre></details>',
        " ".join(shown[:200].split()),
        style,
        shown,
    )


def data(value: Any) -> str:
    """A JSON value, indented."""
    return text(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def lines(parts: Sequence[object]) -> str:
    """Several values in one cell, one below the other."""
    return format_html_join("", "<div>{}</div>", ((part,) for part in parts)) or "-"
