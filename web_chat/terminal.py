"""A conversation followed from a terminal: what is new in it, and a job watched until it has ended."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.contrib.auth.models import User
from django.utils import timezone

from agents.recording import DRAFT_CHANNEL
from approvals.models import Approval
from common.bus import Listener
from common.errors import AgentError
from jobs.models import Job
from jobs.states import OPEN, State
from threads.models import Thread
from threads.services import OUTBOX_CHANNEL
from web_chat.channel import TERMINAL
from web_chat.errors import NotAnswered, WorkersAway
from web_chat.pulse import Pulse, pulse_of, state_lines
from web_chat.services import card_decide, message_send
from web_chat.timeline import Item, items_since, page_before

LOOK_SECONDS = 1.0
"""A look without being woken: jobs change state without a NOTIFY."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What to press on a card, and a word to the agent with it."""

    choice: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Show:
    """What the reader is told, and what he is asked.

    `item` gets the text that was shown before, empty for what is new; `ask` gives None where nobody can answer.
    """

    item: Callable[[Item, str], None]
    state: Callable[[Pulse, list[str]], None]
    trouble: Callable[[str], None]
    ask: Callable[[Item], Answer | None]


@dataclass(kw_only=True)
class Conversation:
    """A user's conversation in the terminal channel. `known` holds the text of each item that was shown."""

    user: User
    show: Show
    since: datetime = field(default_factory=timezone.now)
    known: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.listener = Listener(OUTBOX_CHANNEL, DRAFT_CHANNEL)
        for item in self._items():  # what was said just before belongs to another sitting
            self.known[item.key] = item.text

    def close(self) -> None:
        self.listener.close()

    def say(self, text: str) -> Job | None:
        """Say something; the job that it opened, joined or, as a command, set to work. Raises as message_send."""
        received = message_send(user=self.user, channel=TERMINAL, text=text)
        if received.job is not None:
            return received.job
        self.look()
        working = Job.objects.filter(thread=received.thread, state__in=OPEN).exclude(state=State.AWAITING)
        return working.order_by("pk").first()

    def look(self) -> bool:
        """Show what is new and put its open cards to the reader; whether he has answered one."""
        questions = [item for item in self._tell_news() if item.card is not None and item.card.open]
        return any(self._answer(item) for item in questions if item.card and item.card.choices)

    def follow(self, job: Job) -> str:
        """Show what happens until a job has ended, and ask what it asks; its last state.

        Raises WorkersAway where nobody would ever go on with it, NotAnswered where a card is left open.
        """
        etag = ""
        while True:
            state = Job.objects.values_list("state", flat=True).get(pk=job.pk)  # before the news: the last is shown too
            pulse = self._pulse()
            if pulse.etag != etag:
                etag = pulse.etag
                self.show.state(pulse, state_lines(pulse))
            answered = self.look()
            if state not in OPEN and not answered:
                return state
            if not answered:
                self._check_workers(pulse, state)
                self.listener.wait(LOOK_SECONDS)

    def _answer(self, item: Item) -> bool:
        assert item.card is not None
        answer = self.show.ask(item)
        if answer is None:
            if item.card.kind == Approval.Kind.RETRY:
                return False  # the job has ended; the card waits in the chat for whoever comes
            raise NotAnswered(
                f"Job {item.job} waits for you: `manage.py approve {item.job}` or `manage.py cancel {item.job}`."
            )
        try:
            card_decide(
                user=self.user,
                channel=TERMINAL,
                approval_id=item.card.approval_id,
                revision=item.card.revision,
                choice=answer.choice,
                note=answer.note,
            )
        except AgentError as error:  # somebody else was faster, or it has expired meanwhile
            self.show.trouble(str(error))
        return True

    def _tell_news(self) -> list[Item]:
        """Show what was said or changed since the last look; those items."""
        now = timezone.now()
        news = [item for item in self._items() if not item.mine and self.known.get(item.key) != item.text]
        self.since = now
        for item in news:
            self.show.item(item, self.known.get(item.key, ""))
            self.known[item.key] = item.text
        return news

    def _check_workers(self, pulse: Pulse, state: str) -> None:
        if not pulse.workers and state != State.AWAITING:
            raise WorkersAway

    def _pulse(self) -> Pulse:
        return pulse_of(channel=TERMINAL, address=str(self.user.pk))

    def _items(self) -> Iterator[Item]:
        thread = Thread.objects.filter(channel=TERMINAL, address=str(self.user.pk), topic="").first()
        if thread is None:
            return
        news = items_since(thread_id=thread.pk, moment=self.since)
        yield from page_before(thread_id=thread.pk).items if news is None else news
