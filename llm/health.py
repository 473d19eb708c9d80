"""Whether a model can be called: what the calls say; with no key, whether the demo model answers."""

import socket
from urllib.parse import urlsplit

from llm import routing
from llm.errors import ModelError, ModelKeyRefused, ModelOutputInvalid, ModelRejected, ModelUnavailable
from llm.types import Purpose
from ops.connections import connection_failed, connection_ok
from ops.health import Level, Result, of_connections, register

MODEL = "model"
CONNECT_SECONDS = 0.5


def heard(error: BaseException | None) -> None:
    """A call of the model has ended, with `error` or well. A refusal of one request is an answer; what was stopped or
    never sent says nothing."""
    if error is None or (
        isinstance(error, ModelRejected | ModelOutputInvalid) and not isinstance(error, ModelKeyRefused)
    ):
        connection_ok(MODEL)
    elif isinstance(error, ModelUnavailable | ModelKeyRefused):
        retry_in = error.retry_after if isinstance(error, ModelUnavailable) else None
        connection_failed(MODEL, error, retry_in=retry_in, fatal=isinstance(error, ModelKeyRefused))


@register("model")
def model_check() -> Result:
    """Real models are not called for this: a check costs nothing."""
    try:
        route = routing.model_for(Purpose.WORK)
    except ModelError as error:
        return Result(level=Level.DEGRADED, reason=str(error))
    if not routing.is_demo():
        return of_connections(MODEL)
    address = urlsplit(route.base_url)
    try:
        socket.create_connection((address.hostname, address.port), timeout=CONNECT_SECONDS).close()
    except OSError:
        return Result(level=Level.DEGRADED, reason="The demo model does not answer: restart with ./run.")
    return Result(level=Level.OK, reason="No key is set: the demo model answers.")
