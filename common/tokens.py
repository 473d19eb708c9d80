"""A counter that processes share by fork and can wait for: the guard gives wake-ups, the first worker takes each.

It lives in the kernel, without a lock that a killed process could take with it.
"""

import os
import select
import sys
import time
from contextlib import suppress


class Tokens:
    """Made before the fork. `take` never waits; `wait` does, and may lose the race for a token to another process."""

    def __init__(self) -> None:
        if sys.platform == "linux":
            self.fd = self._write = os.eventfd(0, os.EFD_SEMAPHORE | os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        else:  # a pipe with a byte a token; one that is full holds enough of them
            self.fd, self._write = os.pipe()
            os.set_blocking(self.fd, False)
            os.set_blocking(self._write, False)

    def give(self, count: int) -> None:
        """Adds `count` tokens."""
        if count <= 0:
            return
        with suppress(BlockingIOError):
            if self.fd == self._write:
                os.eventfd_write(self.fd, count)
            else:
                os.write(self._write, b"x" * count)

    def take(self) -> bool:
        """Takes one token if there is one."""
        try:
            return bool(os.read(self.fd, 8 if self.fd == self._write else 1))
        except BlockingIOError:
            return False

    def wait(self, timeout: float, *, wake_fd: int) -> bool:
        """Waits up to `timeout` seconds for a token and takes it; false too when `wake_fd` became readable."""
        until = time.monotonic() + timeout
        while True:
            ready = select.select([self.fd, wake_fd], [], [], max(0.0, until - time.monotonic()))[0]
            if wake_fd in ready or not ready:
                return False
            if self.take():
                return True
