"""Carries notices to the owners' private chats."""

from django.utils import timezone

from common.transactions import joined
from ops.models import Notice
from threads.models import Delivery, Person, Thread
from threads.services import say


@joined
def notices_carry(*, limit: int = 20) -> int:
    """Queue what has not been told yet for each owner who has a private chat; returns how many notices were carried.

    Without any such chat they wait: the admin shows them.
    """
    waiting = list(
        Notice.objects.select_for_update(skip_locked=True).filter(carried_at__isnull=True).order_by("pk")[:limit]
    )
    homes = _owners_threads() if waiting else []
    if not homes:
        return 0
    for thread in homes:
        say(thread=thread, text="\n\n".join(notice.text for notice in waiting), purpose=Delivery.Purpose.NOTICE)
    Notice.objects.filter(pk__in=[notice.pk for notice in waiting]).update(carried_at=timezone.now())
    return len(waiting)


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
