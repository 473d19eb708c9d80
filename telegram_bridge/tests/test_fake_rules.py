"""The stand-in refuses what Telegram refuses, in Telegram's words; asked through the real python-telegram-bot."""

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from telegram_bridge.client import TelegramClient, TelegramPermanent, TelegramTransient
from telegram_bridge.fake import FakeTelegram
from telegram_bridge.fake.entities import html_parse
from telegram_bridge.fake.errors import BadRequest

ANN, GROUP = 111, -100200


@pytest.fixture
def telegram() -> Iterator[FakeTelegram]:
    with FakeTelegram(flood=False) as fake:
        fake.open_chat(ANN)
        fake.open_chat(GROUP, topics=[7])
        yield fake


@pytest.fixture
def client(telegram: FakeTelegram) -> TelegramClient:
    return TelegramClient(telegram.token, telegram.url)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [("", "text is empty"), (" \n ", "text must be non-empty"), ("😀" * 2049, "too long"), ("a" * 4097, "too long")],
)
def test_it_refuses_texts_that_are_empty_or_too_long(client: TelegramClient, text: str, refusal: str) -> None:
    with pytest.raises(TelegramPermanent, match=f"(?i){refusal}"):
        client.send_message(ANN, text)


def test_the_limit_counts_utf16_units_after_the_tags_are_gone(telegram: FakeTelegram, client: TelegramClient) -> None:
    client.send_message(ANN, "😀" * 2048)
    client.send_message(ANN, f"<b>{'a' * 4096}</b>", parse_mode="HTML")
    assert [len(message.text) for message in telegram.sent(ANN)] == [2048, 4096]


