"""Has the machine start the product by itself: `manage.py write_units`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from agent_site import units
from agent_site.env import BASE_DIR
from agent_site.units import Place

KINDS: dict[str, tuple[str, Callable[[Place], str]]] = {
    "systemd": (f"{units.NAME}.service", units.systemd_unit),
    "launchd": (f"{units.LABEL}.plist", units.launchd_plist),
}
NEXT = {
    "systemd": [
        "sudo cp {path} /etc/systemd/system/",
        "sudo systemctl daemon-reload",
        "sudo systemctl enable --now {file}",
    ],
    "launchd": [
        "sudo cp {path} /Library/LaunchDaemons/",
        "sudo launchctl bootstrap system /Library/LaunchDaemons/{file}",
    ],
}


class Command(BaseCommand):
    help = "Prints the systemd unit (on macOS: the launchd plist) of this installation, or writes it with --to."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--kind", choices=KINDS, default="launchd" if sys.platform == "darwin" else "systemd")
        parser.add_argument("--to", type=Path, metavar="FOLDER", help="write the file there")
        parser.add_argument("--user", help="who runs it; default: the owner of DATA_DIR")

    def handle(self, *args: Any, **options: Any) -> None:
        kind = options["kind"]
        name, write = KINDS[kind]
        text = write(place(options["user"]))
        if options["to"] is None:
            self.stdout.write(text, ending="")
            return
        path = options["to"] / name
        try:
            path.write_text(text)
        except OSError as error:
            raise CommandError(f"{path} cannot be written ({error.strerror}): name another folder.") from None
        (settings.DATA_DIR / "log").mkdir(exist_ok=True)  # launchd makes the log's file, but not its folder
        self.stdout.write(f"Written: {path}. Stop what runs (./run stop), then:")
        for line in NEXT[kind]:
            self.stdout.write("  " + line.format(path=path, file=name))


def place(user: str | None) -> Place:
    """This installation. The interpreter is named by its path in .venv: where that link leads the packages are not."""
    return Place(
        folder=BASE_DIR,
        python=Path(sys.executable).absolute(),
        data_dir=settings.DATA_DIR,
        user=user or settings.DATA_DIR.owner(),
    )
