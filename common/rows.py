"""Rows written in one round trip, where the ORM would take several or could not say what happened."""

from typing import Any

from django.db import connection, models

INSERT_NEW = "INSERT INTO {table} ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING RETURNING {key}"


def insert_parts(row: models.Model) -> tuple[dict[str, str], list[Any]]:
    """Table, columns and placeholders of a new row, quoted for SQL, and its values as the database wants them."""
    fields = [field for field in row._meta.local_concrete_fields if not field.primary_key]
    quote = connection.ops.quote_name
    parts = {
        "table": quote(row._meta.db_table),
        "columns": ", ".join(quote(str(field.column)) for field in fields),
        "values": ", ".join("%s" for _ in fields),
    }
    return parts, [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]


def insert_new(row: models.Model) -> bool:
    """Insert the row and give it its key; false, and nothing done, where a unique constraint says it is there already.

    Needs no savepoint, unlike catching an IntegrityError, and gives the key, unlike `ignore_conflicts`.
    """
    parts, values = insert_parts(row)
    key = connection.ops.quote_name(str(row._meta.pk.column))
    with connection.cursor() as cursor:
        cursor.execute(INSERT_NEW.format(**parts, key=key), values)
        made = cursor.fetchone()
    if made is None:
        return False
    row.pk = made[0]
    row._state.adding = False
    return True
