"""What the pages of jobs and threads show of money."""

from decimal import Decimal

from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest
from django.utils.html import format_html

from budget.models import LedgerEntry
from budget.reports import TOKENS
from common.admin import row_link
from common.panels import Panel, badge, moment, panel, usd

SHOWN = 100


@panel("job", place=80)
@panel("thread", place=80)
def cost(request: HttpRequest, ref: str) -> Panel:
    """What a job or a thread has cost: the sum of all its calls, and the newest of them."""
    rows = LedgerEntry.objects.filter(**{"job_ref" if ref.startswith("job:") else "thread_ref": ref})
    return Panel(
        title="Cost",
        empty="No model was called for this.",
        headers=["Call", "When", "Purpose", "Model", "Outcome", "Input", "Output", "Cache write", "Cache read", "Cost"],
        rows=[_entry(row) for row in rows.order_by("-id")[:SHOWN]],
        footer=_total(rows),
    )


def _entry(row: LedgerEntry) -> list[object]:
    return [
        row_link(row, f"ledger {row.pk}"),
        moment(row.created_at),
        row.purpose,
        row.model,
        badge(row.outcome, row.get_outcome_display()),
        f"{row.input_tokens:,}",
        f"{row.output_tokens:,}",
        f"{row.cache_write_5m_tokens + row.cache_write_1h_tokens:,}",
        f"{row.cache_read_tokens:,}",
        usd(row.cost_usd),
    ]


def _total(rows: QuerySet[LedgerEntry]) -> str:
    sums = rows.aggregate(
        calls=Count("pk"),
        priced=Count("cost_usd"),
        usd=Sum("cost_usd", default=Decimal(0)),
        tokens=Sum(TOKENS, default=0),
    )
    if not sums["calls"]:
        return ""
    unknown = sums["calls"] - sums["priced"]
    return format_html(
        "In total <b>{}</b> for {} and {} tokens{}.",
        usd(sums["usd"]),
        f"{sums['calls']} {'call' if sums['calls'] == 1 else 'calls'}",
        f"{sums['tokens']:,}",
        f"; the price of {unknown} is unknown and not in it" if unknown else "",
    )
