"""What a tool is: its words for the model, its schema, its effect, and the function that does it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from common.errors import StopCheck
from tools.models import Decision


class Effect(StrEnum):
    """Whether a call may be repeated after a crash: READ changes nothing, WRITE might."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """What the model asked for; `call_id` is the model's own id of the call."""

    call_id: str
    name: str
    arguments: dict[str, Any]


def _ignore_process(pid: int, started: float) -> None:
    """For tools that start no process."""


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """What a tool knows of its surroundings.

    `approved`: a person said yes to this call, so it may go beyond what the rules allow by themselves. `signed`: to
    exactly this one, not by a standing permission.
    `on_process(pid, start time in seconds since 1970)`: told before the first output of a process that the tool starts.
    """

    workspace: Path
    stop: StopCheck
    run_ref: str = ""
    job_ref: str = ""
    call_id: str = ""
    approved: bool = False
    signed: bool = False
    on_process: Callable[[int, float], None] = _ignore_process


@dataclass(frozen=True, kw_only=True)
class ToolResult:
    """What the model is told. `exit_code` only where there was a process."""

    output: str
    is_error: bool = False
    exit_code: int | None = None
    truncated: bool = False


@dataclass(frozen=True, kw_only=True)
class Tool:
    """`input_schema` is a JSON Schema of an object; properties that it doesn't name are refused.

    `bounds` names the arguments that only limit a call: a person's OK holds whatever they are. `run` may raise
    AgentError (told to the model in its words) and Stopped.

    A tool of an MCP server is `outside`: its schema is the server's own, and `verdict` is what the owner lets it do.
    What an `untrusted` one returns is text of strangers.
    """

    name: str
    description: str
    effect: Effect
    run: Callable[[ToolContext, dict[str, Any]], ToolResult]
    input_schema: dict[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})
    bounds: frozenset[str] = frozenset()
    verdict: Decision | None = None
    outside: bool = False
    untrusted: bool = False
