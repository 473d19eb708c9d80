"""The stand-ins as processes of their own, so that what they do never holds the driver's interpreter lock."""

import http.client
import json
import subprocess
import sys
import time
from types import TracebackType
from typing import Any, Self

import psutil

from agent_site.trial import BASE_DIR

ANSWER_SECONDS = 120.0


class StandInFailed(Exception):
    """A stand-in did not do what it was asked."""


class Outside:
    """A module of this package run as a process: it prints its address first, and ends when its input does."""

    module = ""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module, *arguments],
            cwd=BASE_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self._line().strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cpu(self) -> float:
        """Seconds of CPU that it has used so far."""
        times = psutil.Process(self.process.pid).cpu_times()
        return times.user + times.system

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise StandInFailed(f"{self.module} ended with {self.process.wait()}.")
        return line


class Telegram(Outside):
    """bench/support/telegram.py from the driver's side; `call` is a control of the Bot API stand-in."""

    module = "bench.support.telegram"

    def __init__(self, *, flood: bool = False) -> None:
        super().__init__(*(["--flood"] if flood else []))
        self.url, self.token = self.url.split()

    def call(self, control: str, **arguments: Any) -> Any:
        """`control` of FakeTelegram, with its arguments. Raises TimeoutError when a wait ran out."""
        return self._post(f"/control/{control}", arguments)

    def bench(self, name: str, **arguments: Any) -> Any:
        """What the benches' own stand-in can do beside that."""
        return self._post(f"/bench/{name}", arguments)

    def sent(self, chat_id: int, count: int = 1, *, contains: str = "", timeout: float = 20.0) -> dict[str, Any]:
        """Waits for the count-th message to a chat and returns it."""
        found = self.call("wait_for_sent", count=count, chat_id=chat_id, contains=contains, timeout=timeout)
        message: dict[str, Any] = found[count - 1]
        return message

    def until(self, name: str, *, timeout: float, **arguments: Any) -> Any:
        """Asks the stand-in's own `name` until its answer says done, or the time is over; the last answer."""
        end = time.monotonic() + timeout
        while True:
            answer = self.bench(name, **arguments)
            if answer["done"] or time.monotonic() > end:
                return answer
            time.sleep(0.1)

    def _post(self, path: str, arguments: dict[str, Any]) -> Any:
        port = int(self.url.rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", path, body=json.dumps(arguments))
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status == 408:
            raise TimeoutError(answer["error"])
        if response.status != 200:
            raise StandInFailed(f"{path}: {answer['error']}")
        return answer["result"]


class Model(Outside):
    """bench/support/model.py from the driver's side."""

    module = "bench.support.model"

    def asked(self) -> list[tuple[int, str, str]]:
        """What it was asked since the last time: (monotonic ns, "classify" or "work", the newest message)."""
        assert self.process.stdin is not None
        self.process.stdin.write("asked\n")
        self.process.stdin.flush()
        return [(at, purpose, text) for at, purpose, text in json.loads(self._line())]
