"""Updates from people to the bot: by polling, by webhook, and the control over HTTP."""

import http.client
import json
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from telegram_bridge.client import TelegramClient, TelegramConflict, TelegramPermanent
from telegram_bridge.fake import FakeTelegram

ANN, BEN, GROUP = 111, 222, -100200
PAYLOADS = sorted((Path(__file__).parent / "payloads").glob("*.json"))


class Site:
    """A webhook on loopback: keeps what arrives and answers with the statuses it was given, then with 200."""

    def __init__(self) -> None:
        self.arrived: queue.Queue[tuple[dict[str, Any], str | None]] = queue.Queue()
        self.statuses: queue.Queue[int] = queue.Queue()
        self.gate = threading.Event()
        self.gate.set()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                update = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                site.arrived.put((update, self.headers.get("X-Telegram-Bot-Api-Secret-Token")))
                site.gate.wait(5)
                self.send_response(site.statuses.get() if not site.statuses.empty() else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/webhook/telegram?x=1"

    def next(self) -> dict[str, Any]:
        return self.arrived.get(timeout=5)[0]


@pytest.fixture
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram(flood=False, allow_http=True, retry_seconds=0.02) as fake:
        yield fake


@pytest.fixture
def client(telegram: FakeTelegram) -> TelegramClient:
    return TelegramClient(telegram.token, telegram.url)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.gate.set()
    site.server.shutdown()
    site.server.server_close()


def test_updates_come_again_until_a_higher_offset_confirms_them(telegram: FakeTelegram, client: TelegramClient) -> None:
    ids = [telegram.user_says(ANN, text)["update_id"] for text in ("one", "two", "three")]
    assert [update["update_id"] for update in client.get_updates(None, 0, limit=2)] == ids[:2]
    assert [update["update_id"] for update in client.get_updates(ids[1], 0)] == ids[1:]
    assert [update["update_id"] for update in client.get_updates(None, 0)] == ids[1:]
    assert client.get_updates(-1, 0)[0]["message"]["text"] == "three"
    assert client.get_updates(ids[2] + 1, 0) == []
    assert set(telegram.confirmed()) == set(ids)


def test_a_long_poll_returns_as_soon_as_something_is_said(telegram: FakeTelegram, client: TelegramClient) -> None:
    with ThreadPoolExecutor() as pool:
        polling = pool.submit(client.get_updates, None, 30)
        telegram.wait_for(lambda fake: fake.counters()["calls"].get("getUpdates"))
        telegram.user_says(ANN, "/status now")
        (update,) = polling.result(timeout=5)
    assert update["message"]["chat"]["type"] == "private"
    assert update["message"]["entities"] == [{"offset": 0, "length": 7, "type": "bot_command"}]


def test_the_second_poller_drives_the_first_one_away(telegram: FakeTelegram, client: TelegramClient) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(client.get_updates, None, 30)
        telegram.wait_for(lambda fake: fake.counters()["calls"].get("getUpdates"))
        client.get_updates(None, 0)
        with pytest.raises(TelegramConflict, match=r"(?i)only one bot instance"):
            first.result(timeout=5)


def test_setting_a_webhook_ends_a_poll(telegram: FakeTelegram, client: TelegramClient, site: Site) -> None:
    with ThreadPoolExecutor() as pool:
        polling = pool.submit(client.get_updates, None, 30)
        telegram.wait_for(lambda fake: fake.counters()["calls"].get("getUpdates"))
        client.set_webhook(site.url)
        with pytest.raises(TelegramConflict, match=r"(?i)terminated by setWebhook"):
            polling.result(timeout=5)


def test_kinds_that_were_not_asked_for_are_not_sent(telegram: FakeTelegram, client: TelegramClient) -> None:
    client.get_updates(None, 0, allowed_updates=["callback_query"])
    telegram.user_says(ANN, "unheard")
    card = client.send_message(ANN, "Start?", buttons=[[("✅ OK", "approve:1:1")]])
    pressed = telegram.user_presses(ANN, card, label="ok")
    assert client.get_updates(None, 0) == [pressed]
    assert pressed["callback_query"]["data"] == "approve:1:1"
    assert pressed["callback_query"]["message"]["reply_markup"]


def test_people_edit_and_talk_in_topics_of_groups(telegram: FakeTelegram, client: TelegramClient) -> None:
    said = telegram.user_says(GROUP, "Hi", user_id=BEN, topic=7, first_name="Ben", title="Garden")
    telegram.user_edits(GROUP, said["message"]["message_id"], "Hello")
    message, edited = client.get_updates(None, 0)
    assert message["message"]["chat"] == {"id": GROUP, "title": "Garden", "type": "supergroup", "is_forum": True}
    assert message["message"]["from"]["first_name"] == "Ben"
    assert (edited["edited_message"]["text"], edited["edited_message"]["message_thread_id"]) == ("Hello", 7)


def test_blocking_the_bot_is_an_update_too(telegram: FakeTelegram, client: TelegramClient) -> None:
    telegram.user_blocks(ANN)
    (update,) = client.get_updates(None, 0)
    assert update["my_chat_member"]["new_chat_member"]["status"] == "kicked"


def test_a_sent_file_can_be_fetched(telegram: FakeTelegram, client: TelegramClient) -> None:
    file_id = telegram.put_file(b"OggS", "voice.oga")
    telegram.user_sends(ANN, {"voice": {"file_id": file_id, "file_unique_id": "u", "duration": 1}})
    (update,) = client.get_updates(None, 0)
    assert client.get_file(update["message"]["voice"]["file_id"]) == b"OggS"


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_every_sample_payload_passes_through(telegram: FakeTelegram, client: TelegramClient, path: Path) -> None:
    payload = json.loads(path.read_text())
    kinds = [kind for kind in payload if kind != "update_id"]
    client.get_updates(None, 0, allowed_updates=kinds)
    telegram.raw_update(payload)
    assert client.get_updates(None, 0) == [payload]


def test_a_webhook_gets_updates_with_its_secret(telegram: FakeTelegram, client: TelegramClient, site: Site) -> None:
    before = telegram.user_says(ANN, "before")
    client.set_webhook(site.url, secret_token="s3cret", max_connections=4, allowed_updates=["message"])
    after = telegram.user_says(ANN, "after")
    assert site.arrived.get(timeout=5) == (before, "s3cret")
    assert site.arrived.get(timeout=5) == (after, "s3cret")
    telegram.wait_for(lambda fake: fake.counters()["pending"] == 0)
    info = client.webhook_info()
    assert (info["pending_update_count"], info["max_connections"]) == (0, 4)
    assert info["allowed_updates"] == ["message"]


def test_a_failed_delivery_is_repeated_before_the_next_of_its_chat(
    telegram: FakeTelegram, client: TelegramClient, site: Site
) -> None:
    for status in (500, 403):
        site.statuses.put(status)
    client.set_webhook(site.url)
    telegram.user_says(ANN, "one")
    telegram.user_says(ANN, "two")
    assert [site.next()["message"]["text"] for _ in range(4)] == ["one", "one", "one", "two"]
    assert client.webhook_info()["last_error_message"] == "Wrong response from the webhook: 403 Forbidden"


def test_a_slow_chat_does_not_hold_up_another(telegram: FakeTelegram, client: TelegramClient, site: Site) -> None:
    site.gate.clear()
    client.set_webhook(site.url, max_connections=2)
    for chat_id in (ANN, ANN, BEN):
        telegram.user_says(chat_id, "Hello")
    first_two = {site.next()["message"]["chat"]["id"] for _ in range(2)}
    assert first_two == {ANN, BEN}
    site.gate.set()
    assert site.next()["message"]["chat"]["id"] == ANN


def test_an_unreachable_webhook_is_reported_and_polling_can_take_over(
    telegram: FakeTelegram, client: TelegramClient, site: Site
) -> None:
    site.server.server_close()
    client.set_webhook(site.url)
    said = telegram.user_says(ANN, "Hello")
    telegram.wait_for(lambda fake: fake.updates.webhook.last_error)
    info = client.webhook_info()
    assert (info["last_error_message"], info["pending_update_count"]) == ("Connection refused", 1)
    client.delete_webhook()
    assert client.get_updates(None, 0) == [said]


def test_pending_updates_are_dropped_only_when_told_to(telegram: FakeTelegram, client: TelegramClient) -> None:
    telegram.user_says(ANN, "Hello")
    client.delete_webhook()
    assert len(client.get_updates(None, 0)) == 1
    client.delete_webhook(drop_pending_updates=True)
    assert client.get_updates(None, 0) == []


@pytest.mark.parametrize(
    ("url", "secret", "refusal"),
    [
        ("http://agent.example.org/", "", "An HTTPS URL must be provided"),
        ("https://agent.example.org:8000/", "", "only on ports 80, 88, 443 or 8443"),
        ("https://agent.example.org/", "a b", "secret token contains unallowed characters"),
    ],
)
def test_it_refuses_webhooks_that_telegram_refuses(url: str, secret: str, refusal: str) -> None:
    with FakeTelegram() as strict, pytest.raises(TelegramPermanent, match=f"(?i){refusal}"):
        TelegramClient(strict.token, strict.url).set_webhook(url, secret_token=secret)


def test_faults_are_used_up_and_then_all_is_well(telegram: FakeTelegram, client: TelegramClient) -> None:
    telegram.fail_next("*", 400, n=2, description="Bad Request: first of two")
    for _ in range(2):
        with pytest.raises(TelegramPermanent, match=r"(?i)first of two"):
            client.get_me()
    assert client.get_me()["is_bot"]
    assert telegram.counters()["calls"]["getMe"] == 3


def test_it_is_controlled_over_http(telegram: FakeTelegram, client: TelegramClient) -> None:
    line = http.client.HTTPConnection(telegram.url.removeprefix("http://"))

    def control(name: str, **arguments: Any) -> tuple[int, Any]:
        line.request("POST", f"/control/{name}", json.dumps(arguments))
        answer = line.getresponse()
        body = json.loads(answer.read())
        return answer.status, body.get("result", body.get("error"))

    assert control("user_says", chat_id=ANN, text="Hello")[1]["message"]["text"] == "Hello"
    card = client.send_message(ANN, "Start?", buttons=[[("OK", "approve:1:1")]])
    status, sent = control("wait_for_sent", count=1, chat_id=ANN, contains="Start")
    assert (status, sent[0]["message_id"], sent[0]["buttons"][0][0]["text"]) == (200, card, "OK")
    assert sent[0]["at"]["monotonic_ns"] > 0
    assert control("user_presses", chat_id=ANN, message_id=card, label="OK")[0] == 200
    assert control("counters")[1]["calls"]["sendMessage"] == 1
    assert control("user_presses", chat_id=ANN, message_id=card, label="No")[0] == 400
    assert control("wait_for_sent", count=2, timeout=0)[0] == 408
    assert control("__init__")[0] == 404
    line.close()
