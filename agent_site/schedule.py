"""Everything that runs by itself, in one table."""

from dataclasses import dataclass

from django.db import transaction
from django_q.models import Schedule


@dataclass(frozen=True, kw_only=True)
class Entry:
    """`function` is dotted, takes no argument, is safe to repeat. `cron` has six fields, seconds last, in TIME_ZONE."""

    name: str
    function: str
    cron: str


# What is due in one second wakes several workers, and each that is warm costs 10 MB: no two entries share one.
SCHEDULE = [
    Entry(name="jobs.sweep", function="jobs.tasks.sweep", cron="* * * * * */10"),
    Entry(name="budget.sweep", function="budget.tasks.sweep", cron="* * * * * 5"),
    Entry(name="telegram.sweep", function="telegram_bridge.tasks.sweep", cron="* * * * * 35"),
    Entry(name="ops.connections", function="ops.tasks.connections_tell", cron="* * * * * 25"),
    Entry(name="alerts", function="agent_site.alerts.look", cron="* * * * * 55"),
    Entry(name="tools.prune", function="tools.tasks.prune", cron="50 3 * * * 0"),
    Entry(name="mcp.sweep", function="tools.tasks.mcp_sweep", cron="* * * * * 3,23,43"),
    Entry(name="site.prune", function="agent_site.retention.prune", cron="40 3 * * * 0"),
    Entry(name="telegram.prune", function="telegram_bridge.tasks.prune", cron="30 3 * * * 0"),
]


def functions() -> list[str]:
    """The dotted functions that the cluster may run without arguments."""
    return [entry.function for entry in SCHEDULE]


@transaction.atomic
def schedule_sync() -> int:
    """Writes the table to django-q2's schedules and deletes every other one; returns how many rows it changed.

    A row that is right already keeps its next run.
    """
    changed: int = Schedule.objects.exclude(name__in=[entry.name for entry in SCHEDULE]).delete()[0]
    for entry in SCHEDULE:
        wanted = {
            "func": entry.function,
            "schedule_type": Schedule.CRON,
            "cron": entry.cron,
            "kwargs": repr({"q_options": {"task_name": entry.name}}),
            "repeats": -1,
        }
        rows = Schedule.objects.filter(name=entry.name)
        if rows.filter(**wanted).count() != 1:
            rows.delete()
            Schedule.objects.create(name=entry.name, **wanted)
            changed += 1
    return changed
