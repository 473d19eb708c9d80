"""What a channel is to the outbox: it parses and renders, and knows no rule. Channels register themselves."""

from dataclasses import dataclass, field
from typing import Protocol

from common import discovery


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """One thing to put into a chat. `external_id` is that of the message to edit, empty for a new one."""

    address: str
    topic: str
    text: str
    buttons: list[tuple[str, str]] = field(default_factory=list)
    approval_id: int | None = None
    revision: int = 0
    external_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A token bucket: one token each `seconds`, at most `burst` saved up, under `key`."""

    key: str
    seconds: float
    burst: int


class Channel(Protocol):
    """A way to reach people.

    A channel that `pulls` (a page, a terminal) reads the rows itself: what is queued for it counts as sent at once.
    """

    name: str
    pulls: bool
    text_limit: int

    def send(self, outgoing: Outgoing) -> str:
        """Put a new message into the chat; its id there. Raises DeliveryTransient, DeliveryPermanent."""

    def edit(self, outgoing: Outgoing) -> None:
        """Replace text and buttons of what was sent before. Raises the same."""

    def rates(self, address: str) -> list[Rate]:
        """The buckets that a message to this chat draws from."""


_channels: dict[str, Channel] = {}


def register(channel: Channel) -> None:
    """Make a channel known under its name."""
    _channels[channel.name] = channel


def channel_of(name: str) -> Channel:
    """The channel of that name; the apps' `channel.py` are read on first use."""
    if name not in _channels:
        discovery.load("channel")
    return _channels[name]
