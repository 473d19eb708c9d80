"""The files that have a machine start the product by itself: a systemd unit and a launchd plist."""

import plistlib
from dataclasses import dataclass
from pathlib import Path

from agent_site.logs import FILE_VARIABLE

NAME = "server-agent"
LABEL = "org.server-agent"
WATCHDOG_SECONDS = 60
START_SECONDS = 600
"""A first start makes the database; a restore that must be migrated takes longer."""
STOP_SECONDS = 30
OVERRIDES = f"/etc/{NAME}.env"

UNIT = """\
# Written by `manage.py write_units`. Settings stay in .env of the project; {overrides} goes before it.
[Unit]
Description=Server Agent
After=network-online.target postgresql.service
Wants=network-online.target
# Never give up: after an hour without a database or a network it must still come back.
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={python} {manage} up
WorkingDirectory={folder}
User={user}
EnvironmentFile=-{overrides}
Environment=PYTHONUNBUFFERED=1
Restart=always
RestartSec=2
TimeoutStartSec={start}
WatchdogSec={watchdog}
# SIGTERM goes to the supervisor, which drains the others; what is left after it is killed.
KillMode=mixed
TimeoutStopSec={stop}
# A command of the agent that ran out of memory must not end the whole service.
OOMPolicy=continue

# Left out on purpose, because bubblewrap needs user namespaces, mounts and a /proc with nothing laid over it:
# RestrictNamespaces, SystemCallFilter, ProtectKernelTunables, ProtectKernelLogs, ProtectHostname, ProtectProc.
# PrivateTmp is left out because the database's socket may lie in /tmp, where `manage.py` looks for it.
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=full
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectClock=yes
PrivateDevices=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where it is installed: the project's folder, its interpreter, its DATA_DIR, and who runs it."""

    folder: Path
    python: Path
    data_dir: Path
    user: str


def systemd_unit(place: Place) -> str:
    """The text of server-agent.service: systemd.service(5), systemd.exec(5)."""
    return UNIT.format(
        python=_word(place.python),
        manage=_word(place.folder / "manage.py"),
        folder=_value(place.folder),
        user=place.user,
        overrides=OVERRIDES,
        start=START_SECONDS,
        watchdog=WATCHDOG_SECONDS,
        stop=STOP_SECONDS,
    )


def launchd_plist(place: Place) -> str:
    """The text of org.server-agent.plist, for /Library/LaunchDaemons: launchd.plist(5)."""
    log = str(place.data_dir / "log" / "agent.log")
    entries = {
        "Label": LABEL,
        "ProgramArguments": [str(place.python), str(place.folder / "manage.py"), "up"],
        "WorkingDirectory": str(place.folder),
        "UserName": place.user,
        "RunAtLoad": True,
        "KeepAlive": True,
        "ExitTimeOut": STOP_SECONDS,
        "EnvironmentVariables": {
            "PATH": "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin",
            "PYTHONUNBUFFERED": "1",
            FILE_VARIABLE: log,  # it is rotated by the product itself
        },
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }
    return plistlib.dumps(entries, sort_keys=False).decode()


def _value(path: Path) -> str:
    """systemd expands % in every value."""
    return str(path).replace("%", "%%")


def _word(path: Path) -> str:
    """One word of a command line, whatever it contains."""
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'.replace("%", "%%").replace("$", "$$")
