"""What a script gives back, and what the stand-in remembers of each request."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer: Messages API blocks (text, tool_use). `stop_reason` empty: tool_use or end_turn, by the content.
    `delay`: seconds before the first byte; `pause`: seconds between events."""

    content: list[dict[str, Any]]
    stop_reason: str = ""
    delay: float = 0.0
    pause: float = 0.0
    usage: dict[str, Any] = field(default_factory=dict)  # added to the counts, as some providers do
    checked: bool = True  # no: an answer that breaks the asked-for schema is sent all the same


@dataclass(frozen=True, kw_only=True)
class Received:
    """A request as it came, the status it got, and the usage that was counted (None when it was refused)."""

    body: dict[str, Any]
    status: int
    usage: dict[str, Any] | None = None
    request_id: str = ""
    headers: dict[str, str] = field(default_factory=dict, repr=False)


Script = Callable[[dict[str, Any]], Reply]


def say(text: str, *, stop_reason: str = "", delay: float = 0.0, pause: float = 0.0) -> Reply:
    """A plain answer."""
    return Reply(content=[{"type": "text", "text": text}], stop_reason=stop_reason, delay=delay, pause=pause)


def json_answer(value: Any, *, checked: bool = True) -> Reply:
    """A structured answer."""
    return Reply(content=[{"type": "text", "text": json.dumps(value, ensure_ascii=False)}], checked=checked)


def call_tool(name: str, arguments: dict[str, Any], *, text: str = "") -> Reply:
    """One tool call, after `text` if there is any."""
    return call_tools([(name, arguments)], text=text)


def call_tools(calls: list[tuple[str, dict[str, Any]]], *, text: str = "") -> Reply:
    """Several tool calls in one turn."""
    said = [{"type": "text", "text": text}] if text else []
    uses = [
        {"type": "tool_use", "id": f"toolu_{next(_numbers):024d}", "name": name, "input": arguments}
        for name, arguments in calls
    ]
    return Reply(content=[*said, *uses])
