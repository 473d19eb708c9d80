"""The web server: gunicorn with threads, started in this process (ASGI was measured slower for this work)."""

import os
import socket
from typing import Any

from django.conf import settings
from gunicorn.app.base import BaseApplication

from agent_site import dead_man
from common.errors import AgentError
from common.processes import die_with_parent

WORKERS = 2
THREADS = 8
BACKLOG = 1024


class PortTaken(AgentError):
    """The port is in use."""


class Gunicorn(BaseApplication):  # type: ignore[misc]
    """gunicorn with options in place of a command line."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        from agent_site.wsgi import application

        return alive_before(application)


def alive_before(application: Any) -> Any:
    """Answers /health/live before anything of Django is touched: the supervisor asks for it every 10 s, and a worker
    that does nothing else stays cold, and so 5 MB smaller."""

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        if environ.get("PATH_INFO") != "/health/live" or environ.get("REQUEST_METHOD") != "GET":
            return application(environ, start_response)
        body = b'{"status": "ok"}'
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Cache-Control": "no-store"}
        start_response("200 OK", list(headers.items()))
        return [body]

    return answer


def listen() -> socket.socket:
    """The listening socket at BIND and PORT. The supervisor makes it, so that callers wait while web is restarted
    instead of being refused. Raises PortTaken."""
    family = socket.AF_INET6 if ":" in settings.BIND else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.BIND, settings.PORT))
        listening.listen(BACKLOG)
    except PermissionError:
        listening.close()
        raise PortTaken(f"Port {settings.PORT} may only be used by root: set PORT to 1024 or more.") from None
    except OSError as error:
        listening.close()
        raise PortTaken(
            f"Cannot listen on {settings.BIND}, port {settings.PORT} ({error.strerror}): another program may use it. "
            "Stop that one, or set another PORT in .env."
        ) from None
    return listening


def serve(listening: socket.socket | None = None) -> None:
    """Serves until SIGTERM; requests in hand get 8 s."""
    options = {
        "bind": f"fd://{(listening or listen()).detach()}",
        "backlog": BACKLOG,
        "worker_class": "gthread",
        "workers": WORKERS,
        "threads": THREADS,
        "preload_app": True,
        "keepalive": 75,
        "timeout": 30,  # s without a sign of life of a worker, not the longest request
        "graceful_timeout": 8,
        "worker_tmp_dir": "/dev/shm" if os.path.isdir("/dev/shm") else None,
        "control_socket_disable": True,
        "loglevel": "warning",
        "post_worker_init": lambda worker: dead_man.start(),
        "post_fork": lambda arbiter, worker: die_with_parent(worker.ppid),
    }
    Gunicorn(options).run()
