"""The root of every error that the product raises on purpose: a sentence for a person, data for a handler."""

from collections.abc import Callable

StopCheck = Callable[[], bool]
"""Says whether the work in hand must stop now; long work asks it every 250 ms."""


class AgentError(Exception):
    """Something went wrong; the log has the details."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class Stopped(AgentError):
    """The work was stopped on request."""


class Frozen(Stopped):
    """Everything is frozen: /resume lets models and tools work again."""


class NotPermitted(AgentError):
    """You are not allowed to do that."""
