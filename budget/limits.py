"""The hard limits: where their amounts come from, and how a refusal is said."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from django.conf import settings

from budget.errors import LimitReached
from budget.models import Limit

# The limits whose amount, when the row leaves it empty, is a setting: one home for the figure.
SETTINGS = {"daily_cost_usd": "DAILY_COST_LIMIT_USD", "proactive_daily_tokens": "PROACTIVE_DAILY_TOKEN_LIMIT"}


def setting_amounts() -> dict[str, str]:
    """Limit name to the amount in the settings, as decimal text."""
    return {name: str(getattr(settings, setting)) for name, setting in SETTINGS.items()}


def resets_at(day: date) -> datetime:
    """Midnight UTC at the end of `day`, when the counters begin anew."""
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=UTC)


def refusal(*, name: str, unit: str, amount: Decimal, left: Decimal, needed: Decimal, day: date) -> LimitReached:
    """The error for a call that `name` has no room for: which limit, what is left, when it resets."""
    until = resets_at(day)
    raise_it = f"raise {SETTINGS[name]} in .env" if name in SETTINGS else "raise it in the admin under Limits"
    return LimitReached(
        f"The daily limit {name} of {shown(amount, unit)} is reached: {shown(max(left, Decimal(0)), unit)} left, "
        f"and this call may need {shown(needed, unit)}. It resets at {until:%Y-%m-%d %H:%M} UTC; "
        f"wait until then, or {raise_it} (the limit's row in the admin goes before it).",
        limit_name=name,
        resets_at=until,
    )


def shown(amount: Decimal, unit: str) -> str:
    """An amount as people read it."""
    return f"{amount:,.4f} USD" if unit == Limit.Unit.USD else f"{amount:,.0f} tokens"
