"""One way to change a state: compare-and-swap in the database, so that two workers can never both win."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import connection, models

from common.errors import AgentError
from common.rows import RELAXED, assignment, insert_parts

MOVE = "WITH moved AS ({update} RETURNING 1){note} SELECT count(*){also} FROM moved"
NOTE = ", noted AS (INSERT INTO {table} ({columns}) SELECT {values} FROM moved)"


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
    statement: one round trip, and never one without the other. `relaxed`: see rows.RELAXED; for moves
    outside of a transaction. Raises StateConflict and changes nothing otherwise.
    """
    values = {"state": to, **changes}
    update, params = _update(row, values, {"state": list(expected), **(guard or {})})
    parts, noted = insert_parts(event) if event is not None else ({}, [])
    note = NOTE.format(**parts) if event is not None else ""
    also = f", {RELAXED}" if relaxed else ""
    with connection.cursor() as cursor:
        cursor.execute(MOVE.format(update=update, note=note, also=also), [*params, *noted])
        moved = cursor.fetchone()[0]
    if moved != 1:
        raise StateConflict
    for name, value in values.items():
        setattr(row, name, value)


def _update(row: models.Model, values: dict[str, Any], held: dict[str, Any]) -> tuple[str, list[Any]]:
    """The UPDATE of one row whose columns still are as in `held`: one of a list, or equal to anything else."""
    table = connection.ops.quote_name(row._meta.db_table)
    sets = [assignment(row, name, value) for name, value in values.items()]
    tests = [f"{name} = ANY(%s)" if isinstance(value, list) else f"{name} = %s" for name, value in held.items()]
    sql = f"UPDATE {table} SET {', '.join(sql for sql, _ in sets)} WHERE id = %s AND {' AND '.join(tests)}"
    return sql, [*(value for _, value in sets), row.pk, *held.values()]
