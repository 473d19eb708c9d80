"""What comes in over HTTP: stored once, acknowledged after commit, refused where it is not Telegram's."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from approvals.models import Approval
from common.queue import run_now
from jobs.models import Job
from telegram_bridge import inbound
from telegram_bridge.models import TelegramUpdate
from telegram_bridge.tasks import prune
from tests.cast import OWNER_ID, STRANGER_ID
from threads.models import Delivery, Message, PairingRequest, Person

pytestmark = pytest.mark.django_db
SECRET = "a-long-secret-of-the-webhook"
PAYLOADS = sorted((Path(__file__).parent / "payloads").glob("*.json"))


@pytest.fixture(autouse=True)
def _telegram(settings):
    settings.TELEGRAM_WEBHOOK_SECRET = SECRET
    settings.TELEGRAM_BOT_TOKEN = "42:test"
    settings.MASTER_CHAT_IDS = [OWNER_ID]


@pytest.fixture
def post(client):
    def send(body, secret=SECRET):
        text = body if isinstance(body, (str, bytes)) else json.dumps(body)
        headers = {"X-Telegram-Bot-Api-Secret-Token": secret} if secret is not None else {}
        return client.post("/webhook/telegram", data=text, content_type="application/json", headers=headers)

    return send


def message(update_id=1, text="Hello", user_id=OWNER_ID, chat_id=None, **changes):
    return {
        "update_id": update_id,
        "message": {
            "message_id": 100 + update_id,
            "date": 1_790_000_000,
            "from": {"id": user_id, "is_bot": False, "first_name": "Olga"},
            "chat": {"id": chat_id or user_id, "type": "private", "first_name": "Olga"},
            "text": text,
        }
        | changes,
    }


def press(update_id, data, message_id, user_id=OWNER_ID, chat_id=None):
    return {
        "update_id": update_id,
        "callback_query": {
            "id": "7",
            "from": {"id": user_id, "is_bot": False, "first_name": "Olga"},
            "message": {"message_id": message_id, "chat": {"id": chat_id or user_id, "type": "private"}, "date": 1},
            "chat_instance": "1",
            "data": data,
        },
    }


def test_a_message_of_the_owner_becomes_update_message_and_job(post):
    assert post(message()).json() == {"ok": True, "new": True}
    update = TelegramUpdate.objects.get()
    assert (update.state, update.bot_id, update.message) == ("handled", 42, Message.objects.get())
    assert Job.objects.get().thread.address == str(OWNER_ID)


def test_a_repetition_is_acknowledged_and_changes_nothing(post):
    post(message())
    again = post(message())
    assert (again.status_code, again.json()["new"]) == (200, False)
    assert (TelegramUpdate.objects.count(), Job.objects.count()) == (1, 1)


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET + "x", "ü"])
def test_a_wrong_or_missing_secret_is_refused(post, secret):
    assert post(message(), secret=secret).status_code == 403
    assert not TelegramUpdate.objects.exists()


def test_an_empty_secret_in_the_settings_matches_nothing(post, settings):
    settings.TELEGRAM_WEBHOOK_SECRET = ""
    assert post(message(), secret="").status_code == 403


@pytest.mark.parametrize(
    "body",
    ["", "nonsense", "[]", "null", "{}", '{"update_id": "1"}', '{"update_id": true}', '{"update_id": -1}', b"\xff\xfe"],
)
def test_what_is_no_update_is_refused_with_400(post, body):
    assert post(body).status_code == 400
    assert not TelegramUpdate.objects.exists()


def test_a_body_over_one_mebibyte_is_refused(post):
    assert post(message(text="x" * (1024 * 1024 + 1))).status_code == 413


def test_only_post_is_taken(client):
    assert client.get("/webhook/telegram").status_code == 405


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_every_kind_of_real_update_is_stored_and_acknowledged(post, path):
    update = json.loads(path.read_text())
    assert post(update).status_code == 200
    stored = TelegramUpdate.objects.get()
    assert stored.state in ("handled", "ignored"), stored.error
    assert stored.payload == update


def test_there_are_samples_of_the_kinds_that_matter():
    assert {"text", "photo", "voice", "forward"} <= {word for path in PAYLOADS for word in path.stem.split("_")}


@pytest.mark.parametrize(
    "broken",
    [
        {"message": {}},
        {"message": []},
        {"message": {"message_id": "x", "from": {"id": 1}, "chat": {}}},
        {"callback_query": {"id": 1}},
        {"message": message()["message"] | {"photo": [1, 2]}},
        {"message": message()["message"] | {"date": 10**30}},
        {"edited_message": None},
    ],
)
def test_an_authentic_but_broken_update_is_kept_as_failed(post, broken):
    assert post({"update_id": 5} | broken).status_code == 200
    stored = TelegramUpdate.objects.get()
    assert stored.state in ("failed", "ignored")


def test_a_nul_character_is_survived(post):
    assert post(message(text="a\x00b")).status_code == 200
    assert TelegramUpdate.objects.get().state == "handled"


def test_half_a_surrogate_pair_is_survived(post):
    assert post('{"update_id": 1, "message": {"text": "\\ud800", "chat": {"id": 1}}}').status_code == 200
    assert TelegramUpdate.objects.count() == 1


def test_a_stranger_is_refused_once_and_asks_for_pairing(post):
    post(message(1, user_id=STRANGER_ID))
    post(message(2, user_id=STRANGER_ID))
    assert Delivery.objects.count() == 1
    assert PairingRequest.objects.get().person.external_id == str(STRANGER_ID)
    assert not Job.objects.exists()


def test_a_stranger_can_fill_no_disk(post, monkeypatch):
    monkeypatch.setattr(inbound, "STRANGER_UPDATES_A_DAY", 1)
    post(message(1, user_id=STRANGER_ID, text="short"))
    post(message(2, user_id=STRANGER_ID, text="x" * 4000))
    first, second = TelegramUpdate.objects.order_by("update_id")
    assert "message" in first.payload
    assert second.payload == {"update_id": 2}
    TelegramUpdate.objects.update(received_at=timezone.now() - timedelta(days=8))
    prune()
    first.refresh_from_db()
    assert first.payload == {}
    assert post(message(1, user_id=STRANGER_ID)).json()["new"] is False


def test_a_stranger_in_the_owners_group_stays_a_stranger(post):
    post(message(1, user_id=STRANGER_ID, chat_id=-100, chat={"id": -100, "type": "supergroup", "title": "Ours"}))
    assert not Job.objects.exists()


def test_a_sender_chat_is_never_a_person(post):
    post(message(1, sender_chat={"id": OWNER_ID, "type": "channel"}))
    assert TelegramUpdate.objects.get().state == "ignored"
    assert not Job.objects.exists()


def test_an_edit_changes_the_message_and_keeps_the_earlier_text(post):
    post(message(1, text="Hello"))
    edited = message(1, text="Hello!", edit_date=1_790_000_100)["message"]
    post({"update_id": 2, "edited_message": edited})
    row = Message.objects.get()
    assert (row.text, row.revisions.get().text) == ("Hello!", "Hello")


def test_the_topics_of_a_forum_are_threads(post):
    group = {"chat": {"id": -100, "type": "supergroup", "is_forum": True}, "is_topic_message": True}
    post(message(1, **group, message_thread_id=7))
    post(message(2, **group, message_thread_id=8))
    assert sorted(Message.objects.values_list("thread__topic", flat=True)) == ["7", "8"]


@pytest.fixture
def card(post, model):
    """A plan card that was sent into the owner's chat."""
    post(message())
    run_now("job.begin", Job.objects.get().pk)
    card = Delivery.objects.get(approval__isnull=False)
    Delivery.objects.filter(pk=card.pk).update(state="sent", external_id="500")
    return card


