"""Tokens as the stand-in counts them (four bytes each, rounded up by block), and prompt caching by byte-equal prefixes.

As with the real API: a prefix ends at a block with `cache_control`; it is read back when a later request begins with
the same bytes, up to 20 blocks before one of its own breakpoints; prefixes below a minimum are not kept; entries last
five minutes or an hour, and a read renews them.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llm.scripted.checks import as_blocks

BYTES_A_TOKEN = 4
LOOK_BACK = 20
SECONDS = {"5m": 300.0, "1h": 3600.0}
MAX_KEPT = 10_000


@dataclass(frozen=True, kw_only=True)
class _Segment:
    """The prompt up to and with one block: its hash, its tokens, and the ttl of its breakpoint (empty: none)."""

    digest: str
    tokens: int
    ttl: str


def tokens_of(data: bytes | str) -> int:
    """Tokens of a text or its bytes."""
    size = len(data.encode() if isinstance(data, str) else data)
    return -(-size // BYTES_A_TOKEN)


class PromptCache:
    """The prefixes that were written, with when each lapses."""

    def __init__(self, *, minimum: int = 1024, clock: Callable[[], float] = time.monotonic) -> None:
        self._minimum = minimum
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, str]] = {}

    def count(self, body: dict[str, Any]) -> dict[str, Any]:
        """The input part of a `usage` object; writes what the request's breakpoints ask for."""
        segments = _segments(body)
        total = segments[-1].tokens if segments else 0
        with self._lock:
            read = self._read(segments)
            marks = [part for part in segments if part.ttl and part.tokens >= self._minimum]
            self._prune()
            for part in marks:
                self._kept[part.digest] = (self._clock() + SECONDS[part.ttl], part.ttl)
        end = marks[-1].tokens if marks else 0
        hour_end = max((part.tokens for part in marks if part.ttl == "1h"), default=0)
        hour = max(hour_end - read, 0)
        written = max(end - read, 0)
        return {
            "input_tokens": total - max(end, read),
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": read,
            "cache_creation": {"ephemeral_5m_input_tokens": written - hour, "ephemeral_1h_input_tokens": hour},
        }

    def _read(self, segments: list[_Segment]) -> int:
        found = 0
        for index, part in enumerate(segments):
            if not part.ttl:
                continue
            for earlier in segments[max(index - LOOK_BACK + 1, 0) : index + 1]:
                lapses, ttl = self._kept.get(earlier.digest, (0.0, ""))
                if lapses > self._clock():
                    self._kept[earlier.digest] = (self._clock() + SECONDS[ttl], ttl)
                    found = max(found, earlier.tokens)
        return found

    def _prune(self) -> None:
        if len(self._kept) > MAX_KEPT:
            self._kept = {key: entry for key, entry in self._kept.items() if entry[0] > self._clock()}


def _segments(body: dict[str, Any]) -> list[_Segment]:
    digest, tokens, segments = hashlib.sha256(body["model"].encode()), 0, []
    for label, block in _labelled(body):
        bare = {name: value for name, value in block.items() if name != "cache_control"}
        data = (label + json.dumps(bare, ensure_ascii=False, separators=(",", ":"))).encode()
        digest.update(data)
        tokens += tokens_of(data)
        mark = block.get("cache_control")
        ttl = mark.get("ttl", "5m") if mark else ""
        segments.append(_Segment(digest=digest.hexdigest(), tokens=tokens, ttl=ttl))
    return segments


def _labelled(body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    parts = [("tool", tool) for tool in body.get("tools", [])]
    parts += [("system", block) for block in as_blocks(body.get("system", []))]
    for message in body["messages"]:
        parts += [(message["role"], block) for block in as_blocks(message["content"])]
    return parts
