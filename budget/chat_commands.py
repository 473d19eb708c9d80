"""What was spent and what is left, in every channel."""

from budget.models import Limit
from budget.reports import LimitState, limit_states, spend_total
from common.commands import Call, command


@command("budget", help="what was spent today, and what is left", decides=False)
def budget(call: Call) -> str:
    spent = spend_total()
    unknown = f", and {spent.unpriced} calls of unknown cost" if spent.unpriced else ""
    lines = [f"Today (UTC): ${spent.usd:.4f}{unknown}, {spent.tokens:,} tokens in {spent.calls} calls."]
    return "\n".join([*lines, *(_left(limit) for limit in limit_states())])


def _left(limit: LimitState) -> str:
    left = max(limit.amount - limit.used - limit.reserved, 0)
    if limit.unit == Limit.Unit.USD:
        return f"{limit.name}: ${left:,.2f} of ${limit.amount:,.2f} left."
    return f"{limit.name}: {left:,.0f} of {limit.amount:,.0f} tokens left."
