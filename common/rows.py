"""Rows written in one round trip, where the ORM would take several or could not say what happened."""

import functools
from dataclasses import dataclass
from typing import Any, cast

from django.db import connection, models

# A commit that need not reach the disk by itself: nothing leaves this machine before a later, synchronous commit, which
# takes it along, because the log is written in order. Only for statements that are a transaction of their own.
RELAXED = "set_config('synchronous_commit', 'off', true)"
INSERT = "INSERT INTO {table} ({columns}) VALUES ({values}) RETURNING {key}"
INSERT_NEW = "INSERT INTO {table} ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING RETURNING {key}"

INSERT_WHERE = """
WITH allowed AS ({condition})
INSERT INTO {table} ({columns}) SELECT {values} FROM allowed RETURNING {key}, {relaxed}
"""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What an INSERT into a model's table looks like; the same for each of its rows."""

    fields: "list[models.Field[Any, Any]]"
    parts: dict[str, str]


@functools.cache
def _shape(model: type[models.Model]) -> Shape:
    fields = [field for field in model._meta.local_concrete_fields if not field.primary_key]
    quote = connection.ops.quote_name
    parts = {
        "table": quote(model._meta.db_table),
        "columns": ", ".join(quote(str(field.column)) for field in fields),
        "values": ", ".join(f"%s::{_cast(field)}" for field in fields),
    }
    return Shape(fields=fields, parts=parts)


def insert_parts(row: models.Model) -> tuple[dict[str, str], list[Any]]:
    """Table, columns and placeholders of a new row, quoted for SQL, and its values as the database wants them.

    The placeholders carry their types, so that they can stand in a SELECT, where PostgreSQL would take them for text.
    """
    shape = _shape(type(row))
    return shape.parts, [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in shape.fields]


def assignment(row: models.Model, name: str, value: Any) -> tuple[str, Any]:
    """`column = %s` of an UPDATE, and the value as the database wants it (of a related row: its key)."""
    field = cast("models.Field[Any, Any]", row._meta.get_field(name))
    plain = value.pk if isinstance(value, models.Model) else value
    column = connection.ops.quote_name(str(field.column))
    return f"{column} = %s::{_cast(field)}", field.get_db_prep_save(plain, connection)


def _cast(field: "models.Field[Any, Any]") -> str:
    """A column's type without its length: a cast to varchar(n) would cut what is too long instead of refusing it."""
    kind = str(field.rel_db_type(connection) if field.is_relation else field.db_type(connection))
    return "text" if kind.startswith("varchar") else kind


def insert(row: models.Model) -> None:
    """Insert the row and give it its key, as `create` does, in a third of its time: for what every message writes."""
    parts, values = insert_parts(row)
    _insert(row, INSERT.format(**parts, key=_key(row)), values)


def insert_new(row: models.Model) -> bool:
    """Insert the row and give it its key; false, and nothing done, where a unique constraint says it is there already.

    Needs no savepoint, unlike catching an IntegrityError, and gives the key, unlike `ignore_conflicts`.
    """
    parts, values = insert_parts(row)
    return _insert(row, INSERT_NEW.format(**parts, key=_key(row)), values)


def insert_where(row: models.Model, condition: str, params: list[Any]) -> bool:
    """Insert the row if the query `condition` finds something, in one statement; false, and nothing done, where not.

    The commit is a relaxed one.
    """
    parts, values = insert_parts(row)
    sql = INSERT_WHERE.format(**parts, key=_key(row), condition=condition, relaxed=RELAXED)
    return _insert(row, sql, [*params, *values])


def _key(row: models.Model) -> str:
    return connection.ops.quote_name(str(row._meta.pk.column))


def _insert(row: models.Model, sql: str, values: list[Any]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        made = cursor.fetchone()
    if made is None:
        return False
    row.pk = made[0]
    row._state.adding = False
    return True