def test_an_ok_starts_the_job(post, card):
    post(press(2, f"a:{card.approval_id}:1:ok", 500))
    assert Job.objects.get().state == "executing"
    assert Approval.objects.get().decided_via == "telegram"


@pytest.mark.parametrize(
    "data", ["", "x", "a:1", "a:999999:1:ok", "a:{pk}:2:ok", "a:{pk}:1:sudo", "a:{pk}:1:ok:x", "a:²:1:ok"]
)
def test_buttons_that_are_not_ours_or_stale_do_nothing(post, card, data):
    assert post(press(2, data.replace("{pk}", str(card.approval_id)), 500)).status_code == 200
    assert TelegramUpdate.objects.get(update_id=2).state == "handled"
    assert Job.objects.get().state == "awaiting_approval"


def test_a_press_from_another_chat_or_by_a_stranger_does_nothing(post, card):
    data = f"a:{card.approval_id}:1:ok"
    post(press(2, data, 500, chat_id=77))
    post(press(3, data, 500, user_id=STRANGER_ID, chat_id=OWNER_ID))
    assert Job.objects.get().state == "awaiting_approval"


def test_a_second_press_explains_itself(post, card):
    data = f"a:{card.approval_id}:1:ok"
    post(press(2, data, 500))
    post(press(3, data, 500))
    assert set(TelegramUpdate.objects.values_list("state", flat=True)) == {"handled"}
    assert Job.objects.get().events.filter(to_state="executing").count() == 1


def test_an_operator_may_decide_and_an_observer_may_not(post, card):
    Person.objects.create(channel="telegram", external_id="5", state="allowed", role="observer")
    data = f"a:{card.approval_id}:1:ok"
    post(press(2, data, 500, user_id=5, chat_id=OWNER_ID))
    assert Job.objects.get().state == "awaiting_approval"
    Person.objects.filter(external_id="5").update(role="operator")
    post(press(3, data, 500, user_id=5, chat_id=OWNER_ID))
    assert Job.objects.get().state == "executing"
