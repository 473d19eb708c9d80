from typing import Any

from common.errors import AgentError


class RunParked(AgentError):
    """The run waits for a person."""

    def __init__(self, *, call: dict[str, Any], reason: str, rule: str) -> None:
        super().__init__(reason)
        self.call = call
        self.reason = reason
        self.rule = rule


class RunYielded(AgentError):
    """The run has had its minute, and goes on with the next task."""


class RunFailed(AgentError):
    """The run can't go on."""


class LimitExceeded(RunFailed):
    """The run has reached a limit."""
