"""`manage.py doctor`: everything that can be checked, and how to mend or better it.

It knows no check of its own: those of the settings are Django's system checks, all others each app's `health.py`.
"""

import json
from dataclasses import dataclass
from typing import Any

from django.core import checks
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ops import health
from ops.health import Level


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the doctor's: about what, how well, why, and what to do."""

    name: str
    level: Level
    reason: str = ""
    better: str = ""

    def text(self) -> str:
        advice = f"\n          → {self.better}" if self.better else ""
        return f"{self.level:<9} {self.name}{': ' if self.reason else ''}{self.reason}{advice}"


class Command(BaseCommand):
    help = "Checks the settings and everything that the product needs, and says how to mend what is not well."
    # A setting that can't work is a finding here, not the end.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object: level, findings")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError (exit code 1) when something is down; what is only degraded leaves it 0."""
        findings = [*_settings(), *_health()]
        worst = max((each.level for each in findings), key=health.ORDER.index, default=Level.OK)
        if options["json"]:
            rows = [{"name": f.name, "level": f.level, "reason": f.reason, "better": f.better} for f in findings]
            self.stdout.write(json.dumps({"level": worst, "findings": rows}, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(each.text() for each in findings))
        if worst is Level.DOWN:
            raise CommandError("Something is down: see above.")


def _settings() -> list[Finding]:
    """What Django's checks found; one line that all is well when they found nothing."""
    found = [
        Finding(
            name=str(message.id or "settings"),
            level=Level.DOWN if message.level >= checks.ERROR else Level.DEGRADED,
            reason=str(message.msg),
            better=str(message.hint or ""),
        )
        for message in _messages()
        if message.level >= checks.WARNING and not message.is_silenced()
    ]
    return found or [Finding(name="settings", level=Level.OK)]


def _messages() -> list[checks.CheckMessage]:
    # A check that breaks is itself a finding, and hides no other part of the report.
    try:
        return checks.run_checks()
    except Exception as error:
        return [checks.Error(f"The system checks failed: {type(error).__name__}: {error}.", id="checks")]


def _health() -> list[Finding]:
    _, results, _ = health.report()
    return [
        Finding(name=name, level=result.level, reason=result.reason, better=result.better)
        for name, result in results.items()
    ]
