"""Who asked is told the answer: one function a kind, registered by the app that asks."""

from collections.abc import Callable

from approvals.models import Approval
from common import discovery

Handler = Callable[[Approval], None]
TalkHandler = Callable[[Approval, str, str, str], None]
_handlers: dict[str, Handler] = {}
_talks: dict[str, TalkHandler] = {}


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


def register_talk(kind: str) -> Callable[[TalkHandler], TalkHandler]:
    """Decorator: `handler(approval, verb, text, actor)` is told what a person says about an open card of this kind:
    `text` is empty where he has only pressed the button and his words are still to come."""

    def keep(handler: TalkHandler) -> TalkHandler:
        _talks[kind] = handler
        return handler

    return keep


def talk_of(kind: str) -> TalkHandler:
    """Who is told what is said about the cards of a kind. Raises KeyError where nobody is: it offers no such button."""
    discovery.load("approval_handlers")
    return _talks[kind]
