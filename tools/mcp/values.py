"""What passes between the connection's side, which is asynchronous, and the rows' side, which is not."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Offered:
    """A tool as its server describes it."""

    name: str
    description: str = ""
    input_schema: Any = None
    annotations: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a server says of itself."""

    protocol: str
    version: str
    tools: tuple[Offered, ...]
    cut: bool = False


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a server wants to know from a person. `form` is a JSON Schema; an address to visit has none.

    `key` and `request_state` only where the protocol is that of 2026-07-28 or later: the call is then continued with
    them. Before that, it is made anew and asks again.
    """

    message: str
    form: dict[str, Any] = field(default_factory=dict)
    url: str = ""
    key: str = ""
    request_state: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A person's answer to what was asked; `content` is None where he declined."""

    asked: Asked
    content: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """Something in an answer that is no text, to be kept as a file."""

    data: bytes
    kind: str
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a call came to: parts in their order, or questions that stand in its way."""

    parts: tuple[str | Attachment, ...] = ()
    is_error: bool = False
    questions: tuple[Asked, ...] = ()
