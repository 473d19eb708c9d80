"""Each decision is a row, in the transaction of what it decided."""

import pytest
from django.db import transaction

from ops import audit
from ops.models import AuditEvent

pytestmark = pytest.mark.django_db


def test_it_keeps_who_did_what_to_which_row():
    row = audit.record(actor="person:4", action="job cancelled", subject="job:12", detail={"why": "late"})
    kept = AuditEvent.objects.get()
    assert kept == row
    assert (kept.actor, kept.action, kept.subject, kept.detail) == (
        "person:4",
        "job cancelled",
        "job:12",
        {"why": "late"},
    )
    assert kept.at is not None


def test_a_detail_may_be_left_out():
    assert audit.record(actor="system", action="swept", subject="").detail == {}


def test_a_decision_that_is_undone_leaves_no_row():
    with pytest.raises(ZeroDivisionError), transaction.atomic():  # noqa: PT012
        audit.record(actor="system", action="divided", subject="")
        1 / 0  # noqa: B018
    assert not AuditEvent.objects.exists()
