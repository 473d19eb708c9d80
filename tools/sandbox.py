"""How a command is confined. Four levels; what they share: a scrubbed environment, and no descendant left behind.

read        no writes, no network, of the disk only the system's programs and the workspace
workspace   the workspace may be written; the rest of the disk is seen as far as the service user sees it, read-only
net         workspace plus the public internet, through a proxy of ours (network.py); nothing of this machine's network
host        as the service user on the real machine, for exactly one command that a person approved

Below *host*: own process, user, IPC, network and host-name namespaces, no capabilities, rlimits, and nothing of
`DATA_DIR` (but the workspace), of /run, of keys, of other services' sockets.

At *read* /proc is the real machine's, read-only, so that uptime, ps, free, ss and df tell the truth. This gives away
command lines, as to any user of the machine, but no environment, memory or open file of a process outside: for those
the kernel asks for the same user *namespace* or for CAP_SYS_PTRACE in it (ptrace(2), "Ptrace access mode checking"),
and a command here has neither, not even when the service runs as root (tests/test_sandbox.py holds it). `workspace` and
`net` get a /proc of their own, since programs that look themselves up there would find others' numbers.

Without bubblewrap Landlock confines *read* and *workspace* (landlock.py), there is no *net*, and the gate lets nothing
through without asking. Where the kernel has no Landlock either, only the limits are left, and the card says so.
"""

import functools
import json
import os
import pwd
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from django.conf import settings

from tools.confinement import bubblewrap, landlock, masks
from tools.errors import ToolProblem

PROGRAM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LAUNCHER = Path(__file__).parent / "confinement" / "launcher.py"
PACKAGE_PROGRAMS = ("dpkg", "apt")
PROBE_SECONDS = 10
LANDLOCK_WITH_TCP = 4

# Set inside, so that the number of processes is counted in the sandbox's own user namespace. The first to go when
# memory runs out is what runs here (choom(1)); where /proc is read-only it is not asked for.
LIMITS_THEN = (
    "{{ echo 1000 > /proc/self/oom_score_adj; }} 2> /dev/null; "
    "ulimit -c 0 -v {memory} -d {data} -t {cpu} -f {file} -n 1024; ulimit -u {processes} 2> /dev/null; {then}"
)
RUN_IT = 'exec bash -c "$1"'
# Whatever it does, who watches it comes first: root's processes are not counted by the system (setrlimit(2)).
RUN_IT_GENTLY = 'exec nice -n 10 bash -c "$1"'
ADDRESS_SPACE_KIB = 8 * 1024**2
DATA_KIB = 2 * 1024**2
FILE_BLOCKS = 1024**2
PROCESSES = 512


class Level(StrEnum):
    READ = "read"
    WORKSPACE = "workspace"
    NET = "net"
    HOST = "host"


class Means(StrEnum):
    """What confines a command, the best first."""

    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    LIMITS = "limits"


@dataclass(frozen=True, kw_only=True)
class InForce:
    """What confines here: what it `holds`, and how to get the `better` one (empty for the best), as sentences."""

    means: Means
    holds: str
    better: str = ""


class NoFilteredNetwork(ToolProblem):
    """Without a network namespace the level net can't be held here: ask for the level host, or install bubblewrap."""


def command_line(
    command: str,
    *,
    level: Level,
    workspace: Path,
    seconds: float,
    whole_disk: bool = False,
    service_manager: bool = False,
) -> list[str]:
    """The argv that runs `command` with bash at `level`; killing it kills all that came of it.

    At level read, `whole_disk` shows all file systems (for df, which can only speak of what is mounted), less secrets;
    `service_manager` lets it speak to systemd, which is for lines that are known to ask and nothing else.
    Raises NoFilteredNetwork.
    """
    real = workspace.resolve()
    if level is Level.NET and not network_available():
        raise NoFilteredNetwork
    if level is Level.HOST:
        return [*_launched({"way": "host"}), "/bin/bash", "-c", _at_home(), "bash", command]
    inside = ["/bin/bash", "-c", _limited(level, seconds), "bash", command]
    if not available():
        return [*_launched(_plan_without_bubblewrap(level, real, whole_disk)), *inside]
    if level is Level.READ:
        options = bubblewrap.read(
            real, whole_disk=whole_disk, service_manager=service_manager, readable=_looks_around(command)
        )
        return [_program(), *options, "--", *inside]
    return [*_writing(level, real), "--", *inside]


def _looks_around(command: str) -> bool:
    """Whether a line could look into the folders that may be read: it names a path, or a program that does. Others are
    spared the 3 ms that showing them takes."""
    return "/" in command or any(word.startswith(PACKAGE_PROGRAMS) for word in command.split())


