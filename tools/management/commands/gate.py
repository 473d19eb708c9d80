"""`manage.py gate`: one JSON object a line in, the verdict on it a line out. Runs nothing."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand

from tools.base import ToolCall
from tools.rules import decide


class Command(BaseCommand):
    help = 'Judges tool calls: {"command": "ls"} or {"tool": "file_read", "path": "x"} a line, a verdict a line.'
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        for line in sys.stdin:
            if line.strip():
                self.stdout.write(json.dumps(_judge(line), ensure_ascii=False))
                self.stdout.flush()


def _judge(line: str) -> dict[str, str]:
    try:
        call = _call(json.loads(line))
    except (ValueError, TypeError) as error:
        return {"decision": "ask", "reason": f"This line is no call: {error}", "rule": "gate.input"}
    verdict = decide(call)
    return {"decision": verdict.decision.value, "reason": verdict.reason, "rule": verdict.rule}


def _call(fields: object) -> ToolCall:
    """Arguments either beside "tool" or under "arguments"; raises ValueError."""
    if not isinstance(fields, dict):
        raise ValueError("an object was expected")
    name = str(fields.pop("tool", "shell"))
    nested = fields.get("arguments")
    return ToolCall(call_id="gate", name=name, arguments=nested if isinstance(nested, dict) else fields)
