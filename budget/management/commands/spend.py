"""`manage.py spend [--json]`: what was spent today, by model, scope and job, and how far the limits are."""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from budget import reports
from budget.prices import today


class Command(BaseCommand):
    help = "What model calls cost today (UTC), by model, by scope and by job."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        spent: dict[str, Any] = {
            "day": today().isoformat(),
            "total": asdict(reports.spend_total()),
            **{f"by_{group}": [asdict(row) for row in reports.spend_by(group)] for group in reports.GROUPS},
            "limits": [asdict(limit) for limit in reports.limit_states()],
        }
        if options["json"]:
            self.stdout.write(json.dumps(spent, default=str))
            return
        self.stdout.write(f"{spent['day']} (UTC): {_line(spent['total'])}")
        for group in reports.GROUPS:
            self.stdout.write(f"\nBy {group}:")
            for row in spent[f"by_{group}"] or [None]:
                self.stdout.write(f"  {row['name']}: {_line(row)}" if row else "  nothing yet")
        self.stdout.write("\nLimits:")
        for limit in reports.limit_states():
            self.stdout.write(f"  {limit}")


def _line(spend: dict[str, Any]) -> str:
    unpriced = f", and {spend['unpriced']} calls of unknown cost" if spend["unpriced"] else ""
    flagged = f" ({spend['flagged']} of unknown end, charged in full)" if spend["flagged"] else ""
    return f"{spend['usd']:.6f} USD{unpriced}, {spend['tokens']:,} tokens in {spend['calls']} calls{flagged}"
