"""What goes to a model and what comes back: frozen values, in the shapes of the Messages API."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any


class Purpose(StrEnum):
    """What a model is called for; routing.py chooses the model by it."""

    CLASSIFY = "classify"
    WORK = "work"


class Scope(StrEnum):
    """On whose behalf: a person asked (reactive), or the agent itself (proactive)."""

    REACTIVE = "reactive"
    PROACTIVE = "proactive"


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """One request. `schema`: the answer's text must be JSON that matches it. Limits in seconds; `silence_limit`: the
    longest time without a byte of the stream."""

    purpose: Purpose
    system: str
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] = field(default_factory=list)
    max_tokens: int
    schema: dict[str, Any] | None = None
    time_limit: float = 600.0
    silence_limit: float = 120.0


@dataclass(frozen=True, kw_only=True)
class CallTag:
    """Who pays: written to the ledger with the call."""

    scope: Scope
    job_ref: str = ""
    thread_ref: str = ""
    person_ref: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelReply:
    """A finished answer. `content`: Messages API blocks, fit to be sent back as the assistant's turn. `tokens`: counted
    ones (input, output, cache write, cache read). `cost_usd`: None when the price is unknown."""

    content: list[dict[str, Any]]
    text: str
    stop_reason: str
    model: str
    provider: str
    request_id: str
    ledger_id: int
    parsed: Any | None
    tokens: int
    cost_usd: Decimal | None
