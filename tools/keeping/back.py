"""Takes back what a command changed in a folder: file by file, and none that has been changed again since."""

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tools.keeping.store import Changes, object_path
from tools.keeping.tree import FOLDER, LINK, Entry, look


@dataclass(kw_only=True)
class Outcome:
    """What taking back did, by path: put back, removed, and kept in both versions because it had changed again."""

    put_back: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)

    def text(self) -> str:
        parts = [
            (self.put_back, "Put back: {}."),
            (self.removed, "Removed, as it had been made by it: {}."),
            (self.conflicts, "Changed again since, so both are kept: {}."),
        ]
        return "\n".join(words.format(_named(paths)) for paths, words in parts if paths) or "All was as before already."


def _named(paths: list[str], most: int = 8) -> str:
    more = f" and {len(paths) - most:,} more" if len(paths) > most else ""
    return ", ".join(paths[:most]) + more


def take_back(found: Changes, *, workspace: Path, suffix: str) -> Outcome:
    """Undoes the changes. A file that is another by now stays; its earlier content lies beside it, under `suffix`."""
    outcome = Outcome()
    for path in sorted(found, reverse=True):  # what lies in a folder before the folder
        before, after = found[path]
        if after is not None and (before is None or before.kind != after.kind):
            _remove(workspace, path, after, outcome, gone=before is None)
    for path in sorted(found):
        before, after = found[path]
        if before is not None:
            _put_back(workspace, path, before, after, outcome, suffix)
    return outcome


def _remove(workspace: Path, path: str, after: Entry, outcome: Outcome, *, gone: bool) -> None:
    now = look(workspace / path)
    if now is None:
        return
    if not now.untouched_since(after) or not _is_inside(workspace, path):
        outcome.conflicts.append(path)
        return
    try:
        (workspace / path).rmdir() if now.kind == FOLDER else (workspace / path).unlink()
    except OSError:  # a folder in which something else lies by now
        outcome.conflicts.append(path)
    else:
        if gone:
            outcome.removed.append(path)


def _put_back(workspace: Path, path: str, before: Entry, after: Entry | None, outcome: Outcome, suffix: str) -> None:
    now = look(workspace / path)
    if now is not None and now.untouched_since(before):
        return
    if before.kind == FOLDER:
        if now is None and _is_inside(workspace, path):
            (workspace / path).mkdir(mode=before.mode, parents=True, exist_ok=True)
        elif now is not None and now.kind == FOLDER:
            os.chmod(workspace / path, before.mode)
        return
    if not _is_inside(workspace, path):
        outcome.conflicts.append(path)
    elif now is None or (after is not None and now.untouched_since(after)):
        _write(workspace / path, before)
        outcome.put_back.append(path)
    else:
        beside = f"{path}{suffix}"
        _write(workspace / beside, before)
        outcome.conflicts.append(f"{path} (its earlier content: {beside})")


def _is_inside(workspace: Path, path: str) -> bool:
    """Whether no folder on the way is a link, by which a command could lead us elsewhere."""
    parent = (workspace / path).parent
    return os.path.realpath(parent) == os.path.join(os.path.realpath(workspace), os.path.dirname(path)).rstrip("/")


def _write(path: Path, entry: Entry) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".restoring-") as folder:
        fresh = Path(folder, "fresh")
        if entry.kind == LINK:
            fresh.symlink_to(entry.content)
        else:
            fresh.write_bytes(object_path(entry.content).read_bytes())
            os.chmod(fresh, entry.mode)
            os.utime(fresh, ns=(entry.modified, entry.modified))
        os.replace(fresh, path)
