"""What no command may see of the disk, and what every program needs of /etc."""

import contextlib
import functools
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from tools.names import names

ETC_NEEDED = tuple(
    f"/etc/{name}"
    for name in names(
        "alternatives debian_version group host.conf hostname hosts issue ld.so.cache ld.so.conf ld.so.conf.d "
        "locale.alias localtime lsb-release magic mime.types mtab networks nsswitch.conf os-release passwd protocols "
        "redhat-release resolv.conf rpc services shells terminfo timezone"
    )
)

PROGRAM_FOLDERS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# What uptime, lsblk and journalctl tell of the real machine. No socket of /run is among it.
OF_THE_MACHINE = names("/sys/devices /sys/class /sys/block /sys/bus /etc/machine-id /var/log/journal /run/log/journal")
# What systemctl asks: only lines that do nothing but look are given these (tools/builtin/shell.py).
SERVICE_MANAGER = names("/run/systemd/system /run/systemd/private /run/dbus/system_bus_socket")
DEVICES = names("/dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty")

# /run holds the sockets of the services of this machine: who reaches docker's or a database's owns the machine.
FOLDERS = (
    "/root",
    "/run",
    "/tmp",
    "/var/tmp",
    "/sys/kernel",
    "/etc/ssl/private",
    "/etc/letsencrypt",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/lib/private",
    "/var/lib/systemd/coredump",
    "/var/backups",
    "/var/crash",
    "/var/mail",
    "/var/spool/cron",
)
IN_HOME = (".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".config/gcloud", ".config/gh", ".password-store")
FILES_IN_HOME = (".netrc", ".pgpass", ".git-credentials", ".npmrc", ".pypirc", ".bash_history", ".python_history")


def covered() -> tuple[list[str], list[str]]:
    """Folders and files to cover, each of them there, by its real path."""
    home = Path.home()
    private_folders, private_files = _private_of_etc()
    folders = [*FOLDERS, *(str(home / name) for name in IN_HOME), *_own_folders(), *private_folders]
    files = [*(str(home / name) for name in FILES_IN_HOME), *_own_files(), *private_files]
    inside = {os.path.realpath(folder) for folder in folders if os.path.isdir(folder)}
    outermost = sorted(folder for folder in inside if not any(_lies_in(folder, other) for other in inside))
    shown = (os.path.realpath(file) for file in files if os.path.isfile(file))
    return outermost, sorted({file for file in shown if not any(_lies_in(file, folder) for folder in outermost)})


def sockets(covered_folders: list[str]) -> list[str]:
    """Path sockets outside of what is covered: a read-only mount would not keep anybody from connecting to them."""
    found = set()
    with contextlib.suppress(OSError):
        for line in Path("/proc/net/unix").read_text(errors="replace").splitlines()[1:]:
            path = line.split(maxsplit=7)[7:]
            if path and path[0].startswith("/") and not any(_lies_in(path[0], folder) for folder in covered_folders):
                found.add(path[0])
    return sorted(path for path in found if _is_socket(path) and _may_be_reached(path))


def _is_socket(path: str) -> bool:
    with contextlib.suppress(OSError):
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    return False


def _may_be_reached(path: str) -> bool:
    """Whether the service user gets there without being root: inside, nobody is, and bubblewrap could not cover it."""
    groups = {os.getegid(), *os.getgroups()}
    with contextlib.suppress(OSError):
        for folder in Path(path).parents:
            status = folder.stat()
            mine = stat.S_IXUSR if status.st_uid == os.geteuid() else 0
            shared = stat.S_IXGRP if status.st_gid in groups else 0
            if not status.st_mode & (mine or shared or stat.S_IXOTH):
                return False
        return True
    return False


def open_disk() -> list[str]:
    """The outermost folders and files that hold nothing covered: for confinement that can only name what is open."""
    folders, files = covered()
    closed = {*folders, *files, "/proc", "/dev"}
    found: list[str] = []
    _add_open("/", closed, found)
    return found


def _add_open(folder: str, closed: set[str], found: list[str]) -> None:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            # What a link leads to is open, or not, by its own path.
            if entry.path in closed or entry.is_symlink():
                continue
            if any(_lies_in(each, entry.path) for each in closed):
                _add_open(entry.path, closed, found)
            else:
                found.append(entry.path)


def _own_folders() -> list[str]:
    """The product's own data; the workspace in it is bound again afterwards."""
    return [str(path) for path in (settings.DATA_DIR, getattr(settings, "BACKUP_DIR", "")) if str(path)]


def _own_files() -> list[str]:
    code = Path(__file__).resolve().parents[2]
    return [str(path) for path in code.glob(".env*")]


def lies_in_one(path: str, folders: Iterable[str]) -> bool:
    """Whether a path lies below one of these folders."""
    return any(_lies_in(path, folder) for folder in folders)


def _lies_in(path: str, folder: str) -> bool:
    return path != folder and path.startswith(folder.rstrip("/") + "/")


@functools.cache
def _private_of_etc() -> tuple[list[str], list[str]]:
    """What /etc keeps from other users (shadow, host keys, passwords of services): looked up once per process.

    The service user might be root or its owner, and would see it.
    """
    folders, files = [], []
    for base, folder_names, file_names in os.walk("/etc"):
        for name in [*folder_names, *file_names]:
            path = os.path.join(base, name)
            with contextlib.suppress(OSError):
                mode = os.lstat(path).st_mode
                if stat.S_ISDIR(mode) and not mode & stat.S_IXOTH:
                    folders.append(path)
                elif stat.S_ISREG(mode) and not mode & stat.S_IROTH:
                    files.append(path)
    return folders, files
