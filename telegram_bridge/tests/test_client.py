"""The client against the stand-in: what comes back, and how each failure is sorted."""

import logging
import multiprocessing
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from common.errors import Stopped
from telegram_bridge.client import TelegramClient, TelegramConflict, TelegramPermanent, TelegramTransient
from telegram_bridge.fake import FakeTelegram

ANN = 111


@pytest.fixture
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram(flood=False) as fake:
        fake.open_chat(ANN)
        yield fake


@pytest.fixture
def client(telegram: FakeTelegram) -> TelegramClient:
    return TelegramClient(telegram.token, telegram.url)


def test_it_sends_text_with_buttons_and_returns_the_id(telegram: FakeTelegram, client: TelegramClient) -> None:
    message_id = client.send_message(ANN, "Start?", buttons=[[("OK", "approve:1:1"), ("Cancel", "cancel:1:1")]])

    (sent,) = telegram.sent(ANN)
    assert (sent.message_id, sent.text) == (message_id, "Start?")
    assert sent.buttons[0][0] == {"text": "OK", "callback_data": "approve:1:1"}


def test_it_sends_into_a_topic_and_as_a_reply(telegram: FakeTelegram, client: TelegramClient) -> None:
    asked = telegram.user_says(-100200, "Which disk?", topic=7)["message"]["message_id"]
    client.send_message(-100200, "The <b>first</b>", topic=7, reply_to=asked, parse_mode="HTML")

    (sent,) = telegram.sent(-100200)
    assert (sent.topic, sent.text, sent.source) == (7, "The first", "The <b>first</b>")
    assert sent.raw["reply_to_message"]["message_id"] == asked


def test_a_reply_is_not_lost_when_its_message_is_gone(telegram: FakeTelegram, client: TelegramClient) -> None:
    client.send_message(ANN, "Here it is.", reply_to=999)
    assert "reply_to_message" not in telegram.sent(ANN)[0].raw


def test_it_edits_a_message_and_takes_its_buttons_away(telegram: FakeTelegram, client: TelegramClient) -> None:
    message_id = client.send_message(ANN, "Start?", buttons=[[("OK", "approve:1:1")]])
    client.edit_message(ANN, message_id, "Started.")

    (sent,) = telegram.sent(ANN)
    assert (sent.text, sent.buttons, len(sent.edits)) == ("Started.", [], 1)


def test_an_edit_that_changes_nothing_counts_as_done(telegram: FakeTelegram, client: TelegramClient) -> None:
    message_id = client.send_message(ANN, "Same")
    client.edit_message(ANN, message_id, "Same")
    assert telegram.sent(ANN)[0].edits == []


def test_it_answers_a_pressed_button(telegram: FakeTelegram, client: TelegramClient) -> None:
    message_id = client.send_message(ANN, "Start?", buttons=[[("OK", "approve:1:1")]])
    callback_id = telegram.user_presses(ANN, message_id, label="OK")["callback_query"]["id"]
    client.answer_callback(callback_id, "Started", alert=True)
    assert [(answer.text, answer.alert) for answer in telegram.answers()] == [("Started", True)]


def test_it_uploads_and_fetches_files(telegram: FakeTelegram, client: TelegramClient) -> None:
    content = b"first\r\n--line\r\n\x00\xff"
    client.send_document(ANN, content, filename="log.txt", caption="The log")
    (sent,) = telegram.sent(ANN)
    assert sent.document is not None
    assert (sent.document.filename, sent.document.content, sent.text) == ("log.txt", content, "The log")
    assert client.get_file(sent.raw["document"]["file_id"]) == content


def test_updates_come_raw_even_when_no_library_could_parse_them(telegram: FakeTelegram, client: TelegramClient) -> None:
    telegram.raw_update({"message": {"chat": {"id": ANN}, "hologram": True}})
    (update,) = client.get_updates(None, 0)
    assert update["message"] == {"chat": {"id": ANN}, "hologram": True}


def test_waiting_for_updates_ends_when_it_is_told_to_stop(client: TelegramClient) -> None:
    with pytest.raises(Stopped):
        client.get_updates(None, 30, lambda: True)


def test_the_small_calls_work(telegram: FakeTelegram, client: TelegramClient) -> None:
    client.send_chat_action(ANN)
    client.set_commands([("status", "What is going on")])
    assert client.get_me()["username"] == "server_agent_bot"
    assert telegram.world.actions == [{"chat_id": ANN, "action": "typing"}]
    assert telegram.world.commands == [{"command": "status", "description": "What is going on"}]


