"""Who asked is told the answer: one function a kind, registered by the app that asks."""

from collections.abc import Callable

from approvals.models import Approval
from common import discovery

Handler = Callable[[Approval], None]
_handlers: dict[str, Handler] = {}


def register(kind: str) -> Callable[[Handler], Handler]:
    """Decorator: `handler(approval)` runs in the transaction of each decision or expiry of this kind."""

    def keep(handler: Handler) -> Handler:
        _handlers[kind] = handler
        return handler

    return keep


def handler_of(kind: str) -> Handler:
    """The handler of a kind; the apps' `approval_handlers.py` are read on first use."""
    if kind not in _handlers:
        discovery.load("approval_handlers")
    return _handlers[kind]
