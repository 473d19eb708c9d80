"""Contents of files, each kept once under its sha256; and the lists that say which file had which content.

`DATA_DIR/snapshots/objects/ab/abcd…` and `DATA_DIR/snapshots/12.json.gz`. Taking holds a shared lock, clearing away an
exclusive one, so that no content goes between being written and being listed.
"""

import contextlib
import fcntl
import gzip
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from tools.keeping.tree import FILE, Entry, Tree, entry_from

CHUNK = 1024**2
CLONE = 0x40049409  # FICLONE of linux/fs.h: a copy that shares its blocks, where the file system can


def folder() -> Path:
    """Where it all lies; made when it is not there, closed to other users."""
    path = Path(settings.DATA_DIR) / "snapshots"
    (path / "objects").mkdir(parents=True, exist_ok=True, mode=0o700)
    return path


@contextlib.contextmanager
def locked(*, exclusive: bool) -> Iterator[None]:
    with (folder() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield


def kept(root: Path, tree: Tree, earlier: Tree) -> Tree:
    """`tree` with the contents of its files, which are in the store from then on.

    A file that `earlier` knows, untouched since, is not read again. What can't be read is left out.
    """
    found: Tree = {}
    for path, entry in tree.items():
        old = earlier.get(path)
        if entry.kind != FILE:
            found[path] = entry
        elif old is not None and entry.untouched_since(old) and object_path(old.content).exists():
            found[path] = replace(entry, content=old.content)
        else:
            with contextlib.suppress(OSError):
                found[path] = replace(entry, content=_put(root, path))
    return found


def object_path(digest: str) -> Path:
    return Path(settings.DATA_DIR, "snapshots", "objects", digest[:2], digest)


def _put(root: Path, path: str) -> str:
    """The sha256 of a file whose content is in the store from now on. Raises OSError."""
    source = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(source, "rb") as file:
        # A folder on the way may have become a link to somewhere else.
        if not os.readlink(f"/proc/self/fd/{source}").startswith(f"{root.resolve()}/"):
            raise FileNotFoundError(path)
        with tempfile.NamedTemporaryFile(dir=folder(), prefix="new-", delete=False) as copy:
            try:
                digest = _copy(file, copy)
                target = object_path(digest)
                target.parent.mkdir(exist_ok=True, mode=0o700)
                os.replace(copy.name, target)
            except BaseException:
                os.unlink(copy.name)
                raise
    return digest


def _copy(source: IO[bytes], target: IO[bytes]) -> str:
    digest = hashlib.sha256()
    try:
        fcntl.ioctl(target.fileno(), CLONE, source.fileno())
        cloned = True
    except OSError:
        cloned = False
    while data := source.read(CHUNK):
        digest.update(data)
        if not cloned:
            target.write(data)
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """A file's sha256; of a link, that of where it leads; empty where nothing is, or a folder."""
    if path.is_symlink():
        return hashlib.sha256(os.readlink(path).encode(errors="surrogateescape")).hexdigest()
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_write(name: str, tree: Tree) -> None:
    _write(name, {path: entry.as_list() for path, entry in tree.items()})


def tree_read(name: str) -> Tree:
    """A list as it was written; empty where there is none."""
    return {path: entry_from(values) for path, values in _read(name).items()}


Changes = dict[str, tuple[Entry | None, Entry | None]]


def changes_write(name: str, changes: Changes) -> None:
    pairs = changes.items()
    _write(name, {path: [each and each.as_list() for each in pair] for path, pair in pairs})


def changes_read(name: str) -> Changes | None:
    """None where the end of the command was not seen."""
    if not _path(name).exists():
        return None
    found: Changes = {}
    for path, (old, new) in _read(name).items():
        found[path] = (entry_from(old) if old else None, entry_from(new) if new else None)
    return found


def _path(name: str) -> Path:
    return folder() / f"{name}.json.gz"


def _write(name: str, value: object) -> None:
    target = _path(name)
    with tempfile.NamedTemporaryFile(dir=folder(), prefix="new-", delete=False) as file:
        file.write(gzip.compress(json.dumps(value).encode(), compresslevel=1))
    os.replace(file.name, target)


def _read(name: str) -> dict[str, list[Any]]:
    try:
        loaded: dict[str, list[Any]] = json.loads(gzip.decompress(_path(name).read_bytes()))
    except FileNotFoundError:
        return {}
    return loaded


def forget(*names: str) -> None:
    """Removes lists; their contents stay until `clear_away`."""
    for name in names:
        _path(name).unlink(missing_ok=True)


def clear_away() -> int:
    """Removes contents that no list names, and what a crash has left; the bytes that are left."""
    with locked(exclusive=True):
        lists = [path.name.removesuffix(".json.gz") for path in folder().glob("[0-9]*.json.gz")]
        trees = [tree_read(name) for name in lists if name.isdecimal()]
        named = {entry.content for tree in trees for entry in tree.values() if entry.kind == FILE}
        for path in folder().glob("new-*"):
            path.unlink(missing_ok=True)
        left = 0
        for path in (folder() / "objects").glob("*/*"):
            if path.name in named:
                left += path.stat().st_size
            else:
                path.unlink(missing_ok=True)
        return left
