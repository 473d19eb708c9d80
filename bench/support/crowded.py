"""The Bot API stand-in of `bench/chaos`, with a crowd in it: `python -m bench.support.crowded` prints its address and
token, as bench/support/telegram.py does.
"""

import http.client
import sys
import threading
import time
from typing import Any

from bench.support.crowd import Crowd
from bench.support.outside import Telegram
from bench.support.telegram import BenchTelegram

LOOK_SECONDS = 0.25
OFFLINE_SECONDS = 15.0


class CrowdTelegram(BenchTelegram):
    """The stand-in with a crowd in it; `/bench/crowd` lets it begin."""

    def __init__(self) -> None:
        super().__init__(flood=False)
        self._crowd: Crowd | None = None
        threading.Thread(target=self._live, daemon=True).start()

    def crowd(self, chats: list[int], messages: int, seconds: float, seed: int) -> None:
        with self.world.changed:
            self._crowd = Crowd(self, chats=chats, messages=messages, seconds=seconds, seed=seed)

    def crowd_told(self) -> dict[str, Any]:
        with self.world.lock:
            assert self._crowd is not None
            return self._crowd.told()

    def crowd_record(self) -> dict[str, Any]:
        with self.world.lock:
            assert self._crowd is not None
            return self._crowd.record()

    def go_offline(self, seconds: float) -> None:
        """Goes offline a moment later, so that this order itself is still answered."""
        threading.Timer(0.1, self.offline, [seconds]).start()

    def calm(self) -> None:
        """Whatever fault was ordered and not met yet is taken back."""
        with self.world.lock:
            self.world.faults.ordered.clear()

    def _live(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            with self.world.changed:
                if self._crowd is not None:
                    self._crowd.settle()
                    self._crowd.tick()

    def _after_call(self) -> None:
        super()._after_call()
        if self._crowd is not None:
            self._crowd.look()


class CrowdSide(Telegram):
    """The same from the driver's side."""

    module = "bench.support.crowded"

    def _post(self, path: str, arguments: dict[str, Any]) -> Any:
        until = time.monotonic() + OFFLINE_SECONDS
        while True:
            try:
                return super()._post(path, arguments)
            except (OSError, http.client.HTTPException):  # offline, for its driver too
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)


def main() -> None:
    with CrowdTelegram() as telegram:
        print(telegram.url, telegram.token, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
