"""Tells systemd how it goes: the datagrams of sd_notify(3), to the socket that NOTIFY_SOCKET names."""

import logging
import os
import socket

logger = logging.getLogger(__name__)
READY = "READY=1"
ALIVE = "WATCHDOG=1"
STOPPING = "STOPPING=1"


class Notifier:
    """Silent where nobody listens. The variable is taken out of the environment: gunicorn would speak up as well, and
    no tool needs the address."""

    def __init__(self) -> None:
        address = os.environ.pop("NOTIFY_SOCKET", "")
        self.address = f"\0{address[1:]}" if address.startswith("@") else address  # "@": Linux's abstract names

    def tell(self, state: str) -> None:
        """Sends one state. A message that can't be sent is logged: work goes on, and systemd does what it must."""
        if not self.address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
                door.settimeout(1)
                door.sendto(state.encode(), self.address)
        except OSError as error:
            logger.warning("systemd could not be told %s: %s", state, error)
