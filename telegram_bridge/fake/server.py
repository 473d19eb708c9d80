"""The Bot API stand-in itself: what tests, benches and the demo hold in their hands."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from telegram_bridge.fake.api import BotApi
from telegram_bridge.fake.control import control_answer
from telegram_bridge.fake.faults import Fault, FaultKind
from telegram_bridge.fake.methods import file_put
from telegram_bridge.fake.params import Upload
from telegram_bridge.fake.updates import Updates
from telegram_bridge.fake.users import Users
from telegram_bridge.fake.web import Request, Response, WebServer
from telegram_bridge.fake.webhook import Pusher
from telegram_bridge.fake.world import CallbackAnswer, Json, Message, World

TOKEN = "4242424242:AAF-stand-in_token_for_tests_only00"


class FakeTelegram:
    """A Bot API server on loopback with the rules of the real one, and the people who talk to its bot.

    `with FakeTelegram() as fake:` serves at `fake.url` until the block ends. `flood`: Telegram's rate limits hold.
    `allow_http`: a webhook may be plain HTTP on any port. `retry_seconds`: the first pause after a webhook that failed
    (it doubles). Everything here may be called from any thread, and over HTTP by way of `/control/<name>`.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str = TOKEN,
        flood: bool = True,
        allow_http: bool = False,
        retry_seconds: float = 1.0,
        bot_username: str = "server_agent_bot",
    ) -> None:
        self._host = host
        self.world = World(token=token, bot_username=bot_username, flood=flood)
        self.updates = Updates(self.world, allow_http=allow_http)
        self._users = Users(self.world, self.updates)
        self._web = WebServer(self._answer, host=host, port=port)
        self._pusher = Pusher(self.updates, retry_seconds=retry_seconds, online=self._web.online)
        self._api = BotApi(self.world, self.updates, after_call=self._pusher.wake)

    def __enter__(self) -> "FakeTelegram":
        self._web.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._pusher.close()
        self._web.stop()

    @property
    def url(self) -> str:
        """What TELEGRAM_API_URL must be."""
        return f"http://{self._host}:{self._web.port}"

    @property
    def token(self) -> str:
        return self.world.token

    def open_chat(self, chat_id: int, *, kind: str = "", title: str = "", topics: list[int] | None = None) -> None:
        """Lets the bot write to a chat before anybody has said anything in it."""
        with self.world.changed:
            self._users.open_chat(chat_id, kind=kind, title=title, topics=topics)

    def user_says(
        self,
        chat_id: int,
        text: str,
        user_id: int | None = None,
        *,
        first_name: str = "",
        topic: int | None = None,
        reply_to: int | None = None,
        title: str = "",
    ) -> Json:
        """Returns the update. A negative chat_id is a supergroup; its first message makes it known."""
        where: Json = {"topic": topic, "reply_to": reply_to, "title": title}
        return self._by_a_user(
            lambda: self._users.say(chat_id, {"text": text}, user_id=user_id, first_name=first_name, **where)
        )

    def user_sends(self, chat_id: int, content: Json, user_id: int | None = None, *, topic: int | None = None) -> Json:
        """A message that is no text: `content` are its fields, such as `{"voice": {...}}`."""
        return self._by_a_user(lambda: self._users.say(chat_id, content, user_id=user_id, topic=topic))

    def user_edits(self, chat_id: int, message_id: int, text: str) -> Json:
        return self._by_a_user(lambda: self._users.edit(chat_id, message_id, text))

    def user_presses(
        self,
        chat_id: int,
        message_id: int,
        data: str | None = None,
        *,
        label: str | None = None,
        user_id: int | None = None,
    ) -> Json:
        """Presses the button whose label contains `label`, or one with any `data`; returns the update."""
        return self._by_a_user(lambda: self._users.press(chat_id, message_id, data=data, label=label, user_id=user_id))

    def user_blocks(self, chat_id: int, *, blocked: bool = True) -> Json:
        return self._by_a_user(lambda: self._users.block(chat_id, blocked=blocked))

    def raw_update(self, update: Json) -> Json:
        return self._by_a_user(lambda: self._users.raw_update(update))

    def put_file(self, content: bytes, filename: str = "file.bin") -> str:
        """Keeps a file as if a user had sent it; returns its file_id for `user_sends` and getFile."""
        with self.world.changed:
            return file_put(self.world, Upload(filename=filename, content=content))

    def sent(self, chat_id: int | None = None) -> list[Message]:
        """The bot's messages in the order of their arrival, as they stand now, with their edits."""
        with self.world.lock:
            wanted = [message for message in self.world.sent if chat_id in (None, message.chat_id)]
            return [replace(message, edits=list(message.edits)) for message in wanted]

    def answers(self) -> list[CallbackAnswer]:
        with self.world.lock:
            return list(self.world.answers)

    def drafts(self) -> list[Json]:
        with self.world.lock:
            return list(self.world.drafts)

    def wait_for(self, what: int | Callable[["FakeTelegram"], Any], timeout: float = 5.0, **of: Any) -> Any:
        """Waits for that many messages (`chat_id=`: of one chat) and returns them, or until a function of this
        stand-in returns something true and returns that. Raises TimeoutError."""
        ready = what if callable(what) else (lambda fake: len(fake.sent(**of)) >= what and fake.sent(**of))
        result = self.world.wait_until(lambda: ready(self), timeout)
        if not result:
            last = [f"{message.chat_id}: {message.text[:60]!r}" for message in self.sent()[-5:]]
            raise TimeoutError(f"Not seen within {timeout:g} s; the last messages sent are {last}.")
        return result

    def wait_for_sent(
        self, count: int = 1, *, chat_id: int | None = None, contains: str = "", timeout: float = 5.0
    ) -> list[Message]:
        """Waits until `count` messages that contain a text were sent, and returns all of them."""

        def matching(fake: FakeTelegram) -> list[Message]:
            found = [message for message in fake.sent(chat_id) if contains in message.text]
            return found if len(found) >= count else []

        found: list[Message] = self.wait_for(matching, timeout)
        return found

    def fail_next(
        self, method: str, status: int, n: int = 1, retry_after: int | None = None, description: str = ""
    ) -> None:
        """The next n calls of `method` ("*": any) are refused with `status` and have no effect."""
        kind = FaultKind.FAIL
        self._order(
            Fault(method=method, kind=kind, left=n, status=status, retry_after=retry_after, description=description)
        )

    def reset_after(self, method: str, n: int = 1) -> None:
        """The next n calls are carried out, but the connection is cut instead of answering."""
        self._order(Fault(method=method, kind=FaultKind.CUT_AFTER, left=n))

    def reset_before(self, method: str, n: int = 1) -> None:
        """The next n calls are read, and the connection is cut without carrying them out."""
        self._order(Fault(method=method, kind=FaultKind.CUT_BEFORE, left=n))

    def delay(self, method: str, seconds: float) -> None:
        """Every call of `method` takes that much longer, until it is set to 0."""
        with self.world.lock:
            self.world.faults.delays[method] = seconds

    def offline(self, seconds: float) -> None:
        """Connections are refused and webhooks rest for that long."""
        self._web.offline(seconds)

    def wait_online(self, timeout: float = 5.0) -> None:
        if not self._web.online.wait(timeout):
            raise TimeoutError(f"Still offline after {timeout:g} s.")

    def flood(self, enabled: bool) -> None:
        """Switches Telegram's rate limits on or off."""
        with self.world.lock:
            self.world.flood.enabled = enabled

    def expire_callbacks(self) -> None:
        """Every pressed button that was not answered yet becomes too old to be."""
        with self.world.lock:
            self.world.open_callbacks.clear()

    def counters(self) -> Json:
        """Calls by method, refusals by flood limits, updates that wait."""
        with self.world.lock:
            waiting = len(self.updates.pending)
            return {"calls": dict(self.world.calls), "429": self.world.flood.refused, "pending": waiting}

    def confirmed(self) -> dict[int, int]:
        """update_id -> time.monotonic_ns() at which the bot had confirmed it."""
        with self.world.lock:
            return dict(self.updates.confirmed_ns)

    def _by_a_user(self, deed: Callable[[], Json]) -> Json:
        with self.world.changed:
            update = deed()
            self._pusher.wake()
            self.world.changed.notify_all()
            return update

    def _order(self, fault: Fault) -> None:
        with self.world.lock:
            self.world.faults.ordered.append(fault)

    def _answer(self, request: Request) -> Response:
        return control_answer(self, request) if request.path.startswith("/control/") else self._api.answer(request)
