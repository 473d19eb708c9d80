import io
import json
import sys
from typing import Any

import pytest
from django.core.management import call_command

pytestmark = pytest.mark.django_db


def gate(monkeypatch: pytest.MonkeyPatch, *lines: str) -> list[dict[str, Any]]:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))
    call_command("gate", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.usefixtures("bubblewrap")
def test_it_answers_each_line_with_one_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts = gate(
        monkeypatch,
        '{"command": "uptime"}',
        '{"tool": "shell", "command": "rm -rf /"}',
        '{"tool": "file_read", "path": "notes.txt"}',
        '{"tool": "http_request", "arguments": {"method": "POST", "url": "https://example.com"}}',
        "not json",
        "[]",
    )
    assert [each["decision"] for each in verdicts] == ["allow", "deny", "allow", "ask", "ask", "ask"]
    assert all(each.keys() == {"decision", "reason", "rule"} for each in verdicts)