def test_a_flood_limit_says_how_long_to_wait(telegram: FakeTelegram, client: TelegramClient) -> None:
    telegram.fail_next("sendMessage", 429, retry_after=17)
    with pytest.raises(TelegramTransient) as caught:
        client.send_message(ANN, "Hello")
    assert (caught.value.retry_after, caught.value.unknown_outcome) == (17.0, False)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_leaves_the_outcome_unknown(telegram: FakeTelegram, client: TelegramClient, status: int) -> None:
    telegram.fail_next("sendMessage", status)
    with pytest.raises(TelegramTransient) as caught:
        client.send_message(ANN, "Hello")
    assert caught.value.unknown_outcome


def test_a_connection_cut_after_the_send_leaves_the_outcome_unknown(
    telegram: FakeTelegram, client: TelegramClient
) -> None:
    telegram.reset_after("sendMessage")
    with pytest.raises(TelegramTransient) as caught:
        client.send_message(ANN, "Hello")
    assert caught.value.unknown_outcome
    assert [message.text for message in telegram.sent(ANN)] == ["Hello"]


def test_no_answer_in_time_leaves_the_outcome_unknown(
    telegram: FakeTelegram, client: TelegramClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    telegram.delay("getMe", 1.0)
    with pytest.raises(TelegramTransient) as caught:
        client._call("getMe", {}, read_timeout=0.05)
    assert caught.value.unknown_outcome


def test_a_refused_connection_means_that_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TelegramTransient) as caught:
        TelegramClient("1:token", f"http://127.0.0.1:{port}").send_message(ANN, "Hello")
    assert not caught.value.unknown_outcome


def test_kept_connections_that_died_while_offline_are_not_mistaken_for_a_send(
    telegram: FakeTelegram, client: TelegramClient
) -> None:
    client.get_me()
    telegram.offline(0.3)
    with pytest.raises(TelegramTransient) as caught:
        client.send_message(ANN, "Hello")
    assert not caught.value.unknown_outcome
    telegram.wait_online()
    assert client.send_message(ANN, "Hello again")


def test_what_telegram_refuses_is_permanent(telegram: FakeTelegram, client: TelegramClient) -> None:
    telegram.user_blocks(ANN)
    with pytest.raises(TelegramPermanent, match=r"(?i)blocked by the user"):
        client.send_message(ANN, "Hello")
    with pytest.raises(TelegramPermanent) as caught:
        client.send_message(999, "Hello")
    assert caught.value.description == "Chat not found"


def test_a_wrong_token_is_told_with_what_to_do_and_without_the_token(telegram: FakeTelegram) -> None:
    for token in ("4242424242:AAF-wrong_wrong", "nonsense"):
        with pytest.raises(TelegramPermanent, match="TELEGRAM_BOT_TOKEN") as caught:
            TelegramClient(token, telegram.url).get_me()
        assert token not in str(caught.value)


def test_a_webhook_stands_in_the_way_of_polling(telegram: FakeTelegram, client: TelegramClient) -> None:
    client.set_webhook("https://agent.example.org/webhook/telegram", secret_token="s3cret")
    with pytest.raises(TelegramConflict, match=r"(?i)webhook is active"):
        client.get_updates(None, 0)
    assert client.webhook_info()["url"] == "https://agent.example.org/webhook/telegram"
    client.delete_webhook()
    assert client.get_updates(None, 0) == []


def test_the_token_is_in_no_log(
    telegram: FakeTelegram, client: TelegramClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        telegram.fail_next("sendMessage", 500)
        with pytest.raises(TelegramTransient):
            client.send_message(ANN, "Hello")
        client.send_message(ANN, "Hello")
    assert telegram.token not in caplog.text


def test_a_forked_process_makes_a_connection_of_its_own(telegram: FakeTelegram, client: TelegramClient) -> None:
    client.get_me()
    child = multiprocessing.get_context("fork").Process(target=client.send_message, args=(ANN, "From the child"))
    child.start()
    child.join(10)
    client.send_message(ANN, "From the parent")
    assert (child.exitcode, [message.text for message in telegram.sent()]) == (0, ["From the child", "From the parent"])


def test_many_threads_share_one_bot(telegram: FakeTelegram, client: TelegramClient) -> None:
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda number: client.send_message(ANN, f"{number}"), range(64)))
    assert sorted(ids) == sorted(message.message_id for message in telegram.sent())
