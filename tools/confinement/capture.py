"""Keeps the beginning and the end of an output of any length, and the whole of it in a file that the model can read."""

import contextlib
import os
import uuid
from pathlib import Path
from typing import IO

from tools import paths

OUTPUTS = ".outputs"
"""The folder of the workspace for outputs that were too long to be shown."""
FILES_KEPT = 30


class HeadTail:
    """At most `limit` characters of what was fed: the first and the last half, with a note of what lies between."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # A character of UTF-8 has at most four bytes.
        self._room = 2 * limit
        self._head = bytearray()
        self._tail = bytearray()
        self._file: IO[bytes] | None = None
        self._name = ""
        self.size = 0

    def feed(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._room:
            self._keep_whole(data)
        space = self._room - len(self._head)
        self._head += data[:space]
        self._tail += data[space:]
        if len(self._tail) > 2 * self._room:
            del self._tail[: -self._room]

    def text(self) -> tuple[str, bool]:
        """The text, and whether something was left out. Bytes that are no UTF-8 are replaced."""
        if self._file is not None:
            self._file.close()
        if self.size <= len(self._head) + len(self._tail):
            return shorten_middle((self._head + self._tail).decode(errors="replace"), self._limit, self._where())
        head = self._head.decode(errors="replace")[: self._limit // 2]
        tail = self._tail[-self._room :].decode(errors="replace")[-(self._limit // 2) :]
        return f"{head}\n[… of {self.size:,} bytes the middle is left out{self._where()} …]\n{tail}", True

    def _where(self) -> str:
        return f"; all of it is in {OUTPUTS}/{self._name}" if self._name else ""

    def _keep_whole(self, data: bytes) -> None:
        # A full disk takes the file, not the command's outcome.
        with contextlib.suppress(OSError):
            if self._file is None:
                self._name = f"{uuid.uuid4().hex[:12]}.txt"
                self._file = _new_file(self._name)
                self._file.write(self._head + self._tail)
            self._file.write(data)


def _new_file(name: str) -> IO[bytes]:
    """Made without following a link, which a command might have put there to lead us elsewhere. Raises OSError."""
    path = paths.workspace() / OUTPUTS
    path.mkdir(exist_ok=True)
    folder = os.open(path, os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _make_room(folder, path)
        return os.fdopen(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600, dir_fd=folder), "wb")
    finally:
        os.close(folder)


def _make_room(folder: int, path: Path) -> None:
    files = sorted(os.scandir(path), key=lambda each: each.stat(follow_symlinks=False).st_mtime_ns, reverse=True)
    for each in files[FILES_KEPT - 1 :]:
        with contextlib.suppress(OSError):
            os.unlink(each.name, dir_fd=folder)


def shorten_middle(text: str, limit: int, where: str = "") -> tuple[str, bool]:
    """`text` with its middle left out when it has more than `limit` characters, and whether that was so."""
    if len(text) <= limit:
        return text, False
    left_out = len(text) - limit
    half = limit // 2
    return f"{text[:half]}\n[… {left_out:,} characters left out{where} …]\n{text[-half:]}", True
