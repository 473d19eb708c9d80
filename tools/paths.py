"""Which part of the disk a path belongs to, symbolic links followed."""

import os
import re
from enum import StrEnum
from pathlib import Path

from django.conf import settings

from tools import masks
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


def workspace() -> Path:
    """The workspace's real path; made when it is not there."""
    path = Path(_base())
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


def real_path(path: str, *, home: Path | None = None) -> Path:
    """`path` from the workspace, ~ as the service user's home unless `home` is given, links followed. May not exist."""
    if path == "~" or path.startswith("~/"):
        path = str(home or Path.home()) + path[1:]
    return Path(os.path.realpath(os.path.join(_base(), path)))


def zone_of(path: str, *, home: Path | None = None) -> Zone:
    """The strictest zone of the path as written and of what it leads to."""
    written = os.path.normpath(os.path.join(_base(), path))
    real = str(real_path(path, home=home))
    if _protected(written) or _protected(real):
        return Zone.PROTECTED
    if _within(real, os.path.realpath(_base())):
        return Zone.WORKSPACE
    public = real in PUBLIC_FILES or any(_within(real, folder) for folder in PUBLIC_FOLDERS)
    return Zone.READABLE if public else Zone.OUTSIDE


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
