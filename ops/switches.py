"""Pause and freeze: flags in rows, outside of every queue, so that they work when all workers are busy."""

from django.db import connection

from common.transactions import joined
from ops import audit
from ops.models import Switch

IS_ON = 'SELECT EXISTS (SELECT 1 FROM ops_switch WHERE name = %s AND "on")'


def is_on(name: str) -> bool:
    """Whether the switch is on now; asked afresh each time, one indexed read."""
    with connection.cursor() as cursor:
        cursor.execute(IS_ON, [name])
        return bool(cursor.fetchone()[0])


@joined
def switch_set(*, name: str, on: bool, actor: str, reason: str = "") -> Switch:
    """Turn a switch; recorded in the audit trail. Repeating it changes nothing but the stamp."""
    switch, _ = Switch.objects.update_or_create(
        name=Switch.Name(name), defaults={"on": on, "reason": reason[:200], "changed_by": actor}
    )
    audit.record(actor=actor, action=f"{name} {'on' if on else 'off'}", subject="", detail={"reason": reason})
    return switch
