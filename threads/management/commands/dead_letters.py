"""What could not be sent or handled: `manage.py dead_letters [--json] [--retry LETTER | --all]`."""

import json
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from common.dead_letters import DeadLetter, cause_of, letter_of, letters
from common.errors import AgentError

ACTOR = "system"


class Command(BaseCommand):
    help = "Lists the dead letters of both directions, or tries one or all of them again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--retry", metavar="LETTER", help="try this one again, as it is listed: delivery:12, update:7"
        )
        what.add_argument("--all", action="store_true", help="try all of them again, the oldest first")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["retry"]:
            self._retry_one(options["retry"])
        elif options["all"]:
            self._retry_all()
        else:
            self._list(as_json=options["json"])

    def _list(self, *, as_json: bool) -> None:
        found = [pile.describe(row) for pile, row in letters()]
        for letter in found:
            self.stdout.write(json.dumps(_json(letter)) if as_json else _line(letter))
        if not as_json:
            counted = Counter(cause_of(letter.reason) for letter in found).most_common()
            self.stdout.write("\n".join(f"{count} x {cause}" for cause, count in counted) or "No dead letters.")

    def _retry_one(self, ref: str) -> None:
        try:
            pile, row = letter_of(ref)
            pile.retry(row, ACTOR)
        except AgentError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{ref} is tried again.")

    def _retry_all(self) -> None:
        tried = 0
        for pile, row in list(letters()):
            try:
                pile.retry(row, ACTOR)
                tried += 1
            except AgentError as error:
                self.stderr.write(f"{pile.describe(row).ref}: {error}")
        self.stdout.write(f"Tried again: {tried}.")


def _json(letter: DeadLetter) -> dict[str, Any]:
    return {
        "letter": letter.ref,
        "reason": letter.reason,
        "cause": cause_of(letter.reason),
        "since": letter.since.isoformat(),
        "attempts": letter.attempts,
        "where": letter.where,
        "text": letter.text,
    }


def _line(letter: DeadLetter) -> str:
    minutes = int((timezone.now() - letter.since).total_seconds() // 60)
    return (
        f"{letter.ref}  {minutes} min old, {letter.attempts} attempts, {letter.where}: {letter.reason}\n"
        f"    {letter.text}"
    )
