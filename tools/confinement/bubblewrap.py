"""The options of bubblewrap (bwrap(1)) for each level that it confines."""

import os
from collections.abc import Sequence
from pathlib import Path

from tools import paths
from tools.confinement import masks, network
from tools.names import names

APART = names(
    "--unshare-user --disable-userns --unshare-ipc --unshare-pid --unshare-uts --unshare-cgroup-try "
    "--die-with-parent --new-session --cap-drop ALL"
)
# File systems in memory: without a bound of their own they would hold half of the machine's memory each.
SCRATCH_BYTES, COVER_BYTES = str(256 * 1024**2), str(64 * 1024)
SCRATCH = ("/tmp", "/var/tmp")
# A repository may name programs that git runs while it only looks. Nothing of this could write or call out here; this
# keeps it from being run at all (git(1), git-config(1)).
GIT_SWITCHED_OFF = {"core.fsmonitor": "false", "core.hooksPath": "/dev/null", "gpg.program": "/bin/false"}
GIT_READS = {
    **dict.fromkeys(("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"), "/dev/null"),
    **{"GIT_CONFIG_NOSYSTEM": "1", "GIT_PAGER": "cat", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1"},
    **{"GIT_ALLOW_PROTOCOL": "none", "GIT_TERMINAL_PROMPT": "0", "PYTHONNOUSERSITE": "1"},
    "GIT_CONFIG_COUNT": str(len(GIT_SWITCHED_OFF)),
    **{f"GIT_CONFIG_KEY_{number}": key for number, key in enumerate(GIT_SWITCHED_OFF)},
    **{f"GIT_CONFIG_VALUE_{number}": value for number, value in enumerate(GIT_SWITCHED_OFF.values())},
}


def read(workspace: Path, *, whole_disk: bool, service_manager: bool, readable: bool) -> list[str]:
    """No writes, no network; the real machine's processes. `readable`: with the folders that may be read (paths.py)."""
    real = str(workspace)
    return [
        *APART,
        "--unshare-net",
        *(_whole_disk() if whole_disk else _programs_only()),
        *(_readable() if readable and not whole_disk else []),
        *(_shown(masks.OF_THE_MACHINE) if not whole_disk else []),
        *(_shown(masks.SERVICE_MANAGER) if service_manager else []),
        *("--ro-bind", "/proc", "/proc"),
        *_devices(),
        *("--ro-bind", real, real),
        *("--chdir", real),
        *([] if whole_disk else ["--remount-ro", "/"]),
        *_variables(GIT_READS),
        # ss(8) reads from here what the kernel would only tell of the sandbox's own, empty network.
        *("--setenv", "PROC_ROOT", f"/proc/{os.getpid()}"),
    ]


def workspace(workspace: Path, *, with_network: bool) -> list[str]:
    """The workspace writable; with the network of the namespace that the launcher has made, or with none."""
    real = str(workspace)
    return [
        *APART,
        *([] if with_network else ["--unshare-net"]),
        *_whole_disk(),
        *("--proc", "/proc"),
        *_devices(),
        *("--bind", real, real),
        *("--chdir", real),
        *(_variables(network.variables()) if with_network else []),
    ]


def _devices() -> list[str]:
    return ["--dev", "/dev", "--size", SCRATCH_BYTES, "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]


def _variables(values: dict[str, str]) -> list[str]:
    return [word for name, value in values.items() for word in ("--setenv", name, value)]


def _programs_only() -> list[str]:
    """/usr, the links or folders that lead into it, and the few files that programs and journalctl need."""
    found: list[str] = ["--ro-bind", "/usr", "/usr", "--size", SCRATCH_BYTES, "--tmpfs", "/tmp"]
    for top in masks.PROGRAM_FOLDERS:
        if os.path.islink(top):
            found += ["--symlink", os.readlink(top), top]
        else:
            found += ["--ro-bind-try", top, top]
    return [*found, *_shown(masks.ETC_NEEDED)]


def _readable() -> list[str]:
    """What the gate lets be read beside the workspace, without what is secret in it."""
    shown = paths.readable_folders()
    folders, files = masks.covered()
    inside = [folder for folder in folders if masks.lies_in_one(folder, shown)]
    found = _shown(shown) + [word for folder in inside for word in ("--size", COVER_BYTES, "--tmpfs", folder)]
    for file in (*files, *masks.sockets(folders)):
        if masks.lies_in_one(file, shown):
            found += ["--ro-bind", "/dev/null", file]
    return found


def _shown(paths: Sequence[str]) -> list[str]:
    return [word for path in paths for word in ("--ro-bind-try", path, path)]


def _whole_disk() -> list[str]:
    """All that the service user sees, read-only, with what is secret covered."""
    folders, files = masks.covered()
    found = ["--ro-bind", "/", "/"]
    for folder in folders:
        found += ["--size", SCRATCH_BYTES if folder in SCRATCH else COVER_BYTES, "--tmpfs", folder]
    for file in (*files, *masks.sockets(folders)):
        found += ["--ro-bind", "/dev/null", file]
    return [*found, *_name_resolution()]


def _name_resolution() -> list[str]:
    """/etc/resolv.conf often points into /run, which is covered."""
    real = os.path.realpath("/etc/resolv.conf")
    return ["--ro-bind-try", real, real] if real.startswith("/run/") else []
