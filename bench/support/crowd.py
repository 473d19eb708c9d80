"""Many people at once, inside the Bot API stand-in of `bench/chaos`: they write, press OK, and press again.

Each message is a word and a token of its own: "Ask k7x3k", "Do k7x4k" (a command that its plan names), "Later k7x5k"
(one that is asked about in mid-run). An answer names the tokens that it answers. See crowded.py for where they live.
"""

import random
import re
import time
from dataclasses import dataclass, field
from typing import Any

from bench.support.telegram import BenchTelegram
from telegram_bridge.fake.world import Message

PATIENCE_SECONDS = 6.0
"""After that a person presses a button again whose card still stands there."""
PRESSES = 12
ANSWERED = re.compile(r"^Answered: ([\w, ]+)\.")
TOKEN = re.compile(r"k\d+x\d+k")
LABELS = ("OK", "Retry")


@dataclass(kw_only=True)
class Heard:
    """A message of the bot as it came, whatever it was edited to afterwards."""

    chat: int
    message_id: int
    text: str
    at_ns: int


@dataclass(kw_only=True)
class Card:
    """A message with buttons, and when its chat's person has pressed one."""

    message: Message
    label: str
    next_press: float
    presses: int = 0


@dataclass(kw_only=True)
class Talker:
    """One chat: what its person has said, and which of it is not answered yet."""

    chat: int
    said: int = 0
    open: set[str] = field(default_factory=set)
    cards: list[Card] = field(default_factory=list)


class Crowd:
    """`tick` lets people write and press; `look` takes note of what the bot has sent. Both with the world's lock held.

    Whoever waits for an answer writes nothing more, but a burst is several messages at once.
    """

    def __init__(self, telegram: BenchTelegram, *, chats: list[int], messages: int, seconds: float, seed: int) -> None:
        self.telegram, self.messages, self.pause = telegram, messages, seconds / messages
        self.words, self.hands = random.Random(seed), random.Random(f"hands {seed}")
        self.talkers = {chat: Talker(chat=chat) for chat in chats}
        self.said: dict[str, float] = {}
        self.said_ns: dict[str, int] = {}
        self.asked: list[tuple[int, int]] = []
        self.updates: list[int] = []
        self.answers: dict[str, list[int]] = {}
        self.heard: list[Heard] = []
        self.presses = self.retries = self.seen = 0
        self.next_words = time.monotonic()

    def tick(self) -> None:
        now = time.monotonic()
        while now >= self.next_words and len(self.said) < self.messages:
            quiet = [talker for talker in self.talkers.values() if not talker.open]
            if not quiet:
                break
            self._speak(quiet[int(self.words.random() * len(quiet))])
        for talker in self.talkers.values():
            self._press(talker, now)

    def _speak(self, talker: Talker) -> None:
        """A message, now and then a burst of them, now and then edited at once."""
        count = self.words.choice([1, 1, 1, 1, 2, 3])
        for _ in range(min(count, self.messages - len(self.said))):
            talker.said += 1
            token = f"k{talker.chat}x{talker.said}k"
            text = f"{self.words.choice(['Ask', 'Ask', 'Do', 'Later'])} {token}"
            talker.open.add(token)
            update = self.telegram.user_says(talker.chat, text)
            self.said[token], self.said_ns[token] = time.time(), time.monotonic_ns()
            self.asked.append((talker.chat, time.monotonic_ns()))
            self.updates.append(update["update_id"])
            if self.words.random() < 0.15:
                edit = self.telegram.user_edits(talker.chat, update["message"]["message_id"], f"{text} please")
                self.updates.append(edit["update_id"])
            self.next_words += self.pause

    def _press(self, talker: Talker, now: float) -> None:
        for card in list(talker.cards):
            if not card.message.buttons or card.presses >= PRESSES:
                talker.cards.remove(card)
            elif now >= card.next_press:
                card.presses += 1
                card.next_press = now + PATIENCE_SECONDS
                update = self.telegram.user_presses(talker.chat, card.message.message_id, label=card.label)
                self.updates.append(update["update_id"])
                self.asked += [(talker.chat, time.monotonic_ns())] if card.presses == 1 else []
                self.presses += 1
                self.retries += card.label == "Retry" and card.presses == 1

    def look(self) -> None:
        """Takes note of what the bot has sent since the last look."""
        sent = self.telegram.world.sent
        while self.seen < len(sent):
            self._hear(sent[self.seen])
            self.seen += 1

    def _hear(self, message: Message) -> None:
        talker, text, at = self.talkers.get(message.chat_id), message.text, message.at.monotonic_ns
        if talker is None:
            return
        self.heard.append(Heard(chat=talker.chat, message_id=message.message_id, text=text, at_ns=at))
        if found := ANSWERED.match(text):
            for token in TOKEN.findall(found[1]):
                self.answers.setdefault(token, []).append(at)
                talker.open.discard(token)
        labels = [str(button["text"]) for row in message.buttons for button in row]
        for label in LABELS:
            if label in labels:
                pause = self.hands.uniform(0.05, 0.5) if self.hands.random() < 0.8 else self.hands.uniform(1.0, 5.0)
                talker.cards.append(Card(message=message, label=label, next_press=time.monotonic() + pause))

    def replaced(self, token: str) -> bool:
        """Whether the plan of a message says that a newer message has replaced it."""
        talker = self.talkers[int(token[1:].partition("x")[0])]
        mine = self.telegram.world.chats[talker.chat].messages.values()
        return any(one.from_bot and token in one.text and "Replaced by your newer" in one.text for one in mine)

    def settle(self) -> None:
        """Whoever was told that a newer message replaces his plan waits no longer for it."""
        for talker in self.talkers.values():
            talker.open -= {token for token in talker.open if self.replaced(token)}

    def told(self) -> dict[str, Any]:
        self.settle()
        waiting = sorted(token for talker in self.talkers.values() for token in talker.open)
        spoken = len(self.said) >= self.messages
        return {"done": spoken and not waiting, "spoken": len(self.said), "waiting": waiting}

    def record(self) -> dict[str, Any]:
        """All that happened, for the checks."""
        return {
            "said": self.said,
            "said_ns": self.said_ns,
            "asked": self.asked,
            "updates": self.updates,
            "answers": self.answers,
            "heard": [[one.chat, one.message_id, one.text, one.at_ns] for one in self.heard],
            "presses": self.presses,
            "retries": self.retries,
        }
