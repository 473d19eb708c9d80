"""One line a record, with the process it came from, and without secrets; in the file that stands there now."""

import logging
import os
from pathlib import Path

from common.text import redact

FILE_VARIABLE = "AGENT_LOG"
"""Names the file that standard output and error go to, where a file is what they go to."""


class RedactingFormatter(logging.Formatter):
    """Redacts the finished line: arguments and exception texts are covered too (HTTP libraries log addresses)."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s[%(process)d] %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class FollowingHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to standard error. Where that is a file of ours which was set aside meanwhile (log_files.py), standard
    output and error are opened anew first, so that whatever else writes to them follows.

    A record is one write to a file opened for appending: those of other processes come before it or after it."""

    def emit(self, record: logging.LogRecord) -> None:
        path = os.environ.get(FILE_VARIABLE)
        if not path:
            return super().emit(record)
        try:
            line = f"{self.format(record)}\n".encode(errors="backslashreplace")
            follow(Path(path))
            while line:  # a full disk or a signal may cut it
                line = line[os.write(2, line) :]
        except Exception:
            self.handleError(record)


def follow(path: Path) -> None:
    """Has the outputs 1 and 2 of this process lead to the file that stands at `path` now; made if there is none."""
    try:
        if os.path.samestat(os.stat(path), os.fstat(2)):
            return
    except FileNotFoundError:
        pass
    fresh = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    for number in (1, 2):
        os.dup2(fresh, number)
    os.close(fresh)
