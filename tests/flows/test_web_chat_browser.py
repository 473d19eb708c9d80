"""The page in a real browser: ask for the uptime, press OK, read the real one. The test plays the workers."""

import os
from pathlib import Path

import pytest

from agents.models import Run
from jobs.models import Job
from jobs.states import State
from llm.scripted import ScriptedModel
from llm.scripted.demo import demo_script
from ops import heartbeats
from threads.models import Message, Thread
from threads.services import say
from web_chat.services import card_decide, message_send

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright_api.expect

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "correct horse battery"

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}; set CHROMIUM to one"),
]


@pytest.fixture
def user(transactional_db, settings, django_user_model):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one is slow on purpose
    heartbeats.beat("cluster.work@test")
    return django_user_model.objects.create_superuser("olga", password=PASSWORD)


@pytest.fixture(scope="module")
def browser():
    """The driver runs an event loop in this thread, beside which Django refuses its database unless told otherwise."""
    with pytest.MonkeyPatch.context() as patch, playwright_api.sync_playwright() as driver:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        running = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser, user, live_server):
    """The chat of the owner, who has logged in by the form. No error may be left in the browser's console."""
    context = browser.new_context(base_url=live_server.url)
    opened, complaints = context.new_page(), []
    opened.on("console", lambda message: complaints.append(message.text) if is_fault(message) else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(dialog.message))
    opened.goto("/chat/")
    opened.fill("[name=username]", "olga")
    opened.fill("[name=password]", PASSWORD)
    opened.press("[name=password]", "Enter")
    expect(opened.locator("#empty")).to_be_visible()
    complaints.clear()  # what the login page says is not this page's
    yield opened
    context.close()
    assert complaints == []


@pytest.fixture
def demo(settings, workspace):
    with ScriptedModel(demo_script) as model:
        settings.ANTHROPIC_BASE_URL, settings.ANTHROPIC_API_KEY = model.url, "test"
        yield model


def is_fault(message):
    """Whether a console line tells of a fault. A refused press or a cut line is none: those tests cause them."""
    caused = "409 (Conflict)" in message.text or "net::ERR_FAILED" in message.text
    return message.type == "error" and not caused


def ask(page, text):
    page.fill("#text", text)
    page.press("#text", "Enter")


def test_the_uptime_is_asked_for_approved_and_read(page, demo, work):
    ask(page, "what is the uptime of this machine?")
    expect(page.locator(".mine .text")).to_have_text("what is the uptime of this machine?")
    expect(page.locator("#state")).to_have_text("queued")
    work()
    expect(page.locator("#state")).to_have_text("waiting for your OK")
    page.get_by_role("button", name="OK", exact=True).click()
    expect(page.locator("#timeline")).to_contain_text("Approved via the web chat")
    expect(page.locator(".buttons")).to_have_count(0)
    work()
    expect(page.locator("#timeline .item").last).to_contain_text("load average")
    expect(page.locator("#state")).to_have_text("")
    assert Job.objects.get().state == State.DONE


def test_cancel_ends_it(page, demo, work):
    ask(page, "what is the uptime of this machine?")
    expect(page.locator(".mine")).not_to_have_class("pending")
    expect(page.locator("#state")).to_have_text("queued")
    work()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.locator("#timeline")).to_contain_text("Nothing had been done.")
    assert Job.objects.get().state == State.CANCELLED


