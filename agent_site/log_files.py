"""Bounds the log's files: a full one is set aside under a new name, compressed when nobody writes to it any more, and
the oldest are deleted.

Many processes write to the log. Renaming loses nothing: who has the old file open goes on writing there until its next
line finds out (logs.py). That is why a file set aside is compressed only later.
"""

import gzip
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

BYTES = 10_000_000
KEPT = 10
"""Files beside the one that is written to."""
HELD_SECONDS = 3600.0
"""Where it can't be seen who has a file open, and for a process that never logs, this has to be long enough."""
STAMP = "%Y%m%d-%H%M%S"


def rotate(log: Path, *, writers: Iterable[int] = (), bytes_: int = BYTES, kept: int = KEPT) -> bool:
    """Looks after the log and what was set aside of it; whether it was full. `writers`: the processes that may have it
    open as their output."""
    try:
        full = log.stat().st_size > bytes_
    except FileNotFoundError:  # set aside, and nobody has written since
        full = False
    if full:
        log.rename(_free_name(log))
    aside = sorted(log.parent.glob(f"{log.stem}-*.log"))
    tidy(aside, busy=_open_files(writers), gone=sorted(log.parent.glob(f"{log.stem}-*.log.gz")), kept=kept)
    return full


def tidy_server(folder: Path, *, kept: int = KEPT) -> None:
    """Looks after the files that PostgreSQL makes by itself; it writes to the newest."""
    *done, _ = sorted(folder.glob("*.log")) or [folder]
    tidy(done, busy=set(), gone=sorted(folder.glob("*.log.gz")), kept=kept)


def tidy(aside: list[Path], *, busy: set[int] | None, gone: list[Path], kept: int) -> None:
    """Compresses those of the files that nobody has open (`busy`: inodes; None: not known), and deletes the oldest."""
    for path in sorted([*aside, *gone])[: max(0, len(aside) + len(gone) - kept)]:
        path.unlink(missing_ok=True)
    for path in aside:
        if path.exists() and not _is_held(path, busy):
            compress(path)


def _is_held(path: Path, busy: set[int] | None) -> bool:
    status = path.stat()
    return time.time() - status.st_mtime < HELD_SECONDS and (busy is None or status.st_ino in busy)


def compress(path: Path) -> None:
    """Makes a .gz of it that takes its place when it is whole."""
    draft = path.with_name(f".{path.name}.gz")
    with path.open("rb") as source, gzip.open(draft, "wb", compresslevel=6) as target:
        shutil.copyfileobj(source, target)
    status = path.stat()
    os.utime(draft, (status.st_atime, status.st_mtime))
    draft.chmod(status.st_mode & 0o777)
    draft.rename(path.with_name(f"{path.name}.gz"))
    path.unlink()


def cut(path: Path) -> None:
    """Empties a file that has become too large, where nobody writes to it."""
    if path.exists() and path.stat().st_size > BYTES:
        os.truncate(path, 0)


def _free_name(log: Path) -> Path:
    """Names sort by age, also where two are made in one second."""
    seconds, fraction = divmod(time.time_ns(), 1_000_000_000)
    return log.with_name(f"{log.stem}-{time.strftime(STAMP, time.gmtime(seconds))}-{fraction:09}.log")


def _open_files(writers: Iterable[int]) -> set[int] | None:
    """The inodes of what these processes and their descendants have open; None where only time can tell.

    All that is open, not only the outputs: who has just opened the file is about to make it his output."""
    found: set[int] = set()
    for pid in writers:
        if sys.platform != "linux":
            return None
        for process in _family(pid):
            found |= set(_inodes(Path(f"/proc/{process}/fd")))
    return found


def _inodes(descriptors: Path) -> Iterator[int]:
    with suppress(OSError):  # the process has ended
        for number in os.listdir(descriptors):
            with suppress(OSError):
                yield (descriptors / number).stat().st_ino


def _family(pid: int) -> list[int]:
    import psutil  # not for each command that attaches to the database

    try:
        top = psutil.Process(pid)
        return [pid, *(process.pid for process in top.children(recursive=True))]
    except psutil.Error:
        return []
