"""No message stays without a word: whoever has heard nothing for too long is told what is going on.

Each message has a time by which something must have been said about it (`Message.due_at`). The sweep looks at those
that are due: what was answered is owed nothing more; for the others one sentence a chat is said, and the next one is
due after twice the time. Said means written into the outbox: what the channel does with it is the outbox's business.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max
from django.utils import timezone

from common.text import shorten
from common.transactions import joined
from jobs.models import Job, Question
from jobs.services.intake import job_for
from jobs.services.situation import situation
from jobs.states import OPEN, State
from threads.models import Delivery, Message, Thread
from threads.services import say

LONGEST = timedelta(hours=6)
LINES = 5
UNSAID = (Delivery.State.FAILED, Delivery.State.SUPERSEDED)


@dataclass(frozen=True, kw_only=True)
class Owed:
    """What a due message needs: a line to its sender (empty: none), and when it is to be looked at again (or never)."""

    message: Message
    next_at: datetime | None
    line: str = ""
    job: Job | None = None


def silence_break(*, limit: int = 100) -> int:
    """Look at the messages that are due; returns how many chats were told something."""
    due = Message.objects.filter(due_at__lte=timezone.now()).order_by("due_at").values_list("thread_id", flat=True)
    return sum(_chat_told(thread_id) for thread_id in dict.fromkeys(due[:limit]))


@joined
def _chat_told(thread_id: int) -> bool:
    """One chat: what is owed to each of its due messages, said together. Its lock keeps two sweeps from saying it."""
    thread = Thread.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=thread_id).first()
    if thread is None:
        return False
    due = Message.objects.filter(thread=thread, due_at__lte=timezone.now()).order_by("pk").select_related("person")[:50]
    owed = [_owed(message, thread) for message in due]
    for each in owed:
        told = each.message.reminders + bool(each.line)
        Message.objects.filter(pk=each.message.pk).update(due_at=each.next_at, reminders=told)
    return _tell(thread, [each for each in owed if each.line])


def _tell(thread: Thread, owed: list[Owed]) -> bool:
    lines = list(dict.fromkeys(each.line for each in owed))
    if not lines:
        return False
    jobs = {each.job.ref for each in owed if each.job is not None}
    more = [f"… and {len(lines) - LINES} more; /jobs lists them."] if len(lines) > LINES else []
    text = "\n".join([*lines[:LINES], *more])
    say(thread=thread, text=text, job_ref=jobs.pop() if len(jobs) == 1 else "", purpose=Delivery.Purpose.PROGRESS)
    return True


def _owed(message: Message, thread: Thread) -> Owed:
    job = Job.objects.filter(job_messages__message=message).select_related("run").first()
    last = _last_said(message, job)
    if job is None:
        question = Question.objects.filter(message=message).select_related("job").first()
        if question is not None:
            return _about_a_card(message, question)
        return _without_job(message, thread, was_answered=last is not None)
    if job.state not in OPEN:
        return Owed(message=message, next_at=None)
    interval = interval_after(message.reminders)
    if job.state == State.AWAITING:  # its card stands in the chat
        return Owed(message=message, next_at=timezone.now() + interval)
    if last is not None and last + interval > timezone.now():
        return Owed(message=message, next_at=last + interval)
    following = timezone.now() + interval_after(message.reminders + 1)
    return Owed(message=message, next_at=following, line=situation(job), job=job)


def _without_job(message: Message, thread: Thread, *, was_answered: bool) -> Owed:
    """A command or an observer's message was answered at once. A message with neither job nor answer gets its job."""
    person = message.person
    if was_answered or person is None or person.state != person.State.ALLOWED or not person.may_decide:
        return Owed(message=message, next_at=None)
    job = job_for(thread, message, person)
    when = timezone.localtime(message.said_at).strftime("%H:%M")
    line = f"I had not taken up what you wrote at {when} (“{shorten(message.text, 60)}”); I do now, as job {job.pk}."
    return Owed(message=message, next_at=timezone.now() + interval_after(1), line=line, job=job)


def _about_a_card(message: Message, question: Question) -> Owed:
    if question.answered_at is not None:
        return Owed(message=message, next_at=None)
    line = (
        f"Your question about the card of job {question.job_id} is not answered yet; I am at it. The card stays open."
    )
    following = timezone.now() + interval_after(message.reminders + 1)
    return Owed(message=message, next_at=following, line=line, job=question.job)


def _last_said(message: Message, job: Job | None) -> datetime | None:
    """When something was last said about a message: of its job, or in its chat where it has none."""
    said = Delivery.objects.filter(thread_id=message.thread_id, created_at__gte=message.created_at)
    said = said.exclude(state__in=UNSAID)
    if job is not None:
        said = said.filter(job_ref=job.ref)
    last: datetime | None = said.aggregate(last=Max("created_at"))["last"]
    return last


def interval_after(reminders: int) -> timedelta:
    """The time until the next word: SILENCE_MINUTES, doubled with each reminder, at most six hours."""
    return min(timedelta(minutes=float(settings.SILENCE_MINUTES)) * float(2 ** min(reminders, 16)), LONGEST)


def put_off(*, until: datetime) -> int:
    """Nobody could say anything during an outage: what was due then is due a deadline after its end."""
    return Message.objects.filter(due_at__lt=until).update(due_at=until)
