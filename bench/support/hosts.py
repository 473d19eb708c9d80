"""Several sets of processes, as on several machines, against one PostgreSQL that belongs to none of them."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil

from agent_site import embedded_postgres
from agent_site.trial import Trial
from bench.support.instance import family


@contextmanager
def shared_database() -> Iterator[Path]:
    """A folder with a server that runs until the block ends, and `workspace` beside it."""
    folder = Path(tempfile.mkdtemp(prefix="agent-shared-"))
    folder.chmod(0o755)  # the database's own user must get through
    try:
        embedded_postgres.start(folder)
        yield folder
    finally:
        embedded_postgres.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


def common_settings(folder: Path) -> dict[str, str]:
    """What all sets have in common: the database, the folder of the tools, and the key that signs queued packages."""
    entry = embedded_postgres.settings(folder)
    login = f"{entry['USER']}:{quote(entry['PASSWORD'], safe='')}"
    return {
        "DATABASE_URL": f"postgres://{login}@/{entry['NAME']}?host={quote(entry['HOST'], safe='')}",
        "WORKSPACE_DIR": str(folder / "workspace"),
        "SECRET_KEY": secrets.token_hex(32),
        "TELEGRAM_RATE_LIMITS": "off",
    }


def kill_all(trial: Trial) -> int:
    """As a machine that loses its power: kill -9 of every process of the set; how many there were."""
    assert trial.process is not None
    processes = family(trial.process.pid)
    for process in processes:  # stopped first, so that none can notice the end of another
        _tell(process, "suspend")
    for process in processes:
        _tell(process, "kill")
    trial.process.wait()
    trial.process = None
    return len(processes)


def _tell(process: psutil.Process, what: str) -> None:
    try:
        getattr(process, what)()
    except psutil.NoSuchProcess:
        return