@pytest.mark.parametrize(
    ("source", "refusal"),
    [
        ("<b>bold", """Can't find end tag corresponding to start tag "b\""""),
        ("é <table>", 'Unsupported start tag "table" at byte offset 3'),
        ("<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("1 < 2", 'Unsupported start tag "" at byte offset 2'),
        ("a <b", "Unclosed start tag at byte offset 2"),
        ("<b>a</b", "Unclosed end tag at byte offset 4"),
        ('<span class="x">a</span>', 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ("<a href>x</a>", 'Expected equal sign in declaration of an attribute of the tag "a" at byte offset 0'),
    ],
)
def test_it_refuses_broken_html_as_telegram_does(source: str, refusal: str) -> None:
    with pytest.raises(BadRequest) as caught:
        html_parse(source)
    assert caught.value.description == f"Bad Request: can't parse entities: {refusal}"


def test_broken_html_is_refused_over_the_wire_too(client: TelegramClient) -> None:
    with pytest.raises(TelegramPermanent, match=r"(?i)parse entities: Unsupported start tag"):
        client.send_message(ANN, "<h1>x</h1>", parse_mode="HTML")
    with pytest.raises(TelegramPermanent, match=r"(?i)unsupported parse_mode"):
        client.send_message(ANN, "x", parse_mode="BBCode")


def test_it_reads_html_into_entities() -> None:
    text, entities = html_parse(
        '😀 <b>bold <i>both</i></b> <a href="https://x.org/?a=1&amp;b=2">x</a> &lt;&amp;&gt; &copy;'
        '<pre><code class="language-python">1 &lt; 2</code></pre><blockquote expandable>q</blockquote>'
    )
    assert text == "😀 bold both x <&> &copy;1 < 2q"
    assert entities == [
        {"offset": 3, "length": 9, "type": "bold"},
        {"offset": 8, "length": 4, "type": "italic"},
        {"offset": 13, "length": 1, "type": "text_link", "url": "https://x.org/?a=1&b=2"},
        {"offset": 25, "length": 5, "type": "pre", "language": "python"},
        {"offset": 30, "length": 1, "type": "expandable_blockquote"},
    ]


def test_callback_data_has_64_bytes_at_most(client: TelegramClient) -> None:
    client.send_message(ANN, "fits", buttons=[[("OK", "é" * 32)]])
    for data in ("", "é" * 33):
        with pytest.raises(TelegramPermanent, match=r"(?i)button_data_invalid"):
            client.send_message(ANN, "does not", buttons=[[("OK", data)]])


def test_only_messages_of_the_bot_that_are_there_can_be_edited(telegram: FakeTelegram, client: TelegramClient) -> None:
    said = telegram.user_says(ANN, "Hello")["message"]["message_id"]
    with pytest.raises(TelegramPermanent, match=r"(?i)message can't be edited"):
        client.edit_message(ANN, said, "Bye")
    with pytest.raises(TelegramPermanent, match=r"(?i)message to edit not found"):
        client.edit_message(ANN, 5, "Bye")
    gone = client.send_message(ANN, "Soon gone")
    client._call("deleteMessage", {"chat_id": ANN, "message_id": gone})
    with pytest.raises(TelegramPermanent, match=r"(?i)message to edit not found"):
        client.edit_message(ANN, gone, "Bye")


def test_a_button_is_answered_once_and_not_too_late(telegram: FakeTelegram, client: TelegramClient) -> None:
    card = client.send_message(ANN, "Start?", buttons=[[("OK", "approve:1:1")]])
    first, second = (telegram.user_presses(ANN, card, label="OK")["callback_query"]["id"] for _ in range(2))
    client.answer_callback(first)
    telegram.expire_callbacks()
    for callback_id in (first, second, "1"):
        with pytest.raises(TelegramPermanent, match=r"(?i)query is too old"):
            client.answer_callback(callback_id)


def test_topics_must_exist(client: TelegramClient) -> None:
    client.send_message(GROUP, "here", topic=7)
    with pytest.raises(TelegramPermanent, match=r"(?i)message thread not found"):
        client.send_message(GROUP, "nowhere", topic=8)


def test_drafts_are_taken_and_kept_apart_from_messages(telegram: FakeTelegram, client: TelegramClient) -> None:
    client._call("sendMessageDraft", {"chat_id": ANN, "draft_id": 3, "text": "Thin"})
    assert telegram.drafts() == [{"chat_id": ANN, "draft_id": 3, "text": "Thin"}]
    assert telegram.sent() == []


def test_commands_and_actions_are_checked(client: TelegramClient) -> None:
    with pytest.raises(TelegramPermanent, match=r"(?i)bot_command_invalid"):
        client.set_commands([("Not A Command", "x")])
    with pytest.raises(TelegramPermanent, match=r"(?i)wrong parameter action"):
        client.send_chat_action(ANN, "dance")


def test_unknown_methods_files_and_documents_are_refused(client: TelegramClient) -> None:
    with pytest.raises(TelegramPermanent, match=r"(?i)method not found"):
        client._call("sendHologram", {})
    with pytest.raises(TelegramPermanent, match=r"(?i)invalid file_id"):
        client.get_file("nothing")
    with pytest.raises(TelegramPermanent, match=r"(?i)file must be non-empty"):
        client.send_document(ANN, b"")


def test_a_chat_that_goes_too_fast_is_told_to_wait(telegram: FakeTelegram, client: TelegramClient) -> None:
    telegram.flood(True)
    for number in range(5):
        client.send_message(ANN, f"{number}")
    with pytest.raises(TelegramTransient) as caught:
        client.send_message(ANN, "One too many")
    assert caught.value.retry_after == 1.0
    assert len(telegram.sent(ANN)) == 5
    assert telegram.counters()["429"] == 1
    client.send_message(GROUP, "Another chat may go on.")


def test_the_bot_as_a_whole_has_a_limit_too(telegram: FakeTelegram, client: TelegramClient) -> None:
    for chat_id in range(1, 60):
        telegram.open_chat(chat_id)
    telegram.flood(True)
    with ExitStack() as refused:
        refused.enter_context(pytest.raises(TelegramTransient, match="Flood control"))
        for chat_id in range(1, 60):
            client.send_message(chat_id, "Hello")
    assert len(telegram.sent()) >= 30


def test_json_bodies_work_like_forms(telegram: FakeTelegram) -> None:
    import http.client

    line = http.client.HTTPConnection(telegram.url.removeprefix("http://"))
    body = json.dumps({"chat_id": ANN, "text": "JSON", "reply_markup": {"inline_keyboard": []}})
    line.request("POST", f"/bot{telegram.token}/sendmessage", body, {"Content-Type": "application/json"})
    answer = json.loads(line.getresponse().read())
    line.close()
    assert (answer["ok"], answer["result"]["text"]) == (True, "JSON")
