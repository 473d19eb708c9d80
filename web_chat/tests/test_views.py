import json

import pytest
from django.urls import reverse

from approvals.models import Approval
from jobs.models import Job
from threads.models import Delivery, Message, Person
from threads.services import say
from web_chat import views
from web_chat.pulse import pulse_of
from web_chat.services import message_send

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"
FEED, SEND, DECIDE = (f"web_chat:{name}" for name in ("feed", "send", "decide"))


def feed(client, **query):
    return client.get(reverse(FEED), query)


def press(client, approval, choice="ok", **changes):
    given = {"approval_id": approval.pk, "revision": approval.revision, "choice": choice} | changes
    return client.post(reverse(DECIDE), given)


def test_the_page_asks_who_you_are(client, db):
    response = client.get(reverse("web_chat:page"))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("admin:login"))


def test_users_who_are_not_staff_are_refused_in_a_sentence(client, django_user_model):
    client.force_login(django_user_model.objects.create_user("nobody"))
    response = feed(client)
    assert response.status_code == 401
    assert "log in" in response.json()["error"]


def test_the_page_opens_under_a_strict_policy_and_holds_no_inline_script(page):
    response = page.get(reverse("web_chat:page"))
    assert response.status_code == 200
    assert "unsafe" not in response["Content-Security-Policy"]
    text = response.content.decode()
    assert "<style" not in text
    assert " style=" not in text
    assert text.count("<script") == text.count('<script type="module" src=')


@pytest.mark.parametrize("key", ["", "some-key"])
def test_the_demo_says_that_it_is_one(page, settings, key):
    settings.ANTHROPIC_API_KEY, settings.ANTHROPIC_BASE_URL = key, ""
    settings.CLAUDE_CODE_OAUTH_TOKEN = settings.HAIKU_API_KEY = ""
    assert (b'id="demo"' in page.get(reverse("web_chat:page")).content) is not bool(key)


def test_a_message_becomes_a_job(page):
    response = page.post(reverse(SEND), {"text": " uptime? ", "id": "a-client-made-id"})
    job = Job.objects.get()
    assert response.json()["job"] == job.pk
    assert job.messages.get().text == "uptime?"
    assert job.thread.channel == "web"


def test_sending_twice_stores_it_once(page):
    for _ in range(2):
        assert page.post(reverse(SEND), {"text": "uptime?", "id": "a-client-made-id"}).status_code == 200
    assert Message.objects.count() == Job.objects.count() == 1


def test_a_command_is_answered_at_once(page):
    page.post(reverse(SEND), {"text": "/help"})
    items = feed(page).json()["items"]
    assert [item["mine"] for item in items] == [True, False]
    assert "/cancel" in items[1]["text"]


@pytest.mark.parametrize(
    ("given", "status", "word"),
    [
        ({"text": "  "}, 400, "something"),
        ({"text": "x" * 16_001}, 413, "16,000"),
        ({"text": "x", "id": "<b>"}, 400, "id"),
    ],
)
def test_a_message_that_can_not_be_taken_is_refused_in_a_sentence(page, given, status, word):
    response = page.post(reverse(SEND), given)
    assert response.status_code == status
    assert word in response.json()["error"]
    assert not Message.objects.exists()


def test_a_post_without_the_token_is_refused(admin):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin)
    assert strict.post(reverse(SEND), {"text": "hello"}).status_code == 403
    assert not Message.objects.exists()


def test_somebody_blocked_is_told_so(page, admin):
    Person.objects.create(channel="web", external_id=str(admin.pk), state=Person.State.BLOCKED)
    response = page.post(reverse(SEND), {"text": "hello"})
    assert response.status_code == 403
    assert not Message.objects.exists()


def test_an_unchanged_conversation_costs_nothing(page, thread, django_assert_num_queries):
    say(thread=thread, text="hello")
    etag = feed(page)["ETag"]
    with django_assert_num_queries(3):  # session, user, pulse
        response = page.get(reverse(FEED), headers={"If-None-Match": etag})
    assert response.status_code == 304
    assert response.content == b""
    say(thread=thread, text="news")
    assert page.get(reverse(FEED), headers={"If-None-Match": etag}).status_code == 200


def test_the_feed_before_the_first_message_is_empty(page):
    answer = feed(page).json()
    assert answer["items"] == []
    assert answer["fresh"]
    assert answer["state"] == []


