"""What the pages of jobs and runs show of tool calls."""

from django.http import HttpRequest

from common.admin import row_link
from common.panels import Panel, badge, moment, panel
from common.text import redact, shorten
from tools.models import ToolExecution


def arguments_shown(row: ToolExecution, limit: int = 120) -> str:
    """A call's arguments on one line: a command as it is typed, others by name."""
    values = {"": row.arguments["command"]} if set(row.arguments) == {"command"} else row.arguments
    return shorten(
        redact(", ".join(f"{name}={value}" if name else f"{value}" for name, value in values.items())), limit
    )


def seconds_shown(row: ToolExecution) -> str:
    """How long a call took."""
    return "-" if row.duration is None else f"{row.duration:.2f} s"


@panel("job", place=50)
@panel("run", place=50)
def executions(request: HttpRequest, ref: str) -> Panel:
    """The tool calls of a job or a run, in order."""
    field = "job_ref" if ref.startswith("job:") else "run_ref"
    rows = ToolExecution.objects.filter(**{field: ref}).order_by("id").defer("output")[:200]
    return Panel(
        title="Tool calls",
        empty="No tool was called.",
        headers=["Call", "Arguments", "Decision", "Rule", "State", "Exit code", "Started", "Took"],
        rows=[
            [
                row_link(row, row.name),
                arguments_shown(row, 200),
                badge(row.decision, row.get_decision_display()) if row.decision else "-",
                row.rule or "-",
                badge(row.state, row.get_state_display()),
                "-" if row.exit_code is None else row.exit_code,
                moment(row.started_at),
                seconds_shown(row),
            ]
            for row in rows
        ],
    )
