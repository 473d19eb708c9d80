"""What the pages of jobs and runs show of steps: the transcript."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from agents.models import Step
from common.admin import row_link
from common.panels import Block, Panel, data, moment, panel, text, usd

SHOWN = 200
"""Steps on one page; a run has at most 50 turns of a model, each with a few calls."""


@panel("run", place=40)
def steps_of_run(request: HttpRequest, ref: str) -> Panel:
    """The steps of one run."""
    return _steps(Step.objects.filter(run_id=int(ref.removeprefix("run:"))))


@panel("job", place=40)
def steps_of_job(request: HttpRequest, ref: str) -> Panel:
    """The steps that a job's run has taken."""
    return _steps(Step.objects.filter(run__job_ref=ref))


def _steps(rows: QuerySet[Step]) -> Panel:
    found = rows.select_related("ledger_entry", "execution", "run").order_by("run_id", "number")
    shown = list(found[: SHOWN + 1])
    return Panel(
        title="Steps",
        empty="No step was taken yet.",
        blocks=[step_shown(step) for step in shown[:SHOWN]],
        footer=f"Only the first {SHOWN} steps are shown." if len(shown) > SHOWN else "",
    )


def step_shown(step: Step) -> Block:
    """A step as a person reads it, with what it used and where that is written down."""
    facts: list[object] = [moment(step.created_at), f"{step.seconds:.1f} s", row_link(step.run, f"run {step.run_id}")]
    if step.kind == Step.Kind.MODEL:
        facts += [f"{step.tokens:,} tokens", step.stop_reason]
    if (entry := step.ledger_entry) is not None:
        facts.append(row_link(entry, f"{entry.model} {usd(entry.cost_usd)}"))
    if (execution := step.execution) is not None:
        facts.append(row_link(execution, f"{execution.name}: {execution.get_state_display()}"))
    failed = any(part.get("is_error") for part in step.content if isinstance(part, dict))
    return Block(
        heading=f"{step.number}. {step.get_kind_display()}",
        facts=[fact for fact in facts if fact],
        body=[_part(part) for part in step.content],
        tone="bad" if failed else step.kind,
    )


def _part(part: Any) -> str:
    """A content block of the Messages API, as a person reads it."""
    match part:
        case {"type": "text", "text": str(said)}:
            return text(said, prose=True)
        case {"type": "thinking", "thinking": str(thought)}:
            return format_html("<details><summary>Thinking</summary>{}</details>", text(thought))
        case {"type": "tool_use", "name": name, "input": {"command": str(command), **rest}} if not rest:
            return format_html('<div class="sa-dim">calls {}</div>{}', name, text(f"$ {command}"))
        case {"type": "tool_use", "name": name, "input": arguments}:
            return format_html('<div class="sa-dim">calls {}</div>{}', name, data(arguments))
        case {"type": "tool_result", "content": str(output)}:
            return text(output)
        case _:
            return data(part)
