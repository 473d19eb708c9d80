"""Keys of the owner: `manage.py secrets`, `secrets set github --host api.github.com` (the value comes from stdin)."""

import getpass
import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ops import secrets
from ops.models import Secret

ACTOR = "terminal"


class Command(BaseCommand):
    help = "Lists, stores and deletes secrets. A value is read from stdin or asked for, never taken as an argument."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", nargs="?", default="list", choices=["list", "set", "delete", "renew_key"])
        parser.add_argument("name", nargs="?", default="")
        parser.add_argument("--host", action="append", default=[], help="may be sent there; .example.com: all below it")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        match options["action"]:
            case "list":
                self._list(as_json=options["json"])
            case "set":
                secrets.secret_set(name=name, value=_value(), hosts=options["host"], actor=ACTOR)
                self.stdout.write(f"The secret {name} is stored. Calls name it {{{{secret:{name}}}}}.")
            case "delete":
                secrets.secret_delete(_named(name), actor=ACTOR)
                self.stdout.write(f"The secret {name} is deleted.")
            case "renew_key":
                self.stdout.write(f"Encrypted anew: {secrets.key_renew(actor=ACTOR)}.")

    def _list(self, *, as_json: bool) -> None:
        rows = Secret.objects.all()
        for row in rows:
            shown = {"name": row.name, "hosts": row.hosts, "uses": row.uses, "changed_at": row.changed_at.isoformat()}
            hosts = ", ".join(row.hosts) or "no host"
            self.stdout.write(json.dumps(shown) if as_json else f"{row.name}: {hosts}; used {row.uses} times")
        if not rows and not as_json:
            self.stdout.write("No secrets are stored. manage.py secrets set NAME --host HOST stores one.")


def _value() -> str:
    return getpass.getpass("Value: ") if sys.stdin.isatty() else sys.stdin.read().rstrip("\n")


def _named(name: str) -> Secret:
    secret = Secret.objects.filter(name=name).first()
    if secret is None:
        raise CommandError(f"There is no secret called {name}. manage.py secrets lists them.")
    return secret
