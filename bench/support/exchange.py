"""What one person does in Telegram, and when each part of it happened: the driver's side of `bench/latency`."""

from typing import Any

from bench.support.instance import Instance

GAP_SECONDS = 0.05
"""Between two exchanges, so that what follows an answer does not slow down the next message."""

Stamps = dict[str, int]
"""chat and message_id; posted, confirmed and sent in monotonic ns."""


def question(chat: int, extra: str = "") -> str:
    """A text that names its chat, so that its model calls can be told apart."""
    return f"Question {chat}-1? {extra}".strip()


def say(it: Instance, chat: int, extra: str = "") -> Stamps:
    """A person writes; when that was received and acknowledged, and when what follows was sent."""
    update = it.telegram.call("user_says", chat_id=chat, text=question(chat, extra))
    return _stamps(it, chat, update, it.telegram.sent(chat))


def press(it: Instance, chat: int, message_id: int, label: str) -> Stamps:
    """A person presses a button of a card; the same of what is sent next."""
    update = it.telegram.call("user_presses", chat_id=chat, message_id=message_id, label=label)
    return _stamps(it, chat, update, it.telegram.sent(chat, 2))


def _stamps(it: Instance, chat: int, update: dict[str, Any], sent: dict[str, Any]) -> Stamps:
    times = it.telegram.until("times", timeout=5.0, update_id=update["update_id"])
    return {
        "chat": chat,
        "message_id": sent["message_id"],
        "posted": times["posted"],
        "confirmed": times["confirmed"],
        "sent": sent["at"]["monotonic_ns"],
    }


def took(stamps: Stamps) -> float:
    """Milliseconds from received to sent."""
    return (stamps["sent"] - stamps["posted"]) / 1e6
