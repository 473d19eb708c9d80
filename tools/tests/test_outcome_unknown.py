"""The calls whose outcome nobody knows are found in the admin."""

import pytest
from django.urls import reverse
from django.utils import timezone

from tools.models import ExecutionState, ToolExecution

pytestmark = pytest.mark.django_db


def test_calls_of_unknown_outcome_can_be_listed(superuser, client) -> None:
    for number, state in enumerate((ExecutionState.UNKNOWN, ExecutionState.DONE)):
        ToolExecution.objects.create(
            run_ref="run:1", call_id=f"call-{number}", name=f"tool_{state}", state=state, started_at=timezone.now()
        )
    client.force_login(superuser)
    page = client.get(reverse("admin:tools_toolexecution_changelist"), {"outcome": "unknown"}).content.decode()
    assert "Outcome unknown (1)" in page
    assert "tool_unknown" in page
    assert "tool_done" not in page
