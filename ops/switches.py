"""Pause and freeze: flags in rows, outside of every queue, so that they work when all workers are busy."""

from ops import audit
from ops.models import Switch


def is_on(name: str) -> bool:
    """Whether the switch is on now; asked afresh each time, one indexed read."""
    return Switch.objects.filter(name=name, on=True).exists()


def switch_set(*, name: str, on: bool, actor: str, reason: str = "") -> Switch:
    """Turn a switch; recorded in the audit trail. Repeating it changes nothing but the stamp."""
    switch, _ = Switch.objects.update_or_create(
        name=Switch.Name(name), defaults={"on": on, "reason": reason[:200], "changed_by": actor}
    )
    audit.record(actor=actor, action=f"{name} {'on' if on else 'off'}", subject="", detail={"reason": reason})
    return switch
