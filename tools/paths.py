"""Which part of the disk a path belongs to, symbolic links followed."""

import os
import re
import stat
from enum import StrEnum
from pathlib import Path

from django.conf import settings

from tools.confinement import masks
from tools.names import names


class Zone(StrEnum):
    """WORKSPACE the agent's own; READABLE the system's public files; OUTSIDE all else; PROTECTED never touched."""

    WORKSPACE = "workspace"
    READABLE = "readable"
    OUTSIDE = "outside"
    PROTECTED = "protected"


PUBLIC_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
PUBLIC_FILES = frozenset(
    ["/dev/null", *masks.ETC_NEEDED]
    + [f"/proc/{name}" for name in names("cpuinfo meminfo loadavg uptime version stat partitions swaps filesystems")]
)
SECRET_FOLDERS = frozenset([".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store"])
SECRET_NAMES = re.compile(
    r"\.env(?!\.(example|sample|template|dist)$)(\..*)?|\.netrc|\.pgpass|\.git-credentials|\.pypirc|\.npmrc"
    r"|id_(rsa|dsa|ecdsa|ed25519)(_sk)?|.*\.(key|pem|p12|pfx|kdbx)"
)
PUBLIC_KEYS = ("/etc/ssl/certs", "/usr")
# Of these only what every user of the machine may read.
FOR_ALL = ("/etc",)
MAX_LOOKED_AT = 20_000


def readable_folders() -> tuple[str, ...]:
    """What may be read beside the workspace and the system's programs; the sandbox shows it at level read."""
    return tuple(os.path.realpath(folder) for folder in settings.TOOL_READABLE_DIRS)


def workspace() -> Path:
    """The workspace's real path; made when it is not there."""
    path = Path(_base())
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


def real_path(path: str, *, home: Path | None = None, base: str = "") -> Path:
    """`path` from `base` in the workspace, ~ as the service user's home unless `home` is given, links followed.

    May not exist.
    """
    if path == "~" or path.startswith("~/"):
        path = str(home or Path.home()) + path[1:]
    joined = os.path.join(_base(), base, path)
    try:
        return Path(os.path.realpath(joined))
    except OSError:  # a link of /proc that leads into another process
        return Path(os.path.normpath(joined))


def zone_of(path: str, *, home: Path | None = None, base: str = "") -> Zone:
    """The strictest zone of the path as written and of what it leads to."""
    written = os.path.normpath(os.path.join(_base(), base, path))
    real = str(real_path(path, home=home, base=base))
    if _protected(written) or _protected(real):
        return Zone.PROTECTED
    if _within(real, os.path.realpath(_base())):
        return Zone.OUTSIDE if _has_other_names(real) else Zone.WORKSPACE
    public = real in PUBLIC_FILES or any(_within(real, folder) for folder in PUBLIC_FOLDERS)
    return Zone.READABLE if public or _is_readable(real) else Zone.OUTSIDE


def is_code(path: str, *, base: str = "") -> bool:
    """Whether it lies in the product's own code, which only its own way of proposing changes may touch."""
    code, real = os.path.realpath(settings.BASE_DIR), str(real_path(path, base=base))
    return _within(real, code) and not _within(real, os.path.realpath(_base()))


def _has_other_names(real: str) -> bool:
    """A hard link: what it is a link of may lie anywhere, a key for instance."""
    try:
        found = os.lstat(real)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_nlink > 1


def _is_readable(real: str) -> bool:
    if not any(_within(real, folder) for folder in readable_folders()):
        return False
    return not any(_within(real, folder) for folder in FOR_ALL) or _for_all(real)


def _for_all(real: str) -> bool:
    """Whether every user of the machine may read it: what isn't there may be named."""
    try:
        mode = os.stat(real).st_mode
    except (OSError, ValueError):
        return not os.path.lexists(real)
    return bool(mode & stat.S_IROTH) and (not stat.S_ISDIR(mode) or bool(mode & stat.S_IXOTH))


def secrets_below(folder: str, *, home: Path | None = None, base: str = "") -> str | None:
    """A key or a file with passwords somewhere below `folder`, None when there is none.

    Where there are too many files to tell, the folder itself.
    """
    left = MAX_LOOKED_AT
    for place, folders, files in os.walk(real_path(folder, home=home, base=base)):
        left -= len(files) + len(folders)
        for name in (*files, *folders):
            if looks_secret(name) or name in SECRET_FOLDERS:
                return os.path.join(place, name)
        if left < 0:
            return folder
    return None


def looks_secret(name: str) -> bool:
    """Whether a bare file name is that of a key or of a file with passwords."""
    return bool(SECRET_NAMES.fullmatch(name))


def _protected(path: str) -> bool:
    if path.startswith("/proc") and _within(path, "/proc"):
        return path not in PUBLIC_FILES and path != "/proc"
    return _holds_secrets(path) or _is_ours(path) or any(_within(path, folder) for folder in _closed_folders())


def _holds_secrets(path: str) -> bool:
    parts = path.split("/")
    if not SECRET_FOLDERS.isdisjoint(parts) or "/.config/gcloud" in path or "/.config/gh/" in path:
        return True
    return bool(SECRET_NAMES.fullmatch(parts[-1])) and not any(_within(path, folder) for folder in PUBLIC_KEYS)


def _is_ours(path: str) -> bool:
    """In the product's data, but not in the workspace, which lies there by default."""
    folders = [str(folder) for folder in (settings.DATA_DIR, getattr(settings, "BACKUP_DIR", "")) if str(folder)]
    ours = any(_within(path, name) for each in folders for name in (os.path.abspath(each), os.path.realpath(each)))
    return ours and not any(_within(path, space) for space in (_base(), os.path.realpath(_base())))


def _base() -> str:
    return os.path.abspath(settings.WORKSPACE_DIR)


def _closed_folders() -> tuple[str, ...]:
    return ("/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-", "/etc/sudoers", "/etc/sudoers.d", *_KEYS)


_KEYS = ("/etc/ssl/private", "/etc/letsencrypt", "/etc/wireguard", "/var/run/docker.sock", "/run/docker.sock")


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
