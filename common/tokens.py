"""A counter that processes share by fork and can wait for: the guard gives wake-ups, and each is taken by one worker.

It lives in the kernel, without a lock that a killed process could take with it.
"""

import os
import select
import sys
import time
from contextlib import suppress


class Tokens:
    """Made before the fork. Nothing here waits; Waiter does."""

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
                for _ in range(count):  # a write wakes one waiter, whatever its value
                    os.eventfd_write(self.fd, 1)
            else:
                os.write(self._write, b"x" * count)

    def take(self) -> bool:
        """Takes one token if there is one."""
        try:
            return bool(os.read(self.fd, 8 if self.fd == self._write else 1))
        except BlockingIOError:
            return False


class Waiter:
    """One process's place in the queue for tokens, made after the fork.

    On Linux a token wakes one process, and always the first that is free in the order in which they took their places:
    so what is warm stays in use, and what few messages don't need stays cold and small. Elsewhere it wakes all.
    """

    def __init__(self, tokens: Tokens, *, wake_fd: int) -> None:
        self.tokens, self.wake_fd = tokens, wake_fd
        self._epoll: select.epoll | None = None
        if sys.platform == "linux":
            self._epoll = select.epoll()
            self._epoll.register(tokens.fd, select.EPOLLIN | select.EPOLLEXCLUSIVE)
            self._epoll.register(wake_fd, select.EPOLLIN)

    def wait(self, timeout: float) -> bool:
        """Waits up to `timeout` seconds for a token and takes it; false too when `wake_fd` became readable."""
        until = time.monotonic() + timeout
        while True:
            ready = self._ready(max(0.0, until - time.monotonic()))
            if self.wake_fd in ready or not ready:
                return False
            if self.tokens.take():
                return True

    def close(self) -> None:
        if self._epoll is not None:
            self._epoll.close()

    def _ready(self, timeout: float) -> list[int]:
        if self._epoll is not None:
            return [descriptor for descriptor, _ in self._epoll.poll(timeout)]
        return select.select([self.tokens.fd, self.wake_fd], [], [], timeout)[0]
