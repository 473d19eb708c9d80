from typing import Any

from approvals.models import Approval
from common.errors import AgentError


class ApprovalRequired(AgentError):
    """A person must say yes before this can go on."""

    def __init__(self, *, calls: list[dict[str, Any]], reason: str, rule: str) -> None:
        super().__init__(reason)
        self.calls = calls
        self.reason = reason
        self.rule = rule


class ApprovalStale(AgentError):
    """This card is out of date."""

    def __init__(self, message: str, *, approval: Approval | None) -> None:
        super().__init__(message)
        self.approval = approval


class UnknownChoice(AgentError):
    """This card has no such button."""
