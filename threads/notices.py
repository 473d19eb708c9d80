"""Carries notices to the owners' private chats; many of a kind become one, so that a storm of faults floods nobody."""

from collections import Counter, defaultdict
from datetime import timedelta

from django.utils import timezone

from common.text import shorten
from common.transactions import joined
from ops.models import Notice
from threads.models import Delivery, Person, Thread
from threads.services import say

PERIOD = timedelta(minutes=15)
MOST_OF_A_KIND = 3
"""So many of a kind are told one by one in a period; what comes beyond that waits, and is told as one."""


@joined
def notices_carry(*, limit: int = 500) -> int:
    """Queue what has not been told yet for each owner who has a private chat; returns how many notices were carried.

    Without any such chat they wait: the admin shows them. So do those of a kind of which enough was told just now.
    """
    waiting = list(
        Notice.objects.select_for_update(skip_locked=True).filter(carried_at__isnull=True).order_by("pk")[:limit]
    )
    homes = _owners_threads() if waiting else []
    if not homes:
        return 0
    carried = _not_held_back(waiting)
    if carried:
        text = "\n\n".join(_paragraphs(carried))
        for thread in homes:
            say(thread=thread, text=text, purpose=Delivery.Purpose.NOTICE)
        Notice.objects.filter(pk__in=[notice.pk for notice in carried]).update(carried_at=timezone.now())
    return len(carried)


def _not_held_back(waiting: list[Notice]) -> list[Notice]:
    """Those of kinds of which fewer than MOST_OF_A_KIND were told in the last PERIOD."""
    since = timezone.now() - PERIOD
    kinds = {notice.kind for notice in waiting}
    # Held back for a period at most, so that what was carried within it was made within two: an index finds it.
    told = Notice.objects.filter(kind__in=kinds, created_at__gt=since - PERIOD, carried_at__gt=since)
    counts = Counter(told.values_list("kind", flat=True))
    return [notice for notice in waiting if counts[notice.kind] < MOST_OF_A_KIND]


def _paragraphs(notices: list[Notice]) -> list[str]:
    """Each notice, in order; of a kind with too many one paragraph, where its first would stand."""
    by_kind: defaultdict[str, list[Notice]] = defaultdict(list)
    for notice in notices:
        by_kind[notice.kind].append(notice)
    paragraphs = []
    for notice in notices:
        alike = by_kind[notice.kind]
        if len(alike) <= MOST_OF_A_KIND:
            paragraphs.append(notice.text)
        elif notice is alike[0]:
            paragraphs.append(_as_one(alike))
    return paragraphs


def _as_one(alike: list[Notice]) -> str:
    """So many of one kind; what was said how often, the most frequent first."""
    since = timezone.localtime(alike[0].created_at).strftime("%H:%M")
    texts = Counter(shorten(notice.text, 200) for notice in alike).most_common(MOST_OF_A_KIND)
    lines = [f"- {text}" + (f" ({count} times)" if count > 1 else "") for text, count in texts]
    rest = len(alike) - sum(count for _, count in texts)
    more = [f"- and {rest} more, listed in the admin"] if rest else []
    return "\n".join([f"{len(alike)} notices of the kind “{alike[0].kind}” since {since}:", *lines, *more])


def _owners_threads() -> list[Thread]:
    """The private chats of the owners: in Telegram a private chat has its person's id."""
    owners = Person.objects.filter(state=Person.State.ALLOWED, role=Person.Role.OWNER)
    homes = [
        Thread.objects.filter(
            channel=owner.channel, address=owner.external_id, kind=Thread.Kind.PRIVATE, topic=""
        ).first()
        for owner in owners
    ]
    return [thread for thread in homes if thread is not None]
