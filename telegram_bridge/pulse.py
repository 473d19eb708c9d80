"""Whether a thread of the bridge still gets on: it says beforehand how long its next step may take at most."""

import time


class Pulse:
    """One thread expects, another one looks; both only read and write single values."""

    def __init__(self) -> None:
        self._due: float | None = None

    def expect(self, seconds: float) -> None:
        """The next call of this comes within `seconds`."""
        self._due = time.monotonic() + seconds

    def rest(self) -> None:
        """Nothing is expected any more."""
        self._due = None

    def overdue(self) -> float:
        """Seconds by which the thread is beyond its limit; 0 when it is not."""
        due = self._due
        return max(0.0, time.monotonic() - due) if due is not None else 0.0
