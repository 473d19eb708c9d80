"""What no command may see of the disk, and what every program needs of /etc."""

import contextlib
import functools
import os
import stat
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


def _own_folders() -> list[str]:
    """The product's own data; the workspace in it is bound again afterwards."""
    return [str(path) for path in (settings.DATA_DIR, getattr(settings, "BACKUP_DIR", "")) if str(path)]


def _own_files() -> list[str]:
    code = Path(__file__).resolve().parent.parent
    return [str(path) for path in code.glob(".env*")]


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
