"""PostgreSQL refuses to run as root: then a system user of its own runs it, made for that."""

import os
import subprocess
from pathlib import Path
from typing import Any

from common.errors import AgentError

SYSTEM_USER = "pgserver"


class NoSystemUser(AgentError):
    """PostgreSQL does not run as root, and a user for it could not be made: run this as another user."""


def arguments(*passed: Path) -> dict[str, Any]:
    """What has subprocess run a program as the system user, who may pass through these folders; nothing for others than
    root."""
    if os.geteuid() != 0:
        return {}
    for path in passed:
        _let_through(path)
    _system_user()
    return {"user": SYSTEM_USER, "group": SYSTEM_USER, "extra_groups": []}


def give(path: Path) -> None:
    """Makes it the system user's, when this process is root's."""
    if os.geteuid() == 0:
        user = _system_user()
        os.chown(path, user.pw_uid, user.pw_gid)


def _system_user() -> Any:
    import pwd

    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        pass
    try:
        subprocess.run(["useradd", "--system", "-s", "/usr/sbin/nologin", SYSTEM_USER], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise NoSystemUser from None
    return pwd.getpwnam(SYSTEM_USER)


def _let_through(path: Path) -> None:
    """Lets the system user pass (not read) the folders above a path, as the package does."""
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)