def environment(workspace: Path) -> dict[str, str]:
    """All that a command sees of variables, but for those that its level adds (the proxy's, at net)."""
    return {
        "PATH": PROGRAM_PATH,
        "HOME": str(workspace),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "TZ": settings.TIME_ZONE,
    }


@functools.cache
def available() -> bool:
    """Whether bubblewrap works here: asked once per process, by running it."""
    return bool(_program()) and all(_works(level) for level in (Level.READ, Level.WORKSPACE))


@functools.cache
def network_available() -> bool:
    """Whether the filtered network of the level net works here; asked in the same way."""
    return available() and _works(Level.NET)


@functools.cache
def in_force() -> InForce:
    """What confines commands here: for /health, the card and the doctor."""
    if network_available():
        return InForce(means=Means.BUBBLEWRAP, holds="Commands are confined by bubblewrap.")
    if available():
        holds = "Commands are confined by bubblewrap, but there is no filtered network: level net is refused."
        return InForce(means=Means.BUBBLEWRAP, holds=holds, better=HOW_TO_GET_NAMESPACES)
    known = landlock.version() if landlock.can_refuse_sockets() else 0
    if known:
        gap = "" if known >= LANDLOCK_WITH_TCP else f" (version {known}: it can't keep them from each other)"
        holds = f"Commands are confined by Landlock{gap}, without any network, and each is asked about."
        return InForce(means=Means.LANDLOCK, holds=holds, better=HOW_TO_GET_BUBBLEWRAP)
    holds = "Nothing confines commands here but limits of time and memory; each is asked about."
    return InForce(means=Means.LIMITS, holds=holds, better=HOW_TO_GET_BUBBLEWRAP)


HOW_TO_GET_NAMESPACES = (
    "Allow user and network namespaces to the service: in a container see docker/README.md; on Ubuntu 24.04 give "
    "bubblewrap an AppArmor profile, or set kernel.apparmor_restrict_unprivileged_userns=0."
)
HOW_TO_GET_BUBBLEWRAP = f"Install bubblewrap (apt-get install bubblewrap) and restart. {HOW_TO_GET_NAMESPACES}"


def _works(level: Level) -> bool:
    workspace = Path("/usr")
    try:
        options = bubblewrap.read(workspace, whole_disk=False, service_manager=False, readable=True)
        reading = [_program(), *options]
        argv = [*(reading if level is Level.READ else _writing(level, workspace)), "--", "/bin/bash", "-c", "true"]
        done = subprocess.run(
            argv, env=environment(workspace), stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@functools.cache
def _program() -> str:
    return shutil.which("bwrap", path="/usr/local/bin:/usr/bin:/bin") or ""


def _writing(level: Level, workspace: Path) -> list[str]:
    before = _launched({"way": "net"}) if level is Level.NET else []
    return [*before, _program(), *bubblewrap.workspace(workspace, with_network=level is Level.NET)]


def _plan_without_bubblewrap(level: Level, workspace: Path, whole_disk: bool) -> dict[str, Any]:
    if in_force().means is Means.LIMITS:
        return {"way": "limits"}
    programs = ["/usr", *masks.PROGRAM_FOLDERS, *masks.ETC_NEEDED, *masks.OF_THE_MACHINE]
    seen = programs if level is Level.READ and not whole_disk else masks.open_disk()
    mine = [str(workspace)]
    return {
        "way": "landlock",
        "readable": [*seen, "/proc", *(mine if level is Level.READ else [])],
        "writable": [*masks.DEVICES, *(mine if level is Level.WORKSPACE else [])],
    }


def _launched(plan: dict[str, Any]) -> list[str]:
    return [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), json.dumps(plan)]


def _limited(level: Level, seconds: float) -> str:
    run_it = RUN_IT if level is Level.READ else RUN_IT_GENTLY
    return LIMITS_THEN.format(
        memory=ADDRESS_SPACE_KIB,
        data=DATA_KIB,
        cpu=int(seconds) + 1,
        file=FILE_BLOCKS,
        processes=PROCESSES,
        then=run_it if available() else f"export TMPDIR=$HOME; {run_it}",
    )


def _at_home() -> str:
    """At level host: the service user's own home. No rlimits, since a service that it starts would keep them."""
    user = pwd.getpwuid(os.getuid())
    own = {"HOME": str(Path.home()), "USER": user.pw_name, "LOGNAME": user.pw_name}
    own["XDG_RUNTIME_DIR"] = f"/run/user/{user.pw_uid}"
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in own.items())
    return f"export {variables}; ulimit -c 0; {RUN_IT}"
