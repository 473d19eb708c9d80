"""What it takes to connect to a server: its row as a frozen value, and how its command is started and confined."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from common.text import KEY_FORMATS
from ops import secrets
from tools import paths, sandbox
from tools.confinement import masks
from tools.mcp.errors import BadServer, ServerUnreachable
from tools.models import McpServer
from tools.names import names
from tools.paths import Zone
from tools.sandbox import Level, Means

# Of the service's own environment nothing else can be asked for: what else stands there is nobody's business.
INHERITABLE = frozenset(
    names(
        "SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS REQUESTS_CA_BUNDLE "
        "npm_config_registry PIP_INDEX_URL UV_INDEX_URL"
    )
)
# What a row's complaint looks at; what makes it another server when it is changed.
JUDGED = ("name", "transport", "command", "args", "url", "variables", "inherited", "readable")
IDENTITY = frozenset(["transport", "command", "args", "url", "variables"])
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
HEADER = re.compile(r"[A-Za-z0-9-]+\Z")
# Ours to set: they decide where a request goes and what it means.
RESERVED_HEADERS = frozenset(["host", "content-length", "transfer-encoding", "connection", "mcp-session-id"])
# The address space is not limited, unlike that of commands: node reserves 10 GB for WebAssembly as soon as it fetches.
# What is really used is (RLIMIT_DATA).
LIMITS = 'ulimit -c 0 -d 4194304 -f 1048576 -n 1024; ulimit -u 512 2>/dev/null; exec "$@"'


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Two plans that are equal reach the same server in the same way: a connection may be used for both."""

    server_id: int
    name: str
    transport: str
    command: tuple[str, ...] = ()
    level: Level = Level.WORKSPACE
    readable: tuple[str, ...] = ()
    trusted: bool = False
    url: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    inherited: tuple[str, ...] = ()
    idle_seconds: float = 600.0


def plan_of(server: McpServer) -> Plan:
    """The plan of a row. Raises BadServer where the row makes no sense."""
    if (problem := complaint(server)) is not None:
        raise BadServer(f"The MCP server {server.name} can't be used: {problem}")
    return Plan(
        server_id=server.pk,
        name=server.name,
        transport=server.transport,
        command=(server.command, *server.args) if server.transport == McpServer.Transport.STDIO else (),
        level=Level(server.confinement),
        readable=tuple(server.readable),
        trusted=server.trusted,
        url=server.url,
        variables=tuple(sorted(server.variables.items())),
        inherited=tuple(sorted(server.inherited)),
        idle_seconds=60.0 * server.idle_minutes,
    )


def complaint(server: McpServer) -> str | None:
    """What is wrong with a row, as a sentence for the owner."""
    if not all(map(_is_texts, (server.args, server.inherited, server.readable))):
        return "arguments, folders and inherited variables are lists of texts."
    if not isinstance(server.variables, dict) or not _is_texts(list(server.variables.values())):
        return "variables are an object of names and texts."
    if any(KEY_FORMATS.search(each) for each in [*server.variables.values(), *server.args, server.url]):
        return "there is a key in it. Store it under Secrets, and write {{secret:name}} into the variables."
    if server.transport == McpServer.Transport.STDIO:
        return _command_complaint(server)
    return _address_complaint(server)


def _command_complaint(server: McpServer) -> str | None:
    if not server.command.strip():
        return "a command is missing."
    if odd := [name for name in server.variables if not VARIABLE.match(name)]:
        return f"“{odd[0]}” is no name of an environment variable."
    if foreign := sorted(set(server.inherited) - INHERITABLE):
        return f"{foreign[0]} can't be inherited. These can: {', '.join(sorted(INHERITABLE))}."
    return _folder_complaint(server)


def _folder_complaint(server: McpServer) -> str | None:
    """Only what is hidden because it lies in a home or among temporary files can be shown, and nothing secret in it."""
    for folder in server.readable:
        real = os.path.realpath(folder)
        hidden = any(_lies_in(real, str(base)) for base in (Path.home(), "/tmp", "/var/tmp"))
        if not folder.startswith("/") or not hidden or paths.zone_of(folder) is Zone.PROTECTED:
            return f"“{folder}” can't be shown to it: name a folder in your home, by its full path, without secrets."
        if any(_lies_in(os.path.realpath(path), real) for path in _private()):
            return f"“{folder}” can't be shown to it: something secret lies in it. Name a folder further down."
    return None


def _private() -> list[Path]:
    """What lies in homes or among temporary files and is nobody's business."""
    secret = [Path.home() / name for name in (*masks.IN_HOME, *masks.FILES_IN_HOME)]
    ours = (settings.BASE_DIR, settings.DATA_DIR, getattr(settings, "BACKUP_DIR", ""))
    return [*secret, *(Path(each) for each in ours if str(each))]


def _lies_in(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _address_complaint(server: McpServer) -> str | None:
    try:
        parts = urlsplit(server.url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "its address is not valid."
    if parts.scheme not in ("http", "https") or not host:
        return "its address must begin with https:// or http://."
    if parts.username or parts.password:
        return "name and password don't belong into the address: use a header with {{secret:name}}."
    odd = [name for name in server.variables if not HEADER.match(name) or name.lower() in RESERVED_HEADERS]
    return f"“{odd[0]}” can't be set as a header." if odd else None


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and "\0" not in each for each in value)


def resolved(plan: Plan) -> Plan:
    """The plan with its secrets filled in: made just before it connects, and kept no longer. Raises SecretError."""
    host = urlsplit(plan.url).hostname or "" if plan.url else ""
    return replace(plan, variables=tuple((name, secrets.fill(value, host=host)) for name, value in plan.variables))


def environment(plan: Plan, workspace: Path) -> dict[str, str]:
    """All that a command sees of variables."""
    inherited = {name: os.environ[name] for name in plan.inherited if name in os.environ}
    return {**sandbox.environment(workspace), **inherited, **dict(plan.variables)}


def command_line(plan: Plan, workspace: Path) -> list[str]:
    """The argv that starts the server, confined; it dies with this process, and all that it starts with it.

    Raises ServerUnreachable where nothing would confine it and the owner hasn't called it trusted, NoFilteredNetwork.
    """
    if sandbox.in_force().means is Means.LIMITS and not plan.trusted:
        raise ServerUnreachable(
            "Nothing confines programs on this machine, so only a server that you call trusted is started. "
            f"{sandbox.in_force().better}"
        )
    confined = sandbox.command_line("", level=plan.level, workspace=workspace, seconds=0)
    # What comes before the shell confines; the limits that follow are those of commands.
    before = confined[: confined.index("/bin/bash")]
    if before[-1] == "--":  # bubblewrap's end of options
        before[-1:] = [*(word for folder in plan.readable for word in ("--ro-bind-try", folder, folder)), "--"]
    return [*before, "/bin/bash", "-c", LIMITS, "bash", *plan.command]


def workspace() -> Path:
    return paths.workspace()
