"""One way to change a state: compare-and-swap in the database, so that two workers can never both win."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection, models
from django.db.models.sql import UpdateQuery

from common.errors import AgentError
from common.rows import RELAXED, insert_parts

MOVE = """
WITH moved AS ({update} RETURNING 1), noted AS (INSERT INTO {table} ({columns}) SELECT {values} FROM moved)
SELECT count(*){also} FROM moved
"""


class StateConflict(AgentError):
    """Somebody else has changed this in the meantime: look at it again."""


def move(
    row: models.Model,
    *,
    to: str,
    expected: Iterable[str],
    guard: Mapping[str, Any] | None = None,
    event: models.Model | None = None,
    relaxed: bool = False,
    **changes: Any,
) -> None:
    """Set `row.state` to `to` and the other `changes`, if the database still holds one of the `expected` states.

    `guard` names columns that must still have these values too. `event` is inserted beside the change, in the same
    statement: one round trip, and never one without the other. `relaxed`: see rows.RELAXED; for moves with an event,
    outside of a transaction. Raises StateConflict and changes nothing otherwise.
    """
    values = {"state": to, **changes}
    mine = type(row)._default_manager.filter(pk=row.pk, state__in=list(expected), **(guard or {})).order_by()
    moved = mine.update(**values) if event is None else _with_event(mine, values, event, relaxed)
    if moved != 1:
        raise StateConflict
    for name, value in values.items():
        setattr(row, name, value)


def _with_event(mine: "models.QuerySet[Any]", values: dict[str, Any], event: models.Model, relaxed: bool) -> int:
    query: UpdateQuery = mine.query.chain(UpdateQuery)  # type: ignore[assignment]  # the class that it is asked for
    query.add_update_values(values)
    update, update_params = query.get_compiler(connection=connection).as_sql()
    parts, note_params = insert_parts(event)
    with connection.cursor() as cursor:
        cursor.execute(
            MOVE.format(update=update, **parts, also=f", {RELAXED}" if relaxed else ""), [*update_params, *note_params]
        )
        return int(cursor.fetchone()[0])
