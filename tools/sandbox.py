"""How a command is confined. Four levels; what they share: a scrubbed environment, rlimits, own process, user, IPC and
host-name namespaces, no capabilities, and nothing of `DATA_DIR` (but the workspace), of /run, of keys.

read        no writes, no network, of the disk only the system's programs and the workspace
workspace   the workspace may be written; the rest of the disk is seen as far as the service user sees it, read-only
net         workspace plus the network
host        no bubblewrap: as the service user, with the limits only. Where bubblewrap doesn't work all is host, and the
            rules then allow nothing without asking

/proc is the real machine's, read-only, so that uptime, ps, free and df tell the truth. This gives away command lines,
as to any user of the machine, but no environment, memory or open file of a process outside: for those the kernel asks
for the same user *namespace* or for CAP_SYS_PTRACE in it (ptrace(2), "Ptrace access mode checking"), and a command here
has neither, not even when the service runs as root (tests/test_sandbox.py holds it). `workspace` and `net` get a
/proc of their own, since programs that look themselves up there would find others' numbers.
"""

import functools
import os
import shutil
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

from django.conf import settings

from tools import masks
from tools.names import names

PROGRAM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LAUNCHER = Path(__file__).with_name("launcher.py")
PROBE_SECONDS = 10

# Set inside, so that the number of processes is counted in the sandbox's own user namespace.
LIMITS_THEN = "ulimit -c 0 -v {memory} -t {cpu} -f {file} -n 1024; ulimit -u {processes} 2>/dev/null; {then}"
ADDRESS_SPACE_KIB = 8 * 1024**2
FILE_BLOCKS = 1024**2
PROCESSES = 512

APART = names(
    "--unshare-user --disable-userns --unshare-ipc --unshare-pid --unshare-uts --unshare-cgroup-try "
    "--die-with-parent --new-session --cap-drop ALL"
)


class Level(StrEnum):
    READ = "read"
    WORKSPACE = "workspace"
    NET = "net"
    HOST = "host"


def command_line(command: str, *, level: Level, workspace: Path, seconds: float, whole_disk: bool = False) -> list[str]:
    """The argv that runs `command` with bash at `level`; killing it kills all that came of it.

    `whole_disk`: at level read, show all file systems (for df, which can only speak of what is mounted), less secrets.
    """
    limited = LIMITS_THEN.format(
        memory=ADDRESS_SPACE_KIB, cpu=int(seconds) + 1, file=FILE_BLOCKS, processes=PROCESSES, then='exec bash -c "$1"'
    )
    inside = ["/bin/bash", "-c", limited, "bash", command]
    if level is Level.HOST:
        return [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), *inside]
    return [*_bubblewrap(level, workspace, whole_disk), "--", *inside]


def environment(workspace: Path) -> dict[str, str]:
    """All that a command sees of variables."""
    return {
        "PATH": PROGRAM_PATH,
        "HOME": str(workspace),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "TZ": settings.TIME_ZONE,
    }


def level_for(*, approved: bool) -> Level:
    """A shell command's level: what the rules allow by themselves reads only; what a person approved may change."""
    if not available():
        return Level.HOST
    return Level.NET if approved else Level.READ


@functools.cache
def available() -> bool:
    """Whether bubblewrap works here at the levels that are used: asked once per process, by running it."""
    workspace = Path("/usr")
    levels = (Level.READ, Level.NET)
    return bool(_program()) and all(_works(level, workspace) for level in levels)


def _works(level: Level, workspace: Path) -> bool:
    argv = command_line("true", level=level, workspace=workspace, seconds=PROBE_SECONDS)
    try:
        done = subprocess.run(
            argv, env=environment(workspace), stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@functools.cache
def _program() -> str:
    return shutil.which("bwrap", path="/usr/local/bin:/usr/bin:/bin") or ""


def _bubblewrap(level: Level, workspace: Path, whole_disk: bool) -> list[str]:
    real = str(workspace.resolve())
    whole = whole_disk or level is not Level.READ
    return [
        _program(),
        *APART,
        *([] if level is Level.NET else ["--unshare-net"]),
        *(_whole_disk() if whole else _programs_only()),
        *(["--ro-bind", "/proc", "/proc"] if level is Level.READ else ["--proc", "/proc"]),
        *("--dev", "/dev"),
        *("--ro-bind" if level is Level.READ else "--bind", real, real),
        *("--chdir", real),
    ]


def _programs_only() -> list[str]:
    """/usr, the links or folders that lead into it, and the few files of /etc that programs need."""
    found: list[str] = ["--ro-bind", "/usr", "/usr", "--tmpfs", "/tmp"]
    for top in ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"):
        if os.path.islink(top):
            found += ["--symlink", os.readlink(top), top]
        else:
            found += ["--ro-bind-try", top, top]
    for name in (*masks.ETC_NEEDED, "/sys/devices", "/sys/class", "/sys/block", "/sys/bus"):
        found += ["--ro-bind-try", name, name]
    return found


def _whole_disk() -> list[str]:
    """All that the service user sees, read-only, with what is secret covered."""
    folders, files = masks.covered()
    found = ["--ro-bind", "/", "/"]
    for folder in folders:
        found += ["--tmpfs", folder]
    for file in files:
        found += ["--ro-bind", "/dev/null", file]
    return [*found, *_name_resolution()]


def _name_resolution() -> list[str]:
    """/etc/resolv.conf often points into /run, which is covered."""
    real = os.path.realpath("/etc/resolv.conf")
    return ["--ro-bind-try", real, real] if real.startswith("/run/") else []
