"""The audit trail: each decision is a row, in the transaction of what it decided."""

from typing import Any

from common.rows import insert
from common.text import redact_within
from ops.models import AuditEvent


def record(*, actor: str, action: str, subject: str, detail: dict[str, Any] | None = None) -> AuditEvent:
    """Write down who (`person:4`, `user:1`, `system`) did what to which row (`job:12`), without secrets."""
    event = AuditEvent(actor=actor, action=action, subject=subject, detail=redact_within(detail or {}))
    insert(event)
    return event
