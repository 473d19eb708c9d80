"""The Bot API stand-in of the benches: `python -m bench.support.telegram` prints its address and token.

It is the product's own stand-in. On top it stamps the moment at which it begins to post an update, and it can hold
whole conversations by itself: the next question of a chat goes out in the instant in which its answer has come, so that
no driver's own slowness is counted.
"""

import json
import sys
import time
from collections import Counter
from typing import Any

from telegram_bridge.fake import FakeTelegram
from telegram_bridge.fake.api import BotApi
from telegram_bridge.fake.updates import Pending, Webhook
from telegram_bridge.fake.web import Request, Response
from telegram_bridge.fake.webhook import Pusher, _Line
from telegram_bridge.fake.world import Message


class StampedPusher(Pusher):
    """Knows when it began to post each update for the first time: what a bench calls "received"."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.posted_ns: dict[int, int] = {}

    def _post(self, line: _Line, hook: Webhook, waiting: Pending) -> str:
        self.posted_ns.setdefault(waiting.update_id, time.monotonic_ns())
        return super()._post(line, hook, waiting)


class Talk:
    """Chats that ask `rounds` questions each, the next one as soon as the former is answered."""

    def __init__(self, telegram: "BenchTelegram", chats: list[int], rounds: int) -> None:
        self.telegram, self.rounds = telegram, rounds
        self.turns = dict.fromkeys(chats, 0)
        self.answers: Counter[str] = Counter()
        self.strays: list[str] = []
        self.seen = len(telegram.world.sent)
        self.began_ns, self.last_ns = time.monotonic_ns(), 0

    def begin(self) -> None:
        for chat in self.turns:
            self._ask(chat)

    def _ask(self, chat: int) -> None:
        self.turns[chat] += 1
        self.telegram.user_says(chat, self._question(chat))

    def _question(self, chat: int) -> str:
        return f"Question {chat}-{self.turns[chat]}?"

    def look(self) -> None:
        """Takes note of what the bot has sent since the last look. Called with the world's lock held."""
        sent = self.telegram.world.sent
        while self.seen < len(sent):
            self._heard(sent[self.seen])
            self.seen += 1

    def _heard(self, message: Message) -> None:
        chat, self.last_ns = message.chat_id, message.at.monotonic_ns
        _, found, rest = message.text.partition("Question ")
        if not found:
            self.strays.append(message.text[:200])
            return
        self.answers[rest.partition("?")[0]] += 1
        if self._question(chat) in message.text and self.turns[chat] < self.rounds:
            self._ask(chat)

    def told(self) -> dict[str, Any]:
        wanted = len(self.turns) * self.rounds
        return {
            "done": len(self.answers) >= wanted,
            "seconds": (self.last_ns - self.began_ns) / 1e9,
            "answers": dict(self.answers),
            "strays": self.strays,
        }


class BenchTelegram(FakeTelegram):
    """Has `/bench/<name>` beside the stand-in's `/control/<name>`."""

    def __init__(self, *, flood: bool) -> None:
        super().__init__(flood=flood, allow_http=True)
        self.stamped = StampedPusher(self.updates, retry_seconds=1.0, online=self._web.online)
        self._pusher = self.stamped
        self._api = BotApi(self.world, self.updates, after_call=self._after_call)
        self._talk: Talk | None = None

    def talk(self, chats: list[int], rounds: int) -> None:
        """Begins a conversation in each chat."""
        with self.world.changed:
            self._talk = Talk(self, chats, rounds)
            self._talk.begin()

    def talked(self) -> dict[str, Any]:
        """How far the conversations are."""
        with self.world.lock:
            assert self._talk is not None
            return self._talk.told()

    def times(self, update_id: int) -> dict[str, Any]:
        """When an update was begun to be posted, and when it was acknowledged (monotonic ns; 0: not yet)."""
        with self.world.lock:
            posted, confirmed = self.stamped.posted_ns.get(update_id, 0), self.updates.confirmed_ns.get(update_id, 0)
            return {"done": bool(confirmed), "posted": posted, "confirmed": confirmed}

    def stamps(self, since_ns: int) -> list[int]:
        """When each message since then arrived here, in order (monotonic ns)."""
        with self.world.lock:
            return [message.at.monotonic_ns for message in self.world.sent if message.at.monotonic_ns >= since_ns]

    def _after_call(self) -> None:
        self._pusher.wake()
        if self._talk is not None:
            self._talk.look()

    def _answer(self, request: Request) -> Response:
        if not request.path.startswith("/bench/"):
            return super()._answer(request)
        method = getattr(self, request.path.removeprefix("/bench/"))
        result = method(**json.loads(request.body or b"{}"))
        return Response(status=200, body=json.dumps({"result": result}).encode())


def main() -> None:
    with BenchTelegram(flood="--flood" in sys.argv) as telegram:
        print(telegram.url, telegram.token, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
