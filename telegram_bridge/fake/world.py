"""What the stand-in knows: chats, messages, buttons pressed, files. One lock guards all of it."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from telegram_bridge.fake.errors import ApiError, BadRequest
from telegram_bridge.fake.faults import Faults
from telegram_bridge.fake.flood import Flood
from telegram_bridge.fake.params import Upload

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """When: `monotonic_ns` compares across the processes of one Linux machine, `time_ns` is the wall clock."""

    monotonic_ns: int = field(default_factory=time.monotonic_ns)
    time_ns: int = field(default_factory=time.time_ns)


@dataclass(frozen=True, kw_only=True)
class Edit:
    text: str
    buttons: list[list[Json]]
    at: Stamp = field(default_factory=Stamp)


@dataclass(frozen=True, kw_only=True)
class CallbackAnswer:
    callback_id: str
    text: str
    alert: bool
    at: Stamp = field(default_factory=Stamp)


@dataclass(kw_only=True)
class Message:
    """A message as it stands now; `raw` is the Bot API object, `source` the text before parsing (the latest edit's)."""

    chat_id: int
    message_id: int
    method: str
    from_bot: bool
    raw: Json
    source: str = ""
    parse_mode: str = ""
    document: Upload | None = None
    edits: list[Edit] = field(default_factory=list)
    deleted: bool = False
    at: Stamp = field(default_factory=Stamp)

    @property
    def text(self) -> str:
        return str(self.raw.get("text", self.raw.get("caption", "")))

    @property
    def topic(self) -> int | None:
        return self.raw.get("message_thread_id")

    @property
    def buttons(self) -> list[list[Json]]:
        """Rows of inline keyboard buttons as they stand now."""
        rows: list[list[Json]] = self.raw.get("reply_markup", {}).get("inline_keyboard", [])
        return rows

    def as_json(self) -> Json:
        plain = asdict(self) | {"text": self.text, "topic": self.topic, "buttons": self.buttons}
        return plain | {"document": self.document and self.document.filename}


@dataclass(kw_only=True)
class Chat:
    chat_id: int
    kind: str
    title: str = ""
    person: Json = field(default_factory=dict)
    topics: set[int] = field(default_factory=set)
    blocked: bool = False
    messages: dict[int, Message] = field(default_factory=dict)

    def as_json(self) -> Json:
        if self.kind == "private":
            names: Json = {
                key: self.person[key] for key in ("first_name", "last_name", "username") if key in self.person
            }
            return {"id": self.chat_id, **names, "type": "private"}
        forum = {"is_forum": True} if self.topics else {}
        return {"id": self.chat_id, "title": self.title, "type": self.kind, **forum}


class World:
    """The state of one bot. Whoever reads or changes it holds `lock`; `changed` is notified after each change."""

    def __init__(self, *, token: str, bot_username: str, flood: bool) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.token = token
        self.me: Json = _bot_user(int(token.partition(":")[0]), bot_username)
        self.chats: dict[int, Chat] = {}
        self.sent: list[Message] = []
        self.open_callbacks: set[str] = set()
        self.answers: list[CallbackAnswer] = []
        self.actions: list[Json] = []
        self.drafts: list[Json] = []
        self.commands: list[Json] = []
        self.files: dict[str, Upload] = {}
        self.calls: Counter[str] = Counter()
        self.flood = Flood(enabled=flood)
        self.faults = Faults()
        # Ids go on rising when the stand-in is started again beside a database that remembers the last run.
        self._last_id = int(time.time() * 1000) % 2_000_000_000

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def chat(self, chat_id: int) -> Chat:
        """A chat that the bot may write to; refuses as the Bot API does."""
        chat = self.chats.get(chat_id)
        if chat is None:
            raise BadRequest("chat not found")
        if chat.blocked:
            words = (
                "bot was blocked by the user" if chat.kind == "private" else f"bot was kicked from the {chat.kind} chat"
            )
            raise ApiError(403, f"Forbidden: {words}")
        return chat

    def wait_until(self, ready: Callable[[], Any], timeout: float) -> Any:
        """Waits until `ready()` is true and returns what it returned, or its last value after `timeout` seconds."""
        with self.changed:
            return self.changed.wait_for(ready, timeout)


def _bot_user(bot_id: int, username: str) -> Json:
    return {
        "id": bot_id,
        "is_bot": True,
        "first_name": "Server Agent",
        "username": username,
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }
