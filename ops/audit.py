"""The audit trail: each decision is a row, in the transaction of what it decided."""

from typing import Any

from ops.models import AuditEvent


def record(*, actor: str, action: str, subject: str, detail: dict[str, Any] | None = None) -> AuditEvent:
    """Write down who (`person:4`, `user:1`, `system`) did what to which row (`job:12`)."""
    return AuditEvent.objects.create(actor=actor, action=action, subject=subject, detail=detail or {})
