import pytest
from django.contrib.auth.models import User

from threads.models import Message, Thread
from threads.services import say
from web_chat.services import message_send


@pytest.fixture
def admin(db) -> User:
    return User.objects.create_superuser("olga")


@pytest.fixture
def other(db) -> User:
    return User.objects.create_user("otto", is_staff=True)


@pytest.fixture
def page(client, admin):
    """The browser of the logged-in owner."""
    client.force_login(admin)
    return client


@pytest.fixture
def thread(admin) -> Thread:
    return Thread.objects.create(channel="web", address=str(admin.pk))


@pytest.fixture
def card(admin, model, brain, work):
    """A plan card that waits in the owner's page."""
    brain.classification |= {"commands": ["uptime"], "plan": ["Run uptime"], "summary": "Ask for the uptime"}
    received = message_send(user=admin, channel="web", text="uptime?", external_id="first-message")
    work()
    received.job.refresh_from_db()
    return received.job.approval


@pytest.fixture
def talk(thread):
    """So many messages, each with an answer."""

    def talked(count: int) -> None:
        from django.utils import timezone

        for number in range(count):
            Message.objects.create(thread=thread, role="user", text=f"question {number}", said_at=timezone.now())
            say(thread=thread, text=f"answer {number}")

    return talked
