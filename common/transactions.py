"""How services that call each other share one transaction."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import connection, transaction

P = ParamSpec("P")
R = TypeVar("R")


def joined(service: Callable[P, R]) -> Callable[P, R]:
    """Decorator: the service runs in its caller's transaction, or in one of its own where there is none.

    Unlike a nested `atomic` it makes no savepoint (two round trips each): an error undoes the outermost block, which is
    what a service wants. Who catches an error of a service and goes on in the same transaction makes the savepoint.
    """

    @wraps(service)
    def in_transaction(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.in_atomic_block:
            return service(*args, **kwargs)
        with transaction.atomic():
            return service(*args, **kwargs)

    return in_transaction
