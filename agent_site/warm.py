"""Does once, in the parent, what each process would otherwise do at its first message: import, build, cache.

What is made before the fork is made once and its memory is shared; what is made after it, eight times. No thread, event
loop, socket or connection may outlive this: a fork would copy it half.
"""

import gc
import importlib
import io
from typing import Any

from django.apps import apps
from django.db import connections
from django.urls import get_resolver, reverse

from common import discovery
from llm import gateway

DISCOVERED = ("tasks", "tools", "chat_commands", "health", "approval_handlers", "channel")
IMPORTED = ("telegram_bridge.bot", "telegram_bridge.runner", "gunicorn.workers.gthread", "gunicorn.arbiter")


def warm_up() -> None:
    """To be called once, before the first fork and after the migrations. Writes nothing to the database."""
    for module in DISCOVERED:
        discovery.load(module)
    for module in IMPORTED:
        importlib.import_module(module)
    gateway.warm_up()
    warm_models()
    warm_pages()
    connections.close_all()
    gc.collect()


def warm_models() -> None:
    """A query to each model: its compiled names and converters, and psycopg's own caches."""
    for model in apps.get_models():
        model._default_manager.filter(pk=0).select_related().first()


def warm_pages() -> None:
    """All addresses, all middleware, and one page from its template."""
    _ = get_resolver().url_patterns
    from agent_site.wsgi import application

    page = application(_request(reverse("admin:login")), lambda status, headers, error=None: len)
    b"".join(page)
    page.close()  # ends the request


def _request(path: str) -> dict[str, Any]:
    """What a WSGI server hands over for a GET from this machine."""
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
    }
