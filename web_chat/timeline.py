"""The conversation as its reader sees it: what he said, what was said to him, each with its latest text."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import OuterRef, Q, QuerySet, Subquery

from approvals.models import Approval
from threads.models import Delivery, Message

PAGE = 40
NEW_LIMIT = 200
CURSOR = re.compile(r"([0-9]{0,17})-([0-9]{0,17})")
OVERLAP = timedelta(seconds=30)
"""Rows may be committed later than they say; so far back each look goes again. Readers drop what they know."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """The buttons under a question; `open` while it waits for an answer."""

    approval_id: int
    revision: int
    kind: str
    choices: list[tuple[str, str]]
    open: bool


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing in the conversation. `key` stays the same over its edits; `job` is a number, None without a job."""

    key: str
    mine: bool
    text: str
    at: datetime
    job: int | None = None
    card: Card | None = field(default=None)


@dataclass(frozen=True, kw_only=True)
class Page:
    """Items, oldest first, and the cursor of what is before them (empty: nothing is)."""

    items: list[Item]
    earlier: str


def page_before(*, thread_id: int, cursor: str = "") -> Page:
    """The last PAGE items before a cursor of an earlier page, or before now."""
    message_id, delivery_id = _parse(cursor)
    messages = list(_said(thread_id).filter(_below(message_id)).order_by("-pk")[: PAGE + 1])
    deliveries = list(_told(thread_id).filter(_below(delivery_id)).order_by("-pk")[: PAGE + 1])
    rows: list[Message | Delivery] = sorted([*messages, *deliveries], key=lambda row: row.created_at, reverse=True)
    shown = rows[:PAGE]
    if len(rows) <= PAGE:
        return Page(items=_items(reversed(shown)), earlier="")
    first_message = min((row.pk for row in shown if isinstance(row, Message)), default=message_id)
    first_delivery = min((row.pk for row in shown if isinstance(row, Delivery)), default=delivery_id)
    return Page(items=_items(reversed(shown)), earlier=f"{first_message or ''}-{first_delivery or ''}")


def items_since(*, thread_id: int, moment: datetime) -> list[Item] | None:
    """What was said or edited since a moment, oldest first; None where it is so much that a page is to be read anew."""
    since = moment - OVERLAP
    edits = Delivery.objects.filter(thread_id=thread_id, kind=Delivery.Kind.EDIT, created_at__gte=since)
    changed = Q(created_at__gte=since) | Q(pk__in=edits.values("edits_id"))
    messages = list(_said(thread_id).filter(created_at__gte=since)[:NEW_LIMIT])
    deliveries = list(_told(thread_id).filter(changed)[:NEW_LIMIT])
    if max(len(messages), len(deliveries)) == NEW_LIMIT:
        return None
    return _items(sorted([*messages, *deliveries], key=lambda row: row.created_at))


def _said(thread_id: int) -> QuerySet[Message]:
    return Message.objects.filter(thread_id=thread_id, role=Message.Role.USER).select_related("job_message")


def _told(thread_id: int) -> QuerySet[Delivery]:
    latest = Delivery.objects.filter(edits=OuterRef("pk")).order_by("-pk").values("text")[:1]
    sends = Delivery.objects.filter(thread_id=thread_id, kind=Delivery.Kind.SEND)
    return sends.select_related("approval").annotate(latest_text=Subquery(latest))


def _below(pk: int | None) -> Q:
    return Q() if pk is None else Q(pk__lt=pk)


def _parse(cursor: str) -> tuple[int | None, int | None]:
    """Message and delivery number of a cursor such as `12-34`; a missing one stands for the end."""
    found = CURSOR.fullmatch(cursor)
    message, delivery = found.groups() if found else ("", "")
    return int(message) if message else None, int(delivery) if delivery else None


def _items(rows: Iterable[Message | Delivery]) -> list[Item]:
    return [_message(row) if isinstance(row, Message) else _delivery(row) for row in rows]


def _message(row: Message) -> Item:
    link = getattr(row, "job_message", None)
    return Item(key=f"m{row.pk}", mine=True, text=row.text, at=row.created_at, job=link.job_id if link else None)


def _delivery(row: Delivery) -> Item:
    text = getattr(row, "latest_text", None) or row.text
    number = row.job_ref.removeprefix("job:")
    return Item(
        key=f"d{row.pk}",
        mine=False,
        text=text,
        at=row.created_at,
        job=int(number) if number.isdecimal() else None,
        card=_card(row),
    )


def _card(row: Delivery) -> Card | None:
    approval = row.approval
    if approval is None:
        return None
    return Card(
        approval_id=approval.pk,
        revision=approval.revision,
        kind=approval.kind,
        choices=[(word, label) for word, label in row.buttons],
        open=approval.state == Approval.State.PENDING,
    )