def test_a_card_is_asked_about_and_changed_before_it_is_approved(page, demo, work):
    page.set_viewport_size({"width": 390, "height": 800})
    ask(page, "run touch a.txt")
    expect(page.locator("#state")).to_have_text("queued")
    work()
    page.get_by_role("button", name="Ask…", exact=True).click()
    box = page.locator("#text")
    expect(box).to_be_focused()
    expect(box).to_have_attribute("placeholder", f"What do you want to know about job {Job.objects.get().pk}?")
    expect(page.locator(".buttons button").first).to_be_enabled()
    ask(page, "is that safe?")
    expect(box).to_have_attribute("placeholder", "Ask for something")
    work()
    expect(page.locator("#timeline .item").last.locator(".buttons")).to_be_visible()
    expect(page.locator(".buttons")).to_have_count(1)  # under the answer, no longer under the card
    page.get_by_label("What to change or ask, or why not").fill("run touch b.txt")
    page.get_by_role("button", name="Change…", exact=True).click()
    expect(page.locator(".buttons")).to_have_count(0)
    work()
    expect(page.locator("#timeline .item").last).to_contain_text("touch b.txt")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_press_that_comes_too_late_is_explained(page, demo, work, user):
    ask(page, "what is the uptime of this machine?")
    expect(page.locator("#state")).to_have_text("queued")
    work()
    button = page.get_by_role("button", name="Cancel", exact=True)
    expect(button).to_be_visible()
    card = Job.objects.get().approval
    page.route("**/chat/feed*", lambda route: route.abort())  # this page does not see what happens elsewhere
    card_decide(user=user, channel="web", approval_id=card.pk, revision=card.revision, choice="ok")
    button.click()
    expect(page.locator(".problem")).to_have_text("Already answered with “OK” via the web chat.")
    page.unroute("**/chat/feed*")
    assert Job.objects.get().state == State.EXECUTING


def test_what_the_model_is_writing_is_seen_before_it_is_said(page, user):
    thread = Thread.objects.create(channel="web", address=str(user.pk))
    Job.objects.create(thread=thread, state=State.EXECUTING, run=Run.objects.create(draft="The machine has been"))
    expect(page.locator("#draft")).to_contain_text("is writing…")
    expect(page.locator("#draft .text")).to_have_text("The machine has been")
    expect(page.locator("#state")).to_have_text("writing")


def test_markup_stays_text(page):
    evil = "/nothing <img src=x onerror=alert(1)><script>alert(2)</script>"
    ask(page, evil)
    expect(page.locator(".mine .text")).to_have_text(evil)
    expect(page.locator("#timeline .item")).to_have_count(2)
    assert page.locator("#timeline img, #timeline script").count() == 0


def test_commands_and_fenced_lines_are_set_as_code_and_stay_text(page, user):
    say(
        thread=Thread.objects.create(channel="web", address=str(user.pk)),
        text="It says:\n```\n<b>up</b>\n```\n$ uptime",
    )
    expect(page.locator("#timeline .code")).to_have_text(["<b>up</b>", "$ uptime"])
    assert page.locator("#timeline b").count() == 0


def test_shift_and_enter_make_a_line(page):
    page.type("#text", "/help")
    page.press("#text", "Shift+Enter")
    page.type("#text", "me")
    page.press("#text", "Enter")
    expect(page.locator(".mine .text")).to_have_text("/help\nme")
    expect(page.locator(".pending")).to_have_count(0)
    assert Message.objects.get().text == "/help\nme"


def test_messages_keep_the_order_in_which_they_were_written(page):
    wanted = [f"/none {number}" for number in range(6)]
    for text in wanted:
        ask(page, text)
    expect(page.locator("#timeline .item")).to_have_count(12)
    page.reload()
    expect(page.locator(".mine .text")).to_have_text(wanted)


def test_earlier_messages_are_fetched_on_demand(page, user):
    for number in range(50):
        message_send(user=user, channel="web", text=f"/none {number}")
    page.reload()
    expect(page.locator("#timeline .item")).to_have_count(40)
    for shown in (80, 100):
        page.get_by_role("button", name="Earlier messages").click()
        expect(page.locator("#timeline .item")).to_have_count(shown)
    expect(page.get_by_role("button", name="Earlier messages")).to_be_hidden()
    expect(page.locator(".mine .text")).to_have_text([f"/none {number}" for number in range(50)])


def test_a_message_that_could_not_be_sent_can_be_sent_again(page):
    page.route("**/chat/send", lambda route: route.abort())
    ask(page, "/help")
    again = page.get_by_role("button", name="Send again")
    expect(page.locator(".problem")).to_have_text("The server can't be reached.")
    page.unroute("**/chat/send")
    again.click()
    expect(page.locator("#timeline .item")).to_have_count(2)
    assert Message.objects.count() == 1
