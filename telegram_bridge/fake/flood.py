"""Telegram's flood limits (core.telegram.org/bots/faq: one message a second in a chat with short bursts, 30 a second
over all, 20 a minute in a group). The real numbers are not published; these are the documented ones with little slack.
"""

import math
import time
from dataclasses import dataclass, field

from telegram_bridge.fake.errors import ApiError

CHAT = (5.0, 1.0)
"""(capacity, tokens a second)"""
OVERALL = (33.0, 30.0)
GROUP = (22.0, 20 / 60)


@dataclass(kw_only=True)
class Bucket:
    capacity: float
    rate: float
    tokens: float = -1.0
    filled_at: float = 0.0
    closed_until: float = 0.0

    def wait(self, now: float) -> float:
        """Seconds until a token is there; whoever asks too early must wait out the whole time that it was told."""
        fresh = self.capacity if self.tokens < 0 else self.tokens + (now - self.filled_at) * self.rate
        self.tokens, self.filled_at = min(self.capacity, fresh), now
        if now < self.closed_until:
            return self.closed_until - now
        return 0.0 if self.tokens >= 1 else (1 - self.tokens) / self.rate


@dataclass(kw_only=True)
class Flood:
    """The buckets of one bot. Guarded by the world's lock."""

    enabled: bool = True
    refused: int = 0
    buckets: dict[str, Bucket] = field(default_factory=dict)

    def check(self, chat_id: int) -> None:
        """Takes a token of each limit that applies, or raises 429 with `retry_after` in whole seconds."""
        if not self.enabled:
            return
        now = time.monotonic()
        buckets = self._buckets(chat_id)
        waits = {bucket.wait(now): bucket for bucket in buckets}
        if (longest := max(waits)) > 0:
            self.refused += 1
            seconds = max(1, math.ceil(longest))
            waits[longest].closed_until = max(waits[longest].closed_until, now + longest)
            raise ApiError(429, f"Too Many Requests: retry after {seconds}", retry_after=seconds)
        for bucket in buckets:
            bucket.tokens -= 1

    def _buckets(self, chat_id: int) -> list[Bucket]:
        limits = {"all": OVERALL, f"chat:{chat_id}": CHAT} | ({f"group:{chat_id}": GROUP} if chat_id < 0 else {})
        return [
            self.buckets.setdefault(name, Bucket(capacity=capacity, rate=rate))
            for name, (capacity, rate) in limits.items()
        ]
