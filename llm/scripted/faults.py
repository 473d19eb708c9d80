"""What can be made to go wrong, in the order in which it was asked for, one request each."""

import threading
from collections import deque
from dataclasses import dataclass
from enum import Enum

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class End(Enum):
    """How a stream ends before its time."""

    CUT = "cut"  # the connection is dropped
    SILENT = "silent"  # nothing more comes, and the connection stays
    CLOSED = "closed"  # the response ends in good order, in the middle of the message
    ERROR = "error"  # an error event


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A status instead of an answer, or an answer that ends after so many events."""

    status: int = 200
    retry_after: float | None = None
    end: End | None = None
    after_events: int = 0


class Faults:
    """The queue of faults; threads of the server take from it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Fault] = deque()

    def add(self, fault: Fault, times: int) -> None:
        """`fault` for the next `times` requests."""
        with self._lock:
            self._waiting.extend([fault] * times)

    def take(self) -> Fault | None:
        """The fault of this request, if it has one."""
        with self._lock:
            return self._waiting.popleft() if self._waiting else None
