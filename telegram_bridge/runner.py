"""The bridge process: the sender, the answers to presses, and the receiver."""

import logging
import os
import signal
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from common import background
from common.errors import AgentError
from ops.heartbeats import beat, rest
from telegram_bridge import acks
from telegram_bridge.link import LINK
from telegram_bridge.pulse import Pulse
from telegram_bridge.receiver import Receiver
from telegram_bridge.sender import Sender
from telegram_bridge.settings import client

logger = logging.getLogger(__name__)
NAME = "bridge"
JOIN_SECONDS = 5


class BridgeStuck(AgentError):
    """A part of the bridge does not get on: this process ends, and a fresh one takes over."""


def main() -> None:
    """Run until SIGTERM or SIGINT; what is being sent is finished, the rest stays in the outbox. Raises BridgeStuck
    when one of its threads has ended or is beyond its limit, so that the process is replaced."""
    stop = Event()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def end(*_: object) -> None:
        stop.set()
        os.write(writer, b"x")

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    door = client()
    bridge = Bridge(stop)
    receiver = Receiver(door, stop, bridge.pulse)
    bridge.start("acks", lambda: acks.serve(door, stop))
    bridge.start("receive", receiver.run)
    Sender(stop=stop, wake_fd=reader, on_beat=lambda worked: bridge.on_beat(worked, way=str(receiver.way or ""))).run()
    bridge.end()


class Bridge:
    """The threads beside the sender, and whether they get on; the sender's beat looks."""

    def __init__(self, stop: Event) -> None:
        self.stop = stop
        self.pulse = Pulse()
        self.threads: list[Thread] = []
        self.trouble = ""

    def start(self, name: str, main: Callable[[], None]) -> None:
        thread = Thread(target=main, name=name, daemon=True)
        self.threads.append(thread)
        thread.start()

    def on_beat(self, worked: bool, **detail: Any) -> None:
        """Beat, and tell how Telegram is reached; end the process where a thread is stuck or gone."""
        self.trouble = self.trouble or self.trouble_now()
        if self.trouble:
            logger.error("%s This process ends.", self.trouble)
            self.stop.set()
            return
        beat(NAME, progressed=worked, detail=detail)
        LINK.tell()

    def trouble_now(self) -> str:
        if self.stop.is_set():
            return ""
        if gone := [thread.name for thread in self.threads if not thread.is_alive()]:
            return f"The thread {gone[0]} has ended."
        if late := self.pulse.overdue():
            return f"Receiving is stuck: its turn should have ended {late:.0f} s ago."
        return "The loop of the calls to Telegram is blocked." if background.is_lost() else ""

    def end(self) -> None:
        for thread in self.threads:
            thread.join(timeout=JOIN_SECONDS)
        if self.trouble:
            raise BridgeStuck(self.trouble)
        rest([os.getpid()])
