"""The current models' prices (budget/data/claude_prices.json), the demo model's (nothing), and the two hard limits."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

from django.db import migrations

DATA = Path(__file__).resolve().parent.parent / "data" / "claude_prices.json"
CLASSES = ("input", "output", "cache_write_5m", "cache_write_1h", "cache_read")
# The rules of the data file: the US surcharge is for Opus 4.6 and later, fast mode has a price for Opus 4.6 only.
GEO_US_SINCE = "2026-02-05"
FAST = {"claude-opus-4-6": Decimal(6)}
DEMO = {"model": "demo", "valid_from": "2026-01-01", "rates_per_mtok": dict.fromkeys(CLASSES, "0"), "source": "free"}
LIMITS = [("daily_cost_usd", "usd", "all"), ("proactive_daily_tokens", "tokens", "proactive")]


def seed(apps, schema_editor):
    cards = [*json.loads(DATA.read_text())["cards"], DEMO]
    Price, Limit = apps.get_model("budget", "Price"), apps.get_model("budget", "Limit")
    first_day = {card["model"]: card["valid_from"] for card in sorted(cards, key=lambda c: c["valid_from"], reverse=True)}
    for card in cards:
        Price.objects.get_or_create(
            model=card["model"], valid_from=card["valid_from"], defaults=_columns(card, first_day[card["model"]])
        )
    for name, unit, scope in LIMITS:
        Limit.objects.get_or_create(name=name, defaults={"unit": unit, "scope": scope, "day": date(2026, 1, 1)})


def _columns(card, first_day):
    rates = {name: Decimal(card["rates_per_mtok"][name]) for name in CLASSES}
    above = card.get("rates_above_per_mtok") or {}
    return {
        **rates,
        **{f"{name}_above": Decimal(above[name]) for name in CLASSES if name in above},
        "valid_to": card.get("valid_to"),
        "threshold_input_tokens": card.get("threshold_input_tokens"),
        "geo_us_factor": Decimal("1.1") if first_day >= GEO_US_SINCE else Decimal(1),
        "fast_factor": FAST.get(card["model"]),
        "source": card["source"],
    }


class Migration(migrations.Migration):
    dependencies = [("budget", "0001_prices_limits_reservations_ledger")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
