"""The processes of the product, one table: what each runs, when it is wanted, and when it is stopped."""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings

from agent_site import clusters, watch, web
from common.queue import Lane


@dataclass(frozen=True, kw_only=True)
class Service:
    """One process: `main` runs until SIGTERM. Turns of stopping: 0 is the rule, the bridge carries what these have to
    say (1), and the demo model answers them to the end (2). `probe` looks whether a server still answers."""

    name: str
    main: Callable[[], None]
    wanted: Callable[[], bool] = lambda: True
    turn_to_stop: int = 0
    probe: watch.Probe | None = None


def services(listening: socket.socket) -> list[Service]:
    """The table of all processes, in the order in which they start."""
    return [
        Service(name="demo model", main=run_demo_model, wanted=wants_demo_model, turn_to_stop=2),
        Service(name="web", main=lambda: web.serve(listening.dup()), probe=watch.Probe(listening.getsockname())),
        Service(name="cluster talk", main=lambda: clusters.run_cluster(Lane.TALK)),
        Service(name="cluster work", main=lambda: clusters.run_cluster(Lane.WORK)),
        Service(name="bridge", main=run_bridge, wanted=wants_bridge, turn_to_stop=1),
    ]


def wants_demo_model() -> bool:
    from llm import routing

    return routing.is_demo()


def run_demo_model() -> None:
    from llm.routing import DEMO_URL_FILE
    from llm.scripted.serve import serve

    serve(script="demo", port=0, first_token_delay=0.0, url_file=settings.DATA_DIR / DEMO_URL_FILE)


def wants_bridge() -> bool:
    return bool(settings.TELEGRAM_BOT_TOKEN)


def run_bridge() -> None:
    from telegram_bridge import runner

    runner.main()
