"""What the budget refuses."""

from datetime import datetime

from common.errors import AgentError


class LimitReached(AgentError):
    """A spending limit is reached."""

    def __init__(self, message: str = "", *, limit_name: str = "", resets_at: datetime | None = None) -> None:
        super().__init__(message)
        self.limit_name = limit_name
        self.resets_at = resets_at
