"""A folder's files as they are at a moment: what there is, and whether it has changed since."""

import contextlib
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

FILE, LINK, FOLDER = "file", "link", "folder"


class TooLargeError(Exception):
    """The folder holds more than was allowed for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One file, link or folder. `content` is a file's sha256 (empty when not read), or where a link leads."""

    kind: str
    mode: int
    size: int = 0
    modified: int = 0
    changed: int = 0
    inode: int = 0
    content: str = ""

    def untouched_since(self, other: "Entry | None") -> bool:
        """Whether this is the same file, not written to since. The time of the last change can't be set back."""
        if other is None or (self.kind, self.mode) != (other.kind, other.mode):
            return False
        if self.kind == FILE:
            return (self.size, self.modified, self.changed, self.inode) == (
                other.size,
                other.modified,
                other.changed,
                other.inode,
            )
        return self.kind == FOLDER or self.content == other.content

    def as_list(self) -> list[object]:
        return list(astuple(self))


Tree = dict[str, Entry]


def entry_from(values: list[object]) -> Entry:
    """The reverse of `as_list`."""
    return Entry(**dict(zip(Entry.__slots__, values, strict=True)))  # type: ignore[arg-type]


def look(path: Path) -> Entry | None:
    """The entry at `path`, a link not followed; None where nothing is, or nothing that can be kept."""
    try:
        return _entry(str(path), os.lstat(path))
    except OSError:
        return None


def scan(root: Path, *, skip: Collection[str], most_files: int, most_bytes: int) -> Tree:
    """Everything below `root` by its path from there, but what is called as in `skip` at the top.

    Raises TooLargeError. Sockets, pipes and devices are left out.
    """
    found: Tree = {}
    size = 0
    for path, entry in _walk(str(root), skip):
        found[path] = entry
        size += entry.size
        if len(found) > most_files or size > most_bytes:
            raise TooLargeError
    return found


def _walk(root: str, skip: Collection[str]) -> Iterator[tuple[str, Entry]]:
    """Without recursion: a command can nest folders deeper than Python would follow."""
    folders = [""]
    while folders:
        below = folders.pop()
        for each in _listed(os.path.join(root, below)):
            path = os.path.join(below, each.name)
            entry = None if path in skip or not path.isprintable() else _entry_of(each)
            if entry is not None:
                yield path, entry
                if entry.kind == FOLDER:
                    folders.append(path)


def _listed(folder: str) -> list[os.DirEntry[str]]:
    with contextlib.suppress(OSError):  # gone in the meantime, or closed to us
        return list(os.scandir(folder))
    return []


def _entry_of(each: os.DirEntry[str]) -> Entry | None:
    with contextlib.suppress(OSError):
        return _entry(each.path, each.stat(follow_symlinks=False))
    return None


def _entry(path: str, status: os.stat_result) -> Entry | None:
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        return Entry(kind=FOLDER, mode=mode)
    if stat.S_ISLNK(status.st_mode):
        return Entry(kind=LINK, mode=mode, content=os.readlink(path))
    if not stat.S_ISREG(status.st_mode):
        return None
    return Entry(
        kind=FILE,
        mode=mode,
        size=status.st_size,
        modified=status.st_mtime_ns,
        changed=status.st_ctime_ns,
        inode=status.st_ino,
    )


def changes(before: Tree, after: Tree) -> dict[str, tuple[Entry | None, Entry | None]]:
    """What is not the same in both, with what it was and what it is."""
    found = {}
    for path in {**before, **after}:
        old, new = before.get(path), after.get(path)
        if old is None or new is None or not new.untouched_since(old):
            found[path] = (old, new)
    return found
