"""What could not be handled is kept with its reason, told, and tried again with effect at most once."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, ProgrammingError
from django.urls import reverse
from django.utils import timezone

from jobs.models import Job
from ops.models import AuditEvent, Notice
from telegram_bridge import dead_letters, failures, inbound, payloads
from telegram_bridge.models import TelegramUpdate
from telegram_bridge.tasks import sweep
from telegram_bridge.tests.test_webhook import message, press
from tests.cast import OWNER_ID
from threads.models import Delivery, Message, Thread

pytestmark = pytest.mark.django_db
YES = {"_form_submitted": "on"}


@pytest.fixture(autouse=True)
def _telegram(settings):
    settings.TELEGRAM_WEBHOOK_SECRET = "a-long-secret-of-the-webhook"
    settings.TELEGRAM_BOT_TOKEN = "42:test"
    settings.MASTER_CHAT_IDS = [OWNER_ID]


@pytest.fixture
def post(client):
    def send(body):
        headers = {"X-Telegram-Bot-Api-Secret-Token": "a-long-secret-of-the-webhook"}
        return client.post("/webhook/telegram", json.dumps(body), content_type="application/json", headers=headers)

    return send


@pytest.fixture
def break_handling(monkeypatch):
    """Handling fails with this error until it is mended."""

    def broken(error: Exception):
        def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr(inbound, "_said", fail)
        return monkeypatch.undo

    return broken


CORRUPT = [
    message(message_id=None),
    message(date="yesterday"),
    message(chat=[]),
    {"update_id": 1, "message": "text"},
    {"update_id": 1, "message": None},
    {"update_id": 1, "message": {"from": 7}},
    {"update_id": 1, "callback_query": {"id": 1}},
    {"update_id": 1, "edited_message": {"from": {"id": "x"}}},
    {
        "update_id": 1,
        "message": {"from": {"id": OWNER_ID}, "photo": 5, "chat": {"id": 1, "type": "private"}, "date": 1},
    },
]


@pytest.mark.parametrize("update", CORRUPT, ids=range(len(CORRUPT)))
def test_a_corrupt_payload_is_acknowledged_and_kept_with_a_sentence_and_others_are_unaffected(post, update):
    assert post(update).status_code == 200
    row = TelegramUpdate.objects.get()
    assert row.payload == update
    assert row.state == "failed"
    assert "can't" in row.error
    assert post(message(update_id=2)).status_code == 200
    assert Job.objects.count() == 1
    assert Notice.objects.filter(kind="dead letter").count() == 1


def test_its_sender_is_told_in_his_chat(post):
    post(message())
    post(message(update_id=2, date="yesterday"))
    assert Delivery.objects.get().text == failures.NOT_UNDERSTOOD


def test_a_press_that_failed_is_answered(post, monkeypatch):
    acks = []
    monkeypatch.setattr(inbound, "_acknowledge", lambda *given: acks.append(given))
    monkeypatch.setattr(inbound, "_decide", lambda press: 1 / 0)
    assert post(press(1, "a:1:1:ok", 5)).status_code == 200
    assert acks == [("7", failures.PRESS_FAILED)]
    assert "ZeroDivisionError" in TelegramUpdate.objects.get().error


@pytest.mark.parametrize("where", ["direct", "as a cause", "in passing"])
def test_a_fault_of_the_database_is_no_dead_letter_and_telegram_sends_it_again(client, break_handling, where):
    fault: Exception = OperationalError("the connection is lost")
    if where == "as a cause":
        wrapped = ValueError("could not read")
        wrapped.__cause__ = fault
        fault = wrapped
    if where == "in passing":
        wrapped = ValueError("could not tidy up")
        wrapped.__context__ = fault
        fault = wrapped
    mend = break_handling(fault)
    with pytest.raises(type(fault)):
        inbound.update_receive(message())
    assert not TelegramUpdate.objects.exists()
    mend()
    assert inbound.update_receive(message())
    assert Job.objects.count() == 1


def test_a_failed_update_is_handled_from_its_payload_exactly_once(post, break_handling):
    mend = break_handling(KeyError("old"))
    post(message(text="Hello"))
    row = TelegramUpdate.objects.get()
    with pytest.raises(dead_letters.UpdateFailedAgain, match="KeyError"):
        dead_letters.update_retry(update=row, actor="user:1")
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("failed", 2)
    mend()
    dead_letters.update_retry(update=row, actor="user:1")
    row.refresh_from_db()
    assert (row.state, row.attempts, row.error, row.message) == ("handled", 3, "", Message.objects.get())
    with pytest.raises(dead_letters.NotRetried):
        dead_letters.update_retry(update=row, actor="user:2")
    assert (Job.objects.count(), Message.objects.count()) == (1, 1)
    assert AuditEvent.objects.filter(action="update tried again", actor="user:1").count() == 2


def test_a_database_that_refuses_while_it_is_tried_again_changes_nothing(post, break_handling):
    break_handling(KeyError("old"))
    post(message())
    break_handling(OperationalError("refused"))
    row = TelegramUpdate.objects.get()
    with pytest.raises(OperationalError):
        dead_letters.update_retry(update=row, actor="user:1")
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("failed", 1)
    assert not AuditEvent.objects.exists()


def test_an_update_that_was_stored_and_never_handled_is_found(post):
    post(message())
    Job.objects.all().delete()
    Message.objects.all().delete()
    TelegramUpdate.objects.update(state="stored")
    sweep()
    assert TelegramUpdate.objects.get().state == "stored"  # it may be on its way still
    TelegramUpdate.objects.update(received_at=timezone.now() - dead_letters.STRANDED_AFTER)
    sweep()
    assert TelegramUpdate.objects.get().state == "handled"
    assert Job.objects.count() == 1


@pytest.fixture
def piles(post, break_handling):
    """Three dead updates of two causes, and a dead delivery."""
    mend = break_handling(KeyError("old"))
    for number in (1, 2):
        post(message(update_id=number))
    mend()
    post(message(update_id=3, date="yesterday"))
    thread = Thread.objects.create(channel="telegram", address="5")
    return Delivery.objects.create(thread=thread, text="hello", state="failed", error="Blocked by user 12.", attempts=3)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("dead_letters", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_the_command_lists_both_directions_and_counts_the_causes(piles):
    listed = run()
    assert f"delivery:{piles.pk}  0 min old, 3 attempts" in listed
    assert "2 x I can't handle this, which is a fault of mine: KeyError 'old'" in listed
    assert "1 x Blocked by user #." in listed
    lines = [json.loads(line) for line in run("--json").splitlines()]
    assert [line["letter"].partition(":")[0] for line in lines] == ["delivery", "update", "update", "update"]
    assert lines[0]["cause"] == "Blocked by user #."
    assert lines[1]["text"] == "message Hello"


def test_the_command_tries_one_or_all_of_them_again(piles):
    assert "is tried again" in run("--retry", f"delivery:{piles.pk}")
    with pytest.raises(CommandError, match="no dead letter"):
        run("--retry", f"delivery:{piles.pk}")
    assert "Tried again: 2." in run("--all")
    assert Job.objects.exists()
    assert "1 x The message can't be read" in run()


def test_the_command_says_when_there_are_none():
    assert run() == "No dead letters.\n"


def test_the_admin_groups_dead_letters_by_cause_and_tries_all_again(piles, superuser, client):
    client.force_login(superuser)
    url = reverse("admin:telegram_bridge_telegramupdate_changelist")
    page = client.get(url, {"dead": "all"}).content.decode()
    assert "Dead letters by cause" in page
    assert "KeyError" in page
    cause = payloads_cause()
    assert client.get(url, {"dead": cause}).context["cl"].result_count == 2
    response = client.post(reverse("admin:telegram_bridge_telegramupdate_retry_all"), YES)
    assert "Tried again: 2. Failed once more: 1." in messages_of(response)
    assert client.get(url, {"dead": "all"}).context["cl"].result_count == 1


def payloads_cause() -> str:
    return dead_letters.PILE.describe(TelegramUpdate.objects.order_by("pk")[0]).reason


def messages_of(response) -> str:
    return " ".join(str(each) for each in response.wsgi_request._messages)


def test_the_admin_tries_the_selected_ones_again_and_says_how_many(piles, superuser, client):
    client.force_login(superuser)
    keys = list(TelegramUpdate.objects.values_list("pk", flat=True))
    data = {"action": "retry_selected", "_selected_action": keys, "index": "0"}
    response = client.post(reverse("admin:telegram_bridge_telegramupdate_changelist"), data)
    assert "Failed updates handled now: 2." in messages_of(response)


def test_the_admin_sends_all_dead_deliveries_again(piles, superuser, client):
    client.force_login(superuser)
    url = reverse("admin:threads_delivery_changelist")
    assert client.get(url, {"dead": "all"}).context["cl"].result_count == 1
    response = client.post(reverse("admin:threads_delivery_resend_all"), YES)
    assert "Tried again: 1." in messages_of(response)
    page = client.get(url, {"dead": "all"})
    assert page.context["cl"].result_count == 0
    assert "No dead letters: whatever was to be said was said" in page.content.decode()


def test_a_stranger_learns_nothing_of_a_failure(post):
    post(message(user_id=6666))
    said = Delivery.objects.count()
    post(message(update_id=2, user_id=6666, date="yesterday"))
    assert Delivery.objects.count() == said


def test_an_error_of_the_code_is_a_dead_letter_and_not_sent_for_ever(post, break_handling):
    break_handling(ProgrammingError("no such column"))
    assert post(message()).status_code == 200
    assert "no such column" in TelegramUpdate.objects.get().error
    assert payloads.origin_of(TelegramUpdate.objects.get().payload) is not None
