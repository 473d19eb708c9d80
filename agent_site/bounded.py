"""Answers within a time, whatever hangs: the work is done by a thread of its own that may be left behind."""

import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import close_old_connections, connection

from common.errors import AgentError

T = TypeVar("T")


class TooLate(AgentError):
    """It did not answer in time."""


class Bounded:
    """One thread a process, made when it is first needed. While it hangs nobody else is made to wait for it."""

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[tuple[bool, Any]]]] | None = None
        self._lock = threading.Lock()
        self._late = threading.Event()

    def call(self, function: Callable[[], T], *, seconds: float) -> T:
        """What `function` returns or raises, within `seconds`; raises TooLate. Inside a transaction it is called at
        once: another thread would not see what that has written."""
        if connection.in_atomic_block:
            return function()
        if self._late.is_set():
            raise TooLate
        answers: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()
        self._thread().put((function, answers))
        try:
            well, answer = answers.get(timeout=seconds)
        except queue.Empty:
            self._late.set()
            raise TooLate from None
        if not well:
            raise answer
        result: T = answer
        return result

    def _thread(self) -> "queue.SimpleQueue[Any]":
        with self._lock:
            if self._orders is None:
                self._orders = queue.SimpleQueue()
                threading.Thread(target=self._serve, args=(self._orders,), name="bounded", daemon=True).start()
            return self._orders

    def _serve(self, orders: "queue.SimpleQueue[Any]") -> None:
        while True:
            function, answers = orders.get()
            close_old_connections()
            try:
                answers.put((True, function()))
            except BaseException as error:
                answers.put((False, error))
            if orders.empty():
                self._late.clear()
