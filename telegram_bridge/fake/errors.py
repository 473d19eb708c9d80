"""Answers of the stand-in that are no success."""

from common.errors import AgentError


class ApiError(AgentError):
    """The Bot API refused the call."""

    def __init__(self, code: int, description: str, *, retry_after: int | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.retry_after = retry_after


class BadRequest(ApiError):
    """The call broke a rule of the Bot API."""

    def __init__(self, description: str) -> None:
        super().__init__(400, f"Bad Request: {description}")


class ConnectionCut(AgentError):
    """The connection is to be cut without an answer."""