def test_markup_in_messages_and_answers_stays_text(page, thread):
    page.post(reverse(SEND), {"text": EVIL})
    say(thread=thread, text=EVIL)
    response = feed(page)
    assert response["Content-Type"] == "application/json"
    assert [item["text"] for item in json.loads(response.content)["items"]] == [EVIL, EVIL]
    assert EVIL not in page.get(reverse("web_chat:page")).content.decode()


def test_markup_in_a_name_stays_text(page, admin):
    Person.objects.create(channel="web", external_id=str(admin.pk), name=EVIL, state="allowed", role="owner")
    assert EVIL not in page.get(reverse("web_chat:page")).content.decode()


def test_a_card_shows_its_buttons_until_it_is_decided(page, card, work):
    shown = feed(page).json()
    assert shown["cards"] == [card.pk]
    assert shown["items"][-1]["card"]["choices"] == [
        ["ok", "OK"],
        ["edit", "Change…"],
        ["ask", "Ask…"],
        ["cancel", "Cancel"],
    ]
    assert "$ uptime" in shown["items"][-1]["text"]
    assert press(page, card).json() == {"state": "approved"}
    after = feed(page, after=shown["now"]).json()
    assert after["cards"] == []
    assert "Approved via the web chat" in after["items"][-1]["text"]


def test_a_second_press_is_told_what_happened(page, card):
    press(page, card)
    response = press(page, card, choice="cancel")
    assert response.status_code == 409
    assert response.json()["error"] == "Already answered with “OK” via the web chat."
    card.refresh_from_db()
    assert card.state == Approval.State.APPROVED


def test_a_press_is_signed_with_the_person(page, card):
    press(page, card)
    card.refresh_from_db()
    person = Person.objects.get(channel="web")
    assert (card.decided_by, card.decided_via) == (f"person:{person.pk}", "web")


def test_a_card_of_somebody_else_is_refused(client, other, card):
    client.force_login(other)
    response = press(client, card)
    assert response.status_code == 409
    assert "another chat" in response.json()["error"]
    card.refresh_from_db()
    assert card.state == Approval.State.PENDING


def test_an_observer_may_not_decide(page, card):
    Person.objects.filter(channel="web").update(role=Person.Role.OBSERVER)
    # a superuser's page person keeps the role that the admin gave it
    assert press(page, card).status_code == 403
    card.refresh_from_db()
    assert card.state == Approval.State.PENDING


@pytest.mark.parametrize("changes", [{"revision": "99"}, {"approval_id": "99999"}])
def test_a_stale_button_explains_itself(page, card, changes):
    response = press(page, card, **changes)
    assert response.status_code == 409
    assert response.json()["error"].endswith(".")


@pytest.mark.parametrize("changes", [{"choice": "explode"}, {"revision": "²"}, {"approval_id": "x" * 5000}])
def test_a_button_that_was_never_there_is_refused(page, card, changes):
    response = press(page, card, **changes)
    assert response.status_code == 400
    assert response.json()["error"].endswith(".")


def test_nobody_reads_the_conversation_of_another(client, other, card):
    client.force_login(other)
    assert feed(client).json()["items"] == []
    assert feed(client).json()["state"] == []


@pytest.mark.parametrize("value", ["nonsense", "2026-13-45T00:00:00Z", "2026-01-01", ""])
def test_a_moment_that_is_none_reads_the_last_page(page, thread, value):
    say(thread=thread, text="hello")
    assert feed(page, after=value).json()["fresh"]


def test_the_answer_follows_the_press(page, card, work, workspace, brain):
    press(page, card)
    work()
    items = feed(page).json()["items"]
    assert items[-1]["text"] == "Done."
    assert Delivery.objects.filter(state=Delivery.State.SENT).count() == Delivery.objects.count()


def test_a_message_of_another_user_opens_another_thread(page, admin, other):
    for user in (admin, other):
        message_send(user=user, channel="web", text="hello")
    assert Job.objects.values("thread").distinct().count() == 2


def test_a_card_that_comes_while_the_page_is_looked_at_keeps_its_buttons(page, admin, model, brain, work, monkeypatch):
    brain.classification |= {"commands": ["uptime"], "plan": ["Run uptime"], "summary": "Ask for the uptime"}
    message_send(user=admin, channel="web", text="uptime?")

    def felt_before_the_card(**whose):
        pulse = pulse_of(**whose)
        work()
        return pulse

    monkeypatch.setattr(views, "pulse_of", felt_before_the_card)
    shown = feed(page).json()
    assert shown["items"][-1]["card"]["approval"] in shown["cards"]
