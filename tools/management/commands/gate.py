"""`manage.py gate`: one JSON object a line in, the verdict on it a line out. Runs nothing."""

import json
import sys
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from tools.base import ToolCall
from tools.models import ToolRule
from tools.rules import Verdict, decide, decide_by_code


class Command(BaseCommand):
    help = (
        'Judges tool calls: {"command": "ls"} or {"tool": "file_read", "path": "x"} a line, a verdict a line. '
        "Where the database can't be reached it judges by the gate's own rules alone, and says so."
    )
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        judge = self._judge()
        for line in sys.stdin:
            if line.strip():
                self.stdout.write(json.dumps(_answer(line, judge), ensure_ascii=False))
                self.stdout.flush()

    def _judge(self) -> Callable[[ToolCall], Verdict]:
        try:
            ToolRule.in_force().exists()
        except DatabaseError as error:
            self.stderr.write(f"The owner's rules can't be read, the gate's own alone count: {error}")
            return decide_by_code
        return decide


def _answer(line: str, judge: Callable[[ToolCall], Verdict]) -> dict[str, str]:
    try:
        call = _call(json.loads(line))
    except (ValueError, TypeError, RecursionError) as error:
        return {"decision": "ask", "reason": f"This line is no call: {error}", "rule": "gate.input"}
    verdict = judge(call)
    return {"decision": verdict.decision.value, "reason": verdict.reason, "rule": verdict.rule}


def _call(fields: object) -> ToolCall:
    """Arguments either beside "tool" or under "arguments"; raises ValueError."""
    if not isinstance(fields, dict):
        raise ValueError("an object was expected")
    name = str(fields.pop("tool", "shell"))
    nested = fields.get("arguments")
    return ToolCall(call_id="gate", name=name, arguments=nested if isinstance(nested, dict) else fields)
