"""One way to change a state: compare-and-swap in the database, so that two workers can never both win."""

from collections.abc import Iterable
from typing import Any

from django.db import models

from common.errors import AgentError


class StateConflict(AgentError):
    """Somebody else has changed this in the meantime: look at it again."""


def move(row: models.Model, *, to: str, expected: Iterable[str], **changes: Any) -> None:
    """Set `row.state` to `to` and the other `changes`, if the database still holds one of the `expected` states.

    The caller writes its event row in the same transaction. Raises StateConflict and changes nothing otherwise.
    """
    manager = type(row)._default_manager
    if manager.filter(pk=row.pk, state__in=list(expected)).update(state=to, **changes) != 1:
        raise StateConflict
    for name, value in {"state": to, **changes}.items():
        setattr(row, name, value)
