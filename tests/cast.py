"""The cast of the tests: the owner, a stranger who must get nothing, the stand-ins, and who plays the workers."""

from collections.abc import Callable, Iterator
from importlib import import_module

import pytest
from django.apps import apps
from django.utils import timezone
from django_q.models import OrmQ

from approvals.models import Approval
from approvals.services import approval_decide
from budget.models import Price
from common import discovery, queue
from common.queue import Lane
from jobs.models import Job
from jobs.services.intake import Inbound, Received, message_receive
from llm.scripted import Reply, ScriptedModel, json_answer, say
from threads.models import Delivery, Person

OWNER_ID = 1000
STRANGER_ID = 6666


def classified(**changes: object) -> dict[str, object]:
    """What a small model answers to the question for its classification."""
    return {
        "intent": "question",
        "summary": "A question",
        "plan": ["Answer it"],
        "commands": [],
        "needs_confirmation": False,
        "confidence": 0.9,
    } | changes


class Brain:
    """The script of the model stand-in: what it says to a classification, and its turns at work, in order."""

    def __init__(self) -> None:
        self.classification = classified()
        self.turns: list[Reply] = []

    def __call__(self, body: dict[str, object]) -> Reply:
        if "output_config" in body:
            return json_answer(self.classification)
        return self.turns.pop(0) if self.turns else say("Done.")


@pytest.fixture
def brain() -> Brain:
    return Brain()


@pytest.fixture
def model(db, settings, brain) -> Iterator[ScriptedModel]:
    """The Messages API stand-in; the product is pointed to it."""
    if not Price.objects.exists():  # a test with real transactions has emptied the tables
        import_module("budget.migrations.0002_seed_prices_and_limits").seed(apps, None)
    with ScriptedModel(brain) as standing_in:
        settings.ANTHROPIC_BASE_URL = standing_in.url
        settings.ANTHROPIC_API_KEY = "test-key"
        yield standing_in


@pytest.fixture
def workspace(settings, tmp_path):
    settings.WORKSPACE_DIR = tmp_path / "workspace"
    settings.WORKSPACE_DIR.mkdir()
    return settings.WORKSPACE_DIR


@pytest.fixture
def owner(db) -> Person:
    return Person.objects.create(
        channel="web",
        external_id=str(OWNER_ID),
        name="Olga",
        state=Person.State.ALLOWED,
        role=Person.Role.OWNER,
    )


@pytest.fixture
def stranger(db) -> Person:
    return Person.objects.create(channel="web", external_id=str(STRANGER_ID), name="Mallory")


@pytest.fixture
def hear() -> Callable[..., Received]:
    """A message comes in through a channel that needs nobody to carry its answers."""
    numbers = iter(range(1, 10_000))

    def said(person: Person, text: str, **changes: object) -> Received:
        given = {
            "channel": "web",
            "address": person.external_id,
            "person": person,
            "text": text,
            "external_id": str(next(numbers)),
            "said_at": timezone.now(),
        }
        return message_receive(Inbound(**(given | changes)))

    return said


@pytest.fixture
def work(db) -> Callable[[], list[str]]:
    """Plays the workers: runs what is queued, until nothing is; the names of what ran, in order."""
    discovery.load("tasks")

    def run_all() -> list[str]:
        ran = []
        while (row := OrmQ.objects.filter(key__in=[lane.value for lane in Lane]).order_by("pk").first()) is not None:
            assert len(ran) < 100, f"the workers never come to rest: {ran[-5:]}"
            row.delete()
            package = row.task
            queue.execute(package["func"], tuple(package["args"]))
            ran.append(package["name"])
        return ran

    return run_all


def pending() -> Approval:
    """The one card that waits."""
    return Approval.objects.get(state=Approval.State.PENDING)


@pytest.fixture
def press() -> Callable[..., Approval]:
    """Somebody presses a button of the card that waits."""

    def pressed(choice: str = "", **changes: object) -> Approval:
        card = pending()
        given = {
            "approval_id": card.pk,
            "revision": card.revision,
            "choice": choice or card.choices[0][0],
            "actor": "person:1",
            "via": "web",
        }
        return approval_decide(**(given | changes))

    return pressed


@pytest.fixture
def states() -> Callable[[Job], list[str]]:
    """The states that a job went through."""

    def of(job: Job) -> list[str]:
        return list(job.events.order_by("pk").values_list("to_state", flat=True))

    return of


def told(job: Job) -> str:
    """Everything that was said about a job, as its reader sees it."""
    return "\n".join(Delivery.objects.filter(job_ref=job.ref).order_by("pk").values_list("text", flat=True))
