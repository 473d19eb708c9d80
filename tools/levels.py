"""Which sandbox level a call gets, and how its card says so. Code decides, by the verdict and the arguments alone."""

from collections.abc import Mapping
from typing import Any

from tools import sandbox
from tools.names import names
from tools.sandbox import Level, Means
from tools.shell import parser
from tools.shell.specs import READ_ONLY

ASKED_FOR = (Level.WORKSPACE, Level.NET, Level.HOST)

# Programs that make no sense without the internet, or off the real machine. Only a default: a call may name its level.
OF_THE_NET = frozenset(
    names(
        "curl wget git pip pip3 pipx uv npm npx yarn pnpm cargo go gem bundle composer rsync scp sftp ssh ftp "
        "http https aria2c gh hub conda mamba poetry helm brew yt-dlp"
    )
)
OF_THE_MACHINE = frozenset(
    names(
        "systemctl service journalctl loginctl hostnamectl timedatectl nginx apachectl apache2ctl docker "
        "docker-compose podman kubectl crontab reboot shutdown poweroff halt kill pkill killall mount umount sudo "
        "apt apt-get dpkg dnf yum snap ufw iptables nft ip sysctl useradd usermod userdel groupadd passwd chown "
        "supervisorctl pm2 certbot"
    )
)

MOST_PARSED = 20_000
"""Characters; what is longer the gate denies anyway, and parsing it could take minutes."""

WORDS = {
    Level.READ: "It only reads: no writes, no network.",
    Level.WORKSPACE: "It can change files in the workspace and nothing else; no network.",
    Level.NET: "It can change files in the workspace and reach the public internet, nothing else of this machine.",
    Level.HOST: "It runs on the real machine as the service's own user, unconfined, this one time. "
    "/undo covers the workspace only.",
}


def level_of(arguments: Mapping[str, Any], *, approved: bool) -> Level:
    """A shell call's level: what the rules allow by themselves reads only; what a person approved gets what it named.

    Where it named none: the real machine if all of its commands work on the machine, else the internet if one of them
    needs it, else the workspace. The card shows the same answer that the run gets.
    """
    if not approved:
        return Level.READ
    asked = str(arguments.get("level", ""))
    if asked in ASKED_FOR:
        return Level(asked)
    command = str(arguments.get("command", ""))
    if len(command) > MOST_PARSED:
        return Level.WORKSPACE
    called = {each.name for each in parser.parse(command).commands}
    if called & OF_THE_MACHINE and called <= OF_THE_MACHINE | READ_ONLY.keys():
        return Level.HOST
    return Level.NET if called & OF_THE_NET else Level.WORKSPACE


def card_text(name: str, arguments: Mapping[str, Any]) -> str:
    """What the card of a call says of its level and of what confines it; empty for tools that start no command."""
    if name != "shell":
        return ""
    level, force = level_of(arguments, approved=True), sandbox.in_force()
    lines = [f"Level {level}. {WORDS[level]}"]
    if level is not Level.HOST and force.better:
        lines += [f"{force.holds} {force.better}"]
    if force.means is Means.LIMITS and level is not Level.HOST:
        lines[0] = f"Level {level}, which this machine can't hold: it may do whatever the service's own user may."
    return "\n".join(lines)
