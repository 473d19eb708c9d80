"""The whole product, as real processes: a question in Telegram, the OK, the real uptime; then its rows in the admin.

Against the Bot API stand-in, once by polling and once by webhook, with the demo model.
"""

import os
import re
from pathlib import Path

import pytest

from agent_site.trial import Trial
from telegram_bridge.fake import FakeTelegram

OWNER = 1000
PASSWORD = "correct horse battery"
SECONDS = 30.0
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@pytest.fixture
def telegram():
    with FakeTelegram(allow_http=True) as standing_in:
        standing_in.open_chat(OWNER)
        yield standing_in


@pytest.fixture(params=["polling", "webhook"])
def trial(request, telegram):
    trial = Trial(
        TELEGRAM_API_URL=telegram.url,
        TELEGRAM_BOT_TOKEN=telegram.token,
        MASTER_CHAT_IDS=str(OWNER),
        ADMIN_PASSWORD=PASSWORD,
    )
    if request.param == "webhook":
        trial.environment["PUBLIC_URL"] = trial.url
    with trial:
        yield trial


def test_the_uptime_is_asked_for_approved_and_read(trial, telegram):
    telegram.user_says(OWNER, "what is the uptime of this machine?")
    card = telegram.wait_for_sent(1, chat_id=OWNER, timeout=SECONDS)[0]
    assert "$ uptime" in card.text
    telegram.user_presses(OWNER, card.message_id, label="OK")
    answer = telegram.wait_for_sent(2, chat_id=OWNER, timeout=SECONDS)[1]
    assert re.search(r"up .*load average", answer.text), answer.text
    assert "demo" in answer.text.lower()

    # The card's buttons are gone by now, but an old client may press them still.
    telegram.user_presses(OWNER, card.message_id, data="a:1:1:ok")
    telegram.user_says(OWNER, "/jobs")
    told = telegram.wait_for_sent(3, chat_id=OWNER, timeout=SECONDS)[2]
    assert told.text == "No open jobs."
    by_clicking(trial)


def by_clicking(trial: Trial) -> None:
    """From the front page to the job, and there its approval, steps, calls and cost."""
    playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"the journey went well; its rows were not looked at: there is no browser at {CHROMIUM}")
    with playwright_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = browser.new_page(base_url=trial.url)
        page.goto("/")
        page.fill("[name=username]", "admin")
        page.fill("[name=password]", PASSWORD)
        page.press("[name=password]", "Enter")
        page.locator("a[href='/admin/jobs/job/']").first.click()
        page.locator("a[href='/admin/jobs/job/1/change/']").first.click()
        page.get_by_text("In total").wait_for()
        text = page.locator("body").inner_text()
        browser.close()
    for expected in ("uptime", "Approved", "Answered", "shell", "load average"):
        assert expected.lower() in text.lower(), expected
