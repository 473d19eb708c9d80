"""Starts everything: `manage.py up`, which ./run calls."""

import fcntl
import http.client
import os
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connections

from agent_site import boot, embedded_postgres, notify, warm, web
from agent_site.services import Service, services
from agent_site.supervisor import Supervisor
from common.errors import AgentError

PID_FILE = "agent.pid"


class AlreadyRunning(AgentError):
    """Another instance is running with this DATA_DIR."""


class Command(BaseCommand):
    help = "Prepares the database, starts all processes, and starts them again when they die."

    requires_system_checks = []  # made below, after what is refused sooner

    def handle(self, *args: Any, **options: Any) -> None:
        self.started = time.monotonic()
        self.ready = False
        self.notifier = notify.Notifier()
        self.door = door()
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # during the start; later the supervisor takes it
        lock = only_instance()
        listening = web.listen()
        self.check()
        try:
            self.live(listening)
        except KeyboardInterrupt:  # it was told to stop before it had started
            pass
        finally:
            if not settings.DATABASE_URL:
                connections.close_all()
                embedded_postgres.stop(settings.DATA_DIR)
            lock.close()
        self.say("Stopped.")

    def live(self, listening: socket.socket) -> None:
        """From the database's preparation to the end of the last process."""
        self.say("Preparing the database …")
        boot.prepare()
        if password := boot.admin_ensure():
            self.say(boot.password_tell(password))
        self.say("Starting …")
        warm.warm_up()
        Announced(services(listening), on_tick=self.tell_when_ready, notifier=self.notifier).run()

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def tell_when_ready(self) -> float:
        """Says so once, when /health is green; from then on only that it lives. Returns the seconds until it wants to
        look again."""
        if self.ready:
            self.notifier.tell(notify.ALIVE)
        elif health(self.door) == 200:
            self.ready = True
            self.door.close()
            self.notifier.tell(notify.READY)
            self.say(f"ready: {address()}  (after {time.monotonic() - self.started:.1f} s)")
        return 1.0 if self.ready else 0.1


class Announced(Supervisor):
    """A supervisor that tells systemd when it begins to stop."""

    def __init__(self, table: list[Service], *, on_tick: Callable[[], float], notifier: notify.Notifier) -> None:
        super().__init__(table, on_tick=on_tick)
        self.notifier = notifier

    def shut_down(self) -> None:
        self.notifier.tell(notify.STOPPING)
        super().shut_down()


def only_instance() -> Any:
    """Holds the lock of this DATA_DIR, with the process id in it. Raises AlreadyRunning."""
    path = settings.DATA_DIR / PID_FILE
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)  # with a DATABASE_URL and keys of its own, nothing made it yet
    lock = open(path, "a+")  # noqa: SIM115  (held as long as the process lives)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = path.read_text().strip()
        raise AlreadyRunning(
            f"It is running already (process {pid}): see ./run status, or end it by ./run stop."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def address() -> str:
    """Where a person opens it in a browser of this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.BIND, settings.BIND)
    return f"http://{host}:{settings.PORT}/"


def door() -> http.client.HTTPConnection:
    """To the web server. Kept open between two looks, so that they all wake one and the same of its workers."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.BIND, settings.BIND)
    return http.client.HTTPConnection(host, settings.PORT, timeout=2)


def health(connection: http.client.HTTPConnection) -> int:
    """The status of GET /health, or 0 when nothing answers."""
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        connection.close()  # the next request opens it again
        return 0
