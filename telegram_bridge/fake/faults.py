"""Faults that a test or a bench orders: errors, cut connections, slowness."""

from dataclasses import dataclass, field
from enum import StrEnum

from telegram_bridge.fake.errors import ApiError

PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class FaultKind(StrEnum):
    FAIL = "fail"
    CUT_BEFORE = "cut_before"
    CUT_AFTER = "cut_after"


@dataclass(kw_only=True)
class Fault:
    """`method` is a Bot API method's name, or "*" for all."""

    method: str
    kind: FaultKind
    left: int
    status: int = 500
    retry_after: int | None = None
    description: str = ""

    def error(self) -> ApiError:
        words = self.description or PHRASES.get(self.status, "Error")
        if self.retry_after is not None and not self.description:
            words = f"{words}: retry after {self.retry_after}"
        return ApiError(self.status, words, retry_after=self.retry_after)


@dataclass(kw_only=True)
class Faults:
    """What is still to go wrong. Guarded by the world's lock."""

    ordered: list[Fault] = field(default_factory=list)
    delays: dict[str, float] = field(default_factory=dict)

    def take(self, method: str) -> Fault | None:
        """The oldest fault that is due for this method, used up by one."""
        fault = next((fault for fault in self.ordered if _covers(fault.method, method)), None)
        if fault is not None:
            fault.left -= 1
            self.ordered = [fault for fault in self.ordered if fault.left > 0]
        return fault

    def delay(self, method: str) -> float:
        return next((seconds for name, seconds in self.delays.items() if _covers(name, method)), 0.0)


def _covers(name: str, method: str) -> bool:
    return name == "*" or name.lower() == method.lower()
