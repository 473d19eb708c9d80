"""Whether a model can be called: with no key, whether the demo model answers."""

import socket
from urllib.parse import urlsplit

from llm import routing
from llm.errors import ModelError
from llm.types import Purpose
from ops.health import Level, Result, register

CONNECT_SECONDS = 0.5


@register("model")
def model_check() -> Result:
    """Real models are not called for this: a check costs nothing."""
    try:
        route = routing.model_for(Purpose.WORK)
    except ModelError as error:
        return Result(level=Level.DEGRADED, reason=str(error))
    if not routing.is_demo():
        return Result(level=Level.OK)
    address = urlsplit(route.base_url)
    try:
        socket.create_connection((address.hostname, address.port), timeout=CONNECT_SECONDS).close()
    except OSError:
        return Result(level=Level.DEGRADED, reason="The demo model does not answer: restart with ./run.")
    return Result(level=Level.OK, reason="No key is set: the demo model answers.")
